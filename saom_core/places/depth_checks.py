"""Depth that cannot be right as a whole: wrong unit, nothing measured, objects of the size of houses.

A wrong unit does no harm that one sees: every position is a number, and every number is wrong. So depth is checked
before it is used, and the answer says what is wrong and which setting mends it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.geometry.scene_planes import CELL_PX, LEAST_OF_CELL, cells_with_depth
from saom_core.instances import Instances

FARTHEST_SENSOR_M = 100.0
"""Beyond what depth cameras measure: where most of a picture is farther, it is the unit that is wrong."""

LARGEST_MIDDLE_M = 0.8
"""Longest edge of the middle one of a picture's objects.

On 23 real and simulated table-tops it was at most 0.62 m, and at least 0.83 m with depth that is ten times too large.
"""

FEWEST_OBJECTS = 3
"""Least number of objects with a 3D box that are enough to judge by their sizes."""

SCATTERED = 0.1
"""Of the pixels have depth: where fewer do, the camera is too near, or hardly anything is in reach."""

_FACTORS = (0.001, 0.1, 1000.0, 10.0)
"""Usual mistakes: millimetres taken for metres, tenths for whole millimetres, and the other way round."""


@dataclass(frozen=True)
class DepthProblem:
    """What is wrong with a depth picture."""

    kind: str  # stays the same while the same thing is wrong, although the numbers in the text change
    text: str  # expected, actual, remedy
    usable: bool  # what is valid of it can be used all the same


def depth_scale_of(dtype: np.dtype[np.generic], depth_scale: float) -> float:
    """Metres per unit of depth numbers of a type; `depth_scale` 0 stands for the usual: REP 118's mm and m."""
    if depth_scale > 0:
        return depth_scale
    return 0.001 if np.issubdtype(dtype, np.integer) else 1.0


def depth_in_metres(pixels: npt.NDArray[np.generic], depth_scale: float = 0.0) -> npt.NDArray[np.float32]:
    """Depth numbers as float32 metres.

    Args:
        pixels: any shape, integers or floats.
        depth_scale: metres per unit; 0: integers are millimetres, floats are metres (REP 118).
    """
    scale = depth_scale_of(pixels.dtype, depth_scale)
    # divided by 1000, because 1500 mm times 0.001 are not exactly 1.5 m
    if scale < 1 and abs(1 / scale - round(1 / scale)) < 1e-6:
        return np.asarray(np.divide(pixels, np.float32(round(1 / scale)), dtype=np.float32), np.float32)
    return np.asarray(np.multiply(pixels, np.float32(scale), dtype=np.float32), np.float32)


def depth_problem(depth_m: npt.NDArray[np.floating], min_m: float, max_m: float, scale: float) -> DepthProblem | None:
    """What is wrong with a depth picture as a whole, if anything is.

    Args:
        depth_m: (H, W) metres; 0, NaN and infinities are pixels without depth.
        min_m: nearer is invalid.
        max_m: farther is invalid.
        scale: metres per unit of the numbers that it was made of, to tell the right one.
    """
    some = measured_in(depth_m[::4, ::4])  # enough to find nothing wrong, at a sixteenth of the time
    if some.size and min_m <= float(np.median(some)) <= max_m:
        return _scattered(depth_m) if some.size < LEAST_OF_CELL * depth_m[::4, ::4].size else None
    measured = measured_in(depth_m)
    if measured.size == 0:
        return _nothing_measured(depth_m)
    median = float(np.median(measured))
    if min_m <= median <= max_m:
        return None
    valid = bool(np.any((measured >= min_m) & (measured <= max_m)))
    factor = next((factor for factor in _FACTORS if min_m <= median * factor <= max_m), None)
    unit = "" if factor is None else f", if the unit is wrong, set depth_scale to {scale * factor:g} (now {scale:g})"
    limit = f"min_depth_m (now {min_m:g})" if median < min_m else f"max_depth_m (now {max_m:g})"
    text = (
        f"depth: expected most distances to be {min_m:g} to {max_m:g} m, got a median of {median:.3g} m{unit}; "
        f"if it is right, change {limit}"
    )
    usable = valid and median <= FARTHEST_SENSOR_M
    return DepthProblem("too near" if median < min_m else "too far", text, usable)


def size_problem(instances: Instances, scale: float) -> DepthProblem | None:
    """What the sizes of a picture's objects say of the unit of its depth, if they say anything.

    Args:
        instances: measured.
        scale: metres per unit of the depth's numbers, to tell the right one.
    """
    if instances.boxes3d is None:
        return None
    longest = instances.boxes3d.sizes_m.max(axis=1)
    longest = longest[np.isfinite(longest)]
    if longest.size < FEWEST_OBJECTS or np.median(longest) <= LARGEST_MIDDLE_M:
        return None
    text = (
        f"depth: expected things of a hand's size, got objects of {np.median(longest):.1f} m (the middle one of "
        f"{longest.size}): if they are smaller, the unit is wrong, set depth_scale to {scale / 10:g} (now {scale:g}); "
        f"if it is right, set depth_scale to {scale:g} to end this warning"
    )
    return DepthProblem("large objects", text, usable=True)


def measured_in(depth_m: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """(P,) distances of those pixels of a depth picture that have one: 0, NaN and infinities stand for none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(depth_m[(depth_m > 0) & (depth_m < np.inf)])


def _scattered(depth_m: npt.NDArray[np.floating]) -> DepthProblem | None:
    """That pixels with depth lie so far apart that no surface is seen, if they do."""
    if min(depth_m.shape) < 3 * CELL_PX:
        return None
    shares, filled = cells_with_depth(depth_m)
    share = float(shares.mean())
    if share < SCATTERED or float(filled.mean()) > share / 4:
        return None
    text = (
        f"depth: expected pixels with depth beside each other, got {100 * share:.0f} % of the picture, scattered: "
        "tables are not found in it, and are not left out; let the driver fill holes, "
        "or send depth of the camera's own size with its camera_info as depth_camera_info"
    )
    return DepthProblem("scattered", text, usable=True)


def _nothing_measured(depth_m: npt.NDArray[np.floating]) -> DepthProblem:
    total = depth_m.size
    zero, negative = int(np.count_nonzero(depth_m == 0)), int(np.count_nonzero(depth_m < 0))
    counts = {"0": zero, "negative": negative, "NaN or infinite": total - zero - negative}
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    remedy = (
        "send distances along the camera's axis, which are positive (REP 118)"
        if negative
        else "is the depth camera covered, too near, or switched off?"
    )
    text = f"depth: expected distances, got {total} pixels without one ({found}): {remedy}"
    kind = "negative" if negative else "nothing measured"
    return DepthProblem(kind, text, usable=False)
