"""Outcomes of a bench on disk, one small file for each scene and method, and the figures that follow from them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saom_core.errors import InputError
from saom_core.files import write_atomically

SETTINGS = "settings.json"
Z = 1.959964  # of the standard normal distribution, 97.5 %


@dataclass(frozen=True)
class Attempt:
    """What became of one scene with one method."""

    scene: int
    method: str
    object: str  # style of the target
    result: str  # held, dropped, no mask, no grasp, unstable (physics), or no scene (of this number there is none)
    mask_iou: float  # of the method's mask with the true one; 0 without a mask
    rise_m: float


class Store:
    """A folder of attempts. What is written is whole, whenever the process dies, and is not done again.

    Args:
        folder: Made where it does not exist.
        settings: What the attempts depend on.

    Raises:
        InputError: The folder holds attempts with other settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / SETTINGS
        if file.is_file() and (kept := json.loads(file.read_text())) != settings:
            raise InputError(
                f"{folder}: expected results with the settings {settings}, got some with {kept}: choose another --out"
            )
        write_atomically(file, json.dumps(settings, indent=1).encode())

    def has(self, scene: int, method: str) -> bool:
        """Whether this is done."""
        return self._file(scene, method).is_file()

    def add(self, attempt: Attempt) -> None:
        """Keeps an attempt."""
        content = json.dumps(asdict(attempt)).encode()
        write_atomically(self._file(attempt.scene, attempt.method), content)

    def attempts(self) -> list[Attempt]:
        """All that is kept, by scene and method."""
        return [Attempt(**json.loads(file.read_text())) for file in sorted(self.folder.glob("scene_*.json"))]

    def _file(self, scene: int, method: str) -> Path:
        return self.folder / f"scene_{scene:05d}_{method}.json"


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927), which stays right near 0 and 1."""
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, Z * Z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = Z * float(np.sqrt(share * (1 - share) / trials + spread / (4 * trials))) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Row:
    """Figures of one method."""

    method: str
    title: str
    scenes: int
    held: int
    interval: tuple[float, float]
    of_truth: float | None  # successes for each one that true masks have in the same scenes
    mask_iou: float  # mean
    failures: dict[str, int]

    @property
    def success(self) -> float:
        """Share of the scenes."""
        return self.held / self.scenes if self.scenes else 0.0


def rows_of(attempts: Sequence[Attempt], titles: dict[str, str]) -> list[Row]:
    """Figures of each method over the scenes that all of them have been tried in, so that all face the same tables.

    Args:
        attempts: In any order.
        titles: Of the methods, by name; the first one is the measure of the others.
    """
    by_method = {name: {a.scene: a for a in attempts if a.method == name and a.result != "no scene"} for name in titles}
    tried = {name: found for name, found in by_method.items() if found}
    if not tried:
        return []
    common = sorted(set.intersection(*(set(found) for found in tried.values())))
    best = sum(tried[next(iter(titles))][k].result == "held" for k in common) if next(iter(titles)) in tried else 0
    rows = []
    for name, found in tried.items():
        of_method = [found[k] for k in common]
        held = sum(attempt.result == "held" for attempt in of_method)
        failures = Counter(attempt.result for attempt in of_method if attempt.result != "held")
        iou = float(np.mean([attempt.mask_iou for attempt in of_method])) if of_method else 0.0
        ratio = held / best if best else None
        rows.append(Row(name, titles[name], len(common), held, wilson(held, len(common)), ratio, iou, dict(failures)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The figures for people."""
    lines = [f"{'masks':26}{'held':>9}{'success':>9}{'95 %':>14}{'of (a)':>8}{'IoU':>6}  failures"]
    for row in rows:
        low, high = row.interval
        why = ", ".join(f"{count} {name}" for name, count in sorted(row.failures.items()))
        ratio = "-" if row.of_truth is None else f"{row.of_truth:.2f}"
        lines.append(
            f"{row.title:26}{f'{row.held}/{row.scenes}':>9}{row.success:>9.3f}{f'{low:.3f}-{high:.3f}':>14}"
            f"{ratio:>8}{row.mask_iou:>6.2f}  {why}"
        )
    return "\n".join(lines)


def plot(rows: Sequence[Row], path: Path) -> None:
    """A picture of the success rates with their intervals, PNG."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.55 * len(rows) + 1.3), layout="constrained")
    axes = figure.add_subplot()
    shares = [row.success for row in rows]
    errors = np.array([[row.success - row.interval[0], row.interval[1] - row.success] for row in rows]).T
    colours = ["#888888", "#1f77b4", "#6baed6", "#d98c3f", "#c7a76c"]
    places = range(len(rows))
    axes.barh(places, shares, xerr=errors, color=colours[: len(rows)], capsize=4, height=0.65)
    for place, row in zip(places, rows, strict=True):
        axes.text(0.01, place, f"{row.held}/{row.scenes}", va="center", color="white")
    axes.set_yticks(places, [row.title for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of objects lifted by 15 cm and held for 2 s, with 95 % intervals")
    picture = BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    write_atomically(path, picture.getvalue())
