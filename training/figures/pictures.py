"""The pictures that tell most about a model: how they are chosen, and how they are drawn."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances, MaskCrop
from saom_core.overlay import draw_overlay, name_and_score

from .comparison import Comparison, GroundTruth

Image = npt.NDArray[np.uint8]
FOUND_IOU = 0.5
_MISTAKE_RGB = (255, 40, 40)
_WIDTH = 800  # width to which small pictures are enlarged, so that names can be read


@dataclass(frozen=True)
class ImageAnswer:
    """What a model made of one image."""

    instances: Instances  # the instances that count
    quality: float | None  # quality of the answer, 0..1; None: the image has nothing to judge it by


@dataclass(frozen=True)
class Picked:
    """One image that is to be shown."""

    index: int  # in the data set
    answers: tuple[ImageAnswer, ...]  # of each model


@dataclass
class Extremes:
    """The `count` images of highest key, with bounded memory."""

    count: int
    _heap: list[tuple[float, int, Picked]] = field(default_factory=list)

    def offer(self, key: float, picked: Picked) -> None:
        """Offers an image; among equal keys the first ones stay."""
        push = heapq.heappush if len(self._heap) < self.count else heapq.heappushpop
        push(self._heap, (key, -picked.index, picked))

    @property
    def picked(self) -> list[Picked]:
        """The pictures that were picked, that with the highest key first."""
        return [picked for _, _, picked in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


class Gallery:
    """Picks images while a data set goes by: the last model's best and worst, and where it differs from the first.

    Args:
        count: images of each kind.
        models: how many models.
    """

    def __init__(self, count: int, models: int) -> None:
        titles = ["worst", "best"] + (["most gained", "most lost"] if models > 1 else [])
        self._kinds = {title: Extremes(count) for title in titles} if count else {}

    def offer(self, index: int, answers: Sequence[ImageAnswer]) -> None:
        """One image and what each model made of it."""
        first, last = answers[0].quality, answers[-1].quality
        if first is None or last is None:
            return
        picked = Picked(index, tuple(answers))
        keys = {"worst": -last, "best": last, "most gained": last - first, "most lost": first - last}
        for title, extremes in self._kinds.items():
            if title.startswith("most") and keys[title] <= 0:
                continue  # where no image gained anything, there is nothing to show
            extremes.offer(keys[title], picked)

    @property
    def sections(self) -> dict[str, list[Picked]]:
        """Kind -> images, the most telling first."""
        return {title: extremes.picked for title, extremes in self._kinds.items()}


def draw_answer(image_rgb: Image, instances: Instances, truth: GroundTruth, *, points: bool = False) -> Image:
    """Predictions over the image: in their object's colour where they found one, else outlined in red.

    Args:
        image_rgb: (H, W, 3) uint8.
        instances: of the image.
        truth: what is there.
        points: draw the points that asked for them, too.
    """
    outcome = Comparison.of(instances, truth).outcome(FOUND_IOU)
    keys = np.arange(len(instances), dtype=np.int32) + len(truth.masks)
    for g, k in outcome.matches.items():
        keys[k] = g
    instances = dataclasses.replace(instances, track_ids=keys)
    texts = [name_and_score(instances, k) for k in range(len(instances))]
    picture = _drawn(image_rgb, instances, texts, outcome.false_alarms)
    for x, y in instances.points_xy * _factor(image_rgb) if points else ():
        cv2.circle(picture, (int(x), int(y)), 5, (0, 0, 0), cv2.FILLED, cv2.LINE_AA)
        cv2.circle(picture, (int(x), int(y)), 3, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
    return picture


def draw_truth(image_rgb: Image, truth: GroundTruth, instances: Instances) -> Image:
    """Objects over the image, those that the predictions missed outlined in red; unknown pixels are darkened."""
    outcome = Comparison.of(instances, truth).outcome(FOUND_IOU)
    image = np.where(truth.ignore[..., None], image_rgb // 3, image_rgb).astype(np.uint8)
    there = np.flatnonzero(truth.areas > 0)
    objects = Instances.from_masks(
        truth.size_hw,
        [MaskCrop.from_dense(truth.masks[g]) for g in there],
        np.ones(len(there), np.float32),
        class_names=[truth.class_names[g] for g in there],
    )
    objects = dataclasses.replace(objects, track_ids=there.astype(np.int32))
    missed = [int(np.flatnonzero(there == g)[0]) for g in outcome.missed]
    return _drawn(image, objects, list(objects.class_names), missed)


def _drawn(image_rgb: Image, instances: Instances, texts: list[str], marked: list[int]) -> Image:
    """The image, enlarged if it is small, with its instances; some of them outlined in red."""
    factor = _factor(image_rgb)
    instances = _enlarged(instances, factor)
    enlarged = np.asarray(cv2.resize(image_rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)
    picture = draw_overlay(enlarged, instances, labels=texts)
    for k in marked:
        mask = instances.masks[k]
        padded = np.pad(mask.crop.astype(np.uint8), 1)
        outline, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(mask.x - 1, mask.y - 1))
        cv2.drawContours(picture, outline, -1, _MISTAKE_RGB, 3, cv2.LINE_AA)
    return picture


def _factor(image_rgb: Image) -> int:
    """How many times a small image is enlarged."""
    return max(1, _WIDTH // image_rgb.shape[1])


def _enlarged(instances: Instances, factor: int) -> Instances:
    """The same instances in an image enlarged by a whole factor."""
    changed: dict[str, Any] = {
        "size_hw": (instances.size_hw[0] * factor, instances.size_hw[1] * factor),
        "masks": tuple(
            MaskCrop(mask.x * factor, mask.y * factor, mask.crop.repeat(factor, 0).repeat(factor, 1))
            for mask in instances.masks
        ),
        "boxes_xyxy": instances.boxes_xyxy * np.float32(factor),
    }
    return dataclasses.replace(instances, **changed)
