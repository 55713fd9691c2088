"""A listener that freezes must not take the rate of the others: measured with real processes over real DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from robot import ROOT, Robot
from std_msgs.msg import Header

FRAMES = 60
"""Over which a rate is taken; at about 30 frames/s."""

SETTLE = 15
"""Frames after a change that are not counted: the shared memory fills up, the slow output is noticed."""

PUBLISHER = """
import sys, time
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from saom_ros import outputs
from saom_ros.conversions import image_message
from saom_ros.output import Output

pixels = np.zeros((720, 1280, 3), np.uint8)
outputs.OUTPUTS = {
    "big": Output(Image, lambda frame: image_message(pixels, "rgb8", Header())),
    "small": Output(Header, lambda frame: Header(frame_id=str(frame), stamp=now())),
}

def now():
    seconds, nanoseconds = divmod(time.monotonic_ns(), 10**9)
    return Time(sec=seconds, nanosec=nanoseconds)

class Teller(LifecycleNode):
    def on_configure(self, state):
        self.sent = outputs.Outputs(self)
        if sys.argv[1] == "unpaced":
            self.sent.pace.due = lambda name: True
        return super().on_configure(state)

rclpy.init()
node = Teller("saom")
node.trigger_configure()
node.trigger_activate()
frame = 0
while True:
    time.sleep(0.03)  # the network's work
    node.sent.publish(frame)
    frame += 1
"""

VICTIM = """
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("victim")
node.create_subscription(Image, "/saom/big", lambda message: print("heard", flush=True), QoSProfile(depth=10))
rclpy.spin(node)
"""


class Processes:
    """Python in other processes of the robot's ROS domain, which do not outlive the test."""

    def __init__(self, robot: Robot, folder: Path) -> None:
        self._environment, self._folder = os.environ | {"ROS_DOMAIN_ID": str(robot.domain)}, folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, code: str, *arguments: str) -> tuple[subprocess.Popen[str], Path]:
        """A process and the file with what it says."""
        said = self._folder / f"{len(self._started)}.log"
        command = [sys.executable, "-c", code, *arguments]
        with said.open("w") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=file, stderr=file, text=True)
        self._started.append(process)
        return process, said

    def end(self) -> None:
        """Ends all of them."""
        for process in self._started:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@pytest.fixture
def processes(robot: Robot, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(robot, tmp_path)
    yield made
    made.end()


def rate_hz(robot: Robot, frames: int) -> float:
    """Frames a second of the small output, by the publisher's own clock; lost messages do not count against it."""
    small = robot.received["small"]
    small.clear()
    robot.until(lambda: small and int(small[-1].frame_id) - int(small[0].frame_id) >= SETTLE + frames, "small messages")
    seconds = {int(m.frame_id): m.stamp.sec + m.stamp.nanosec / 1e9 for m in small}
    first, last = min(number for number in seconds if number >= min(seconds) + SETTLE), max(seconds)
    return (last - first) / (seconds[last] - seconds[first])


def rates(robot: Robot, processes: Processes, kind: str, turns: int, frames: int) -> tuple[float, float]:
    """Rates while the victim listens, and while it is frozen: the medians of some turns of both."""
    publisher, _ = processes.start(PUBLISHER, kind)
    robot.until(lambda: robot.received["small"], "the publisher", publisher)
    victim, said = processes.start(VICTIM)
    robot.until(lambda: "heard" in said.read_text(), "the victim to hear", victim)
    awake, frozen = [], []
    for _ in range(turns):
        awake.append(rate_hz(robot, frames))
        victim.send_signal(signal.SIGSTOP)
        frozen.append(rate_hz(robot, frames))
        victim.send_signal(signal.SIGCONT)
        heard = len(said.read_text())
        robot.until(lambda: len(said.read_text()) > heard, "the victim to go on", victim)  # noqa: B023 - used at once
    for process in (publisher, victim):
        process.kill()
        process.wait()
    return float(np.median(awake)), float(np.median(frozen))


@pytest.mark.slow
def test_a_frozen_listener_of_a_large_output_leaves_the_others_their_rate(robot: Robot, processes: Processes) -> None:
    """`pytest -s` prints the rates, beside those without the pace."""
    robot.withdraw("image")
    robot.withdraw("camera_info")
    robot.listen(small=Header)
    awake, frozen = rates(robot, processes, "paced", turns=3, frames=FRAMES)
    _, unpaced = rates(robot, processes, "unpaced", turns=1, frames=FRAMES // 3)
    print(f"\n{awake:.1f} frames/s while it listens, {frozen:.1f} while it is frozen, {unpaced:.1f} without the pace")
    assert frozen > 0.6 * awake  # without the pace a fast machine keeps its rate, too: that figure is for the reader
