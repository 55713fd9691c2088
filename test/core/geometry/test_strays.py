"""Which pixels of a mask show the thing: far ends that recede stay, what is behind a mask's border does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from tabletop import CAMERA, SIZE_HW, Tabletop

from saom_core.geometry.strays import depth_range, own_pixels
from saom_core.instances import Instances, MaskCrop
from saom_core.places.measure import measure

FIRST = 3
NOISE_M = 0.001


def box_of(scene: Tabletop, spill_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes, ascending, and centre in the world of the first thing's box, by a mask that spills over its border."""
    depth, owner = scene.drawn(NOISE_M)
    mask = cv2.dilate((owner == FIRST).astype(np.uint8), np.ones((2 * spill_px + 1,) * 2, np.uint8)) > 0
    instances = Instances.from_masks(SIZE_HW, [MaskCrop.from_dense(mask)], np.ones(1, np.float32))
    boxes = measure(instances, depth, CAMERA).boxes3d
    assert boxes is not None
    return np.sort(boxes.sizes_m[0]), boxes.centers_m[0] @ scene.axes - scene.distance_m * scene.axes[2]


@pytest.mark.parametrize("down_deg", [15.0, 20.0, 30.0, 45.0])
@pytest.mark.parametrize("spill_px", [0, 1, 2])
def test_a_carton_along_the_view_is_as_long_as_it_is(down_deg: float, spill_px: int) -> None:
    """Its front has more pixels than its top, and a table beside it is as deep as the carton is long.

    A row of pixels of its top is 10 mm deep at 15 degrees, and the outermost ones are left out.
    """
    sizes, center = box_of(Tabletop(down_deg, 0.7).put((0.0, 0.0), (0.06, 0.25, 0.06)), spill_px)
    np.testing.assert_allclose(sizes, [0.06, 0.06, 0.25], atol=0.012)
    np.testing.assert_allclose(center, [0.0, 0.0, 0.03], atol=0.011)


@pytest.mark.parametrize("spill_px", [0, 1, 2])
@pytest.mark.parametrize("turn_deg", [12.0, 25.0])
def test_the_table_behind_a_tall_thing_is_none_of_it(spill_px: int, turn_deg: float) -> None:
    sizes, center = box_of(Tabletop(35.0, 0.75).put((0.0, 0.0), (0.19, 0.06, 0.25), turn_deg=turn_deg), spill_px)
    np.testing.assert_allclose(sizes, [0.06, 0.19, 0.25], atol=0.008 + 0.003 * spill_px)
    np.testing.assert_allclose(center, [0.0, 0.0, 0.125], atol=0.008 + 0.002 * spill_px)


def test_flying_pixels_are_dropped() -> None:
    rng = np.random.default_rng(0)
    depths = rng.normal(1.0, 0.004, 200).astype(np.float32)
    depths[:20] = 2.5
    low, high = depth_range(depths, 0.02)
    kept = depths[(depths >= low) & (depths <= high)]
    assert kept.max() < 1.1 and len(kept) >= 170
    depths[:20] = np.linspace(1.1, 2.5, 20)  # spread between the thing and what is behind it
    assert depth_range(depths, 0.02)[1] < 1.15


def test_what_hangs_together_against_a_walk_from_point_to_point() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        ends = np.sort(rng.uniform(0.5, 1.5, 6))
        depths = np.concatenate([rng.uniform(a, b, 60) for a, b in zip(ends[::2], ends[1::2], strict=True)])
        low, high = depth_range(depths, 0.05)
        ordered = np.sort(depths)
        middle = np.median(depths)
        spread = 3 * max(1.4826 * np.median(np.abs(depths - middle)), 0.01)
        inside = np.flatnonzero(np.abs(ordered - middle) <= spread)
        first, last = inside[0], inside[-1]
        while last + 1 < len(ordered) and ordered[last + 1] - ordered[last] <= 0.05:
            last += 1
        while first and ordered[first] - ordered[first - 1] <= 0.05:
            first -= 1
        assert (low, high) == pytest.approx((ordered[first], ordered[last]))


def test_thin_parts_and_small_masks_keep_their_pixels() -> None:
    mask, depths = np.zeros((60, 60), bool), np.full((60, 60), 2.0, np.float32)
    mask[20:40, 20:40] = True
    mask[30, 40:55] = True  # a handle of one pixel's width
    depths[mask] = 1.0
    np.testing.assert_array_equal(own_pixels(mask, depths, 0.002), mask)
    spilt = mask.copy()
    spilt[18:42, 18:20] = True
    np.testing.assert_array_equal(own_pixels(spilt, depths, 0.002), mask)
    depths[np.random.default_rng(0).random(depths.shape) < 0.1] = 0
    np.testing.assert_array_equal(own_pixels(mask, depths, 0.002), mask & (depths > 0))
    for shape in ((1, 1), (1, 40), (3, 3)):
        np.testing.assert_array_equal(own_pixels(np.ones(shape, bool), np.ones(shape, np.float32), 0.002), True)
    assert not own_pixels(mask, np.zeros((60, 60), np.float32), 0.002).any()
