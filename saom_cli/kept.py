"""`Instances` as bytes and back, exactly, for answers that wait on the disk until a run is complete."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np

from saom_core.geometry.depth import Boxes3d
from saom_core.geometry.support import SUPPORT_ARRAYS, Plane, Support
from saom_core.instances import Instances, MaskCrop


def packed(instances: Instances) -> bytes:
    """All fields of the instances of one picture, as a file of NumPy."""
    crops = [mask.crop for mask in instances.masks]
    parts: dict[str, Any] = {
        "size_hw": np.array(instances.size_hw),
        "mask_places": np.array([(mask.x, mask.y, *mask.crop.shape) for mask in instances.masks], int).reshape(-1, 4),
        "mask_bits": np.packbits(np.concatenate([np.empty(0, bool), *(crop.ravel() for crop in crops)])),
        "class_names": np.array(instances.class_names, str),
    }
    for field in dataclasses.fields(instances):
        value = getattr(instances, field.name)
        if isinstance(value, np.ndarray):
            parts[field.name] = value
        elif isinstance(value, Boxes3d):
            parts |= {f"boxes3d.{one.name}": getattr(value, one.name) for one in dataclasses.fields(value)}
        elif isinstance(value, Support):
            parts |= {f"support.{name}": getattr(value, name) for name in SUPPORT_ARRAYS}
            planes = value.planes
            parts["plane_numbers"] = np.array([(*p.coefficients, p.area_m2, p.pixels) for p in planes]).reshape(-1, 6)
            parts["plane_sizes"] = np.array([len(plane.outline_m) for plane in planes], int)
            parts["plane_outlines"] = np.concatenate([np.empty((0, 3), np.float32), *(p.outline_m for p in planes)])
        elif value is not None and field.name not in ("size_hw", "masks", "class_names"):
            raise TypeError(f"expected arrays in Instances.{field.name}, got {type(value).__name__}")
    file = io.BytesIO()
    np.savez_compressed(file, **parts)
    return file.getvalue()


def unpacked(content: bytes) -> Instances:
    """The instances that were packed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    height, width = parts.pop("size_hw").tolist()
    bits, names, masks, begin = parts.pop("mask_bits"), parts.pop("class_names"), [], 0
    flat = np.unpackbits(bits).astype(np.bool_)
    for x, y, rows, columns in parts.pop("mask_places").tolist():
        masks.append(MaskCrop(x, y, flat[begin : begin + rows * columns].reshape(rows, columns)))
        begin += rows * columns
    support = _support(parts)
    boxes = {name.partition(".")[2]: parts.pop(name) for name in list(parts) if name.startswith("boxes3d.")}
    return Instances(
        (height, width),
        tuple(masks),
        class_names=tuple(names.tolist()),
        boxes3d=Boxes3d(**boxes) if boxes else None,
        support=support,
        **parts,
    )


def _support(parts: dict[str, Any]) -> Support | None:
    """What the instances stand on, if that was known; takes its parts out."""
    arrays = {name: parts.pop(f"support.{name}") for name in SUPPORT_ARRAYS if f"support.{name}" in parts}
    if not arrays:
        return None
    numbers, sizes, outlines = (parts.pop(f"plane_{name}") for name in ("numbers", "sizes", "outlines"))
    planes = []
    for (a, b, c, d, area, pixels), outline in zip(
        numbers.tolist(), np.split(outlines, np.cumsum(sizes)[:-1]), strict=False
    ):
        planes.append(Plane((a, b, c, d), outline, area, int(pixels)))
    return Support(tuple(planes), **arrays)
