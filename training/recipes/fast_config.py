"""Every choice of training a fast head on the frozen encoder of a SAM checkpoint, as a named option."""

from __future__ import annotations

from dataclasses import dataclass

from saom_core.config import option_field
from saom_core.errors import ConfigError

from .sam_config import SAOM, SamTuneConfig


@dataclass(frozen=True)
class FastTuneConfig(SamTuneConfig):
    """One run; prompts, views and the encoder's cache are those of SAM's own decoder. Errors as `SamRunConfig`."""

    dim: int = option_field(256, "Channels of tokens, keys and values", minimum=8)
    mask_dim: int = option_field(64, "Channels of the features that masks are drawn from", minimum=4)
    heads: int = option_field(8, "Of attention", minimum=1)
    layers: int = option_field(3, "Attention layers that a prompt goes through", minimum=1)
    box_weight: float = option_field(2.0, "Of the boxes' L1 and generalised IoU", minimum=0.0)
    semantic_weight: float = option_field(1.0, "Of the cross-entropy of every pixel that an object covers", minimum=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim % self.heads:
            raise ConfigError(f"dim: expected a multiple of the {self.heads} heads, got {self.dim}")
        if self.train_encoder:
            raise ConfigError("train_encoder: expected False, the fast head is for a frozen encoder: leave it out")
        if self.supervised != "predicted" or self.suppress_duplicates:
            raise ConfigError(
                "supervised, suppress_duplicates: the fast head has one mask per prompt, there is nothing to choose: "
                "leave them out"
            )


FAST = FastTuneConfig(
    **{
        **vars(SAOM),
        "supervised": "predicted",
        "suppress_duplicates": False,
        "epochs": 60,  # it begins from nothing
        "class_weight": 1.0,
    }
)
