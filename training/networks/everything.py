"""The whole everything mode of a network with shared keys as one module: what is evaluated is what export writes.

image, depth -> encoder -> prompts (the grid's, unless others are given) -> decoder -> box pre-selection -> the mean of
embeddings that agree -> masks -> stability -> mask duplicate removal -> the best K, all with static output
shapes. `SamEverythingGraph` (training/networks/sam_everything.py) is the same for SAM's two-way decoder.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from saom_core.model_file.contract import REQUIRED_OUTPUTS
from saom_core.prompting.grid import grid_points
from saom_core.sam.low_masks import MOST_BOX_IOU, stability_score

from .chunks import in_chunks
from .object_head import mask_boxes
from .prompt_decoder import ImageFeatures, SharedKeysNetwork

BOX_IOU = MOST_BOX_IOU
"""Prompts whose boxes agree more than this are one candidate; the mask stage below decides the rest."""
BASIC_OUTPUTS = (*REQUIRED_OUTPUTS, "embeddings", "image_embedding")
"""What each exported module returns first, in this order; one may add others of `OPTIONAL_OUTPUTS`."""


class EverythingGraph(nn.Module):
    """Everything mode on one image, or the answers to some prompts on it.

    Args:
        network: the trained network, in eval mode.
        candidates: masks computed after box pre-selection.
        max_instances: K, rows of the answer.
        prompts_at_once: how many prompts are decoded together, which bounds memory and changes no result; 0: all.
    """

    outputs: tuple[str, ...] = BASIC_OUTPUTS
    """Names of what `forward` returns."""
    further_inputs: tuple[str, ...] = ()
    """Names of the arguments behind the thresholds, of `saom_core.everything.FURTHER_INPUTS`."""

    def __init__(
        self, network: SharedKeysNetwork, candidates: int = 120, max_instances: int = 100, prompts_at_once: int = 0
    ) -> None:
        super().__init__()
        self.network = network
        self.candidates, self.max_instances = candidates, max_instances
        self.prompts_at_once = prompts_at_once

    def forward(
        self,
        image: Tensor,
        depth: Tensor | None,
        prompts: Tensor,
        score_threshold: Tensor,
        stability_threshold: Tensor,
        nms_iou: Tensor,
    ) -> tuple[Tensor, ...]:
        """The outputs that `outputs` names.

        Args:
            image: (H, W, 3) uint8.
            depth: (H, W) float32 metres, 0 = invalid; None for a network without depth.
            prompts: (N, 2) float32 xy in pixels; `grid_prompts_xy` for everything mode.
            score_threshold: () float32; 0: the prompts are somebody's, and each is answered by itself.
            stability_threshold: () float32.
            nms_iou: () float32.

        Returns:
            masks (K, H/4, W/4) logits, boxes (K, 4) and points (K, 2) in pixels, scores, stability, class_ids,
            class_scores (K,), embeddings (K, E), by falling score; a row of score 0 is padding. image_embedding
            (D, H/16, W/16).
        """
        size = torch.tensor([image.shape[1], image.shape[0]] * 2, dtype=torch.float32)
        features = self.network.encode(image[None], None if depth is None else depth[None])

        def answered(points: Tensor) -> tuple[Tensor, ...]:
            answers = self.network.decode(features, points[None])
            return tuple(rows[0] for rows in (answers.mask_embeddings, answers.quality_logits, answers.boxes))

        mask_embeddings, quality_logits, boxes = in_chunks(answered, prompts / size[:2], self.prompts_at_once)
        quality = quality_logits.float().sigmoid()
        within_reach = quality >= score_threshold.pow(6 / 4)  # of the threshold, by `mask_scores`
        passing = torch.where(within_reach, quality, torch.zeros_like(quality))
        picked, valid = preselect(boxes, passing, self.candidates)
        # prompts that somebody asks come with open thresholds; their answers do not depend on each other
        together = score_threshold > 0
        overlap = box_iou(boxes[picked], boxes)
        own = mask_embeddings[picked]
        own = torch.where(together, mean_embeddings(own, mask_embeddings, overlap, quality), own)
        logits = self.network.masks(features, own[None])[0].float()
        stability = stability_score(logits)
        masks = logits > 0
        agreement = prompt_agreement(masks, overlap, prompts / size[:2], quality)
        agreement = torch.where(together, agreement, torch.ones_like(agreement))
        scores = mask_scores(quality[picked], stability, agreement)
        scores = scores * valid * (scores >= score_threshold) * (stability >= stability_threshold)
        scores, order = best_distinct(masks, scores, nms_iou, self.max_instances)
        picked = picked[order]
        logits, stability = logits[order], stability[order]
        embeddings = self._embeddings(image, depth, logits, scores, features)
        narrow = embeddings.to(self.network.class_head.weight.dtype)
        class_scores, class_ids = self.network.classify(narrow).float().softmax(-1).max(-1)
        labels = class_ids, class_scores, prompts[picked], embeddings
        return logits, mask_boxes(logits) * size, scores, stability, *labels, features.coarse[0].float()

    def _embeddings(
        self, image: Tensor, depth: Tensor | None, logits: Tensor, scores: Tensor, features: ImageFeatures
    ) -> Tensor:
        """Object embeddings (K, E) of the filled rows. Most rows are padding; they have zeros and cost nothing."""
        filled = (scores > 0).sum().clamp(min=1).item()  # onnxruntime need not convolve an empty batch
        torch._check(filled >= 1)  # for the exporter, which does not know the number
        torch._check(filled <= len(scores))
        embedded = self.network.embed(image, depth, logits[:filled], features).float()
        return F.pad(embedded, (0, 0, 0, len(scores) - filled))


def mean_embeddings(own: Tensor, embeddings: Tensor, overlap: Tensor, quality: Tensor) -> Tensor:
    """What all prompts that mean one object say of its mask: the mean of their embeddings.

    They do where their boxes agree by more than `BOX_IOU`, the measure of `preselect`, which leaves all of them but one
    out; a prompt may count for several candidates.
    Mask logits are linear in the embeddings, so this is the mean of their masks' logits, and costs next to nothing.

    Args:
        own: (C, M) float of the candidates.
        embeddings: (N, M) of all prompts.
        overlap: (C, N) float32 IoU of their boxes.
        quality: (N,) float32 predicted IoU, 0..1; each prompt counts by its square.

    Returns:
        (C, M) of `own`'s dtype.
    """
    weights = quality.square() * (overlap > BOX_IOU).float()
    total = weights.sum(1, keepdim=True)
    return torch.where(total > 0, weights @ embeddings.float() / total.clamp(min=1e-12), own.float()).to(own.dtype)


def prompt_agreement(masks: Tensor, overlap: Tensor, points: Tensor, quality: Tensor) -> Tensor:
    """How far the prompts that lie on each mask mean the same object: the mean IoU of their boxes with its own.

    Args:
        masks: (C, h, w) bool.
        overlap: (C, N) IoU of the box that each mask's prompt predicts with those of all prompts.
        points: (N, 2) xy 0..1, all prompts.
        quality: (N,) 0..1, what each counts for.

    Returns:
        (C,) 0..1; 1 where no prompt lies on the mask.
    """
    height, width = masks.shape[1:]
    column = (points[:, 0] * width).long().clamp(0, width - 1)
    row = (points[:, 1] * height).long().clamp(0, height - 1)
    weights = masks.flatten(1).index_select(1, row * width + column).float() * quality
    total = weights.sum(1)
    agreed = (weights * overlap).sum(1) / total.clamp(min=1e-6)
    return torch.where(total > 0, agreed, torch.ones_like(agreed))


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of (C, 4) and (N, 4) xyxy, (C, N): torchvision's, but without an axis of two: onnxruntime is slow on it."""
    x0, y0, x1, y1 = first[:, :, None].unbind(1)
    u0, v0, u1, v1 = second[None].unbind(2)
    wide = (torch.minimum(x1, u1) - torch.maximum(x0, u0)).clamp(min=0)
    both = wide * (torch.minimum(y1, v1) - torch.maximum(y0, v0)).clamp(min=0)
    return both / ((x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - both).clamp(min=1e-9)


def mask_scores(quality: Tensor, stability: Tensor, agreement: Tensor) -> Tensor:
    """How well each mask will fit, 0..1, of three values (N,): a product in which each has its weight.

    The IoU that a prompt predicts does not see the mask itself. An unsure edge tells of one that fits badly; and where
    prompts on it mean other objects, it may cover two things or half of one. With these powers a threshold leaves as
    many masks as it does of predicted IoU alone. No mask scores 0, which means padding.
    """
    rest = stability.clamp(min=0.01).square() * agreement.clamp(min=0.01)
    return (quality.pow(4) * rest).pow(1 / 6)


def preselect(boxes: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Candidates whose boxes differ, best first.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,); 0: not wanted.
        count: C.

    Returns:
        (C,) indices, and (C,) float which of them are real (1; the rest is padding).
    """
    return filled(torchvision.ops.nms(boxes, scores, BOX_IOU), scores, count)


def filled(kept: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Any number of indices as `count` of them, and which are real and have a score; results as of `preselect`."""
    padded = torch.cat([kept, torch.zeros(count, dtype=kept.dtype)])[:count]
    real = torch.arange(count) < torch.ones_like(kept).sum()
    return padded, (real & (scores[padded] > 0)).float()


def best_distinct(masks: Tensor, scores: Tensor, nms_iou: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best K of masks (C, h, w) bool with scores (C,), duplicates left out: (K,) scores, 0 = padding, and rows."""
    return (scores * suppress_duplicates(masks, scores, nms_iou)).topk(count)


def grid_prompts_xy(columns: int, rows: int, size_hw: tuple[int, int]) -> Tensor:
    """The regular grid as prompts of an image of that size: (columns * rows, 2) float32 xy in pixels."""
    return torch.from_numpy(grid_points(columns, rows) * (size_hw[1], size_hw[0])).float()


def suppress_duplicates(masks: Tensor, scores: Tensor, nms_iou: Tensor, iterations: int = 12) -> Tensor:
    """Greedy non-maximum suppression by mask IoU as fixed matrix products (Cluster-NMS, arXiv 2005.03572, eq. 4).

    After n iterations the result is that of greedy suppression, if no chain of "a removes b, so b cannot remove c" is
    longer than n. Such chains are short.

    Args:
        masks: (N, h, w) bool.
        scores: (N,) of two masks the one with the higher score stays, of equal ones the first. A mask of score 0 goes,
            and removes nothing.
        nms_iou: () IoU above which the worse one goes.
        iterations: n.

    Returns:
        (N,) float: 1 keeps, 0 goes.
    """
    flat = masks.flatten(1).float()
    intersection = flat @ flat.T
    area = flat.sum(1)
    union = area[:, None] + area[None, :] - intersection
    index = torch.arange(masks.shape[0])
    better = (scores[:, None] > scores[None, :]) | (
        (scores[:, None] == scores[None, :]) & (index[:, None] < index[None, :])
    )
    alive = (scores > 0).float()
    removes = (better & (intersection > nms_iou * union)).float() * alive[:, None]  # (i, j): i would remove j
    keep = torch.ones_like(scores)
    for _ in range(iterations):
        keep = 1.0 - (removes * keep[:, None]).max(dim=0).values
    return keep * alive
