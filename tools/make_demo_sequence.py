#!/usr/bin/env python3
"""Renders the demo's RGB-D sequence with `rooms`: a camera moves about a cluttered table of the test split.

    .venv-train/bin/python -m tools.make_demo_sequence            # writes demo/sequence, about a minute

The node's environment has no simulator, so the sequence is part of the repository: 8-bit JPEG, 16-bit depth PNG
(millimetres, 0 = invalid) and camera.json with the intrinsics.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_training.simulators.rooms.cameras import View, look_at, random_lights
from saom_training.simulators.rooms.mujoco_world import World
from saom_training.simulators.rooms.renderer import Renderer
from saom_training.simulators.rooms.scene import make_scene
from saom_training.simulators.rooms.sensor import random_depth_camera, sense_depth
from saom_training.simulators.rooms.simulator import SPLIT_CYCLE, split_of, targets_of

ROOT = Path(__file__).resolve().parent.parent
SIZE_HW = (480, 640)
CAMERA = CameraIntrinsics(fx=570.0, fy=570.0, cx=319.5, cy=239.5, width=640, height=480)
JPEG_QUALITY = 88


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scene", type=int, default=SPLIT_CYCLE - 1, help="first scene tried; the next good one is taken"
    )
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "sequence")
    arguments = parser.parse_args()
    if split_of(arguments.scene) != "test":
        parser.error(f"--scene: expected one of the test split (19, 39, 59, ...), got {arguments.scene}")
    renderer = Renderer(SIZE_HW)
    number, world, rng = cluttered_table(arguments.scene)
    renderer.load(world)
    arguments.out.mkdir(parents=True, exist_ok=True)
    middle = np.median(targets_of(world), axis=0)
    lights, ambient = random_lights(rng, world.scene, middle)
    depth_camera = random_depth_camera(rng, SIZE_HW)
    for k in range(arguments.frames):
        view = View(pose_of(middle, k / arguments.frames), CAMERA)
        image_rgb = renderer.color(view, lights, ambient)
        geoms, true_depth_m = renderer.surface(view)
        hole_rate = np.where(geoms >= 0, world.geom_hole_rate[geoms], 0.0).astype(np.float32)
        depth_m = sense_depth(true_depth_m, hole_rate, CAMERA.fx, depth_camera, rng)
        write_frame(arguments.out, k, exposed(image_rgb), depth_m)
    intrinsics = {name: getattr(CAMERA, name) for name in ("fx", "fy", "cx", "cy", "width", "height")}
    text = json.dumps({**intrinsics, "depth_unit": "mm", "simulator": "rooms", "scene": number}, indent=1)
    (arguments.out / "camera.json").write_text(text + "\n", encoding="utf-8")
    renderer.close()
    print(f"scene {number}: {arguments.frames} frames in {arguments.out}")


def cluttered_table(first: int) -> tuple[int, World, np.random.Generator]:
    """The first scene of the test split, from `first` on, that shows a table with at least ten things on it."""
    number = first
    while True:
        rng = np.random.default_rng((0, number))
        scene = make_scene(rng)
        if scene.family == "table" and sum(placed.movable for placed in scene.objects) >= 10:
            return number, World(scene, rng, SIZE_HW), rng
        number += SPLIT_CYCLE


def pose_of(middle: np.ndarray, turn: float) -> np.ndarray:
    """Camera pose (4, 4) on a slow swing about the middle of the table, as a camera on an arm would see it.

    Args:
        middle: (3,) of the table, metres.
        turn: how much of the swing is done, 0 to 1.
    """
    azimuth = 0.7 * np.sin(2 * np.pi * turn)
    distance, pitch = 0.95 + 0.12 * np.cos(2 * np.pi * turn), np.radians(42 + 6 * np.cos(4 * np.pi * turn))
    flat = np.cos(pitch)
    offset = distance * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(pitch)])
    return look_at(middle + offset, middle, 0.0)


def exposed(image_rgb: np.ndarray) -> np.ndarray:
    """The picture brightened as by automatic exposure, which makes the brightest parts nearly white."""
    gain = min(235.0 / max(1.0, float(np.percentile(image_rgb, 97))), 3.0)
    return np.clip(image_rgb * gain, 0, 255).astype(np.uint8)


def write_frame(folder: Path, number: int, image_rgb: np.ndarray, depth_m: np.ndarray) -> None:
    """Writes one frame: (H, W, 3) uint8 and (H, W) float32 metres."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    cv2.imwrite(str(folder / f"image_{number:03d}.jpg"), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), quality)
    millimetres = np.clip(np.rint(depth_m * 1000), 0, 65_535).astype(np.uint16)
    cv2.imwrite(str(folder / f"depth_{number:03d}.png"), millimetres, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
