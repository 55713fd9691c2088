"""`saom dataset import FOLDER`: Pascal VOC, outlines in XML files or in pictures of objects and classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from defusedxml import ElementTree
from PIL import Image

from saom_core.errors import InputError

from ...data.paths import digest_of
from ..importing import Drawn, Listed, Source
from ..outlines import OutlineFault

PICTURES, OBJECTS, CLASSES = "JPEGImages", "SegmentationObject", "SegmentationClass"
FIRST_PIXEL = 1
"""Pascal VOC counts pixels from 1."""
VOID = 255
"""Value of pixels between objects, of which nobody has said what they are."""
# fmt: off
NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on
"""Classes of the values 1, 2, ... in `SegmentationClass`."""


def read_voc(folder: Path) -> tuple[Source, Path]:
    """What the XML files of a folder tell.

    An object's outline is its `polygon` (x1, y1, x2, y2, ...) or, in sets as Pascal VOC itself, a value in the picture
    `SegmentationObject/NAME.png`, whose class `SegmentationClass/NAME.png` has. An object with a box alone is skipped
    and counted.

    Returns:
        What is to be imported, and the folder that its pictures' names start from.

    Raises:
        InputError: there is no such XML file in the folder.
    """
    files = sorted((folder / "Annotations").glob("*.xml")) or sorted(folder.rglob("*.xml"))
    pictures, faults = [], []
    names: set[str] = set()
    masks = folder / OBJECTS
    for path in files:
        try:
            tree = ElementTree.parse(path).getroot()
            image = str(tree.findtext("filename") or "")
            height, width = (int(tree.findtext(f"size/{edge}") or 0) for edge in ("height", "width"))
            objects = list(tree.iter("object"))
            if tree.tag != "annotation" or not image:
                raise ValueError("no annotation with a filename")
        except Exception as error:  # of any kind of broken or forbidden XML
            faults.append(
                ("picture skipped", f"{path.name}: picture skipped: expected Pascal VOC's XML, got {error!r}")
            )
            continue
        drawn: Any = _Polygons(objects)
        if (masks / f"{path.stem}.png").is_file():
            drawn = _Values(masks / f"{path.stem}.png", folder / CLASSES / f"{path.stem}.png")
            names.update(NAMES)
        elif masks.is_dir():
            continue  # only some of the set's pictures are segmented
        names.update(str(one.findtext("name")) for one in objects)
        pictures.append(Listed(image, drawn, (height, width) if height and width else None))
    if not pictures:
        raise InputError(f"expected Pascal VOC's XML files in {folder}, found none that tells of a picture")
    root = folder / PICTURES if (folder / PICTURES).is_dir() else folder
    read = [
        *files,
        *(masks / f"{path.stem}.png" for path in files),
        *(folder / CLASSES / f"{path.stem}.png" for path in files),
    ]
    told = digest_of((path.relative_to(folder).as_posix(), path) for path in read)
    info = {"simulator": "voc", "source": folder.resolve().name, "sha256": told}
    return Source(info, sorted(names), pictures, faults), root


class _Polygons:
    """The objects of one picture that the XML gives outlines of."""

    def __init__(self, objects: list[Any]) -> None:
        self._objects = objects

    def __call__(self) -> Iterator[Drawn]:
        for number, one in enumerate(self._objects, 1):
            corners: Mapping[str, str] = {}
            if one.find("polygon") is not None:
                corners = {corner.tag: corner.text or "" for corner in one.find("polygon")}
            tags = [f"{axis}{k}" for k in range(1, len(corners) // 2 + 1) for axis in "xy"]
            try:
                outline: Any = [[float(corners[tag]) - FIRST_PIXEL for tag in tags]]
            except (KeyError, ValueError):
                outline = OutlineFault("a polygon that is no list of x1, y1, x2, y2, ...")
            if not corners:
                outline = OutlineFault("a box alone, no outline")
            yield Drawn(number, str(one.findtext("name")), outline)


class _Values:
    """The objects of one picture whose pixels have a value of their own."""

    def __init__(self, objects: Path, classes: Path) -> None:
        self._objects, self._classes = objects, classes

    def __call__(self) -> Iterator[Drawn]:
        objects, classes = (_values(path) for path in (self._objects, self._classes))
        if objects.shape != classes.shape:
            raise InputError(f"expected {self._objects} and {self._classes} of one size, got two")
        for value in np.unique(objects[(objects > 0) & (objects != VOID)]).tolist():
            mask = objects == value
            own = classes[mask & (classes > 0) & (classes <= len(NAMES))]
            if own.size:
                yield Drawn(value, NAMES[int(np.bincount(own).argmax()) - 1], mask)
            else:
                yield Drawn(value, "", OutlineFault("an object without a class"))
        if (objects == VOID).any():
            yield Drawn("of the edges", "", objects == VOID, crowd=True)


def _values(path: Path) -> np.ndarray:
    """(H, W) uint8 of a picture with a palette: which of its colours a pixel has."""
    try:
        with Image.open(path) as picture:
            if picture.mode not in ("P", "L"):
                raise ValueError(f"a picture of the kind {picture.mode}")
            return np.array(picture, np.uint8)
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them stumble over
        raise InputError(f"expected a picture with a palette at {path}, got {error}") from None
