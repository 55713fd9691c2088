"""`Prompts`: what is asked for by pointing, in the place of everything mode's grid.

Each point and each box is a prompt of its own and asks for one object. An `ObjectPrompt` asks for one object by several
of these together, as segment-anything's SamPredictor can be asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.prompting.grid import grid_points

POINTS, NEGATIVE, BOXES, MASK = "points", "negative points", "boxes", "a mask"
"""Kinds of prompts, in words for people."""

MAX_PROMPTS = 100
"""Most prompts of one request: each takes the network some tens of milliseconds of its own."""

POINTS_IN_BOX = 5
"""A network that answers single points alone is asked for a box at 5 x 5 points spread over it; a file that takes fewer
points in a run, at fewer."""

OPEN = {"score_threshold": 0.0, "stability_threshold": 0.0, "nms_iou": 1.0}
"""Thresholds of everything mode that let every mask through: who asks for an object gets it, however low its score is
and whatever lies beside it."""


def _none(width: int) -> Any:
    return field(default_factory=lambda: np.empty((0, width)))


@dataclass(frozen=True)
class ObjectPrompt:
    """One object, by everything that is known of where it is. At least one of these is given.

    Raises:
        InputError: at construction, when nothing is given or the mask is no mask, or an empty one.
    """

    points_xy: npt.NDArray[np.float64] = _none(2)  # (n, 2) px, on the object
    negative_xy: npt.NDArray[np.float64] = _none(2)  # (m, 2) px, not on it
    box_xyxy: npt.NDArray[np.float64] | None = None  # (4,) px, right and bottom exclusive
    mask: npt.NDArray[np.bool_] | npt.NDArray[np.float32] | None = None
    """(H, W) bool of the image: about where the object is. Or (S, S) float32, a mask of the network's own before it was
    enlarged: SamPredictor's low-resolution logits, of which SAM's side S is 256."""

    def __post_init__(self) -> None:
        if not (len(self.points_xy) or len(self.negative_xy) or self.box_xyxy is not None or self.mask is not None):
            raise InputError("expected a point, a negative point, a box or a mask of the object, got none of them")
        mask = self.mask
        if mask is not None and (mask.ndim != 2 or mask.dtype not in (np.bool_, np.float32)):
            raise InputError(
                f"mask: expected one of shape (H, W) bool, or (S, S) float32 logits, got {mask.shape} {mask.dtype}"
            )

        if mask is not None and mask.dtype == np.bool_ and not mask.any():
            raise InputError(
                f"mask: expected one with the object's pixels set, got an empty one {mask.shape}: check how it was "
                "made, or leave it out"
            )

    def kinds(self) -> list[str]:
        """What it is made of, in words."""
        there = {
            POINTS: len(self.points_xy),
            NEGATIVE: len(self.negative_xy),
            BOXES: self.box_xyxy is not None,
            MASK: self.mask is not None,
        }
        return [kind for kind, given in there.items() if given]

    def check(self, size_hw: tuple[int, int]) -> None:
        """Refuses what does not lie in an image of that size.

        Raises:
            InputError: a point or box outside it, or a mask of another size.
        """
        _check_points("points_xy", self.points_xy, size_hw)
        _check_points("negative_points_xy", self.negative_xy, size_hw)
        if self.box_xyxy is not None:
            _check_boxes(self.box_xyxy[None], size_hw)
        if self.mask is not None and self.mask.dtype == np.bool_ and self.mask.shape != size_hw:
            raise InputError(f"mask: expected one of the image's size {size_hw}, got {self.mask.shape}")

    @property
    def place_xy(self) -> tuple[float, float]:
        """A place that stands for the prompt: its first point, else the middle of its box; NaN for a mask alone."""
        if len(self.points_xy):
            return float(self.points_xy[0, 0]), float(self.points_xy[0, 1])
        if self.box_xyxy is not None:
            left, top, right, bottom = self.box_xyxy.tolist()
            return (left + right) / 2, (top + bottom) / 2
        return float("nan"), float("nan")


@dataclass(frozen=True)
class Prompts:
    """P points, B boxes, and objects asked for by several of these together.

    Prompt k is point k, from P on box k - P, and from P + B on object k - P - B. A pixel in column c and row r spans
    c..c + 1 and r..r + 1, so its middle is (c + 0.5, r + 0.5).
    """

    points_xy: npt.NDArray[np.float64] = _none(2)  # (P, 2) px
    boxes_xyxy: npt.NDArray[np.float64] = _none(4)  # (B, 4) px, right and bottom exclusive
    objects: tuple[ObjectPrompt, ...] = ()

    @staticmethod
    def from_flat(
        points_xy: npt.ArrayLike = (),
        boxes_xyxy: npt.ArrayLike = (),
        negative_points_xy: npt.ArrayLike = (),
        *,
        one_object: bool = False,
        mask: npt.NDArray[np.bool_] | npt.NDArray[np.float32] | None = None,
    ) -> Prompts:
        """Prompts of numbers one after the other, as messages and command lines have them.

        Args:
            points_xy: x y of each point.
            boxes_xyxy: x0 y0 x1 y1 of each box.
            negative_points_xy: x y of places that are not on the object.
            one_object: all that is given shows one object; so it is, too, with negative points or a mask.
            mask: see `ObjectPrompt.mask`.

        Raises:
            InputError: numbers that are left over, more prompts than `MAX_PROMPTS`, or several boxes of one object.
        """
        points, negative = _rows("points_xy", points_xy, 2), _rows("negative_points_xy", negative_points_xy, 2)
        boxes = _rows("boxes_xyxy", boxes_xyxy, 4)
        if one_object or len(negative) or mask is not None:
            if len(boxes) > 1:
                raise InputError(f"boxes_xyxy: expected at most one box of one object, got {len(boxes)}: give one")
            return Prompts(objects=(ObjectPrompt(points, negative, boxes[0] if len(boxes) else None, mask),))
        prompts = Prompts(points, boxes)
        if len(prompts) > MAX_PROMPTS:
            raise InputError(f"expected at most {MAX_PROMPTS} points and boxes, got {len(prompts)}: ask in portions")
        return prompts

    def __len__(self) -> int:
        return len(self.points_xy) + len(self.boxes_xyxy) + len(self.objects)

    def each(self) -> tuple[ObjectPrompt, ...]:
        """All prompts in order, each as the one object that it asks for."""
        of_points = tuple(ObjectPrompt(point[None]) for point in self.points_xy)
        return (*of_points, *(ObjectPrompt(box_xyxy=box) for box in self.boxes_xyxy), *self.objects)

    def check_single(self, name: str) -> None:
        """Refuses what a network that answers single points cannot be asked.

        Args:
            name: of the network, for the message.

        Raises:
            InputError: there are prompts of several parts.
        """
        kinds = list(dict.fromkeys(kind for one in self.objects for kind in one.kinds()))
        if kinds:
            raise InputError(
                f"{name}: expected points and boxes that each ask for one object by themselves, got one object asked "
                f"for by {' and '.join(kinds)}: only a SAM checkpoint (.pth, .safetensors) answers that; give it as "
                "model, or ask by single points and boxes"
            )

    def check(self, size_hw: tuple[int, int]) -> None:
        """Refuses what does not lie in an image of that size.

        Raises:
            InputError: a point or box outside it, a box without extent, or something that is no number.
        """
        _check_points("points_xy", self.points_xy, size_hw)
        _check_boxes(self.boxes_xyxy, size_hw)
        for one in self.objects:
            one.check(size_hw)

    def asked_xy(self, k: int, most: int = POINTS_IN_BOX**2) -> npt.NDArray[np.float64]:
        """The points that the network is asked about for prompt k: (n, 2) pixels of the image, n at most `most`."""
        if k < len(self.points_xy):
            return self.points_xy[k : k + 1]
        left, top, right, bottom = self.boxes_xyxy[k - len(self.points_xy)]
        side = min(POINTS_IN_BOX, math.isqrt(most))
        spread = grid_points(side, side) * (right - left, bottom - top)
        return np.asarray(spread + (left, top), np.float64)

    def best(self, k: int, boxes_xyxy: npt.NDArray[np.float64], scores: npt.NDArray[np.floating]) -> int | None:
        """Which answer to `asked_xy(k)` is the object: the best by score, for a box by score times IoU of the boxes.

        The score counts for a box, too, because scattered specks have a box as well.

        Args:
            k: the prompt.
            boxes_xyxy: (A, 4) of the answers' masks, pixels of the image.
            scores: (A,) their predicted quality.

        Returns:
            Its row, or None where nothing answers, or nothing that overlaps the box.
        """
        merit = np.asarray(scores, np.float64)
        if k >= len(self.points_xy):
            ious = box_ious(self.boxes_xyxy[k - len(self.points_xy)], boxes_xyxy)
            merit = np.where(ious > 0, merit * ious, -np.inf)
        return int(merit.argmax()) if np.isfinite(merit).any() else None


def _rows(name: str, numbers: npt.ArrayLike, width: int) -> npt.NDArray[np.float64]:
    flat, of_each = np.asarray(numbers, np.float64).ravel(), "x y" if width == 2 else "x0 y0 x1 y1"
    if flat.size % width:
        raise InputError(f"{name}: expected {width} numbers {of_each} each, got {flat.size} in all")
    return flat.reshape(-1, width)


def _check_points(name: str, points_xy: npt.NDArray[np.float64], size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    for x, y in points_xy.tolist():
        if not (0 <= x < width and 0 <= y < height):
            raise InputError(
                f"{name}: expected points inside the {width}x{height} image, got {x:g} {y:g}: they count in its pixels"
            )


def _check_boxes(boxes_xyxy: npt.NDArray[np.float64], size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    for left, top, right, bottom in boxes_xyxy.tolist():
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise InputError(
                f"boxes_xyxy: expected boxes inside the {width}x{height} image with x0 < x1 and y0 < y1, got {left:g} "
                f"{top:g} {right:g} {bottom:g}: cut them at its border"
            )


def box_ious(box_xyxy: npt.NDArray[np.float64], others_xyxy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IoU of one box (4,) with each of A others (A, 4): (A,) float64."""
    low, high = np.maximum(box_xyxy[:2], others_xyxy[:, :2]), np.minimum(box_xyxy[2:], others_xyxy[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others_xyxy[:, 2:] - others_xyxy[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum((box_xyxy[2:] - box_xyxy[:2]).prod() + areas - shared, 1e-9))
