"""Loss terms against naive computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saom_training.assign import BACKGROUND
from saom_training.recipes.losses import (
    IGNORED,
    box_losses,
    compiled_mask_terms,
    mask_iou,
    mask_losses,
    mask_terms,
    semantic_losses,
)


def test_dice_against_loop() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(4, 5, 6)), (rng.random((4, 5, 6)) > 0.5).astype(float)
    expected = []
    for x, t in zip(logits, truth, strict=True):
        p = 1 / (1 + np.exp(-x))
        expected.append(1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
    torch.testing.assert_close(mask_losses(torch.tensor(logits), torch.tensor(truth))[1], torch.tensor(expected))


def test_mask_iou_and_empty_masks() -> None:
    a, b = torch.zeros(2, 4, 4, dtype=torch.bool), torch.zeros(2, 4, 4, dtype=torch.bool)
    a[0, :2], b[0, 1:3] = True, True
    torch.testing.assert_close(mask_iou(a, b), torch.tensor([4 / 12, 0.0]))
    half = torch.full((1, 4, 4), 0.5)  # a mask over pixels that the object half covers
    torch.testing.assert_close(mask_iou(torch.ones(1, 4, 4), half), torch.tensor([0.5]))


def test_the_best_mask_of_a_small_object_is_a_perfect_one() -> None:
    """Of a disc of 3 mask pixels, of which its edge covers most but in part; a mask of half of it is half as good."""
    y, x = np.mgrid[:80, :80]
    fine = torch.from_numpy(((y - 37) ** 2 + (x - 42) ** 2 <= 15**2).astype(np.float32))
    truth = torch.nn.functional.avg_pool2d(fine[None], 10)
    best = truth > 0.5
    assert ((truth > 0) & (truth < 1)).sum() > best.sum() / 2
    torch.testing.assert_close(mask_iou(best, truth), torch.ones(1))
    half = best.clone()
    half[..., int(best[0].nonzero()[:, 1].median()) :] = False
    assert 0 < half.sum() < best.sum()
    torch.testing.assert_close(mask_iou(half, truth), (half.sum() / best.sum())[None])


@pytest.mark.slow
def test_compiled_terms_and_gradients_equal_plain_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(3, 8, 8, generator=generator)
    answers = []
    for terms in (mask_terms, compiled_mask_terms()):
        logits = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        focal, dice, iou = terms(logits, truth)
        (focal.sum() + dice.sum()).backward()
        answers.append((focal.detach(), dice.detach(), iou, logits.grad))
    torch.testing.assert_close(answers[0], answers[1])


def test_semantic_loss_against_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, weights = torch.randn(2, 4, 3, 5, generator=generator), torch.tensor([1.0, 2.0, 0.5, 0.2])
    truth = torch.randint(BACKGROUND, 3, (2, 3, 5), generator=generator)
    truth[0, 0] = IGNORED
    assert (truth == BACKGROUND).any()
    costs = []
    for b, y, x in np.ndindex(2, 3, 5):
        if truth[b, y, x] != IGNORED:
            label = 3 if truth[b, y, x] == BACKGROUND else truth[b, y, x]
            costs.append(-weights[label] * logits[b, :, y, x].log_softmax(0)[label])
    total, count = semantic_losses(logits, truth, weights)
    torch.testing.assert_close(total / count, torch.stack(costs).mean())
    assert count == len(costs) and semantic_losses(logits, torch.full_like(truth, IGNORED), weights) == (0, 0)


def test_box_losses() -> None:
    assert float(box_losses(torch.zeros(0, 4), torch.zeros(0, 4))) == 0
    same = torch.tensor([[0.1, 0.2, 0.5, 0.6]])
    assert float(box_losses(same, same)) == pytest.approx(0, abs=1e-6)
    assert float(box_losses(same + 0.1, same)) > 0.1
    apart = torch.tensor([[0.5, 0.2, 0.9, 0.6]])  # touches: IoU 0, hull fully covered
    assert float(box_losses(apart, same)) == pytest.approx(5 * 0.8 / 4 + 1, abs=1e-5)
