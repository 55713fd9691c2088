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


def bin_below() -> Tabletop:
    """A bin of 40 x 30 x 15 cm with a thing in it, seen from straight above."""
    scene = Tabletop(90.0, distance_m=0.6, table_m=0.2).put((0.05, 0.02), (0.08, 0.05, 0.04), turn_deg=30)
    for side in (-1, 1):
        scene.put((0.0, side * 0.155), (0.42, 0.01, 0.15)).put((side * 0.205, 0.0), (0.01, 0.3, 0.15))
    return scene


def test_the_bottom_of_a_bin_is_what_things_stand_on_where_up_is_towards_the_camera() -> None:
    found, memory = seen(bin_below(), 0, TABLE, FIRST, camera_up="towards")
    support = support_of(found)
    assert -support.planes[0].normal[2] > 0.99 and not memory.table_in_doubt
    assert support.is_surface.tolist() == [True, False], "small, but what is around it is higher"
    assert support.supported_by[1] == 0 and support.tops_m[1] == pytest.approx(0.04, abs=0.004)


def test_a_larger_plane_that_faces_the_camera_makes_a_wall_doubtful_in_every_frame() -> None:
    """Straight above a bin its wall is upright in the picture, and its bottom is larger."""
    deep = Tabletop(90.0, distance_m=1.0, table_m=0.3).put((0.05, 0.02), (0.08, 0.05, 0.04), turn_deg=30)
    for side in (-1, 1):
        deep.put((0.0, side * 0.2), (0.62, 0.01, 0.5)).put((side * 0.305, 0.0), (0.01, 0.4, 0.5))
    memory, (depth, owner) = BoxMemory(), deep.drawn(NOISE_M)
    instances = deep.instances(owner, TABLE, FIRST)
    for _ in range(3):
        found = memory.locate(instances, depth, CAMERA)
        assert abs(support_of(found).planes[0].normal[2]) < 0.1 and memory.table_in_doubt
    memory = BoxMemory()
    memory.locate(instances, depth, CAMERA, camera_up="up")
    assert not memory.table_in_doubt, "somebody has said how it is mounted"
    assert not seen(Tabletop(45.0), 0)[1].table_in_doubt


@pytest.mark.parametrize("down_deg", [8.0, 14.0])
def test_a_wall_behind_a_table_leaves_no_doubt_where_things_stand_on_it(down_deg: float) -> None:
    """A camera that looks nearly level: the wall faces it and fills most of the picture."""
    away = 0.35 / np.sin(np.radians(down_deg))  # it hangs 0.35 m above the table, the wall is 1.2 m away
    along = -away * np.cos(np.radians(down_deg))
    scene = Tabletop(down_deg, distance_m=away)
    scene.put((0.05, along + 0.8), (0.1, 0.08, 0.12)).put((0.0, along + 1.25), (8.0, 0.1, 4.0))
    found, memory = seen(scene, 0, FIRST)
    support = support_of(found)
    assert support.supported_by.tolist() == [0] and support.planes[0].normal @ DIRECTIONS["up"] > 0.9
    assert not memory.table_in_doubt
    assert not seen(scene, 0)[1].table_in_doubt, "nothing is there that could stand on anything"


def test_a_carton_before_a_camera_in_the_hand_is_no_table() -> None:
    carton = Tabletop(80.0, distance_m=0.35).put((0.0, 0.0), (0.3, 0.21, 0.03), turn_deg=5)
    depth, owner = carton.drawn(NOISE_M)
    assert (owner == FIRST).mean() > 0.5
    support = support_of(seen(carton, 0, FIRST)[0])
    assert not support.is_surface[0]
    near = Tabletop(80.0, distance_m=0.3)  # a table fills such a picture, too, and ends at its border
    assert support_of(seen(near, 0, TABLE)[0]).is_surface[0]
