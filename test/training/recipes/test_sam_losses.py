"""The losses of SAM fine-tuning against naive ones, what each option changes in them, and gradients of the decoder."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from sam_scenes import TINY, tiny_model
from torch import nn

from saom_core.sam.decoder import PointDecoder
from saom_core.sam.network import SamModel
from saom_training.assign import BACKGROUND
from saom_training.recipes import base as base_recipe
from saom_training.recipes.base import SamBaseConfig, base_terms
from saom_training.recipes.losses import mask_iou, mask_losses
from saom_training.recipes.sam import PAPER, SAOM, SamTuneConfig, image_terms
from saom_training.running.step import Term
from saom_training.samples.embedded_pictures import NO_CLASS, SamItem
from saom_training.samples.pieces import BaseItem
from saom_training.trainees import sam as sam_trainee
from saom_training.trainees.sam import SamAnswers, SamTrainee
from saom_training.trainees.sam_start import new_base


@pytest.fixture
def item() -> SamItem:
    """Four prompts (the second one on the background) on two objects, one of a class that is not the model's."""
    rng = torch.Generator().manual_seed(0)
    masks = torch.zeros(2, 12, 16)
    masks[0, 2:8, 3:9] = 1
    masks[0, 8, 3:9] = 0.25
    masks[1, 5:11, 10:15] = 1
    points = torch.rand(4, 2, generator=rng) * 48
    targets = torch.tensor([0, BACKGROUND, 1, 0])
    image = torch.randn(32, 4, 4, generator=rng)
    return SamItem(image, (48, 64), points, targets, masks, torch.tensor([2, NO_CLASS]))


@pytest.fixture
def answers() -> SamAnswers:
    rng = torch.Generator().manual_seed(1)
    return SamAnswers(
        torch.rand(4, 3, generator=rng),
        2 * torch.randn(3, 3, 12, 16, generator=rng),
        torch.randn(3, 5, generator=rng),
    )


def naive_terms(answers: SamAnswers, item: SamItem, config: SamTuneConfig) -> dict[str, float]:
    """Prompt by prompt, pixel by pixel; means."""
    sums: dict[str, list[float]] = {"dice": [], "focal": [], "iou": [], "class": [], "quality": []}
    on_object = -1
    for n, target in enumerate(item.targets.tolist()):
        if target == BACKGROUND:
            sums["quality"] += [float(score) ** 2 for score in answers.predicted_iou[n]]
            continue
        on_object += 1
        truth = item.masks[target].numpy()
        losses = []
        for logits in answers.mask_logits[on_object].numpy():
            overlap = size = focal = both = either = 0.0
            for x, t in zip(logits.ravel().tolist(), truth.ravel().tolist(), strict=True):
                p = 1 / (1 + math.exp(-x))
                overlap, size = overlap + p * t, size + p + t
                entropy = -t * math.log(p) - (1 - t) * math.log(1 - p)
                miss = 1 - (p * t + (1 - p) * (1 - t))
                alpha = config.focal_alpha * t + (1 - config.focal_alpha) * (1 - t)
                focal += alpha * entropy * miss**config.focal_gamma / truth.size
                both, either = both + (x > 0 and t > 0.5), either + (x > 0 or t > 0.5)
            losses.append((focal, 1 - (2 * overlap + 1) / (size + 1), both / either))
        scores = answers.predicted_iou[n].tolist()
        if config.supervised == "predicted":
            best = scores.index(max(scores))
        else:
            costs = [config.focal_weight * focal + config.dice_weight * dice for focal, dice, _ in losses]
            best = costs.index(min(costs))
        sums["focal"].append(losses[best][0])
        sums["dice"].append(losses[best][1])
        sums["iou"].append(losses[best][2])
        for k, score in enumerate(scores):
            worse = losses[k][2] < 0.9 * losses[best][2]
            wanted = 0.0 if worse and config.suppress_duplicates else losses[k][2]
            sums["quality"].append((score - wanted) ** 2)
        label = int(item.class_ids[target])
        if label != NO_CLASS:
            logits = answers.class_logits[on_object].double().numpy()  # type: ignore[index]
            sums["class"].append(float(np.log(np.exp(logits).sum()) - logits[label]))
    return {name: sum(values) / len(values) for name, values in sums.items()}


def mean(term: Term) -> float:
    return float(term.total.detach()) / max(1, term.count)


