"""Depth of another camera, or of another size, brought to the pixels of the colour camera.

As depth_image_proc's register node does it: each depth pixel is a small square at its distance; the square is moved
into the colour camera, drawn over the pixels that it covers there, and the nearest one wins.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.places.rigid import RigidTransform

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

OVERLAP_PX = 0.01
"""Squares reach so far over their edges, or rounding would leave a seam where an edge meets the middle of a pixel."""

LARGEST_SQUARE_PX = 8
"""Of a depth pixel in the colour picture; a depth camera with an eighth of its resolution is the coarsest."""


class Registration:
    """From one camera's depth to another camera's; what does not change from frame to frame is computed once.

    Args:
        depth_camera: of the depth.
        to_color: from the depth camera's optical frame into the colour camera's.
        color_camera: of the pictures.
    """

    def __init__(
        self, depth_camera: CameraIntrinsics, to_color: RigidTransform, color_camera: CameraIntrinsics
    ) -> None:
        self.key = depth_camera, to_color.key, color_camera
        # a raw picture's depth lies along its own camera's axis, not along that of the rectified one
        own = np.eye(3) if color_camera.rotation is None else np.array(color_camera.rotation, np.float64)
        self._depth_camera, self._color_camera = depth_camera, dataclasses.replace(color_camera, rotation=None)
        size_hw = depth_camera.height, depth_camera.width
        rays = np.stack([np.broadcast_to(ray_map, size_hw) for ray_map in depth_camera.ray_maps], axis=-1)
        turned = rays.reshape(-1, 3) @ to_color.rotation.T @ own
        self._rays = tuple(np.ascontiguousarray(turned[:, axis], np.float32) for axis in range(3))
        self._shift = tuple(np.float32(value) for value in to_color.translation_m @ own)
        self._sides = tuple(side.ravel() for side in _sides_of_pixels(depth_camera))
        self._color_sides = _sides_of_pixels(self._color_camera)

    def __call__(self, depth_m: FloatArray) -> FloatArray:
        """Depth as the colour camera would see it.

        Args:
            depth_m: (h, w) float32, metres along the depth camera's axis; 0, NaN and infinities = invalid.

        Returns:
            (H, W) float32, metres along the colour camera's axis; 0 where nothing is seen.

        Raises:
            InputError: depth of another size than its camera's.
        """
        source, target = self._depth_camera, self._color_camera
        if depth_m.shape != (source.height, source.width):
            raise InputError(
                f"depth: expected the size of its camera_info, {source.width}x{source.height}, got "
                f"{depth_m.shape[1]}x{depth_m.shape[0]}: connect the camera_info of the depth topic"
            )
        depths = depth_m.ravel()
        with np.errstate(invalid="ignore"):
            valid = np.flatnonzero((depths > 0) & (depths < np.inf))
        depths = depths[valid]
        x, y, z = (ray[valid] * depths + shift for ray, shift in zip(self._rays, self._shift, strict=True))
        u, v = self._pixels(x, y, z)
        # half of a depth pixel's side in the colour picture
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.float32(0.5) * depths / z
            seen = (z > 0) & (u > -LARGEST_SQUARE_PX) & (v > -LARGEST_SQUARE_PX)
            seen &= (u < target.width + LARGEST_SQUARE_PX) & (v < target.height + LARGEST_SQUARE_PX)
        u, v, scale = u[seen], v[seen], scale[seen]
        column, row = (
            np.clip(np.rint(at), 0, end - 1).astype(np.intp) for at, end in ((u, target.width), (v, target.height))
        )
        half_x, half_y = (
            np.float32(OVERLAP_PX) + side[valid[seen]] / color_side[row, column] * scale
            for side, color_side in zip(self._sides, self._color_sides, strict=True)
        )
        left, right = _span(u, half_x)
        top, bottom = _span(v, half_y)
        return _drawn((left, top, right, bottom), z[seen], (target.height, target.width))

    def _pixels(self, x: FloatArray, y: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        camera = self._color_camera
        if not camera.is_pinhole:
            pixels = camera.project(np.column_stack([x, y, z])).astype(np.float32)
            return pixels[:, 0], pixels[:, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            return (
                x / z * np.float32(camera.fx) + np.float32(camera.cx),
                y / z * np.float32(camera.fy) + np.float32(camera.cy),
            )


def _sides_of_pixels(camera: CameraIntrinsics) -> tuple[FloatArray, FloatArray]:
    """Width and height (H, W) of what each pixel covers at a depth of 1 m; a lens makes some wider than others."""
    size_hw = camera.height, camera.width
    plain = np.full(size_hw, 1 / camera.fx, np.float32), np.full(size_hw, 1 / camera.fy, np.float32)
    if camera.is_pinhole or min(size_hw) < 2:
        return plain
    x, y, z = camera.ray_maps
    wide, high = np.gradient(x / z, axis=1), np.gradient(y / z, axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(wide > 0, wide, plain[0]), np.where(high > 0, high, plain[1])


def _span(middle: FloatArray, half: FloatArray) -> tuple[IntArray, IntArray]:
    """First and last pixel whose middle lies within a span; at least the pixel that the span's middle lies in."""
    nearest = np.floor(middle + np.float32(0.5)).astype(np.int32)
    first, last = np.ceil(middle - half).astype(np.int32), np.ceil(middle + half).astype(np.int32) - 1
    return np.minimum(first, nearest), np.maximum(last, nearest)


def _drawn(
    spans: tuple[IntArray, IntArray, IntArray, IntArray], depths: FloatArray, size_hw: tuple[int, int]
) -> FloatArray:
    """Rectangles of pixels at their depths, the nearest in front.

    Args:
        spans: left, top, right, bottom (P,), all inclusive.
        depths: (P,).
        size_hw: of the picture.
    """
    height, width = size_hw
    left, top, right, bottom = spans
    drawn = np.full(height * width, np.inf, np.float32)
    for dy in range(min(int((bottom - top).max(initial=-1)) + 1, LARGEST_SQUARE_PX)):
        rows = np.flatnonzero((top + dy <= bottom) & (top + dy >= 0) & (top + dy < height))
        for dx in range(min(int((right - left).max(initial=-1)) + 1, LARGEST_SQUARE_PX)):
            column = left[rows] + dx
            inside = (column <= right[rows]) & (column >= 0) & (column < width)
            chosen = rows[inside]
            np.minimum.at(drawn, (top[chosen] + dy) * width + column[inside], depths[chosen])
    drawn[np.isinf(drawn)] = 0
    return drawn.reshape(height, width)
