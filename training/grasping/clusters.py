"""Objects without a network: the planes of the scene are taken away, and what is left falls into clusters by distance.

The recipe of PCL's tutorials on plane segmentation and Euclidean clustering, which many pick-and-place programs begin
with.
"""

from __future__ import annotations

import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_core.geometry.scene_planes import coarse_cloud, scene_normals, surface_cells

from .clouds import connected_parts

PLANE_M = 0.010  # points so near to a plane belong to it
PLANE_SHARE = 0.10  # least share of all points that makes a plane one of the scene, and no face of an object
VOXEL_M, TOLERANCE_M = 0.006, 0.015
LEAST_VOXELS = 15
_BIN_M = 0.005


def cluster_labels(depth_m: np.ndarray, camera: CameraIntrinsics) -> np.ndarray:
    """Which object each pixel shows, (H, W) int32: 0 none, 1.. the clusters.

    Args:
        depth_m: (H, W) float32 metres, 0 = invalid.
        camera: Of the depth image.
    """
    labels = np.zeros(depth_m.shape, np.int32)
    rows, columns = np.nonzero(depth_m > 0)
    points = (camera.rays(rows, columns) * depth_m[rows, columns, None]).astype(np.float64)
    left = np.ones(len(points), bool)
    for normal in scene_normals(surface_cells(coarse_cloud(depth_m, camera.ray_maps))):
        left &= ~_largest_plane(points, normal)
    labels[rows[left], columns[left]] = euclidean_clusters(points[left])
    return labels


def _largest_plane(points: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(N,) bool: the points on the plane across `normal` that holds most of them; none if it is no plane of a scene."""
    along = points @ normal
    if len(along) < 2:
        return np.zeros(len(along), bool)
    counts, edges = np.histogram(along, bins=max(1, int(np.ptp(along) / _BIN_M)))
    at = edges[np.convolve(counts, (1, 1, 1), "same").argmax()] + _BIN_M / 2
    near = np.abs(along - at) < PLANE_M
    near = np.abs(along - np.median(along[near])) < PLANE_M if near.any() else near
    return near if near.mean() >= PLANE_SHARE else np.zeros(len(along), bool)


def euclidean_clusters(points: np.ndarray) -> np.ndarray:
    """The number of each point's cluster, (N,) int32, 0 for those in none: near neighbours belong together.

    Args:
        points: (N, 3) metres; thinned to voxels for the search.
    """
    if not len(points):
        return np.zeros(0, np.int32)
    cells, place = np.unique(np.floor(points / VOXEL_M).astype(np.int64), axis=0, return_inverse=True)
    of_cell = connected_parts(cells * VOXEL_M, TOLERANCE_M)
    large = np.bincount(of_cell) >= LEAST_VOXELS
    numbers = np.where(large, np.cumsum(large), 0).astype(np.int32)
    return numbers[of_cell[place.reshape(-1)]]
