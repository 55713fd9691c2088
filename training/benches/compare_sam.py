"""`saom compare-sam`: the same masks as segment-anything's own generator, and how much faster.

    saom compare-sam sam_vit_b_01ec64.pth --image photo.jpg
    saom compare-sam --stand-in vit_b          # no download: random weights of that size that answer with masks

Prints the share of segment-anything's masks that ours hold at IoU >= 0.99, both times and their ratio, peak memory.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from segment_anything import SamAutomaticMaskGenerator

from saom_core.arguments import at_least, pair
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.files import check_outputs, write_atomically
from saom_core.pictures.photos import read_photo
from saom_core.sam.checkpoints import read_checkpoint, write_checkpoint
from saom_core.sam.options import SamEverythingOptions
from saom_core.sam.segmenter import SamSegmenter, load_sam, segmenter_of

from ..running.memory import peak_memory_mb_on
from .sam_stand_in import SIZES, stand_in

SAME_IOU = 0.99


@dataclass(frozen=True)
class Side:
    """One of the two generators on one image."""

    masks: npt.NDArray[np.bool_]  # (N, H, W)
    seconds: float  # wall
    cpu_seconds: float  # of all threads: what counts on a machine that others use too
    peak_mb: float  # of this process so far, so ours is run first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom compare-sam`."""
    parser.add_argument("checkpoint", nargs="?", type=Path, help="checkpoint of the SAM family")
    parser.add_argument("--stand-in", choices=sorted(SIZES), help="instead: random weights of that size, from a seed")
    parser.add_argument("--keep", type=Path, help="write the stand-in here (.safetensors), or read it if it is there")
    parser.add_argument("--image", type=Path, help="photo; default: a drawn one")
    parser.add_argument("--size", type=pair, default="640x480", help="image size, WIDTHxHEIGHT")
    parser.add_argument("--provider", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=at_least(0), default=0, help="CPU threads; 0: one per core")
    defaults = SamEverythingOptions.paper()
    parser.add_argument("--points-per-side", type=at_least(1), default=32)
    parser.add_argument("--pred-iou-thresh", type=float, default=defaults.pred_iou_thresh)
    parser.add_argument("--stability-score-thresh", type=float, default=defaults.stability_score_thresh)
    parser.add_argument("--box-nms-thresh", type=float, default=defaults.box_nms_thresh)
    parser.add_argument("--crop-n-layers", type=at_least(0), default=defaults.crop_n_layers)
    parser.add_argument("--min-mask-region-area", type=at_least(0), default=defaults.min_mask_region_area)
    parser.add_argument("--json", type=Path, help="write the figures here")


def run(args: argparse.Namespace) -> int:
    """`saom compare-sam`; fails when fewer than 99 % of segment-anything's masks are found."""
    names = ("points_per_side", "pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "crop_n_layers",
             "min_mask_region_area")  # fmt: skip
    options = {name: getattr(args, name) for name in names}
    check_outputs([args.json, None if args.keep and args.keep.exists() else args.keep], [args.checkpoint, args.image])
    segmenter = _segmenter(args, SamEverythingOptions(**options))
    width, height = args.size
    image = drawn_photo(height, width) if args.image is None else cv2.resize(read_photo(args.image), (width, height))
    image = np.ascontiguousarray(image, np.uint8)
    print(f"{segmenter.info.name} on {segmenter.info.provider}, {width}x{height}, {torch.get_num_threads()} threads")
    print("  " + ", ".join(f"{name} {value}" for name, value in options.items()), flush=True)
    ours, stages = _ours(segmenter, image)
    _print_side("ours", ours)
    print("    " + ", ".join(f"{stage} {1e-3 * value:.2f} s" for stage, value in stages.items()), flush=True)
    theirs = _theirs(segmenter, image, options)
    _print_side("segment-anything", theirs)
    if not len(theirs.masks):
        raise InputError(
            "expected masks of segment-anything to compare with, got none in this picture: lower --pred-iou-thresh or "
            "--stability-score-thresh"
        )
    best = best_overlaps(theirs.masks, ours.masks)
    found = float(np.mean(best >= SAME_IOU))
    exact = int(np.count_nonzero(best == 1))
    print(f"  found at IoU >= {SAME_IOU}: {100 * found:.2f} % of {len(best)} masks, {exact} of them equal to the pixel")
    ratio, cpu_ratio = ours.seconds / theirs.seconds, ours.cpu_seconds / theirs.cpu_seconds
    print(f"  ours takes {ratio:.3f} of the time ({cpu_ratio:.3f} of the CPU time): {1 / ratio:.1f} times faster")
    if args.json:
        figures = {
            "model": segmenter.info.name,
            "options": options,
            "found": found,
            "masks": len(best),
            "ours": {
                "seconds": ours.seconds,
                "cpu_seconds": ours.cpu_seconds,
                "peak_mb": ours.peak_mb,
                "stages_ms": stages,
            },
            "segment_anything": {
                "seconds": theirs.seconds,
                "cpu_seconds": theirs.cpu_seconds,
                "peak_mb": theirs.peak_mb,
            },
        }
        write_atomically(args.json, json.dumps(figures, indent=1).encode())
    return 0 if found >= SAME_IOU else 1


