"""What teaching costs the trained classes: figures of everything mode where nothing that was taught is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from saom_core.config import SaomConfig
from saom_core.model_file.taught import TaughtClass
from saom_core.runtime import OnnxModel
from saom_core.teach.files import write

from ...dataset import Dataset
from ...evaluate import evaluate
from ...figures.average_precision import AP_SCORE
from ...figures.models import load_model

KEPT = ("class_accuracy", "AP50_class", "AP50")


@dataclass(frozen=True)
class KeptFigures:
    """Figures of everything mode on pictures in which nothing that was taught is: what teaching costs."""

    untaught: dict[str, float | None]
    each_alone: dict[str, float | None]  # mean over the taught classes
    all_taught: dict[str, float | None]


def kept_figures(model: OnnxModel, classes: Sequence[TaughtClass], data: Dataset) -> KeptFigures:
    """Figures without taught classes, with each of these taught alone, and with all of them in one file."""
    untaught = _figures(model, [], data)
    alone = [_figures(model, [one], data) for one in tqdm(classes, unit="class", desc="each alone", dynamic_ncols=True)]
    mean = {name: _mean([one[name] for one in alone]) for name in KEPT} if alone else untaught
    return KeptFigures(untaught, mean, _figures(model, classes, data))


def _figures(model: OnnxModel, classes: Sequence[TaughtClass], data: Dataset) -> dict[str, float | None]:
    with _taught_file(model, classes) as file:
        report, _ = evaluate([load_model(SaomConfig(model=file, score_threshold=AP_SCORE))], data)
    return {name: (report.models[0].everything or {})[name] for name in KEPT}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


@contextmanager
def _taught_file(model: OnnxModel, classes: Sequence[TaughtClass]) -> Iterator[str]:
    """The path of a copy of the model's file that knows these classes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "taught.onnx"
        write(Path(model.info.path), file, classes)
        yield str(file)
