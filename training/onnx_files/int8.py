"""int8 files: calibrated on pictures of a data set, and written only if the figures on that set do not fall."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx import numpy_helper

from saom_core.config import SaomConfig
from saom_core.errors import ConfigError
from saom_core.files import write_atomically
from saom_core.model_file.contract import METADATA_KEY
from saom_core.model_file.metadata import with_entry

from ..dataset import Dataset, evenly_spread
from ..evaluate import evaluate
from ..figures.average_precision import AP_SCORE
from ..figures.models import load_model
from .file import message, write
from .parity import Case, ExportError, further_inputs, letterboxed
from .precision import MESSAGE_BYTES, Feed, halve_weights, quantised

logger = logging.getLogger("saom")

CALIBRATION_PICTURES = 64
MEASURED = ("AP", "AP50", "AP50_class")
MIN_AP50 = 0.05
"""Least AP50 of the fp32 file. One that finds less has so little to lose that a broken int8 file would not show."""


@dataclass(frozen=True)
class Int8Options:
    """How an int8 file is made and judged."""

    data: Path  # calibrated on its training split, measured on its validation split
    images: int = 100  # most pictures of the validation split that are measured
    allowed_drop: float = 0.01  # how far each figure of `MEASURED` may fall against fp32


def check_weights(parameters: int) -> None:
    """Raises ConfigError for a network too large for the quantiser."""
    if 4 * parameters >= MESSAGE_BYTES:
        raise ConfigError(
            f"precision int8: expected less than 2 GB of weights, got {4 * parameters / 1e9:.1f} GB: use fp16"
        )


def write_int8(whole: onnx.ModelProto, exact: Path, path: Path, case: Case, options: Int8Options) -> None:
    """Quantise a model and write the file, with the figures of both in its metadata.

    Args:
        whole: fp32, weights not halved, no defaults.
        exact: the fp32 file; metadata and defaults are its.
        path: to write to.
        case: sizes of the inputs.
        options: data and limits.

    Raises:
        ExportError: figures fall, or are too low with fp32 to fall.
        ConfigError: no pictures to calibrate with.
    """
    feeds = calibration_feeds(Dataset.open(options.data, "train"), case)
    model = ir.from_proto(quantised(whole, feeds))
    halve_weights(model)
    reference = onnx.load(str(exact))
    inputs = {value.name for value in reference.graph.input}
    defaults = {w.name: numpy_helper.to_array(w) for w in reference.graph.initializer if w.name in inputs}
    metadata = json.loads(reference.metadata_props[0].value)
    del reference
    write(path, message(model), metadata, defaults)
    measured = check_figures(exact, path, Dataset.open(options.data, "val"), options)
    stored = json.dumps({**metadata, "precision": "int8", "int8": measured})
    write_atomically(path, with_entry(path.read_bytes(), METADATA_KEY, stored))


def calibration_feeds(data: Dataset, case: Case, pictures: int = CALIBRATION_PICTURES) -> Iterator[Feed]:
    """Inputs of pictures evenly spread over a data set, every second one without depth.

    Args:
        data: where the pictures come from.
        case: sizes of the inputs, and the prompts.
        pictures: at most so many.

    Raises:
        ConfigError: no pictures.
    """
    if len(data) == 0:
        raise ConfigError(f"data: expected pictures to calibrate with in {data.path}, got none in its training split")
    for turn, index in enumerate(evenly_spread(len(data), pictures)):
        sample = data[index]
        image, depth = letterboxed(sample.image_rgb, sample.depth_m, (case.image.shape[0], case.image.shape[1]))
        given = depth * ((turn + 1) % 2)
        (height, width), (rows, columns) = sample.image_rgb.shape[:2], case.image.shape[:2]
        further = further_inputs(tuple(case.further), (height, width), (rows, columns))
        yield Case(image, None if case.depth is None else given, case.prompts, further).feed()


def check_figures(exact: Path, int8: Path, data: Dataset, options: Int8Options) -> dict[str, Any]:
    """Compare an int8 file with the fp32 file it was made of.

    Returns:
        Number of pictures, and the figures of both.

    Raises:
        ExportError: see `judge`.
    """
    configs = [SaomConfig(model=str(path), provider="cpu", score_threshold=AP_SCORE) for path in (exact, int8)]
    report, _ = evaluate([load_model(config) for config in configs], data, limit=options.images, pictures=0)
    before, after = (model.everything or {} for model in report.models)
    told = judge(before, after, options.allowed_drop)
    logger.info("int8, on %d pictures: %s", report.data["images"], told)
    return {"images": report.data["images"], **{name: [before[name], after[name]] for name in MEASURED}}


def judge(before: Mapping[str, float | None], after: Mapping[str, float | None], allowed_drop: float) -> str:
    """The figures with fp32 and with int8, as text; None where no object is asked for.

    Raises:
        ExportError: a figure falls by more than it may, or fp32 has next to nothing to lose.
    """
    if (before["AP50"] or 0.0) < MIN_AP50:
        raise ExportError(
            f"expected AP50 {MIN_AP50} or more with fp32, to see what int8 loses of it, got {_of(before['AP50'])}: the "
            "file is not written; use --precision fp32, or other weights or --data"
        )
    told = ", ".join(f"{name} {_of(before[name])} with fp32, {_of(after[name])} with int8" for name in MEASURED)
    drops = [was - (after[name] or 0.0) for name in MEASURED if (was := before[name]) is not None]
    if max(drops) > allowed_drop:
        raise ExportError(
            f"expected int8 to keep the figures within {allowed_drop}, got {told}: the file is not written; use "
            "--precision fp32, or allow more with --allowed-drop"
        )
    return told


def _of(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
