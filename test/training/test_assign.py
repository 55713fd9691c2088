"""Training prompts: on their objects, spread evenly, from the grid."""

from __future__ import annotations

import numpy as np
import pytest

from saom_training.assign import BACKGROUND, grid_prompts


def scene() -> np.ndarray:
    ids = np.full((60, 80), BACKGROUND, np.int16)
    ids[10:50, 5:40] = 0
    ids[20:30, 50:60] = 1
    ids[5, 70] = 2  # one pixel: no grid point needs to hit it
    ids[40:55, 60:75] = BACKGROUND - 1  # do not ask
    return ids


@pytest.mark.parametrize("seed", range(10))
def test_each_prompt_lies_on_its_target(seed: int) -> None:
    ids = scene()
    prompts = grid_prompts(ids, 48, 0.25, (16, 16), np.random.default_rng(seed))
    assert prompts.points_xy.shape == (48, 2) and prompts.targets.shape == (48,)
    for (x, y), target in zip(prompts.points_xy, prompts.targets, strict=True):
        assert ids[int(y * 60), int(x * 80)] == target
    counts = [int((prompts.targets == k).sum()) for k in (BACKGROUND, 0, 1, 2)]
    assert counts == [12, 12, 12, 12]


def test_empty_scene_gives_background_only() -> None:
    ids = np.full((60, 80), BACKGROUND, np.int16)
    prompts = grid_prompts(ids, 10, 0.25, (8, 8), np.random.default_rng(0))
    assert (prompts.targets == BACKGROUND).all()


def test_object_that_fills_the_image() -> None:
    prompts = grid_prompts(np.zeros((60, 80), np.int16), 10, 0.25, (8, 8), np.random.default_rng(0))
    assert (prompts.targets == 0).all()


def test_nothing_to_ask_is_an_error() -> None:
    with pytest.raises(ValueError, match="objects or background"):
        grid_prompts(np.full((6, 8), BACKGROUND - 1, np.int16), 10, 0.25, (4, 4), np.random.default_rng(0))
