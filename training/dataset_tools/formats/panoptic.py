"""`saom dataset import`: COCO panoptic JSON, whose masks are pictures that name each pixel's segment by its colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from saom_core.errors import InputError

from ...data.categories import class_names_of, names_by_id
from ...data.paths import digest_of, inside
from ..importing import Drawn, Listed, Source
from ..told import is_yes

Entry = Mapping[str, Any]


def is_panoptic(content: Entry) -> bool:
    """Whether COCO JSON is of the panoptic kind."""
    return any(isinstance(entry, Mapping) and "segments_info" in entry for entry in content["annotations"])


def read_panoptic(path: Path, content: Entry) -> Source:
    """What a COCO panoptic file tells; the segments' pictures are in the folder that is called as the file.

    Things are objects. Stuff (`isthing` 0: walls, floors, sky) is background, as a simulator's floor is. Pixels without
    a segment, and crowds, are not asked about.

    Args:
        path: of the file.
        content: its parsed JSON.

    Raises:
        InputError: its lists are not COCO's, or the folder of segments is not there.
    """
    segments = path.with_suffix("")
    if not segments.is_dir():
        raise InputError(f"expected the pictures of the segments in {segments}, found no folder: put them there")
    try:
        things = {**content, "categories": [one for one in content["categories"] if is_yes(one.get("isthing", 1))]}
        every, names = names_by_id(content), names_by_id(things)
        annotations: dict[Any, Entry] = {}
        for entry in content["annotations"]:
            annotations.setdefault(entry["image_id"], entry)
        images = [(image["id"], str(image["file_name"])) for image in content["images"]]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"expected COCO panoptic JSON in {path}, got {error!r}") from None
    class_names_of({"class_names": list(names.values())})
    pictures, faults = [], []
    for image_id, file_name in images:
        if image_id in annotations:
            drawn = _Segments(segments, annotations[image_id], names, set(every))
            pictures.append(Listed(file_name=file_name, drawn=drawn))
        else:
            faults.append(("picture skipped", f"{file_name}: picture skipped: it has no annotation"))
    known = {image_id for image_id, _ in images}
    for orphan in sorted(str(image_id) for image_id in set(annotations) - known):
        faults.append(("annotation skipped", f"annotation of picture {orphan}, which is not in the list of images"))
    files = [path, *sorted(segments.rglob("*.png"))]
    told = digest_of((one.relative_to(path.parent).as_posix(), one) for one in files)
    info = {"simulator": "coco panoptic", "source": path.name, "sha256": told}
    return Source(info, list(names.values()), pictures, faults)


class _Segments:
    """The segments of one picture, read when it is."""

    def __init__(self, folder: Path, entry: Entry, names: Mapping[int, str], categories: set[int]) -> None:
        self._folder, self._entry, self._names, self._categories = folder, entry, names, categories

    def __call__(self) -> Iterator[Drawn]:
        path = inside(self._folder, self._entry.get("file_name"))
        try:
            with Image.open(path) as picture:
                red, green, blue = np.moveaxis(np.array(picture.convert("RGB"), np.int64), 2, 0)
        except Exception as error:  # Pillow's readers raise whatever a broken file makes them stumble over
            raise InputError(f"expected the segments of the picture at {path}, got {error}") from None
        numbers = red + 256 * green + 65536 * blue
        told = set()
        try:
            segments = [
                (int(segment["id"]), segment["category_id"], is_yes(segment.get("iscrowd")))
                for segment in self._entry["segments_info"]
                if segment.get("category_id") in self._categories
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"expected segments_info with id and category_id of each segment, got {error!r}") from None
        for number, category, crowd in segments:
            told.add(number)
            if category in self._names:
                yield Drawn(number, self._names[category], numbers == number, crowd)
        nothing = ~np.isin(numbers, list(told))  # no segment, or one of an unknown category
        if nothing.any():
            yield Drawn("of the pixels without a segment", "", nothing, crowd=True)
