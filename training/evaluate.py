"""Figures of a model on a data set: `saom evaluate --data data/rooms --split test`.

Everything mode as a robot gets it: no prompt comes from the ground truth.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from saom_core.config import SaomConfig
from saom_core.everything import Segmenter, load_segmenter
from saom_core.instances import Instances, MaskCrop
from saom_core.overlay import draw_overlay
from training.dataset import Dataset, Sample
from training.metrics import EverythingMetrics, GroundTruth

AP_SCORE = 0.05
"""Score from which predictions are ranked for AP: low, so that AP sees the whole curve."""


def evaluate(
    segmenter: Segmenter,
    data: Dataset,
    *,
    limit: int | None = None,
    use_depth: bool = True,
    operating_score: float = 0.5,
    pictures: Path | None = None,
    n_pictures: int = 12,
) -> dict[str, Any]:
    """Everything-mode figures of a model on a data set.

    Args:
        segmenter: the model.
        data: one split.
        limit: first images only.
        use_depth: give depth to the model.
        operating_score: predictions below it count for AP only, and are not drawn.
        pictures: folder for side-by-side pictures (prediction left, ground truth right) of the first images.
        n_pictures: how many.
    """
    metrics = EverythingMetrics(segmenter.info.class_names, operating_score)
    for i in tqdm(range(min(len(data), limit or len(data))), unit="image", desc="evaluate", dynamic_ncols=True):
        sample = data[i]
        instances = segmenter.segment(sample.image_rgb, sample.depth_m if use_depth else None).instances
        metrics.add(instances, GroundTruth(sample.masks, tuple(sample.class_names)))
        if pictures is not None and i < n_pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            right = draw_overlay(sample.image_rgb, truth_instances(sample))
            shown = instances.select(instances.scores >= operating_score)
            left = draw_overlay(sample.image_rgb, shown)
            cv2.imwrite(str(pictures / f"{i:04d}.png"), np.hstack([left, right])[:, :, ::-1])
    return metrics.figures()


def truth_instances(sample: Sample) -> Instances:
    """The ground truth of a sample as instances with score 1, to be drawn."""
    kept = [k for k in range(len(sample.masks)) if sample.masks[k].any()]
    return Instances.from_masks(
        sample.image_rgb.shape[:2],
        [MaskCrop.from_dense(sample.masks[k]) for k in kept],
        np.ones(len(kept), np.float32),
        class_names=[sample.class_names[k] for k in kept],
    )


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text, the classes below."""
    lines = []
    for name, value in figures.items():
        if name != "per_class":
            text = "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
            lines.append(f"{name:24s} {text}")
    lines.append(f"\n{'class':20s} {'objects':>8s} {'recall50':>9s} {'recall75':>9s} {'named right':>12s}")
    for name, row in figures["per_class"].items():
        named = "-" if row["named_right"] is None else f"{row['named_right']:.2f}"
        lines.append(f"{name:20s} {row['objects']:8d} {row['recall50']:9.2f} {row['recall75']:9.2f} {named:>12s}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom evaluate`."""
    parser.add_argument("--data", type=Path, required=True, help="data set made by `saom collect`")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--model", default="", help="model file; empty: bundled saom-tiny")
    parser.add_argument("--no-depth", action="store_true", help="RGB alone")
    parser.add_argument("--limit", type=int, help="first images only")
    parser.add_argument(
        "--operating-score", type=float, default=SaomConfig().score_threshold, help="score from which a robot acts"
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one per core")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--pictures", type=Path, help="folder for pictures: prediction left, ground truth right")


def run(args: argparse.Namespace) -> int:
    """`saom evaluate`."""
    config = SaomConfig(model=args.model, score_threshold=AP_SCORE, threads=args.threads)
    data = Dataset.open(args.data, args.split)
    figures = evaluate(
        load_segmenter(config),
        data,
        limit=args.limit,
        use_depth=not args.no_depth,
        operating_score=args.operating_score,
        pictures=args.pictures,
    )
    print(table(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0
