"""COCO's average precision of masks, by pycocotools: once without regard to the class, once with it."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from saom_core.instances import Instances

from ..data.annotations import encode_mask
from .comparison import MIN_AREA_PX, GroundTruth
from .resampling import Draws, FloatArray

BoolArray = npt.NDArray[np.bool_]
COCO_LIMIT = 100
"""Predictions of an image that COCO's AP counts at most."""
AP_SCORE = 0.05
"""Score from which predictions are ranked: low, so that AP sees the whole curve. A model is loaded with it."""
OBJECT = 1
"""The one category when classes do not count."""


@dataclass(frozen=True)
class Precision:
    """AP (mean over IoU .5 to .95), AP50, AP75 in 0..1; None where no object is asked for.

    As COCO does, it counts an image's 100 best predictions; where an image has more objects than that, as many as it
    has: else nobody could find all objects of a shelf that holds 300.
    """

    ap: float | None = None
    ap50: float | None = None
    ap75: float | None = None
    per_class_ap50: dict[str, float] = field(default_factory=dict)


class AveragePrecision:
    """Collects images, then gives the figures.

    Args:
        class_names: of the model. Objects of other classes count in the figures without class; in those with class they
            are pixels where nothing is asked.
    """

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self._names = class_names
        self._images: list[dict[str, Any]] = []
        self._objects: list[dict[str, Any]] = []
        self._named_objects: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []

    def add(self, instances: Instances, truth: GroundTruth) -> None:
        """One image: all predictions, however unsure, and its objects."""
        image = {"id": len(self._images) + 1, "height": instances.size_hw[0], "width": instances.size_hw[1]}
        self._images.append(image)
        categories = [self._category(name) for name in instances.class_names]
        for k, mask in enumerate(instances.masks):
            self._results.append(
                {
                    "image_id": image["id"],
                    "category_id": categories[k],
                    "segmentation": encode_mask(mask.dense(instances.size_hw)),
                    "score": float(instances.scores[k]),
                    "named_score": float(instances.scores[k] * instances.class_scores[k]),
                }
            )
        unknown = truth.ignore.copy()
        for mask, name in zip(truth.masks, truth.class_names, strict=True):
            entry = _annotation(image, mask, OBJECT)
            self._objects.append(entry)
            if name in self._names:
                self._named_objects.append({**entry, "category_id": self._category(name)})
            else:
                unknown |= mask
        # a crowd of a category: predictions of that category that lie there count neither as right nor as wrong
        if truth.ignore.any():
            self._objects.append(_annotation(image, truth.ignore, OBJECT, crowd=True))
        if unknown.any():
            crowd = _annotation(image, unknown, 0, crowd=True)
            self._named_objects += [{**crowd, "category_id": c} for c in sorted(set(categories) - {0})]

    def whatever_class(self) -> Precision:
        """Figures in which the class of a mask does not count."""
        return self._figures(self._objects, self._plain_results(), {OBJECT: "object"})

    def resampled(self, drawn: Draws) -> dict[str, FloatArray]:
        """AP, AP50 and AP75 whatever the class, (B,) each, of sets of the pictures drawn (B, P)."""
        asked = [o for o in self._objects if not o["iscrowd"] and o["area"] >= MIN_AREA_PX]
        per_picture = np.bincount([o["image_id"] - 1 for o in asked], minlength=len(self._images))
        if not self._results:
            values = np.where((drawn @ per_picture > 0)[:, None], np.zeros(3), np.nan)
        else:
            evaluation = self._evaluation(self._objects, self._plain_results(), {OBJECT: "object"})
            values = resampled_precision(evaluation, per_picture, drawn)
        return dict(zip(("AP", "AP50", "AP75"), values.T, strict=True))

    def _plain_results(self) -> list[dict[str, Any]]:
        return [{**r, "category_id": OBJECT} for r in self._results]

    def with_class(self) -> Precision:
        """Means over the classes that occur, masks ranked by quality x class score; nothing without class names."""
        results = [{**r, "score": r["named_score"]} for r in self._results if r["category_id"]]
        return self._figures(self._named_objects, results, {self._category(name): name for name in self._names})

    def _category(self, name: str) -> int:
        return self._names.index(name) + 1 if name in self._names else 0

    def _figures(
        self, objects: list[dict[str, Any]], results: list[dict[str, Any]], categories: dict[int, str]
    ) -> Precision:
        asked = {o["category_id"] for o in objects if not o["iscrowd"] and o["area"] >= MIN_AREA_PX}
        if not asked:
            return Precision()
        if not results:
            return Precision(0.0, 0.0, 0.0, {categories[c]: 0.0 for c in sorted(asked)})
        evaluation = self._evaluation(objects, results, categories)
        precision = evaluation.eval["precision"]  # (IoUs, recalls, classes, 1, 1); -1: no object
        ap, ap50, ap75 = (_mean_of_known(rows) for rows in (precision, precision[0], precision[5]))
        return Precision(ap, ap50, ap75, dict(_per_class(evaluation, categories)))

    def _evaluation(
        self, objects: list[dict[str, Any]], results: list[dict[str, Any]], categories: dict[int, str]
    ) -> COCOeval:
        truth = COCO()
        truth.dataset = {
            "images": self._images,
            "annotations": [{**entry, "id": number} for number, entry in enumerate(objects, 1)],
            "categories": [{"id": number, "name": name} for number, name in categories.items()],
        }
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes([dict(r) for r in results]), "segm")
            # objects outside the range are ignored, and so are unmatched predictions of that size
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[MIN_AREA_PX, 1e10]], ["all"]
            counts = Counter((o["image_id"], o["category_id"]) for o in objects)
            evaluation.params.maxDets = [max(COCO_LIMIT, *counts.values())]
            evaluation.evaluate()
            evaluation.accumulate()
        return evaluation


