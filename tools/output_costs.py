#!/usr/bin/env python3
"""What each output of the node costs for a frame: CPU time of making its message, and of finding places and planes.

    source tools/env.sh && python tools/output_costs.py [--runs 50]

Takes a frame of the demo, all instances and all outputs side by side in turns, and prints medians in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.geometry.depth import clean_depth
from saom_core.geometry.upright import Upwards
from saom_core.loading import load_segmenter
from saom_core.places.registration import Registration
from saom_core.places.rigid import RigidTransform
from saom_core.places.standing import Scene
from saom_ros.answer import Answer
from saom_ros.output import PER_FRAME
from saom_ros.outputs import OUTPUTS
from saom_ros.parameters import NodeConfig
from saom_ros.places import Places
from saom_ros.target import TargetInFrame

SEQUENCE = Path(__file__).resolve().parent.parent / "demo" / "sequence"
SHIFTED = RigidTransform(np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.05, 0.0, 0.0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="turns, of which medians are taken")
    runs = parser.parse_args().runs
    works = all_works()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs + 3):
        for name, work in works.items():
            began = time.thread_time()
            work()
            times[name].append(1000 * (time.thread_time() - began))
    for name, milliseconds in times.items():
        print(f"{name:46s} {np.median(milliseconds[3:]):7.2f} ms")


def all_works() -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    answer = located_answer()
    depth_m, camera = answer.depth_m, answer.camera
    assert depth_m is not None and camera is not None
    options: Any = SimpleNamespace(core=SaomConfig(drop_surfaces=False), node=NodeConfig())
    places, plain = Places(options, None), located_answer(locate=False)
    up = Upwards.told("auto", None)
    moved, seen = SHIFTED.instances(answer.instances), Scene(depth_m, camera, up).seen
    shifted = Answer(
        answer.header, answer.image_rgb, depth_m, camera, moved, answer.model, target=answer.target, pose=SHIFTED
    )
    registration = Registration(camera, SHIFTED, camera)
    works: dict[str, Callable[[], Any]] = {
        f"places of {len(plain.instances)} instances, planes included": lambda: places.locate(plain, remember=False),
        "  of that: planes that are looked for": lambda: Scene(depth_m, camera, up).planes,
        "  of that: planes known from the frame before": lambda: Scene(depth_m, camera, up, seen).planes,
        "target_frame: positions": lambda: SHIFTED.instances(answer.instances),
        "target_frame: ~/points moved": lambda: OUTPUTS["points"].make(shifted),
        "depth registered from another camera": lambda: registration(depth_m),
    }
    for name, output in OUTPUTS.items():
        if output.qos is PER_FRAME:
            make = output.make() if isinstance(output.make, type) else output.make
            works[f"~/{name}"] = lambda make=make: make(answer)  # type: ignore[misc]
    return works


def located_answer(*, locate: bool = True) -> Answer:
    """The answer to a frame of the demo, with its largest object as the target."""
    image_rgb = cv2.cvtColor(cv2.imread(str(SEQUENCE / "image_008.jpg")), cv2.COLOR_BGR2RGB)
    depth_m = cv2.imread(str(SEQUENCE / "depth_008.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
    told = json.loads((SEQUENCE / "camera.json").read_text())
    camera = CameraIntrinsics(*(told[name] for name in ("fx", "fy", "cx", "cy", "width", "height")))
    config = SaomConfig(threads=1, drop_surfaces=False)
    segmenter = load_segmenter(config)
    found = segmenter.segment(image_rgb, depth_m, camera if locate else None).instances
    header = Header(stamp=Time(sec=1), frame_id="camera")
    depth_m = clean_depth(depth_m, config.min_depth_m, config.max_depth_m)
    return Answer(header, image_rgb, depth_m, camera, found, segmenter.info, target=TargetInFrame("best", 0))


if __name__ == "__main__":
    main()
