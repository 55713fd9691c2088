"""Depth: what is invalid, and where things are in metres."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.geometry.depth import back_project, clean_depth
from saom_core.instances import Instances, MaskCrop
from saom_core.places.measure import measure

CAMERA = CameraIntrinsics(500.0, 510.0, 319.5, 239.5, 640, 480)


def test_nan_inf_zero_and_far_are_invalid() -> None:
    depth = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 0.05, 1.0, 11.0]])
    np.testing.assert_array_equal(clean_depth(depth, 0.1, 10.0), [[0, 0, 0, 0, 0, 0, 1, 0]])


def test_millimetres_are_refused() -> None:
    with pytest.raises(InputError, match="divide mm by 1000"):
        clean_depth(np.ones((3, 3), np.uint16), 0.1, 10.0)  # type: ignore[arg-type]


def test_back_projection_projects_back() -> None:
    rows, columns = np.array([0, 100, 479]), np.array([0, 333, 639])
    points = back_project(np.array([0.5, 1.0, 2.0], np.float32), rows, columns, CAMERA)
    np.testing.assert_allclose(points[:, 0] / points[:, 2] * CAMERA.fx + CAMERA.cx, columns, atol=1e-3)
    np.testing.assert_allclose(points[:, 1] / points[:, 2] * CAMERA.fy + CAMERA.cy, rows, atol=1e-3)


def test_measure_finds_distance_and_place() -> None:
    mask = np.zeros((480, 640), bool)
    mask[200:280, 300:380] = True
    instances = Instances.from_masks((480, 640), [MaskCrop.from_dense(mask)], np.ones(1, np.float32))
    depth = np.full((480, 640), 2.0, np.float32)
    depth[mask] = 1.25
    depth[200:240, 300:380] = 0.0
    measured = measure(instances, depth, CAMERA)
    assert measured.distances_m[0] == 1.25 and measured.valid_depth_ratio[0] == 0.5
    assert measured.centroids_m is not None and measured.boxes3d is not None
    np.testing.assert_allclose(measured.centroids_m[0], [20 / 500 * 1.25, 20 / 510 * 1.25, 1.25], atol=0.003)
    assert sorted(measured.boxes3d.sizes_m[0])[0] < 0.01  # a flat patch


def test_measure_without_valid_depth_says_so() -> None:
    instances = Instances.from_masks((480, 640), [MaskCrop(5, 5, np.ones((10, 10), bool))], np.ones(1, np.float32))
    measured = measure(instances, np.zeros((480, 640), np.float32), CAMERA)
    assert np.isnan(measured.distances_m[0]) and measured.valid_depth_ratio[0] == 0
    assert measured.centroids_m is not None and np.isnan(measured.centroids_m).all()


def test_a_camera_of_another_size_is_refused() -> None:
    """A picture that was scaled down has other intrinsics: with the old ones every position would be wrong."""
    with pytest.raises(InputError, match="expected intrinsics of pictures of 320x240, got those of 640x480"):
        measure(Instances.empty((240, 320)), np.ones((240, 320), np.float32), CAMERA)
    assert measure(Instances.empty((240, 320)), np.ones((240, 320), np.float32), None).boxes3d is None


def test_measure_of_nothing() -> None:
    measured = measure(Instances.empty((480, 640)), np.ones((480, 640), np.float32), CAMERA)
    assert len(measured) == 0 and measured.boxes3d is not None
