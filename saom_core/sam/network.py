"""Networks of the SAM family: their sizes, and segment-anything's modules built to them. Needs torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from saom_core.errors import ModelError
from saom_core.feature_pyramid import PyramidEncoder
from saom_core.prompting.grid import trained_grid

DECODER_HEADS = 8
"""Attention heads of the official networks' decoders. No weight's shape tells their number, so it stands in the header
of the checkpoints that we write."""
PIXEL_MEAN, PIXEL_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
_PATCH_SIZE = 16  # the same in every network of the family; the masks' resolution follows from it


@dataclass(frozen=True)
class SamSizes:
    """The sizes of one network of the SAM family. Where the encoder is convolutional, the sizes of a ViT are 0."""

    image_size: int
    patch_size: int
    encoder_dim: int
    encoder_depth: int
    encoder_heads: int
    encoder_mlp_dim: int
    window_size: int
    global_blocks: tuple[int, ...]
    dim: int
    mask_prompt_channels: int
    masks: int
    decoder_depth: int
    decoder_mlp_dim: int
    attention_downsample: int
    iou_depth: int
    iou_dim: int
    decoder_heads: int = DECODER_HEADS
    backbone: str = ""  # timm's name of the backbone, where the encoder is convolutional (`PyramidEncoder`)

    @property
    def name(self) -> str:
        """vit_b, vit_l, vit_h, or a description of any other size."""
        if self.backbone:
            return f"{self.backbone}-{self.image_size}px"
        official = {(768, 12): "vit_b", (1024, 24): "vit_l", (1280, 32): "vit_h"}
        size = (self.encoder_dim, self.encoder_depth)
        if self.image_size == 1024 and size in official:
            return official[size]
        return f"vit-{self.encoder_dim}x{self.encoder_depth}-{self.image_size}px"


@dataclass
class SamModel:
    """A network of the SAM family with its class head, if it has one."""

    sam: Sam
    sizes: SamSizes
    class_head: nn.Linear | None = None  # on the decoder's IoU token
    class_names: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of the point grid that it was fine-tuned for; if it was not, of the usual grid."""
        return trained_grid(self._training)

    @property
    def one_mask_per_prompt(self) -> bool:
        """Whether it was trained to answer each prompt with one object (`suppress_duplicates`).

        Everything mode then takes only one mask of each prompt, the one of the best predicted quality.
        """
        return bool(self._training.get("config", {}).get("suppress_duplicates", False))

    @cached_property  # asked for with every frame
    def _training(self) -> dict[str, Any]:
        """The record of its fine-tuning, if there was one."""
        record: dict[str, Any] = json.loads(self.metadata.get("training", "{}"))
        return record

    def to(self, device: torch.device | str) -> SamModel:
        """Moves the weights, in place."""
        self.sam.to(device)
        if self.class_head is not None:
            self.class_head.to(device)
        return self


def build_sam(sizes: SamSizes, device: str = "cpu") -> Sam:
    """segment-anything's model of these sizes, with the random weights of its constructors, in evaluation mode."""
    grid = sizes.image_size // sizes.patch_size
    with torch.device(device):
        sam = Sam(
            _encoder(sizes, device),
            PromptEncoder(sizes.dim, (grid, grid), (sizes.image_size,) * 2, sizes.mask_prompt_channels),
            MaskDecoder(
                transformer_dim=sizes.dim,
                transformer=TwoWayTransformer(
                    sizes.decoder_depth,
                    sizes.dim,
                    sizes.decoder_heads,
                    sizes.decoder_mlp_dim,
                    attention_downsample_rate=sizes.attention_downsample,
                ),
                num_multimask_outputs=sizes.masks,
                iou_head_depth=sizes.iou_depth,
                iou_head_hidden_dim=sizes.iou_dim,
            ),
            PIXEL_MEAN,
            PIXEL_STD,
        )
    return sam.eval()


