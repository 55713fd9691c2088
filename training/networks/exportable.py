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
from saom_core.prompting.grid import trained_grid
from saom_core.sam.checkpoints import read_checkpoint
from saom_core.sam.network import SamModel, SamSizes

from .checkpoint import load_checkpoint
from .everything import EverythingGraph
from .fast_head import SamFast
from .sam_everything import MAX_INSTANCES, PROMPTS_AT_ONCE, SamEverythingGraph
from .tiny import SaomTiny, batch_norm_pairs

HALF_FROM = 4096
"""Float weights with at least so many values are stored in half precision; smaller ones weigh nothing."""
FAST_PROMPTS_AT_ONCE = 1024
EXACT_BYTES = 1.9e9
"""A SAM checkpoint with fewer bytes of float32 is exported as it is; more do not fit into one ONNX message."""
EVERYTHING_ROWS = 100
"""Rows of the answer of a network with shared keys."""
OUR_LICENSE = "Apache-2.0"
COSTLY_PX = 1024  # side of the input from which everything mode of a ViT takes minutes on a CPU


@dataclass
class Exportable:
    """A network as one module, and what the file is to say of it."""

    graph: EverythingGraph | SamEverythingGraph
    name: str
    class_names: tuple[str, ...]
    network: dict[str, Any]  # kind and shape, JSON types
    record: dict[str, Any]  # what is known of its training
    license: str
    uses_depth: bool
    divisor: int  # height and width of the input are multiples of it
    longest: int | None  # side of the input; None: any
    default_size_hw: tuple[int, int]
    prompts_at_once: int  # decoded at once; 0: all
    costly: bool  # everything mode takes minutes on a CPU, so the file is tried with few inputs
    masks_per_prompt: int = 1
    exact: bool = False  # whether the weights are those of the checkpoint; else they are rounded to half precision

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

    def size_for(self, camera_hw: tuple[int, int] | None) -> tuple[int, int]:
        """Height and width of an input on which pictures of a camera leave as little padding as can be.

        Args:
            camera_hw: height and width of the camera's pictures; None: of every shape.

        Raises:
            ConfigError: no camera, and the network's input has no natural square.
        """
        step = self.divisor
        if self.longest is not None:  # the encoder sees a square anyway, whose longer side the picture fills
            height, width = camera_hw or (1, 1)
            scale = self.longest / max(height, width)
            fitted = (max(step, -(-round(height * scale) // step) * step), -(-round(width * scale) // step) * step)
            return min(fitted[0], self.longest), min(max(step, fitted[1]), self.longest)
        if camera_hw is None:
            raise ConfigError(
                "size auto: expected the size of the camera's pictures with it: give --camera WIDTHxHEIGHT"
            )
        most = self.default_size_hw[0] * self.default_size_hw[1]
        sizes = [(h, w) for h in range(step, most // step + 1, step) for w in range(step, most // h + 1, step)]
        # as many pixels of the picture as possible at the cost of the usual size
        return max(sizes, key=lambda size: _covered(camera_hw, size))


def _covered(picture_hw: tuple[int, int], size_hw: tuple[int, int]) -> float:
    """Pixels of an input that a picture covers, less a thousandth of the padding: of equals the smaller input."""
    scale = min(size_hw[0] / picture_hw[0], size_hw[1] / picture_hw[1])
    covered = picture_hw[0] * picture_hw[1] * scale**2
    return covered - 1e-3 * (size_hw[0] * size_hw[1] - covered)


def load_exportable(path: Path, prompts_at_once: int | None = None, max_instances: int | None = None) -> Exportable:
    """What a checkpoint folder or file holds.

    Args:
        path: a folder of `saom finetune` (saom-tiny, fast head), or a checkpoint file of the SAM family.
        prompts_at_once: prompts decoded at once, which bounds memory; 0: all; None: what suits the network.
        max_instances: rows of the answer; None: what suits the network.

    Raises:
        ModelError: no checkpoint, or a damaged one.
        ConfigError: a number of prompts below 0, or of rows below 1.
    """
    if max_instances is not None and max_instances < 1:
        raise ConfigError(f"max_instances: expected at least 1, got {max_instances}")
    if prompts_at_once is not None and prompts_at_once < 0:
        raise ConfigError(f"prompts_at_once: expected 0 (all) or more, got {prompts_at_once}")
    if path.is_file():
        model = read_checkpoint(path)
        return _of_sam(model, path, PROMPTS_AT_ONCE if prompts_at_once is None else prompts_at_once, max_instances)
    network, record = load_checkpoint(path)
    network.requires_grad_(False)
    if isinstance(network, SaomTiny):
        return _of_tiny(network, record, prompts_at_once or 0, max_instances)
    at_once = FAST_PROMPTS_AT_ONCE if prompts_at_once is None else prompts_at_once
    return _of_fast(network, record, at_once, max_instances)


def _of_tiny(network: SaomTiny, record: dict[str, Any], prompts_at_once: int, max_instances: int | None) -> Exportable:
    rows = max_instances or EVERYTHING_ROWS
    return Exportable(
        graph=EverythingGraph(deployable(network), _candidates(rows), rows, prompts_at_once).eval(),
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


def _candidates(rows: int) -> int:
    """Masks that are computed so that so many distinct ones are left; none of 540 was lost by 112 instead of 160."""
    return max(min(rows + 60, 120), rows + rows // 5)


def _of_fast(network: SamFast, record: dict[str, Any], prompts_at_once: int, max_instances: int | None) -> Exportable:
    rows = max_instances or EVERYTHING_ROWS
    fold_norms(network.eval())
    round_weights(network)
    sizes = network.config.sam
    return Exportable(
        graph=EverythingGraph(network, _candidates(rows), rows, prompts_at_once).eval(),
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


def _of_sam(model: SamModel, path: Path, prompts_at_once: int, max_instances: int | None) -> Exportable:
    fold_norms(model.sam.eval())
    sizes = model.sizes
    exact = sum(4 * parameter.numel() for parameter in model.sam.parameters()) < EXACT_BYTES
    training = model.metadata.get("training")
    graph = SamEverythingGraph(model, prompts_at_once, max_instances or MAX_INSTANCES).eval()
    if not exact:
        round_weights(graph)
    return Exportable(
        graph=graph,
        name=model.metadata.get("name", f"{path.stem} ({sizes.name})"),
        class_names=model.class_names,
        network={"sam": dataclasses.asdict(sizes), "decoder": "two-way"},
        record=json.loads(training) if training else {"checkpoint": path.name},
        license=model.metadata.get("license", f"that of {path.name}"),
        uses_depth=False,
        divisor=sizes.patch_size,
        longest=sizes.image_size,
        # the square that the encoder sees anyway: a picture of any shape has SAM's own scale
        default_size_hw=(sizes.image_size, sizes.image_size),
        prompts_at_once=prompts_at_once,
        costly=sizes.image_size >= COSTLY_PX,
        masks_per_prompt=sizes.masks,
        exact=exact,
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
        network.set_submodule(norm, getattr(replaced, "act", nn.Identity()))  # timm's norms include an activation


@torch.no_grad()
def round_weights(module: nn.Module) -> None:
    """Rounds weights to half precision, in place: torch computes with the numbers that the file holds."""
    for parameter in module.parameters():
        if parameter.numel() >= HALF_FROM:
            parameter.copy_(parameter.half().float())