def _print_side(name: str, side: Side) -> None:
    times = f"{side.seconds:8.2f} s (CPU {side.cpu_seconds:8.2f} s)"
    print(f"  {name:16s}  {times}  {len(side.masks):5d} masks  peak {side.peak_mb:6.0f} MB", flush=True)


def best_overlaps(wanted: npt.NDArray[np.bool_], given: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The highest IoU (N,) that each mask of `wanted` (N, H, W) has with one of `given` (M, H, W)."""
    if not len(given):
        return np.zeros(len(wanted))
    flat = given.reshape(len(given), -1)
    areas = np.count_nonzero(flat, axis=1)
    best = np.empty(len(wanted))
    for k, mask in enumerate(wanted.reshape(len(wanted), flat.shape[1])):
        common = np.count_nonzero(flat[:, mask], axis=1)
        best[k] = np.max(common / np.maximum(areas + np.count_nonzero(mask) - common, 1))
    return best


def drawn_photo(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A table-top of coloured boxes and discs with noise, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), (150, 140, 120), np.uint8)
    for _ in range(25):
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        x, y, r = int(rng.integers(0, width)), int(rng.integers(0, height)), int(rng.integers(8, 60))
        if rng.random() < 0.5:
            cv2.circle(image, (x, y), r, colour, -1)
        else:
            cv2.rectangle(image, (x - r, y - r), (x + r, y + r // 2), colour, -1)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def _segmenter(args: argparse.Namespace, options: SamEverythingOptions) -> SamSegmenter:
    if (args.checkpoint is None) == (args.stand_in is None):
        raise InputError("expected a checkpoint or --stand-in, one of the two")
    config = SaomConfig(model=str(args.checkpoint or args.stand_in), provider=args.provider, threads=args.threads)
    if args.checkpoint is not None:
        return load_sam(config, options)
    if args.keep is not None and args.keep.exists():
        model = read_checkpoint(args.keep)
        if model.sizes != SIZES[args.stand_in]:
            raise InputError(f"{args.keep}: expected a stand-in of size {args.stand_in}, got another: remove the file")
    else:
        model = stand_in(SIZES[args.stand_in])
        model.metadata["name"] = f"stand-in {args.stand_in}"
        if args.keep is not None:
            write_checkpoint(model, args.keep)
    return segmenter_of(model, config, options)


def _ours(segmenter: SamSegmenter, image: npt.NDArray[np.uint8]) -> tuple[Side, dict[str, float]]:
    begin, cpu = time.perf_counter(), time.process_time()
    answer = segmenter.segment(image)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    return Side(answer.instances.dense_masks(), seconds, cpu_seconds, _peak_mb()), answer.timings_ms


def _theirs(segmenter: SamSegmenter, image: npt.NDArray[np.uint8], options: dict[str, Any]) -> Side:
    generator = SamAutomaticMaskGenerator(segmenter.model.sam, **options)
    begin, cpu = time.perf_counter(), time.process_time()
    records = generator.generate(image)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    masks = [record["segmentation"] for record in records if record["area"] > 0]
    return Side(np.array(masks, np.bool_).reshape(-1, *image.shape[:2]), seconds, cpu_seconds, _peak_mb())


def _peak_mb() -> float:
    return peak_memory_mb_on(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
