"""Average precision of everything mode on a few validation images while a training runs; the best checkpoint is kept.

A checkpoint is measured as `saom evaluate` measures it: it is loaded from its file and asked for every object, and no
prompt comes from the ground truth. Training draws the same random numbers with and without it.
"""

from __future__ import annotations

import json
import logging
import shutil
from functools import partial
from pathlib import Path

import torch

from saom_core.config import SaomConfig
from saom_core.files import write_atomically

from ..dataset import Dataset, evenly_spread
from ..figures.average_precision import AP_SCORE, AveragePrecision
from ..figures.comparison import GroundTruth
from ..figures.models import load_model
from ..networks.checkpoint import ENCODER
from .config import RunConfig

logger = logging.getLogger("saom")

FIGURES = "validation.json"
"""File in the run's folder with the figures of every checkpoint that was measured."""
LAST, BEST = "last", "best"


class Validation:
    """Measures the checkpoints of a run.

    Args:
        data: validation split; its first and last images and others evenly between them are looked at.
        out: folder of the run.
        config: how often, and on how many images.
        best_by: the figure by which a checkpoint is better than another: "AP", or "AP_class" where names are learned.
    """

    def __init__(self, data: Dataset, out: Path, config: RunConfig, best_by: str = "AP") -> None:
        self.every, self._best_by = config.validate_every, best_by
        self._data, self._out = data, out
        self._images = evenly_spread(len(data), config.validate_images)
        self._rows: list[dict[str, float]] = []

    @staticmethod
    def of(data: Dataset | None, out: Path, config: RunConfig, best_by: str = "AP") -> Validation | None:
        """A `Validation`; None where the configuration asks for none, or there are no pictures to measure on."""
        if data is None or config.validate_every == 0:
            return None
        if len(data) == 0:
            logger.info("%s has no validation images: checkpoints are not measured", data.path)
            return None
        return Validation(data, out, config, best_by)

    def resume(self, step: int) -> dict[str, float]:
        """Goes on with the figures of a run that has taken so many steps; those of its last measured checkpoint."""
        path = self._out / FIGURES
        rows = json.loads(path.read_text(encoding="utf-8")) if step and path.is_file() else []
        self._rows = [row for row in rows if row["steps"] <= step]
        return {name: value for name, value in self._rows[-1].items() if name != "steps"} if self._rows else {}

    def measure(self, checkpoint: Path, step: int) -> dict[str, float]:
        """Figures of a checkpoint, which is kept as the best one if it is better than all before.

        Args:
            checkpoint: a folder or file named `last`; the best one has the name `best` beside it.
            step: after which it was written.

        Returns:
            AP, AP50 whatever the class and AP_class, AP50_class with class, in 0..1; where no object is asked for, or
            the model has no classes, a figure is left out.
        """
        # loading a network draws random numbers for its first weights; those of the training must not change
        with torch.random.fork_rng():
            figures = self._figures(checkpoint)
        before = max((row.get(self._best_by, -1.0) for row in self._rows), default=-1.0)
        self._rows = [row for row in self._rows if row["steps"] != step] + [{"steps": step, **figures}]
        if figures.get(self._best_by, -1.0) > before:
            _copy(checkpoint, checkpoint.with_name(checkpoint.name.replace(LAST, BEST, 1)))
        write_atomically(self._out / FIGURES, json.dumps(self._rows, indent=1).encode())
        return figures

    def _figures(self, checkpoint: Path) -> dict[str, float]:
        # without a GPU auto would warn at every checkpoint that there is none
        provider = "auto" if torch.cuda.is_available() else "cpu"
        model = load_model(SaomConfig(model=str(checkpoint), provider=provider, score_threshold=AP_SCORE))
        precision = AveragePrecision(model.info.class_names)
        for k in self._images:
            sample = self._data[k]
            instances = model.segmenter.segment(
                sample.image_rgb, sample.depth_m if self._data.depth else None
            ).instances
            precision.add(instances, GroundTruth.of(sample))
        plain, named = precision.whatever_class(), precision.with_class()
        known = {"AP": plain.ap, "AP50": plain.ap50, "AP_class": named.ap, "AP50_class": named.ap50}
        return {name: value for name, value in known.items() if value is not None}


def _copy(source: Path, target: Path) -> None:
    """A file, or the files of a folder, each of them whole or not at all."""
    pairs = [(source, target)]
    if source.is_dir():
        target.mkdir(exist_ok=True)
        files = [path for path in sorted(source.iterdir()) if path.is_file() and not path.name.startswith(".")]
        pairs = [(path, target / path.name) for path in files]
    for path, copy in pairs:
        if path.name == ENCODER and copy.exists():
            continue  # frozen, and large
        with path.open("rb") as file:
            write_atomically(copy, partial(shutil.copyfileobj, file))
