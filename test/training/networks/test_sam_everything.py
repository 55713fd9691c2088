"""The exported everything mode of SAM's own decoder: against a naive one, prompt by prompt; chunks; no class head."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch
from sam_scenes import TINY, one_thread  # noqa: F401
from torch import Tensor, nn

from saom_core.model_file.contract import OUTPUTS
from saom_core.sam.decoder import PointDecoder
from saom_core.sam.low_masks import MOST_BOX_IOU
from saom_core.sam.network import SamModel
from saom_training.networks.chunks import in_chunks
from saom_training.networks.everything import grid_prompts_xy
from saom_training.networks.fast_head import sam_pixels
from saom_training.networks.sam_everything import SamEverythingGraph

SIZE_HW = (48, 64)
ONE_OBJECT = {"training": json.dumps({"config": {"suppress_duplicates": True}})}


@pytest.fixture
def model(tiny_stand_in: SamModel) -> SamModel:
    """Answers each point with three discs, and knows how good they are."""
    return tiny_stand_in


def picture(seed: int = 0) -> Tensor:
    return torch.randint(0, 255, (*SIZE_HW, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def answer(graph: nn.Module, image: Tensor, prompts: Tensor, limits: tuple[float, ...]) -> dict[str, np.ndarray]:
    with torch.no_grad():
        values = graph(image, None, prompts, *map(torch.tensor, limits))
    return {name: value.numpy() for name, value in zip(OUTPUTS, values, strict=True)}


def naive(
    model: SamModel, image: Tensor, prompts: Tensor, limits: tuple[float, ...], best_alone: bool = False
) -> list[tuple[float, np.ndarray, tuple[float, float], int]]:
    """Everything mode in loops: score, logits, point, class of what stays, best first."""
    score_threshold, stability_threshold, nms_iou = limits
    pixels = sam_pixels(image[None], tuple(model.sam.pixel_mean.flatten()), tuple(model.sam.pixel_std.flatten()), 64)
    decoder = PointDecoder(model.sam)
    tokens = decoder.image_tokens(model.sam.image_encoder(pixels))
    found = []
    for point in prompts:
        prompt = decoder.decode(tokens, point[None])
        logits = decoder.mask_logits(prompt, torch.tensor([0]), (3, 4))[0]
        for k in [int(prompt.predicted_iou[0].argmax())] if best_alone else range(3):
            mask = logits[k].numpy()
            high, low = (mask > 1).sum(), (mask > -1).sum()
            score = float(prompt.predicted_iou[0, k])
            if (mask > 0).any() and score > 0 and score >= score_threshold and high / low >= stability_threshold:
                names = model.class_head(prompt.class_token)[0]  # type: ignore[misc]
                found.append((score, mask, tuple(point.tolist()), int(names.argmax())))
    found.sort(key=lambda row: -row[0])
    most = min(nms_iou, MOST_BOX_IOU)
    boxes = {id(row[1]): box_of(row[1]) for row in found}
    return greedy(found, lambda a, b: box_iou(boxes[id(a[1])], boxes[id(b[1])]) > most)  # type: ignore[return-value]


def greedy(rows: list, same: object) -> list:
    kept: list = []
    for row in rows:
        if not any(same(row, other) for other in kept):  # type: ignore[operator]
            kept.append(row)
    return kept


def box_of(logits: np.ndarray) -> tuple[float, ...]:
    """Box of the mask that is enlarged 64 times, in pixels of the input."""
    size_wh = (64 * logits.shape[1], 64 * logits.shape[0])
    rows, columns = np.nonzero(cv2.resize(logits, size_wh, interpolation=cv2.INTER_LINEAR) > 0)
    return columns.min() / 16, rows.min() / 16, (columns.max() + 1) / 16, (rows.max() + 1) / 16


def box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared) if sum(areas) > shared else 0.0


@pytest.mark.parametrize("limits", [(0.0, 0.0, 1.0), (0.3, 0.7, 0.3), (2.0, 0.0, 1.0)])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("best_alone", [False, True])
def test_against_naive_everything_mode(model: SamModel, limits: tuple[float, ...], seed: int, best_alone: bool) -> None:
    prompts = grid_prompts_xy(4, 3, SIZE_HW)
    taught = dataclasses.replace(model, metadata=ONE_OBJECT) if best_alone else model
    actual = answer(SamEverythingGraph(taught, 5, 36), picture(seed), prompts, limits)
    with torch.no_grad():
        expected = naive(model, picture(seed), prompts, limits, best_alone)
    assert (limits[0] == 2.0) == (not expected)
    rows = np.flatnonzero(actual["scores"] > 0)
    assert len(rows) == len(expected)
    for row, (score, mask, point, name) in zip(rows, expected, strict=True):
        assert actual["scores"][row] == pytest.approx(score, abs=1e-4)
        np.testing.assert_allclose(actual["masks"][row], mask, atol=2e-3, rtol=1e-3)
        assert tuple(actual["points"][row].tolist()) == pytest.approx(point)
        assert actual["class_ids"][row] == name
    assert actual["masks"].shape == (36, 12, 16) and actual["image_embedding"].shape == (TINY.dim, 3, 4)


@pytest.mark.parametrize("at_once", [0, 1, 7])
def test_prompts_at_once_change_nothing(model: SamModel, at_once: int) -> None:
    prompts = grid_prompts_xy(4, 3, SIZE_HW)
    expected = answer(SamEverythingGraph(model, 12, 20), picture(), prompts, (0.0, 0.0, 0.9))
    actual = answer(SamEverythingGraph(model, at_once, 20), picture(), prompts, (0.0, 0.0, 0.9))
    for name in OUTPUTS:
        np.testing.assert_allclose(actual[name], expected[name], atol=1e-3, rtol=1e-3, err_msg=name)


def test_without_class_head_nothing_is_named(model: SamModel) -> None:
    plain = SamModel(model.sam, model.sizes)
    found = answer(SamEverythingGraph(plain, 4, 20), picture(), grid_prompts_xy(3, 3, SIZE_HW), (0.0, 0.0, 0.9))
    assert (found["class_ids"] == -1).all() and (found["class_scores"] == 0).all() and found["scores"][0] > 0


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_chunks_give_each_row_its_own_result(count: int) -> None:
    rows = torch.arange(float(count * 2)).reshape(count, 2)
    seen = []

    def function(chunk: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(chunk))
        return chunk.sum(1), chunk * 2

    sums, doubled = in_chunks(function, rows, 4)
    torch.testing.assert_close(sums, rows.sum(1))
    torch.testing.assert_close(doubled, rows * 2)
    assert max(seen) <= 4
