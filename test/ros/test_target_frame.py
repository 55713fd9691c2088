"""Positions in the robot's frame: over the real tf2_ros where it is installed, refused where it is not."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from conftest import StartNode
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from lifecycle_msgs.msg import State
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import Robot, camera_info, picture
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from saom_core.config import SaomConfig
from saom_core.places.rigid import RigidTransform
from saom_ros import frames
from saom_ros.clouds import POINT_FIELDS
from saom_ros.conversions import image_message
from saom_ros.frames import Frames
from saom_ros.metric_inputs import MetricInputs
from saom_ros.parameters import NodeConfig
from saom_ros.places import Places

has_tf2 = importlib.util.find_spec("tf2_ros") is not None
TURN = np.array([0.5, -0.5, 0.5, -0.5])  # of an optical frame in one with x forward and z up


@pytest.mark.slow
def test_without_tf2_ros_a_target_frame_is_refused_with_the_reason(robot: Robot, start: StartNode) -> None:
    start(target_frame="base_link", first="sys.modules['tf2_ros'] = None")
    robot.until_status("not configured: expected the Python package tf2_ros")
    assert robot.state().id == State.PRIMARY_STATE_UNCONFIGURED


def test_transforms_of_before_are_forgotten_when_the_time_jumps_back(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a real clock; tf2's buffer has a stand-in."""
    clears: list[int] = []
    listener = SimpleNamespace(unregister=lambda: None)
    buffer = SimpleNamespace(clear=lambda: clears.append(seconds()))
    stand_in = SimpleNamespace(Buffer=lambda: buffer, TransformListener=lambda *_: listener)
    monkeypatch.setattr(frames, "tf2_ros", stand_in)
    simulated = Parameter("use_sim_time", value=True)
    node = rclpy.create_node("listener", context=robot.node.context, parameter_overrides=[simulated])
    robot.executor.add_node(node)
    made = Frames(node)
    clock = robot.node.create_publisher(Clock, "/clock", 10)
    robot.until(clock.get_subscription_count, "the node to take the time")

    def seconds() -> int:
        return node.get_clock().now().nanoseconds // 10**9

    def go_to(second: int) -> None:
        clock.publish(Clock(clock=Time(sec=second)))
        robot.until(lambda: seconds() == second, "the time")

    for second in (5000, 5001, 5001, 9000):
        go_to(second)
    assert clears == []
    for second in (3, 4, 2):
        go_to(second)
    assert clears == [3, 2]
    made.destroy()
    go_to(1)
    assert clears == [3, 2]
    robot.executor.remove_node(node)
    node.destroy_node()


