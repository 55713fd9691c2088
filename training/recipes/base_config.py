"""Every choice of training a SAM-like base (`base.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from saom_core.config import option_field
from saom_core.errors import ConfigError
from saom_core.sam.network import SamSizes, convolutional_sizes

from .sam_config import SamRunConfig


@dataclass(frozen=True)
class SamBaseConfig(SamRunConfig):
    """One training of a base; errors as `SamRunConfig`."""

    epochs: int = option_field(8, "Passes over the training images", minimum=1)
    batch: int = option_field(8, "Images per step and process", minimum=1)
    learning_rate: float = option_field(5e-4, "Of AdamW, at its highest", minimum=0.0)
    adam_epsilon: float = option_field(1e-8, "Of AdamW", minimum=0.0)
    weight_decay: float = option_field(0.05, "Of AdamW", minimum=0.0)
    warmup_steps: int = option_field(200, "Steps of linear warm-up before the cosine", minimum=0)
    clip_norm: float = option_field(1.0, "Largest norm of the gradient; 0: not clipped", minimum=0.0)
    ema_decay: float = option_field(
        0.998, "Of the averaged weights that are saved; 0: the last ones", minimum=0.0, maximum=1.0
    )
    workers: int = option_field(1, "Processes that prepare images", minimum=0, maximum=256)
    views: int = option_field(
        1000, "One image in so many is as it is, the others are varied; with 1 nothing is varied", minimum=1
    )
    mirror: bool = option_field(True, "Half of the further views are mirrored")
    crop: float = option_field(0.5, "Smallest side of a further view, in the image's", minimum=0.1, maximum=1.0)
    recolour: float = option_field(0.7, "Strength of the change of colours in further views", minimum=0.0, maximum=1.0)
    # --- the network
    image_size: int = option_field(384, "Side of the encoder's input", unit="px", minimum=64, maximum=1024)
    dim: int = option_field(256, "Width of embedding and decoder", minimum=64)
    decoder_heads: int = option_field(8, "Attention heads of the decoder", minimum=1)
    # --- what it learns
    prompts: int = option_field(32, "Points per image", minimum=1)
    focal_weight: float = option_field(
        5.0, "Of the focal loss (SAM: 20; a new decoder first drives every mask to nothing)", minimum=0.0
    )
    focal_alpha: float = option_field(0.25, "Weight of the object's pixels", minimum=0.0, maximum=1.0)
    focal_gamma: float = option_field(2.0, "How little easy pixels count", minimum=0.0)
    dice_weight: float = option_field(
        3.0, "Of the dice loss (SAM: 1; small objects and no training before want more)", minimum=0.0
    )
    quality_weight: float = option_field(1.0, "Of the error of the predicted IoU (SAM: 1)", minimum=0.0)

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
