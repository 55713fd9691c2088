"""The moving average against its formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from saom_training.running.optimizer import moving_average


@pytest.mark.parametrize("decay", [0.0, 0.25, 0.998])
def test_follows_its_formula(decay: float) -> None:
    network = nn.Linear(1, 1, bias=False)
    network.register_buffer("seen", torch.zeros((), dtype=torch.int64))
    average = moving_average(network, decay)
    expected = 0.0
    for step in range(300):
        nn.init.constant_(network.weight, float(step))
        network.seen.fill_(step)
        average.update_parameters(network)
        kept = min(decay, (1 + step) / (10 + step)) if step else 0.0
        expected = kept * expected + (1 - kept) * step
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert average.module.seen.dtype == torch.int64
    assert decay == 0 or expected < 299


def test_a_short_run_saves_what_it_learned() -> None:
    """Not what it began with: less than a hundredth of that is left after 300 steps at the usual decay."""
    network = nn.Linear(1, 1, bias=False)
    average = moving_average(network, 0.998)
    nn.init.constant_(network.weight, 1.0)
    average.update_parameters(network)
    nn.init.constant_(network.weight, 0.0)
    for _ in range(299):
        average.update_parameters(network)
    assert 0 <= average.module.weight.item() < 0.01
