"""Figures of everything mode against ground truth: what a robot gets, not what a well-placed prompt could give.

AP is pycocotools'; the rest is counted here from the overlaps of one image's predictions and objects (`Comparison`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances, MaskCrop
from saom_core.masks import in_front, match

from .average_precision import AveragePrecision
from .class_figures import ClassRegions, PanopticSums, mean_quality
from .comparison import Comparison, GroundTruth, Outcome
from .overlap_figures import OverlapFigures, overlap_figures

FOUND_IOU = 0.5
LEAST_IOU = 0.1
"""A mask with a lower IoU is not the object's mask at all: it belongs to another object, or to none."""
INSIDE, COVERED = 0.8, 0.5
"""A piece lies inside its object by this share; an object is in pieces if its pieces cover this share of it."""


@dataclass
class Counts:
    """Sums over images."""

    objects: int = 0
    predictions: int = 0
    found50: int = 0  # whole: matched one to one at IoU >= .5
    found75: int = 0
    in_pieces: int = 0  # not found, but at least two predictions inside it cover half of it
    duplicates: int = 0  # predictions of an object that a better prediction already found
    class_right: int = 0  # of found50, over objects whose class the model knows
    class_asked: int = 0

    def add(self, other: Counts) -> None:
        """Adds the other's sums."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class EverythingMetrics:
    """Collects images, then gives the figures.

    Args:
        class_names: of the model; objects of other classes count as objects, but their class is not asked.
        operating_score: AP ranks all predictions; everything else counts those that a robot gets, with at least
            this score.
    """

    def __init__(self, class_names: tuple[str, ...], operating_score: float = 0.5) -> None:
        self._names = class_names
        self._operating_score = operating_score
        self._precision = AveragePrecision(class_names)
        self._counts = Counts()
        self._counts_of: dict[str, Counts] = defaultdict(Counts)
        self._regions = ClassRegions()
        self._label_regions = ClassRegions()
        self._panoptic = PanopticSums()
        self._panoptic_of: dict[str, PanopticSums] = defaultdict(PanopticSums)
        self._overlaps: list[OverlapFigures] = []

    def add(self, instances: Instances, truth: GroundTruth) -> float | None:
        """One image: its predictions and its objects.

        Returns:
            The image's own PQ, whatever the class; None where there is neither object nor prediction.
        """
        self._precision.add(instances, truth)
        compared = Comparison.of(instances.select(instances.scores >= self._operating_score), truth)
        outcome = compared.outcome(FOUND_IOU)
        self._count(compared, outcome)
        _add_regions(self._regions, truth, compared.outcome(LEAST_IOU).matches, compared.intersections, compared.unions)
        self._add_label_image(compared)
        self._add_classes(compared)
        _add(self._panoptic, compared, outcome)
        own = PanopticSums()
        _add(own, compared, outcome)
        return own.quality

    def figures(self) -> dict[str, Any]:
        """All figures by name, shares in 0..1, None where nothing was asked; `per_class` by class of the objects."""
        c = self._counts
        plain, named = self._precision.whatever_class(), self._precision.with_class()
        return {
            "images": len(self._overlaps),
            "objects": c.objects,
            "predictions": c.predictions,
            "AP": plain.ap,
            "AP50": plain.ap50,
            "AP75": plain.ap75,
            "recall50": _share(c.found50, c.objects),
            "recall75": _share(c.found75, c.objects),
            "precision50": _share(c.found50, c.predictions),
            "pq_class_agnostic": self._panoptic.quality,
            "over_segmentation_rate": _share(c.in_pieces, c.objects),
            "duplicate_rate": _share(c.duplicates, c.predictions),
            "mIoU": self._regions.mean_iou,
            "mAcc": self._regions.mean_accuracy,
            "mIoU_label_image": self._label_regions.mean_iou,
            "mAcc_label_image": self._label_regions.mean_accuracy,
            **_means(self._overlaps),
            "AP_class": named.ap,
            "AP50_class": named.ap50,
            "pq": mean_quality(self._panoptic_of) if self._names else None,
            "class_accuracy": _share(c.class_right, c.class_asked),
            "per_class": {name: self._row(name, named.per_class_ap50) for name in sorted(self._counts_of)},
        }

    def _row(self, name: str, ap50: dict[str, float]) -> dict[str, Any]:
        c, region = self._counts_of[name], self._regions.rows[name]
        return {
            "objects": c.objects,
            "iou": region.iou,
            "acc": region.accuracy,
            "recall50": c.found50 / c.objects,
            "recall75": c.found75 / c.objects,
            "named_right": _share(c.class_right, c.class_asked),
            "pq": self._panoptic_of[name].quality if name in self._names else None,
            "AP50": ap50.get(name),
        }

    def _count(self, compared: Comparison, outcome: Outcome) -> None:
        truth, ious, matches = compared.truth, compared.ious, outcome.matches
        self._counts.predictions += len(matches) + len(outcome.false_alarms)
        self._counts.duplicates += int((ious[outcome.false_alarms][:, truth.asked] >= FOUND_IOU).any(1).sum())
        for g in np.flatnonzero(truth.asked).tolist():
            name, one = truth.class_names[g], Counts(objects=1)
            if g in matches:
                k = matches[g]
                one.found50, one.found75 = 1, int(ious[k, g] >= 0.75)
                one.class_asked = int(name in self._names)
                one.class_right = int(name in self._names and compared.predicted.class_names[k] == name)
            else:
                one.in_pieces = int(_in_pieces(compared, g))
            self._counts.add(one)
            self._counts_of[name].add(one)

    def _add_label_image(self, compared: Comparison) -> None:
        """Each pixel belongs to one mask, the smaller one, which lies in front: what planners read."""
        truth, labels = compared.truth, compared.predicted.label_image()
        objects = [MaskCrop.from_dense(mask) for mask in truth.masks[truth.asked]]
        truth_image = Instances.from_masks(truth.size_hw, objects, np.ones(len(objects), np.float32)).label_image()
        self._overlaps.append(overlap_figures(np.where(truth.void(truth.asked), 0, labels), truth_image))
        # an object whose lid lies on it cannot keep the lid's pixels in such an image: it is asked for what it can keep
        front = replace(truth, masks=in_front(truth.masks))
        count = len(compared.predicted) + 1
        shared = np.array([np.bincount(labels[mask], minlength=count)[1:] for mask in front.masks], np.int64)
        shared = shared.reshape(len(front.masks), count - 1).T  # (predictions, objects)
        unions = np.bincount(labels.ravel(), minlength=count)[1:, None] + front.areas - shared
        matches = match(shared / np.maximum(unions, 1), LEAST_IOU)
        _add_regions(self._label_regions, front, matches, shared, unions)

    def _add_classes(self, compared: Comparison) -> None:
        """PQ's sums of each class; on an object whose class the model does not know, no name is wrong."""
        named, names = _names(compared.predicted.class_names), _names(compared.truth.class_names)
        known = np.isin(names, _names(self._names))
        for name in {*named, *names} & set(self._names):
            outcome = compared.outcome(FOUND_IOU, asked=known, predictions=named == name, objects=names == name)
            _add(self._panoptic_of[name], compared, outcome)


