"""The shared-keys decoder: answers to point prompts from a pyramid of image features, whatever encoder made it.

A point prompt is a token made of the image features at the point. Tokens attend to the image, not to each other, so
prompts are independent (as in SAM) and all of them together cost little more than the image encoder. Unlike SAM's
two-way decoder (arXiv 2304.02643, appendix A) the image side is never updated per prompt: its keys, values and mask
features are computed once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .encoder import Pyramid


@dataclass(frozen=True)
class DecoderConfig:
    """Shape of the decoder; stored in checkpoints."""

    class_names: tuple[str, ...]
    dim: int = 128  # tokens, keys, values
    mask_dim: int = 64  # mask features
    heads: int = 4
    layers: int = 2

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types."""
        return dataclasses.asdict(self)


@dataclass
class ImageFeatures:
    """What is computed once per image."""

    fine: Tensor  # (B, M, H/4, W/4) features at prompts and edges
    middle: Tensor  # (B, D, H/8, W/8)
    coarse: Tensor  # (B, D, H/16, W/16), what keys and values are made of
    keys: list[Tensor]  # per layer (B, heads, S, D / heads), S = H/16 * W/16
    values: list[Tensor]
    mask_features: Tensor  # (B, M, H/4, W/4)
    extent: Tensor  # (2,) width and height of the image in the units of the position code


@dataclass
class PromptAnswers:
    """What each of N prompts answers."""

    mask_embeddings: Tensor  # (B, N, M): dot product with mask_features gives mask logits
    quality_logits: Tensor  # (B, N): sigmoid = predicted IoU of the mask; background prompts score low
    boxes: Tensor  # (B, N, 4) xyxy in 0..1
    tokens: Tensor  # (B, N, D)


