"""What can be exported: a saom-tiny, a fast head on a SAM encoder, or a SAM checkpoint with its two-way decoder.

Each becomes a module with the same inputs and outputs, its weights made ready for inference.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.utils import reparameterize_model
from torch import nn

from saom_core.errors import ConfigError
from saom_core.grid import trained_grid
from saom_core.sam.checkpoints import read_checkpoint
from saom_core.sam.network import SamModel, SamSizes

from .checkpoint import load_checkpoint
from .everything import EverythingGraph
from .fast_head import SamFast
from .sam_everything import PROMPTS_AT_ONCE, SamEverythingGraph
from .tiny import SaomTiny, batch_norm_pairs

HALF_FROM = 4096
"""Float weights with at least so many values are stored in half precision; smaller ones weigh nothing."""
FAST_PROMPTS_AT_ONCE = 1024
OUR_LICENSE = "Apache-2.0"
COSTLY_PX = 1024  # side of the input from which everything mode of a ViT takes minutes on a CPU


@dataclass
class Exportable:
    """A network as one module, and what the file is to say of it."""

    graph: nn.Module  # called as `EverythingGraph`
    name: str
    class_names: tuple[str, ...]
    network: dict[str, Any]  # kind and shape, JSON types
    record: dict[str, Any]  # of its training
    license: str
    uses_depth: bool
    divisor: int  # of height and width
    longest: int | None  # side of the input; None: any
    default_size_hw: tuple[int, int]
    prompts_at_once: int  # decoded at once; 0: all
    costly: bool  # everything mode takes minutes on a CPU, so the file is tried with few inputs
    masks_per_prompt: int = 1

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of the points that it was trained for; else the usual ones."""
        return trained_grid(self.record)

    def check_size(self, size_hw: tuple[int, int]) -> None:
        """Raises ConfigError unless the network can have an input of that size."""
        height, width = size_hw
        too_long = self.longest is not None and max(size_hw) > self.longest
        if min(size_hw) < 1 or height % self.divisor or width % self.divisor or too_long:
            longest = f", at most {self.longest}" if self.longest else ""
            raise ConfigError(
                f"size: expected width and height divisible by {self.divisor}{longest}, got {width}x{height}: "
                f"give another --size, such as {self.default_size_hw[1]}x{self.default_size_hw[0]}"
            )


def load_exportable(path: Path, prompts_at_once: int | None = None) -> Exportable:
    """What a checkpoint folder or file holds.

    Args:
        path: a folder of `saom finetune` (saom-tiny, fast head), or a checkpoint file of the SAM family.
        prompts_at_once: prompts decoded at once, which bounds memory; 0: all; None: what suits the network.

    Raises:
        ModelError: no checkpoint, or a damaged one.
        ConfigError: a number of prompts below 0.
    """
    if prompts_at_once is not None and prompts_at_once < 0:
        raise ConfigError(f"prompts_at_once: expected 0 (all) or more, got {prompts_at_once}")
    if path.is_file():
        model = read_checkpoint(path)
        return _of_sam(model, path, PROMPTS_AT_ONCE if prompts_at_once is None else prompts_at_once)
    network, record = load_checkpoint(path)
    network.requires_grad_(False)
    if isinstance(network, SaomTiny):
        return _of_tiny(network, record, prompts_at_once or 0)
    return _of_fast(network, record, FAST_PROMPTS_AT_ONCE if prompts_at_once is None else prompts_at_once)


def _of_tiny(network: SaomTiny, record: dict[str, Any], prompts_at_once: int) -> Exportable:
    return Exportable(
        graph=EverythingGraph(deployable(network), prompts_at_once=prompts_at_once).eval(),
        name="saom-tiny",
        class_names=network.config.class_names,
        network=network.config.to_dict(),
        record=record,
        license=OUR_LICENSE,
        uses_depth=True,
        divisor=32,
        longest=None,
        default_size_hw=(288, 384),
        prompts_at_once=prompts_at_once,
        costly=False,
    )


def _of_fast(network: SamFast, record: dict[str, Any], prompts_at_once: int) -> Exportable:
    fold_norms(network.eval())
    round_weights(network)
    sizes = network.config.sam
    return Exportable(
        graph=EverythingGraph(network, prompts_at_once=prompts_at_once).eval(),
        name=f"saom-fast-{sizes.name}",
        class_names=network.config.class_names,
        network=network.config.to_dict(),
        record=record,
        license=OUR_LICENSE,
        uses_depth=False,
        divisor=sizes.patch_size,
        longest=sizes.image_size,
        default_size_hw=default_sam_size(sizes),
        prompts_at_once=prompts_at_once,
        costly=sizes.image_size >= COSTLY_PX,
    )


def _of_sam(model: SamModel, path: Path, prompts_at_once: int) -> Exportable:
    fold_norms(model.sam.eval())
    round_weights(model.sam)
    if model.class_head is not None:
        round_weights(model.class_head)
    sizes = model.sizes
    training = model.metadata.get("training")
    return Exportable(
        graph=SamEverythingGraph(model, prompts_at_once).eval(),
        name=model.metadata.get("name", f"{path.stem} ({sizes.name})"),
        class_names=model.class_names,
        network={"sam": dataclasses.asdict(sizes), "decoder": "two-way"},
        record=json.loads(training) if training else {"checkpoint": path.name},
        license=model.metadata.get("license", f"that of {path.name}"),
        uses_depth=False,
        divisor=sizes.patch_size,
        longest=sizes.image_size,
        default_size_hw=default_sam_size(sizes),
        prompts_at_once=prompts_at_once,
        costly=sizes.image_size >= COSTLY_PX,
        masks_per_prompt=sizes.masks,
    )


def default_sam_size(sizes: SamSizes) -> tuple[int, int]:
    """Height and width of a 4:3 picture that fills the encoder's input in width."""
    patches = sizes.image_size // sizes.patch_size
    return max(1, patches * 3 // 4) * sizes.patch_size, patches * sizes.patch_size


def deployable(network: SaomTiny) -> SaomTiny:
    """The network for inference, changed in place: branches and batch norms folded, weights rounded."""
    network.eval()
    network.encoder = reparameterize_model(network.encoder)
    fold_norms(network)
    round_weights(network)
    return network


def fold_norms(network: nn.Module) -> None:
    """Folds batch norms into their convolutions, in place: the converter would do it after the weights are rounded."""
    for convolution, norm in batch_norm_pairs(network):
        replaced = network.get_submodule(norm)
        fused = nn.utils.fusion.fuse_conv_bn_eval(network.get_submodule(convolution), replaced)
        network.set_submodule(convolution, fused)
        network.set_submodule(norm, getattr(replaced, "act", nn.Identity()))  # timm's norms carry an activation


@torch.no_grad()
def round_weights(module: nn.Module) -> None:
    """Rounds weights to half precision, in place: torch computes with the numbers that the file holds."""
    for parameter in module.parameters():
        if parameter.numel() >= HALF_FROM:
            parameter.copy_(parameter.half().float())
