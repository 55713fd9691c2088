"""What becomes of places: surfaces that are left out, and the frame that positions are in; tf2 has a stand-in here."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.instances import Instances, MaskCrop
from saom_core.places.measure import measure
from saom_core.places.rigid import RigidTransform
from saom_core.runtime import ModelInfo
from saom_ros.answer import Answer
from saom_ros.clouds import POINT_FIELDS, points
from saom_ros.markers import markers
from saom_ros.messages import instances_from_message
from saom_ros.metric_inputs import PATIENCE
from saom_ros.outputs import instance_array, planes
from saom_ros.parameters import NodeConfig
from saom_ros.places import NOT_ASKED_FOR, SURFACE, TABLE_IN_DOUBT, Places
from saom_ros.target import TargetInFrame

SIZE = (240, 320)
CAMERA = CameraIntrinsics(300.0, 300.0, 159.5, 119.5, SIZE[1], SIZE[0])
MODEL = ModelInfo("stand-in", "", ("Mug", "Table"), "cpu", "cpu", "", SIZE, False)
HEADER = Header(stamp=Time(sec=7, nanosec=8), frame_id="camera")
TURN = RigidTransform(np.array([0.6, 0.0, 0.0, 0.8]), np.array([1.0, 2.0, 3.0]))


def frame() -> Answer:
    """A block of 10 x 10 cm, 10 cm high, on a table 1 m below a camera that looks straight down; the table is first."""
    table, block = np.ones(SIZE, bool), np.zeros(SIZE, bool)
    block[100:133, 150:183] = True
    depth = np.where(block, 0.9, 1.0).astype(np.float32)
    found = Instances.from_masks(
        SIZE,
        [MaskCrop.from_dense(table), MaskCrop.from_dense(block)],
        np.array([0.9, 0.8], np.float32),
        class_ids=np.array([1, 0], np.int32),
        class_names=["Table", "Mug"],
    )
    image = np.zeros((*SIZE, 3), np.uint8)
    return Answer(HEADER, image, depth, CAMERA, measure(found, depth, None), MODEL, target=TargetInFrame("Mug", 1, 5))


def places(frames: Any = None, **options: Any) -> Places:
    core = {key: value for key, value in options.items() if key in ("drop_surfaces", "camera_up")}
    node = {key: value for key, value in options.items() if key not in core}
    made = SimpleNamespace(core=SaomConfig(**core), node=NodeConfig(**node))
    return Places(made, frames)  # type: ignore[arg-type]


class Known:
    def __init__(self) -> None:
        self.asked: list[tuple[str, Header, float]] = []

    def transform(self, target_frame: str, header: Header, timeout_s: float, asker: str) -> RigidTransform:
        self.asked.append((target_frame, header, timeout_s))
        return TURN


class Unknown:
    def transform(self, *_: object) -> RigidTransform:
        raise InputError("target_frame: no way there")


def test_surfaces_are_left_out_and_the_target_is_still_the_target() -> None:
    located = places().locate(frame(), remember=True)
    assert located.instances.support is not None and located.instances.support.is_surface.tolist() == [True, False]
    left = places().wanted(located)[0]
    assert left.instances.class_names == ("Mug",) and left.target.index == 0
    all_of_them = places(drop_surfaces=False).wanted(located)[0]
    assert all_of_them.instances.class_names == ("Table", "Mug") and all_of_them.target.index == 1
    on_table = dataclasses.replace(located, target=TargetInFrame("Table", 0, 4))
    gone = places().wanted(on_table)[0].target
    assert gone.index is None and gone.reason == SURFACE


def test_only_the_classes_that_are_asked_for_are_answered() -> None:
    located = places().locate(frame(), remember=True)
    kept, trouble = places(drop_surfaces=False, classes=" mug ,").wanted(located)
    assert kept.instances.class_names == ("Mug",) and kept.target.index == 0 and trouble == ""
    none, trouble = places(drop_surfaces=False, classes="table, Cupp").wanted(located)
    assert none.instances.class_names == ("Table",) and none.target.reason == NOT_ASKED_FOR
    assert trouble == "classes: expected some of the model's, got Cupp: it has Mug, Table"
    without_depth, _ = places(classes="Mug").wanted(frame())
    assert without_depth.instances.class_names == ("Mug",)


def test_positions_move_and_pixels_do_not() -> None:
    known = Known()
    spot = places(known, target_frame="base_link", tf_timeout_s=0.25)
    before = spot.wanted(spot.locate(frame(), remember=True))[0]
    after = spot.in_target_frame(before)
    assert known.asked == [("base_link", HEADER, 0.25)]
    sent = instance_array(after)
    assert sent.header == HEADER and sent.metric_frame_id == "base_link"
    there, here = sent.instances[0].centroid, before.instances.centroids_m
    assert here is not None and before.instances.support is not None
    np.testing.assert_allclose((there.x, there.y, there.z), TURN.points(here[0]), rtol=1e-6)
    assert sent.instances[0].distance == pytest.approx(0.9) and sent.instances[0].supported_by == 0
    for message in (planes(after), markers(after).markers[1], points(after)):
        assert message is not None and message.header.frame_id == "base_link" and message.header.stamp == HEADER.stamp
    (plane,) = planes(after).planes
    corner = np.array([plane.outline[0].x, plane.outline[0].y, plane.outline[0].z])
    assert plane.coefficients[:3] @ corner + plane.coefficients[3] == pytest.approx(0, abs=1e-4)
    cloud = points(after)
    assert cloud is not None
    pixels = np.frombuffer(cloud.data, POINT_FIELDS).reshape(SIZE)
    here = np.array([(200 - CAMERA.cx) / CAMERA.fx, (20 - CAMERA.cy) / CAMERA.fy, 1.0])
    there_xyz = [pixels[axis][20, 200] for axis in "xyz"]
    np.testing.assert_allclose(there_xyz, TURN.rotation @ here + TURN.translation_m, rtol=1e-5)


def test_a_message_gives_its_support_back() -> None:
    located = places().locate(frame(), remember=True)
    sent, support = instance_array(located), located.instances.support
    assert support is not None and sent.metric_frame_id == "camera"
    back = instances_from_message(sent).support
    assert back is not None and len(back.planes) == 1
    assert back.planes[0].coefficients == support.planes[0].coefficients
    np.testing.assert_array_equal(back.planes[0].outline_m, support.planes[0].outline_m)
    for name in ("supported_by", "bottoms_m", "tops_m", "is_surface"):
        np.testing.assert_array_equal(getattr(back, name), getattr(support, name))
    assert sent.instances[1].top_above_plane == pytest.approx(0.1, abs=0.002)
    without = dataclasses.replace(frame(), depth_m=None)
    assert planes(without).planes == [] and np.isnan(instance_array(without).instances[0].top_above_plane)


def test_without_a_transform_there_are_no_positions_instead_of_wrong_ones() -> None:
    lost = places(Unknown(), target_frame="map")
    located = lost.locate(frame(), remember=True)
    with pytest.raises(InputError, match="no way there"):
        lost.in_target_frame(located)
    nowhere, reason = lost.in_target_frame_or_nowhere(located)
    assert reason.endswith("no way there; no positions in metres")
    assert np.isnan(instance_array(nowhere).instances[0].centroid.x) and points(nowhere) is None
    assert planes(nowhere).planes == [] and instance_array(nowhere).instances[0].distance == pytest.approx(1.0)


def test_the_pose_of_the_camera_that_tracks_use() -> None:
    known = Known()
    pose, trouble = places(known, track_frame="odom", target_frame="map", tf_timeout_s=0.3).camera_pose(HEADER)
    assert pose is not None and trouble == "" and known.asked == [("odom", HEADER, 0.3)]
    point = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose((pose @ [*point, 1.0])[:3], TURN.points(point), rtol=1e-6)
    assert places(known, target_frame="map").camera_pose(HEADER)[0] is not None and known.asked[-1][0] == "map"
    assert places(known).camera_pose(HEADER) == places(None, track_frame="odom").camera_pose(HEADER) == (None, "")
    none, reason = places(Unknown(), track_frame="odom").camera_pose(HEADER)
    assert none is None and reason.endswith("no way there; objects are followed as if the camera stood still")


def test_no_transform_is_asked_for_where_none_is_needed() -> None:
    known = Known()
    located = places(known, target_frame="camera").locate(frame(), remember=True)
    assert places(known, target_frame="camera").in_target_frame(located) is located
    assert places(known, track_frame="odom").in_target_frame(located) is located
    bare = dataclasses.replace(frame(), depth_m=None)
    assert places(known, target_frame="map").in_target_frame(bare) is bare and known.asked == []


ON_ITS_SIDE = RigidTransform(np.array([0.0, np.sin(np.radians(112.5)), 0.0, np.cos(np.radians(112.5))]), np.zeros(3))
"""Of a camera that looks down by 45 degrees and whose pictures have the world's up at the right."""


