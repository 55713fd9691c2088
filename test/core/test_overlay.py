"""Pictures of instances: what is in front has its colour, all else stays, texts lie on their objects."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from saom_core.instances import Instances, MaskCrop
from saom_core.overlay import draw_overlay, instance_color, name_and_score

SIZE = (60, 90)
RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 256, (*SIZE, 3), np.uint8)


def instances_of(*masks: np.ndarray) -> Instances:
    scores = np.linspace(0.9, 0.5, len(masks)).astype(np.float32)
    return Instances.from_masks(SIZE, [MaskCrop.from_dense(mask) for mask in masks], scores)


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def near_an_edge(mask: np.ndarray) -> np.ndarray:
    """Pixels that an outline may touch: some neighbour within two pixels has another value, or is off the image."""
    padded = np.pad(mask, 2)
    height, width = mask.shape
    shifted = [padded[i : i + height, j : j + width] for i in range(5) for j in range(5)]
    return np.logical_or.reduce([shift != mask for shift in shifted])


def test_each_pixel_against_the_definition() -> None:
    table, mug, blob = rectangle(10, 0, 60, 80), rectangle(20, 20, 40, 40), rectangle(30, 30, 55, 70)
    instances = instances_of(table, mug, blob)
    drawn = draw_overlay(IMAGE, instances, alpha=0.4, labels=False)
    # the smallest mask is in front: mug 400 px, blob 1000 px, table 4000 px
    outline = near_an_edge(table) | near_an_edge(mug) | near_an_edge(blob)
    checked = 0
    for y, x in np.argwhere(~outline):
        front = next((k for k, mask in ((1, mug), (2, blob), (0, table)) if mask[y, x]), None)
        expected = IMAGE[y, x].astype(float)
        if front is not None:
            expected = 0.6 * expected + 0.4 * np.array(instance_color(front))
        assert np.abs(drawn[y, x] - expected).max() <= 1
        checked += front is not None
    assert checked > 1000


def test_outlines_have_the_full_colour() -> None:
    drawn = draw_overlay(IMAGE, instances_of(rectangle(10, 10, 50, 80)), labels=False)
    assert (
        np.abs(drawn[10, 20:70].astype(int) - instance_color(0)).max() <= 16
    )  # OpenCV blends the middle of its lines a little


def test_nothing_found_is_the_picture_itself_in_a_copy() -> None:
    drawn = draw_overlay(IMAGE, Instances.empty(SIZE))
    np.testing.assert_array_equal(drawn, IMAGE)
    drawn[:] = 0
    assert IMAGE.any()


@pytest.mark.parametrize("at", [(0, 0), (59, 89), (30, 40)])
def test_one_pixel(at: tuple[int, int]) -> None:
    mask = np.zeros(SIZE, bool)
    mask[at] = True
    drawn = draw_overlay(IMAGE, instances_of(mask), labels=False)
    assert (drawn != IMAGE).any(axis=-1)[at]
    assert draw_overlay(IMAGE, instances_of(mask)).shape == IMAGE.shape


def test_a_text_lies_on_its_ring_not_in_its_hole() -> None:
    y, x = np.mgrid[:300, :300]
    radius = np.hypot(y - 150, x - 150)
    ring = (radius < 120) & (radius > 100)
    image = np.zeros((300, 300, 3), np.uint8)
    instances = Instances.from_masks((300, 300), [MaskCrop.from_dense(ring)], np.ones(1, np.float32))
    text = (draw_overlay(image, instances, labels=["x"]) == (20, 20, 20)).all(axis=-1)
    assert text.any() and np.abs(radius[text] - 110).min() < 10 and not text[150, 150]


def test_a_tracked_object_keeps_its_colour() -> None:
    one, two = rectangle(5, 5, 20, 20), rectangle(30, 30, 50, 60)
    before = dataclasses.replace(instances_of(one, two), track_ids=np.array([7, 8], np.int32))
    after = dataclasses.replace(instances_of(two, one), track_ids=np.array([8, 7], np.int32))
    np.testing.assert_array_equal(draw_overlay(IMAGE, before, labels=False), draw_overlay(IMAGE, after, labels=False))


def test_the_number_beside_a_name_is_the_score_of_the_name() -> None:
    masks = [rectangle(5, 5, 20, 20)] * 4
    known = dataclasses.replace(
        instances_of(*masks),
        scores=np.array([0.94, 0.9, 0.8, 0.7], np.float32),
        class_names=("Vase", "Other", "", "Cup"),
        class_scores=np.array([0.51, 0.6, 0.3, 0.0], np.float32),
    )
    texts = [name_and_score(known, k) for k in range(4)]
    assert texts == ["Vase 0.51", "Other 0.90", "object 0.80", "Cup 0.70"]


def written(*boxes: tuple[int, int, int, int]) -> list[bool]:
    """Whether each of some rectangles, by falling score, has its text in the middle, in a picture of 160 x 120."""
    size_hw, masks = (120, 160), []
    for top, left, bottom, right in boxes:
        mask = np.zeros(size_hw, bool)
        mask[top:bottom, left:right] = True
        masks.append(MaskCrop.from_dense(mask))
    found = Instances.from_masks(size_hw, masks, np.linspace(0.9, 0.5, len(masks)).astype(np.float32))
    image = np.full((*size_hw, 3), 128, np.uint8)
    ground = (draw_overlay(image, found) == (20, 20, 20)).all(axis=-1)
    return [bool(ground[(y0 + y1) // 2 - 4 : (y0 + y1) // 2 + 4, x0:x1].any()) for y0, x0, y1, x1 in boxes]


def test_a_text_hides_neither_its_object_nor_another_text() -> None:
    large, below, small = (0, 0, 50, 160), (60, 0, 110, 160), (112, 70, 119, 80)
    assert written(large, below) == [True, True]
    assert written(large, small) == [True, False], "larger than its object"
    image, best, texts = np.zeros((120, 160, 3), np.uint8), np.array([0.9, 0.8], np.float32), ["IIII", "MM"]
    for bottom, rows_of_text in ((100, 2), (34, 1)):
        mask = np.zeros((120, 160), bool)
        mask[20:bottom, 20:140] = True
        one, two = (Instances.from_masks((120, 160), [MaskCrop.from_dense(mask)] * n, best[:n]) for n in (1, 2))
        first, both = ((draw_overlay(image, it, labels=texts[: len(it)]) > 200).all(axis=-1) for it in (one, two))
        assert first.any() and both[first].all(), "the better one's text is where it is alone"
        assert (both.sum() > first.sum()) == (rows_of_text == 2), "the other one goes higher or lower, or is left out"
