"""The point grid of everything mode: one module serves inference, prompt assignment and export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError

USUAL_GRID = (32, 32)
"""Columns and rows of segment-anything's grid, and of SAOMv1's."""


def trained_grid(record: Mapping[str, Any]) -> tuple[int, int]:
    """Columns and rows of the grid that a network was fine-tuned for, by its training record; else the usual one.

    Training prompts come from the grid that everything mode will use (arXiv 2403.10780), so everything mode has to.
    """
    config = trained_config(record)
    columns, rows = config.get("grid") or config.get("augment", {}).get("grid") or USUAL_GRID
    return int(columns), int(rows)


def trained_config(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of the training that masks come from, by a training record; {} where it does not know.

    A training of names alone, which has none of these, keeps the record of what it began with as its `init`.
    """
    while "config" not in record and record.get("init"):
        record = record["init"]
    config: Mapping[str, Any] = record.get("config", {})
    return config


def grid_points(columns: int, rows: int) -> npt.NDArray[np.float64]:
    """Points of a regular grid, at the centres of its cells.

    Equal to segment-anything's `build_point_grid(n)` for columns = rows = n. The paper's grids are 32x32 (SAOMv1),
    64x64 (SAOMv2) and 320x64 (PanoSAM).

    Args:
        columns: points along x, at least 1.
        rows: points along y, at least 1.

    Returns:
        (rows * columns, 2) float64, x and y in 0..1 of the image's width and height, row by row.

    Raises:
        InputError: columns or rows below 1.
    """
    if columns < 1 or rows < 1:
        raise InputError(f"expected a grid of at least 1x1 points, got {columns}x{rows}: give positive numbers")
    x = (np.arange(columns) + 0.5) / columns
    y = (np.arange(rows) + 0.5) / rows
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
