"""The two checks that stop a training before a weight becomes NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from .checks import TrainingError

_REMEDY = "lower the learning rate, or check the data set"


def check_loss(values: Mapping[str, float]) -> None:
    """TrainingError, with every value, unless all of a step's values are finite."""
    if not all(math.isfinite(value) for value in values.values()):
        raise TrainingError(f"expected a finite loss, got {dict(values)}: {_REMEDY}")


def clip_gradient(network: nn.Module, max_norm: float, values: Mapping[str, float]) -> None:
    """Clips the gradient in place; a finite loss can have one that is not, and one step with it ruins all weights.

    Args:
        network: after `backward`.
        max_norm: largest norm; infinity: nothing is clipped.
        values: of the step, for the message.

    Raises:
        TrainingError: the gradient is not finite.
    """
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), max_norm))
    if not math.isfinite(norm):
        raise TrainingError(
            f"expected a finite gradient, got one of norm {norm} of a loss of {dict(values)}: {_REMEDY}"
        )