def _add_regions(
    regions: ClassRegions,
    truth: GroundTruth,
    matches: dict[int, int],
    shared: npt.NDArray[np.int64],
    unions: npt.NDArray[np.int64],
) -> None:
    """The paper's sums, each object with the mask that was found of it, if any.

    Args:
        regions: to add to.
        truth: the objects.
        matches: object -> prediction.
        shared: (predictions, objects) pixels that both have.
        unions: (predictions, objects) pixels that either has.
    """
    for g in np.flatnonzero(truth.asked).tolist():
        area = int(truth.areas[g])
        k = matches.get(g)
        found = (0, area) if k is None else (int(shared[k, g]), int(unions[k, g]))
        regions.add(truth.class_names[g], *found, area)


def _add(sums: PanopticSums, compared: Comparison, outcome: Outcome) -> None:
    ious = [float(compared.ious[k, g]) for g, k in outcome.matches.items()]
    sums.add(ious, len(outcome.false_alarms), len(outcome.missed))


def _share(part: int, whole: int) -> float | None:
    """A share, or None where there is nothing that it could be a share of."""
    return part / whole if whole else None


def _names(names: tuple[str, ...]) -> npt.NDArray[np.str_]:
    return np.array(names, np.str_)


def _in_pieces(compared: Comparison, g: int) -> bool:
    """Whether at least two predictions that lie in an object cover half of it together."""
    inside = compared.intersections[:, g] / np.maximum(compared.predicted_areas, 1) >= INSIDE
    if np.count_nonzero(inside) < 2:
        return False
    covered = compared.predicted.select(inside).dense_masks().any(0)
    return bool(np.count_nonzero(covered & compared.truth.masks[g]) >= COVERED * compared.truth.areas[g])


def _means(figures: list[OverlapFigures]) -> dict[str, float | None]:
    """Means over images, by name."""
    return {
        field.name: float(np.mean([getattr(one, field.name) for one in figures])) if figures else None
        for field in fields(OverlapFigures)
    }
