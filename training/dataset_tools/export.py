"""`saom dataset export`: a data set as one COCO instance file, for other people's tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from saom_core.errors import InputError
from saom_core.files import check_output, write_atomically

from ..data.annotations import box_of, decode_masks
from ..data.categories import categories_of
from ..data.frames import Split
from ..dataset import Dataset

FIRST_CATEGORY = 1
"""COCO's categories count from 1; many tools take 0 for background."""
FIRST_ANNOTATION = 1
"""So do its annotations: pycocotools' evaluation takes a match with number 0 for none."""


def export_coco(path: Path, split: Split | None, out: Path, ignored: bool = True, quiet: bool = False) -> int:
    """Writes a COCO instance JSON whose `file_name`s start from the data set's folder; returns the number of pictures.

    Masks are RLE, whole objects with their parts' pixels. Sub-objects with a class (a drawer) are annotations that say
    `part_of` which other one; so does `saom dataset import` read them. Pixels that must not be asked about are crowds
    that say `ignored`. The file is written picture by picture: memory does not grow with the data set.

    Args:
        path: folder of the data set.
        split: its pictures alone; None: all.
        out: the JSON file.
        ignored: write the pixels that must not be asked about; False: for readers that take a crowd for an object.
        quiet: no progress bar.

    Raises:
        InputError: the data set cannot be read, has no pictures, or `out` cannot be a file.
        OSError: nothing can be written there.
    """
    data = Dataset.open(path, split)
    if not len(data):
        raise InputError(f"expected pictures in {path}, got none" + (f" of the split {split}" if split else ""))
    check_output(out)
    progress = tqdm(total=2 * len(data), unit="picture", desc="export", disable=quiet)
    categories = [{**one, "id": one["id"] + FIRST_CATEGORY} for one in categories_of(data.class_names)]

    def fill(file: BinaryIO) -> None:
        file.write(b'{"info": ' + json.dumps({"description": data.path.resolve().name, **data.info}).encode())
        file.write(b', "categories": ' + json.dumps(categories).encode())
        for kind, entries in (("images", _images(data)), ("annotations", _annotations(data, ignored))):
            file.write(f', "{kind}": ['.encode())
            before = "\n"
            for of_picture in entries:
                for entry in of_picture:
                    file.write((before + json.dumps(entry, separators=(",", ":"))).encode())
                    before = ",\n"
                progress.update()
            file.write(b"]")
        file.write(b"}\n")

    with progress:
        write_atomically(out, fill)
    return len(data)


def _images(data: Dataset) -> Iterator[list[dict[str, Any]]]:
    for index in range(len(data)):
        image = data.image(index)
        yield [{key: value for key, value in image.items() if key != "ignore"}]


def _annotations(data: Dataset, ignored: bool) -> Iterator[list[dict[str, Any]]]:
    """The annotations of each picture, numbered through the file."""
    numbers = count(FIRST_ANNOTATION)
    # a crowd spares the predictions of its own category alone, and those of a category without objects do not count
    crowd_categories = (np.flatnonzero(data.class_counts(sub_objects=True)) + FIRST_CATEGORY).tolist()
    for index in range(len(data)):
        image, entries = data.image(index), data.entries(index)
        new_id = {entry["id"]: next(numbers) for entry in entries}
        found = [
            {
                **entry,
                "id": new_id[entry["id"]],
                "category_id": entry["category_id"] + FIRST_CATEGORY,
                "part_of": new_id.get(entry["part_of"]),
            }
            for entry in entries
        ]
        ignore = decode_masks([image["ignore"]], (image["height"], image["width"]))[0]
        if ignored and ignore.any():
            crowd = {
                "image_id": image["id"],
                "segmentation": image["ignore"],
                "bbox": box_of(ignore),
                "area": int(ignore.sum()),
                "iscrowd": 1,
                "ignored": True,
            }
            for category in crowd_categories or [FIRST_CATEGORY]:
                found.append({"id": next(numbers), "category_id": category, **crowd})
        yield found
