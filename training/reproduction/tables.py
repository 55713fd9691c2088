"""The tables of `saom reproduce`, in Markdown: gains over the base, and a row of figures for each model and mode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..figures.resampling import FloatArray, gain_intervals
from .plan import (
    ALL_MASKS,
    AS_SAM,
    ASSIGNMENTS,
    BASE,
    COMPARED,
    ENCODER,
    MODES,
    NEAREST,
    ONE_MASK,
    RECIPE,
    SAOM,
    WITH_ENCODER,
    WITHOUT,
)

TITLES = {BASE: "the base, not fine-tuned"} | {v.key: v.title for v in (*ASSIGNMENTS, RECIPE, WITH_ENCODER, *WITHOUT)}
_OURS = {SAOM: "our recipe", ENCODER: "our recipe, the encoder too"}
_RECIPES = {NEAREST: "the paper's recipe", **_OURS}
_COMPARED_KEYS = (BASE, *_OURS)
TITLES |= {key + mode.suffix: TITLES[key] for mode in MODES for key in (BASE, *_RECIPES)}
TITLES[BASE + ONE_MASK.suffix] = f"{TITLES[BASE]}, the best mask of a prompt alone"
TITLES[ALL_MASKS] = "all three masks of a prompt in everything mode, not the best one alone"
_GAINS = (
    *(
        (f"{recipe}; {mode.title} for both", BASE + mode.suffix, key + mode.suffix)
        for mode in MODES
        for key, recipe in _RECIPES.items()
    ),
    *(
        (f"{recipe}; {ONE_MASK.title} for both", BASE + ONE_MASK.suffix, key + AS_SAM.suffix)
        for key, recipe in _OURS.items()
    ),
    *(
        (f"{recipe} with the paper's box NMS; the base with segment-anything's", BASE + AS_SAM.suffix, key)
        for key, recipe in _RECIPES.items()
    ),
)
"""Title, before, after."""
_GROUPS = (
    (
        f"with {AS_SAM.title}",
        (BASE + AS_SAM.suffix, BASE + ONE_MASK.suffix, *(key + AS_SAM.suffix for key in _RECIPES)),
    ),
    ("how an object's prompt is chosen (the paper's recipe)", (BASE, *(v.key for v in ASSIGNMENTS))),
    ("our recipe, and without one of its additions", (SAOM, ENCODER, ALL_MASKS, *(v.key for v in WITHOUT))),
)
"""Title and rows of a table."""

Drawn = dict[str, FloatArray]
COLUMNS = (
    ("everything", "mIoU_label_image", "mIoU"),
    ("everything", "mAcc_label_image", "mAcc"),
    ("everything", "mIoU", "mIoU, best mask"),
    ("everything", "overlap_f", "overlap F"),
    ("everything", "AP50", "AP50"),
    ("everything", "recall50", "found whole"),
    ("everything", "over_segmentation_rate", "in pieces"),
    ("everything", "precision50", "masks that are an object"),
    ("everything", "class_accuracy", "named right"),
    ("paper", "mIoU", "paper's mIoU"),
    ("paper", "mAcc", "paper's mAcc"),
)
"""Protocol, figure, title."""


def tables_of(out: Path, times: dict[str, Any]) -> str:
    """The tables in Markdown, of what has been evaluated so far.

    Args:
        out: folder of the reproduction.
        times: of its runs, by key.
    """
    found = {key: models[0] for key in TITLES if (models := _figures(out / f"{key}.json"))}
    drawn = {key: models[0] for key in TITLES if (models := _resampled(out / f"{key}.npz"))}
    for mode in MODES:
        rows = [key + mode.suffix for key in _COMPARED_KEYS]
        found |= zip(rows, _figures(out / f"{COMPARED}{mode.suffix}.json"), strict=False)
        drawn |= zip(rows, _resampled(out / f"{COMPARED}{mode.suffix}.npz"), strict=False)
    titles = " | ".join(title for *_, title in COLUMNS)
    lines = [f"| gain over the base, points (95 % of pictures drawn anew) | {titles} |", _rule(1)]
    for title, before, after in _GAINS:
        if before in found and after in found:
            pair, draws = (found[before], found[after]), (drawn.get(before, {}), drawn.get(after, {}))
            cells = [_gain(*pair, p, name) + _between(*draws, f"{p}/{name}") for p, name, _ in COLUMNS]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for title, keys in _GROUPS:
        lines += ["", f"| {title} | {titles} | minutes |", _rule(2)]
        for key in keys:
            if key in found:
                cells = [_show(_value(found[key], protocol, name)) for protocol, name, _ in COLUMNS]
                minutes = f"{times[key]['seconds'] / 60:.1f}" if key in times else "-"
                lines.append(f"| {TITLES[key]} | " + " | ".join(cells) + f" | {minutes} |")
    return "\n".join(lines) + "\n"


def _rule(extra: int) -> str:
    return "|" + "---|" * (len(COLUMNS) + extra)


def _figures(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["models"] if path.exists() else []


def _resampled(path: Path) -> list[Drawn]:
    """For each model of an evaluation: PROTOCOL/FIGURE -> its values for the pictures drawn with replacement."""
    models: dict[int, Drawn] = {}
    if path.exists():
        with np.load(path) as arrays:
            for key in arrays.files:
                model, name = key.split("/", 1)
                models.setdefault(int(model), {})[name] = arrays[key]
    return [models[number] for number in sorted(models)]


def _between(before: Drawn, after: Drawn, name: str) -> str:
    """The interval of a gain in points, where both models have the figure and saw as many pictures."""
    if name not in before or name not in after or len(before[name]) != len(after[name]):
        return ""
    found = gain_intervals({name: before[name]}, {name: after[name]})[name]
    return "" if found is None else f" ({100 * found[0]:+.1f} to {100 * found[1]:+.1f})"


def _value(figures: dict[str, Any], protocol: str, name: str) -> float | None:
    return figures[protocol][name]


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _gain(before: dict[str, Any], after: dict[str, Any], protocol: str, name: str) -> str:
    values = _value(before, protocol, name), _value(after, protocol, name)
    return "-" if None in values else f"{100 * (values[1] - values[0]):+.1f}"  # type: ignore[operator]