def resampled_precision(evaluation: COCOeval, objects: npt.NDArray[np.int64], drawn: Draws) -> FloatArray:
    """(B, 3) AP, AP50 and AP75 of sets of pictures, from the matches that pycocotools made of one category.

    A picture that a set holds twice adds its predictions and its objects twice, which is what their weights say.

    Args:
        evaluation: accumulated.
        objects: (P,) that are asked for in each picture.
        drawn: (B, P).
    """
    found = [one for one in evaluation.evalImgs if one is not None]
    scores = np.concatenate([one["dtScores"] for one in found])
    order = np.argsort(-scores, kind="mergesort")
    picture = np.repeat([one["image_id"] - 1 for one in found], [len(one["dtScores"]) for one in found])[order]
    ignored, matched = (np.concatenate([one[k] for one in found], 1)[:, order] > 0 for k in ("dtIgnore", "dtMatches"))
    right, wrong = matched & ~ignored, ~matched & ~ignored  # (IoUs, predictions)
    thresholds = evaluation.params.recThrs
    values = np.full((len(drawn), len(right)), np.nan)
    for row, weights in zip(values, drawn, strict=True):
        asked = int(weights @ objects)
        if asked:
            each = weights[picture]
            hits, misses = np.cumsum(right * each, axis=1), np.cumsum(wrong * each, axis=1)
            precision = hits / np.maximum(hits + misses, 1)
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # at this recall or a higher one
            best = np.concatenate([best, np.zeros((len(best), 1))], 1)  # a recall that is not reached
            row[:] = [b[np.searchsorted(h / asked, thresholds)].mean() for b, h in zip(best, hits, strict=True)]
    return np.stack([values.mean(1), values[:, 0], values[:, 5]], 1)


def _mean_of_known(precision: npt.NDArray[np.float64]) -> float:
    return float(precision[precision > -1].mean())


def _per_class(evaluation: COCOeval, categories: dict[int, str]) -> Iterator[tuple[str, float]]:
    """AP50 of each class of which objects are asked for."""
    precision = evaluation.eval["precision"][0, :, :, 0, -1]  # (recalls, classes) at IoU .5; -1: no object
    for category, column in zip(evaluation.params.catIds, precision.T, strict=True):
        if (column > -1).any():
            yield categories[category], float(column[column > -1].mean())


def _annotation(image: dict[str, Any], mask: BoolArray, category: int, *, crowd: bool = False) -> dict[str, Any]:
    rle = encode_mask(mask)
    return {
        "image_id": image["id"],
        "category_id": category,
        "segmentation": rle,
        "area": float(coco_mask.area(rle)),
        "bbox": coco_mask.toBbox(rle).tolist(),
        "iscrowd": int(crowd),
    }
