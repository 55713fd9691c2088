"""`saom bench-photos`: how many objects of labelled photographs a model finds, and how it names them.

    saom bench-photos photos/kitchen photos/office                    # the bundled model, with depth and without
    saom bench-photos photos/kitchen --model mine.onnx --views 1

Recall is that of the label image, as a robot gets it: of each object the segment that fits it best. Every photograph is
shown in several views, because where the picture's edges fall decides some objects.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.arguments import add_config_arguments, config_from, write_json
from saom_core.errors import InputError
from saom_core.files import check_outputs
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.segmenter import Segmenter
from saom_core.taxonomy import OTHER

from .labelled import CUTS, FORM, Photograph, View, check_names, photographs_of, views_of

WITH_DEPTH, ALONE = "RGB and depth", "RGB alone"
FOUND_IOU, FITS_IOU = 0.5, 0.75
SCORES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Edges between which names are counted by their score."""
PIECE = 0.8
"""A segment is a piece of an object where so much of it lies inside."""


@dataclass
class RecallFigures:
    """What became of the objects, each counted once in every view."""

    ious: list[float] = field(default_factory=list)  # with the segment that fits best; 0: none touches the object
    pieces: int = 0  # not found, but two segments and more lie inside
    nameable: int = 0  # found, and has a right class
    named: int = 0  # of these, were given a class
    named_right: int = 0
    others_named: int = 0  # found, have no right class, and were given one
    given: list[tuple[float, bool]] = field(default_factory=list)  # classes: their score, and whether it is right

    def add(self, instances: Instances, view: View, names: dict[int, tuple[str, ...]]) -> None:
        """Counts the objects of one view."""
        segments = instances.label_image()
        for label, right in names.items():
            truth = view.labels == label
            if not truth.any():  # cut off
                continue
            iou, best, pieces = _best_segment(segments, truth)
            self.ious.append(iou)
            self.pieces += iou < FOUND_IOU and pieces > 1
            if iou < FOUND_IOU:
                continue
            called = instances.class_names[best - 1] or OTHER
            if called != OTHER:
                self.given.append((float(instances.class_scores[best - 1]), called in right))
            if right and right[0] != OTHER:
                self.nameable += 1
                self.named += called != OTHER
                self.named_right += called != OTHER and called in right
            else:
                self.others_named += called != OTHER and called not in right

    def facts(self) -> dict[str, Any]:
        """The figures by name."""
        ious = np.array(self.ious)
        bins = {}
        for low, high in itertools.pairwise(SCORES):
            of_bin = [right for score, right in self.given if low <= score < high or score == high == SCORES[-1]]
            if of_bin:
                bins[f"{low:g} to {high:g}"] = [sum(of_bin), len(of_bin)]
        return {
            "objects": len(ious),
            "recall_50": float(np.mean(ious >= FOUND_IOU)),
            "recall_75": float(np.mean(ious >= FITS_IOU)),
            "mean_best_iou": float(ious.mean()),
            "pieces": self.pieces / len(ious),
            "nameable": self.nameable,
            "named": self.named,
            "named_right": self.named_right,
            "others_named": self.others_named,
            "by_score": bins,  # right ones and all, of the names that are given
        }


def _best_segment(segments: npt.NDArray[np.integer], truth: npt.NDArray[np.bool_]) -> tuple[float, int, int]:
    """IoU and number of the segment that fits an object best (0, 0: none touches it), and how many are pieces of it."""
    inside = np.bincount(segments[truth])
    of_all = np.bincount(segments.ravel(), minlength=len(inside))[: len(inside)]
    inside[0] = 0  # the background is no segment
    ious = inside / (of_all + np.count_nonzero(truth) - inside)
    best = int(np.argmax(ious))
    return float(ious[best]), best, int(np.count_nonzero(inside > PIECE * of_all))


def recall_of(segmenter: Segmenter, views: Iterable[tuple[Photograph, View]]) -> dict[str, RecallFigures]:
    """The figures of a model on some views, with the depth that some have and without; where there is one to count."""
    figures = {WITH_DEPTH: RecallFigures(), ALONE: RecallFigures()}
    for photo, view in views:
        if view.depth_m is not None:
            figures[WITH_DEPTH].add(segmenter.segment(view.image_rgb, view.depth_m).instances, view, photo.names)
        figures[ALONE].add(segmenter.segment(view.image_rgb).instances, view, photo.names)
    return {name: one for name, one in figures.items() if one.ious}


def text_of(figures: dict[str, dict[str, Any]]) -> str:
    """The figures for people."""
    lines = [f"{'':14}objects  IoU .5  IoU .75  mean best IoU  in pieces"]
    for name, f in figures.items():
        shares = f"{f['recall_50']:8.3f}{f['recall_75']:9.3f}{f['mean_best_iou']:15.3f}{f['pieces']:11.3f}"
        lines.append(f"{name:14}{f['objects']:7}{shares}")
    for name, f in figures.items():
        lines.append(
            f"{name}: of {f['nameable']} found objects that have a class {f['named']} are given one, "
            f"{f['named_right']} a right one; of the others {f['others_named']} are given a wrong one"
        )
        right = [f"{span} {good} of {count}" for span, (good, count) in f["by_score"].items()]
        lines += [f"{'':14}right names by score: {', '.join(right)}"] if right else []
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom bench-photos`."""
    parser.add_argument("photos", type=Path, nargs="+", help=FORM)
    parser.add_argument(
        "--views",
        type=int,
        choices=(1, len(CUTS), 2 * len(CUTS)),
        default=2 * len(CUTS),
        help="of each photograph: as it is, cuts of a few pixels, each mirrored, too (default: %(default)s)",
    )
    add_config_arguments(parser, leave_out=("use_depth",))
    parser.add_argument("--json", type=Path, help="write the figures here")


def run(args: argparse.Namespace) -> int:
    """`saom bench-photos`."""
    check_outputs([args.json], [Path(args.model)] if args.model else [])
    photos = [photo for place in args.photos for photo in photographs_of(place)]
    segmenter = load_segmenter(config_from(args))
    check_names(photos, (*segmenter.info.class_names, OTHER))
    views = tqdm(views_of(photos, args.views), total=len(photos) * args.views, unit="view", dynamic_ncols=True)
    figures = {name: one.facts() for name, one in recall_of(segmenter, views).items()}
    if not figures:
        raise InputError("expected photographs with labelled objects, got none: are the labels those of objects.json?")
    if args.json:
        write_json(args.json, figures)
    print(text_of(figures))
    return 0
