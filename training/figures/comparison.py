"""One image's predictions against its objects: overlaps, one-to-one matches, and what is not asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances
from saom_core.masks import match

from ..dataset import Sample

BoolArray = npt.NDArray[np.bool_]
MIN_AREA_PX = 100
"""Smaller objects are not asked for, by any protocol."""


@dataclass(frozen=True)
class GroundTruth:
    """The N objects of one image."""

    masks: BoolArray  # (N, H, W)
    class_names: tuple[str, ...]
    ignore: BoolArray  # (H, W), where it is not known what is there

    @staticmethod
    def of(sample: Sample) -> GroundTruth:
        """The whole objects of a picture of a data set."""
        return GroundTruth(sample.masks, tuple(sample.class_names), sample.ignore)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.ignore.shape[0], self.ignore.shape[1]

    @cached_property
    def areas(self) -> npt.NDArray[np.int64]:
        """(N,) pixels."""
        return np.count_nonzero(self.masks, axis=(1, 2))

    @cached_property
    def asked(self) -> BoolArray:
        """(N,) which objects are large enough to be asked for."""
        return self.areas >= MIN_AREA_PX

    def void(self, asked: BoolArray) -> BoolArray:
        """(H, W) pixels where a prediction costs nothing: unknown ones, and those of objects that are not asked for."""
        return self.ignore | np.any(self.masks[~asked], axis=0)


@dataclass(frozen=True)
class Outcome:
    """Which predictions and objects of an image match at one IoU threshold, and which are left over."""

    matches: dict[int, int]  # object -> prediction, one to one
    false_alarms: list[int]  # predictions without an object
    missed: list[int]  # objects without a prediction


@dataclass(frozen=True)
class Comparison:
    """K predictions against the N objects of an image."""

    predicted: Instances
    truth: GroundTruth
    intersections: npt.NDArray[np.int64]  # (K, N) pixels
    predicted_areas: npt.NDArray[np.int64]  # (K,)

    @staticmethod
    def of(predicted: Instances, truth: GroundTruth) -> Comparison:
        """Count the pixels."""
        intersections = np.zeros((len(predicted), len(truth.masks)), np.int64)
        for k, mask in enumerate(predicted.masks):
            rows, columns = mask.window
            intersections[k] = np.count_nonzero(truth.masks[:, rows, columns] & mask.crop, axis=(1, 2))
        areas = np.array([mask.area for mask in predicted.masks], np.int64)
        return Comparison(predicted, truth, intersections, areas)

    @cached_property
    def unions(self) -> npt.NDArray[np.int64]:
        """(K, N) pixels."""
        return self.predicted_areas[:, None] + self.truth.areas[None] - self.intersections

    @cached_property
    def ious(self) -> npt.NDArray[np.float64]:
        """(K, N)."""
        return self.intersections / np.maximum(self.unions, 1)

    def outcome(
        self,
        least_iou: float,
        *,
        asked: BoolArray | None = None,
        predictions: BoolArray | None = None,
        objects: BoolArray | None = None,
    ) -> Outcome:
        """Matches at an IoU, and what is left over.

        Args:
            least_iou: of a match.
            asked: (N,) objects that are asked for; others cost nothing, found or not. None: those large enough.
            predictions: (K,) those that take part; None: all.
            objects: (N,) those that take part; None: all.
        """
        asked = self.truth.asked if asked is None else asked & self.truth.asked
        predictions = np.ones(len(self.predicted), np.bool_) if predictions is None else predictions
        objects = np.ones(len(asked), np.bool_) if objects is None else objects
        matches = match(np.where(predictions[:, None] & objects[None], self.ious, 0.0), least_iou)
        matches = {g: k for g, k in matches.items() if asked[g]}
        void = self.truth.void(asked)
        left = [k for k in np.flatnonzero(predictions).tolist() if k not in matches.values()]
        # a prediction that lies mostly where nothing is asked is no mistake (as in panoptic quality)
        wrong = [k for k in left if self._share_in(void, k) < 0.5]
        missed = [g for g in np.flatnonzero(asked & objects).tolist() if g not in matches]
        return Outcome(matches, wrong, missed)

    def _share_in(self, region: BoolArray, k: int) -> float:
        """Share of a prediction that lies in a region (H, W)."""
        mask = self.predicted.masks[k]
        return float(np.count_nonzero(region[mask.window] & mask.crop) / self.predicted_areas[k])
