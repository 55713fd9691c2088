"""The mug finder of docs/ros.md, run as it stands, against answers that are hard to sort."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from doc_examples import example
from geometry_msgs.msg import Point
from rclpy.qos import qos_profile_sensor_data
from robot import Robot
from saom_ros.msg import Instance, InstanceArray
from std_msgs.msg import Header

NOWHERE = (math.nan,) * 3


def instance(name: str, distance: float, place: tuple[float, float, float], *, cut: bool = False) -> Instance:
    centroid = Point(x=place[0], y=place[1], z=place[2])
    return Instance(class_name=name, distance=distance, centroid=centroid, touches_border=cut)


HARD = [
    instance("Mug", math.nan, NOWHERE),  # no depth on it
    instance("Mug", 0.9, (0.1, 0.2, 0.9)),
    instance("Mug", math.nan, NOWHERE),
    instance("Mug", 0.2, NOWHERE),  # no camera_info yet: a distance without a place
    instance("Mug", 0.6, (0.3, -0.1, 0.6)),  # the nearest one
    instance("Mug", 0.3, (0.0, 0.0, 0.3), cut=True),  # nearer, but cut by the image's edge
    instance("Bowl", 0.1, (0.0, 0.0, 0.1)),
]
NEAREST = "mug at 0.300 -0.100 0.600 m in base_link"


class Finder:
    """The example as a process, and the lines that it printed."""

    def __init__(self, domain: int) -> None:
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
        command = [sys.executable, "-c", example("docs/ros.md")]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def end(self) -> None:
        """Stops the process."""
        self.process.kill()
        self.process.wait()
        self._reader.join()


@pytest.fixture
def finder(robot: Robot) -> Iterator[Finder]:
    made = Finder(robot.domain)
    yield made
    made.end()


def test_the_nearest_mug_is_found_among_those_that_have_a_place(robot: Robot, finder: Finder) -> None:
    publisher = robot.node.create_publisher(InstanceArray, "/saom/instances", qos_profile_sensor_data)
    robot.until(lambda: publisher.get_subscription_count() > 0, "the mug finder", finder.process)
    header = Header(frame_id="camera")

    def answered() -> bool:  # at best effort, so a message may be lost
        for instances in (HARD, list(reversed(HARD)), HARD[3:] + HARD[:3]):
            publisher.publish(InstanceArray(header=header, metric_frame_id="base_link", instances=instances))
        return len(finder.lines) >= 6

    robot.until(answered, "the mug finder's lines", finder.process)
    assert set(finder.lines) == {NEAREST}


def test_nothing_is_found_where_no_mug_has_a_place(robot: Robot, finder: Finder) -> None:
    publisher = robot.node.create_publisher(InstanceArray, "/saom/instances", qos_profile_sensor_data)
    robot.until(lambda: publisher.get_subscription_count() > 0, "the mug finder", finder.process)
    header = Header(frame_id="camera")
    placeless = [one for one in HARD if math.isnan(one.centroid.z)]
    assert len(placeless) == 3

    def answered() -> bool:
        for instances in ([], placeless):
            publisher.publish(InstanceArray(header=header, metric_frame_id="base_link", instances=instances))
        publisher.publish(
            InstanceArray(header=header, metric_frame_id="base_link", instances=HARD)
        )  # what came before it is dealt with, too
        return bool(finder.lines)

    robot.until(answered, "the mug finder's line", finder.process)
    assert set(finder.lines) == {NEAREST}
