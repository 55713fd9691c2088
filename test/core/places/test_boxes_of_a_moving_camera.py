"""A box stands on its table however the camera moves, and it is the thing's own, by true sizes and directions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tabletop import CAMERA, Tabletop

from saom_core.geometry.attitude import Attitude
from saom_core.geometry.oriented_box import angle_between, nearest_axes
from saom_core.places.measure import BoxMemory

NOISE_M = 0.001
LEAST_DEG, LEAST_M = 2.0, 0.01
Size = tuple[float, float, float]
BAR, BLOCK, CUBE = (0.20, 0.05, 0.06), (0.07, 0.07, 0.12), (0.08, 0.08, 0.08)
CARTON, ON_CARTON = (0.2, 0.2, 0.1), (0.15, 0.06, 0.05)
TILTS = [*range(40, 66), *[65] * 4]


def turned(degrees: float) -> np.ndarray:
    """About the world's z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


class Stream:
    """A camera over a table, whose last box is followed.

    Args:
        boxes: size and height of the lower face of each; all stand about the point that is looked at.
        pose: what is told of the camera's: "none", "true", or "still", by a frame that moves along with it.
    """

    def __init__(self, *boxes: tuple[Size, float], pose: str = "none") -> None:
        self._boxes, self._pose, self._memory = boxes, pose, BoxMemory()
        self._frame = 0

    def see(self, down_deg: float, turn_deg: float = 20.0, yaw_deg: float = 0.0) -> tuple[float, float, np.ndarray]:
        """The next frame: by how many degrees the box is off, by how many metres its edges are, and its axes.

        Args:
            down_deg: of the camera.
            turn_deg: of the things on the table.
            yaw_deg: of the camera, about the point that it looks at.
        """
        scene = Tabletop(down_deg)  # its camera has no yaw, so that the world turns the other way
        for size, bottom in self._boxes:
            scene.put((0.0, 0.0), size, bottom, turn_deg - yaw_deg)
        self._frame += 1
        depth, owner = scene.drawn(NOISE_M, seed=self._frame)
        numbers = range(3, 3 + len(self._boxes))
        ids = np.arange(1, 1 + len(self._boxes), dtype=np.int32)
        instances = dataclasses.replace(scene.instances(owner, *numbers), track_ids=ids)
        pose = np.eye(4)
        pose[:3, :3] = turned(yaw_deg) @ scene.axes.T if self._pose == "true" else Tabletop(45.0).axes.T
        boxes = self._memory.locate(instances, depth, CAMERA, None if self._pose == "none" else pose).boxes3d
        assert boxes is not None
        axes, true = boxes.axes[-1], scene.axes @ turned(turn_deg - yaw_deg)
        off_m = np.abs(np.sort(boxes.sizes_m[-1]) - np.sort(self._boxes[-1][0])).max()
        return angle_between(nearest_axes(axes, true), true), float(off_m), axes


POSES = ["none", "true", pytest.param("still", marks=pytest.mark.slow)]


@pytest.mark.parametrize("pose", ["none", *(pytest.param(pose, marks=pytest.mark.slow) for pose in ("true", "still"))])
@pytest.mark.parametrize("size", [BAR, pytest.param(BLOCK, marks=pytest.mark.slow)])
def test_a_camera_that_tilts_slowly(size: Size, pose: str) -> None:
    stream, axes = Stream((size, 0.0), pose=pose), None
    for frame, down_deg in enumerate(TILTS):
        off_deg, off_m, now = stream.see(down_deg)
        assert off_deg < LEAST_DEG and off_m < LEAST_M, frame
        assert axes is None or angle_between(now, axes) < LEAST_DEG, "order and signs stay"
        axes = now


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize(("size", "tilts"), [(BAR, (40, 65)), (CUBE, (30, 60))])
def test_a_camera_that_tilts_by_a_jump(size: Size, tilts: tuple[int, int], pose: str) -> None:
    stream = Stream((size, 0.0), pose=pose)
    for frame, down_deg in enumerate([tilts[0]] * 3 + [tilts[1]] * 5 + [tilts[0]] * 2):
        off_deg, off_m, _ = stream.see(down_deg)
        assert off_deg < LEAST_DEG and off_m < LEAST_M, frame


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("yaw_deg", [45.0, pytest.param(75.0, marks=pytest.mark.slow)])
def test_a_camera_that_turns_about_a_thing_by_a_jump(yaw_deg: float, pose: str) -> None:
    stream = Stream(((0.20, 0.06, 0.05), 0.0), pose=pose)
    before, after = stream.see(45.0, 0.0), [stream.see(45.0, 0.0, yaw_deg) for _ in range(4)]
    for off_deg, off_m, _ in (before, *after):
        assert off_deg < LEAST_DEG and off_m < LEAST_M
    if pose == "true":  # then it is known which of the edges is which
        true = Tabletop(45.0).axes @ turned(-yaw_deg) @ Tabletop(45.0).axes.T
        assert angle_between(after[0][2], true @ before[2]) < LEAST_DEG


def test_a_thing_that_is_turned_on_the_table_by_a_jump() -> None:
    """The pose says truly that the camera stands still; the thing has turned all the same."""
    stream = Stream((BAR, 0.0), pose="true")
    for turn_deg in [0.0] * 3 + [40.0] * 3 + [-35.0] * 3:
        off_deg, off_m, _ = stream.see(45.0, turn_deg)
        assert off_deg < LEAST_DEG and off_m < LEAST_M, turn_deg


@pytest.mark.parametrize("pose", ["none", pytest.param("true", marks=pytest.mark.slow)])
def test_what_stands_on_another_thing_does_not_lean_either(pose: str) -> None:
    stream = Stream((CARTON, 0.0), (ON_CARTON, 0.1), pose=pose)
    for down_deg in [*TILTS[::3], 40, 40]:
        off_deg, off_m, _ = stream.see(down_deg)
        assert off_deg < LEAST_DEG and off_m < LEAST_M, down_deg


@pytest.mark.parametrize("posed", [False, True])
def test_another_plane_is_no_turn_of_the_camera(posed: bool) -> None:
    """A carton that comes before a camera may have the largest side, which counts as upright for a moment."""
    rotation = Tabletop(85.0).axes.T if posed else None
    normal = turned_about_x(5.0) @ (0.0, 0.0, -1.0)  # of the table, before a camera that looks 85 degrees down
    side, tilted = turned_about_x(90.0) @ normal, turned_about_x(30.0) @ normal
    table = Attitude(rotation, normal)
    np.testing.assert_allclose(Attitude(rotation, side).turn_since(table), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(Attitude(rotation, tilted).turn_since(table) @ normal, tilted, atol=1e-9)


def turned_about_x(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