@pytest.mark.parametrize("supervised", ["predicted", "least_loss"])
@pytest.mark.parametrize("suppress", [False, True])
def test_terms_against_loops(answers: SamAnswers, item: SamItem, supervised: str, suppress: bool) -> None:
    config = dataclasses.replace(SAOM, supervised=supervised, suppress_duplicates=suppress, focal_alpha=0.4)
    expected = naive_terms(answers, item, config)
    terms = image_terms(answers, item, config)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert mean(terms[name]) == pytest.approx(value, rel=1e-4), name
    assert (terms["dice"].count, terms["class"].count, terms["quality"].count) == (3, 2, 12)


def total(answers: SamAnswers, item: SamItem, config: SamTuneConfig) -> float:
    return sum(term.weight * mean(term) for term in image_terms(answers, item, config).values())


@pytest.mark.parametrize(
    "change",
    [
        {"supervised": "predicted"},
        {"suppress_duplicates": False},
        {"quality_weight": 0.5},
        {"focal_weight": 1.0},
        {"focal_gamma": 0.0},
        {"focal_alpha": 0.5},
        {"dice_weight": 2.0},
        {"class_weight": 0.0},
    ],
)
def test_each_option_changes_the_loss(answers: SamAnswers, item: SamItem, change: dict[str, object]) -> None:
    assert total(answers, item, dataclasses.replace(SAOM, **change)) != pytest.approx(total(answers, item, SAOM))  # type: ignore[arg-type]


def test_perfect_masks_cost_nothing_and_empty_ones_have_no_overlap() -> None:
    truth = torch.zeros(2, 6, 6)
    truth[0, 1:4, 2:5] = 1
    logits = (truth[:, None] * 2 - 1) * 30
    focal, dice = mask_losses(logits, truth[:, None], 0.25, 2.0)
    torch.testing.assert_close(focal, torch.zeros(2, 1))
    torch.testing.assert_close(dice, torch.zeros(2, 1), atol=1e-4, rtol=0)
    assert mask_iou(logits > 0, truth[:, None]).tolist() == [[1.0], [0.0]]


def test_background_alone_teaches_scores_only(item: SamItem) -> None:
    nothing = dataclasses.replace(item, targets=torch.full((4,), BACKGROUND), masks=torch.zeros(0, 12, 16))
    model = tiny_model()
    trainee = SamTrainee(SamModel(model.sam, TINY, nn.Linear(TINY.dim, 5), ("a",) * 5))
    trainee.freeze_unused(quality=True, classes=True)
    (answers,) = trainee([nothing])
    terms = image_terms(answers, nothing, SAOM)
    assert mean(terms["quality"]) == pytest.approx(float(answers.predicted_iou.square().mean()), rel=1e-5)
    sum(term.weight * term.total for term in terms.values()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in trainee.parameters() if p.requires_grad)
    assert float(trainee.class_head.weight.grad.abs().max()) == 0


def test_every_trained_weight_has_a_gradient_and_the_others_none(item: SamItem) -> None:
    for config, frozen in ((SAOM, ()), (PAPER, ("mask_decoder.iou_prediction_head",))):
        trainee = SamTrainee(SamModel(tiny_model().sam, TINY, nn.Linear(TINY.dim, 5), ("a",) * 5))
        trainee.freeze_unused(quality=config.quality_weight > 0, classes=True)
        (answers,) = trainee([item])
        sum(term.weight * term.total for term in image_terms(answers, item, config).values()).backward()
        for name, parameter in trainee.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, name
            if name.startswith(frozen or ("-",)):
                assert not parameter.requires_grad, name
        assert "image_encoder" not in {name.split(".")[0] for name, _ in trainee.named_parameters()}


