"""The whole everything mode of a SAM checkpoint with its two-way decoder as one module, which export writes.

A prompt of the two-way decoder has image tokens of its own (4 MB), so prompts are decoded some at a time, in a loop
inside the file, and twice: all of them for quality, stability, box and class token of each mask; then those of the
candidates that stay, for their masks. 160 decoded twice cost a sixth more of a 32 x 32 grid; 3072 masks kept would be
0.6 GB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saom_core.sam.decoder import ImageTokens, PointDecoder
from saom_core.sam.encoder import encode
from saom_core.sam.network import SamModel

from .chunks import in_chunks
from .everything import best_distinct, preselect, stability_score
from .fast_head import EXPORTED_SCORES, sam_pixels, used_tokens
from .object_head import mask_boxes

PROMPTS_AT_ONCE = 16


class SamEverythingGraph(nn.Module):
    """Everything mode on one image, or the answers to some prompts on it, with segment-anything's filters.

    Differences from `saom_core.sam.SamSegmenter`: stability and boxes are measured on the mask logits, not at the
    image's size, and of masks that overlap the better one stays by mask IoU.

    Args:
        model: the network with its class head, if it has one.
        prompts_at_once: bounds memory; changes no result.
        candidates: masks computed after box pre-selection.
        max_instances: K, rows of the answer.
    """

    def __init__(
        self,
        model: SamModel,
        prompts_at_once: int = PROMPTS_AT_ONCE,
        candidates: int = 160,
        max_instances: int = 100,
    ) -> None:
        super().__init__()
        self.image_encoder = model.sam.image_encoder
        self.prompt_encoder, self.mask_decoder = model.sam.prompt_encoder, model.sam.mask_decoder
        self.class_head = model.class_head
        self.sizes = model.sizes
        self.one_mask_per_prompt = model.one_mask_per_prompt
        self.mean, self.std = (tuple(v.flatten().tolist()) for v in (model.sam.pixel_mean, model.sam.pixel_std))
        self.prompts_at_once, self.candidates, self.max_instances = prompts_at_once, candidates, max_instances

    def forward(
        self,
        image: Tensor,
        depth: Tensor | None,
        prompts: Tensor,
        score_threshold: Tensor,
        stability_threshold: Tensor,
        nms_iou: Tensor,
    ) -> tuple[Tensor, ...]:
        """Arguments and results as `EverythingGraph.forward`; H and W divisible by 16, depth None.

        The embedding of an instance is the IoU token, which the class head reads; without class head class_ids are -1
        and class_scores 0.
        """
        limits = score_threshold, stability_threshold, nms_iou
        return self.decoded(self.encoded(image), (image.shape[0], image.shape[1]), prompts, *limits)

    def encoded(self, image: Tensor) -> Tensor:
        """The embedding (1, C, S, S) of an image."""
        pixels = sam_pixels(image[None], self.mean, self.std, self.sizes.image_size)
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
    ) -> tuple[Tensor, ...]:
        """The rest of `forward`, with the embedding of an image of that size."""
        height, width = size_hw
        used = used_tokens(embedding, size_hw, self.sizes)
        decoder = PointDecoder(self)
        tokens = decoder.image_tokens(embedding)
        used_hw = (used.shape[2], used.shape[3])

        def measures(points: Tensor) -> tuple[Tensor, ...]:
            return self._measures(decoder, tokens, points, used_hw)

        quality, stability, boxes, class_tokens = in_chunks(measures, prompts, self.prompts_at_once)
        masks_per_prompt = quality.shape[1]
        passes = (quality >= score_threshold) & (stability >= stability_threshold)
        if self.one_mask_per_prompt:
            passes &= quality == quality.amax(dim=1, keepdim=True)
        passing = torch.where(passes, quality, torch.zeros_like(quality)).flatten()  # (N * M,)
        stability = stability.flatten()
        picked, valid = preselect(boxes.flatten(0, 1), passing, self.candidates)
        asked = prompts[picked // masks_per_prompt]

        def drawn(rows: Tensor) -> tuple[Tensor, ...]:
            return (self._masks(decoder, tokens, rows, used_hw),)

        which = (picked % masks_per_prompt).to(asked.dtype)[:, None]
        (logits,) = in_chunks(drawn, torch.cat([asked, which], dim=1), self.prompts_at_once)
        scores, order = best_distinct(logits > 0, passing[picked] * valid, nms_iou, self.max_instances)
        picked, logits = picked[order], logits[order]
        embeddings = class_tokens[picked // masks_per_prompt]
        size = torch.tensor([width, height] * 2, dtype=torch.float32)
        labels = *self._classes(embeddings), prompts[picked // masks_per_prompt], embeddings
        return logits, mask_boxes(logits) * size, scores, stability[picked], *labels, used[0].float()

    def _measures(
        self, decoder: PointDecoder, tokens: ImageTokens, points_xy: Tensor, used_hw: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Of P prompts and their M masks: quality, stability (P, M), boxes (P, M, 4), class token (P, C)."""
        answers = decoder.decode(tokens, points_xy)
        logits = decoder.mask_logits(answers, None, used_hw).float().flatten(0, 1)
        shape = answers.predicted_iou.shape
        stability, boxes = stability_score(logits).unflatten(0, shape), mask_boxes(logits).unflatten(0, shape)
        return answers.predicted_iou.float(), stability, boxes, answers.class_token.float()

    def _masks(self, decoder: PointDecoder, tokens: ImageTokens, rows: Tensor, used_hw: tuple[int, int]) -> Tensor:
        """Logits (P, h, w) of P rows (x, y, which of the prompt's masks)."""
        logits = decoder.mask_logits(decoder.decode(tokens, rows[:, :2]), None, used_hw).float()
        chosen = rows[:, 2, None] == torch.arange(logits.shape[1], dtype=rows.dtype)  # (P, M)
        return (logits * chosen[:, :, None, None].float()).sum(1)

    def _classes(self, class_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Class ids and probabilities (K,)."""
        if self.class_head is None:
            nothing = torch.zeros(len(class_tokens))
            return nothing.long() - 1, nothing
        scores, ids = self.class_head(class_tokens).softmax(-1).max(-1)
        return ids, scores