def test_who_asked_for_a_transform_is_told(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its own name; tf2's buffer has a stand-in that knows no transform."""

    class Unknown(Exception):
        pass

    def lookup_transform(*_: object) -> None:
        raise Unknown('"odom" does not exist')

    buffer = SimpleNamespace(clear=lambda: None, lookup_transform=lookup_transform)
    listener = SimpleNamespace(unregister=lambda: None)
    stand_in = SimpleNamespace(Buffer=lambda: buffer, TransformListener=lambda *_: listener, TransformException=Unknown)
    monkeypatch.setattr(frames, "tf2_ros", stand_in)
    node = rclpy.create_node("listener", context=robot.node.context)
    made, header = Frames(node), Header(frame_id="camera")
    for of_node, asker in (
        ({"track_frame": "odom", "target_frame": "base_link"}, "track_frame"),
        ({"target_frame": "odom"}, "target_frame"),
    ):
        options: Any = SimpleNamespace(core=SaomConfig(), node=NodeConfig(**of_node))
        told = Places(options, made).camera_pose(header)[1]
        assert told.startswith(f"{asker}: expected a transform from 'camera' to 'odom'")
    inputs = MetricInputs("/camera/image_raw", "/camera/depth/image_raw", made)
    depth = image_message(picture()[1], "16UC1", Header(frame_id="camera_depth"))
    info, depth_info = camera_info(header), camera_info(depth.header)
    (trouble,) = inputs.of(header, (480, 640), (depth, info), SaomConfig(), NodeConfig(), depth_info).troubles
    assert trouble.text.startswith("depth: expected a transform from 'camera_depth' to 'camera'")
    made.destroy()
    node.destroy_node()


def transform(child: str, parent: str, stamp: Time, x: float, turn: np.ndarray) -> TransformStamped:
    made = TransformStamped(header=Header(stamp=stamp, frame_id=parent), child_frame_id=child)
    made.transform.translation = Vector3(x=x, y=0.2, z=1.1)
    made.transform.rotation = Quaternion(x=turn[0], y=turn[1], z=turn[2], w=turn[3])
    return made


@pytest.mark.slow
@pytest.mark.skipif(not has_tf2, reason="needs tf2_ros")
def test_positions_are_those_at_the_stamp_of_the_image(robot: Robot, start: StartNode) -> None:
    """The camera drives along x from 0 m at 1 s to 10 m at 11 s; a picture of 6.25 s was taken at 5.25 m."""
    from tf2_msgs.msg import TFMessage

    process = start(target_frame="map", tf_timeout_s=0.3)
    robot.listen(points=PointCloud2)
    robot.wait_active(process)
    robot.advertise("depth", Image)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    fixed, moving = robot.node.create_publisher(TFMessage, "/tf_static", latched), None
    fixed.publish(TFMessage(transforms=[transform("camera_optical", "base_link", Time(), 0.0, TURN)]))
    moving = robot.node.create_publisher(TFMessage, "/tf", 10)
    robot.until(lambda: moving.get_subscription_count() and fixed.get_subscription_count(), "the node to listen to tf")
    still = np.array([0.0, 0.0, 0.0, 1.0])
    for second in (1, 11):
        moving.publish(TFMessage(transforms=[transform("base_link", "map", Time(sec=second), second - 1.0, still)]))
    image_rgb, depth_mm = picture()

    def shown(stamp: Time) -> Header:
        header = Header(stamp=stamp, frame_id="camera_optical")
        robot.publish("camera_info", camera_info(header))
        robot.publish("depth", image_message(depth_mm, "16UC1", header))
        return robot.show(image_rgb, header)

    clouds = robot.received["points"]
    stamp = Time(sec=6, nanosec=250_000_000)
    answer = None
    # until the first transforms and camera_info have arrived; all frames have one stamp, and an answer may be of an
    # earlier one than the cloud
    while answer is None or answer.metric_frame_id != "map" or not clouds:
        answer = robot.answer_to(shown(stamp))
        robot.received["instances"].clear()
    assert answer.header.frame_id == "camera_optical"
    cloud = clouds[-1]
    assert cloud.header.frame_id == "map" and cloud.header.stamp == stamp
    # base_link is at (5.25, .2, 1.1), the camera at (0, .2, 1.1) in it; its z looks along x, its y along -z
    info = camera_info(Header())
    rows, columns = np.nonzero(depth_mm)
    z = depth_mm[rows, columns] / 1000.0
    x, y = (columns - info.k[2]) / info.k[0] * z, (rows - info.k[5]) / info.k[4] * z
    expected = np.column_stack([z + 5.25, -x + 0.4, -y + 2.2])
    sent = np.frombuffer(cloud.data, POINT_FIELDS).reshape(depth_mm.shape)[rows, columns]
    np.testing.assert_allclose(np.column_stack([sent[axis] for axis in "xyz"]), expected, atol=2e-4)
    placed = [item for item in answer.instances if np.isfinite(item.centroid.x)]
    assert placed
    back = RigidTransform(TURN, np.array([5.25, 0.4, 2.2]))
    for item in placed:
        at = back.rotation.T @ (np.array([item.centroid.x, item.centroid.y, item.centroid.z]) - back.translation_m)
        assert at[2] == pytest.approx(item.distance, abs=0.1)
    late = robot.answer_to(shown(Time(sec=100)))
    assert late.instances and all(np.isnan(item.centroid.x) for item in late.instances)
    robot.until_status("target_frame: expected a transform from 'camera_optical' to 'map'")
