"""Figures of models on a data set, side by side.

    saom evaluate --data data/rooms --split test                                 the bundled saom-tiny
    saom evaluate --data data/rooms --protocol both --html figures.html --model runs/full/last
    saom evaluate --data data/rooms --protocol both --model base.safetensors --model saom.safetensors

Two protocols: `everything` is what a robot gets, no prompt comes from the ground truth; `paper` is the SAOM paper's,
in which each object's own mask chooses the point that asks for it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from saom_core.arguments import add_config_arguments, at_least, config_from, pair
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.files import check_output, check_outputs, write_atomically
from saom_core.instances import Instances, MaskCrop

from .dataset import Dataset, Sample, evenly_spread
from .figures.average_precision import AP_SCORE
from .figures.comparison import GroundTruth
from .figures.metrics import EverythingMetrics
from .figures.models import MASKS_PER_PROMPT, EvaluatedModel, load_model
from .figures.page import page_of, write_pictures
from .figures.paper_protocol import PaperMetrics, PromptedAnswers
from .figures.pictures import Gallery, ImageAnswer
from .figures.report import Figures, ModelReport, Report, text_of

_REPORTED = ("stability_threshold", "nms_iou", "min_area_px", "class_score_threshold")
PROTOCOLS = {"everything": {"everything"}, "paper": {"paper"}, "both": {"everything", "paper"}}


def evaluate(
    models: Sequence[EvaluatedModel],
    data: Dataset,
    *,
    protocol: str = "everything",
    limit: int | None = None,
    use_depth: bool = True,
    operating_scores: Sequence[float] = (0.5,),
    pictures: int = 6,
    options: dict[str, Any] | None = None,
) -> tuple[Report, Gallery]:
    """Figures of models on a data set, and the images that say most about them.

    Args:
        models: at least one, made with a score threshold of `AP_SCORE`.
        data: one split.
        protocol: everything, paper or both.
        limit: so many images at most, evenly spread.
        use_depth: give depth to the models that can use it.
        operating_scores: predictions below one count for AP only, and are not drawn; each model is reported at each.
        pictures: images of each kind in the gallery.
        options: what else the report is to say of how it came about.

    Raises:
        InputError: no images.
    """
    if len(data) == 0:
        raise InputError(f"expected images in {data.path}, got none in this split: choose another with --split")
    images = evenly_spread(len(data), limit or len(data))
    boards = [Scoreboard(model, PROTOCOLS[protocol], operating_scores) for model in models]
    pictures = min(pictures, max(1, len(images) // 2))  # none both among the best and the worst
    gallery = Gallery(pictures, len(models) * len(operating_scores))
    for i in tqdm(images, unit="image", desc="evaluate", dynamic_ncols=True):
        sample = data[i]
        gallery.offer(i, [answer for board in boards for answer in board.add(sample, use_depth)])
    facts = {"name": data.path.resolve().name, "images": len(images)}
    for key, of_all in (("splits", data.splits()), ("scenes", data.scenes())):
        facts[key] = sorted({of_all[i] for i in images})
    options = {"depth": "given" if use_depth else "not given", **(options or {})}
    reports = [report for b, t in zip(boards, column_titles(models), strict=True) for report in b.reports(t)]
    return Report(facts, options, reports), gallery


class Scoreboard:
    """Figures of one model, at one or several operating scores, while a data set goes by."""

    def __init__(self, model: EvaluatedModel, protocols: set[str], operating_scores: Sequence[float]) -> None:
        self._model, self._scores = model, operating_scores
        names, asked = model.info.class_names, "everything" in protocols
        self._everything = [EverythingMetrics(names, score) for score in operating_scores] if asked else []
        self._paper = PaperMetrics(model.grid) if "paper" in protocols else None

    def add(self, sample: Sample, use_depth: bool) -> list[ImageAnswer]:
        """One picture, segmented once; an answer for each score, everything mode's where it is asked for."""
        depth, truth = sample.depth_m if use_depth else None, GroundTruth.of(sample)
        answers = [ImageAnswer(Instances.empty(sample.image_rgb.shape[:2]), None)] * len(self._scores)
        if self._paper:
            prompted = self._paper.add(self._model.prompted.encode(sample.image_rgb, depth), truth)
            answers = [_drawable(prompted, truth)] * len(self._scores)
        if self._everything:
            instances = self._model.segmenter.segment(sample.image_rgb, depth).instances
            qualities = [metrics.add(instances, truth) for metrics in self._everything]
            kept = [instances.select(instances.scores >= score) for score in self._scores]
            answers = [ImageAnswer(one, quality) for one, quality in zip(kept, qualities, strict=True)]
        return answers

    def reports(self, title: str) -> list[ModelReport]:
        """The figures so far, at each score."""
        info, paper = self._model.info, self._paper.figures() if self._paper else None
        several = len(self._scores) > 1
        figures: list[Figures | None] = [metrics.figures() for metrics in self._everything]
        figures = figures or [None] * len(self._scores)
        return [
            ModelReport(f"{title}, {score:g}" if several else title, info.path, info.provider, everything, paper, score)
            for score, everything in zip(self._scores, figures, strict=True)
        ]


