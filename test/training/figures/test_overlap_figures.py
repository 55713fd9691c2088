"""Overlap and boundary figures against naive counting, and on cases whose figures are known."""

from __future__ import annotations

from dataclasses import astuple
from itertools import permutations
from math import ceil, hypot

import numpy as np
import pytest

from saom_training.figures.overlap_figures import OverlapFigures, boundary, overlap_figures

Label = np.ndarray


def labels(seed: int, count: int, size: tuple[int, int] = (14, 18)) -> Label:
    """Rectangles over one another, with gaps in the numbering."""
    rng = np.random.default_rng(seed)
    image = np.zeros(size, np.int32)
    for number in range(count):
        top, left = rng.integers(0, size[0] - 2), rng.integers(0, size[1] - 2)
        image[top : top + rng.integers(2, 9), left : left + rng.integers(2, 9)] = 1 + 2 * number
    return image


def naive_boundary(mask: np.ndarray) -> set[tuple[int, int]]:
    height, width = mask.shape
    found = set()
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, 0), (1, 1)):
                if mask[min(y + dy, height - 1), min(x + dx, width - 1)] != mask[y, x]:
                    found.add((y, x))
    return found


def naive_figures(predicted: Label, truth: Label) -> OverlapFigures:
    """The best of all ways to pair predictions with objects, and boundary pixels compared one with each other."""
    mine = [predicted == i for i in np.unique(predicted) if i]
    theirs = [truth == i for i in np.unique(truth) if i]
    f = [[2 * np.sum(m & t) / (np.sum(m) + np.sum(t)) for t in theirs] for m in mine]
    few, many = sorted([len(mine), len(theirs)])
    ways = (
        [(k, g) if len(mine) <= len(theirs) else (g, k) for k, g in enumerate(way)]
        for way in permutations(range(many), few)
    )
    pairs = max(ways, key=lambda way: sum(f[k][g] for k, g in way))
    common = sum(np.sum(mine[k] & theirs[g]) for k, g in pairs)
    reach = ceil(0.003 * hypot(*truth.shape))
    hits, found = 0, 0
    for k, g in pairs:
        a, b = naive_boundary(mine[k]), naive_boundary(theirs[g])
        hits += sum(any(hypot(y - v, x - u) <= reach for v, u in b) for y, x in a)
        found += sum(any(hypot(y - v, x - u) <= reach for v, u in a) for y, x in b)
    edges = sum(len(naive_boundary(m)) for m in mine), sum(len(naive_boundary(t)) for t in theirs)
    figures = []
    for precision, recall in (
        (common / sum(np.sum(m) for m in mine), common / sum(np.sum(t) for t in theirs)),
        (hits / edges[0], found / edges[1]),
    ):
        figures += [precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0]
    return OverlapFigures(*figures, sum(f[k][g] > 0.75 for k, g in pairs) / len(theirs))


@pytest.mark.parametrize(("seed", "predictions", "objects"), [(0, 3, 3), (1, 5, 3), (2, 2, 5), (3, 1, 1), (4, 4, 4)])
def test_figures_against_naive_counting(seed: int, predictions: int, objects: int) -> None:
    predicted, truth = labels(seed, predictions), labels(seed + 100, objects)
    truth[2:9, 3:10] = predicted[3:10, 3:10]  # something in common
    assert astuple(overlap_figures(predicted, truth)) == pytest.approx(astuple(naive_figures(predicted, truth)))


def test_boundary_against_naive_search() -> None:
    for seed in range(4):
        mask = np.random.default_rng(seed).random((9, 7)) < 0.4
        assert {(y, x) for y, x in np.argwhere(boundary(mask)).tolist()} == naive_boundary(mask)
    assert not boundary(np.ones((5, 5), bool)).any(), "the image's edge is no boundary"


def test_equal_labels_are_perfect_whatever_the_numbers() -> None:
    truth = labels(7, 4)
    assert astuple(overlap_figures(np.where(truth > 0, 50 - truth, 0), truth)) == (1.0,) * 7


def test_an_object_in_two_halves_counts_once() -> None:
    truth = np.zeros((20, 40), np.int32)
    truth[5:15, 10:30] = 1
    predicted = truth.copy()
    predicted[5:15, 20:30] = 2
    found = overlap_figures(predicted, truth)
    assert (found.overlap_precision, found.overlap_recall, found.overlap_f) == (0.5, 0.5, 0.5)
    assert found.found_f75 == 0


def test_a_boundary_off_by_the_tolerance_is_right_and_further_off_is_not() -> None:
    truth = np.zeros((240, 320), np.int32)  # tolerance: 0.3 % of 400 px, rounded up: 2 px
    truth[60:120, 80:160] = 1
    for shift, right in ((2, True), (3, False)):
        assert (overlap_figures(np.roll(truth, shift, 1), truth).boundary_f > 0.99) == right


@pytest.mark.parametrize(
    ("predictions", "objects", "expected"),
    [(0, 0, (1,) * 7), (0, 2, (1, 0, 0, 1, 0, 0, 0)), (2, 0, (0, 1, 0, 0, 1, 0, 0))],
)
def test_nothing_predicted_or_nothing_there(predictions: int, objects: int, expected: tuple[int, ...]) -> None:
    assert astuple(overlap_figures(labels(0, predictions), labels(1, objects))) == expected


def test_one_pixel() -> None:
    truth = np.zeros((8, 8), np.int32)
    truth[4, 4] = 1
    assert astuple(overlap_figures(truth, truth)) == (1.0,) * 7
    assert overlap_figures(np.roll(truth, 1, 1), truth).overlap_f == 0
