"""SAM's prompt encoder and mask decoder, arranged for very many single-point prompts on one image.

The weights, and the modules that work on the few prompt tokens, are segment-anything's own. Only the image side of the
two-way transformer is arranged anew, with the same numbers up to rounding. segment-anything projects all image tokens
(64 x 64 x 256 per prompt) to queries, keys, values and outputs ten times per prompt. Here

- what does not depend on the prompt yet (the image side of the first layer, the positional code) is projected once per
  image;
- later projections are moved to the other factor, the 7 prompt tokens: since `(W x) . q = x . (W^T q)`, the image
  tokens are multiplied by 7 * heads vectors instead of a full matrix, and no projected copy of them is made;
- the image tokens are upscaled to masks only for those prompts of which a mask can pass by its predicted quality.

`training/networks/sam_everything.py` exports this code to ONNX from inside a loop. The exporter can neither index
tensors nor write into them there, which is why nothing here does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class ImageTokens:
    """One encoded image, as the decoder wants it: N = h * w image tokens of C channels."""

    tokens: Tensor  # (N, C), embedding + "no mask" code; in training (B, N, C), of the image of each of B prompts
    position: Tensor  # (N, C), positional code
    size_hw: tuple[int, int]


@dataclass(frozen=True)
class DecodedPrompts:
    """What the decoder says of B prompts, before any mask is drawn. M masks per prompt (3 for SAM)."""

    predicted_iou: Tensor  # (B, M)
    class_token: Tensor  # (B, C): the IoU token, which the class head reads
    mask_tokens: Tensor  # (B, M, C)
    image_tokens: Tensor  # (B, N, C)
    size_hw: tuple[int, int]  # N = h * w


class PromptNetwork(Protocol):
    """What the decoder needs of a network: a `Sam`, or the part of one that is trained."""

    prompt_encoder: PromptEncoder
    mask_decoder: MaskDecoder


class PointDecoder:
    """Decodes single foreground points with the weights of a network; training takes its gradients through here too."""

    def __init__(self, sam: PromptNetwork) -> None:
        self._sam = sam
        self._decoder = sam.mask_decoder
        self._transformer = sam.mask_decoder.transformer

    def image_tokens(self, embedding: Tensor, position: Tensor | None = None) -> ImageTokens:
        """Tokens of an image embedding of shape (1, C, h, w); its positional code, when it is not of the usual size."""
        prompt_encoder = self._sam.prompt_encoder
        no_mask = prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).to(embedding.dtype)
        tokens = (embedding + no_mask).flatten(2)[0].T.contiguous()
        if position is None:
            position = prompt_encoder.get_dense_pe()
        position = position.flatten(2)[0].T.contiguous().to(tokens.dtype)
        return ImageTokens(tokens, position, (embedding.shape[2], embedding.shape[3]))

    def decode(self, image: ImageTokens, points_xy: Tensor) -> DecodedPrompts:
        """Runs the two-way transformer and the quality head.

        Args:
            image: the encoded image, or one for each point.
            points_xy: (B, 2) foreground points, pixels of the resized image that the encoder saw.
        """
        point_tokens = self._point_tokens(points_xy).to(image.tokens.dtype)
        queries = point_tokens
        # All prompts share the image's tokens until the first layer has changed them, for each prompt in its own way.
        keys = image.tokens if image.tokens.ndim == 3 else image.tokens[None]
        for block in self._transformer.layers:
            queries, keys = _block(block, queries, keys, point_tokens, image.position)
        # From here on only the tokens that are given out count: the last attention looks at the image alone.
        queries, point_tokens = self._given_out(queries), self._given_out(point_tokens)
        attention = self._transformer.final_attn_token_to_image
        queries = queries + _tokens_to_image(attention, queries + point_tokens, keys, image.position)
        queries = self._transformer.norm_final_attn(queries)
        return DecodedPrompts(
            predicted_iou=self._decoder.iou_prediction_head(queries[:, 0])[:, 1:],
            class_token=queries[:, 0],
            mask_tokens=queries[:, 1:],
            image_tokens=keys.expand(len(queries), -1, -1),
            size_hw=image.size_hw,
        )

    def mask_logits(self, prompts: DecodedPrompts, chosen: Tensor | None, used_hw: tuple[int, int]) -> Tensor:
        """Low-resolution mask logits of some of the prompts.

        Args:
            prompts: the decoded prompts.
            chosen: (P,) int64 indices of prompts; None: all.
            used_hw: how many rows and columns of image tokens are not padding; the rest is left out.

        Returns:
            (P, M, 4 * used rows, 4 * used columns): SAM's low-resolution masks without their padding.
        """
        used_h, used_w = used_hw
        tokens, mask_tokens = prompts.image_tokens, prompts.mask_tokens
        if chosen is not None:
            tokens, mask_tokens = tokens[chosen], mask_tokens[chosen]
        tokens = tokens.unflatten(1, prompts.size_hw)[:, :used_h, :used_w]
        first, norm, activation, second, last_activation = self._decoder.output_upscaling
        fine = F.layer_norm(_upscale(tokens, first), (norm.weight.numel(),), norm.weight, norm.bias, norm.eps)
        fine = last_activation(_upscale(activation(fine), second))  # (P, h, w, 2*2, 2*2, channels)
        mlps, count = self._decoder.output_hypernetworks_mlps, mask_tokens.shape[1]
        hyper = torch.stack([mlps[k + 1](mask_tokens[:, k]) for k in range(count)], dim=1)
        masks = hyper @ fine.flatten(1, -2).transpose(1, 2)  # (P, M, h * w * 4 * 4)
        masks = masks.view(len(tokens), count, used_h, used_w, 2, 2, 2, 2)
        return masks.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(len(tokens), count, 4 * used_h, 4 * used_w)

    def _point_tokens(self, points_xy: Tensor) -> Tensor:
        """(B, 2) -> (B, T, C): IoU token, mask tokens, the point, and "no further point".

        As `PromptEncoder` makes them of single points with label 1, whose lookups by label cannot be exported.
        """
        encoder = self._sam.prompt_encoder
        code = encoder.pe_layer.forward_with_coords(points_xy[:, None] + 0.5, encoder.input_image_size)
        outputs = torch.cat([self._decoder.iou_token.weight, self._decoder.mask_tokens.weight])
        shared = torch.cat([outputs, encoder.not_a_point_embed.weight])[None].expand(len(points_xy), -1, -1)
        point = code + encoder.point_embeddings[1].weight
        return torch.cat([shared[:, :-1], point, shared[:, -1:]], dim=1)

    def _given_out(self, tokens: Tensor) -> Tensor:
        """The IoU token, and the tokens of the masks that are given out, from all tokens (B, T, C)."""
        return torch.cat([tokens[:, :1], tokens[:, 2 : 1 + self._decoder.num_mask_tokens]], dim=1)


def _upscale(x: Tensor, layer: torch.nn.ConvTranspose2d) -> Tensor:
    """A transposed convolution of kernel 2 and stride 2 on channels-last input: one small matrix per output corner.

    (..., C) -> (..., 4, D): the corners keep an axis of their own, so that nothing is moved in memory.
    """
    channels_in, channels_out = layer.weight.shape[:2]
    weight = layer.weight.permute(0, 2, 3, 1).reshape(channels_in, 4 * channels_out)
    return F.linear(x, weight.T, layer.bias.repeat(4)).unflatten(-1, (4, channels_out))


def _block(
    block: TwoWayAttentionBlock, queries: Tensor, keys: Tensor, query_position: Tensor, key_position: Tensor
) -> tuple[Tensor, Tensor]:
    """`TwoWayAttentionBlock.forward`; queries (B, T, C), keys (1 or B, N, C), key_position (N, C)."""
    if block.skip_first_layer_pe:
        queries = block.self_attn(q=queries, k=queries, v=queries)
    else:
        q = queries + query_position
        queries = queries + block.self_attn(q=q, k=q, v=queries)
    queries = block.norm1(queries)
    attended = _tokens_to_image(block.cross_attn_token_to_image, queries + query_position, keys, key_position)
    queries = block.norm2(queries + attended)
    queries = block.norm3(queries + block.mlp(queries))
    keys = _image_to_tokens(block.cross_attn_image_to_token, keys, key_position, queries + query_position, queries)
    return queries, F.layer_norm(keys, keys.shape[-1:], block.norm4.weight, block.norm4.bias, block.norm4.eps)


def _tokens_to_image(attention: Attention, q: Tensor, image: Tensor, position: Tensor) -> Tensor:
    """`attention(q, k=image + position, v=image)`; q (B, T, C), image (1 or B, N, C), position (N, C)."""
    heads = _by_head(attention.q_proj(q), attention.num_heads)  # (H, B, T, E)
    if len(image) == 1:
        keys, values = attention.k_proj(image[0] + position), attention.v_proj(image[0])
        weights = torch.softmax(_shared_scores(heads, keys), dim=-1)  # (H, B * T, N)
        out = weights @ _by_head(values, attention.num_heads)
        return attention.out_proj(_join_heads(out.view_as(heads)))
    shared = _shared_scores(heads, F.linear(position, attention.k_proj.weight, attention.k_proj.bias))
    scores = torch.baddbmm(_rows_by_prompt(shared, heads), _fold(attention.k_proj.weight, heads), image.mT)
    context = torch.softmax(scores, dim=-1) @ image  # (B, H * T, C)
    context = context.unflatten(1, (heads.shape[0], heads.shape[2])).transpose(0, 1)  # (H, B, T, C)
    value_weight = attention.v_proj.weight.unflatten(0, (heads.shape[0], -1))  # (H, E, C)
    out = torch.einsum("hbtc,hec->hbte", context, value_weight)
    # The weights of a softmax sum to 1, so a weighted mean of projected values has the projection's bias once.
    return attention.out_proj(_join_heads(out) + attention.v_proj.bias)


def _image_to_tokens(attention: Attention, image: Tensor, position: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`image + attention(q=image + position, k, v)`; image (1 or B, N, C), position (N, C), k and v (B, T, C)."""
    heads = _by_head(attention.k_proj(k), attention.num_heads)  # (H, B, T, E)
    if len(image) == 1:
        scores = _rows_by_prompt(_shared_scores(heads, attention.q_proj(image[0] + position)), heads)
    else:
        shared = _shared_scores(heads, F.linear(position, attention.q_proj.weight, attention.q_proj.bias))
        scores = torch.baddbmm(_rows_by_prompt(shared, heads), _fold(attention.q_proj.weight, heads), image.mT)
    count, per_head = heads.shape[0], heads.shape[2]
    weights = torch.softmax(scores.unflatten(1, (count, per_head)), dim=2).flatten(1, 2)  # (B, H * T, N)
    values = _by_head(attention.v_proj(v), count)
    out_weight = attention.out_proj.weight.unflatten(1, (count, -1))  # (C, H, E)
    folded = torch.einsum("hbte,che->hbtc", values, out_weight)
    # Each image token takes tokens of head 0 with weights that sum to 1, so what is added to them is added once.
    folded = torch.cat([folded[:1] + attention.out_proj.bias, folded[1:]])
    folded = folded.transpose(0, 1).flatten(1, 2)
    return torch.baddbmm(image.expand(len(folded), -1, -1), weights.mT, folded)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """(..., H * E) -> (H, ..., E)."""
    return x.unflatten(-1, (heads, -1)).movedim(-2, 0)


def _join_heads(x: Tensor) -> Tensor:
    """(H, B, T, E) -> (B, T, H * E)."""
    return x.permute(1, 2, 0, 3).flatten(2)


def _shared_scores(heads: Tensor, image: Tensor) -> Tensor:
    """Scaled dot products of the tokens of all prompts (H, B, T, E) with one image (N, H * E): (H, B * T, N)."""
    scaled = heads.flatten(1, 2) / heads.shape[-1] ** 0.5
    return scaled @ _by_head(image, heads.shape[0]).mT


def _rows_by_prompt(scores: Tensor, heads: Tensor) -> Tensor:
    """(H, B * T, N) -> (B, H * T, N)."""
    return scores.unflatten(1, heads.shape[1:3]).transpose(0, 1).flatten(1, 2)


def _fold(weight: Tensor, heads: Tensor) -> Tensor:
    """Scaled tokens (H, B, T, E) carried through a projection (H * E, C) of the image side: (B, H * T, C)."""
    scaled = heads.flatten(1, 2) / heads.shape[-1] ** 0.5
    folded = scaled @ weight.unflatten(0, (heads.shape[0], -1))  # (H, B * T, C)
    return folded.unflatten(1, heads.shape[1:3]).transpose(0, 1).flatten(1, 2)
