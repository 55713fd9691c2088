"""The whole everything mode of a network with shared keys as one module: what is evaluated is what export writes.

image, depth -> encoder -> prompts (the grid's, unless others are given) -> decoder -> box pre-selection -> the mean of
embeddings that agree -> masks -> first scores -> mask duplicate removal -> the best K -> object embeddings -> second
scores and names, all with static output shapes. `SamEverythingGraph` (training/networks/sam_everything.py) is the same
for SAM's two-way decoder.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from saom_core.model_file.contract import REQUIRED_OUTPUTS
from saom_core.prompting.grid import grid_points
from saom_core.sam.low_masks import MOST_BOX_IOU, stability_score

from .chunks import in_chunks
from .mask_scores import REACH, DrawnMasks, mask_scores, prompt_agreement, second_scores, seen_by_head
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
        judge = self.network.mask_iou_head
        least = score_threshold if judge is None else score_threshold * REACH
        drawn, features = self.draw(image, depth, prompts, least, stability_threshold, nms_iou)
        if judge is not None:
            judged = second_scores(drawn.scores, judge(seen_by_head(drawn)).sigmoid())
            judged = judged * (judged >= score_threshold)
            # the head knows answers to the grid: prompts that somebody asks may all mean one object
            drawn = _sorted(drawn, torch.where(score_threshold > 0, judged, drawn.scores))
        narrow = drawn.embeddings.to(self.network.class_head.weight.dtype)
        class_scores, class_ids = self.network.classify(narrow).float().softmax(-1).max(-1)
        boxes = drawn.boxes * _size_xyxy(image)
        scores = drawn.scores, drawn.stability
        rows = drawn.logits, boxes, *scores, class_ids, class_scores, drawn.points, drawn.embeddings
        return *(self._padded(row) for row in rows), features.coarse[0].float()

    def _padded(self, rows: Tensor) -> Tensor:
        """(N, ...) -> (K, ...), zeros behind."""
        return F.pad(rows, (*(0, 0) * (rows.dim() - 1), 0, self.max_instances - len(rows)))

    def draw(
        self,
        image: Tensor,
        depth: Tensor | None,
        prompts: Tensor,
        least_score: Tensor,
        stability_threshold: Tensor,
        nms_iou: Tensor,
    ) -> tuple[DrawnMasks, ImageFeatures]:
        """The masks with a first score, before `MaskIouHead` sees them, and the image's features.

        Most rows of an answer are padding, so those without a score are left out, and cost nothing.

        Args:
            image: this and what follows as in `forward`.
            depth: (H, W).
            prompts: (N, 2).
            least_score: () float32 first score from which masks are drawn; 0: the prompts are somebody's.
            stability_threshold: ().
            nms_iou: ().
        """
        size = _size_xyxy(image)
        features = self.network.encode(image[None], None if depth is None else depth[None])

        def answered(points: Tensor) -> tuple[Tensor, ...]:
            answers = self.network.decode(features, points[None])
            return tuple(rows[0] for rows in (answers.mask_embeddings, answers.quality_logits, answers.boxes))

        mask_embeddings, quality_logits, boxes = in_chunks(answered, prompts / size[:2], self.prompts_at_once)
        quality = quality_logits.float().sigmoid()
        within_reach = quality >= least_score.pow(6 / 4)  # of that score, by `mask_scores`
        passing = torch.where(within_reach, quality, torch.zeros_like(quality))
        picked, valid = preselect(boxes, passing, self.candidates)
        # prompts that somebody asks come with open thresholds; their answers do not depend on each other
        together = least_score > 0
        overlap = box_iou(boxes[picked], boxes)
        own = mask_embeddings[picked]
        own = torch.where(together, mean_embeddings(own, mask_embeddings, overlap, quality), own)
        logits = self.network.masks(features, own[None])[0].float()
        stability = stability_score(logits)
        masks = logits > 0
        agreement = prompt_agreement(masks, overlap, prompts / size[:2], quality)
        agreement = torch.where(together, agreement, torch.ones_like(agreement))
        scores = mask_scores(quality[picked], stability, agreement)
        scores = scores * valid * (scores >= least_score) * (stability >= stability_threshold)
        scores, order = best_distinct(masks, scores, nms_iou, self.max_instances)
        found = (scores > 0).sum().clamp(min=1).item()  # onnxruntime need not convolve an empty batch
        torch._check(found >= 1)  # for the exporter, which does not know the number
        torch._check(found <= self.max_instances)
        scores, order = scores[:found], order[:found]
        logits, picked = logits[order], picked[order]
        drawn = DrawnMasks(
            logits=logits,
            boxes=mask_boxes(logits),
            points=prompts[picked],
            quality=quality[picked],
            stability=stability[order],
            agreement=agreement[order],
            scores=scores,
            embeddings=self.network.embed(image, depth, logits, features).float(),
        )
        return drawn, features


def _size_xyxy(image: Tensor) -> Tensor:
    """(4,) width and height of an image (H, W, 3), twice: what xyxy in 0..1 is multiplied by."""
    return torch.tensor([image.shape[1], image.shape[0]] * 2, dtype=torch.float32)


def _sorted(drawn: DrawnMasks, scores: Tensor) -> DrawnMasks:
    """The masks with other scores (N,), in falling order of these."""
    scores, order = scores.sort(descending=True)
    rows = {field.name: getattr(drawn, field.name)[order] for field in dataclasses.fields(drawn)}
    return DrawnMasks(**{**rows, "scores": scores})


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


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of (C, 4) and (N, 4) xyxy, (C, N): torchvision's, but without an axis of two: onnxruntime is slow on it."""
    x0, y0, x1, y1 = first[:, :, None].unbind(1)
    u0, v0, u1, v1 = second[None].unbind(2)
    wide = (torch.minimum(x1, u1) - torch.maximum(x0, u0)).clamp(min=0)
    both = wide * (torch.minimum(y1, v1) - torch.maximum(y0, v0)).clamp(min=0)
    return both / ((x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - both).clamp(min=1e-9)


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