def test_gradients_are_segment_anything_s(item: SamItem) -> None:
    """The decoder that serves inference, against the modules' own forward."""
    ours, theirs = tiny_model().sam.requires_grad_(True), tiny_model().sam.requires_grad_(True)
    points, embedding = item.points_xy, item.image[None]
    decoder = PointDecoder(ours)
    prompts = decoder.decode(decoder.image_tokens(embedding), points)
    logits = decoder.mask_logits(prompts, torch.arange(4), (4, 4))
    sparse, dense = theirs.prompt_encoder((points[:, None], torch.ones(4, 1)), None, None)
    masks, scores = theirs.mask_decoder(embedding, theirs.prompt_encoder.get_dense_pe(), sparse, dense, True)
    torch.testing.assert_close(logits, masks, atol=1e-5, rtol=1e-4)
    weights = torch.randn(masks.shape, generator=torch.Generator().manual_seed(5))
    ((logits * weights).sum() + prompts.predicted_iou.square().sum()).backward()
    ((masks * weights).sum() + scores.square().sum()).backward()
    compared = 0
    for (name, ours_p), theirs_p in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if theirs_p.grad is not None and ours_p.grad is not None:
            scale = float(theirs_p.grad.abs().max()) + 1e-3  # biases of keys have none but rounding
            torch.testing.assert_close(ours_p.grad / scale, theirs_p.grad / scale, atol=1e-3, rtol=1e-3, msg=name)
            compared += 1
    assert compared > 60


def test_base_takes_every_mask_that_holds_the_point(item: SamItem) -> None:
    """A part in its whole: both are right answers, the best of three masks learns each of them."""
    whole, part = torch.zeros(12, 16), torch.zeros(12, 16)
    whole[2:10, 2:12], part[3:6, 3:7] = 1, 1
    masks = torch.stack([whole, part])
    rng = torch.Generator().manual_seed(2)
    answers = SamAnswers(torch.rand(2, 3, generator=rng), torch.randn(2, 3, 12, 16, generator=rng), None)
    base = BaseItem(item.image, (48, 64), item.points_xy[:2], torch.zeros(2, dtype=torch.long), masks,
                    torch.zeros(2, dtype=torch.long), pairs=torch.tensor([[0, 0, 1], [0, 1, 0]]))  # fmt: skip
    config = SamBaseConfig()
    terms = base_terms([answers], [base], config)
    focal, dice, iou, error = [], [], [], []
    for n, t in ((0, 0), (0, 1), (1, 0)):
        of_three = []
        for mask in answers.mask_logits[n]:
            losses = mask_losses(mask, masks[t])
            of_three.append((float(losses[0]), float(losses[1]), float(mask_iou(mask > 0, masks[t]))))
        k = min(range(3), key=lambda k: config.focal_weight * of_three[k][0] + config.dice_weight * of_three[k][1])  # noqa: B023
        for values, value in zip((focal, dice, iou), of_three[k], strict=True):
            values.append(value)
        error.append((float(answers.predicted_iou[n, k]) - of_three[k][2]) ** 2)  # of the mask that learns alone
    assert mean(terms["focal"]) == pytest.approx(sum(focal) / 3, rel=1e-4)
    assert mean(terms["dice"]) == pytest.approx(sum(dice) / 3, rel=1e-4)
    assert mean(terms["iou"]) == pytest.approx(sum(iou) / 3, rel=1e-4)
    assert mean(terms["quality"]) == pytest.approx(sum(error) / 3, rel=1e-4)


def test_pictures_at_once_have_the_terms_of_pictures_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the points of all pictures go through decoder and loss together."""
    config = SamBaseConfig(image_size=64, dim=64, decoder_heads=4)
    model = new_base(config)
    trainee = SamTrainee(model, with_encoder=True)
    rng = torch.Generator().manual_seed(0)
    items = []
    for hw, points in (((48, 64), 3), ((64, 40), 2), ((48, 64), 1)):
        masks = torch.rand(2, hw[0] // 4, hw[1] // 4, generator=rng)
        pairs = torch.tensor([[k, t] for k in range(points) for t in range(1 + k % 2)]).T
        places = torch.rand(points, 2, generator=rng) * torch.tensor(hw[::-1])
        image = torch.randint(0, 256, (3, *hw), dtype=torch.uint8, generator=rng)
        nothing = torch.zeros(2, dtype=torch.long)
        items.append(BaseItem(image, hw, places, torch.zeros(points, dtype=torch.long), masks, nothing, pairs=pairs))
    found = {}
    for name, groups in (("one by one", lambda some, _: [[one] for one in some]), ("at once", lambda some, _: [some])):
        monkeypatch.setattr(sam_trainee, "at_once", groups)
        monkeypatch.setattr(base_recipe, "at_once", groups)
        answers = trainee(items)
        assert [one.mask_logits.shape[2:] for one in answers] == [(12, 16), (16, 10), (12, 16)]
        found[name] = base_terms(answers, items, config)
    for name, term in found["at once"].items():
        assert mean(term) == pytest.approx(mean(found["one by one"][name]), rel=1e-4, abs=1e-6), name
