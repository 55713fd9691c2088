"""`saom dataset import`: any COCO instance JSON, with the class names that it has, as a data set of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from saom_core.errors import InputError

from ...data.categories import class_names_of, names_by_id
from ...data.frames import SPLITS
from ..importing import Drawn, Listed, Source
from ..told import Faults, camera_of, is_yes, key_of, size_of

Entry = Mapping[str, Any]


def is_coco(content: Any) -> bool:
    """Whether parsed JSON is a COCO file: of instances, or panoptic."""
    return isinstance(content, Mapping) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations", "categories")
    )


def read_coco(path: Path, content: Entry) -> Source:
    """What a COCO instance file tells.

    An image may say its `scene` (else each is one of its own), `split`, `depth_file_name` and `camera` (fx, fy, cx, cy
    in pixels; else 60 degrees across are assumed). An annotation may say the annotation that it is a `part_of`, as
    `saom dataset export` writes it. An annotation with `iscrowd` is a crowd, whatever its outline is; one that says
    `ignored`, as an export does, is no crowd of its category. A category without annotations that others have as their
    supercategory is no class: so Roboflow writes the name of the project.

    Args:
        path: of the file.
        content: its parsed JSON: polygons or RLE, any category ids.

    Raises:
        InputError: its lists are not COCO's, or two categories have one name.
    """
    try:
        headings = _headings(content)
        names = {number: name for number, name in names_by_id(content).items() if number not in headings}
        images: dict[Any, Entry] = {image["id"]: image for image in content["images"]}
        file_names = [_file_name(image) for image in content["images"]]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"expected COCO's images and categories with their ids in {path}, got {error!r}") from None
    _check_names(names, path)
    if len(images) < len(file_names) or len(set(file_names)) < len(file_names):
        raise InputError(f"expected every image once in {path}, got ids or file names that are there twice")
    annotations: dict[Any, list[Entry]] = {image_id: [] for image_id in images}
    reason = "category left out: it has no annotation, and others name it as their supercategory"
    faults = [(reason, f"category {number} ({name}): {reason}") for number, name in headings.items()]
    for place, entry in enumerate(content["annotations"]):
        fault = _fault(entry, images, names)
        if fault:
            number = entry.get("id", place) if isinstance(entry, Mapping) else place
            faults.append(("annotation skipped", f"annotation {number}: annotation skipped: {fault}"))
        else:
            annotations[entry["image_id"]].append(entry)
    pictures = [_listed(image, annotations[image["id"]], names, faults) for image in content["images"]]
    info = {"simulator": "coco", "source": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return Source(info, list(names.values()), pictures, faults)


def _headings(content: Entry) -> dict[int, str]:
    """Id and name of each category that only groups others."""
    categories = content["categories"]
    used = {entry.get("category_id") for entry in content["annotations"] if _has_category(entry)}
    above = {one.get("supercategory") for one in categories}
    return {
        int(one["id"]): str(one["name"])
        for one in categories
        # one that names itself, as COCO's person does, is a class
        if int(one["id"]) not in used and one["name"] in above and one["name"] != one.get("supercategory")
    }


def _has_category(entry: Any) -> bool:
    return isinstance(entry, Mapping) and _is_key(entry.get("category_id"))


def _check_names(names: Mapping[int, str], path: Path) -> None:
    """Raises InputError unless they can be the class names of a data set."""
    ids: dict[str, list[int]] = {}
    for number, name in names.items():
        ids.setdefault(name, []).append(number)
    for name, numbers in ids.items():
        if len(numbers) > 1:
            raise InputError(
                f"expected categories of different names in {path}, got {name!r} with the ids "
                f"{' and '.join(map(str, numbers))}: rename one, or give the annotations of all of them one id and "
                "delete the other categories"
            )
    class_names_of({"class_names": list(names.values())})


def _fault(entry: Any, images: Mapping[Any, Entry], names: Mapping[int, str]) -> str:
    """Why an annotation belongs to no picture; empty if it does."""
    if not isinstance(entry, Mapping):
        return "it is no JSON object"
    if not _is_key(entry.get("image_id")) or entry["image_id"] not in images:
        return f"its picture {entry.get('image_id')!r} is not in the list of images"
    if not _has_category(entry) or entry["category_id"] not in names:
        return f"its category {entry.get('category_id')!r} is none of the categories {sorted(names)}"
    return ""


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str)


def _file_name(image: Entry) -> str:
    """LVIS tells the address of COCO's picture alone, whose last two parts are folder and name."""
    name = image.get("file_name")
    return str(image["file_name"] if name or not image.get("coco_url") else "/".join(image["coco_url"].split("/")[-2:]))


def _listed(image: Entry, entries: Sequence[Entry], names: Mapping[int, str], faults: Faults) -> Listed:
    if image.get("split") is not None and image["split"] not in SPLITS:
        raise InputError(f"expected image {image['id']} to have a split of {SPLITS}, got {image['split']!r}")
    name, scene = _file_name(image), image.get("scene")
    return Listed(
        file_name=name,
        drawn=lambda: _drawn(entries, names),
        told_hw=size_of(image.get("height"), image.get("width"), name, faults),
        scene="" if scene is None else str(scene),
        split=image.get("split"),
        camera=camera_of(image.get("camera"), name, faults),
        depth_file_name=str(image.get("depth_file_name") or ""),
    )


def _drawn(entries: Sequence[Entry], names: Mapping[int, str]) -> Iterator[Drawn]:
    for place, entry in enumerate(entries):
        crowd = is_yes(entry.get("iscrowd"))
        yield Drawn(
            key=key_of(entry.get("id", f"number {place}")),
            class_name="" if crowd and is_yes(entry.get("ignored")) else names[entry["category_id"]],
            outline=entry.get("segmentation"),
            crowd=crowd,
            part_of=key_of(entry.get("part_of")),
        )


def parsed(path: Path) -> Any:
    """The JSON of a file.

    Raises:
        InputError: It cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"expected a JSON file at {path}, got {error}") from None
