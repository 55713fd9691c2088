"""What happens to a robot within an hour: the node goes on, and track ids stay what they promise to be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import MODEL, StartNode
from lifecycle_msgs.msg import Transition
from robot import ROOT, Robot, camera_info, picture
from rosgraph_msgs.msg import Clock
from saom_ros.msg import InstanceArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_ros.conversions import image_message

LISTENER = """
import rclpy
from rclpy.qos import QoSProfile
from saom_ros.msg import InstanceArray
from saom_ros.srv import Segment
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("victim")
for kind, topic in ((InstanceArray, "instances"), (Image, "overlay"), (Image, "label_image")):
    node.create_subscription(kind, f"/saom/{topic}", lambda message: print("heard", flush=True), QoSProfile(depth=5))
client = node.create_client(Segment, "/saom/segment")
client.wait_for_service()
client.call_async(Segment.Request())
print("called", flush=True)
rclpy.spin(node)
"""


def other_process(robot: Robot, said: Path, *command: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"ROS_DOMAIN_ID": str(robot.domain), "PYTHONPATH": f"{ROOT}:{os.environ['PYTHONPATH']}"}
    with said.open("wb") as file:
        return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=file, stderr=file)


def ids_of(answer: InstanceArray) -> set[int]:
    return {item.track_id for item in answer.instances}


def header_at(seconds: float) -> Header:
    header = Header(frame_id="camera_optical")
    header.stamp.sec, header.stamp.nanosec = int(seconds), int(seconds % 1 * 1e9)
    return header


def newest_answer(robot: Robot, show: Callable[[], Header], wanted: Callable[[InstanceArray], object]) -> InstanceArray:
    """Shows frames until an answer is as wanted."""
    answers: list[InstanceArray] = []

    def there() -> bool:
        answers.append(robot.answer_to(show()))
        return bool(wanted(answers[-1]))

    robot.until(there, "such an answer")
    return answers[-1]


def test_a_recording_that_begins_again(running: Robot) -> None:
    """Each round the same stamps and pictures, with depth: new ids once a round, none in between, none twice."""
    running.advertise("depth", Image)
    rounds: list[list[set[int]]] = []
    for _ in range(3):
        rounds.append([])
        for k in range(4):
            running.received["instances"].clear()
            header, (image, depth) = header_at(1000 + k / 10), picture(0)
            running.publish("depth", image_message(depth, "16UC1", header))
            answer = running.answer_to(running.show(image, header))
            assert answer.has_depth and len(answer.instances) > 1
            rounds[-1].append(ids_of(answer))
        running.received["instances"].clear()
        running.answer_to(running.show(picture(8)[0], header_at(1100)))  # the last frame, long after
    for one in rounds:
        assert all(ids == one[0] for ids in one)
    assert not rounds[0][0] & rounds[1][0] and not rounds[1][0] & rounds[2][0]


def test_a_camera_without_stamps(running: Robot) -> None:
    running.advertise("depth", Image)
    seen = []
    for _ in range(4):
        running.received["instances"].clear()
        running.publish("depth", image_message(picture()[1], "16UC1", header_at(0)))
        seen.append(running.answer_to(running.show(picture()[0], header_at(0))))
    assert all(answer.has_depth for answer in seen)
    assert ids_of(seen[-1]) & ids_of(seen[-2])


def test_the_image_size_changes_and_changes_back(running: Robot) -> None:
    running.advertise("depth", Image)
    image, depth = picture()

    def show(image: np.ndarray, depth: np.ndarray, info: CameraInfo | None = None) -> Header:
        header = running.header()
        if info is not None:
            info.header = header
            running.publish("camera_info", info)
        running.publish("depth", image_message(depth, "16UC1", header))
        return running.show(image, header)

    def located(answer: InstanceArray) -> bool:
        return bool(np.isfinite([item.centroid.x for item in answer.instances]).any())

    newest_answer(running, lambda: show(image, depth, camera_info(Header())), located)
    small, small_depth = cv2.resize(image, (320, 240)), np.ascontiguousarray(depth[::2, ::2])
    answer = running.answer_to(show(small, small_depth))  # camera_info and depth may be late, the picture is not
    assert (answer.width, answer.height) == (320, 240) and answer.has_depth and not located(answer)
    running.until_status("camera_info", "640x480")
    info = camera_info(Header())
    info.width, info.height, info.k = 320, 240, [value / 2 if value != 1 else 1.0 for value in info.k]
    answer = newest_answer(running, lambda: show(small, small_depth, info), located)
    assert answer.width == 320
    answer = running.answer_to(show(image, small_depth))  # the depth of the stream before
    assert answer.width == 640 and not answer.has_depth
    newest_answer(running, lambda: show(image, depth, camera_info(Header())), located)
    running.until(lambda: running.fresh_value("state") and not running.status.message.count("expected"), "no trouble")


def test_depth_stops_and_comes_back(running: Robot) -> None:
    running.advertise("depth", Image)
    image, depth = picture()

    def with_depth() -> Header:
        header = running.header()
        running.publish("depth", image_message(depth, "16UC1", header))
        return running.show(image, header)

    newest_answer(running, with_depth, lambda answer: answer.has_depth)
    for _ in range(8):
        assert not running.answer_to(running.show(image)).has_depth
    running.until_status("working without depth")
    newest_answer(running, with_depth, lambda answer: answer.has_depth)
    running.withdraw("depth")  # the driver ends: no images wait for it
    assert not running.answer_to(running.show(image)).has_depth
    running.until_status("no depth on /depth", "nobody publishes it", level=b"\x01")


@pytest.mark.slow
def test_listeners_and_callers_that_are_killed(running: Robot, tmp_path: Path) -> None:
    said = tmp_path / "victim.log"

    def heard() -> bool:  # the node may meet the victim's subscriptions some frames after its call
        running.answer_to(running.show(picture()[0]))
        return "heard" in said.read_text()

    for _ in range(2):
        victim = other_process(running, said, "-c", LISTENER)
        try:
            running.until(lambda: "called" in said.read_text(), "the victim to call", victim)
            running.until_a_call_waits()
            running.until(heard, "the victim to hear", victim)
        finally:
            victim.kill()
            victim.wait()
        for _ in range(10):
            running.answer_to(running.show(picture()[0]))


@pytest.mark.slow
def test_a_listener_that_hangs(running: Robot, tmp_path: Path) -> None:
    said = tmp_path / "victim.log"
    victim = other_process(running, said, "-c", LISTENER)
    try:

        def heard() -> bool:
            running.answer_to(running.show(picture()[0]))
            return "heard" in said.read_text()

        running.until(heard, "the victim to hear", victim)
        victim.send_signal(signal.SIGSTOP)
        for _ in range(30):  # far more than the history of a topic
            assert running.answer_to(running.show(picture()[0])).instances
    finally:
        victim.send_signal(signal.SIGCONT)
        victim.kill()
        victim.wait()
    running.answer_to(running.show(picture()[0]))


@pytest.mark.slow
def test_a_camera_that_is_killed_and_started_again(start: StartNode, robot: Robot, tmp_path: Path) -> None:
    for name in ("image", "camera_info"):
        robot.withdraw(name)
    topics = {"image": "image_raw", "depth": "depth/image_raw", "camera_info": "camera_info"}
    process = start(remap=[f"{name}:=/camera/{topic}" for name, topic in topics.items()])
    for _ in range(2):
        command = ("-m", "tools.demo_camera", "demo/sequence", "--rate", "10")
        camera = other_process(robot, tmp_path / "camera.log", *command)
        try:
            robot.received["instances"].clear()
            robot.until(
                lambda: any(answer.has_depth for answer in robot.received["instances"]), "answers with depth", process
            )
        finally:
            camera.kill()
            camera.wait()
        robot.until_status("no image on")


@pytest.mark.slow
def test_simulated_time_that_stands_still_and_jumps_back(start: StartNode, robot: Robot) -> None:
    process = start(use_sim_time=True)
    robot.wait_active(process)  # without any /clock
    robot.answer_to(robot.show(picture()[0]))
    clock = robot.node.create_publisher(Clock, "/clock", 10)
    robot.until(clock.get_subscription_count, "the node to take the time")
    for seconds in (5000.0, 5000.5, 3.0, 3.1):
        clock.publish(Clock(clock=header_at(seconds).stamp))
        robot.fresh_value("state")
        robot.answer_to(robot.show(picture()[0]))
    robot.advertise("depth", Image)
    for _ in range(2):  # an image that waits for its depth in vain, while time stands still
        assert not robot.answer_to(robot.show(picture()[0])).has_depth


@pytest.mark.slow
def test_another_model_at_run_time_gives_no_track_id_again(start: StartNode, robot: Robot, tmp_path: Path) -> None:
    process = start()
    robot.wait_active(process)
    before = ids_of(robot.answer_to(robot.show(picture()[0])))
    other = shutil.copy(MODEL or ROOT / "saom_core" / "models" / "saom-tiny.onnx", tmp_path / "other.onnx")
    assert not robot.set_parameter("model", str(other)).successful
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        assert robot.change_state(transition)
    assert robot.set_parameter("model", str(other)).successful
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert robot.change_state(transition)
    robot.wait_active(process)
    for _ in range(3):  # so many seconds pass by the stamps
        robot.header()
    after = ids_of(robot.answer_to(robot.show(picture()[0])))
    assert before and after and max(before) < min(after)


@pytest.mark.slow
def test_a_driver_that_hangs_is_told_and_does_not_keep_the_node_from_ending(
    start: StartNode, robot: Robot, log: Path
) -> None:
    hang = "import time; from saom_core.everything import OnnxSegmenter as S; S.segment = lambda *_: time.sleep(3600)"
    process = start(first=hang)
    robot.wait_active(process)
    robot.show(picture()[0])
    robot.until_status("a frame is in work for", level=b"\x01")
    assert robot.set_parameter("nms_iou", 0.5).successful  # everything else goes on
    process.terminate()
    assert process.wait(240) == 0
    assert "ending without it" in log.read_text() and "Traceback" not in log.read_text()
