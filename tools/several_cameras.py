#!/usr/bin/env python3
"""What a second camera costs: one camera, two cameras in one process, and two processes, side by side in turns.

    source tools/env.sh && python -m tools.several_cameras                       # two at 30 Hz: 3 min
    source tools/env.sh && python -m tools.several_cameras --rates 30,5

The cameras show the demo's frames (640x480, with depth and camera_info) to the real node. Printed for each camera:
answers a second, and the time from an image's stamp to its answer; for all the processes together: CPU time for an
answer, and memory: the resident set, and the part of it that no other process shares.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from saom_ros.msg import InstanceArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_ros.conversions import image_message
from tools.endurance import frames

ROOT = Path(__file__).resolve().parent.parent
SIZE_WH = (640, 480)
WARM_UP = 5
"""Answers to each camera before anything is measured."""
LIMIT_S = 120.0
"""Without any answer for so long the node hangs."""


class Camera(Node):
    """Shows frames in the namespace of its name, and hears the answers.

    Args:
        name: of the camera.
        rate_hz: frames a second.
        context: of ROS.
    """

    def __init__(self, name: str, rate_hz: float, context: rclpy.Context) -> None:
        super().__init__("camera", namespace=name, context=context)
        self.latencies_ms: list[float] = []
        self._period_s, self._next_s, self._shown = 1 / rate_hz, time.monotonic(), 0
        self._frames = list(frames(SIZE_WH))
        self._image = self.create_publisher(Image, "image", qos_profile_sensor_data)
        self._depth = self.create_publisher(Image, "depth", qos_profile_sensor_data)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
        self.create_subscription(InstanceArray, "saom/instances", self._on_answer, QoSProfile(depth=10))

    def _on_answer(self, message: InstanceArray) -> None:
        stamp = message.header.stamp
        self.latencies_ms.append((time.time_ns() - stamp.sec * 1_000_000_000 - stamp.nanosec) / 1e6)

    def show_if_due(self) -> None:
        """Publishes the next frame where its time has come."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = max(self._next_s + self._period_s, time.monotonic() - self._period_s)
        image, depth, info = self._frames[self._shown % len(self._frames)]
        self._shown += 1
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        info.header = Header(frame_id="camera", stamp=Time(sec=seconds, nanosec=nanoseconds))
        self._info.publish(info)
        self._depth.publish(image_message(depth, "16UC1", info.header))
        self._image.publish(image_message(image, "rgb8", info.header))


@dataclass
class Measured:
    """The measurements of one way to run the node, of all rounds together."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    resident_mb: list[float] = field(default_factory=list)
    own_mb: list[float] = field(default_factory=list)
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)  # by camera

    def lines(self, way: str) -> list[str]:
        """Rows of the table: one for each camera."""
        answers = sum(map(len, self.latencies_ms.values()))
        rows = []
        for camera, latencies in self.latencies_ms.items():
            p50, p95 = np.percentile(latencies, [50, 95])
            rows.append(f"{way:12s} {camera:7s} {len(latencies) / self.seconds:10.1f} {p50:9.0f} {p95:9.0f}")
        memory = f"{np.median(self.resident_mb):9.0f} {np.median(self.own_mb):9.0f}"
        return [f"{rows[0]} {1000 * self.cpu_s / answers:11.0f} {memory}", *rows[1:]]


def measure(
    names: Sequence[str], rates_hz: Sequence[float], commands: Sequence[Sequence[str]], seconds: float, into: Measured
) -> None:
    """Runs the node in some way and adds what is measured.

    Args:
        names: of the cameras.
        rates_hz: of each camera.
        commands: arguments of each process.
        seconds: how long to measure.
        into: the sums.

    Raises:
        RuntimeError: the node ended, or does not answer.
    """
    domain = 1 + os.getpid() % 100
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    cameras = [Camera(name, rate, context) for name, rate in zip(names, rates_hz, strict=True)]
    executor = SingleThreadedExecutor(context=context)
    for camera in cameras:
        executor.add_node(camera)
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
    node = [sys.executable, "-m", "saom_ros.process"]
    started = [
        psutil.Popen([*node, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for words in commands
    ]

    def drive(done: Callable[[], bool], limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while not done():
            if time.monotonic() > end or any(process.poll() is not None for process in started):
                raise RuntimeError("expected nodes that answer, got one that has ended or hangs: start it by hand")
            for camera in cameras:
                camera.show_if_due()
            executor.spin_once(timeout_sec=0.002)

    try:
        drive(lambda: all(len(camera.latencies_ms) >= WARM_UP for camera in cameras), LIMIT_S)
        for camera in cameras:
            camera.latencies_ms.clear()
        began_s, cpu_s = time.monotonic(), sum(cpu_seconds(process) for process in started)
        drive(lambda: time.monotonic() > began_s + seconds, seconds + LIMIT_S)
        into.seconds += time.monotonic() - began_s
        into.cpu_s += sum(cpu_seconds(process) for process in started) - cpu_s
        memory = [process.memory_full_info() for process in started]
        into.resident_mb.append(sum(one.rss for one in memory) / 1e6)
        into.own_mb.append(sum(one.uss for one in memory) / 1e6)
        for camera in cameras:
            name = camera.get_namespace().strip("/")
            into.latencies_ms.setdefault(name, []).extend(camera.latencies_ms)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)
        executor.shutdown()
        for camera in cameras:
            camera.destroy_node()
        context.shutdown()


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time that a process has used, of all its threads."""
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="30,30", help="frames a second of the left and of the right camera")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long each way is measured in a round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    left_hz, right_hz = (float(rate) for rate in arguments.rates.split(","))
    both, rates = ("left", "right"), (left_hz, right_hz)
    alone = [["--cameras", name] for name in both]
    ways: dict[str, tuple[Sequence[str], Sequence[float], list[list[str]]]] = {
        "one camera": (both[:1], rates[:1], alone[:1]),
        "two cameras": (both, rates, [["--cameras", "left,right"]]),
        "two nodes": (both, rates, alone),
    }
    measured = {way: Measured() for way in ways}
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        for way, (names, rates_hz, commands) in ways.items():
            measure(names, rates_hz, commands, arguments.seconds, measured[way])
    print("             camera   answers/s  p50 [ms]  p95 [ms]  CPU/ans [ms]  RSS [MB]  own [MB]")
    for way, one in measured.items():
        print("\n".join(one.lines(way)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
