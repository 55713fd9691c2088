"""Depth of another camera, or of another size, brought to the pixels of the colour camera.

As depth_image_proc's register node does it: each depth pixel is a small square at its distance; the square is moved
into the colour camera, drawn over the pixels that it covers there, and the nearest one wins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.rigid import RigidTransform

FloatArray = npt.NDArray[np.float32]

OVERLAP_PX = 0.01
"""Squares reach so far over their edges, or rounding would leave a seam where an edge meets the middle of a pixel."""

LARGEST_SQUARE_PX = 8
"""Of a depth pixel in the colour picture; a depth camera with an eighth of its resolution is the coarsest."""


def register_depth(
    depth_m: FloatArray, depth_camera: CameraIntrinsics, to_color: RigidTransform, color_camera: CameraIntrinsics
) -> FloatArray:
    """Depth as the colour camera would see it.

    Args:
        depth_m: (h, w) float32, metres along the depth camera's axis; 0, NaN and infinities = invalid.
        depth_camera: of that depth.
        to_color: from the depth camera's optical frame into the colour camera's.
        color_camera: of the pictures.

    Returns:
        (H, W) float32, metres along the colour camera's axis; 0 where nothing is seen.

    Raises:
        InputError: depth of another size than its camera's.
    """
    if depth_m.shape != (depth_camera.height, depth_camera.width):
        raise InputError(
            f"depth: expected the size of its camera_info, {depth_camera.width}x{depth_camera.height}, got "
            f"{depth_m.shape[1]}x{depth_m.shape[0]}: connect the camera_info of the depth topic"
        )
    with np.errstate(invalid="ignore"):
        rows, columns = np.nonzero((depth_m > 0) & (depth_m < np.inf))
    depths = depth_m[rows, columns]
    points = to_color.points(depth_camera.rays(rows, columns) * depths[:, None])
    ahead = points[:, 2] > 0  # NaN, of a pixel without a ray, is not
    points, depths = points[ahead], depths[ahead]
    pixels = color_camera.project(points)
    # half of a depth pixel's side in the colour picture
    half_x = OVERLAP_PX + 0.5 * depths / depth_camera.fx * color_camera.fx / points[:, 2]
    half_y = OVERLAP_PX + 0.5 * depths / depth_camera.fy * color_camera.fy / points[:, 2]
    finite = np.isfinite(pixels).all(axis=1)
    pixels, z, half_x, half_y = pixels[finite], points[finite, 2], half_x[finite], half_y[finite]
    left, right = _span(pixels[:, 0], half_x)
    top, bottom = _span(pixels[:, 1], half_y)
    registered = np.full(color_camera.height * color_camera.width, np.inf, np.float32)
    across = int(min((right - left).max(initial=0) + 1, LARGEST_SQUARE_PX))
    down = int(min((bottom - top).max(initial=0) + 1, LARGEST_SQUARE_PX))
    for dy in range(down):
        for dx in range(across):
            x, y = left + dx, top + dy
            inside = (x <= right) & (y <= bottom) & (x >= 0) & (y >= 0)
            inside &= (x < color_camera.width) & (y < color_camera.height)
            np.minimum.at(registered, y[inside] * color_camera.width + x[inside], z[inside])
    registered[np.isinf(registered)] = 0
    return registered.reshape(color_camera.height, color_camera.width)


def _span(middle: npt.NDArray[np.float64], half: FloatArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First and last pixel whose middle lies within a span; at least the pixel that the span's middle lies in."""
    nearest = np.floor(middle + 0.5).astype(np.int64)
    first, last = np.ceil(middle - half).astype(np.int64), np.ceil(middle + half).astype(np.int64) - 1
    return np.minimum(first, nearest), np.maximum(last, nearest)
