"""Boxes, stability and padding of mask logits against masks that are really enlarged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from segment_anything.utils.amg import calculate_stability_score  # noqa: E402

from saom_core.sam.low_masks import boxes_px, on_picture, stability_score  # noqa: E402


def random_logits(count: int = 12, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, 5, 7)).astype(np.float32) * 4 - 3
    return torch.from_numpy(np.stack([cv2.resize(one, (32, 24), interpolation=cv2.INTER_CUBIC) for one in coarse]))


@pytest.mark.parametrize("picture_wh", [(128, 96), (101, 96), (128, 37)])
def test_boxes_are_those_of_the_enlarged_masks(picture_wh: tuple[int, int]) -> None:
    width, height = picture_wh
    extent = torch.tensor([width, height], dtype=torch.float32)
    logits = on_picture(random_logits(), extent)
    compared = 0
    for mask, box in zip(logits, boxes_px(logits, extent), strict=True):
        large = cv2.resize(mask.numpy(), (128 * 8, 96 * 8), interpolation=cv2.INTER_LINEAR)
        rows, columns = np.nonzero(large > 0)
        if len(rows):
            expected = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 8
            expected = np.minimum(expected, [width, height] * 2)  # masks end with the picture
            np.testing.assert_allclose(box.numpy(), expected, atol=0.26)
            compared += 1
    assert compared >= 8


def test_an_empty_mask_has_no_box_and_one_pixel_has_one() -> None:
    logits = torch.full((3, 6, 8), -2.0)
    logits[1, 2, 3] = 2.0
    logits[2] = 2.0
    boxes = boxes_px(logits, torch.tensor([32.0, 24.0]))
    assert boxes[0].tolist() == [0, 0, 0, 0]
    assert boxes[1].tolist() == [12, 8, 16, 12]  # half-way to the neighbours on all sides
    assert boxes[2].tolist() == [0, 0, 32, 24]


@pytest.mark.parametrize("picture_px", [1, 4, 5, 30, 31, 32])
def test_what_a_pixel_of_the_picture_depends_on_stays(picture_px: int) -> None:
    """Enlarged by the interpolation that makes masks, pixels of the picture are what they were."""
    logits = random_logits(1)[:, :8, :8]
    kept = on_picture(logits, torch.tensor([float(picture_px), 32.0]))
    large, large_kept = (
        torch.nn.functional.interpolate(one[None], (32, 32), mode="bilinear")[0] for one in (logits, kept)
    )
    torch.testing.assert_close(large[..., :picture_px], large_kept[..., :picture_px])
    beyond = picture_px + 6
    assert beyond >= 32 or float(large_kept[..., beyond:].max()) < 0


def test_stability_is_segment_anything_s() -> None:
    logits = random_logits(20, 1)
    expected = calculate_stability_score(logits, 0.0, 1.0)
    filled = expected.isfinite()
    torch.testing.assert_close(stability_score(logits)[filled], expected[filled])
