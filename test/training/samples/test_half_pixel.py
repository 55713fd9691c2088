"""Training pictures keep colour, depth and masks on the same pixel: ramps whose value is the place say where they are.

Each test sends through a warp what says its own source column or row, and asks whether the modalities agree with each
other and with the exact map of pixel centres.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from saom_training.prompts.location_prior import at_embedding_size
from saom_training.samples.augment import AugmentConfig, _random_placement, _warp
from saom_training.samples.object_crops import KEPT, KEPT_WIDEN, _picture
from saom_training.samples.views import View, _placed, window_of
from saom_training.simulators.rooms.sensor import DepthCamera, _moved

SIZE_HW = (120, 160)
RAMP_X = np.ascontiguousarray(np.broadcast_to(np.arange(SIZE_HW[1], dtype=np.float32), SIZE_HW))
RAMP_Y = np.ascontiguousarray(np.broadcast_to(np.arange(SIZE_HW[0], dtype=np.float32)[:, None], SIZE_HW))
NONE = -100.0


@pytest.mark.parametrize("seed", range(6))
def test_a_training_picture_comes_from_where_its_placement_says(seed: int) -> None:
    config = AugmentConfig(size_hw=(96, 128))
    matrix = _random_placement(SIZE_HW, config, np.random.default_rng(seed))
    rows, columns = np.indices(config.size_hw)
    centres = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    sources = (centres - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    for axis, ramp in enumerate((RAMP_X, RAMP_Y)):
        wanted = sources[:, axis].reshape(config.size_hw)
        smooth = _warp(ramp, matrix, config.size_hw, cv2.INTER_LINEAR, NONE)
        nearest = _warp(ramp, matrix, config.size_hw, cv2.INTER_NEAREST, NONE)
        ids = _warp(ramp.astype(np.int16), matrix, config.size_hw, cv2.INTER_NEAREST, NONE)
        # where the border takes no part
        inside = ((sources > 1) & (sources < np.array(SIZE_HW[::-1]) - 2)).all(axis=1).reshape(config.size_hw)
        assert inside.mean() > 0.2
        assert np.abs(smooth - wanted)[inside].max() < 0.1
        assert np.abs(nearest - wanted)[inside].max() < 0.6 and abs((nearest - wanted)[inside].mean()) < 0.02
        apart = np.abs(ids - nearest)[inside]  # integers and floats differ only where two pixels are equally near
        assert apart.max() <= 1 and apart.mean() < 0.002


def test_the_middle_of_a_placement_is_the_middle_of_the_picture() -> None:
    """Scaled to just fit, the picture's corners lie on the input's corners, not on the centres of its corner pixels."""
    config = AugmentConfig(size_hw=(96, 128), scale=(1.0, 1.0))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        matrix = _random_placement(SIZE_HW, config, rng)
        middle = matrix @ [(SIZE_HW[1] - 1) / 2, (SIZE_HW[0] - 1) / 2, 1]
        np.testing.assert_allclose(middle, [(128 - 1) / 2, (96 - 1) / 2], atol=1e-9)


@pytest.mark.parametrize("mirror", [False, True])
def test_masks_of_a_view_lie_on_its_picture(mirror: bool) -> None:
    for axis, ramp in enumerate((RAMP_Y, RAMP_X)):
        length = SIZE_HW[axis]
        # one mask for each half of the picture: their border is at a known value of the ramp
        halves = np.stack([ramp < length / 2, ramp >= length / 2])
        picture = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
        plain = View(picture, halves, np.zeros(2, np.int64), np.full(2, -1), np.zeros(SIZE_HW, bool))
        view = _placed(plain, 0.73, mirror, np.random.default_rng(1))
        low, high = (view.image_rgb[mask][:, 0].astype(float) for mask in view.masks)
        assert low.max() <= length / 2 and high.min() >= length / 2 - 1.01
        window = window_of(SIZE_HW, 0.73, np.random.default_rng(1))[axis]
        wanted = window.start + (np.arange(length) + 0.5) * (window.stop - window.start) / length - 0.5
        if mirror and axis == 1:
            wanted = wanted[::-1]
        got = view.image_rgb[..., 0].mean(axis=1 - axis)
        inside = (wanted > window.start + 0.5) & (wanted < window.stop - 1.5)
        assert np.abs(got - wanted)[inside].max() <= 1.01  # whole grey values, cut off below


def test_the_crop_of_an_object_has_colour_mask_and_depth_on_one_pixel() -> None:
    mask = np.zeros(SIZE_HW, bool)
    mask[30:90, 40:120] = True
    box = np.array([40, 30, 120, 90], np.float32)
    for axis, ramp in enumerate((RAMP_X, RAMP_Y)):
        picture = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
        # depth that is nearer in one half: its edge lies where the ramp passes the middle
        middle = (80, 60)[axis]
        inverse = np.where(ramp < middle, np.float32(1.0), np.float32(1.1))
        crop = _picture(picture, inverse, mask, box, np.float32(1.0)).astype(float)
        size, centre = (80, 60)[axis] * KEPT_WIDEN, (80, 60)[axis]
        wanted = centre + ((np.arange(KEPT) + 0.5) / KEPT - 0.5) * size - 0.5
        line = crop[0].mean(axis=axis - 0 if axis == 0 else 1)
        inside = (wanted > 2) & (wanted < SIZE_HW[1 - axis] - 3)
        assert np.abs(line - wanted)[inside].max() < 1.5 and abs((line - wanted)[inside].mean()) < 0.6
        covered = crop[-1].max(axis=axis) > 127
        edges = wanted[covered][[0, -1]]
        lengths = ((40, 119), (30, 89))[axis]
        step = size / KEPT
        assert np.abs(edges - lengths).max() <= 0.5 + step / 2
        depth = crop[3].mean(axis=axis)
        jump = int(np.abs(np.diff(depth)).argmax())
        assert abs((wanted[jump] + wanted[jump + 1]) / 2 - (middle - 0.5)) <= 0.5 + step / 2


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.0, -3.0), (1.4, 0.0)])
def test_a_sensor_moves_depth_by_its_shift_alone(shift: tuple[float, float]) -> None:
    camera = DepthCamera(False, 0.0, 0.0, 0.0, (0.0, 10.0), 0.0, shift, (0, 0, 0, 0), 0.0)
    for ramp, by in ((RAMP_X, shift[0]), (RAMP_Y, shift[1])):
        moved = _moved(ramp, camera, np.random.default_rng(0))
        inner = np.s_[5:-5, 5:-5]
        np.testing.assert_array_equal(moved[inner], ramp[inner] + np.round(by))


@pytest.mark.parametrize("flip", [1, 2])
def test_image_tokens_of_a_mask_favour_no_side(flip: int) -> None:
    """A mask that is mirrored has mirrored tokens; an offset of half a pixel would show on one side."""
    rng = np.random.default_rng(0)
    masks = np.zeros((5, 96, 96), bool)
    for mask in masks:
        top, left = rng.integers(0, 60, 2)
        mask[top : top + rng.integers(3, 36), left : left + rng.integers(3, 36)] = True
    plain = at_embedding_size(masks, (128, 128), 16).numpy()
    turned = at_embedding_size(np.ascontiguousarray(np.flip(masks, flip)), (128, 128), 16).numpy()
    np.testing.assert_array_equal(np.flip(turned, flip), plain)
