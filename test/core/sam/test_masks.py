"""Masks enlarged in their window against the whole image enlarged by segment-anything's two interpolations."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from torch.nn import functional as F  # noqa: E402

from saom_core.sam.masks import MaskEnlarger  # noqa: E402


def naive(logits: torch.Tensor, input_hw: tuple[int, int], image_hw: tuple[int, int]) -> torch.Tensor:
    """`Sam.postprocess_masks` of (K, h, w) logits."""
    height, width = logits.shape[1:]
    fine = F.interpolate(logits[None], (4 * height, 4 * width), mode="bilinear", align_corners=False)
    fine = fine[..., : input_hw[0], : input_hw[1]]
    return F.interpolate(fine, image_hw, mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize(
    ("input_hw", "image_hw"),
    [((64, 48), (64, 48)), ((64, 40), (500, 313)), ((30, 64), (7, 15)), ((1, 64), (1, 900)), ((64, 64), (1, 1))],
)
@pytest.mark.parametrize("spread", ["everywhere", "spots"])
def test_counts_boxes_and_pixels(input_hw: tuple[int, int], image_hw: tuple[int, int], spread: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(12, 16, 16) * 3
    if spread == "spots":
        logits -= 8
        for k in range(10):  # the last two stay empty
            y, x = torch.randint(0, 16, (2,)).tolist()
            logits[k, y : y + 2, x : x + 3] += 12
    whole = naive(logits, input_hw, image_hw)
    enlarger = MaskEnlarger((16, 16), input_hw, image_hw, torch.device("cpu"))
    found = enlarger.measure(logits, 0.0, 0.5)
    assert found.above_high.tolist() == (whole > 0.5).sum((1, 2)).tolist()
    assert found.above_low.tolist() == (whole > -0.5).sum((1, 2)).tolist()
    for k, mask in enumerate((whole > 0).numpy()):
        assert bool(found.empty[k]) == (not mask.any())
        if found.empty[k]:
            assert found.boxes_xyxy[k].tolist() == [0, 0, 0, 0]
            continue
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert found.boxes_xyxy[k].tolist() == [columns[0], rows[0], columns[-1], rows[-1]]
        window = found.windows[k]
        assert window is not None
        crop = enlarger.pixels(enlarger.cut(logits[k], window), window, 0.0)
        np.testing.assert_array_equal(crop.dense(image_hw), mask)
