"""The SAM-family network that a training begins with: a checkpoint with a class head, or a new small base."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from saom_core.config import option_field
from saom_core.errors import ConfigError
from saom_core.runtime import BUNDLED_MODEL
from saom_core.sam.network import SamModel, SamSizes, build_sam, convolutional_sizes

from ..dataset import Dataset
from ..networks.checkpoint import encoder_hash, prompting_hash
from ..networks.encoder import depth_channels
from ..networks.onnx_weights import network_from_onnx
from ..networks.tiny import SaomTiny
from ..running.checks import begin_together, check_data
from ..running.config import EpochConfig
from ..running.processes import Processes
from ..samples.pieces import PiecesConfig

logger = logging.getLogger("saom")
_FLAT_PX = 512  # of a picture without depth, in whose middle nothing is seen of its border
_SHARPER = 2.0  # factor on torch's first weights: places that are equal then have clearly higher scores


@dataclass(frozen=True)
class BaseStartConfig(PiecesConfig):
    """A run of a small SAM-like base: the shape of its network, and what it sees. Errors as `RunConfig`."""

    image_size: int = option_field(384, "Side of the encoder's input", unit="px", minimum=64, maximum=1024)
    dim: int = option_field(256, "Width of embedding and decoder", minimum=64)
    decoder_heads: int = option_field(8, "Attention heads of the decoder", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_size % 32 or self.dim % 16:
            raise ConfigError(
                f"expected image_size divisible by 32 and dim by 16, got {self.image_size} and {self.dim}"
            )

    def sizes(self, backbone: str) -> SamSizes:
        """The network: a convolutional encoder, and SAM's decoder (at SAM's width and heads unless told otherwise)."""
        return SamSizes(
            **convolutional_sizes(backbone, self.image_size),
            dim=self.dim,
            mask_prompt_channels=16,
            masks=3,
            decoder_depth=2,
            decoder_mlp_dim=4 * self.dim,
            attention_downsample=2,
            iou_depth=3,
            iou_dim=self.dim,
            decoder_heads=self.decoder_heads,
        )


def begin_on(
    model: SamModel,
    data: Dataset,
    out: Path,
    config: EpochConfig,
    class_names: Sequence[str] | None,
    record: dict[str, Any],
) -> tuple[tuple[str, ...], Processes, dict[str, Any]]:
    """What every training on a SAM checkpoint begins with, whichever head is trained.

    Arguments and errors are those of `recipes.sam.finetune`.

    Returns:
        Names of the class head, the processes of the run, and what a checkpoint tells of it beside its step.
    """
    check_data(data, class_names)
    names = tuple(class_names or data.class_names)
    processes = Processes.join()
    torch.manual_seed(config.seed)
    base = {"encoder": encoder_hash(model.sam), "weights": prompting_hash(model), "size": model.sizes.name}
    ended = begin_together(out, data, config, processes, {"class_names": list(names), "base": base, **record})
    return names, processes, {"data": data.info, "config": vars(config), "base": base, **ended, **record}


def with_class_head(model: SamModel, class_names: tuple[str, ...]) -> SamModel:
    """The model with a class head for these names: its own where the names are its own, else a new one."""
    if model.class_head is not None:
        if model.class_names == class_names:
            return model
        logger.warning(
            "other classes than the network's: its class head starts anew, for %d instead of %d (see --classes)",
            len(class_names),
            len(model.class_names),
        )
    head = nn.Linear(model.sizes.dim, len(class_names))
    return SamModel(model.sam, model.sizes, head, class_names, model.metadata)


@torch.no_grad()
def new_base(config: BaseStartConfig) -> SamModel:
    """A network with saom-tiny's encoder for colour, in which a prompt looks at its own place from the first step.

    Where tokens and image attend to each other, queries and keys start with the same projection of the positional code,
    so that equal places match. Without that the network spends hundreds of steps on learning it.
    """
    tiny, _ = network_from_onnx(BUNDLED_MODEL)
    sizes = config.sizes(tiny.config.encoder)
    sam = build_sam(sizes)
    learned = _seen_without_depth(tiny)
    encoder = sam.image_encoder.state_dict()
    sam.image_encoder.load_state_dict({name: learned.get(name, value) for name, value in encoder.items()})
    transformer = sam.mask_decoder.transformer
    to_image = [block.cross_attn_token_to_image for block in transformer.layers]
    for attention in (*to_image, transformer.final_attn_token_to_image):
        attention.q_proj.weight.mul_(_SHARPER)
        attention.k_proj.weight.copy_(attention.q_proj.weight)
    for block in transformer.layers:
        block.cross_attn_image_to_token.q_proj.weight.copy_(block.cross_attn_image_to_token.k_proj.weight)
    return SamModel(sam, sizes)


def _seen_without_depth(tiny: SaomTiny) -> dict[str, torch.Tensor]:
    """Weights of an encoder for RGB that sees what this one sees where there is no depth.

    A branch for depth answers the same everywhere then, but at the border: that goes into the laterals' biases.
    """
    learned = tiny.state_dict()
    if not tiny.config.depth_width:
        stem = next(name for name, value in learned.items() if name.startswith("encoder.") and value.ndim == 4)
        return learned | {stem: learned[stem][:, :3]}  # the other channels are depth's
    nothing = depth_channels(torch.zeros(1, _FLAT_PX, _FLAT_PX))
    for stride, added in zip((4, 8, 16, 32), tiny.depth_branch.eval()(nothing), strict=True):
        middle = added[0, :, added.shape[2] // 2, added.shape[3] // 2]
        name = f"lateral{stride}.bias"
        learned[name] = learned[name] + middle
    return learned
