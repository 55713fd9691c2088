#!/usr/bin/env python3
"""Does the node grow? Thousands of RGB-D frames through the real node, with every output subscribed, and its memory.

    source tools/env.sh && python -m tools.endurance         # 10,000 frames of 320x240: 15 to 25 min
    source tools/env.sh && python -m tools.endurance --frames 500 --size 640x480

The node runs in a process of its own. The next frame is sent when the last one is answered. Memory is the resident set
of the node's process, as Linux counts it. Ends with code 1 where it grew by more than `--most-mb` after the warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import psutil
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_ros.conversions import image_message
from saom_ros.output import PER_FRAME
from saom_ros.outputs import OUTPUTS
from tools.demo_camera import read_pictures

ROOT = Path(__file__).resolve().parent.parent
SEQUENCE = ROOT / "demo" / "sequence"
RESEND_S = 2.0
"""A frame without an answer is sent again after this time: best effort may lose one."""
LIMIT_S = 120.0
"""Without any answer for so long the node hangs."""
GAP_EVERY = 100
"""So many frames apart the scene goes dark for one frame, so that things are lost and found."""


@dataclass(frozen=True)
class Growth:
    """What was measured."""

    frames: int
    warm_up: int
    seconds: float
    after_warm_up_mb: float
    at_the_end_mb: float
    received: dict[str, int]  # output -> messages

    @property
    def grown_mb(self) -> float:
        """How much larger the node was at the end than after the warm-up."""
        return self.at_the_end_mb - self.after_warm_up_mb


class Driver(Node):
    """The camera and the subscriber of all outputs."""

    def __init__(self, context: rclpy.Context, size_wh: tuple[int, int]) -> None:
        super().__init__("endurance", context=context)
        self.received: Counter[str] = Counter()
        self.answered: Header | None = None
        self._frames = list(frames(size_wh))
        sent = QoSProfile(depth=5)
        self._image = self.create_publisher(Image, "image", sent)
        self._depth = self.create_publisher(Image, "depth", sent)
        self._info = self.create_publisher(CameraInfo, "camera_info", sent)
        for name, output in OUTPUTS.items():
            if output.qos is PER_FRAME:
                self.create_subscription(output.kind, f"/saom/{name}", partial(self._on_output, name), sent)

    def _on_output(self, name: str, message: object) -> None:
        self.received[name] += 1
        if name == "instances":
            self.answered = message.header  # type: ignore[attr-defined]

    def connected(self) -> bool:
        """Whether the node listens to the camera, and publishes."""
        heard = all(one.get_subscription_count() for one in (self._image, self._depth, self._info))
        return heard and self.count_publishers("/saom/instances") > 0

    def show(self, number: int) -> Header:
        """Sends one frame with all that belongs to it; stamps are a tenth of a second apart."""
        seconds, tenth = divmod(number + 10, 10)
        header = Header(frame_id="camera", stamp=Time(sec=seconds, nanosec=tenth * 100_000_000))
        image, depth, info = self._frames[number % len(self._frames)]
        if number % GAP_EVERY == GAP_EVERY - 1:
            image = np.zeros_like(image)
        info.header = header
        self._info.publish(info)
        self._depth.publish(image_message(depth, "16UC1", header))
        self._image.publish(image_message(image, "rgb8", header))
        return header


def frames(size_wh: tuple[int, int]) -> Iterator[tuple[np.ndarray, np.ndarray, CameraInfo]]:
    """The demo's pictures, their depth in millimetres and their camera_info, at another size."""
    camera = json.loads((SEQUENCE / "camera.json").read_text())
    x, y = size_wh[0] / camera["width"], size_wh[1] / camera["height"]
    k = [camera["fx"] * x, 0.0, camera["cx"] * x, 0.0, camera["fy"] * y, camera["cy"] * y, 0.0, 0.0, 1.0]
    for picture in read_pictures(SEQUENCE, max_side_px=10_000):
        image = np.asarray(cv2.resize(picture.image_rgb, size_wh, interpolation=cv2.INTER_AREA))
        depth = np.asarray(cv2.resize(picture.depth_mm, size_wh, interpolation=cv2.INTER_NEAREST_EXACT))
        yield image, depth, CameraInfo(width=size_wh[0], height=size_wh[1], k=k)


