"""`saom bench`: p50 and p95 latency per stage, frames/s and peak memory of a model on this machine.

Without `--image` the frame is a drawn one. What it shows changes the time of the post-processing only. Two models are
compared by `--against`, frame by frame in turn: what else the machine does then slows both alike.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.arguments import add_config_arguments, at_least, config_from, pair
from saom_core.camera import CameraIntrinsics
from saom_core.files import check_outputs, write_atomically
from saom_core.loading import load_segmenter
from saom_core.memory import peak_memory_mb
from saom_core.pictures.photos import read_photo
from saom_core.places.depth_files import read_depth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom bench`."""
    parser.add_argument("--image", type=Path, help="photo to segment in every run (default: a drawn one)")
    parser.add_argument("--depth", type=Path, help="its depth file: 16-bit in millimetres, or floats in metres")
    parser.add_argument("--size", type=pair, default="640x480", help="camera resolution, WIDTHxHEIGHT")
    parser.add_argument("--runs", type=at_least(1), default=50, help="frames to measure (default: 50)")
    parser.add_argument("--warmup", type=at_least(0), default=5, help="frames to run before measuring (default: 5)")
    parser.add_argument("--against", default="", help="another model file, timed in turn with the first")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom bench`."""
    check_outputs([args.json], [args.image, args.depth, Path(args.against) if args.against else None])
    width, height = args.size
    image, depth = _frame(args.image, args.depth, (height, width))
    camera = CameraIntrinsics(0.9 * width, 0.9 * width, width / 2, height / 2, width, height)
    segmenters = [load_segmenter(config_from(args))]
    if args.against:
        segmenters.append(load_segmenter(config_from(args, model=args.against)))
    for _ in range(args.warmup):
        for segmenter in segmenters:
            segmenter.segment(image, depth, camera)
    timings: list[dict[str, list[float]]] = [{} for _ in segmenters]
    instances = [0 for _ in segmenters]
    for _ in tqdm(range(args.runs), unit="frame", dynamic_ncols=True):
        for k, segmenter in enumerate(segmenters):
            started = time.perf_counter()
            answer = segmenter.segment(image, depth, camera)
            total = 1000 * (time.perf_counter() - started)
            instances[k] = len(answer.instances)
            for stage, milliseconds in {**answer.timings_ms, "total": total}.items():
                timings[k].setdefault(stage, []).append(milliseconds)
    figures = [{stage: _figures(values) for stage, values in one.items()} for one in timings]
    memory = peak_memory_mb()
    if args.json:  # before the text, whose reader may stop reading (`| head`), which ends the command
        facts: dict[str, Any] = {"stages": figures[0], "peak_memory_mb": memory}
        facts |= {"against": {"model": args.against, "stages": figures[1]}} if args.against else {}
        write_atomically(args.json, json.dumps(facts, indent=1).encode())
    for segmenter, count, stages in zip(segmenters, instances, figures, strict=True):
        where = f"{segmenter.info.name} on {segmenter.info.provider}"
        print(f"{where}, {width}x{height}, {count} instances, {args.runs} runs")
        for stage, row in stages.items():
            print(f"  {stage:12s} p50 {row['p50_ms']:8.1f} ms   p95 {row['p95_ms']:8.1f} ms")
        print(f"  {1000 / stages['total']['p50_ms']:.1f} frames/s, peak memory {memory:.0f} MB")
    if args.against:
        for stage in ("network", "total"):  # a SAM has stages of other names before the total
            if any(stage not in one for one in figures):
                continue
            first, second = (one[stage] for one in figures)
            median, least = (first[key] / second[key] for key in ("p50_ms", "least_ms"))
            print(f"{stage}: the first takes {median:.2f} of the time of the second, by least times {least:.2f}")
    return 0


def _figures(milliseconds: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50_ms": float(p50), "p95_ms": float(p95), "least_ms": min(milliseconds)}


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
