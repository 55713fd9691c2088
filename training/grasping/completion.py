"""The side of an object that the camera does not see, guessed: most things look alike from behind.

Two guesses add up. The object is turned by half a turn about the vertical axis through the middle of its footprint
(right for boxes, cans, bowls and whatever else has two equal halves), and the outline that it has from above goes
straight down to what it stands on.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from .clouds import VOXEL_M, outline

_STEP_M = 0.005
_ABOVE_SUPPORT_M = 0.002


@dataclass(frozen=True)
class Surface:
    """Points on a surface and which way it looks there: `points` (N, 3) metres, `normals` (N, 3) unit, outwards."""

    points: np.ndarray
    normals: np.ndarray

    def select(self, chosen: np.ndarray) -> Surface:
        """Some of the points, by index or by a bool array."""
        return Surface(self.points[chosen], self.normals[chosen])


def completed(seen: Surface, support_m: float) -> Surface:
    """The seen surface, and behind it the guessed one where nothing was seen.

    Args:
        seen: What the camera sees of one object, z up.
        support_m: Height of what it stands on; nothing is guessed below it.
    """
    turned = _turned(seen)
    both = np.concatenate([seen.points, turned.points])
    walls = _walls(both, support_m)
    guessed = Surface(np.concatenate([turned.points, walls.points]), np.concatenate([turned.normals, walls.normals]))
    near, _ = cKDTree(seen.points).query(guessed.points)
    new = guessed.select((near > VOXEL_M) & (guessed.points[:, 2] > support_m + _ABOVE_SUPPORT_M))
    return Surface(np.concatenate([seen.points, new.points]), np.concatenate([seen.normals, new.normals]))


def _turned(seen: Surface) -> Surface:
    """Half a turn about the vertical axis through the middle of the footprint's rectangle."""
    (x, y), _, _ = cv2.minAreaRect(seen.points[:, :2].astype(np.float32))
    flip = np.array([-1.0, -1.0, 1.0])
    return Surface(seen.points * flip + (2 * x, 2 * y, 0.0), seen.normals * flip)


def _walls(points: np.ndarray, support_m: float) -> Surface:
    """The outline of points (N, 3) as seen from above, let down to the support, with normals outwards."""
    corners = outline(points[:, :2])
    tree = cKDTree(points[:, :2])
    at: list[np.ndarray] = []
    looks: list[np.ndarray] = []
    for begin, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - begin))
        if length < 1e-6:
            continue
        normal = np.array([end[1] - begin[1], begin[0] - end[0], 0.0]) / length
        steps = (np.arange(max(1, round(length / _STEP_M))) + 0.5) / max(1, round(length / _STEP_M))
        for place in begin + steps[:, None] * (end - begin):
            near = tree.query_ball_point(place, 2 * _STEP_M)
            if not near:
                continue
            heights = np.arange(support_m + _STEP_M, points[near, 2].max(), _STEP_M)
            at.append(np.column_stack([np.broadcast_to(place, (len(heights), 2)), heights]))
            looks.append(np.broadcast_to(normal, (len(heights), 3)))
    if not at:
        return Surface(np.empty((0, 3)), np.empty((0, 3)))
    return Surface(np.concatenate(at), np.concatenate(looks))
