"""Figures of everything mode against ground truth: what a robot gets, not what a well-placed prompt could give.

AP is pycocotools'; the rest is counted here from the overlaps of one image's predictions and objects (`Comparison`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances, MaskCrop
from saom_core.masks import in_front, match

from .average_precision import AveragePrecision
from .class_figures import (
    ClassRegions,
    PanopticSums,
    add_to,
    mean_quality,
    resampled_quality,
    resampled_regions,
    resampled_sums,
)
from .comparison import Comparison, GroundTruth, Outcome
from .overlap_figures import OverlapFigures, overlap_figures
from .resampling import Draws, FloatArray, share

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
    class_right: int = 0  # of those found at IoU .5 whose class the model knows, how many have the right name
    class_asked: int = 0


@dataclass
class Sums:
    """Counts of one picture or of several; the figures are ratios of them."""

    counts: Counts = field(default_factory=Counts)
    regions: ClassRegions = field(default_factory=ClassRegions)
    label_regions: ClassRegions = field(default_factory=ClassRegions)
    panoptic: PanopticSums = field(default_factory=PanopticSums)
    panoptic_of: dict[str, PanopticSums] = field(default_factory=lambda: defaultdict(PanopticSums))


@dataclass
class PictureSums(Sums):
    """Counts of one picture, with its own overlap figures, whose mean over pictures is taken."""

    overlap: OverlapFigures = field(kw_only=True)


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
        self._pictures: list[PictureSums] = []
        self._counts_of: dict[str, Counts] = defaultdict(Counts)

    def add(self, instances: Instances, truth: GroundTruth) -> float | None:
        """One image: its predictions and its objects.

        Returns:
            The image's own PQ, whatever the class; None where there is neither object nor prediction.
        """
        self._precision.add(instances, truth)
        compared = Comparison.of(instances.select(instances.scores >= self._operating_score), truth)
        outcome, near = compared.outcome(FOUND_IOU), compared.outcome(LEAST_IOU)
        overlap, label_regions = _label_image_sums(compared)
        one = PictureSums(overlap=overlap, label_regions=label_regions)
        self._count(one.counts, compared, outcome)
        _add_regions(one.regions, truth, near.matches, compared.intersections, compared.unions)
        self._add_classes(one.panoptic_of, compared)
        _add(one.panoptic, compared, outcome)
        self._pictures.append(one)
        return one.panoptic.quality

    def figures(self) -> dict[str, Any]:
        """All figures by name, shares in 0..1, None where nothing was asked; `per_class` by class of the objects."""
        total = self._total()
        c = total.counts
        plain, named = self._precision.whatever_class(), self._precision.with_class()
        return {
            "images": len(self._pictures),
            "objects": c.objects,
            "predictions": c.predictions,
            "AP": plain.ap,
            "AP50": plain.ap50,
            "AP75": plain.ap75,
            "recall50": _share(c.found50, c.objects),
            "recall75": _share(c.found75, c.objects),
            "precision50": _share(c.found50, c.predictions),
            "pq_class_agnostic": total.panoptic.quality,
            "over_segmentation_rate": _share(c.in_pieces, c.objects),
            "duplicate_rate": _share(c.duplicates, c.predictions),
            "mIoU": total.regions.mean_iou,
            "mAcc": total.regions.mean_accuracy,
            "mIoU_label_image": total.label_regions.mean_iou,
            "mAcc_label_image": total.label_regions.mean_accuracy,
            **_means([one.overlap for one in self._pictures]),
            "AP_class": named.ap,
            "AP50_class": named.ap50,
            "pq": mean_quality(total.panoptic_of) if self._names else None,
            "class_accuracy": _share(c.class_right, c.class_asked),
            "per_class": {name: self._row(name, total, named.per_class_ap50) for name in sorted(self._counts_of)},
        }

    def resampled(self, drawn: Draws) -> dict[str, FloatArray]:
        """Figure -> its values (B,) of sets of the pictures, drawn (B, P); AP with classes is left out."""
        pictures, weights = self._pictures, drawn.astype(np.float64)
        counts = resampled_sums([{"": one.counts} for one in pictures], Counts, drawn)[:, 0]
        c = dict(zip((column.name for column in fields(Counts)), counts.T, strict=True))
        mean_iou, mean_accuracy = resampled_regions([one.regions for one in pictures], drawn)
        label_iou, label_accuracy = resampled_regions([one.label_regions for one in pictures], drawn)
        overlaps = weights @ np.array([astuple(one.overlap) for one in pictures]) / len(pictures)
        classes = [one.panoptic_of for one in pictures]
        return {
            **self._precision.resampled(drawn),
            "recall50": share(c["found50"], c["objects"]),
            "recall75": share(c["found75"], c["objects"]),
            "precision50": share(c["found50"], c["predictions"]),
            "pq_class_agnostic": resampled_quality([{"": one.panoptic} for one in pictures], drawn),
            "over_segmentation_rate": share(c["in_pieces"], c["objects"]),
            "duplicate_rate": share(c["duplicates"], c["predictions"]),
            "mIoU": mean_iou,
            "mAcc": mean_accuracy,
            "mIoU_label_image": label_iou,
            "mAcc_label_image": label_accuracy,
            **{column.name: overlaps[:, k] for k, column in enumerate(fields(OverlapFigures))},
            **({"pq": resampled_quality(classes, drawn)} if any(classes) else {}),
            "class_accuracy": share(c["class_right"], c["class_asked"]),
        }

    def _total(self) -> Sums:
        total = Sums()
        for one in self._pictures:
            add_to(total.counts, one.counts)
            total.regions.merge(one.regions)
            total.label_regions.merge(one.label_regions)
            add_to(total.panoptic, one.panoptic)
            for name, sums in one.panoptic_of.items():
                add_to(total.panoptic_of[name], sums)
        return total

    def _row(self, name: str, total: Sums, ap50: dict[str, float]) -> dict[str, Any]:
        c, region = self._counts_of[name], total.regions.rows[name]
        return {
            "objects": c.objects,
            "iou": region.iou,
            "acc": region.accuracy,
            "recall50": c.found50 / c.objects,
            "recall75": c.found75 / c.objects,
            "named_right": _share(c.class_right, c.class_asked),
            "pq": total.panoptic_of[name].quality if name in self._names else None,
            "AP50": ap50.get(name),
        }

    def _count(self, counts: Counts, compared: Comparison, outcome: Outcome) -> None:
        truth, ious, matches = compared.truth, compared.ious, outcome.matches
        counts.predictions += len(matches) + len(outcome.false_alarms)
        counts.duplicates += int((ious[outcome.false_alarms][:, truth.asked] >= FOUND_IOU).any(1).sum())
        for g in np.flatnonzero(truth.asked).tolist():
            name, one = truth.class_names[g], Counts(objects=1)
            if g in matches:
                k = matches[g]
                one.found50, one.found75 = 1, int(ious[k, g] >= 0.75)
                one.class_asked = int(name in self._names)
                one.class_right = int(name in self._names and compared.predicted.class_names[k] == name)
            else:
                one.in_pieces = int(_in_pieces(compared, g))
            add_to(counts, one)
            add_to(self._counts_of[name], one)

    def _add_classes(self, panoptic_of: dict[str, PanopticSums], compared: Comparison) -> None:
        """PQ's sums of each class; on an object whose class the model does not know, no name is wrong."""
        named, names = _names(compared.predicted.class_names), _names(compared.truth.class_names)
        known = np.isin(names, _names(self._names))
        for name in {*named, *names} & set(self._names):
            outcome = compared.outcome(FOUND_IOU, asked=known, predictions=named == name, objects=names == name)
            _add(panoptic_of[name], compared, outcome)


def _label_image_sums(compared: Comparison) -> tuple[OverlapFigures, ClassRegions]:
    """Figures of the label image, which planners read; where masks overlap, the smaller one lies in front."""
    truth, labels = compared.truth, compared.predicted.label_image()
    objects = [MaskCrop.from_dense(mask) for mask in truth.masks[truth.asked]]
    truth_image = Instances.from_masks(truth.size_hw, objects, np.ones(len(objects), np.float32)).label_image()
    overlap = overlap_figures(np.where(truth.void(truth.asked), 0, labels), truth_image)
    # an object whose lid lies on it cannot keep the lid's pixels in such an image: it is asked for what it can keep
    front = replace(truth, masks=in_front(truth.masks))
    count = len(compared.predicted) + 1
    shared = np.array([np.bincount(labels[mask], minlength=count)[1:] for mask in front.masks], np.int64)
    shared = shared.reshape(len(front.masks), count - 1).T  # (predictions, objects)
    unions = np.bincount(labels.ravel(), minlength=count)[1:, None] + front.areas - shared
    matches = match(shared / np.maximum(unions, 1), LEAST_IOU)
    regions = ClassRegions()
    _add_regions(regions, front, matches, shared, unions)
    return overlap, regions


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
