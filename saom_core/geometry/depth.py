"""Depth images: cleaning, back-projection, and where an instance is in metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.geometry.support import rounded

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Boxes3d:
    """Oriented boxes of N instances in the camera's optical frame (REP 103: x right, y down, z forward), metres.

    An instance with too little depth has NaN in all three. The axes of a box are right-handed, and their order and
    signs are fixed: the first lies along the longest edge and points to the right in the image, the third along the
    shortest edge and towards the camera, the second along the middle one. A track of a video keeps its axes from frame
    to frame while they fit. The box of what stands on a plane reaches down to it. See `oriented_box.fit_box`.

    Attributes:
        centers_m: (N, 3) float32, x y z of the middle of each box.
        quaternions_xyzw: (N, 4) float32 of unit length, the scalar last and not negative. It turns the box's axes into
            the camera's: the columns of its rotation matrix are the directions of the edges.
        sizes_m: (N, 3) float32, full lengths of the edges along the three axes, the longest first.
    """

    centers_m: FloatArray
    quaternions_xyzw: FloatArray
    sizes_m: FloatArray

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(N,), whether an instance has a box."""
        return np.asarray(np.isfinite(self.centers_m).all(axis=1))

    @property
    def axes(self) -> npt.NDArray[np.float64]:
        """(N, 3, 3): column j of axes[k] is the direction of edge j of box k, of length 1, in the camera's frame.

        A point p of the camera's frame is at `axes[k].T @ (p - centers_m[k])` along the edges.
        """
        return rotations_of(self.quaternions_xyzw)

    def as_dict(self, k: int) -> dict[str, Any]:
        """Of one instance, for JSON; None stands for NaN."""
        return {name: [rounded(value) for value in getattr(self, name)[k]] for name in BOX_ARRAYS}


BOX_ARRAYS: dict[str, int] = {"centers_m": 3, "quaternions_xyzw": 4, "sizes_m": 3}
"""What `Boxes3d` has of each instance, and how many numbers."""


def rotations_of(quaternions_xyzw: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Rotation matrices (N, 3, 3) of quaternions (N, 4) of unit length, the scalar last; NaN stays NaN."""
    x, y, z, w = np.asarray(quaternions_xyzw, np.float64).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


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
