"""Live topics as a source of `saom view`: over real topics, decoded and paired as the node does it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from robot import ROOT, Robot, camera_info, jpeg_message, picture
from std_msgs.msg import Header

from saom_cli.shots import Shot, shots_of
from saom_cli.sources import add_depth_arguments, add_topic_arguments
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_ros.conversions import image_message
from saom_ros.parameters import NodeConfig
from saom_ros.watch import Topics, Watch

COLOR, DEPTH, INFO = "/camera/color/image_raw", "/camera/aligned_depth/image_raw", "/camera/color/camera_info"


class Camera:
    """Sends the same frame again and again, until whoever looks has seen what is waited for."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot

    def send(self, *messages: tuple[str, Any]) -> None:
        """Begins to send; a camera's next frame has the same stamps."""
        node = self._robot.node
        made = [(node.create_publisher(type(message), topic, self._robot._qos), message) for topic, message in messages]
        node.create_timer(0.1, lambda: [publisher.publish(message) for publisher, message in made])

    def seen(self, shots: Iterator[Shot], done: Callable[[Shot], object] = lambda _: True) -> Shot:
        """The first shot of which something is true."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: next(shot for shot in shots if done(shot)))
            self._robot.until(future.done, "a picture that fits")
            return future.result()


@pytest.fixture
def camera(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> Camera:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(robot.domain))
    return Camera(robot)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    add_depth_arguments(parser)
    add_topic_arguments(parser)
    return parser.parse_args(words)


def shots(*words: str) -> Iterator[Shot]:
    source = shots_of(arguments(*words), SaomConfig)
    assert source.live and source.count is None
    return iter(source)


def test_picture_depth_and_camera_of_one_moment(robot: Robot, camera: Camera) -> None:
    image, depth = picture(8)
    header = robot.header()
    other = robot.header()  # a second later
    camera.send(
        (COLOR, image_message(image, "rgb8", header)),
        (DEPTH, image_message(depth, "16UC1", header)),
        (DEPTH, image_message(np.full_like(depth, 1234), "16UC1", other)),
        (INFO, camera_info(header)),
    )
    shot = camera.seen(shots(f"ros:{COLOR}", "--depth-topic", DEPTH), lambda shot: shot.camera is not None)
    assert np.array_equal(shot.image_rgb, image) and shot.depth_m is not None and shot.camera is not None
    assert np.allclose(shot.depth_m, depth / 1000, atol=1e-6), "not the depth of the other moment"
    assert [shot.camera.fx, shot.camera.cy] == pytest.approx([camera_info(header).k[0], camera_info(header).k[5]])


def test_a_compressed_rectified_picture(robot: Robot, camera: Camera) -> None:
    image, depth = picture(8)
    header, topic = robot.header(), "/left/image_rect/compressed"
    info = camera_info(header)
    info.p = [400.0, 0.0, 300.0, 0.0, 0.0, 410.0, 200.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    jpeg = jpeg_message(image, header)
    camera.send((topic, jpeg), ("/left/depth", image_message(depth, "16UC1", header)), ("/left/camera_info", info))
    shot = camera.seen(
        shots(f"ros:{topic}", "--depth-topic", "left/depth", "--depth-scale", "0.002"), lambda shot: shot.camera
    )
    wanted = cv2.imdecode(np.frombuffer(jpeg.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(shot.image_rgb, wanted) and shot.camera is not None and shot.depth_m is not None
    assert (shot.camera.fx, shot.camera.fy, shot.camera.cx, shot.camera.cy) == (400, 410, 300, 200), "P, not K"
    assert np.allclose(shot.depth_m, depth * 0.002, atol=1e-6)


def test_depth_of_another_frame_is_told_and_taken_when_asked_for(
    robot: Robot, camera: Camera, capsys: pytest.CaptureFixture[str]
) -> None:
    image, depth = picture(8)
    header = robot.header()
    other = Header(frame_id="infrared", stamp=header.stamp)
    camera.send((COLOR, image_message(image, "rgb8", header)), (DEPTH, image_message(depth, "16UC1", other)))
    said: list[str] = []

    def told(shot: Shot) -> bool:
        said.extend(capsys.readouterr().err.splitlines())
        assert shot.depth_m is None
        return any("'infrared'" in line and "check_frames" in line for line in said)

    camera.seen(shots(f"ros:{COLOR}", "--depth-topic", DEPTH), told)
    assert camera.seen(
        shots(f"ros:{COLOR}", "--depth-topic", DEPTH, "--no-check-frames"),
        lambda shot: shot.camera is None and shot.depth_m is not None,
    )


def test_what_nobody_publishes_is_told_once_and_waited_for(
    robot: Robot, camera: Camera, capsys: pytest.CaptureFixture[str]
) -> None:
    image, depth = picture(8)
    header = robot.header()
    said: list[str] = []

    def waits() -> bool:
        said.extend(capsys.readouterr().err.splitlines())
        return bool(said)

    with ThreadPoolExecutor(1) as pool:
        source = shots(f"ros:{COLOR}")
        future = pool.submit(next, source)
        robot.until(waits, "what is missing to be told")
        assert not future.done()
        camera.send((COLOR, image_message(image, "rgb8", header)), (DEPTH, image_message(depth, "16UC1", header)))
        robot.until(future.done, "the picture")
        assert np.array_equal(future.result().image_rgb, image) and future.result().depth_m is None
        robot.until(lambda: waits() and any("depth" in line for line in said), "the depth that could be shown")
        source.close()
    told = [line for line in said if COLOR in line]
    assert len(told) == 1 and "nobody publishes it" in told[0] and "start the camera" in told[0]
    assert [line for line in said if line.endswith(f"--depth-topic takes one of {DEPTH}")]


def test_the_newest_picture_wins(robot: Robot, camera: Camera) -> None:
    told: list[str] = []
    with Watch(Topics(COLOR, None), SaomConfig, NodeConfig(), told.append) as watch:
        for value in (10, 20, 30):
            watch._on_image(image_message(np.full((4, 6, 3), value, np.uint8), "rgb8", robot.header()))
        assert (next(iter(watch)).image_rgb == 30).all()
        broken = image_message(np.zeros((4, 6, 3), np.uint8), "rgb8", robot.header())
        broken.step = 1
        watch._on_image(broken)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(next, iter(watch))
            robot.until(lambda: told, "what is wrong to be told")
            watch._on_image(image_message(np.full((4, 6, 3), 40, np.uint8), "rgb8", robot.header()))
            robot.until(future.done, "the next picture")
            assert (future.result().image_rgb == 40).all() and "expected a step" in told[0]


def test_a_fault_while_listening_ends_it(camera: Camera) -> None:
    def fails() -> SaomConfig:
        raise ZeroDivisionError

    with (
        Watch(Topics(COLOR, DEPTH), fails, NodeConfig(), print) as watch,
        pytest.raises(ZeroDivisionError),
    ):
        next(iter(watch))


def test_ctrl_c_ends_it_while_nothing_comes(camera: Camera) -> None:
    code = f"""
import sys
sys.path[:0] = {[str(ROOT), str(ROOT / "test" / "ros")]}
from test_watch import shots
try:
    next(shots("ros:{COLOR}"))
except KeyboardInterrupt:
    print("ended")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "nobody publishes" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, out, err) == (0, "ended\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ros:"], "ros:/camera/color/image_raw"),
        (["ros:/a", "--image-topic", "/b"], "no --image-topic"),
        (["ros:/a", "--depth", "depth"], "--depth-topic"),
        (["ros:/a b"], "ros2 topic list"),
        (["ros:/a", "--depth-topic", "/2"], "ros2 topic list"),
    ],
)
def test_errors(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        shots(*words)


def test_the_camera_beside_the_pictures() -> None:
    assert Topics("camera/color/image_raw").camera_info == "/camera/color/camera_info"
