"""Sums over images, class by class, from which IoU, pixel recall and panoptic quality follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np

from .resampling import Draws, FloatArray, mean_of_known, share


@dataclass
class RegionSums:
    """Sums over all objects of one class, in pixels."""

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
        add_to(self.rows[class_name], RegionSums(1, intersection, union, truth))

    def merge(self, other: ClassRegions) -> None:
        """Adds the other's sums."""
        for name, row in other.rows.items():
            add_to(self.rows[name], row)

    @property
    def mean_iou(self) -> float | None:
        """MIoU; None without objects."""
        return float(np.mean([row.iou for row in self.rows.values()])) if self.rows else None

    @property
    def mean_accuracy(self) -> float | None:
        """MAcc; None without objects."""
        return float(np.mean([row.accuracy for row in self.rows.values()])) if self.rows else None


def resampled_regions(pictures: Sequence[ClassRegions], drawn: Draws) -> tuple[FloatArray, FloatArray]:
    """(B,) mIoU and (B,) mAcc of sets of pictures, each with the classes that occur in it."""
    sums = resampled_sums([one.rows for one in pictures], RegionSums, drawn)  # (B, C, 4)
    objects, intersection, union, truth = np.moveaxis(sums, 2, 0)
    there = objects > 0
    ratios = [np.where(there, intersection / np.maximum(1, whole), np.nan) for whole in (union, truth)]
    return mean_of_known(ratios[0]), mean_of_known(ratios[1])


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


def resampled_quality(pictures: Sequence[Mapping[str, PanopticSums]], drawn: Draws) -> FloatArray:
    """(B,) mean PQ of sets of pictures, as `mean_quality` has it."""
    iou, matched, false_alarms, missed = np.moveaxis(resampled_sums(pictures, PanopticSums, drawn), 2, 0)
    return mean_of_known(share(iou, matched + 0.5 * false_alarms + 0.5 * missed))


def add_to(total: Any, one: Any) -> None:
    """Adds the fields of a dataclass of sums to those of another."""
    for field in fields(total):
        setattr(total, field.name, getattr(total, field.name) + getattr(one, field.name))


def resampled_sums(pictures: Sequence[Mapping[str, Any]], kind: type, drawn: Draws) -> FloatArray:
    """Sums over each set of pictures.

    Args:
        pictures: of each picture class -> sums, a dataclass of numbers.
        kind: the dataclass.
        drawn: (B, P).

    Returns:
        (B, C, fields) in the order of the classes' names; of a class that a picture does not have all is 0.
    """
    column = {name: k for k, name in enumerate(sorted({name for one in pictures for name in one}))}
    table = np.zeros((len(pictures), len(column), len(fields(kind))))
    for row, one in zip(table, pictures, strict=True):
        for name, sums in one.items():
            row[column[name]] = astuple(sums)
    return np.tensordot(drawn.astype(np.float64), table, axes=1)
