"""Depth images: cleaning, back-projection, and where an instance is in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Boxes3d:
    """Oriented boxes of N instances in the camera's optical frame; NaN where an instance has too little depth."""

    centers_m: FloatArray  # (N, 3)
    quaternions_xyzw: FloatArray  # (N, 4), turns the box's axes into the camera's; see `oriented_box.fit_box`
    sizes_m: FloatArray  # (N, 3), full edges along the box's axes, the longest first


def clean_depth(depth_m: npt.NDArray[np.floating], min_m: float, max_m: float) -> FloatArray:
    """Depth with everything that is no measurement set to 0 (REP 118: 0, NaN and infinities mean none).

    Args:
        depth_m: (H, W) floating, metres.
        min_m: nearer is invalid.
        max_m: farther is invalid.

    Returns:
        (H, W) float32, metres, 0 = invalid; a copy.

    Raises:
        InputError: not two-dimensional, or not a floating type.
    """
    if depth_m.ndim != 2 or not np.issubdtype(depth_m.dtype, np.floating):
        raise InputError(
            f"expected depth of shape (H, W) in float metres, got {depth_m.shape} {depth_m.dtype}: divide mm by 1000"
        )
    with np.errstate(invalid="ignore"):
        valid = (depth_m >= max(min_m, 1e-6)) & (depth_m <= max_m)
    return np.where(valid, depth_m, depth_m.dtype.type(0)).astype(np.float32, copy=False)


def back_project(
    depths_m: FloatArray, rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer], camera: CameraIntrinsics
) -> FloatArray:
    """Points of some pixels.

    Args:
        depths_m: (P,) float32, metres along the optical axis.
        rows: (P,) integer pixel rows.
        columns: (P,) integer pixel columns.
        camera: of the image.

    Returns:
        (P, 3) float32, metres, optical frame; NaN for pixels of a wide lens that no ray reaches.
    """
    return camera.rays(rows, columns) * depths_m[:, None]


def median(values: npt.NDArray[np.floating]) -> float:
    """The median of P >= 1 finite numbers: `np.median` looks for NaN, which costs more than the rest on so few."""
    upper = values.size // 2
    lower = (values.size - 1) // 2
    parted = np.partition(values, (lower, upper))
    return (float(parted[lower]) + float(parted[upper])) / 2


def inlier_depths(points_m: FloatArray) -> FloatArray:
    """Points of one object without the stray depths of its border.

    Depth cameras mix foreground and background at edges ("flying pixels"). Points farther from the median depth
    than 3 times the robust spread (1.4826 MAD, at least 1 cm) are dropped.

    Args:
        points_m: (P, 3) float32.

    Returns:
        (Q, 3) float32, Q <= P.
    """
    z = points_m[:, 2]
    deviation = np.abs(z - median(z))
    spread = max(1.4826 * median(deviation), 0.01)
    kept: FloatArray = points_m[deviation <= 3.0 * spread]
    return kept