def _encoder(sizes: SamSizes, device: str) -> ImageEncoderViT | PyramidEncoder:
    if sizes.backbone:
        try:
            with torch.device("cpu"):  # some of timm's versions compute sizes with tensors, which "meta" cannot
                return PyramidEncoder(sizes.backbone, sizes.image_size, sizes.dim).to(device)
        except RuntimeError as error:
            raise ModelError(f"backbone {sizes.backbone}: expected a network that timm has: {error}") from error
    return ImageEncoderViT(
        img_size=sizes.image_size,
        patch_size=sizes.patch_size,
        embed_dim=sizes.encoder_dim,
        depth=sizes.encoder_depth,
        num_heads=sizes.encoder_heads,
        mlp_ratio=sizes.encoder_mlp_dim / sizes.encoder_dim,
        out_chans=sizes.dim,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=sizes.window_size,
        global_attn_indexes=sizes.global_blocks,
    )


def sizes_of(
    weights: Mapping[str, Tensor],
    source: object,
    decoder_heads: int = DECODER_HEADS,
    backbone: str = "",
    image_size: int = 0,
) -> SamSizes:
    """The sizes of the network that these weights (segment-anything's names) belong to.

    Args:
        weights: of all modules.
        source: what they come from, for messages.
        decoder_heads: of attention in the decoder.
        backbone: timm's name, where the encoder is no ViT.
        image_size: side of its input.

    Raises:
        ModelError: weights that every network of the family has are missing or of another rank.
    """
    try:
        encoder = _vit_sizes(weights) if not backbone else convolutional_sizes(backbone, image_size)
        decoder = "mask_decoder."
        dim = weights[decoder + "iou_token.weight"].shape[1]
        iou_depth = _count(weights, decoder + "iou_prediction_head.layers.")
        sizes = SamSizes(
            **encoder,
            dim=dim,
            mask_prompt_channels=weights["prompt_encoder.mask_downscaling.3.weight"].shape[0],
            masks=weights[decoder + "mask_tokens.weight"].shape[0] - 1,
            decoder_depth=_count(weights, decoder + "transformer.layers."),
            decoder_mlp_dim=weights[decoder + "transformer.layers.0.mlp.lin1.weight"].shape[0],
            attention_downsample=dim
            // weights[decoder + "transformer.final_attn_token_to_image.q_proj.weight"].shape[0],
            iou_depth=iou_depth,
            iou_dim=weights[decoder + "iou_prediction_head.layers.0.weight"].shape[0],
            decoder_heads=decoder_heads,
        )
    except KeyError as error:
        raise ModelError(
            f"{source}: expected the weights of a SAM image encoder, prompt encoder and mask decoder, {error.args[0]} "
            "is missing: give a checkpoint of segment-anything (vit_b, vit_l, vit_h) or one tuned from it"
        ) from error
    except (IndexError, ZeroDivisionError) as error:
        raise ModelError(f"{source}: weights of another rank or size than a SAM network has ({error})") from error
    if (
        sizes.patch_size != _PATCH_SIZE
        or (not backbone and sizes.encoder_dim % sizes.encoder_heads)
        or dim % (decoder_heads * sizes.attention_downsample)
    ):
        raise ModelError(
            f"{source}: expected patches of {_PATCH_SIZE} pixels and widths that the heads divide, got {sizes}"
        )
    return sizes


def _vit_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    patches, position = weights["image_encoder.patch_embed.proj.weight"], weights["image_encoder.pos_embed"]
    grid, depth = position.shape[1], _count(weights, "image_encoder.blocks.")
    spans = [weights[f"image_encoder.blocks.{k}.attn.rel_pos_h"].shape for k in range(depth)]
    windows = [(2 * grid - 1) != span[0] for span in spans]
    return {
        "image_size": grid * patches.shape[2],
        "patch_size": patches.shape[2],
        "encoder_dim": patches.shape[0],
        "encoder_depth": depth,
        "encoder_heads": patches.shape[0] // spans[0][1],
        "encoder_mlp_dim": weights["image_encoder.blocks.0.mlp.lin1.weight"].shape[0],
        "window_size": next(((s[0] + 1) // 2 for s, windowed in zip(spans, windows, strict=True) if windowed), 0),
        "global_blocks": tuple(k for k, windowed in enumerate(windows) if not windowed),
    }


def convolutional_sizes(backbone: str, image_size: int) -> dict[str, Any]:
    """The same fields for a `PyramidEncoder`."""
    vit = dict.fromkeys(("encoder_dim", "encoder_depth", "encoder_heads", "encoder_mlp_dim", "window_size"), 0)
    return {"image_size": image_size, "patch_size": _PATCH_SIZE, **vit, "global_blocks": (), "backbone": backbone}


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered layers there are under the prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})
