"""Figures of everything mode against ground truth: what a robot gets, not what a well-placed prompt could give.

AP comes from pycocotools; whole-object recall, over-segmentation, duplicates and class accuracy are counted here from
the IoU matrix.
"""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from saom_core.instances import Instances

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GroundTruth:
    """The objects of one image."""

    masks: BoolArray  # (N, H, W)
    class_names: tuple[str, ...]


@dataclass
class Counts:
    """Sums over images from which the figures follow."""

    objects: int = 0
    predictions: int = 0
    found50: int = 0  # whole: the best match has IoU >= .5
    found75: int = 0
    in_pieces: int = 0  # not found, but at least two predictions inside it cover half of it
    duplicates: int = 0  # predictions of an object that a better prediction already found
    class_right: int = 0  # of found50, over objects whose class the model knows
    class_asked: int = 0
    iou_sum: float = 0.0  # of found50
    per_class: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))


class EverythingMetrics:
    """Collects images, then gives the figures.

    Args:
        class_names: of the model; objects of other classes count as objects, but their class is not asked.
        operating_score: AP ranks all predictions; everything else counts those that a robot gets, with at least
            this score.
        min_area_px: smaller objects of the ground truth are not asked for and cost nothing when found.
    """

    def __init__(self, class_names: tuple[str, ...], operating_score: float = 0.5, min_area_px: int = 100) -> None:
        self._names = class_names
        self._operating_score = operating_score
        self._min_area = min_area_px
        self._truth: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self.counts = Counts()

    def add(self, instances: Instances, truth: GroundTruth) -> None:
        """One image: its predictions and its objects."""
        image_id = len(self._images) + 1
        height, width = instances.size_hw
        self._images.append({"id": image_id, "height": height, "width": width})
        truth_rles, small = [], []
        for mask, name in zip(truth.masks, truth.class_names, strict=True):
            rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
            area = float(coco_mask.area(rle))
            truth_rles.append(rle)
            small.append(area < self._min_area)
            self._truth.append(
                {
                    "id": len(self._truth) + 1,
                    "image_id": image_id,
                    "category_id": self._category(name),
                    "segmentation": rle,
                    "area": area,
                    "bbox": coco_mask.toBbox(rle).tolist(),
                    "iscrowd": 0,
                }
            )
        rles = [coco_mask.encode(np.asfortranarray(m.dense(instances.size_hw), np.uint8)) for m in instances.masks]
        for k, rle in enumerate(rles):
            self._results.append(
                {
                    "image_id": image_id,
                    "category_id": self._category(instances.class_names[k]),
                    "segmentation": rle,
                    "score": float(instances.scores[k]),
                    "named_score": float(instances.scores[k] * instances.class_scores[k]),
                }
            )
        asked = [k for k, is_small in enumerate(small) if not is_small]
        shown = int(np.count_nonzero(instances.scores >= self._operating_score))
        instances, rles = instances.select(np.arange(shown)), rles[:shown]
        ious = coco_mask.iou(rles, truth_rles, [0] * len(truth_rles)) if rles and truth_rles else None
        matrix = np.asarray(ious).reshape(len(rles), len(truth_rles)) if ious is not None else np.zeros((len(rles), 0))
        inside = coco_mask.iou(rles, truth_rles, [1] * len(truth_rles)) if rles and truth_rles else matrix
        self._count(instances, truth, matrix, np.asarray(inside).reshape(matrix.shape), asked)

    def _count(
        self,
        instances: Instances,
        truth: GroundTruth,
        ious: npt.NDArray[np.float64],
        inside: npt.NDArray[np.float64],
        asked: list[int],
    ) -> None:
        counts = self.counts
        counts.objects += len(asked)
        counts.predictions += len(instances)
        matches = match(ious)
        for k in range(len(instances)):
            if k not in matches.values() and ious.shape[1] and ious[k].max() >= 0.5:
                counts.duplicates += 1
        for g in asked:
            name = truth.class_names[g]
            row = counts.per_class[name]
            row[0] += 1
            if g in matches:
                k = matches[g]
                counts.found50 += 1
                counts.found75 += ious[k, g] >= 0.75
                counts.iou_sum += float(ious[k, g])
                row[1] += 1
                row[2] += int(ious[k, g] >= 0.75)
                if name in self._names:
                    counts.class_asked += 1
                    right = instances.class_names[k] == name
                    counts.class_right += right
                    row[3] += right
            elif ious.shape[0]:
                pieces = [k for k in np.flatnonzero(inside[:, g] >= 0.8) if ious[k, g] > 0]
                covered = np.zeros(instances.size_hw, np.bool_)
                for k in pieces:
                    mask = instances.masks[k]
                    covered[mask.window] |= mask.crop
                share = (covered & truth.masks[g]).sum() / max(1, truth.masks[g].sum())
                counts.in_pieces += len(pieces) >= 2 and share >= 0.5

    def figures(self) -> dict[str, Any]:
        """All figures by name; AP in 0..1."""
        c = self.counts
        unmatched = c.predictions - c.found50
        return {
            "images": len(self._images),
            "objects": c.objects,
            "predictions": c.predictions,
            **self._average_precision(),
            "recall50": c.found50 / max(1, c.objects),
            "recall75": c.found75 / max(1, c.objects),
            "precision50": c.found50 / max(1, c.predictions),
            "pq_class_agnostic": c.iou_sum / max(1.0, c.found50 + 0.5 * unmatched + 0.5 * (c.objects - c.found50)),
            "over_segmentation_rate": c.in_pieces / max(1, c.objects),
            "duplicate_rate": c.duplicates / max(1, c.predictions),
            "class_accuracy": c.class_right / c.class_asked if c.class_asked else None,
            "per_class": {
                name: {"objects": n, "recall50": a / n, "recall75": b / n, "named_right": r / a if a else None}
                for name, (n, a, b, r) in sorted(c.per_class.items())
            },
        }

    def _category(self, name: str) -> int:
        return self._names.index(name) + 1 if name in self._names else len(self._names) + 1

    def _average_precision(self) -> dict[str, float | None]:
        """COCO AP of masks whatever their class, and with class (mean over the classes that occur)."""
        if not self._truth:
            return {"AP": None, "AP50": None, "AP75": None, "AP_class": None, "AP50_class": None}
        plain = self._coco_eval([{**r, "category_id": 1} for r in self._results], agnostic=True)
        named = self._coco_eval([{**r, "score": r["named_score"]} for r in self._results], agnostic=False)
        return {
            "AP": plain[0],
            "AP50": plain[1],
            "AP75": plain[2],
            "AP_class": named[0],
            "AP50_class": named[1],
        }

    def _coco_eval(self, results: list[dict[str, Any]], *, agnostic: bool) -> list[float]:
        if not results:
            return [0.0, 0.0, 0.0]
        count = 1 if agnostic else len(self._names) + 1
        truth = COCO()
        annotations = [{**t, "category_id": 1} for t in self._truth] if agnostic else self._truth
        truth.dataset = {
            "images": self._images,
            "annotations": annotations,
            "categories": [{"id": i + 1, "name": str(i)} for i in range(count)],
        }
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes([dict(r) for r in results]), "segm")
            # objects outside the range are ignored, and so are unmatched predictions of that size
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[self._min_area, 1e10]], ["all"]
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return [float(value) for value in evaluation.stats[:3]]


def match(ious: npt.NDArray[np.float64], threshold: float = 0.5) -> dict[int, int]:
    """One-to-one matches, the highest IoU first: ground-truth index -> prediction index.

    Args:
        ious: (predictions, objects).
        threshold: least IoU of a match.
    """
    matches: dict[int, int] = {}
    used: set[int] = set()
    for flat in np.argsort(-ious, axis=None, kind="stable"):
        k, g = (int(i) for i in np.unravel_index(flat, ious.shape))
        if ious[k, g] < threshold:
            break
        if g not in matches and k not in used:
            matches[g] = k
            used.add(k)
    return matches
