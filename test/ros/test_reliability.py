"""A month without a visit: floods, subscribers that come and go, a node that is killed, cameras that change.

docs/reliability.md lists all that was tried, with the tests of other files.
"""

from __future__ import annotations

import re
import signal
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import StartNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from robot import ROOT, Robot, camera_info, free_domain, picture
from saom_ros.msg import InstanceArray, PlaneArray
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from saom_ros.conversions import image_message
from tools.endurance import endure

FLOOD_HZ = 200.0
FLOOD = 600
ENDURED = 300
"""Frames of the short form of `python -m tools.endurance`."""


def located(answer: InstanceArray) -> bool:
    return bool(np.isfinite([item.centroid.x for item in answer.instances]).any())


def test_every_row_of_the_table_names_a_test_that_exists() -> None:
    rows = [line for line in (ROOT / "docs" / "reliability.md").read_text().splitlines() if line.startswith("| ")]
    tests = [re.findall(r"`(test/[\w/]+\.py)::(\w+)`", row) for row in rows[2:]]
    assert len(tests) > 20 and all(tests), "a row without a test"
    for path, name in {pair for row in tests for pair in row}:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


@pytest.mark.slow
def test_the_node_does_not_grow(tmp_path: Path) -> None:
    """Every output subscribed; the long form is `python -m tools.endurance`."""
    grown = endure(ENDURED, ENDURED // 2, (160, 120), tmp_path / "node.log", free_domain())
    print(f"\n{grown.grown_mb:+.1f} MB over {ENDURED // 2} frames")
    assert grown.grown_mb < 5.0
    for name in ("instances", "label_image", "overlay", "points", "planes", "markers"):
        assert grown.received[name] > ENDURED * 0.5, name


@pytest.mark.slow
def test_a_flood_of_frames_leaves_the_node_answering(running: Robot) -> None:
    """At 200 Hz almost all frames are dropped, each is counted, and everything else goes on."""
    image = cv2.resize(picture()[0], (320, 240))
    before = {
        key: int(running.fresh_value(key) or 0) for key in ("frames_received", "frames_answered", "frames_dropped")
    }
    sent: list[Header] = []
    timer = running.node.create_timer(1 / FLOOD_HZ, lambda: sent.append(running.show(image)))
    for score in (0.4, 0.5):
        goal = len(sent) + FLOOD // 2
        running.until(lambda: len(sent) >= goal, "the flood")  # noqa: B023 - used at once
        assert running.set_parameter("score_threshold", score).successful
    answered = len(running.received["instances"])
    running.until(lambda: len(running.received["instances"]) > answered + 1, "answers in the flood")
    running.node.destroy_timer(timer)
    running.answer_to(running.show(image))

    def settled() -> bool:
        running.fresh_value("frames_received")
        now = {key: int(running.value(key) or 0) - count for key, count in before.items()}
        return now["frames_received"] == now["frames_answered"] + now["frames_dropped"]

    running.until(settled, "every frame that came to be answered or counted as dropped")
    assert int(running.value("frames_dropped")) - before["frames_dropped"] > 0
    stamps = [answer.header.stamp.sec for answer in running.received["instances"][answered:]]
    assert stamps == sorted(stamps), "answers go forward in time"


@pytest.mark.slow
def test_subscribers_that_come_and_go(running: Robot) -> None:
    """In every round others listen; each hears only what was asked for, and in the end nobody does."""
    running.advertise("depth", Image)
    image_rgb, depth_mm = picture()
    kinds = {
        "overlay": Image,
        "points": PointCloud2,
        "planes": PlaneArray,
        "markers": MarkerArray,
        "label_image": Image,
    }
    rounds = cycle([("overlay",), ("points", "planes"), (), ("markers", "label_image"), tuple(kinds)])
    for _, names in zip(range(15), rounds, strict=False):
        running.listen(**{name: kinds[name] for name in names})
        running.wait_active()

        def heard(names: tuple[str, ...] = names) -> bool:
            header = running.header()
            running.publish("camera_info", camera_info(header))
            running.publish("depth", image_message(depth_mm, "16UC1", header))
            assert running.answer_to(running.show(image_rgb, header)).instances
            return all(running.received[name] for name in names)

        running.until(heard, f"messages on {names}")
        running.deaf(*names)
    for name in kinds:
        running.until(
            lambda name=name: all(
                info.node_name != "robot" for info in running.node.get_subscriptions_info_by_topic(f"/saom/{name}")
            ),
            "no subscription",
        )


@pytest.mark.slow
def test_a_node_that_is_killed_and_started_again(
    start: StartNode, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 in the middle of a frame, thrice: its subscribers and its camera stay, and the next node answers.

    Over UDP, because Fast DDS's shared memory does not always survive a reader that is killed; see docs/reliability.md.
    """
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    image_rgb = cv2.resize(picture()[0], (160, 120))  # one datagram
    for _ in range(3):
        process = start()
        robot.wait_active(process)
        robot.answer_to(robot.show(image_rgb))
        for _ in range(3):
            robot.show(image_rgb)
        process.send_signal(signal.SIGKILL)
        assert process.wait(240) == -signal.SIGKILL
        robot.until(lambda: not robot.publishers["image"].get_subscription_count(), "the dead node to be missed")
    robot.wait_active(start())
    robot.answer_to(robot.show(image_rgb))


def test_a_camera_that_changes_its_encoding(running: Robot) -> None:
    image_rgb = picture()[0]
    pictures = {
        "rgb8": image_rgb,
        "bgr8": np.ascontiguousarray(image_rgb[..., ::-1]),
        "rgba8": cv2.cvtColor(image_rgb, cv2.COLOR_RGB2RGBA),
        "mono8": cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY),
        "nv21": cv2.cvtColor(image_rgb, cv2.COLOR_RGB2YUV_YV12),
    }
    for encoding in (*pictures, *reversed(pictures)):
        header = running.header()
        message = image_message(pictures[encoding], encoding, header)
        message.height = 480
        running.publish("image", message)
        answer = running.answer_to(header)
        assert answer.instances and (answer.height, answer.width) == (480, 640), encoding
    assert running.fresh_value("frames_failed") in ("", "0")


def test_a_camera_that_changes_its_frame(running: Robot) -> None:
    """The camera_info of the frame before gives no positions; that of the new one gives them again."""
    running.advertise("depth", Image)
    image_rgb, depth_mm = picture()

    def show(frame_id: str, info_frame: str) -> Header:
        header = running.header()
        header.frame_id = frame_id
        running.publish("depth", image_message(depth_mm, "16UC1", header))
        running.publishers["camera_info"].publish(camera_info(Header(stamp=header.stamp, frame_id=info_frame)))
        return running.show(image_rgb, header)

    for frame_id, before in (("left", "left"), ("right", "left"), ("left", "right")):
        if frame_id != before:
            wrong = running.answer_to(show(frame_id, before))
            assert wrong.header.frame_id == frame_id and wrong.has_depth and not located(wrong)
            running.until_status("camera_info", f"got '{before}'")

        def right(frame_id: str = frame_id) -> bool:
            answer = running.answer_to(show(frame_id, frame_id))
            return located(answer) and answer.metric_frame_id == frame_id

        running.until(right, f"positions in {frame_id}")


@pytest.mark.slow
def test_a_camera_that_changes_from_raw_to_compressed_and_back(start: StartNode, robot: Robot) -> None:
    """A driver that is started anew with another transport on the same topic."""
    process, image_rgb = start(), picture()[0]
    robot.wait_active(process)
    qos = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
    assert robot.answer_to(robot.show(image_rgb)).instances
    robot.withdraw("image")
    robot.advertise("image", CompressedImage, qos)
    header = robot.header()
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
    robot.publish("image", CompressedImage(header=header, format="jpeg", data=jpeg))
    assert robot.answer_to(header).instances
    robot.withdraw("image")
    robot.advertise("image", Image, qos)
    assert robot.answer_to(robot.show(image_rgb)).instances
