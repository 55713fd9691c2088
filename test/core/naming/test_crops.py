"""Squares round things, against a loop over pixels."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.instances import MaskCrop
from saom_core.naming.crops import square_crops, square_masks


@pytest.mark.parametrize(("x", "y"), [(20, 15), (0, 0), (50, 30), (52, 0)])
def test_a_square_of_the_crops_own_size_is_the_picture_and_its_edge_goes_on(x: int, y: int) -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    mask = MaskCrop(x, y, np.ones((10, 8), np.bool_))
    (crop,) = square_crops(image, [mask], 10)
    left, top = (x + x + 8 - 10) // 2, y
    for row in range(10):
        for column in range(10):
            inside = image[min(max(top + row, 0), 39), min(max(left + column, 0), 59)]
            np.testing.assert_array_equal(crop[row, column], inside)


def test_a_thing_is_in_the_middle_at_every_scale() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:140, 200:280] = 255
    for scale in (16, 64, 224):
        (crop,) = square_crops(image, [MaskCrop(200, 100, np.ones((40, 80), np.bool_))], scale)
        weights = crop[..., 0].astype(float)
        middle = (np.indices(weights.shape) * weights).sum(axis=(1, 2)) / weights.sum()
        np.testing.assert_allclose(middle, (scale - 1) / 2, atol=0.02 * scale)
        assert weights.mean() / 255 == pytest.approx(0.5, rel=0.1)


def test_no_things_and_one_pixel() -> None:
    image = np.full((4, 4, 3), 7, np.uint8)
    assert square_crops(image, [], 8).shape == (0, 8, 8, 3)
    assert (square_crops(image, [MaskCrop(3, 3, np.ones((1, 1), np.bool_))], 8) == 7).all()


@pytest.mark.parametrize(("x", "y"), [(20, 15), (1, 1), (51, 29)])
def test_the_square_of_a_mask_lies_on_the_square_of_the_picture(x: int, y: int) -> None:
    crop = np.random.default_rng(1).random((10, 8)) < 0.6
    crop[[0, -1]], crop[:, [0, -1]] = True, True
    image = np.zeros((40, 60, 3), np.uint8)
    image[y : y + 10, x : x + 8][crop] = 255
    mask = MaskCrop(x, y, crop)
    (seen,), (share,) = square_crops(image, [mask], 10), square_masks([mask], 10)
    np.testing.assert_array_equal(seen[..., 0] / 255, share)
    assert share.sum() == crop.sum()
    (small,) = square_masks([mask], 5)
    np.testing.assert_allclose(small, share.reshape(5, 2, 5, 2).mean(axis=(1, 3)), atol=1e-6)


def test_masks_of_nothing_and_of_one_pixel() -> None:
    assert square_masks([], 8).shape == (0, 8, 8)
    share = square_masks([MaskCrop(3, 3, np.ones((1, 1), np.bool_))], 8)
    assert 0 < share.mean() < 1
