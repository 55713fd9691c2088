"""The paper's recipe, term by term, against a computation of its own that knows nothing of this repository's code.

What is computed here is what the authors' published code computes for one image, one image a process, and what
DistributedDataParallel makes of several processes. Where the recipe differs on purpose, docs/decisions.md says so.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sam_scenes import TINY, one_thread, tiny_model  # noqa: F401
from torch import Tensor, nn

from saom_core.sam.network import SamModel
from saom_training.recipes.sam import PAPER, SAOM, SamTuneConfig, image_terms
from saom_training.running.optimizer import set_learning_rate
from saom_training.running.processes import Processes
from saom_training.running.step import Terms, sums_of, train_step
from saom_training.samples.embedded_pictures import NO_CLASS, SamItem
from saom_training.trainees.sam import SamAnswers, SamTrainee

Float = npt.NDArray[np.float64]
CLASSES = 5
FLOAT32 = dataclasses.replace(PAPER, bf16=False)


def image_of(objects: int, seed: int) -> tuple[SamAnswers, SamItem]:
    """An image with so many objects, one prompt each, and what a network might answer."""
    rng = torch.Generator().manual_seed(seed)
    masks = (torch.rand(objects, 12, 16, generator=rng) > 0.7).float()
    item = SamItem(
        torch.zeros(32, 4, 4),
        (48, 64),
        torch.rand(objects, 2, generator=rng) * 48,
        torch.arange(objects),
        masks,
        torch.randint(CLASSES, (objects,), generator=rng),
    )
    scores = torch.rand(objects, 3, generator=rng)
    logits = 3 * torch.randn(objects, 3, 12, 16, generator=rng)
    return SamAnswers(scores, logits, torch.randn(objects, CLASSES, generator=rng)), item


def paper_terms(answers: SamAnswers, item: SamItem) -> dict[str, float]:
    """Dice, focal and class loss of one image in NumPy."""
    scores, logits = answers.predicted_iou.numpy(), answers.mask_logits.numpy().astype(np.float64)
    assert answers.class_logits is not None
    names = answers.class_logits.numpy().astype(np.float64)
    dice, focal, entropy = 0.0, 0.0, []
    for k, truth in enumerate(item.masks.numpy().astype(np.float64)):
        x = logits[k, int(np.argmax(scores[k]))]  # the mask that the network itself thinks best
        p: Float = 1 / (1 + np.exp(-x))
        dice += 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)
        of_right = np.where(truth > 0, p, 1 - p)
        alpha = np.where(truth > 0, 0.25, 0.75)
        focal += float(np.mean(-alpha * (1 - of_right) ** 2 * np.log(of_right)))
        entropy.append(math.log(np.exp(names[k]).sum()) - names[k, int(item.class_ids[k])])
    return {"dice": dice, "focal": focal, "class": float(np.mean(entropy))}


def means(terms: Terms) -> dict[str, float]:
    return {name: float(term.total) / max(1, term.count) for name, term in terms.items()}


@pytest.mark.parametrize("objects", [1, 2, 7, 300])
def test_each_term_of_one_image(objects: int) -> None:
    answers, item = image_of(objects, objects)
    ours = means(image_terms(answers, item, PAPER))
    assert set(ours) == {"dice", "focal", "class", "iou"}
    for name, value in paper_terms(answers, item).items():
        assert ours[name] == pytest.approx(value, rel=1e-4), name
        assert image_terms(answers, item, PAPER)[name].weight == 1


def test_seven_objects_have_seven_times_the_mask_loss_of_the_mean() -> None:
    """The paper's loss and a mean over masks agree on one object and part company on more."""
    answers, item = image_of(7, 0)
    of_image = means(image_terms(answers, item, PAPER))
    of_masks = means(image_terms(answers, item, dataclasses.replace(PAPER, image_losses=False)))
    for name, factor in (("dice", 7), ("focal", 7), ("class", 1)):
        assert of_image[name] == pytest.approx(factor * of_masks[name], rel=1e-5)
    assert not SAOM.image_losses


class Answering(nn.Module):
    """Answers every image with parameters of its own, so that the gradient of the loss stands in them."""

    def __init__(self, answers: list[SamAnswers]) -> None:
        super().__init__()
        self.scores = [one.predicted_iou for one in answers]
        self.masks = nn.ParameterList([one.mask_logits.clone() for one in answers])
        self.names = nn.ParameterList([one.class_logits.clone() for one in answers if one.class_logits is not None])

    def forward(self, items: list[SamItem]) -> list[SamAnswers]:
        return [SamAnswers(*one) for one in zip(self.scores, self.masks, self.names, strict=True)]


def stepped(network: nn.Module, items: list[SamItem], config: SamTuneConfig) -> dict[str, float]:
    """One step of training without a change of the weights."""

    def terms_of(answers: list[SamAnswers], items: list[SamItem]) -> Terms:
        return sums_of([image_terms(one, item, config) for one, item in zip(answers, items, strict=True)])

    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    return train_step(network, optimizer, items, terms_of, config, Processes.join())