def tilted() -> Answer:
    """A table before that camera, as its only instance."""
    x = (np.arange(SIZE[1]) - CAMERA.cx) / CAMERA.fx
    depth = np.broadcast_to(1 / (1 - x), SIZE).astype(np.float32)
    table = Instances.from_masks(SIZE, [MaskCrop.from_dense(np.ones(SIZE, bool))], np.ones(1, np.float32))
    return dataclasses.replace(frame(), depth_m=depth, instances=measure(table, depth, None), target=TargetInFrame())


def test_a_camera_on_its_side_has_its_table_by_tf_or_by_the_option() -> None:
    pose = ON_ITS_SIDE.matrix
    posed = dataclasses.replace(tilted(), camera_to_world=pose)
    for spot, answer in (
        (places(target_frame="base_link"), posed),
        (places(camera_up="right"), tilted()),
        (places(camera_up="right", target_frame="tool0"), dataclasses.replace(posed, camera_to_world=np.eye(4))),
    ):
        for _ in range(PATIENCE):
            located = spot.locate(answer, remember=True)
        support = located.instances.support
        assert support is not None and len(support.planes) == 1 and support.is_surface.tolist() == [True]
        assert len(spot.wanted(located)[0].instances) == 0 and spot.table_in_doubt == ""


@pytest.mark.parametrize(("of_picture", "fixed"), [("camera_color_optical_frame", "camera_link"), ("cam", "cam")])
def test_frames_of_the_camera_itself_do_not_tell_what_is_up(of_picture: str, fixed: str) -> None:
    """A camera that looks straight down keeps its table, as without tf."""
    header = Header(stamp=HEADER.stamp, frame_id=of_picture)
    body = np.array([[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    answer = dataclasses.replace(frame(), header=header, camera_to_world=np.eye(4) if fixed == "cam" else body)
    for name, count in ((fixed, 1), ("base_link", 0)):
        support = places(target_frame=name).locate(answer, remember=True).instances.support
        assert support is not None and len(support.planes) == count


def test_a_table_in_doubt_is_over_when_depth_ends() -> None:
    spot = places()
    for _ in range(PATIENCE):
        spot.locate(tilted(), remember=True)
    assert spot.table_in_doubt == TABLE_IN_DOUBT
    spot.locate(dataclasses.replace(tilted(), depth_m=None), remember=True)
    assert spot.table_in_doubt == ""


@pytest.mark.parametrize("options", [{}, {"target_frame": "left_camera_optical_frame"}, {"target_frame": "tool0"}])
def test_a_table_that_nothing_tells_of_is_told_after_some_frames(options: dict[str, str]) -> None:
    spot = places(**options)
    answer = dataclasses.replace(tilted(), camera_to_world=np.eye(4)) if options else tilted()
    told = [spot.locate(answer, remember=True) and spot.table_in_doubt for _ in range(PATIENCE)]
    assert told == [""] * (PATIENCE - 1) + [TABLE_IN_DOUBT]
    usual = dataclasses.replace(frame(), camera_to_world=answer.camera_to_world)
    support = spot.locate(usual, remember=False).instances.support
    # in the frame of a camera or where there is none the picture tells, which shows the table from above
    assert support is not None and len(support.planes) == (options.get("target_frame") != "tool0")
    assert spot.table_in_doubt == TABLE_IN_DOUBT, "a picture of its own among the frames says nothing of the stream"


@pytest.mark.parametrize(
    ("tilt_deg", "up"), [(0, "up"), (40, "up"), (-40, "up"), (50, "left"), (-50, "right"), (180, "down")]
)
def test_tf_tells_the_nearest_quarter_turn_of_a_picture_of_its_own(tilt_deg: float, up: str) -> None:
    sine, cosine = np.sin(np.radians(tilt_deg) / 2), np.cos(np.radians(tilt_deg) / 2)
    level = RigidTransform(np.array([-cosine, sine, sine, cosine]) * np.sqrt(0.5), np.zeros(3))

    class Tilted:
        def transform(self, *_: object) -> RigidTransform:
            return level

    assert places(Tilted(), target_frame="base_link").camera_up(HEADER) == up


def test_what_auto_means_for_a_picture_that_is_not_of_the_stream() -> None:
    class Side:
        def transform(self, *_: object) -> RigidTransform:
            return ON_ITS_SIDE

    assert places(Side(), target_frame="base_link").camera_up(HEADER) == "right"
    assert places(Side(), target_frame="base_link", camera_up="left").camera_up(HEADER) == "left"
    assert places(Side(), target_frame="camera_optical_frame").camera_up(HEADER) == "auto"
    assert places(Unknown(), target_frame="base_link").camera_up(HEADER) == places(None).camera_up(HEADER) == "auto"
