"""Figures of models on a data set, side by side.

    saom evaluate --data data/rooms --split test                                 the bundled saom-tiny
    saom evaluate --data data/rooms --protocol both --html figures.html --model runs/full/last
    saom evaluate --data data/rooms --protocol both --model base.safetensors --model saom.safetensors

Two protocols: `everything` is what a robot gets, no prompt comes from the ground truth; `paper` is the SAOM paper's,
in which each object's own mask chooses the point that asks for it.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import Counter
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

from .data.frames import SPLITS
from .dataset import Dataset, Sample, evenly_spread
from .figures.average_precision import AP_SCORE
from .figures.comparison import GroundTruth
from .figures.metrics import EverythingMetrics
from .figures.models import MASKS_PER_PROMPT, EvaluatedModel, load_model
from .figures.page import page_of, write_pictures
from .figures.paper_protocol import PaperMetrics, PromptedAnswers
from .figures.pictures import Gallery, ImageAnswer
from .figures.report import Figures, ModelReport, Report, text_of
from .figures.resampling import Resampled, draws, gain_intervals, intervals

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
        raise InputError(
            f"expected images in {data.path}, got none in this split: its scenes are {_scenes_of(data.path)} (`saom "
            "dataset import` gives every tenth scene to the test, `saom collect` every twentieth): choose another with "
            "--split, or add scenes"
        )
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
    reports, resampled = [], []
    for board, title in zip(boards, column_titles(models), strict=True):
        drawn = board.resampled(len(images))
        reports += board.reports(title, drawn)
        resampled += drawn
    gains = {}
    if len(reports) == 2:
        before, after = resampled
        gains = {key: gain_intervals(before[key], after[key]) for key in after if key in before}
    return Report(facts, options, reports, gains, resampled), gallery


def _scenes_of(path: Path) -> str:
    """How many scenes each split of a data set has."""
    whole = Dataset.open(path)
    counts = Counter(split for _, split in set(zip(whole.scenes(), whole.splits(), strict=True)))
    return ", ".join(f"{counts[split]} for {split}" for split in SPLITS if counts[split]) or "none"


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

    def resampled(self, pictures: int) -> list[Resampled]:
        """At each score the figures of sets of the pictures, drawn with replacement."""
        drawn = draws(pictures)
        paper = {"paper": self._paper.resampled(drawn)} if self._paper else {}
        if not self._everything:
            return [paper] * len(self._scores)
        return [{"everything": metrics.resampled(drawn), **paper} for metrics in self._everything]

    def reports(self, title: str, resampled: Sequence[Resampled]) -> list[ModelReport]:
        """The figures so far, at each score, with their intervals."""
        info, several = self._model.info, len(self._scores) > 1
        reports = []
        for k, (score, values) in enumerate(zip(self._scores, resampled, strict=True)):
            found: dict[str, Figures] = {"everything": self._everything[k].figures()} if self._everything else {}
            found |= {"paper": self._paper.figures()} if self._paper else {}
            for protocol, figures in found.items():
                figures["intervals"] = intervals(values[protocol])
            name = f"{title}, {score:g}" if several else title
            answers = found.get("everything"), found.get("paper")
            reports.append(ModelReport(name, info.path, info.provider, *answers, score))
        return reports


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
    parser.add_argument(
        "--resamples",
        type=Path,
        help="write the figures of 1000 drawings of the pictures here, .npz, to compare runs",
    )
    parser.add_argument("--html", type=Path, help="write a page with the figures and telling pictures here")
    parser.add_argument("--pictures", type=Path, help="folder for the page's pictures as files")
    parser.add_argument("--picture-count", type=at_least(0), default=6, help="pictures of each kind (default: 6)")
    add_config_arguments(parser, leave_out=("model", "score_threshold", "photo_names", "vocabulary"))  # `load_model`


def run(args: argparse.Namespace) -> int:
    """`saom evaluate`."""
    check_outputs([args.json, args.html, args.resamples], [Path(model) for model in args.model or []])
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
        options={name: getattr(configs[0], name) for name in _REPORTED} | given | {"names": "the model's own"},
    )
    if args.json:
        write_atomically(args.json, json.dumps(report.to_json(), indent=1).encode())
    if args.resamples:
        write_atomically(args.resamples, _packed(report.resampled))
    if args.html:
        write_atomically(args.html, page_of(report, gallery.sections, data).encode())
    if args.pictures:
        write_pictures(report, gallery.sections, data, args.pictures)
    print(text_of(report))  # last: who reads the first lines alone (`| head`) ends the command here
    return 0


def _packed(resampled: Sequence[Resampled]) -> bytes:
    """The arrays `MODEL/PROTOCOL/FIGURE` as an .npz file, models counted from 0."""
    packed = io.BytesIO()
    arrays = {f"{k}/{p}/{name}": v for k, one in enumerate(resampled) for p, f in one.items() for name, v in f.items()}
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    return packed.getvalue()
