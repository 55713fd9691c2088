"""Recoloured training pictures keep their shapes and change their colours as much as they are told to."""

from __future__ import annotations

import numpy as np
import pytest

from saom_training.samples.colours import recoloured


@pytest.fixture
def image_rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def test_without_strength_nothing_changes(image_rgb: np.ndarray) -> None:
    np.testing.assert_array_equal(recoloured(image_rgb, 0.0, np.random.default_rng(1)), image_rgb)


def test_more_strength_changes_more_and_the_same_seed_the_same(image_rgb: np.ndarray) -> None:
    changes = []
    for strength in (0.1, 0.5, 1.0):
        pictures = [recoloured(image_rgb, strength, np.random.default_rng(seed)) for seed in range(30)]
        np.testing.assert_array_equal(recoloured(image_rgb, strength, np.random.default_rng(7)), pictures[7])
        changes.append(np.mean([np.abs(picture.astype(int) - image_rgb).mean() for picture in pictures]))
        assert all(picture.shape == image_rgb.shape and picture.dtype == np.uint8 for picture in pictures)
    assert changes[0] < changes[1] < changes[2]


def test_edges_stay_where_they_are() -> None:
    """Left of the edge is black, right of it grey: no colour moves across."""
    image_rgb = np.zeros((20, 40, 3), np.uint8)
    image_rgb[:, 20:] = 128
    for seed in range(20):
        grey = recoloured(image_rgb, 0.7, np.random.default_rng(seed)).mean(axis=2)
        assert np.abs(np.diff(grey.mean(axis=0))).argmax() == 19
