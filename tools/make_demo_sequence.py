#!/usr/bin/env python3
"""Renders the demo's RGB-D sequence: a camera sways before a table by a window; shadows and reflections are traced.

    python3.11 -m venv .venv-blender && .venv-blender/bin/pip install 'bpy==4.5.*'
    .venv-train/bin/python -m tools.make_demo_sequence --blender .venv-blender/bin/python

Takes about two minutes of one core; goes on where it was killed. The node's environment has no simulator and no
renderer, so the sequence is part of the repository: 8-bit JPEG, 16-bit depth PNG (millimetres, 0 = invalid) as a
structured-light camera would measure it, and camera.json with the intrinsics.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import cv2
import numpy as np

from saom_training.simulators.rooms.sensor import DepthCamera, sense_depth
from tools.demo_scene.scene import CAMERA, write_scene

ROOT = Path(__file__).resolve().parent.parent
JPEG_QUALITY = 88
FRAMES = 10
DEPTH_CAMERA = DepthCamera(
    perfect=False,
    baseline_m=0.05,
    noise_per_m2=0.0005,
    step_per_m2=0.0028,
    range_m=(0.35, 4.0),
    edge_px=0.6,
    shift_px=(0.0, 0.0),
    border_px=(0, 0, 0, 8),
    hole_gain=0.0,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blender", type=Path, required=True, help="the Python that has bpy")
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "sequence")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "demo_scene", help="folder of the rendered frames"
    )
    parser.add_argument("--samples", type=int, default=6, help="paths per pixel, before denoising (default: 6)")
    arguments = parser.parse_args()
    write_scene(arguments.work / "scene.npz", FRAMES)
    render = [arguments.blender, ROOT / "tools" / "demo_scene" / "render.py", arguments.work / "scene.npz"]
    subprocess.run([*map(str, render), str(arguments.work), "--samples", str(arguments.samples)], check=True)
    write_sequence(arguments.work, arguments.out)
    print(f"{FRAMES} frames in {arguments.out}")


def write_sequence(rendered: Path, out: Path) -> None:
    """JPEG and sensed depth of rendered frames, and the intrinsics.

    Args:
        rendered: folder with `image_NNN.png` and `depth_NNN.npy`, metres.
        out: folder to write.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number in range(FRAMES):
        image_bgr = cv2.imread(str(rendered / f"image_{number:03d}.png"), cv2.IMREAD_COLOR)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        cv2.imwrite(str(out / f"image_{number:03d}.jpg"), image_bgr, quality)
        true_m = np.load(rendered / f"depth_{number:03d}.npy").astype(np.float32)
        rng = np.random.default_rng(number)
        depth_m = sense_depth(true_m, np.zeros_like(true_m), CAMERA.fx, DEPTH_CAMERA, rng)
        millimetres = np.clip(np.rint(depth_m * 1000), 0, 65_535).astype(np.uint16)
        cv2.imwrite(str(out / f"depth_{number:03d}.png"), millimetres, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    intrinsics = {name: getattr(CAMERA, name) for name in ("fx", "fy", "cx", "cy", "width", "height")}
    facts = {"depth_unit": "mm", "back_and_forth": True, "made_by": "tools/make_demo_sequence.py"}
    (out / "camera.json").write_text(json.dumps(intrinsics | facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
