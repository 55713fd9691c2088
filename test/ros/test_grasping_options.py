"""Planes, surfaces, classes and the frame rate over real topics, changed while the node runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from robot import Robot, camera_info, picture
from saom_ros.msg import PlaneArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from saom_ros.collision_objects import CollisionObject, PlanningScene
from saom_ros.conversions import image_message


def shown(robot: Robot) -> Header:
    """The header of a frame of the demo that has been sent with depth and camera_info."""
    image_rgb, depth_mm = picture()
    header = robot.header()
    robot.publish("camera_info", camera_info(header))
    robot.publish("depth", image_message(depth_mm, "16UC1", header))
    return robot.show(image_rgb, header)


def answered_in_metres(robot: Robot) -> tuple[Header, Any]:
    """A frame and its answer, once camera_info has arrived and two frames in a row have the same objects.

    A busy machine loses the depth of a frame now and then, and without depth other objects are found.
    """
    before: list[int] = []
    while True:
        header = shown(robot)
        answer = robot.answer_to(header)
        now = [item.track_id for item in answer.instances] if answer.planes else []
        if now and now == before:
            return header, answer
        before = now


def test_the_table_is_a_plane_and_no_object(running: Robot) -> None:
    running.advertise("depth", Image)
    running.listen(planes=PlaneArray)
    running.wait_active()
    header, answer = answered_in_metres(running)
    sent = running.answer_to(header, "planes")
    assert sent.planes == answer.planes and sent.planes[0].area > 0.1
    normal = sent.planes[0].coefficients[:3]
    assert np.linalg.norm(normal) == pytest.approx(1) and normal[1] < 0, "upwards; y points down"
    assert answer.instances and not any(item.is_surface for item in answer.instances)
    assert all(-1 <= item.supported_by < len(sent.planes) for item in answer.instances)
    on_it = [item for item in answer.instances if item.supported_by == 0]
    assert on_it and all(item.top_above_plane > item.bottom_above_plane > -0.05 for item in on_it)
    assert running.set_parameter("drop_surfaces", False).successful
    _, with_table = answered_in_metres(running)
    surfaces = [item for item in with_table.instances if item.is_surface]
    assert surfaces and len(with_table.instances) == len(answer.instances) + len(surfaces)
    assert max(item.mask.area for item in with_table.instances) == max(item.mask.area for item in surfaces)
    assert running.set_parameter("drop_surfaces", True).successful


@pytest.mark.skipif(CollisionObject is None, reason="needs moveit_msgs and shape_msgs")
def test_moveit_is_told_and_told_again_when_the_camera_stops(running: Robot) -> None:
    running.advertise("depth", Image)
    assert running.set_parameter("collision_ttl_s", 0.5).successful
    running.listen(collision_objects=PlanningScene)
    running.wait_active()
    answered_in_metres(running)

    def told() -> list[Any]:
        scenes = running.received["collision_objects"]
        assert all(scene.is_diff and scene.robot_state.is_diff for scene in scenes)
        return [message for scene in scenes for message in scene.world.collision_objects]

    def kept() -> set[str]:  # as MoveIt keeps them
        scene: set[str] = set()
        for message in told():
            (scene.add if message.operation == CollisionObject.ADD else scene.discard)(message.id)
        return scene

    def seen() -> bool:
        shown(running)
        running.executor.spin_once(timeout_sec=0.2)
        return any(m.operation == CollisionObject.ADD for m in told())

    running.until(seen, "obstacles")
    running.until(lambda: not kept(), "an empty scene after the camera has stopped")
    assert {m.id.rsplit("_", 1)[0] for m in told()} >= {"saom_track", "saom_plane"}
    assert running.set_parameter("collision_ttl_s", 2.0).successful


def test_classes_and_the_rate_change_while_the_node_runs(running: Robot) -> None:
    image_rgb = picture()[0]
    for _ in range(6):  # the tracks' names have settled
        everything = running.answer_to(running.show(image_rgb))
    name = next(item.class_name for item in everything.instances if item.class_name)
    assert running.set_parameter("classes", f"{name.lower()}, Cupp").successful
    some = running.answer_to(running.show(image_rgb))
    wanted = [item.track_id for item in everything.instances if item.class_name == name]
    assert [item.track_id for item in some.instances] == wanted and len(wanted) < len(everything.instances)
    assert [item.label for item in some.instances] == list(range(1, len(wanted) + 1))
    running.until_status("classes: expected some of the model's, got Cupp")
    assert running.set_parameter("classes", "").successful
    assert len(running.answer_to(running.show(image_rgb)).instances) == len(everything.instances)

    assert not running.set_parameter("max_fps", -1.0).successful
    assert running.set_parameter("max_fps", 0.01).successful
    before = running.fresh_value("frames_above_max_fps") or "0"
    running.until(
        lambda: running.show(image_rgb) and int(running.fresh_value("frames_above_max_fps") or 0) > int(before),
        "frames that are left out",
    )
    assert running.set_parameter("max_fps", 0.0).successful
    running.answer_to(running.show(image_rgb))
