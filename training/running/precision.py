"""Automatic mixed precision, where it pays."""

from __future__ import annotations

import functools
import logging

import torch
from torch import Tensor, nn

logger = logging.getLogger("saom")


def mixed_precision(device: torch.device, wanted: bool = True) -> torch.autocast:
    """Autocast to bfloat16, if it is wanted and the device computes in it; else a context that changes nothing.

    A CPU without such instructions emulates them: a training step takes five to ten times as long as in float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and computes_in_bf16(device.type))


@functools.cache
def computes_in_bf16(device_type: str) -> bool:
    """Whether the device has instructions for bfloat16; said once in the log if not."""
    if device_type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # torch has no public function that tells it of a processor
        supported = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if not supported:
        logger.info("this %s does not compute in bfloat16: float32 instead", device_type)
    return supported


class _Float32Conv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def keep_depthwise_exact(network: nn.Module) -> None:
    """Lets depthwise convolutions compute in float32 under autocast, in place.

    On a CPU their backward pass in bfloat16 takes more than twice the time that it takes in float32.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and 1 < module.groups == module.in_channels:
            module.__class__ = _Float32Conv
