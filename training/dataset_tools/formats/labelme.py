"""`saom dataset import FOLDER`: LabelMe's JSON files, one beside each picture."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from saom_core.errors import InputError

from ...data.paths import digest_of
from ..importing import Drawn, Listed, Source
from ..outlines import OutlineFault
from ..told import Faults, key_of, size_of

Entry = Mapping[str, Any]
CORNERS = 64
"""Number of corners of the polygon that stands for a circle."""


def read_labelme(folder: Path) -> Source:
    """What the JSON files of a folder tell.

    Polygons, circles and masks are outlines; shapes of one label and one `group_id` are pieces of one object. Points,
    lines and rectangles are no outlines: they are skipped and counted.

    Raises:
        InputError: there is no LabelMe file in the folder.
    """
    pictures: list[Listed] = []
    faults: Faults = []
    names: set[str] = set()
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.json"))}
    for where, path in files.items():
        try:
            content = json.loads(path.read_bytes())
            shapes, image = content["shapes"], content["imagePath"].replace("\\", "/")
            names.update(str(shape["label"]) for shape in shapes if shape["label"] is not None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append(("picture skipped", f"{where}: picture skipped: expected LabelMe's JSON, got {error!r}"))
            continue
        told_hw = size_of(content.get("imageHeight"), content.get("imageWidth"), where, faults)
        pictures.append(Listed(_joined(path.parent.relative_to(folder), image), _Shapes(shapes, told_hw), told_hw))
    if not pictures:
        raise InputError(f"expected LabelMe's JSON files in {folder}, found none: give their folder")
    info = {"simulator": "labelme", "source": folder.resolve().name, "sha256": digest_of(files.items())}
    return Source(info, sorted(names), pictures, faults)


def _joined(folder: Path, image: str) -> str:
    """The picture's name in the folder that is imported; `..` that stays inside is resolved."""
    parts: list[str] = list(folder.parts)
    for part in Path(image).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return str(Path(*parts))


class _Shapes:
    """The objects of one picture, whose size (height, width) the file tells, or not."""

    def __init__(self, shapes: Sequence[Entry], size_hw: tuple[int, int] | None) -> None:
        self._shapes, self._size_hw = shapes, size_hw

    def __call__(self) -> Iterator[Drawn]:
        grouped: dict[tuple[str, Any], list[Any]] = {}
        for number, shape in enumerate(self._shapes, 1):
            kind, label, group = shape.get("shape_type", "polygon"), shape["label"], key_of(shape.get("group_id"))
            try:
                if label is None:
                    raise OutlineFault("a shape without a label")
                label, outline = str(label), self._outline(shape, kind)
            except OutlineFault as fault:
                yield Drawn(f"{number}, a {kind}", str(label), fault)
                continue
            if group is not None and isinstance(outline, list):
                grouped.setdefault((label, group), []).extend(outline)
            else:
                yield Drawn(f"{number}, a {kind}", label, outline)
        for (label, group), pieces in grouped.items():
            yield Drawn(f"group {group} of {label}", label, pieces)

    def _outline(self, shape: Entry, kind: str) -> Any:
        try:
            points = np.asarray(shape["points"], float).reshape(-1, 2)
            if kind == "mask":
                return self._mask(shape["mask"], points)
        except Exception as error:  # Pillow's readers raise whatever a broken picture makes them stumble over
            raise OutlineFault(f"broken points or mask: {error!r}") from None
        if kind == "circle" and len(points) == 2:
            angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
            radius = np.hypot(*(points[1] - points[0]))
            points = points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        elif kind != "polygon":
            raise OutlineFault(f"a {kind} is no outline")
        return [points.ravel().tolist()]

    def _mask(self, packed: str, points: np.ndarray) -> np.ndarray:
        """(H, W) bool of a small mask, whose top left pixel is the first point."""
        if self._size_hw is None:
            raise OutlineFault("a mask in a picture whose size the file does not tell")
        with Image.open(io.BytesIO(base64.b64decode(packed))) as picture:
            crop = np.array(picture.convert("L")) > 0
        mask = np.zeros(self._size_hw, bool)
        left, top = (int(round(value)) for value in points[0])
        place = mask[top : top + crop.shape[0], left : left + crop.shape[1]]
        place |= crop[: place.shape[0], : place.shape[1]]
        return mask