class SharedKeysNetwork(nn.Module):
    """An encoder with the shared-keys decoder: `encode`, `decode`, `masks`, `embed`, `classify` in this order.

    `EverythingGraph` does it for a grid. A subclass makes its encoder, then calls `add_decoder`, and gives `pyramid`.
    """

    uses_depth = True
    """Whether depth is an input."""

    def add_decoder(
        self, config: DecoderConfig, object_head: nn.Module, mask_iou_head: nn.Module | None = None
    ) -> None:
        """Make the decoder's layers.

        Args:
            config: their shape.
            object_head: gives object embeddings of 2 D channels.
            mask_iou_head: a `MaskIouHead`; None: masks are ranked by what their prompts tell.

        They come after the encoder's: the optimiser's state in a resumed run knows parameters by their order.
        """
        dim, mask_dim = config.dim, config.mask_dim
        self.to_mask = nn.Conv2d(mask_dim + POSITION_CHANNELS, mask_dim, 1)
        self.key_position = nn.Linear(POSITION_CHANNELS, dim)
        self.to_token = nn.Linear(mask_dim + dim + POSITION_CHANNELS, dim)
        self.blocks = nn.ModuleList(PromptBlock(dim, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.mask_head = mlp(dim, dim, mask_dim)
        self.box_head = mlp(dim, dim, 4)
        self.quality_head = mlp(dim, dim, 1)
        self.object_head = object_head
        self.class_head = nn.Linear(2 * dim, len(config.class_names))
        self.semantic_head = nn.Conv2d(dim, len(config.class_names) + 1, 1)  # training only
        self.mask_iou_head = mask_iou_head
        nn.init.constant_(self.box_head[-1].bias, -2.0)  # boxes begin at about a quarter of the image

    def pyramid(self, image: Tensor, depth: Tensor | None) -> Pyramid:
        """The encoder: features of images at strides 4, 8 and 16; arguments as `encode`."""
        raise NotImplementedError

    def encode(self, image: Tensor, depth: Tensor | None) -> ImageFeatures:
        """Features of images.

        Args:
            image: (B, H, W, 3) uint8 or float 0..255, RGB; H and W divisible by what the encoder needs.
            depth: (B, H, W) float, metres, 0 = invalid; None for an encoder without depth.
        """
        return self.prepare(self.pyramid(image, depth))

    def prepare(self, pyramid: Pyramid) -> ImageFeatures:
        """Keys, values and mask features, once for all prompts of an image."""
        p4, p8, p16 = pyramid.fine, pyramid.middle, pyramid.coarse
        batch, _, height, width = p4.shape
        extent = p4.new_tensor(pyramid.extent, dtype=torch.float32)
        position4 = _position_of_pixels(p4, extent).reshape(height, width, -1).permute(2, 0, 1)
        mask_features = self.to_mask(torch.cat([p4, position4.expand(batch, -1, -1, -1).to(p4.dtype)], dim=1))
        memory = p16.flatten(2).transpose(1, 2)  # (B, S, D)
        memory_position = self.key_position(_position_of_pixels(p16, extent).to(memory.dtype))
        pairs = [block.keys_values(memory, memory_position) for block in self.blocks]
        keys, values = [k for k, _ in pairs], [v for _, v in pairs]
        return ImageFeatures(p4, p8, p16, keys, values, mask_features, extent)

    def decode(self, features: ImageFeatures, points: Tensor) -> PromptAnswers:
        """Answers of prompts.

        Args:
            features: of B images.
            points: (B, N, 2) xy in 0..1.
        """
        sampled = [values_at(level.float(), points) for level in (features.fine, features.middle)]
        at_point = torch.cat([*sampled, position_code(points * features.extent)], dim=-1)
        tokens = self.to_token(at_point.to(self.to_token.weight.dtype))
        for block, key, value in zip(self.blocks, features.keys, features.values, strict=True):
            tokens = block(tokens, key, value)
        tokens = self.norm(tokens)
        left_top, right_bottom = (self.box_head(tokens).float().sigmoid() / features.extent.repeat(2)).split(2, dim=-1)
        return PromptAnswers(
            mask_embeddings=self.mask_head(tokens),
            quality_logits=self.quality_head(tokens).squeeze(-1),
            boxes=torch.cat([points - left_top, points + right_bottom], dim=-1),
            tokens=tokens,
        )

    def masks(self, features: ImageFeatures, mask_embeddings: Tensor) -> Tensor:
        """Mask logits (B, N, H/4, W/4) of mask embeddings (B, N, M)."""
        batch, channels, height, width = features.mask_features.shape
        flat = features.mask_features.reshape(batch, channels, height * width)
        scale = channels**-0.5
        return (mask_embeddings * scale @ flat).reshape(batch, -1, height, width)

    def embed(
        self, image: Tensor, depth: Tensor | None, mask_logits: Tensor, features: ImageFeatures | None = None
    ) -> Tensor:
        """Object embeddings (N, E) of what the masks of one image cover.

        Args:
            image: (H, W, 3), 0..255.
            depth: (H, W) metres, 0 = invalid; None: none.
            mask_logits: (N, H/4, W/4).
            features: of the image; not every network looks at them.
        """
        raise NotImplementedError

    def classify(self, embeddings: Tensor) -> Tensor:
        """Class logits (..., C) of object embeddings (..., E)."""
        return self.class_head(embeddings)

    def semantics(self, features: ImageFeatures) -> Tensor:
        """Class logits of every pixel, (B, C + 1, H/8, W/8), the last one background.

        Training only: features that know what things are know better where they end.
        """
        return self.semantic_head(features.middle)


class PromptBlock(nn.Module):
    """Cross-attention of tokens to the image, then a feed-forward layer; pre-norm."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_query, self.norm_memory, self.norm_ffn = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.ffn = mlp(dim, 2 * dim, dim)

    def keys_values(self, memory: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, heads, S, D / heads) of the image, once for all prompts."""
        normed = self.norm_memory(memory)
        return self._split(self.key(normed + position)), self._split(self.value(normed))

    def forward(self, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        query = self._split(self.query(self.norm_query(tokens)))
        attended = F.scaled_dot_product_attention(query, key, value)  # (B, heads, N, D / heads)
        tokens = tokens + self.out(attended.transpose(1, 2).flatten(2))
        return tokens + self.ffn(self.norm_ffn(tokens))

    def _split(self, x: Tensor) -> Tensor:
        batch, count, dim = x.shape
        return x.reshape(batch, count, self.heads, dim // self.heads).transpose(1, 2)


def mlp(dim_in: int, dim_hidden: int, dim_out: int) -> nn.Sequential:
    """Two linear layers with a ReLU between them."""
    return nn.Sequential(nn.Linear(dim_in, dim_hidden), nn.ReLU(inplace=True), nn.Linear(dim_hidden, dim_out))


POSITION_FREQUENCIES = (1.0, 2.0, 4.0, 8.0, 16.0)
POSITION_CHANNELS = 4 * len(POSITION_FREQUENCIES)


def values_at(level: Tensor, points: Tensor) -> Tensor:
    """Bilinear values of a feature map at points; beyond its outermost pixels those of the border.

    `torch.nn.functional.grid_sample` gives the same (bilinear, border, align_corners=False), but onnxruntime's is three
    times slower, since it goes through each channel by itself: here all channels of a pixel are one row.

    Args:
        level: (B, C, h, w).
        points: (B, N, 2) xy in 0..1.

    Returns:
        (B, N, C).
    """
    batch, _, height, width = level.shape
    rows = level.flatten(2).transpose(1, 2).flatten(0, 1)  # (B * h * w, C)
    x, y = (points[..., 0] * width - 0.5).clamp(0, width - 1), (points[..., 1] * height - 0.5).clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    first = torch.arange(batch, device=level.device)[:, None] * (height * width)

    def corner(row: Tensor, column: Tensor, share: Tensor) -> Tensor:
        place = first + row.long() * width + column.long()
        return rows.index_select(0, place.flatten()).unflatten(0, place.shape) * share[..., None]

    across, down = x - left, y - top
    above = corner(top, left, (1 - across) * (1 - down)) + corner(top, right, across * (1 - down))
    return above + corner(bottom, left, (1 - across) * down) + corner(bottom, right, across * down)


def position_code(points: Tensor) -> Tensor:
    """Sine and cosine position code.

    Args:
        points: (..., 2) xy in 0..1.

    Returns:
        (..., POSITION_CHANNELS).
    """
    angles = torch.cat([points * (torch.pi * frequency) for frequency in POSITION_FREQUENCIES], dim=-1)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def pixel_centers(height: int, width: int, like: Tensor) -> Tensor:
    """(height * width, 2) float xy in 0..1, row by row."""
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x, grid_y], dim=-1).reshape(-1, 2)


def _position_of_pixels(level: Tensor, extent: Tensor) -> Tensor:
    """Position code of a feature map's pixels, (height * width, POSITION_CHANNELS), row by row."""
    centers = pixel_centers(level.shape[2], level.shape[3], level)
    return position_code(centers * extent)
