"""How an upright box is turned about a thing: by the points of the thing as seen from above, its footprint."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

PLAIN_TURN = 1.05
"""A footprint along the image's rows may be so much larger than the smallest: round things have no smallest one."""

NEARLY_SMALLEST = 1.15
"""Of rectangles about a footprint that are at most so much larger than the smallest one, that is right on whose sides
the points lie."""

FAR_M = 0.02
"""Points that are farther off a side lie on none, such as those of the top: how far does not matter."""

AS_NEAR, NEAR_M = 1.1, 0.0005
"""The points lie as near to the sides of a rectangle as to those of another, but for noise: this ratio and distance."""

_TURNS, _FINER = np.radians(np.arange(0.0, 90.0, 3.0)), np.radians(np.arange(-1.5, 2.0, 0.5))

NOISE_M = 0.01
"""Added to each edge where boxes are compared: the thickness of a flat thing is noise, and noise must not decide."""


def footprint_turn(points: FloatArray) -> float:
    """By what angle, in radians, the sides of a rectangle about a footprint (P, 2) are turned.

    The area alone does not tell: where two sides of a block are seen, and little of its top, the footprint is an L, and
    the rectangle along its diagonal is as small as the right one. But the points lie on the sides of the right one.
    """
    hull = _inner_hull(points)
    if len(hull) < 3:
        return 0.0
    turns = np.append(_TURNS, np.radians(cv2.minAreaRect(hull)[2]))
    areas = _areas(hull, turns)
    likely = turns[areas <= NEARLY_SMALLEST * areas.min() + NOISE_M**2]
    best = likely[int(_off_sides(points, hull, likely).argmin())]
    finer = best + _FINER
    off = _off_sides(points, hull, finer)
    fits_plain = areas[0] <= PLAIN_TURN * areas.min() + NOISE_M**2
    if fits_plain and float(_off_sides(points, hull, turns[:1])[0]) <= AS_NEAR * off.min() + NEAR_M:
        return 0.0
    return float(finer[int(off.argmin())])


def _directions(turns: Matrix) -> FloatArray:
    """Directions of the sides (T, 2, 2), as rows, of rectangles at some angles (T,)."""
    cosines, sines = np.cos(turns), np.sin(turns)
    return np.stack([cosines, sines, -sines, cosines], axis=-1).astype(np.float32).reshape(-1, 2, 2)


def _areas(hull: FloatArray, turns: Matrix) -> Matrix:
    """Of the rectangles at some angles (T,) about points (H, 2)."""
    return np.asarray(np.ptp(_directions(turns) @ hull.T, axis=2).prod(axis=1), np.float64)


def _off_sides(points: FloatArray, hull: FloatArray, turns: Matrix) -> Matrix:
    """How far points (P, 2) lie off the sides of the rectangles at some angles (T,) about a hull (H, 2), on average."""
    directions = _directions(turns)
    corners, inside = directions @ hull.T, directions @ points.T
    low, high = corners.min(axis=2, keepdims=True), corners.max(axis=2, keepdims=True)
    off = np.abs(np.minimum(inside - low, high - inside)).min(axis=1)
    return np.asarray(np.minimum(off, FAR_M).mean(axis=1), np.float64)


def _inner_hull(points: FloatArray) -> FloatArray:
    """The convex hull (H, 2) of points (P, 2) without their outermost ones, which are the outliers."""
    outermost = cv2.convexHull(points, returnPoints=False).ravel()
    kept = np.ones(len(points), np.bool_)
    kept[outermost] = False
    inner = points[kept] if kept.sum() >= 8 else points
    return np.asarray(cv2.convexHull(inner), np.float32).reshape(-1, 2)
