"""Instances in metres: valid depth, distance, centroid and oriented box of each mask."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.depth import Boxes3d, back_project, inlier_depths, oriented_box
from saom_core.instances import Instances

MIN_POINTS_3D = 16
MAX_POINTS_3D = 1000
"""Points of an instance that its 3D box is measured from; more change it by less than the sensor's noise."""


def measure(instances: Instances, depth_m: npt.NDArray[np.float32], camera: CameraIntrinsics | None) -> Instances:
    """Instances with their depth: valid ratio, distance, and with intrinsics centroid and oriented box.

    Args:
        instances: N instances of the image.
        depth_m: (H, W) float32, metres, 0 = invalid.
        camera: intrinsics of the image, or None.
    """
    n = len(instances)
    ratio, distance = np.zeros(n, np.float32), np.full(n, np.nan, np.float32)
    centroids = np.full((n, 3), np.nan, np.float32)
    boxes = Boxes3d(np.full((n, 3), np.nan, np.float32), np.full((n, 4), np.nan, np.float32), centroids.copy())
    for k, mask in enumerate(instances.masks):
        depths = depth_m[mask.window].ravel()
        valid = np.flatnonzero(mask.crop.ravel() & (depths > 0))  # one index a pixel: half the work of rows and columns
        ratio[k] = valid.size / mask.area
        if valid.size:
            distance[k] = np.median(depths[valid])
        if camera is None or valid.size < MIN_POINTS_3D:
            continue
        if valid.size > MAX_POINTS_3D:
            # a whole-numbered step could fall in with the row length and sample one side of every row
            valid = valid[np.linspace(0, valid.size - 1, MAX_POINTS_3D).astype(np.intp)]
        rows, columns = np.divmod(valid, mask.crop.shape[1])
        points = back_project(depths[valid], rows + mask.y, columns + mask.x, camera)
        points = points[np.isfinite(points[:, 0])]  # a wide lens has pixels without a ray
        if len(points) < MIN_POINTS_3D:
            continue
        points = inlier_depths(points)
        centroids[k] = points.mean(axis=0)
        boxes.centers_m[k], boxes.quaternions_xyzw[k], boxes.sizes_m[k] = oriented_box(points)
    return dataclasses.replace(
        instances,
        valid_depth_ratio=ratio,
        distances_m=distance,
        centroids_m=None if camera is None else centroids,
        boxes3d=None if camera is None else boxes,
    )
