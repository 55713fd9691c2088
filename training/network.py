"""saom-tiny: a small promptable whole-object network whose image keys and values are shared by all prompts.

A point prompt is a token made of the image features at the point. Tokens attend to the image, not to each other, so
prompts are independent (as in SAM) and all of them together cost little more than the image encoder. Unlike SAM's
two-way decoder (arXiv 2304.02643, appendix A) the image side is never updated per prompt: its keys, values and mask
features are computed once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE_MEAN = (123.7, 116.3, 103.5)
IMAGE_STD = (58.4, 57.1, 57.4)


@dataclass(frozen=True)
class TinyConfig:
    """Shape of the network; stored in checkpoints."""

    class_names: tuple[str, ...]
    encoder: str = "regnetx_004"  # any timm model with features at strides 4, 8, 16, 32
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


@dataclass
class PromptAnswers:
    """What each of N prompts answers."""

    mask_embeddings: Tensor  # (B, N, M): dot product with mask_features gives mask logits
    quality_logits: Tensor  # (B, N): sigmoid = predicted IoU of the mask; background prompts score low
    boxes: Tensor  # (B, N, 4) xyxy in 0..1
    tokens: Tensor  # (B, N, D)


class SaomTiny(nn.Module):
    """`encode`, `decode`, `masks`, `embed`, `classify`, in this order; `EverythingGraph` does it for a grid."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        dim, mask_dim = config.dim, config.mask_dim
        self.encoder = timm.create_model(config.encoder, pretrained=False, features_only=True, in_chans=6)
        c4, c8, c16, c32 = [info["num_chs"] for info in self.encoder.feature_info.info[-4:]]
        self.lateral32, self.lateral16 = nn.Conv2d(c32, dim, 1), nn.Conv2d(c16, dim, 1)
        self.lateral8, self.lateral4 = nn.Conv2d(c8, dim, 1), nn.Conv2d(c4, mask_dim, 1)
        self.smooth16, self.smooth8 = SeparableConv(dim), SeparableConv(dim)
        self.to_fine = nn.Conv2d(dim, mask_dim, 1)
        self.smooth4 = nn.Sequential(SeparableConv(mask_dim), SeparableConv(mask_dim))
        self.to_mask = nn.Conv2d(mask_dim + POSITION_CHANNELS, mask_dim, 1)
        self.key_position = nn.Linear(POSITION_CHANNELS, dim)
        self.to_token = nn.Linear(mask_dim + dim + POSITION_CHANNELS, dim)
        self.blocks = nn.ModuleList(PromptBlock(dim, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.mask_head = mlp(dim, dim, mask_dim)
        self.box_head = mlp(dim, dim, 4)
        self.quality_head = mlp(dim, dim, 1)
        self.object_head = nn.Sequential(nn.Linear(2 * dim, 2 * dim), nn.ReLU(inplace=True))
        self.class_head = nn.Linear(2 * dim, len(config.class_names))
        self.semantic_head = nn.Conv2d(dim, len(config.class_names) + 1, 1)  # training only
        nn.init.constant_(self.box_head[-1].bias, -2.0)  # boxes begin at about a quarter of the image

    def encode(self, image: Tensor, depth: Tensor) -> ImageFeatures:
        """Features of images.

        Args:
            image: (B, H, W, 3) uint8 or float 0..255, RGB; H and W divisible by 32.
            depth: (B, H, W) float, metres, 0 = invalid.
        """
        x4, x8, x16, x32 = self.encoder(input_channels(image, depth))[-4:]
        p16 = self.lateral16(x16) + upsample2(self.lateral32(x32))
        p16 = self.smooth16(p16)
        p8 = self.smooth8(self.lateral8(x8) + upsample2(p16))
        p4 = self.smooth4(self.lateral4(x4) + upsample2(self.to_fine(p8)))
        batch, _, height, width = p4.shape
        position4 = position_code(pixel_centers(height, width, p4)).reshape(height, width, -1).permute(2, 0, 1)
        mask_features = self.to_mask(torch.cat([p4, position4.expand(batch, -1, -1, -1).to(p4.dtype)], dim=1))
        memory = p16.flatten(2).transpose(1, 2)  # (B, S, D)
        memory_position = self.key_position(position_code(pixel_centers(*p16.shape[2:], p16)).to(memory.dtype))
        pairs = [block.keys_values(memory, memory_position) for block in self.blocks]
        return ImageFeatures(p4, p8, p16, [k for k, _ in pairs], [v for _, v in pairs], mask_features)

    def decode(self, features: ImageFeatures, points: Tensor) -> PromptAnswers:
        """Answers of prompts.

        Args:
            features: of B images.
            points: (B, N, 2) xy in 0..1.
        """
        grid = (points * 2 - 1).unsqueeze(1)  # (B, 1, N, 2)
        sampled = [
            F.grid_sample(level.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
            for level in (features.fine, features.middle)
        ]
        at_point = torch.cat(sampled, dim=1).squeeze(2).transpose(1, 2)  # (B, N, M + D)
        tokens = self.to_token(torch.cat([at_point, position_code(points)], dim=-1))
        for block, key, value in zip(self.blocks, features.keys, features.values, strict=True):
            tokens = block(tokens, key, value)
        tokens = self.norm(tokens)
        left_top, right_bottom = self.box_head(tokens).float().sigmoid().split(2, dim=-1)
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

    def embed(self, features: ImageFeatures, tokens: Tensor, mask_logits: Tensor) -> Tensor:
        """Object embeddings (B, N, E): what a mask covers says more of what it is than the point that asked for it.

        Args:
            features: of B images.
            tokens: (B, N, D) of the prompts.
            mask_logits: (B, N, H/4, W/4) of the prompts; no gradient goes through them.
        """
        weights = F.avg_pool2d(mask_logits.detach().sigmoid(), 2).flatten(2)  # (B, N, H/8 * W/8)
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-3)
        pooled = weights @ features.middle.flatten(2).transpose(1, 2).to(weights.dtype)  # (B, N, D)
        return self.object_head(torch.cat([tokens.to(pooled.dtype), pooled], dim=-1))

    def classify(self, embeddings: Tensor) -> Tensor:
        """Class logits (..., C) of object embeddings (..., E)."""
        return self.class_head(embeddings)

    def semantics(self, features: ImageFeatures) -> Tensor:
        """Class logits of every pixel, (B, C + 1, H/8, W/8), the last one background.

        Training only: a loss at every pixel teaches the image features the classes in a fraction of the steps that the
        few prompts of an image need.
        """
        return self.semantic_head(features.middle)


def with_classes(network: SaomTiny, class_names: tuple[str, ...]) -> SaomTiny:
    """A network for other classes: everything is kept but the layers that name classes, which start anew."""
    changed = SaomTiny(dataclasses.replace(network.config, class_names=class_names)).train(network.training)
    anew = ("class_head.", "semantic_head.")
    kept = {name: value for name, value in network.state_dict().items() if not name.startswith(anew)}
    changed.load_state_dict({**changed.state_dict(), **kept})
    return changed


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


class SeparableConv(nn.Module):
    """Depthwise 5x5 and pointwise convolution with a residual."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(dim, dim, 5, padding=2, groups=dim, bias=False),
            nn.BatchNorm2d(dim),
            nn.Conv2d(dim, dim, 1, bias=False),
            nn.BatchNorm2d(dim),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) -> (B, D, h, w)."""
        return x + self.body(x)


def batch_norm_pairs(network: nn.Module) -> list[tuple[str, str]]:
    """Names of the convolutions that a batch norm follows, and of these batch norms; each in its module's order."""
    pairs, before = [], ""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            before = name
        elif isinstance(module, nn.BatchNorm2d):
            pairs.append((before, name))
    return pairs


def mlp(dim_in: int, dim_hidden: int, dim_out: int) -> nn.Sequential:
    """Two linear layers with a ReLU between them."""
    return nn.Sequential(nn.Linear(dim_in, dim_hidden), nn.ReLU(inplace=True), nn.Linear(dim_hidden, dim_out))


def upsample2(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by two; the convolution behind it smooths."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


POSITION_FREQUENCIES = (1.0, 2.0, 4.0, 8.0, 16.0)
POSITION_CHANNELS = 4 * len(POSITION_FREQUENCIES)


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


def input_channels(image: Tensor, depth: Tensor) -> Tensor:
    """Six channels of the encoder: normalised RGB, relative inverse depth, its local relief, validity.

    Inverse depth is affine in the pixel coordinates on a plane, so tables and floors become ramps and what stands on
    them stands out; dividing by its mean removes the scale. The relief is its difference from the local mean: the
    small step of a book on a table. Invalid pixels are 0 in all three.

    Args:
        image: (B, H, W, 3), 0..255.
        depth: (B, H, W) metres, 0 = invalid.

    Returns:
        (B, 6, H, W) float32.
    """
    gain = 1.0 / torch.tensor(IMAGE_STD, device=image.device)
    rgb = (image.float() * gain - torch.tensor(IMAGE_MEAN, device=image.device) * gain).permute(0, 3, 1, 2)
    depth = depth.unsqueeze(1)
    valid = (depth > 0.0).float()
    inverse = valid / depth.clamp(min=0.05)
    mean_inverse = inverse.sum(dim=(2, 3), keepdim=True) / valid.sum(dim=(2, 3), keepdim=True).clamp(min=1.0)
    relative = inverse / mean_inverse.clamp(min=1e-3)
    local = local_mean(relative) / local_mean(valid).clamp(min=1e-3)
    relief = (relative - local) * valid
    return torch.cat([rgb, (relative - 1.0) * valid, (relief * 10.0).clamp(-3.0, 3.0), valid], dim=1)


def local_mean(x: Tensor) -> Tensor:
    """Mean about each pixel over some 40x40 pixels (zeros outside), (B, 1, H, W); H and W divisible by 8.

    8x8 blocks, 5x5 of them averaged, interpolated: exact on ramps, and far cheaper than a sliding window.
    """
    blocks = F.avg_pool2d(x, 8)
    smooth = F.avg_pool2d(blocks, 5, stride=1, padding=2)
    return F.interpolate(smooth, size=x.shape[2:], mode="bilinear", align_corners=False)
