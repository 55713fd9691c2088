"""The planes of a scene, from its depth: what things stand on, and which way is upright for them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

_CELL_PX = 8
_MOST_NORMALS = 1000
_HYPOTHESES = 64
_AGREES_DEG = 10.0
_APART_DEG = 50.0  # two planes of a scene are at least so far from parallel
_LEAST_SHARE = 0.05  # of the surface belongs to a plane that counts


def scene_normals(points_m: FloatArray) -> Sequence[Matrix]:
    """Normals of the planes that most of a scene's surface belongs to, the largest first, at most three.

    Args:
        points_m: (h, w, 3), an organised cloud of a few thousand points, NaN where there is none.
    """
    across = points_m[1:-1, 2:] - points_m[1:-1, :-2]
    down = points_m[2:, 1:-1] - points_m[:-2, 1:-1]
    near = 0.1 * points_m[1:-1, 1:-1, 2]  # a larger step is the edge of something, and no slope
    with np.errstate(invalid="ignore"):
        smooth = (np.abs(across[..., 2]) < near) & (np.abs(down[..., 2]) < near)
    rows, columns = np.nonzero(smooth)
    some = np.linspace(0, len(rows) - 1, min(len(rows), _MOST_NORMALS)).astype(np.intp)
    at = rows[some], columns[some]
    normals = np.cross(across[at], down[at]).astype(np.float64)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    found: list[Matrix] = []
    left, total = normals, len(normals)
    while len(left) >= max(_LEAST_SHARE * total, 30) and len(found) < 3:
        tried = left[np.linspace(0, len(left) - 1, _HYPOTHESES).astype(np.intp)]
        agrees = np.abs(left @ tried.T) > np.cos(np.radians(_AGREES_DEG))
        best = int(agrees.sum(axis=0).argmax())
        members = left[agrees[:, best]]
        if len(members) < _LEAST_SHARE * total:
            break
        # the direction that is nearest to all of them, whichever way each of them points
        normal = np.linalg.eigh(members.T @ members)[1][:, 2]
        found.append(normal)
        left = left[np.abs(left @ normal) < np.cos(np.radians(_APART_DEG))]
    return found


def coarse_cloud(depth_m: FloatArray, ray_maps: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
    """An organised cloud of one point for every 8 x 8 pixels that all have depth, (h, w, 3); NaN for the others.

    Args:
        depth_m: (H, W) float32, metres, 0 = invalid.
        ray_maps: of the camera, see `CameraIntrinsics.ray_maps`.
    """
    height, width = depth_m.shape[0] // _CELL_PX, depth_m.shape[1] // _CELL_PX
    whole = depth_m[: height * _CELL_PX, : width * _CELL_PX]
    if height < 3 or width < 3:
        return np.full((3, 3, 3), np.nan, np.float32)
    valid = cv2.resize((whole > 0).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    means = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    depths = np.where(valid > 0.999, means, np.float32(np.nan))
    middle = np.s_[_CELL_PX // 2 :: _CELL_PX]
    cloud = np.empty((height, width, 3), np.float32)
    for axis, ray_map in enumerate(ray_maps):
        rows = ray_map[middle][:height] if ray_map.shape[0] > 1 else ray_map
        cloud[..., axis] = depths * (rows[:, middle][:, :width] if rows.shape[1] > 1 else rows)
    return cloud
