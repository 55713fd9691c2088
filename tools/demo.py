#!/usr/bin/env python3
"""The whole thing at work: a camera, the node and this recorder, three processes on real ROS 2 topics.

    make demo                       # the bundled RGB-D sequence of a rendered table
    make demo IMAGES=~/photos       # your photos; depth and camera.json, where they are as in demo/sequence

Prints what was found, how fast and how late; writes the pictures with the instances drawn over them and one page,
demo_out/index.html. Leaves no process behind.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from saom_ros.msg import InstanceArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from saom_core.messages.pictures import rgb_from_image
from tools.demo_camera import read_pictures
from tools.demo_page import Shot, Summary, print_tables, write_page

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 240.0
"""Without an answer to a further picture for so long, something is wrong, or the machine too busy to wait for."""


class Recorder(Node):
    """Keeps the last answer for each picture, and when each answer came."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self.shots: dict[str, Shot] = {}
        self.arrived_s: list[float] = []
        self.latencies_ms: list[float] = []
        self.status: DiagnosticStatus | None = None
        self._names: dict[tuple[int, int], str] = {}
        self._answers: dict[tuple[int, int], InstanceArray] = {}
        self.create_subscription(Header, "/camera/shown", self._on_shown, 100)
        self.create_subscription(InstanceArray, "/saom/instances", self._on_instances, 10)
        self.create_subscription(Image, "/saom/overlay", self._on_overlay, 10)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_shown(self, message: Header) -> None:
        self._names[message.stamp.sec, message.stamp.nanosec] = message.frame_id

    def _on_instances(self, message: InstanceArray) -> None:
        now, stamp = time.time(), message.header.stamp
        self.arrived_s.append(now)
        self.latencies_ms.append(1000 * (now - stamp.sec - stamp.nanosec / 1e9))
        self._answers = {(stamp.sec, stamp.nanosec): message}  # the overlay of this answer is the next one to arrive

    def _on_overlay(self, message: Image) -> None:
        key = (message.header.stamp.sec, message.header.stamp.nanosec)
        name, answer = self._names.get(key), self._answers.get(key)
        if name is not None and answer is not None:
            self.shots[name] = Shot(name, answer, rgb_from_image(message))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.status = next((status for status in message.status if status.name == "saom: segmentation"), self.status)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=ROOT / "demo" / "sequence", help="folder of photos or RGB-D")
    parser.add_argument("--out", type=Path, default=ROOT / "demo_out")
    parser.add_argument("--rate", type=float, default=30.0, help="frames per second of the camera")
    parser.add_argument(
        "--measure", type=float, default=8.0, help="seconds of rate and latency, once every picture has been answered"
    )
    parser.add_argument("--model", default="", help="model file; empty: the bundled saom-tiny")
    arguments = parser.parse_args()
    images = arguments.images.expanduser()
    names = {picture.name for picture in read_pictures(images, max_side_px=64)}
    # in a ROS domain of its own, so that a robot or another demo on this network is not disturbed
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    camera = [sys.executable, "-m", "tools.demo_camera", str(images), "--rate", str(arguments.rate)]
    node = [sys.executable, "-m", "saom_ros.process", "--ros-args"]
    for name, topic in (("image", "image_raw"), ("depth", "depth/image_raw"), ("camera_info", "camera_info")):
        node += ["-r", f"{name}:=/camera/{topic}"]
    if arguments.model:
        node += ["-p", f"model:={arguments.model}"]
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # background jobs of a shell ignore Ctrl-C
        signal.signal(number, signal.default_int_handler)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "node.log").open("w") as log:
        processes = {
            "node": subprocess.Popen(node, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT),
            "camera": subprocess.Popen(camera, cwd=ROOT),
        }
        try:
            recorder = record(names, processes, arguments.measure)
        except KeyboardInterrupt:
            print("\nstopped")
            return 130
        finally:
            for number in (
                signal.SIGINT,
                signal.SIGTERM,
            ):  # a second one would leave processes behind
                signal.signal(number, signal.SIG_IGN)
            stop(processes)
    if isinstance(recorder, str):
        print(f"{recorder}\nThe node's log:\n{(arguments.out / 'node.log').read_text()}", file=sys.stderr)
        return 1
    return show(recorder, arguments.out, arguments.rate)


def record(names: set[str], processes: dict[str, subprocess.Popen[bytes]], measure_s: float) -> Recorder | str:
    """Listens until every picture is answered and the rate is measured; returns what went wrong, or an empty text."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    recorder, executor = Recorder(), SingleThreadedExecutor()
    executor.add_node(recorder)
    progressed, measured_from = time.monotonic(), None
    with tqdm(total=len(names), desc="pictures answered", unit="", bar_format="{desc}: {bar:30} {n}/{total}") as bar:
        while measured_from is None or time.monotonic() - measured_from < measure_s:
            executor.spin_once(timeout_sec=0.1)
            if len(recorder.shots) > bar.n:
                progressed = time.monotonic()
            bar.update(len(recorder.shots) - bar.n)
            if measured_from is None and set(recorder.shots) >= names:
                measured_from = time.monotonic()
                bar.set_description_str("measuring rate and latency")
                recorder.arrived_s.clear()
                recorder.latencies_ms.clear()
            failed = [name for name, process in processes.items() if process.poll() is not None]
            status = recorder.status
            if failed:
                return f"the {failed[0]} has ended by itself"
            if status is not None and status.level == DiagnosticStatus.ERROR:
                return f"the node reports: {status.message}"
            if measured_from is None and time.monotonic() - progressed > LIMIT_S:
                if recorder.shots:
                    break
                return f"no answer within {LIMIT_S:.0f} s; diagnostics: {status.message if status else 'none'}"
    executor.shutdown()
    rclpy.shutdown()
    return recorder


def show(recorder: Recorder, out: Path, rate_hz: float) -> int:
    """Prints and writes what was recorded."""
    arrived = recorder.arrived_s
    stages = {pair.key: pair.value for pair in recorder.status.values} if recorder.status else {}
    summary = Summary(
        camera_hz=rate_hz,
        answered_hz=(len(arrived) - 1) / (arrived[-1] - arrived[0]) if len(arrived) > 1 else float("nan"),
        latency_p50_ms=float(np.percentile(recorder.latencies_ms, 50)) if arrived else float("nan"),
        latency_p95_ms=float(np.percentile(recorder.latencies_ms, 95)) if arrived else float("nan"),
        stages=stages,
    )
    shots = [recorder.shots[name] for name in sorted(recorder.shots)]
    (out / "overlays").mkdir(exist_ok=True)
    for shot in shots:
        picture = cv2.cvtColor(shot.overlay_rgb, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(out / "overlays" / f"{Path(shot.name).stem}.png"), picture)
    write_page(out / "index.html", shots, summary)
    print_tables(shots, summary)
    print(f"\nPictures: {out / 'overlays'}\nPage:     {out / 'index.html'}")
    return 0


def stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ends the processes as a user would, with Ctrl-C, and by force if that takes longer than ten seconds."""
    for process in processes.values():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for name, process in processes.items():
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            print(f"the {name} did not end when asked to; killed", file=sys.stderr)
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
