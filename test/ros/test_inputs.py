"""Missing and mismatched inputs: the diagnostics say why, the node lives on and does what it can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import StartNode
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import Robot, camera_info, jpeg_message, picture
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from test_compressed_depth import packed

from saom_core.messages.pictures import depth_from_image
from saom_ros.conversions import image_message
from saom_ros.messages import instances_from_message

WARN = b"\x01"


@pytest.fixture
def with_depth(running: Robot) -> Iterator[Robot]:
    running.advertise("depth", Image)
    yield running


def show_rgbd(robot: Robot, depth: np.ndarray, depth_header: Header | None = None) -> Header:
    header = robot.header()
    robot.publish("depth", image_message(depth, "16UC1", depth_header or header))
    return robot.show(picture()[0], header)


# first in the file: once a camera_info has come, the node knows it
def test_depth_without_camera_info_gives_distances_only(with_depth: Robot) -> None:
    answer = with_depth.answer_to(show_rgbd(with_depth, picture()[1]))
    assert answer.has_depth and all(np.isnan(item.centroid.x) for item in answer.instances)
    assert np.isfinite([item.distance for item in answer.instances]).any()

    def told() -> bool:  # only while depth comes
        with_depth.answer_to(show_rgbd(with_depth, picture()[1]))
        return "no camera_info has come on /camera_info" in with_depth.status.message

    with_depth.until(told, "the missing camera_info in the diagnostics")


def test_camera_info_of_another_size(with_depth: Robot) -> None:
    info = camera_info(with_depth.header())
    info.width, info.height = 1280, 720
    with_depth.publish("camera_info", info)
    with_depth.until(lambda: with_depth.answer_to(show_rgbd(with_depth, picture()[1])), "an answer")

    def reported() -> bool:
        show_rgbd(with_depth, picture()[1])
        return "got 1280x720" in with_depth.until_status("camera_info").message

    with_depth.until(reported, "the mismatch in the diagnostics")
    with_depth.publish("camera_info", camera_info(with_depth.header()))

    def located() -> bool:
        answer = with_depth.answer_to(show_rgbd(with_depth, picture()[1]))
        return bool(np.isfinite([item.centroid.x for item in answer.instances]).any())

    with_depth.until(located, "positions with the right camera_info")
    with_depth.until(lambda: "camera_info" not in with_depth.status.message, "the trouble to be over")


def test_depth_of_another_size(with_depth: Robot) -> None:
    answer = with_depth.answer_to(show_rgbd(with_depth, picture()[1][:240, :320]))
    assert not answer.has_depth
    with_depth.until_status("expected the image's size 640x480, got 320x240", level=WARN)
    assert with_depth.answer_to(show_rgbd(with_depth, picture()[1])).has_depth
    with_depth.until(lambda: "320x240" not in with_depth.status.message, "the trouble to be over")


@pytest.mark.parametrize(
    ("lie", "reason"),
    [({"step": 100}, "step of at least 1280"), ({"encoding": "rgb8"}, "colour topic"), ({"height": 0}, "got 640x0")],
)
def test_lying_depth_is_left_out(with_depth: Robot, lie: dict[str, object], reason: str) -> None:
    header = with_depth.header()
    depth = image_message(picture()[1], "16UC1", header)
    for name, value in lie.items():
        setattr(depth, name, value)
    with_depth.publish("depth", depth)
    assert not with_depth.answer_to(with_depth.show(picture()[0], header)).has_depth
    with_depth.until_status(reason, "working without depth", level=WARN)
    assert with_depth.answer_to(show_rgbd(with_depth, picture()[1])).has_depth


def test_depth_of_another_moment(with_depth: Robot) -> None:
    for _ in range(8):  # more than the node's patience: later images do not wait
        early = with_depth.header()
        early.stamp.nanosec += 50_000_000
        header = show_rgbd(with_depth, picture()[1], depth_header=early)
        assert not with_depth.answer_to(header).has_depth
    with_depth.until_status("the nearest depth is", "working without depth", level=WARN)
    # stamps match again, so images wait for their depth again
    with_depth.until(
        lambda: with_depth.answer_to(show_rgbd(with_depth, picture()[1])).has_depth, "an answer with depth"
    )


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((480, 640), np.nan, np.float32), "NaN or infinite"),
        (np.zeros((480, 640), np.float32), "307200 0"),
        (np.full((480, 640), -0.8, np.float32), "negative"),
        (picture()[1].astype(np.float32), "set depth_scale to 0.001"),  # millimetres where metres belong
    ],
)
def test_depth_without_a_distance_is_no_depth(with_depth: Robot, pixels: np.ndarray, reason: str) -> None:
    header = with_depth.header()
    with_depth.publish("depth", image_message(pixels, "32FC1", header))
    answer = with_depth.answer_to(with_depth.show(picture()[0], header))
    assert not answer.has_depth and all(np.isnan(item.distance) for item in answer.instances)
    with_depth.until_status(reason, "working without depth", level=WARN)
    assert with_depth.answer_to(show_rgbd(with_depth, picture()[1])).has_depth
    with_depth.until(lambda: reason not in with_depth.status.message, "the trouble to be over")


def test_depth_of_another_frame(with_depth: Robot) -> None:
    header = with_depth.header()
    other = Header(stamp=header.stamp, frame_id="camera_depth_optical")
    with_depth.publish("depth", image_message(picture()[1], "16UC1", other))
    assert not with_depth.answer_to(with_depth.show(picture()[0], header)).has_depth
    with_depth.until_status("got 'camera_depth_optical'", "aligns to colour", level=WARN)
    assert with_depth.answer_to(show_rgbd(with_depth, picture()[1])).has_depth
    with_depth.until(lambda: "camera_depth_optical" not in with_depth.status.message, "the trouble to be over")


def test_depth_scale_is_taken_from_the_next_frame_on(with_depth: Robot) -> None:
    usual = with_depth.answer_to(show_rgbd(with_depth, picture()[1]))
    assert with_depth.set_parameter("depth_scale", 0.0001).successful
    scaled = with_depth.answer_to(show_rgbd(with_depth, (picture()[1] * 10.0).clip(0, 65535).astype(np.uint16)))
    assert with_depth.set_parameter("depth_scale", 0.0).successful
    assert scaled.has_depth and len(scaled.instances) == len(usual.instances)
    for one, other in zip(scaled.instances, usual.instances, strict=True):
        if one.distance < 6:  # ten times farther than that does not fit into 16 bits
            assert one.distance == pytest.approx(other.distance, abs=0.002)


def test_no_frames(running: Robot) -> None:
    running.until_status("no image on /image", level=WARN)

    def over() -> bool:
        running.show(picture()[0])
        return running.status is not None and "no image" not in running.status.message

    running.until(over, "the trouble to be over")


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["auto", "compressed"])
def test_compressed_images(start: StartNode, robot: Robot, transport: str) -> None:
    robot.withdraw("image")
    process = start(image_transport=transport)
    robot.advertise("image", CompressedImage)
    robot.wait_active(process)
    broken = jpeg_message(picture()[0], robot.header())
    broken.data = broken.data[:100]
    robot.publish("image", broken)
    robot.until_status("expected JPEG or PNG")
    good = jpeg_message(picture()[0], robot.header())
    robot.publish("image", good)
    assert len(robot.answer_to(good.header).instances) > 0
    huge = jpeg_message(np.tile(picture()[0], (9, 12, 1)), robot.header())  # 8k
    robot.publish("image", huge)
    answer = robot.answer_to(huge.header)
    assert (answer.width, answer.height) == (7680, 4320)


@pytest.mark.slow
def test_compressed_depth_simply_works(start: StartNode, robot: Robot) -> None:
    process = start()
    robot.wait_active(process)
    robot.advertise("depth", CompressedImage)  # waits until the node has found out the type
    for how in ("png", "rvl"):
        header = robot.header()
        robot.publish("camera_info", camera_info(header))
        data = packed(picture()[1], how)
        robot.publish("depth", CompressedImage(header=header, format=f"16UC1; compressedDepth {how}", data=data))
        answer = robot.answer_to(robot.show(picture()[0], header))
        raw = depth_from_image(image_message(picture()[1], "16UC1", header))
        assert answer.has_depth
        for item, mask in zip(answer.instances, instances_from_message(answer).masks, strict=True):
            valid = raw[mask.window][mask.crop]
            valid = valid[(valid >= 0.1) & (valid <= 10)]
            assert not valid.size or item.distance == pytest.approx(np.median(valid), abs=1e-3)


@pytest.mark.slow
def test_camera_info_that_was_published_once_before_the_node_came(start: StartNode, robot: Robot) -> None:
    robot.withdraw("camera_info")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.publishers["camera_info"] = robot.node.create_publisher(CameraInfo, "camera_info", latched)
    robot.publish("camera_info", camera_info(robot.header()))
    process = start()
    robot.wait_active(process)
    robot.advertise("depth", Image)

    def located() -> bool:
        answer = robot.answer_to(show_rgbd(robot, picture()[1]))
        return bool(np.isfinite([item.centroid.x for item in answer.instances]).any())

    robot.until(located, "positions")


def lines(log: Path, text: str) -> list[str]:
    return [line for line in log.read_text().splitlines() if text in line]


@pytest.mark.slow
def test_the_terminal_tells_what_is_missing_once_and_when_it_is_over(start: StartNode, robot: Robot, log: Path) -> None:
    robot.withdraw("image")
    process = start(input_timeout_s=0.5, remap=["depth:=/nothing"])
    robot.until_status("no image on /image", "nobody publishes it", "no depth on /nothing", "use_depth", level=WARN)
    wrong = robot.node.create_publisher(CameraInfo, "image", 1)
    robot.until_status("no image on /image", "published as sensor_msgs/msg/CameraInfo", level=WARN)
    robot.node.destroy_publisher(wrong)
    robot.publishers["image"] = robot.node.create_publisher(Image, "image", 5)
    robot.until(robot.publishers["image"].get_subscription_count, "the node", process)

    def over() -> bool:
        robot.show(picture()[0])
        robot.executor.spin_once(timeout_sec=0.1)
        return bool(lines(log, "over: no image on /image"))

    robot.until(over, "the end of the trouble at the terminal", process)
    assert len(lines(log, "over: no image")) == 1 and len(lines(log, "no depth on /nothing")) == 1
    assert 1 <= len(lines(log, "no image on /image: nobody")) <= 2  # once as a trouble, perhaps once as over


@pytest.mark.slow
def test_depth_that_comes_late_gets_the_advice_that_helps(start: StartNode, robot: Robot) -> None:
    process = start()
    robot.wait_active(process)
    robot.advertise("depth", Image)

    def late() -> bool:
        header = robot.show(picture()[0])
        assert not robot.answer_to(header).has_depth  # it was not waited for longer than sync_timeout_s
        robot.publish("depth", image_message(picture()[1], "16UC1", header))
        robot.fresh_value("state")
        return "raise sync_timeout_s" in robot.status.message

    robot.until(late, "the advice")
    assert "sync_tolerance_s" not in robot.status.message


@pytest.mark.slow
def test_two_cameras_have_diagnostics_of_their_own(start: StartNode, robot: Robot) -> None:
    names: set[str] = set()
    robot.node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda array: names.update(status.name for status in array.status), 10
    )
    for side in ("left", "right"):
        start(remap=[f"__ns:=/{side}"], autostart=False)
    robot.until(lambda: names >= {"left/saom: segmentation", "right/saom: segmentation"}, "both nodes' diagnostics")


def test_topics_under_other_names(start: StartNode, robot: Robot) -> None:
    for name in ("image", "camera_info"):
        robot.withdraw(name)
    process = start(remap=["image:=/cam/rgb", "depth:=/cam/depth", "camera_info:=/cam/info"])
    for topic, name, kind in (("/cam/rgb", "image", Image), ("/cam/depth", "depth", Image)):
        robot.publishers[name] = robot.node.create_publisher(kind, topic, 50)
        robot.until(lambda name=name: robot.publishers[name].get_subscription_count() > 0, topic, process)
        robot.until(lambda name=name: robot.fresh_value(f"{name}_publishers") == "1", f"the node to see {topic}")
    robot.wait_active(process)
    assert robot.answer_to(show_rgbd(robot, picture()[1])).has_depth
