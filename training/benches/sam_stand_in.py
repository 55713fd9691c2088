"""A SAM network without a download, for comparisons and tests: random weights that answer with sensible masks.

With plain random weights nearly every mask is the whole image or nothing: duplicate removal leaves one, and nothing is
compared. Here the mask decoder is taught for some seconds, on made-up image embeddings, to answer each point with three
discs around it and to know their quality; the encoder's random blocks keep their cost and stir the masks a little.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import trange

from saom_core.sam.decoder import PointDecoder
from saom_core.sam.network import SamModel, SamSizes, build_sam
from saom_core.taxonomy import CLASSES

RADII = (0.08, 0.17, 0.31)
"""Radii of the discs, as shares of the image's side."""
_GRID = 8  # image tokens per side while teaching: the positional code knows no resolution
_PROMPTS = 16
_STEPS = 260
_STEEPER = 4.0

VIT_B = SamSizes(1024, 16, 768, 12, 12, 3072, 14, (2, 5, 8, 11), 256, 16, 3, 2, 2048, 2, 3, 256)
VIT_L = SamSizes(1024, 16, 1024, 24, 16, 4096, 14, (5, 11, 17, 23), 256, 16, 3, 2, 2048, 2, 3, 256)
VIT_H = SamSizes(1024, 16, 1280, 32, 16, 5120, 14, (7, 15, 23, 31), 256, 16, 3, 2, 2048, 2, 3, 256)
SMALL = SamSizes(128, 16, 64, 2, 4, 128, 3, (1,), 64, 16, 3, 2, 64, 2, 3, 64)
SIZES = {"vit_b": VIT_B, "vit_l": VIT_L, "vit_h": VIT_H, "small": SMALL}


def stand_in(
    sizes: SamSizes,
    seed: int = 0,
    class_names: tuple[str, ...] = CLASSES,
    radii: tuple[float, float, float] = RADII,
) -> SamModel:
    """A network of those sizes with a random class head; the same seed gives the same network.

    Args:
        sizes: of its parts.
        seed: of its weights.
        class_names: of the class head; none: there is no class head.
        radii: of the discs that a point's three masks are; smaller ones leave room for more objects.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = build_sam(sizes)
        _place(sam)
        _teach(sam, radii)
        sam.requires_grad_(False).eval()
        head = _class_head(sam, len(class_names)) if class_names else None
    return SamModel(sam, sizes, head, class_names)


@torch.no_grad()
def _place(sam: Sam) -> None:
    """Lets the image embedding carry the positional code through the encoder, stirred by the image."""
    encoder = sam.image_encoder
    code = sam.prompt_encoder.get_dense_pe()[0]  # (C, h, w)
    shared = min(len(code), encoder.pos_embed.shape[3])
    encoder.pos_embed[0, :, :, :shared] = 3 * code[:shared].permute(1, 2, 0)
    first, _, second, _ = encoder.neck
    for layer in (first, second):
        layer.weight.mul_(0.3)
        middle = layer.kernel_size[0] // 2
        for channel in range(shared):
            layer.weight[channel, channel, middle, middle] += 1


def _teach(sam: Sam, radii: tuple[float, float, float]) -> None:
    """Fits the mask decoder to discs around the prompt."""
    decoder, prompt_encoder = sam.mask_decoder, sam.prompt_encoder
    with torch.no_grad():
        code = prompt_encoder.pe_layer((_GRID, _GRID))[None]
        no_mask = prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(_PROMPTS, -1, _GRID, _GRID)
    centres = (torch.arange(4 * _GRID) + 0.5) / (4 * _GRID)
    optimiser = torch.optim.Adam(decoder.parameters(), 4e-3 if decoder.transformer_dim <= 64 else 1e-3)
    for _ in trange(_STEPS, desc="stand-in for a checkpoint", leave=False, disable=None):
        points = torch.rand(_PROMPTS, 2)
        with torch.no_grad():
            pixels = (points * sam.image_encoder.img_size)[:, None]
            prompts, _ = prompt_encoder(points=(pixels, torch.ones(_PROMPTS, 1)), boxes=None, masks=None)
            embedding = _normalised(_normalised(code + 0.2 * torch.randn_like(code)))
        distance = torch.hypot(
            centres[None, None, :] - points[:, :1, None], centres[None, :, None] - points[:, 1:, None]
        )
        discs = torch.sigmoid(4 * _GRID * (torch.tensor(radii)[None, :, None, None] - distance[:, None]) / 2)
        logits, quality = decoder(embedding, code, prompts, no_mask, multimask_output=True)
        loss = _loss(logits, quality, discs)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        for mlp in decoder.output_hypernetworks_mlps:  # steeper edges: stable masks, as a trained SAM's are
            for parameter in mlp.layers[-1].parameters():
                parameter.mul_(_STEEPER)


@torch.no_grad()
def _class_head(sam: Sam, classes: int) -> nn.Linear:
    """A random head whose classes vary from point to point."""
    code = sam.prompt_encoder.pe_layer((_GRID, _GRID))[None]
    decoder = PointDecoder(sam)
    image = decoder.image_tokens(_normalised(code), code)
    tokens = decoder.decode(image, torch.rand(64, 2) * sam.image_encoder.img_size).class_token
    head = nn.Linear(sam.mask_decoder.transformer_dim, classes).requires_grad_(False).eval()
    head.weight.mul_(20)
    head.bias.copy_(-(head.weight @ tokens.mean(0)))
    return head


def _normalised(embedding: Tensor) -> Tensor:
    return F.layer_norm(embedding.movedim(1, -1), embedding.shape[1:2]).movedim(-1, 1)


def _loss(logits: Tensor, quality: Tensor, discs: Tensor) -> Tensor:
    inside = logits.sigmoid()
    overlap, total = (inside * discs).sum((2, 3)), (inside + discs).sum((2, 3))
    with torch.no_grad():
        both, either = (logits > 0) & (discs > 0.5), (logits > 0) | (discs > 0.5)
        iou = both.sum((2, 3)) / either.sum((2, 3)).clamp(min=1)
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return F.binary_cross_entropy_with_logits(logits, discs) + dice.mean() + F.mse_loss(quality, iou)
