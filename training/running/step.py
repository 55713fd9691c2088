"""One step of every training: answers, terms of the loss, gradient, new weights; nothing that is not finite gets in."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .checks import TrainingError
from .config import RunConfig
from .precision import mixed_precision
from .processes import Processes

T = TypeVar("T")
_REMEDY = "lower the learning rate, or check the data set"


@dataclass(frozen=True)
class Term:
    """One term of the loss: the sum over its cases (masks, say, or images), their number, the weight of their mean.

    Sums and counts are added up over all images of all processes before the mean is taken, so that the loss does not
    depend on how a batch is spread.
    """

    total: Tensor
    count: int
    weight: float


Terms = dict[str, Term]


def sums_of(per_image: Sequence[Terms]) -> Terms:
    """The terms of several images as those of one."""
    return {
        name: Term(
            torch.stack([terms[name].total.float() for terms in per_image]).sum(),
            sum(terms[name].count for terms in per_image),
            first.weight,
        )
        for name, first in per_image[0].items()
    }


def of_each_image(
    image_terms: Callable[[Any, Any, Any], Terms], config: RunConfig
) -> Callable[[Sequence[Any], Sequence[Any]], Terms]:
    """The terms of a batch, from a recipe's (answers to an image, its item, config) -> terms."""
    return lambda answers, items: sums_of(
        [image_terms(one, item, config) for one, item in zip(answers, items, strict=True)]
    )


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    terms_of: Callable[[Any, Any], Terms],
    config: RunConfig,
    processes: Processes,
) -> dict[str, float]:
    """One optimisation step.

    Args:
        model: gives the answers to a batch.
        optimizer: of the model's weights.
        batch: what the model takes: tensors in lists and dataclasses, on any device.
        terms_of: the terms of the loss, from answers and batch.
        config: of the gradient's norm and the precision.
        processes: that take the step together, each with a batch of its own.

    Returns:
        The terms' means over all processes, and their weighted sum as "total".

    Raises:
        TrainingError: a term or the gradient is not finite. No weight has changed; all terms are in the message.
    """
    batch = on_device(batch, processes.device)
    with mixed_precision(processes.device, config.bf16):
        answers = model(batch)
    terms = terms_of(answers, batch)
    sums = torch.stack([term.total.float() for term in terms.values()])
    counts = processes.total(sums.new_tensor([term.count for term in terms.values()])).clamp(min=1)
    weights = sums.new_tensor([term.weight for term in terms.values()])
    # DistributedDataParallel averages the gradients of the processes, where their sum is wanted: hence `count` times
    loss = processes.count * (weights * sums / counts).sum()
    means = processes.total(sums.detach()) / counts
    values = {"total": float((weights * means).sum()), **dict(zip(terms, means.tolist(), strict=True))}
    check_loss(values)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    clip_gradient(model, config.clip_norm or math.inf, values)
    optimizer.step()
    return values


def on_device(value: T, device: torch.device) -> T:
    """Tensors on the device, and lists and dataclasses with all tensors in them there; other values as they are."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, list):
        return [on_device(one, device) for one in value]  # type: ignore[return-value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        moved = {field.name: on_device(getattr(value, field.name), device) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **moved)
    return value


def check_loss(values: Mapping[str, float]) -> None:
    """TrainingError, with every value, unless all of a step's values are finite."""
    if not all(math.isfinite(value) for value in values.values()):
        raise TrainingError(f"expected a finite loss, got {dict(values)}: {_REMEDY}")


def clip_gradient(model: nn.Module, max_norm: float, values: Mapping[str, float]) -> None:
    """Scales the gradient down to a largest norm, in place.

    A finite loss can have a gradient that is not finite, and one step with it ruins all weights: so it is checked here.

    Args:
        model: after `backward`.
        max_norm: largest norm; infinity: nothing is scaled.
        values: of the step, for the message.

    Raises:
        TrainingError: the gradient is not finite.
    """
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), max_norm))
    if not math.isfinite(norm):
        raise TrainingError(
            f"expected a finite gradient, got one of norm {norm} of a loss of {dict(values)}: {_REMEDY}"
        )
