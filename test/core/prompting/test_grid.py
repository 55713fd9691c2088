"""The point grid."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.errors import InputError
from saom_core.prompting.grid import grid_points, trained_grid


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (32, 32), (320, 64), (3, 5)])
def test_against_naive_loop(columns: int, rows: int) -> None:
    naive = [((i + 0.5) / columns, (j + 0.5) / rows) for j in range(rows) for i in range(columns)]
    np.testing.assert_allclose(grid_points(columns, rows), naive)


def test_no_points_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1x1"):
        grid_points(0, 4)


def test_the_grid_is_that_of_the_training_that_masks_come_from() -> None:
    of_sam = {"config": {"grid": [64, 32]}}
    of_tiny = {"config": {"augment": {"grid": [48, 36]}}, "init": {"config": {"augment": {"grid": [8, 8]}}}}
    names_alone = {"classes": {"steps": 3}, "init": of_tiny}
    assert trained_grid(of_sam) == (64, 32)
    assert trained_grid(of_tiny) == trained_grid(names_alone) == (48, 36)
    assert trained_grid({}) == trained_grid({"init": {}}) == (32, 32)
