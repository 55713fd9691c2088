"""What is asked of masks everywhere, against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.masks import dense_ious, innermost_pixel


def test_ious_of_a_mask_with_others() -> None:
    rng = np.random.default_rng(0)
    mask, others = rng.random((6, 9)) < 0.5, rng.random((4, 6, 9)) < 0.5
    for given in (others, list(others)):
        ious = dense_ious(mask, given)
        for iou, other in zip(ious, others, strict=True):
            pairs = list(zip(mask.ravel().tolist(), other.ravel().tolist(), strict=True))
            assert iou == pytest.approx(sum(a and b for a, b in pairs) / sum(a or b for a, b in pairs))
    assert dense_ious(mask, []).shape == (0,) and dense_ious(mask, [mask]).tolist() == [1.0]


def test_the_innermost_pixel_is_the_farthest_from_what_is_not_of_the_mask() -> None:
    mask = np.zeros((12, 20), bool)
    mask[3:10, 2:11], mask[:, 15] = True, True
    outside = [
        (row, column) for row in range(-1, 13) for column in range(-1, 21)
        if not (0 <= row < 12 and 0 <= column < 20 and mask[row, column])
    ]  # fmt: skip

    def distance(row: int, column: int) -> float:
        return min(np.hypot(row - r, column - c) for r, c in outside)

    column, row = innermost_pixel(mask)
    assert distance(row, column) == pytest.approx(max(distance(r, c) for r, c in np.argwhere(mask).tolist()))
    assert innermost_pixel(np.ones((1, 1), bool)) == (0, 0)
    assert innermost_pixel(np.ones((5, 5), bool)) == (2, 2), "the picture's border is an edge"
