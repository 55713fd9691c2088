"""Cameras on their side or upside down: their tables are found where it is known which way is up, and walls never."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tabletop import CAMERA, SIZE_HW, Tabletop

from saom_core.camera import CameraIntrinsics
from saom_core.geometry.support import Support
from saom_core.geometry.upright import DIRECTIONS, image_direction
from saom_core.instances import Instances, MaskCrop
from saom_core.places.measure import BoxMemory

TABLE, FIRST, SECOND = 1, 3, 4
NOISE_M = 0.001
QUARTERS = [0, 1, 2, 3]
UP_OF = ["up", "left", "down", "right"]  # where the picture's upper edge is after so many turns by np.rot90


def turned_camera(quarters: int) -> tuple[CameraIntrinsics, np.ndarray]:
    """The camera of pictures that np.rot90 has turned, and the (3, 3) rotation from its frame into the upright one."""
    if quarters % 2 == 0:
        camera = CAMERA
    else:
        height, width = SIZE_HW
        camera = CameraIntrinsics(CAMERA.fy, CAMERA.fx, CAMERA.cy, CAMERA.cx, height, width)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # x of the turned one is y of the upright
    return camera, np.linalg.matrix_power(quarter, quarters)


def seen(
    scene: Tabletop, quarters: int, *numbers: int, posed: bool = False, camera_up: str = "auto"
) -> tuple[Instances, BoxMemory]:
    """What a camera that is mounted in another way measures of a scene."""
    depth, owner = scene.drawn(NOISE_M)
    camera, back = turned_camera(quarters)
    masks = [MaskCrop.from_dense(np.rot90(owner == number, quarters)) for number in numbers]
    instances = Instances.from_masks(
        (camera.height, camera.width), masks, np.linspace(1, 0.5, len(masks)).astype(np.float32)
    )
    pose = np.eye(4)
    pose[:3, :3] = scene.axes.T @ back
    memory = BoxMemory()
    depth = np.ascontiguousarray(np.rot90(depth, quarters))
    found = memory.locate(instances, depth, camera, pose if posed else None, camera_up=camera_up)
    return found, memory


def support_of(found: Instances) -> Support:
    assert found.support is not None
    return found.support


@pytest.mark.parametrize("quarters", QUARTERS)
@pytest.mark.parametrize("told", ["pose", "option"])
@pytest.mark.parametrize("down_deg", [45.0, pytest.param(20.0, marks=pytest.mark.slow), 90.0])
def test_the_table_of_a_camera_that_is_mounted_in_another_way(quarters: int, told: str, down_deg: float) -> None:
    scene = Tabletop(down_deg, table_m=0.5).put((0.1, 0.0), (0.12, 0.08, 0.1), turn_deg=30)
    camera_up = UP_OF[quarters] if told == "option" else "auto"
    found, memory = seen(scene, quarters, TABLE, FIRST, posed=told == "pose", camera_up=camera_up)
    support, upright = support_of(found), support_of(seen(scene, 0, TABLE, FIRST)[0])
    assert len(support.planes) == 1 and not memory.table_in_doubt
    assert support.supported_by.tolist() == [-1, 0] and support.is_surface.tolist() == [True, False]
    assert support.tops_m[1] == pytest.approx(upright.tops_m[1], abs=0.003)
    assert found.boxes3d is not None
    assert sorted(found.boxes3d.sizes_m[1]) == pytest.approx([0.08, 0.1, 0.12], abs=0.012)


@pytest.mark.parametrize("quarters", QUARTERS)
def test_a_foot_that_is_hidden_and_a_thing_that_is_held(quarters: int) -> None:
    """Which edge of a mask is the lower one follows the camera."""
    behind = Tabletop(30.0).put((0, 0.2), (0.08, 0.08, 0.25)).put((0, 0), (0.2, 0.05, 0.12))
    assert support_of(seen(behind, quarters, FIRST, SECOND, posed=True)[0]).supported_by.tolist() == [0, 0]
    held = Tabletop(30.0).put((0, 0), (0.08, 0.08, 0.1), bottom=0.12)
    assert support_of(seen(held, quarters, FIRST, posed=True)[0]).supported_by.tolist() == [-1]
    stacked = Tabletop(40.0).put((0, 0), (0.2, 0.2, 0.1)).put((0, 0), (0.1, 0.1, 0.08), bottom=0.1)
    assert support_of(seen(stacked, quarters, FIRST, SECOND, posed=True)[0]).supported_by.tolist() == [0, -1]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_table_that_nothing_tells_of_is_in_doubt(quarters: int) -> None:
    scene = Tabletop(45.0).put((0.0, 0.0), (0.1, 0.1, 0.1))
    found, memory = seen(scene, quarters, FIRST)
    assert support_of(found).planes == () and memory.table_in_doubt
    assert not seen(scene, quarters, FIRST, camera_up="up")[1].table_in_doubt, "somebody has said how it is mounted"
    assert not seen(Tabletop(45.0, table_m=0.1), quarters)[1].table_in_doubt, "too small a plane"


WALL = Tabletop(5.0, distance_m=1.2, table_m=0.01).put((0, 1.0), (6.0, 0.1, 4.0), bottom=-2.0, turn_deg=35)


@pytest.mark.parametrize("quarters", QUARTERS)
def test_a_wall_is_no_table_however_the_camera_is_mounted(quarters: int) -> None:
    found, memory = seen(WALL, quarters, FIRST, posed=True)
    assert support_of(found).planes == () and not support_of(found).is_surface[0]
    assert not memory.table_in_doubt, "the pose leaves no doubt"
    by_option = seen(WALL, quarters, FIRST, camera_up=UP_OF[quarters])[0]
    assert support_of(by_option).planes == ()


def test_a_wall_before_the_camera_is_told_by_the_pose() -> None:
    wall = Tabletop(0.5, distance_m=1.2, table_m=0.01).put((0, 1.0), (6.0, 0.1, 4.0), bottom=-2.0)
    found, memory = seen(wall, 0, FIRST, posed=True)
    assert support_of(found).planes == () and not memory.table_in_doubt


def test_directions_of_the_image() -> None:
    for name, direction in DIRECTIONS.items():
        assert image_direction(direction) == name
        assert image_direction(0.6 * direction + [0.0, 0.0, -0.8]) == name
    assert image_direction(np.array([0.1, 0.1, -0.99])) == "up"  # from straight above no side is up


def test_the_stream_goes_on_where_the_option_changes() -> None:
    scene = Tabletop(45.0)
    depth, _ = scene.drawn(NOISE_M)
    camera, _ = turned_camera(2)
    turned, memory = np.ascontiguousarray(np.rot90(depth, 2)), BoxMemory()
    nothing = Instances.empty(SIZE_HW)
    counts = [
        len(support_of(memory.locate(nothing, turned, camera, camera_up=up)).planes) for up in ("auto", "down", "down")
    ]
    assert counts == [0, 1, 1]
    beside = memory.locate(nothing, dataclasses.replace(scene, table_m=0.01).drawn()[0], camera, remember=False)
    assert support_of(beside).planes == () and not memory.table_in_doubt
