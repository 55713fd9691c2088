"""A picture is measured with the camera_info of its own moment, in whatever order the two come."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from conftest import StartNode
from robot import Robot, camera_info, picture
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_ros import camera_infos
from saom_ros.camera_infos import KEPT, CameraInfos
from saom_ros.conversions import image_message


def at(second: int) -> Header:
    return Header(stamp=Time(sec=second))


def info(second: int, width: int = 640) -> CameraInfo:
    return CameraInfo(header=at(second), width=width)


def test_that_of_the_pictures_stamp_else_the_newest() -> None:
    infos = CameraInfos()
    assert infos.of(at(1)) is None
    kept = [info(second) for second in range(1, KEPT + 3)]
    for one in kept:
        infos.add(one)
    assert infos.of(at(5)) is kept[4] and infos.of(at(99)) is kept[-1]
    assert infos.of(at(1)) is kept[-1], "the oldest are not kept"
    for _ in range(3 * KEPT):  # a recording of two frames that is played again and again
        for second in (1, 2):
            infos.add(info(second, width=second))
    found = infos.of(at(2))
    assert found is not None and found.width == 2


def test_what_is_sent_once_or_without_a_stamp_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_infos, "PATIENCE_S", threading.TIMEOUT_MAX)
    infos, latched, unstamped = CameraInfos(), info(7), info(0)
    infos.add(latched)
    assert all(infos.of(at(second)) is latched for second in (0, 8, 9))
    infos.add(unstamped)
    assert all(infos.of(at(second)) is unstamped for second in (0, 8, 9))


def test_where_they_come_together_the_one_that_comes_a_moment_later_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera_infos, "PATIENCE_S", threading.TIMEOUT_MAX)
    infos, first, second = CameraInfos(), info(1), info(2)
    assert infos.of(at(1)) is None
    infos.add(first)  # that of the picture before
    later = threading.Timer(0.05, infos.add, (second,))
    later.start()
    assert infos.of(at(2)) is second
    later.join(240)
    monkeypatch.setattr(camera_infos, "PATIENCE_S", 0.01)
    assert infos.of(at(3)) is second, "it was lost on the way"


@pytest.mark.parametrize(("every", "most"), [(1, 4), (2, 8)])  # all come too late; every second one is lost
def test_waiting_in_vain_comes_to_an_end(monkeypatch: pytest.MonkeyPatch, every: int, most: int) -> None:
    infos, waits = CameraInfos(), []
    monkeypatch.setattr(infos._changed, "wait_for", lambda ready, timeout_s: waits.append(timeout_s))
    for second in range(1, 41):
        if every == 2 and second % 2:
            infos.add(info(second))
        infos.of(at(second))
        if every == 1:
            infos.add(info(second))
    assert 1 <= len(waits) <= most


@pytest.mark.slow
def test_the_region_of_interest_moves_while_the_picture_comes_first(start: StartNode, robot: Robot) -> None:
    """As image_transport sends them; the same pixels lie elsewhere with each frame."""
    process = start(first="from saom_ros import camera_infos; camera_infos.PATIENCE_S = 240")
    robot.wait_active(process)
    robot.advertise("depth", Image)
    image_rgb, depth_mm = picture()

    def x_of_first(moved_px: float) -> tuple[float, float]:
        """Centre of the best instance in metres, and its distance."""
        header = robot.header()
        robot.publish("depth", image_message(depth_mm, "16UC1", header))
        robot.show(image_rgb, header)
        one = camera_info(header)
        one.k[2] -= moved_px
        robot.publish("camera_info", one)
        best = robot.answer_to(header).instances[0]
        return best.centroid.x, best.centroid.z

    before, z = x_of_first(0.0)
    while not np.isfinite(before):  # until the first camera_info has come
        before, z = x_of_first(0.0)
    focal_px = camera_info(Header()).k[0]
    for moved_px in (300.0, 0.0, -200.0):
        assert x_of_first(moved_px)[0] == pytest.approx(before + moved_px * z / focal_px, abs=0.02)