def endure(
    count: int, warm_up: int, size_wh: tuple[int, int], log: Path, domain: int, *, tell_every: int = 0
) -> Growth:
    """Sends so many frames and measures the node.

    Args:
        count: frames.
        warm_up: after so many of them the measurement begins.
        size_wh: of the pictures.
        log: where the node writes.
        domain: of ROS, in which nobody else is.
        tell_every: print a line after so many frames; 0: never.

    Raises:
        RuntimeError: the node ended, or does not answer any more.
    """
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    command = [sys.executable, "-m", "saom_ros.process", "--ros-args", "-p", "threads:=1", "-p", "drop_surfaces:=false"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"ROS_DOMAIN_ID": str(domain)}, stdout=file, stderr=subprocess.STDOUT
        )
    driver, executor = Driver(context, size_wh), SingleThreadedExecutor(context=context)
    executor.add_node(driver)
    try:
        wait(executor, process, driver.connected)
        answer(driver, executor, process, 0)  # both sides have met
        started, begun_mb = time.monotonic(), 0.0
        for number in range(1, count):
            answer(driver, executor, process, number)
            if number + 1 == warm_up:
                begun_mb = resident_mb(process)
            if tell_every and (number + 1) % tell_every == 0:
                print(f"{number + 1:7d} frames {resident_mb(process):8.1f} MB", flush=True)
        seconds, ended_mb = time.monotonic() - started, resident_mb(process)
        return Growth(count, warm_up, seconds, begun_mb, ended_mb, dict(driver.received))
    finally:
        process.terminate()
        process.wait(60)
        driver.destroy_node()
        executor.shutdown()
        context.shutdown()


def answer(driver: Driver, executor: SingleThreadedExecutor, process: subprocess.Popen[bytes], number: int) -> None:
    """Sends one frame until it is answered."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        header, resend = driver.show(number), time.monotonic() + RESEND_S
        wait(executor, process, lambda: driver.answered == header or time.monotonic() > resend)  # noqa: B023
        if driver.answered == header:
            return
    raise RuntimeError(f"expected an answer to frame {number} within {LIMIT_S:.0f} s, got none: see the node's log")


def wait(executor: SingleThreadedExecutor, process: subprocess.Popen[bytes], done: Callable[[], object]) -> None:
    """Lets messages in until something is the case."""
    end = time.monotonic() + LIMIT_S
    while not done():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("expected a node that answers, got one that has ended or hangs: see its log")
        executor.spin_once(timeout_sec=0.5)


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Memory of a process, MB."""
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--warm-up", type=int, default=1000, help="frames before the measurement begins")
    parser.add_argument("--size", default="320x240", help="of the pictures, WIDTHxHEIGHT")
    parser.add_argument("--most-mb", type=float, default=5.0, help="most growth that is fine")
    parser.add_argument("--log", type=Path, default=Path("endurance.log"), help="where the node writes")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    if not 0 < arguments.warm_up < arguments.frames:
        parser.error(f"expected a warm-up shorter than {arguments.frames} frames, got {arguments.warm_up}")
    domain = int(os.environ.get("ROS_DOMAIN_ID", "0")) or 1 + os.getpid() % 100
    grown = endure(arguments.frames, arguments.warm_up, (width, height), arguments.log, domain, tell_every=500)
    for name, count in sorted(grown.received.items()):
        print(f"{name:20s} {count:7d} messages")
    print(
        f"{grown.frames} frames of {arguments.size} in {grown.seconds:.0f} s. Node: {grown.after_warm_up_mb:.1f} MB "
        f"after {grown.warm_up} frames and {grown.at_the_end_mb:.1f} MB at the end: {grown.grown_mb:+.1f} MB"
    )
    return int(grown.grown_mb > arguments.most_mb)


if __name__ == "__main__":
    sys.exit(main())
