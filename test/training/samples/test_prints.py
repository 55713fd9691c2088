"""Prints change colours of objects alone, and only where they are asked for."""

from __future__ import annotations

import cv2
import numpy as np

from saom_training.samples.prints import as_jpeg, printed


def test_prints_stay_on_their_objects() -> None:
    image = np.full((60, 80, 3), 120, np.uint8)
    ids = np.full((60, 80), -1, np.int16)
    ids[10:40, 10:50] = 0
    ids[50:53, 60:63] = 1  # too small for a print
    changed = np.zeros((60, 80), bool)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        result = printed(image, ids, 1e-9 if seed % 3 == 0 else 0.99, rng)
        assert result.shape == image.shape and result.dtype == np.uint8
        if seed % 3 == 0:
            assert np.array_equal(result, image)
        changed |= (result != image).any(2)
        assert np.array_equal(result[ids == 1], image[ids == 1])
    assert changed[ids == 0].mean() > 0.9 and np.array_equal(image, np.full_like(image, 120))


def test_jpeg_changes_some_pictures_a_little() -> None:
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (64, 96, 3), np.uint8), (0, 0), 4.0)
    image[..., 0] //= 2  # red and blue must not change places
    changed = []
    for seed in range(40):
        result = as_jpeg(image, np.random.default_rng(seed))
        assert result.shape == image.shape and result.dtype == np.uint8
        changed.append(not np.array_equal(result, image))
        np.testing.assert_allclose(result.mean((0, 1)), image.mean((0, 1)), atol=3)
    assert 8 <= sum(changed) <= 28