def test_a_step_of_several_images_is_the_mean_of_their_losses_as_of_processes_with_one_each() -> None:
    """A picture with many objects counts no less and no more than the authors' processes let it count."""
    pairs = [image_of(objects, 10 + objects) for objects in (7, 1, 3)]
    network = Answering([answers for answers, _ in pairs])
    values = stepped(network, [item for _, item in pairs], FLOAT32)
    each = [paper_terms(*pair) for pair in pairs]
    assert values["total"] == pytest.approx(np.mean([sum(terms.values()) for terms in each]), rel=1e-4)
    for k, (answers, item) in enumerate(pairs):
        chosen = answers.predicted_iou.argmax(1)
        masks = answers.mask_logits.double().requires_grad_(True)
        names = answers.class_logits.double().requires_grad_(True)  # type: ignore[union-attr]
        (image_loss(masks, names, chosen, item) / len(pairs)).backward()
        assert masks.grad is not None and network.masks[k].grad is not None
        torch.testing.assert_close(network.masks[k].grad.double(), masks.grad, atol=1e-7, rtol=1e-3)
        torch.testing.assert_close(network.names[k].grad.double(), names.grad, atol=1e-7, rtol=1e-3)


def image_loss(masks: Tensor, names: Tensor, chosen: Tensor, item: SamItem) -> Tensor:
    """`paper_terms` once more, for gradients: mask by mask, no helper of torch's for losses."""
    total = torch.zeros((), dtype=torch.float64)
    for k, truth in enumerate(item.masks.double()):
        p = 1 / (1 + torch.exp(-masks[k, chosen[k]]))
        total = total + 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)
        right = torch.where(truth > 0, p, 1 - p)
        alpha = torch.where(truth > 0, 0.25, 0.75)
        total = total + (-alpha * (1 - right) ** 2 * right.log()).mean()
        total = total + (names[k].exp().sum().log() - names[k, item.class_ids[k]]) / len(item.masks)
    return total


def test_an_image_without_objects_or_without_names_has_no_part_in_the_mean() -> None:
    full, nameless = image_of(3, 1), image_of(2, 2)
    nameless = nameless[0], dataclasses.replace(nameless[1], class_ids=torch.full((2,), NO_CLASS))
    empty_item = dataclasses.replace(
        full[1], points_xy=torch.zeros(0, 2), targets=torch.zeros(0, dtype=torch.long),
        masks=torch.zeros(0, 12, 16), class_ids=torch.zeros(0, dtype=torch.long),
    )  # fmt: skip
    empty = SamAnswers(torch.zeros(0, 3), torch.zeros(0, 3, 12, 16), torch.zeros(0, CLASSES)), empty_item
    terms = means(sums_of([image_terms(*pair, PAPER) for pair in (full, nameless, empty)]))
    first = paper_terms(*full)
    second = paper_terms(nameless[0], image_of(2, 2)[1])
    assert terms["class"] == pytest.approx(first["class"], rel=1e-4)
    assert terms["dice"] == pytest.approx((first["dice"] + second["dice"]) / 2, rel=1e-4)
    assert terms["focal"] == pytest.approx((first["focal"] + second["focal"]) / 2, rel=1e-4)


def test_the_optimiser_is_the_authors() -> None:
    """AdamW with torch's own betas and weight decay, and an epsilon of 1e-4; nothing is clipped or averaged."""
    theirs = torch.optim.AdamW([torch.zeros(1)], lr=1e-3, eps=1e-4).defaults
    ours = {"lr": PAPER.learning_rate, "eps": PAPER.adam_epsilon, "weight_decay": PAPER.weight_decay}
    assert ours == {name: theirs[name] for name in ours}
    assert (PAPER.epochs, PAPER.batch, PAPER.clip_norm, PAPER.ema_decay, PAPER.warmup_steps) == (500, 1, 0, 0, 0)
    assert (PAPER.views, PAPER.prompts_per_object, PAPER.background_prompts, PAPER.jitter) == (1, 1, 0, 0)
    assert (PAPER.supervised, PAPER.quality_weight, PAPER.train_encoder) == ("predicted", 0, False)


def test_the_cosine_falls_with_every_step_and_is_never_far_from_the_authors_which_falls_with_every_epoch() -> None:
    images, epochs = 6, PAPER.epochs
    theirs = torch.optim.AdamW([torch.zeros(1)], lr=PAPER.learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, epochs)
    ours = torch.optim.AdamW([torch.zeros(1)])
    largest = 0.0
    for step in range(epochs * images):
        set_learning_rate(ours, PAPER, step, epochs * images)
        largest = max(largest, abs(ours.param_groups[0]["lr"] - theirs.param_groups[0]["lr"]))
        theirs.step()
        if (step + 1) % images == 0:
            scheduler.step()
    assert 0 < largest <= PAPER.learning_rate * math.pi / (2 * epochs)


def test_no_gradient_reaches_the_iou_head_by_the_choice_of_the_mask() -> None:
    answers, item = image_of(4, 3)
    model = SamModel(tiny_model().sam, TINY, nn.Linear(TINY.dim, CLASSES), ("a",) * CLASSES)
    trainee = SamTrainee(model).requires_grad_(True)
    item = dataclasses.replace(item, image=torch.randn(TINY.dim, 4, 4))
    (answers,) = trainee([item])
    sum(term.total for term in image_terms(answers, item, PAPER).values()).backward()
    heads = dict(trainee.mask_decoder.iou_prediction_head.named_parameters())
    assert heads and all(parameter.grad is None for parameter in heads.values())
    assert trainee.class_head is not None and trainee.class_head.weight.grad is not None
