"""How a camera has turned: by its pose, by the plane that it sees, and by both."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from saom_core.geometry.attitude import Attitude, shortest_turn


def rotation(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(cv2.Rodrigues(rng.normal(size=3))[0])


def direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


def half_a_radian(rng: np.random.Generator) -> np.ndarray:
    """A rotation about some axis, by less than what tells one plane from another."""
    return np.asarray(cv2.Rodrigues(direction(rng) / 2)[0])


def test_the_shortest_turn_against_axis_and_angle() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = direction(rng), direction(rng)
        axis = np.cross(one, other)
        angle = np.arccos(one @ other)
        naive = cv2.Rodrigues(axis / np.linalg.norm(axis) * angle)[0]
        np.testing.assert_allclose(shortest_turn(one, other), naive, atol=1e-9)
    np.testing.assert_array_equal(shortest_turn(one, one), np.eye(3))
    np.testing.assert_array_equal(shortest_turn(one, -one), np.eye(3))  # no way round is the shortest


def test_a_pose_tells_the_whole_turn() -> None:
    rng = np.random.default_rng(1)
    before, now, up = rotation(rng), rotation(rng), direction(rng)
    turn = Attitude(now, now.T @ up).turn_since(Attitude(before, before.T @ up))
    np.testing.assert_allclose(turn, now.T @ before, atol=1e-9)
    np.testing.assert_allclose(Attitude(now).turn_since(Attitude(before)), now.T @ before, atol=1e-9)


def test_a_plane_tells_the_turn_but_for_that_about_its_normal() -> None:
    rng = np.random.default_rng(2)
    before = direction(rng)
    now = half_a_radian(rng) @ before
    turn = Attitude(normal=now).turn_since(Attitude(normal=before))
    np.testing.assert_allclose(turn @ before, now, atol=1e-9)
    np.testing.assert_allclose(turn, shortest_turn(before, now), atol=1e-9)


def test_the_plane_sets_a_pose_right_that_errs() -> None:
    """A frame that moves along with the camera, as that of its hand, says that nothing turns."""
    rng = np.random.default_rng(3)
    before, moving = direction(rng), rotation(rng)
    now = half_a_radian(rng) @ before
    turn = Attitude(moving, now).turn_since(Attitude(moving, before))
    np.testing.assert_allclose(turn @ before, now, atol=1e-9)


@pytest.mark.parametrize("before", [Attitude(), Attitude(rotation=np.eye(3)), Attitude(normal=np.array([0, 0, -1.0]))])
def test_where_nothing_is_known_nothing_turns(before: Attitude) -> None:
    np.testing.assert_array_equal(Attitude().turn_since(before), np.eye(3))
