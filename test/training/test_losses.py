"""Loss terms against naive computations."""

from __future__ import annotations

import numpy as np
import torch

from training.assign import BACKGROUND
from training.losses import LossWeights, batch_loss, box_loss, dice_loss, mask_iou
from training.network import SaomTiny, TinyConfig


def test_dice_against_loop() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(4, 5, 6)), (rng.random((4, 5, 6)) > 0.5).astype(float)
    expected = []
    for x, t in zip(logits, truth, strict=True):
        p = 1 / (1 + np.exp(-x))
        expected.append(1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
    torch.testing.assert_close(dice_loss(torch.tensor(logits), torch.tensor(truth)), torch.tensor(expected))


def test_mask_iou_and_empty_masks() -> None:
    a, b = torch.zeros(2, 4, 4, dtype=torch.bool), torch.zeros(2, 4, 4, dtype=torch.bool)
    a[0, :2], b[0, 1:3] = True, True
    torch.testing.assert_close(mask_iou(a, b), torch.tensor([4 / 12, 0.0]))


def test_perfect_boxes_cost_nothing() -> None:
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.9]])
    assert box_loss(boxes, boxes) < 1e-5 and box_loss(boxes + 0.1, boxes) > 0.1


def test_background_teaches_quality_only() -> None:
    torch.manual_seed(0)
    network = SaomTiny(TinyConfig(("Mug", "Other"))).eval()
    features = network.encode(torch.zeros(1, 64, 64, 3), torch.zeros(1, 64, 64))
    answers = network.decode(features, torch.rand(1, 6, 2))
    total, terms = batch_loss(
        network,
        features,
        answers,
        targets=[torch.full((6,), BACKGROUND)],
        masks=[torch.zeros(0, 16, 16)],
        boxes=[torch.zeros(0, 4)],
        class_ids=[torch.zeros(0, dtype=torch.long)],
        weights=LossWeights(),
    )
    assert {name: float(term.detach()) for name, term in terms.items() if name != "quality"} == {
        "focal": 0,
        "dice": 0,
        "classes": 0,
        "box": 0,
    }
    expected = torch.nn.functional.softplus(answers.quality_logits).mean()  # BCE with target 0
    torch.testing.assert_close(total, expected)
