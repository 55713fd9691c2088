"""Transforms into another frame, against 4 x 4 matrices that OpenCV makes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from tabletop import CAMERA, Tabletop

from saom_core.errors import InputError
from saom_core.places.measure import measure
from saom_core.places.rigid import RigidTransform


def random_transform(seed: int) -> tuple[RigidTransform, np.ndarray]:
    """A transform and its (4, 4) matrix; the matrix is of the rotation vector, the quaternion of angle and axis."""
    rng = np.random.default_rng(seed)
    axis, angle, shift = rng.normal(size=3), rng.uniform(-np.pi, np.pi), rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = cv2.Rodrigues(axis * angle)[0], shift
    return RigidTransform(np.append(axis * np.sin(angle / 2), np.cos(angle / 2)), shift), matrix


@pytest.mark.parametrize("seed", range(10))
def test_points_and_turns(seed: int) -> None:
    transform, matrix = random_transform(seed)
    other, turn = random_transform(seed + 100)
    points = np.random.default_rng(seed).normal(size=(2, 7, 3))
    expected = np.einsum("ij,...j->...i", matrix, np.concatenate([points, np.ones((2, 7, 1))], axis=-1))[..., :3]
    np.testing.assert_allclose(transform.points(points), expected, atol=1e-6)
    moved = transform.quaternions(other.quaternion_xyzw[None])[0]
    assert moved[3] >= 0 and np.linalg.norm(moved) == pytest.approx(1)
    rotation = RigidTransform(moved.astype(float), np.zeros(3)).rotation
    np.testing.assert_allclose(rotation, matrix[:3, :3] @ turn[:3, :3], atol=1e-6)


def test_instances_of_a_tilted_camera_stand_upright_in_the_world() -> None:
    """In the frame of the table a box has its true place, upright axis and height; the plane is z = 0."""
    scene = Tabletop(40.0).put((0.1, 0.05), (0.12, 0.08, 0.15), turn_deg=25)
    depth, owner = scene.drawn(0.001)
    found = measure(scene.instances(owner, 3), depth, CAMERA)
    # an axis-angle of OpenCV from the world's axes in the camera
    vector = cv2.Rodrigues(scene.axes.T)[0].ravel()
    angle = float(np.linalg.norm(vector))
    quaternion = np.append(vector / angle * np.sin(angle / 2), np.cos(angle / 2))
    world = RigidTransform(quaternion, -scene.distance_m * scene.axes[2]).instances(found)
    assert world.support is not None and world.boxes3d is not None and world.centroids_m is not None
    np.testing.assert_allclose(world.support.planes[0].coefficients, (0, 0, 1, 0), atol=0.004)
    np.testing.assert_allclose(world.boxes3d.centers_m[0], (0.1, 0.05, 0.075), atol=0.01)
    axes = RigidTransform(world.boxes3d.quaternions_xyzw[0].astype(float), np.zeros(3)).rotation
    assert np.abs(axes[2]).max() > 0.999, "one of its axes is upright"
    assert world.boxes3d.sizes_m[0][np.abs(axes[2]).argmax()] == pytest.approx(0.15, abs=0.005)
    assert 0 < world.centroids_m[0, 2] < 0.15
    np.testing.assert_array_equal(world.distances_m, found.distances_m)


def test_without_metres_nothing_moves() -> None:
    scene = Tabletop(40.0).put((0, 0), (0.1, 0.1, 0.1))
    plain = scene.instances(scene.drawn()[1], 3)
    moved = random_transform(0)[0].instances(plain)
    assert moved.centroids_m is None and moved.boxes3d is None and moved.support is None


@pytest.mark.parametrize("numbers", [(0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.0), (np.nan, 0.0, 0.0, 1.0)])
def test_what_is_no_rotation_is_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="expected a unit quaternion"):
        RigidTransform(np.array(numbers), np.zeros(3))
