"""Sums over images, class by class, from which IoU, pixel recall and panoptic quality follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass
class RegionSums:
    """Of all objects of one class, in pixels."""

    objects: int = 0
    intersection: int = 0
    union: int = 0
    truth: int = 0

    @property
    def iou(self) -> float:
        """Sum of intersections / sum of unions."""
        return self.intersection / max(1, self.union)

    @property
    def accuracy(self) -> float:
        """Sum of intersections / sum of the objects' pixels: the paper's Acc, a pixel recall."""
        return self.intersection / max(1, self.truth)


class ClassRegions:
    """The paper's figures: per class IoU and Acc, and their means over the classes that occur."""

    def __init__(self) -> None:
        self.rows: dict[str, RegionSums] = defaultdict(RegionSums)

    def add(self, class_name: str, intersection: int, union: int, truth: int) -> None:
        """Adds one object: pixels shared with its mask, of either, and its own; without a mask 0, its own, its own."""
        row = self.rows[class_name]
        row.objects += 1
        row.intersection += intersection
        row.union += union
        row.truth += truth

    @property
    def mean_iou(self) -> float | None:
        """MIoU; None without objects."""
        return float(np.mean([row.iou for row in self.rows.values()])) if self.rows else None

    @property
    def mean_accuracy(self) -> float | None:
        """MAcc; None without objects."""
        return float(np.mean([row.accuracy for row in self.rows.values()])) if self.rows else None


@dataclass
class PanopticSums:
    """Sums of one class, or of all as one: matches at IoU >= .5, their IoU, and what is left unmatched."""

    iou: float = 0.0
    matched: int = 0
    false_alarms: int = 0
    missed: int = 0

    def add(self, ious: Sequence[float], false_alarms: int, missed: int) -> None:
        """One image: IoU of each match, predictions and objects without one."""
        self.iou += sum(ious)
        self.matched += len(ious)
        self.false_alarms += false_alarms
        self.missed += missed

    @property
    def quality(self) -> float | None:
        """PQ (Kirillov et al. 2019, eq. 1); None where there is neither object nor prediction."""
        weight = self.matched + 0.5 * self.false_alarms + 0.5 * self.missed
        return self.iou / weight if weight else None


def mean_quality(rows: dict[str, PanopticSums]) -> float | None:
    """Mean PQ over the classes of which there is an object or a prediction (as in panopticapi); None without any."""
    qualities = [row.quality for row in rows.values() if row.quality is not None]
    return float(np.mean(qualities)) if qualities else None
