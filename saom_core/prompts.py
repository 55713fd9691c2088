"""`Prompts`: points and boxes of an image whose objects are asked for, in the place of everything mode's grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.grid import grid_points

MAX_PROMPTS = 100
"""Most prompts of one request: each takes the network some tens of milliseconds of its own."""

POINTS_IN_BOX = 5
"""A box is asked at 5 x 5 points spread over it."""

OPEN = {"score_threshold": 0.0, "stability_threshold": 0.0, "nms_iou": 1.0}
"""Everything mode's thresholds, open: what somebody asked for is not left out for its score or its neighbours'."""


def _none(width: int) -> Any:
    return field(default_factory=lambda: np.empty((0, width)))


@dataclass(frozen=True)
class Prompts:
    """P points and B boxes; prompt k is point k, or from P on box k - P.

    A pixel in column c and row r spans c..c + 1 and r..r + 1, so its middle is (c + 0.5, r + 0.5).
    """

    points_xy: npt.NDArray[np.float64] = _none(2)  # (P, 2) px
    boxes_xyxy: npt.NDArray[np.float64] = _none(4)  # (B, 4) px, right and bottom exclusive

    @staticmethod
    def from_flat(points_xy: npt.ArrayLike = (), boxes_xyxy: npt.ArrayLike = ()) -> Prompts:
        """Prompts of numbers one after the other, as messages and command lines have them.

        Raises:
            InputError: numbers that are left over, or more prompts than `MAX_PROMPTS`.
        """
        parts = []
        for name, numbers, of_each in (("points_xy", points_xy, "x y"), ("boxes_xyxy", boxes_xyxy, "x0 y0 x1 y1")):
            flat, width = np.asarray(numbers, np.float64).ravel(), len(of_each.split())
            if flat.size % width:
                raise InputError(f"{name}: expected {width} numbers {of_each} each, got {flat.size} in all")
            parts.append(flat.reshape(-1, width))
        prompts = Prompts(*parts)
        if len(prompts) > MAX_PROMPTS:
            raise InputError(f"expected at most {MAX_PROMPTS} points and boxes, got {len(prompts)}: ask in portions")
        return prompts

    def __len__(self) -> int:
        return len(self.points_xy) + len(self.boxes_xyxy)

    def check(self, size_hw: tuple[int, int]) -> None:
        """Refuses what does not lie in an image of that size.

        Raises:
            InputError: a point or box outside it, a box without extent, or something that is no number.
        """
        height, width = size_hw
        of_image = f"inside the {width}x{height} image"
        for x, y in self.points_xy.tolist():
            if not (0 <= x < width and 0 <= y < height):
                raise InputError(f"points_xy: expected points {of_image}, got {x:g} {y:g}: points count in its pixels")
        for left, top, right, bottom in self.boxes_xyxy.tolist():
            if not (0 <= left < right <= width and 0 <= top < bottom <= height):
                raise InputError(
                    f"boxes_xyxy: expected boxes {of_image} with x0 < x1 and y0 < y1, got {left:g} {top:g} {right:g} "
                    f"{bottom:g}: cut them at its border"
                )

    def asked_xy(self, k: int) -> npt.NDArray[np.float64]:
        """The points that the network is asked about for prompt k: (n, 2) pixels of the image."""
        if k < len(self.points_xy):
            return self.points_xy[k : k + 1]
        left, top, right, bottom = self.boxes_xyxy[k - len(self.points_xy)]
        spread = grid_points(POINTS_IN_BOX, POINTS_IN_BOX) * (right - left, bottom - top)
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


def box_ious(box_xyxy: npt.NDArray[np.float64], others_xyxy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IoU of one box (4,) with each of A others (A, 4): (A,) float64."""
    low, high = np.maximum(box_xyxy[:2], others_xyxy[:, :2]), np.minimum(box_xyxy[2:], others_xyxy[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others_xyxy[:, 2:] - others_xyxy[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum((box_xyxy[2:] - box_xyxy[:2]).prod() + areas - shared, 1e-9))
