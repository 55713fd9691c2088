"""Outlines as annotation files hold them (polygons, run lengths, masks) as masks of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

BoolArray = npt.NDArray[np.bool_]
FAR = 10
"""Points farther out than so many times the picture's edge are a mistake, and would take endless time to draw."""


class OutlineFault(Exception):
    """An outline of which no mask can be made; the message is the reason, under which it is counted."""


def mask_of(outline: Any, told_hw: tuple[float, float], size_hw: tuple[int, int]) -> BoolArray:
    """The mask of an outline, at the size of the picture.

    Args:
        outline: COCO's polygons ([x, y, x, y, ...] each), compressed or uncompressed run lengths, a bool array, or the
            fault that its reader has found.
        told_hw: height and width that it was drawn on; (1, 1) for shares of the picture.
        size_hw: of the picture. Where it is another one than `told_hw`, the outline is scaled.

    Returns:
        (H, W) bool with at least one pixel.

    Raises:
        OutlineFault: There is no outline, it is broken, or nothing of it lies in the picture.
    """
    if isinstance(outline, OutlineFault):
        raise outline
    if isinstance(outline, np.ndarray):
        if outline.shape != tuple(told_hw):
            raise OutlineFault("a mask of another size than the file tells of the picture")
        mask = outline
    elif isinstance(outline, Mapping):
        mask = _mask_of_runs(outline, told_hw)
    elif isinstance(outline, Sequence) and not isinstance(outline, str) and len(outline):
        mask = _mask_of_polygons(outline, told_hw, size_hw)
    else:
        raise OutlineFault("no outline")
    if mask.shape != size_hw:
        scaled = cv2.resize(mask.astype(np.uint8), size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        mask = np.asarray(scaled, bool)
    if not mask.any():
        raise OutlineFault("nothing of it lies in the picture")
    return mask


def _mask_of_polygons(polygons: Sequence[Any], told_hw: tuple[float, float], size_hw: tuple[int, int]) -> BoolArray:
    scale = np.array([size_hw[1] / told_hw[1], size_hw[0] / told_hw[0]])
    drawn = []
    for polygon in polygons:
        try:
            points = np.asarray(polygon, float).reshape(-1, 2) * scale
        except (TypeError, ValueError):
            raise OutlineFault("a polygon that is no list of x, y, x, y, ...") from None
        if not np.isfinite(points).all() or (np.abs(points) > FAR * max(size_hw)).any():
            raise OutlineFault("a polygon with points that are no numbers, or far outside of the picture")
        if len(points) >= 3:  # fewer have no area
            drawn.append(points.ravel().tolist())
    if not drawn:
        raise OutlineFault("a polygon of fewer than 3 points")
    return np.asarray(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(drawn, *size_hw))), bool)


def _mask_of_runs(outline: Mapping[str, Any], told_hw: tuple[float, float]) -> BoolArray:
    counts, size = outline.get("counts"), outline.get("size")
    if not isinstance(size, Sequence) or tuple(size) != tuple(told_hw):
        raise OutlineFault("run lengths of another size than the file tells of the picture")
    try:
        runs = runs_of(counts) if isinstance(counts, str | bytes) else [int(run) for run in counts or ()]
    except (TypeError, ValueError, IndexError):
        raise OutlineFault("broken run lengths") from None
    height, width = (int(edge) for edge in told_hw)
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise OutlineFault("broken run lengths")
    values = np.fromiter((value for value, _ in zip(cycle((False, True)), runs, strict=False)), bool, len(runs))
    return np.repeat(values, runs).reshape(width, height).T


def runs_of(counts: str | bytes) -> list[int]:
    """The run lengths in COCO's compressed text: differences to the run before the last, in groups of five bits.

    Raises:
        ValueError, IndexError: the text is no such code, or ends too early.
    """
    codes = counts.encode("ascii") if isinstance(counts, str) else counts
    runs: list[int] = []
    at = 0
    while at < len(codes):
        value = shift = 0
        more = True
        while more:
            code = codes[at] - 48
            if not 0 <= code < 64:
                raise ValueError(f"expected characters of COCO's code, got {codes[at]:#x}")
            value |= (code & 0x1F) << shift
            more, at, shift = bool(code & 0x20), at + 1, shift + 5
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
