"""`saom dataset import FOLDER`: Pascal VOC, outlines in XML files or in pictures of objects and classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from defusedxml import ElementTree
from PIL import Image

from saom_core.errors import InputError

from ...data.paths import digest_of
from ..importing import Drawn, Listed, Source
from ..outlines import OutlineFault
from ..told import Faults, size_of

PICTURES, OBJECTS, CLASSES = "JPEGImages", "SegmentationObject", "SegmentationClass"
FIRST_PIXEL = 1
"""Pascal VOC counts pixels from 1."""
VOID = 255
"""Value of pixels between objects, of which nobody has said what they are."""
VOID_COLOUR = 0xE0E0C0
"""The same in pictures of colours, red first: (224, 224, 192)."""
LABEL_MAP, CLASS_NAMES = "labelmap.txt", "class_names.txt"
NO_CLASSES = ("background", "ignore", "ignored")
"""Names in these files, with and without underscores around them, that are no class and have no value of their own."""
# fmt: off
NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on
"""Classes of the values 1, 2, ... in `SegmentationClass` of Pascal VOC itself."""


def read_voc(folder: Path) -> tuple[Source, Path]:
    """What the XML files of a folder tell.

    An object's outline is its `polygon` (x1, y1, x2, y2, ...) or, in sets as Pascal VOC itself, a value or a colour in
    the picture `SegmentationObject/NAME.png`, whose class `SegmentationClass/NAME.png` has. What its values and colours
    mean stands in labelmap.txt (CVAT) or class_names.txt; without them they are Pascal VOC's own. An object with a box
    alone is skipped and counted.

    Returns:
        What is to be imported, and the folder that its pictures' names start from.

    Raises:
        InputError: there is no such XML file in the folder, or it has classes of its own and does not tell their order.
    """
    files = sorted((folder / "Annotations").glob("*.xml")) or sorted(folder.rglob("*.xml"))
    faults: Faults = []
    told: list[tuple[Path, str, tuple[int, int] | None, list[Any]]] = []  # file, picture, its size, objects
    for path in files:
        try:
            tree = ElementTree.parse(path).getroot()
            image = str(tree.findtext("filename") or "")
            objects = list(tree.iter("object"))
            if tree.tag != "annotation" or not image:
                raise ValueError("no annotation with a filename")
        except Exception as error:  # of any kind of broken or forbidden XML
            faults.append(
                ("picture skipped", f"{path.name}: picture skipped: expected Pascal VOC's XML, got {error!r}")
            )
            continue
        size_hw = size_of(tree.findtext("size/height"), tree.findtext("size/width"), image, faults)
        told.append((path, image, size_hw, objects))
    names = {name for *_, objects in told for one in objects if (name := one.findtext("name"))}
    masks = folder / OBJECTS
    labels = None
    pictures = []
    for path, image, size_hw, objects in told:
        drawn: Any = _Polygons(objects)
        if (masks / f"{path.stem}.png").is_file():
            labels = labels or _labels_of(folder, names)
            drawn = _Values(masks / f"{path.stem}.png", folder / CLASSES / f"{path.stem}.png", labels)
        elif masks.is_dir():
            continue  # only some of the set's pictures are segmented
        pictures.append(Listed(image, drawn, size_hw))
    if not pictures:
        raise InputError(f"expected Pascal VOC's XML files in {folder}, found none that tells of a picture")
    root = folder / PICTURES if (folder / PICTURES).is_dir() else folder
    read = [
        *files,
        *(masks / f"{path.stem}.png" for path in files),
        *(folder / CLASSES / f"{path.stem}.png" for path in files),
        *(folder / name for name in (LABEL_MAP, CLASS_NAMES) if (folder / name).is_file()),
    ]
    digest = digest_of((path.relative_to(folder).as_posix(), path) for path in read)
    info = {"simulator": "voc", "source": folder.resolve().name, "sha256": digest}
    return Source(info, sorted(names.union(labels.names if labels else ())), pictures, faults), root


@dataclass(frozen=True)
class _Labels:
    """What the pixels of `SegmentationClass` mean."""

    names: Sequence[str]  # of the values 1, 2, ...
    colours: Mapping[int, int]  # colour -> value, 0 where it is no class; empty if nothing tells the colours

    def values(self, path: Path) -> np.ndarray:
        """(H, W) int of a picture: each pixel's place in `names` from 1 on, or another number where it has no class.

        Colours count where they are told; in a picture with a palette only if all of its colours are.
        """
        mode, pixels, colours = _pixels(path)
        known = np.unique(colours)
        if self.colours and (mode == "RGB" or (mode == "P" and np.isin(known, list(self.colours)).all())):
            by_colour = np.array([self.colours.get(colour, 0) for colour in known.tolist()])
            return by_colour[np.searchsorted(known, colours)]
        if mode == "RGB":
            raise InputError(f"expected a picture with a palette, or its colours in {LABEL_MAP}, got colours at {path}")
        return pixels


def _labels_of(folder: Path, used: set[str]) -> _Labels:
    """The classes of a folder that may have its own; `used` are those in its XML files."""
    path = next((folder / name for name in (LABEL_MAP, CLASS_NAMES) if (folder / name).is_file()), None)
    if path is None:
        foreign = sorted(used.difference(NAMES))
        if foreign:
            raise InputError(
                f"expected {CLASS_NAMES} or CVAT's {LABEL_MAP} in {folder}, since {', '.join(foreign)} are not among "
                f"Pascal VOC's own classes: write the names of the values 1, 2, ... in {CLASSES} there, a line each"
            )
        return _Labels(NAMES, {})
    names: list[str] = []
    colours = {0: 0, VOID_COLOUR: 0}
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            if not line or line.startswith("#"):
                continue
            name, colour = (*line.split(":"), "")[:2] if path.name == LABEL_MAP else (line, "")
            value = 0
            if name.strip("_").lower() not in NO_CLASSES:
                names.append(name)
                value = len(names)
            if colour:
                red, green, blue = (int(part) for part in colour.split(","))
                colours[red << 16 | green << 8 | blue] = value
    except (OSError, ValueError) as error:
        raise InputError(f"expected lines such as `mug:128,0,0::` in {path}, got {error}") from None
    return _Labels(names, colours if len(colours) > 2 else {})


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
            if not one.findtext("name"):
                outline = OutlineFault("an object without a name")
            elif not corners:
                outline = OutlineFault("a box alone, no outline")
            yield Drawn(number, str(one.findtext("name")), outline)


class _Values:
    """The objects of one picture whose pixels have a value, or a colour, of their own."""

    def __init__(self, objects: Path, classes: Path, labels: _Labels) -> None:
        self._objects, self._classes, self._labels = objects, classes, labels

    def __call__(self) -> Iterator[Drawn]:
        mode, pixels, colours = _pixels(self._objects)
        objects, void_value = (colours, VOID_COLOUR) if mode == "RGB" else (pixels, VOID)
        void = objects == void_value
        classes, names = self._labels.values(self._classes), self._labels.names
        if objects.shape != classes.shape:
            raise InputError(f"expected {self._objects} and {self._classes} of one size, got two")
        for value in np.unique(objects[(objects > 0) & ~void]).tolist():
            mask = objects == value
            own = classes[mask & (classes > 0) & (classes <= len(names))]
            key = f"#{value:06x}" if mode == "RGB" else value
            if own.size:
                yield Drawn(key, names[int(np.bincount(own).argmax()) - 1], mask)
            else:
                yield Drawn(key, "", OutlineFault("an object without a class"))
        if void.any():
            yield Drawn("of the edges", "", void, crowd=True)


def _pixels(path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """The mode of a picture (P: with a palette, L: grey, RGB) and, (H, W) int each, its values and its colours.

    A colour is one number, red first; there are no values in RGB.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode not in ("P", "L", "RGB"):
                raise ValueError(f"a picture of the kind {picture.mode}")
            red, green, blue = np.moveaxis(np.array(picture.convert("RGB"), np.int64), 2, 0)
            colours = red << 16 | green << 8 | blue
            return picture.mode, colours if picture.mode == "RGB" else np.array(picture, np.int64), colours
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them stumble over
        raise InputError(f"expected a picture with a palette at {path}, got {error}") from None
