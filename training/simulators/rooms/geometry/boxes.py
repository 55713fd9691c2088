"""Bounding boxes of what stands in a scene, and turning them."""

from __future__ import annotations

import numpy as np

from .model import Vec3
from .triangles import rotation


class Boxes:
    """Axis-aligned boxes of everything placed, in the order of placing; metres."""

    def __init__(self) -> None:
        self.low = np.zeros((0, 3))
        self.high = np.zeros((0, 3))

    def add(self, low: np.ndarray, high: np.ndarray) -> None:
        """Remember a box by its low and high corner, (3,) each."""
        self.low, self.high = np.vstack([self.low, low]), np.vstack([self.high, high])

    def hit(self, low: np.ndarray, high: np.ndarray, gap: float = 0.0) -> np.ndarray:
        """(N,) bool: which boxes come nearer than `gap` to this one."""
        return np.all((low < self.high + gap) & (self.low < high + gap), axis=1)


def about_z(yaw: float) -> np.ndarray:
    """(3, 3) matrix of a turn about the vertical, radians."""
    return rotation((0.0, 0.0, yaw))


def turned_extent(size: Vec3, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner of an object's bounding box after turning it about its foot's centre."""
    half = np.asarray(size) / 2
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (0, 2)]) * half
    turned = corners @ turn.T
    return turned.min(0), turned.max(0)
