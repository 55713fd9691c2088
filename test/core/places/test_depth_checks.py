"""Depth that is wrong as a whole is told from depth that is right, with the setting that mends it."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.geometry.depth import Boxes3d
from saom_core.instances import Instances, MaskCrop
from saom_core.places.depth_checks import depth_in_metres, depth_problem, depth_scale_of, size_problem

RNG = np.random.default_rng(2)
SCENE_M = RNG.uniform(0.6, 1.8, (48, 64)).astype(np.float32)


def test_units_of_depth_numbers() -> None:
    millimetres = np.array([[0, 1250]], np.uint16)
    np.testing.assert_allclose(depth_in_metres(millimetres), [[0, 1.25]])
    np.testing.assert_allclose(depth_in_metres(millimetres, 0.0001), [[0, 0.125]])
    np.testing.assert_allclose(depth_in_metres(np.array([1.25], np.float64)), [1.25])
    np.testing.assert_allclose(depth_in_metres(np.array([1250.0], np.float32), 0.001), [1.25])
    assert depth_scale_of(np.dtype(np.uint16), 0.0) == 0.001 and depth_scale_of(np.dtype(np.float32), 0.0) == 1.0


@pytest.mark.parametrize(
    ("depth_m", "scale"),
    [
        (SCENE_M, 1.0),
        (np.where(RNG.random(SCENE_M.shape) < 0.95, np.nan, SCENE_M), 1.0),  # mostly holes
        (np.where(RNG.random(SCENE_M.shape) < 0.4, 30.0, SCENE_M), 1.0),  # a window
        (np.where(RNG.random(SCENE_M.shape) < 0.1, -1.0, SCENE_M), 1.0),
    ],
)
def test_depth_that_is_right_is_left_alone(depth_m: np.ndarray, scale: float) -> None:
    assert depth_problem(depth_m, 0.1, 10.0, scale) is None


@pytest.mark.parametrize(
    ("factor", "scale", "words", "usable"),
    [
        (1000.0, 1.0, "set depth_scale to 0.001 (now 1)", False),  # millimetres in 32FC1
        (10.0, 0.001, "set depth_scale to 0.0001 (now 0.001)", True),  # tenths of millimetres in 16UC1
        (0.001, 0.001, "set depth_scale to 1 (now 0.001)", False),  # whole metres in 16UC1
    ],
)
def test_a_wrong_unit_is_named(factor: float, scale: float, words: str, usable: bool) -> None:
    problem = depth_problem(SCENE_M * np.float32(factor), 0.1, 10.0, scale)
    assert problem is not None and words in problem.text and problem.usable == usable
    # and the advice is true: with that scale nothing is wrong
    advised = float(words.split("to ")[1].split(" ", maxsplit=1)[0])
    assert depth_problem(SCENE_M * np.float32(factor * advised / scale), 0.1, 10.0, advised) is None


def test_scattered_depth_is_told_where_no_surface_is_seen_in_it() -> None:
    random = np.random.default_rng(0).random((240, 320))
    for share in (0.15, 0.3, 0.4):
        problem = depth_problem(np.where(random < share, 1.0, 0.0), 0.1, 10.0, 1.0)
        assert problem is not None and problem.kind == "scattered" and problem.usable
        assert f"got {100 * share:.0f} % of the picture, scattered" in problem.text
    whole = np.ones((240, 320), np.float32)
    for missing in (random < 0.4, np.arange(240)[:, None] < 160, random < 0.97):  # holes, sky, nothing in reach
        assert depth_problem(np.where(missing, np.nan, whole), 0.1, 10.0, 1.0) is None


def test_far_depth_that_may_be_right_is_used() -> None:
    hall = np.full((48, 64), 14.0, np.float32)
    hall[:10] = 3.0
    problem = depth_problem(hall, 0.1, 10.0, 1.0)
    assert problem is not None and problem.usable and "change max_depth_m (now 10)" in problem.text


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (np.nan, "nothing measured", "12 pixels without one (12 NaN or infinite)"),
        (np.inf, "nothing measured", "12 NaN or infinite"),
        (0.0, "nothing measured", "12 0"),
        (-0.8, "negative", "positive (REP 118)"),
    ],
)
def test_nothing_measured_is_told(value: float, kind: str, words: str) -> None:
    problem = depth_problem(np.full((3, 4), value, np.float32), 0.1, 10.0, 1.0)
    assert problem is not None and problem.kind == kind and words in problem.text and not problem.usable


def test_one_valid_pixel_is_depth() -> None:
    """The check that looks at every sixteenth pixel only must not miss one that is there."""
    depth = np.full((48, 64), np.nan, np.float32)
    depth[13, 27] = 0.9
    assert depth_problem(depth, 0.1, 10.0, 1.0) is None


def measured(longest_m: list[float]) -> Instances:
    n = len(longest_m)
    masks = [MaskCrop(k, 0, np.ones((1, 1), bool)) for k in range(n)]
    plain = Instances.from_masks((4, 64), masks, np.ones(n, np.float32))
    sizes = np.array([[length, length / 2, length / 3] for length in longest_m], np.float32).reshape(n, 3)
    object.__setattr__(plain, "boxes3d", Boxes3d(sizes, np.zeros((n, 4), np.float32), sizes))
    return plain


def test_objects_of_the_size_of_houses_are_told() -> None:
    table = [0.1, 0.25, 0.3, 0.12, 1.4, np.nan]
    assert size_problem(measured(table), 0.001) is None
    problem = size_problem(measured([10 * length for length in table]), 0.001)
    assert problem is not None and problem.usable and "set depth_scale to 0.0001 (now 0.001)" in problem.text
    assert size_problem(measured([3.0, 3.0]), 0.001) is None  # two objects say little
    assert size_problem(measured([]), 0.001) is None
    assert size_problem(Instances.empty((4, 4)), 0.001) is None
