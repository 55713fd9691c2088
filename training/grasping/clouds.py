"""Point clouds in the world: from depth, thinned, cleaned, with normals, and how high the table is."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from saom_core.camera import CameraIntrinsics

VOXEL_M = 0.004
_NEIGHBOURS = 16
_STRAY_RADIUS_M, _STRAY_NEIGHBOURS = 0.012, 6
_TOGETHER_M = 0.015
_LEAST_PART = 0.25  # of the largest part's points; what is in front may cut an object into two
_NEAR_M = 0.25  # of the target, horizontally: what is farther off says nothing about the table below it


def world_points(depth_m: np.ndarray, camera: CameraIntrinsics, pose: np.ndarray) -> np.ndarray:
    """What each pixel sees, (H, W, 3) float64 metres in the world; NaN without depth.

    Args:
        depth_m: (H, W) metres along the optical axis, 0 = invalid.
        camera: Of the depth image.
        pose: (4, 4), optical frame to world.
    """
    depth = np.where(depth_m > 0, depth_m, np.nan).astype(np.float64)
    optical = np.stack(np.broadcast_arrays(*(depth * ray_map for ray_map in camera.ray_maps)), axis=-1)
    return optical @ pose[:3, :3].T + pose[:3, 3]


def thinned(points: np.ndarray, voxel_m: float = VOXEL_M) -> np.ndarray:
    """One point, the mean, for each cube of that edge: (N, 3) -> (M, 3)."""
    if not len(points):
        return points
    cells = np.floor(points / voxel_m).astype(np.int64)
    _, place, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)  # NumPy 2.0 alone gives it a second axis
    sums = np.stack([np.bincount(place, points[:, axis]) for axis in range(3)], axis=1)
    return sums / counts[:, None]


def connected_parts(points: np.ndarray, within_m: float) -> np.ndarray:
    """The number of the part that each point (N, 3) belongs to, (N,) int from 0: neighbours so near belong together."""
    pairs = cKDTree(points).query_pairs(within_m, output_type="ndarray")
    ones = np.ones(len(pairs), np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    return connected_components(graph, directed=False)[1]


def without_strays(points: np.ndarray) -> np.ndarray:
    """The thinned points (N, 3) of the object itself: those that have neighbours, in its large parts.

    A depth camera mixes near and far at edges, and a mask that is a little too wide takes points of what lies behind.
    """
    if len(points) < _STRAY_NEIGHBOURS:
        return points[:0]
    counts = cKDTree(points).query_ball_point(points, _STRAY_RADIUS_M, return_length=True)
    points = points[counts >= _STRAY_NEIGHBOURS]
    if not len(points):
        return points
    parts = connected_parts(points, _TOGETHER_M)
    sizes = np.bincount(parts)
    return points[sizes[parts] >= _LEAST_PART * sizes.max()]


def normals_of(points: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """Unit normals (N, 3) that look towards the camera at `eye` (3,): of the plane through each point's neighbours."""
    _, near = cKDTree(points).query(points, k=min(_NEIGHBOURS, len(points)))
    spread = points[near] - points[near].mean(axis=1, keepdims=True)
    _, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread))
    normals = axes[:, :, 0]
    away = np.einsum("ni,ni->n", normals, eye - points) < 0
    return np.where(away[:, None], -normals, normals)


def support_height_m(target: np.ndarray, rest: np.ndarray) -> float:
    """How high the surface is that carries the target, metres: the height at which most points around it lie.

    Args:
        target: (N, 3) points of the target, z up.
        rest: (M, 3) of everything else.
    """
    middle, low = np.median(target[:, :2], axis=0), float(np.quantile(target[:, 2], 0.02))
    near = np.linalg.norm(rest[:, :2] - middle, axis=1) < _NEAR_M + np.ptp(target[:, :2], axis=0).max() / 2
    heights = rest[near, 2]
    heights = heights[(heights > low - 0.15) & (heights < low + 0.015)]
    if len(heights) < 30:
        return low
    counts, edges = np.histogram(heights, bins=np.arange(heights.min() - 0.004, heights.max() + 0.008, 0.004))
    counts = np.convolve(counts, (1, 1, 1), "same")
    at = float(edges[counts.argmax()]) + 0.002
    return float(np.median(heights[np.abs(heights - at) < 0.006]))


def outline(points_xy: np.ndarray) -> np.ndarray:
    """Corners (K, 2) of the convex hull of points (N, 2), counter-clockwise."""
    hull = cv2.convexHull(points_xy.astype(np.float32)).reshape(-1, 2).astype(np.float64)
    x, y = hull.T
    area = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    return hull if area > 0 else hull[::-1]
