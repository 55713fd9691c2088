"""`saom bench`: p50 and p95 latency per stage, frames/s and peak memory of a model on this machine.

Without `--image` the frame is a drawn one. What it shows changes the time of the post-processing only.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.arguments import add_config_arguments, at_least, config_from, pair
from saom_core.camera import CameraIntrinsics
from saom_core.files import check_outputs, write_atomically
from saom_core.loading import load_segmenter
from saom_core.memory import peak_memory_mb
from saom_core.pictures.depth_files import read_depth
from saom_core.pictures.photos import read_photo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom bench`."""
    parser.add_argument("--image", type=Path, help="photo to segment in every run (default: a drawn one)")
    parser.add_argument("--depth", type=Path, help="its depth file: 16-bit in millimetres, or floats in metres")
    parser.add_argument("--size", type=pair, default="640x480", help="camera resolution, WIDTHxHEIGHT")
    parser.add_argument("--runs", type=at_least(1), default=50, help="frames to measure (default: 50)")
    parser.add_argument("--warmup", type=at_least(0), default=5, help="frames to run before measuring (default: 5)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom bench`."""
    check_outputs([args.json], [args.image, args.depth])
    width, height = args.size
    image, depth = _frame(args.image, args.depth, (height, width))
    camera = CameraIntrinsics(0.9 * width, 0.9 * width, width / 2, height / 2, width, height)
    segmenter = load_segmenter(config_from(args))
    for _ in range(args.warmup):
        segmenter.segment(image, depth, camera)
    timings: dict[str, list[float]] = {}
    instances = 0
    for _ in tqdm(range(args.runs), unit="frame", dynamic_ncols=True):
        started = time.perf_counter()
        answer = segmenter.segment(image, depth, camera)
        total = 1000 * (time.perf_counter() - started)
        instances = len(answer.instances)
        for stage, milliseconds in {**answer.timings_ms, "total": total}.items():
            timings.setdefault(stage, []).append(milliseconds)
    figures = {
        stage: {"p50_ms": float(np.median(v)), "p95_ms": float(np.percentile(v, 95))} for stage, v in timings.items()
    }
    memory = peak_memory_mb()
    if args.json:  # before the text, whose reader may stop reading (`| head`), which ends the command
        write_atomically(args.json, json.dumps({"stages": figures, "peak_memory_mb": memory}, indent=1).encode())
    where = f"{segmenter.info.name} on {segmenter.info.provider}"
    print(f"{where}, {width}x{height}, {instances} instances, {args.runs} runs")
    for stage, row in figures.items():
        print(f"  {stage:12s} p50 {row['p50_ms']:8.1f} ms   p95 {row['p95_ms']:8.1f} ms")
    print(f"  {1000 / figures['total']['p50_ms']:.1f} frames/s, peak memory {memory:.0f} MB")
    return 0


def _frame(
    photo: Path | None, depth_file: Path | None, size_hw: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32] | None]:
    """The given photo and depth, or a table with boxes on it, at the wanted size."""
    height, width = size_hw
    if photo is not None:
        size = width, height
        photo_rgb, metres = np.asarray(cv2.resize(read_photo(photo), size), np.uint8), read_depth(depth_file)
        if metres is not None:
            metres = np.asarray(cv2.resize(metres, size, interpolation=cv2.INTER_NEAREST_EXACT), np.float32)
        return photo_rgb, metres
    rng = np.random.default_rng(0)
    depth = np.repeat(np.linspace(1.5, 0.7, height, dtype=np.float32)[:, None], width, axis=1)
    image = np.full((height, width, 3), 150, np.uint8)
    for _ in range(15):
        top, left = int(rng.integers(0, int(height * 0.8))), int(rng.integers(0, int(width * 0.8)))
        window = np.s_[top : top + height // 8, left : left + width // 10]
        image[window], depth[window] = rng.integers(0, 255, 3), depth[window].min() - 0.1
    return image, depth
