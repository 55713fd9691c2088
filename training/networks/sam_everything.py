"""The whole everything mode of a SAM checkpoint with its two-way decoder as one module, which export writes.

It answers as `saom_core.sam.everything.SamNetwork` does in torch, so that a checkpoint and its file give a user the
same masks: segment-anything's filters, with stability and boxes measured on the mask logits (`low_masks.py` there), and
duplicates removed by their boxes.

The two-way decoder makes image tokens of 4 MB for each prompt. So prompts are decoded some at a time, in a loop inside
the file, and twice: first all of them, for quality, stability, box and class token of each mask; then once more those
that stay, for their masks. Decoding 160 of them twice adds a sixth to the cost of a 32 x 32 grid; keeping the masks of
all prompts instead, 3072 of them, would take 0.6 GB.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn

from saom_core.sam.decoder import ImageTokens, PointDecoder
from saom_core.sam.encoder import encode
from saom_core.sam.low_masks import MOST_BOX_IOU, boxes_px, on_picture, stability_score
from saom_core.sam.network import SamModel

from .chunks import in_chunks
from .everything import BASIC_OUTPUTS, filled
from .fast_head import EXPORTED_SCORES, sam_pixels, used_tokens

PROMPTS_AT_ONCE = 16
MAX_INSTANCES = 160
"""Rows of the answer; more than the 100 instances that are given out by default, since small ones are dropped."""


@torch.library.custom_op("saom::box_nms", mutates_args=())
def box_nms(boxes: Tensor, scores: Tensor, iou: Tensor) -> Tensor:
    """`torchvision.ops.nms` with a threshold () that is an input of the exported file, not a number built into it."""
    return torchvision.ops.nms(boxes, scores, float(iou))


@box_nms.register_fake
def _(boxes: Tensor, scores: Tensor, iou: Tensor) -> Tensor:
    return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


BOX_NMS = torch.ops.saom.box_nms.default
"""The operator that an exporter finds in the graph."""


class SamEverythingGraph(nn.Module):
    """Everything mode on one image, or the answers to some prompts on it.

    Args:
        model: the network with its class head, if it has one.
        prompts_at_once: bounds memory; changes no result.
        max_instances: K, rows of the answer.
    """

    outputs: tuple[str, ...] = BASIC_OUTPUTS
    further_inputs: tuple[str, ...] = ("picture",)

    def __init__(
        self,
        model: SamModel,
        prompts_at_once: int = PROMPTS_AT_ONCE,
        max_instances: int = MAX_INSTANCES,
    ) -> None:
        super().__init__()
        self.image_encoder = model.sam.image_encoder
        self.prompt_encoder, self.mask_decoder = model.sam.prompt_encoder, model.sam.mask_decoder
        self.class_head = model.class_head
        self.sizes = model.sizes
        self.one_mask_per_prompt = model.one_mask_per_prompt
        self.mean, self.std = (tuple(v.flatten().tolist()) for v in (model.sam.pixel_mean, model.sam.pixel_std))
        self.prompts_at_once, self.max_instances = prompts_at_once, max_instances

    def forward(
        self,
        image: Tensor,
        depth: Tensor | None,
        prompts: Tensor,
        score_threshold: Tensor,
        stability_threshold: Tensor,
        nms_iou: Tensor,
        picture: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Arguments and results as `EverythingGraph.forward`; H and W divisible by 16, depth None.

        `picture` (2,) float32 is the width and height of the picture, which lies at the top left of the image; what is
        beside it is padding, seen as SAM sees it, and no mask reaches there. None: there is no padding.

        The embedding of an instance is the IoU token, which the class head reads; without class head class_ids are -1
        and class_scores 0.
        """
        if picture is None:
            picture = torch.tensor([image.shape[1], image.shape[0]], dtype=torch.float32)
        limits = score_threshold, stability_threshold, nms_iou
        return self.decoded(self.encoded(image, picture), (image.shape[0], image.shape[1]), prompts, *limits, picture)

    def encoded(self, image: Tensor, picture: Tensor) -> Tensor:
        """The embedding (1, C, S, S) of an image, of which the picture covers so much; see `forward`."""
        pixels = sam_pixels(image[None], self.mean, self.std, self.sizes.image_size)
        place = torch.arange(self.sizes.image_size)
        pixels = pixels * ((place < picture[1])[:, None] & (place < picture[0])[None, :]).float()
        dtype = self.mask_decoder.iou_token.weight.dtype
        return encode(self.image_encoder, pixels.to(dtype), EXPORTED_SCORES)

    def decoded(
        self,
        embedding: Tensor,
        size_hw: tuple[int, int],
        prompts: Tensor,
        score_threshold: Tensor,
        stability_threshold: Tensor,
        nms_iou: Tensor,
        picture: Tensor,
    ) -> tuple[Tensor, ...]:
        """The rest of `forward`, with the embedding of an image of that size."""
        used = used_tokens(embedding, size_hw, self.sizes)
        decoder = PointDecoder(self)
        tokens = decoder.image_tokens(embedding)
        used_hw = (used.shape[2], used.shape[3])

        def measures(points: Tensor) -> tuple[Tensor, ...]:
            return self._measures(decoder, tokens, points, used_hw, picture)

        quality, stability, boxes, class_tokens = in_chunks(measures, prompts, self.prompts_at_once)
        masks_per_prompt = quality.shape[1]
        passes = (quality >= score_threshold) & (stability >= stability_threshold) & (stability > 0)
        if self.one_mask_per_prompt:
            passes &= quality == quality.amax(dim=1, keepdim=True)
        passing = torch.where(passes, quality, torch.zeros_like(quality)).flatten()  # (N * M,)
        boxes = boxes.flatten(0, 1)
        # What does not pass must stand in nobody's way: it has a box without extent, and no score.
        boxes = boxes * (passing > 0)[:, None].float()
        kept = BOX_NMS(boxes, passing, nms_iou.clamp(max=MOST_BOX_IOU))
        picked, valid = filled(kept, passing, self.max_instances)
        owner = picked // masks_per_prompt
        asked = prompts[owner]

        def drawn(rows: Tensor) -> tuple[Tensor, ...]:
            return (self._masks(decoder, tokens, rows, used_hw, picture),)

        which = (picked % masks_per_prompt).to(asked.dtype)[:, None]
        (logits,) = in_chunks(drawn, torch.cat([asked, which], dim=1), self.prompts_at_once)
        embeddings = class_tokens[owner]
        labels = *self._classes(embeddings), asked, embeddings
        return logits, boxes[picked], passing[picked] * valid, stability.flatten()[picked], *labels, used[0].float()

    def _measures(
        self, decoder: PointDecoder, tokens: ImageTokens, points_xy: Tensor, used_hw: tuple[int, int], picture: Tensor
    ) -> tuple[Tensor, ...]:
        """Facts of P prompts with M masks each: quality, stability (P, M), boxes (P, M, 4), class token (P, C)."""
        answers = decoder.decode(tokens, points_xy)
        logits = on_picture(decoder.mask_logits(answers, None, used_hw).float().flatten(0, 1), picture)
        shape = answers.predicted_iou.shape
        there = (logits > 0).any(2).any(1).float()  # an empty mask may be as stable as any
        stability = (stability_score(logits) * there).unflatten(0, shape)
        boxes = boxes_px(logits, picture).unflatten(0, shape)
        return answers.predicted_iou.float(), stability, boxes, answers.class_token.float()

    def _masks(
        self, decoder: PointDecoder, tokens: ImageTokens, rows: Tensor, used_hw: tuple[int, int], picture: Tensor
    ) -> Tensor:
        """Logits (P, h, w) of P rows (x, y, which of the prompt's masks)."""
        logits = decoder.mask_logits(decoder.decode(tokens, rows[:, :2]), None, used_hw).float()
        chosen = rows[:, 2, None] == torch.arange(logits.shape[1], dtype=rows.dtype)  # (P, M)
        return on_picture((logits * chosen[:, :, None, None].float()).sum(1), picture)

    def _classes(self, class_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Class ids and probabilities (K,)."""
        if self.class_head is None:
            nothing = torch.zeros(len(class_tokens))
            return nothing.long() - 1, nothing
        scores, ids = self.class_head(class_tokens).softmax(-1).max(-1)
        return ids, scores
