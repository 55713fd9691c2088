"""Depthwise convolutions compute in float32 where all else is in bfloat16."""

from __future__ import annotations

import copy

import torch
from torch import nn

from saom_training.running.precision import keep_depthwise_exact


def test_depthwise_convolutions_alone_compute_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    depthwise, grouped, plain = nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=2), nn.Conv2d(8, 8, 3)
    network = nn.ModuleList([depthwise, grouped, plain])
    before, names = copy.deepcopy(depthwise), list(network.state_dict())
    keep_depthwise_exact(network)
    x = torch.randn(2, 8, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        found = depthwise(x.bfloat16())
        assert grouped(x).dtype == plain(x).dtype == torch.bfloat16
    assert found.dtype == torch.float32 and torch.equal(found, before(x.bfloat16().float()))
    found.square().mean().backward()
    assert depthwise.weight.grad is not None and depthwise.weight.grad.dtype == torch.float32
    assert torch.equal(depthwise(x), before(x)), "without autocast nothing changes"
    assert list(network.state_dict()) == names and isinstance(copy.deepcopy(depthwise), nn.Conv2d)
