"""SAM's image encoder with segment-anything's modules, its global attention taken in pieces.

A global block of ViT-B holds 12 x 4096 x 4096 scores (0.8 GB) several times over. Rows of the scores do not depend on
each other, so they are made, biased, normalised and used a few rows at a time, in memory that stays in the caches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from segment_anything.modeling import ImageEncoderViT, Sam
from segment_anything.modeling.image_encoder import Attention, Block, get_rel_pos
from torch import Tensor
from torchvision.transforms.functional import resize, to_pil_image

from saom_core.feature_pyramid import PyramidEncoder

_SCORE_BYTES = {"cpu": 4 * 2**20, "cuda": 2**30}
"""Bytes of attention scores that are held at once; on a CPU as many as its caches hold."""


def network_input(sam: Sam, image_rgb: npt.NDArray[np.uint8]) -> tuple[Tensor, tuple[int, int]]:
    """What the encoder sees of an image: resized by its longer side, normalised, padded at the right or below.

    Args:
        sam: the network; the input comes to its device.
        image_rgb: (H, W, 3) uint8.

    Returns:
        (1, 3, S, S) float32, and how much of it the image covers (height, width).
    """
    input_hw = input_size(image_rgb.shape, sam.image_encoder.img_size)
    pixels = torch.from_numpy(resized(image_rgb, input_hw)).to(sam.device).permute(2, 0, 1)[None]
    return sam.preprocess(pixels), input_hw


def input_size(image_hw: tuple[int, ...], image_size: int) -> tuple[int, int]:
    """How much of the encoder's square input an image covers, (height, width)."""
    scale = image_size / max(image_hw[:2])
    # segment-anything's rounding; only a sliver of an image keeps the one row that it would lose there
    return max(1, int(image_hw[0] * scale + 0.5)), max(1, int(image_hw[1] * scale + 0.5))


def resized(image_rgb: npt.NDArray[np.uint8], size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """An image (H, W, 3) enlarged or reduced as segment-anything does it."""
    return np.array(resize(to_pil_image(image_rgb), list(size_hw)))


def encode(encoder: ImageEncoderViT | PyramidEncoder, pixels: Tensor, score_bytes: int = 0) -> Tensor:
    """What `encoder(pixels)` gives, with a ViT's attention taken in pieces.

    Args:
        encoder: a ViT, or a convolutional encoder, which has no attention.
        pixels: (1, 3, S, S) normalised.
        score_bytes: bytes of attention scores that are held at once; 0: what suits the device.

    Returns:
        (1, C, S / 16, S / 16) the embedding.
    """
    if not isinstance(encoder, ImageEncoderViT):
        return encoder(pixels)
    score_bytes = score_bytes or _SCORE_BYTES[pixels.device.type]
    x = encoder.patch_embed(pixels)
    if encoder.pos_embed is not None:
        x = x + encoder.pos_embed
    for block in encoder.blocks:
        x = block(x) if block.window_size > 0 or not block.attn.use_rel_pos else _global_block(block, x, score_bytes)
    return encoder.neck(x.permute(0, 3, 1, 2))


def _global_block(block: Block, x: Tensor, score_bytes: int) -> Tensor:
    x = x + _attention(block.attn, block.norm1(x), score_bytes)
    return x + block.mlp(block.norm2(x))


def _attention(attention: Attention, x: Tensor, score_bytes: int) -> Tensor:
    """`attention(x)` for x (1, h, w, C)."""
    _, height, width, _ = x.shape
    tokens = height * width
    q, k, v = attention.qkv(x).reshape(tokens, 3, attention.num_heads, -1).permute(1, 2, 0, 3).unbind(0)  # (H, N, E)
    by_place = q.unflatten(1, (height, width))
    rows = torch.einsum("bhwc,hkc->bhwk", by_place, get_rel_pos(height, height, attention.rel_pos_h)).flatten(1, 2)
    columns = torch.einsum("bhwc,wkc->bhwk", by_place, get_rel_pos(width, width, attention.rel_pos_w)).flatten(1, 2)
    q, keys = q * attention.scale, k.mT
    at_once = max(1, score_bytes // (4 * tokens))
    pieces = []
    for head in range(len(q)):
        for begin in range(0, tokens, at_once):
            some = slice(begin, begin + at_once)
            bias = (rows[head, some, :, None] + columns[head, some, None, :]).flatten(1)  # (n, N)
            pieces.append(torch.softmax(torch.addmm(bias, q[head, some], keys[head]), dim=-1) @ v[head])
    out = torch.cat(pieces).unflatten(0, (len(q), tokens))  # (H, N, E)
    return attention.proj(out.transpose(0, 1).reshape(1, height, width, -1))