def _drawable(prompted: PromptedAnswers, truth: GroundTruth) -> ImageAnswer:
    """The masks of prompts, each with its object's name and its IoU in the place of a score."""
    kept = np.flatnonzero(prompted.masks.any((1, 2)))
    instances = Instances.from_masks(
        truth.size_hw,
        [MaskCrop.from_dense(prompted.masks[k]) for k in kept],
        prompted.ious[kept].astype(np.float32),
        class_names=[truth.class_names[prompted.rows[k]] for k in kept],
        points_xy=prompted.points_xy[kept].astype(np.float32),
    )
    return ImageAnswer(instances, float(prompted.ious.mean()) if len(prompted.ious) else None)


def column_titles(models: Sequence[EvaluatedModel]) -> list[str]:
    """A name for each model; those of the same name get their file's too."""
    names = [model.info.name for model in models]
    return [
        name if names.count(name) == 1 else f"{name} {Path(model.info.path).parent.name}/{Path(model.info.path).name}"
        for name, model in zip(names, models, strict=True)
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom evaluate`."""
    parser.add_argument("--data", type=Path, required=True, help="data set made by `saom collect`")
    parser.add_argument("--split", default="test", choices=("train", "val", "test", "all"), help="(default: test)")
    parser.add_argument(
        "--model",
        action="append",
        help="saom-*.onnx, checkpoint of the SAM family (.pth, .safetensors), or saom-tiny checkpoint folder; "
        "again for a further one beside it; none: bundled saom-tiny",
    )
    parser.add_argument("--protocol", default="everything", choices=tuple(PROTOCOLS), help="(default: everything)")
    parser.add_argument(
        "--grid", type=pair, help="points, COLUMNSxROWS (default: those it was trained for, or has built in)"
    )
    parser.add_argument(
        "--masks-per-prompt",
        choices=MASKS_PER_PROMPT,
        help="of SAM checkpoints in everything mode (default: best where training taught that a prompt has one object)",
    )
    parser.add_argument("--no-depth", action="store_false", dest="use_depth", help=argparse.SUPPRESS)  # its old name
    parser.add_argument("--limit", type=at_least(1), help="so many images at most, evenly spread")
    parser.add_argument(
        "--operating-score",
        type=float,
        action="append",
        help=f"score from which a robot acts (default: {SaomConfig().score_threshold}); again for a further column",
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--html", type=Path, help="write a page with the figures and telling pictures here")
    parser.add_argument("--pictures", type=Path, help="folder for the page's pictures as files")
    parser.add_argument("--picture-count", type=at_least(0), default=6, help="pictures of each kind (default: 6)")
    add_config_arguments(parser, leave_out=("model", "score_threshold"))


def run(args: argparse.Namespace) -> int:
    """`saom evaluate`."""
    check_outputs([args.json, args.html], [Path(model) for model in args.model or []])
    if args.pictures:
        check_output(args.pictures, folder=True)
    data = Dataset.open(args.data, None if args.split == "all" else args.split)
    configs = [config_from(args, model=model, score_threshold=AP_SCORE) for model in args.model or [""]]
    given = {"masks_per_prompt": args.masks_per_prompt} if args.masks_per_prompt else {}
    report, gallery = evaluate(
        [load_model(config, args.grid, args.masks_per_prompt) for config in configs],
        data,
        protocol=args.protocol,
        limit=args.limit,
        use_depth=args.use_depth,
        operating_scores=args.operating_score or [SaomConfig().score_threshold],
        pictures=args.picture_count if args.html or args.pictures else 0,
        options={name: getattr(configs[0], name) for name in _REPORTED} | given,
    )
    print(text_of(report))
    if args.json:
        write_atomically(args.json, json.dumps(report.to_json(), indent=1).encode())
    if args.html:
        write_atomically(args.html, page_of(report, gallery.sections, data).encode())
    if args.pictures:
        write_pictures(report, gallery.sections, data, args.pictures)
    return 0
