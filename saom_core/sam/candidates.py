"""Masks on their way through the filters of everything mode with the SAM family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from segment_anything.utils.amg import is_box_near_crop_edge, remove_small_regions
from torch import Tensor
from torchvision.ops import nms

from saom_core.instances import MaskCrop
from saom_core.sam.masks import MaskEnlarger, Window
from saom_core.sam.options import SamEverythingOptions


@dataclass(frozen=True)
class ImageCrop:
    """One crop of the image (or all of it) that the network looks at by itself."""

    box_xyxy: tuple[int, int, int, int]
    image_hw: tuple[int, int]  # of the whole image
    enlarger: MaskEnlarger
    mask_threshold: float

    @property
    def offset_xy(self) -> tuple[int, int]:
        """Where the crop begins in the image."""
        return self.box_xyxy[:2]

    @property
    def area(self) -> int:
        """Pixels of the crop."""
        x0, y0, x1, y1 = self.box_xyxy
        return (x1 - x0) * (y1 - y0)


@dataclass(frozen=True)
class PromptLabels:
    """What is known of K masks before they are drawn; tensors on the CPU."""

    predicted_iou: Tensor  # (K,) float32
    points_xy: Tensor  # (K, 2) float64, pixels of the crop
    class_ids: Tensor  # (K,) int64; -1 without class head
    class_scores: Tensor  # (K,) float32


@dataclass(frozen=True)
class LowMask:
    """A mask as its low-resolution logits; the pixels are made once it is known to stay."""

    logits: Tensor  # (h, w), only what the window needs
    window: Window
    crop: ImageCrop

    def pixels(self) -> MaskCrop:
        """The mask in the whole image."""
        mask = self.crop.enlarger.pixels(self.logits, self.window, self.crop.mask_threshold)
        x, y = self.crop.offset_xy
        return MaskCrop(mask.x + x, mask.y + y, mask.crop)


@dataclass(frozen=True)
class Candidates:
    """K masks that passed the filters: tensors on the CPU, in pixels of the whole image."""

    boxes_xyxy: Tensor  # (K, 4) int64, right and bottom inclusive, as in segment-anything
    predicted_iou: Tensor  # (K,) float32
    stability: Tensor  # (K,) float32
    points_xy: Tensor  # (K, 2) float64
    class_ids: Tensor  # (K,) int64; -1 without class head
    class_scores: Tensor  # (K,) float32
    crop_area: Tensor  # (K,) int64
    masks: tuple[LowMask, ...]

    def __len__(self) -> int:
        return len(self.masks)

    def select(self, chosen: Tensor) -> Candidates:
        """Some of the candidates, by their indices, in that order."""
        tensors = {name: value[chosen] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Candidates(**tensors, masks=tuple(self.masks[k] for k in chosen.tolist()))

    @staticmethod
    def join(parts: list[Candidates]) -> Candidates:
        """The candidates of all parts (at least one part), one after the other."""
        names = [name for name, value in vars(parts[0]).items() if isinstance(value, Tensor)]
        tensors = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return Candidates(**tensors, masks=tuple(mask for part in parts for mask in part.masks))

    def without_duplicates(self, scores: Tensor, box_iou: float) -> Candidates:
        """Keeps the candidate with the higher score where the boxes of two overlap more than `box_iou`."""
        return self.select(nms(self.boxes_xyxy.float(), scores, box_iou))


def filtered(logits: Tensor, labels: PromptLabels, crop: ImageCrop, options: SamEverythingOptions) -> Candidates:
    """Which of K masks are stable, have pixels, and are not cut by an edge of the crop inside the image.

    Args:
        logits: (K, h, w) low-resolution mask logits.
        labels: what is known of them already.
        crop: where they were found.
        options: thresholds.
    """
    found = crop.enlarger.measure(logits, crop.mask_threshold, options.stability_score_offset)
    stability = found.above_high / found.above_low
    keep = ~found.empty
    if options.stability_score_thresh > 0:
        keep &= stability >= options.stability_score_thresh
    height, width = crop.image_hw
    keep &= ~is_box_near_crop_edge(found.boxes_xyxy, list(crop.box_xyxy), [0, 0, width, height])
    chosen = keep.nonzero()[:, 0]
    offset = torch.tensor(crop.offset_xy)
    return Candidates(
        boxes_xyxy=found.boxes_xyxy[chosen] + offset.repeat(2),
        predicted_iou=labels.predicted_iou[chosen],
        stability=stability[chosen],
        points_xy=labels.points_xy[chosen] + offset,
        class_ids=labels.class_ids[chosen],
        class_scores=labels.class_scores[chosen],
        crop_area=torch.full((len(chosen),), crop.area),
        masks=tuple(
            LowMask(crop.enlarger.cut(logits[k], window).clone(), window, crop)
            for k, window in ((k, found.windows[k]) for k in chosen.tolist())
            if window is not None  # for the type checker: a mask that has pixels has a window, too
        ),
    )


def without_small_regions(
    masks: list[MaskCrop], size_hw: tuple[int, int], min_area: int, box_iou: float
) -> tuple[list[int], list[MaskCrop]]:
    """Fills holes and removes islands below `min_area` pixels, then drops the duplicates that this made.

    As in segment-anything, a mask that needed no change wins over one that did.

    Returns:
        The indices of the masks that stay and their new pixels, in that order.
    """
    if not masks:
        return [], []
    mended, untouched = [], []
    for mask in masks:
        dense, filled = remove_small_regions(mask.dense(size_hw), min_area, mode="holes")
        dense, removed = remove_small_regions(dense, min_area, mode="islands")
        changed = filled or removed
        mended.append(MaskCrop.from_dense(dense) if changed else mask)
        untouched.append(float(not changed))
    boxes = torch.tensor(np.array([mask.box_xyxy for mask in mended]), dtype=torch.float32)
    boxes[:, 2:] -= 1  # inclusive, as the boxes of all other filters
    keep = nms(boxes, torch.tensor(untouched), box_iou).tolist()
    return keep, [mended[k] for k in keep]
