"""The whole everything mode of saom-tiny as one module: what training evaluates is what export writes.

image, depth -> encoder -> prompts (the grid's, unless others are given) -> decoder -> box pre-selection -> masks ->
stability -> mask duplicate removal -> the best K, all with static output shapes.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn

from saom_core.grid import grid_points
from training.prompt_decoder import PromptNetwork

BOX_IOU = 0.8
"""Prompts whose boxes agree more than this are one candidate; the mask stage below decides the rest."""
STABILITY_OFFSET = 1.0
"""As in segment-anything's calculate_stability_score."""


class EverythingGraph(nn.Module):
    """Everything mode on one image, or the answers to some prompts on it.

    Args:
        network: the trained network, in eval mode.
        candidates: masks computed after box pre-selection.
        max_instances: K, rows of the answer.
    """

    def __init__(self, network: PromptNetwork, candidates: int = 160, max_instances: int = 100) -> None:
        super().__init__()
        self.network = network
        self.candidates, self.max_instances = candidates, max_instances

    def forward(
        self,
        image: Tensor,
        depth: Tensor,
        prompts: Tensor,
        score_threshold: Tensor,
        stability_threshold: Tensor,
        nms_iou: Tensor,
    ) -> tuple[Tensor, ...]:
        """The outputs that `saom_core.runtime.OUTPUTS` names.

        Args:
            image: (H, W, 3) uint8.
            depth: (H, W) float32 metres, 0 = invalid.
            prompts: (N, 2) float32 xy in pixels; `grid_prompts_xy` for everything mode.
            score_threshold: () float32.
            stability_threshold: () float32.
            nms_iou: () float32.

        Returns:
            masks (K, H/4, W/4) logits, boxes (K, 4) and points (K, 2) in pixels, scores, stability, class_ids,
            class_scores (K,), embeddings (K, E), by falling score; score 0 = padding. image_embedding (D, H/16, W/16).
        """
        size = torch.tensor([image.shape[1], image.shape[0]] * 2, dtype=torch.float32)
        features = self.network.encode(image[None], depth[None])
        answers = self.network.decode(features, (prompts / size[:2])[None])
        quality = answers.quality_logits[0].float().sigmoid()
        picked, valid = self._preselect(answers.boxes[0], quality, score_threshold)
        logits = self.network.masks(features, answers.mask_embeddings[:, picked])[0].float()
        embeddings = self.network.embed(features, answers.tokens[:, picked], logits[None])[0]
        stability = stability_score(logits)
        scores = quality[picked] * valid * (stability >= stability_threshold)
        scores = scores * suppress_duplicates(logits > 0, scores, nms_iou)
        scores, order = scores.topk(self.max_instances)
        picked = picked[order]
        logits, stability, embeddings = logits[order], stability[order], embeddings[order]
        class_scores, class_ids = self.network.classify(embeddings).float().softmax(-1).max(-1)
        labels = class_ids, class_scores, prompts[picked], embeddings
        return logits, mask_boxes(logits) * size, scores, stability, *labels, features.coarse[0]

    def _preselect(self, boxes: Tensor, quality: Tensor, score_threshold: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (candidates,) of distinct prompts, best first, and which of them are real (the rest is padding)."""
        ranked = torch.where(quality >= score_threshold, quality, torch.zeros_like(quality))
        kept = torchvision.ops.nms(boxes, ranked, BOX_IOU)
        padded = torch.cat([kept, torch.zeros(self.candidates, dtype=kept.dtype)])[: self.candidates]
        count = torch.ones_like(kept).sum()
        valid = (torch.arange(self.candidates) < count) & (ranked[padded] > 0)
        return padded, valid.float()


def grid_prompts_xy(columns: int, rows: int, size_hw: tuple[int, int]) -> Tensor:
    """The regular grid as prompts of an image of that size: (columns * rows, 2) float32 xy in pixels."""
    return torch.from_numpy(grid_points(columns, rows) * (size_hw[1], size_hw[0])).float()


def mask_boxes(logits: Tensor) -> Tensor:
    """Boxes about masks (N, h, w), widened by a mask pixel for what interpolation adds: (N, 4) xyxy in 0..1.

    An empty mask has an empty box.
    """
    height, width = logits.shape[1:]
    inside = logits > 0
    edges = []
    for size, occupied in ((width, inside.any(1)), (height, inside.any(2))):  # (N, w), (N, h)
        index = torch.arange(size, dtype=torch.float32)
        low = torch.where(occupied, index - 1, torch.tensor(float(size))).min(1).values
        high = torch.where(occupied, index + 2, torch.tensor(0.0)).max(1).values
        edges.append(torch.stack([low, high]) / size)
    return torch.stack([edges[0][0], edges[1][0], edges[0][1], edges[1][1]], dim=1).clamp(0.0, 1.0)


def stability_score(logits: Tensor) -> Tensor:
    """IoU of each mask cut at +offset and at -offset, (N, h, w) -> (N,); 0 for an empty mask."""
    strict = (logits > STABILITY_OFFSET).float().sum((1, 2))
    loose = (logits > -STABILITY_OFFSET).float().sum((1, 2))
    return strict / loose.clamp(min=1.0)


def suppress_duplicates(masks: Tensor, scores: Tensor, nms_iou: Tensor, iterations: int = 12) -> Tensor:
    """Greedy non-maximum suppression by mask IoU as fixed matrix products (Cluster-NMS, arXiv 2005.03572, eq. 4).

    The iteration equals greedy suppression once it is as long as the longest chain "a removes b, so b no longer
    removes c"; such chains are short.

    Args:
        masks: (N, h, w) bool.
        scores: (N,) the better one stays; of equals the first. 0 removes nothing and is removed.
        nms_iou: () IoU above which the worse one goes.
        iterations: length of the fixed iteration.

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
