"""Scenes of boxes on planes, drawn by a ray through every pixel, with all that is true of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_core.instances import Instances, MaskCrop

SIZE_HW = (240, 320)
CAMERA = CameraIntrinsics(285.0, 285.0, 159.5, 119.5, SIZE_HW[1], SIZE_HW[0])


@dataclass
class Tabletop:
    """Seen by a camera that looks down by some degrees at a point of the table, from some distance.

    World coordinates: x to the right, y away from the camera, z up; the point that is looked at is the origin.
    """

    down_deg: float = 40.0
    distance_m: float = 0.9
    table_m: float = 10.0  # half edge of the square table
    floor_m: float | None = None  # z of a floor below it
    boxes: list[tuple[tuple[float, float, float], tuple[float, float, float], float]] = field(default_factory=list)

    @property
    def axes(self) -> np.ndarray:
        """(3, 3): rows are the camera's x, y and z in world coordinates."""
        tilt = np.radians(self.down_deg)
        forward = np.array([0.0, np.cos(tilt), -np.sin(tilt)])
        return np.array([[1.0, 0.0, 0.0], np.cross(forward, [1.0, 0.0, 0.0]), forward])

    def put(
        self, center: tuple[float, float], size: tuple[float, float, float], bottom: float = 0.0, turn_deg: float = 0.0
    ) -> Tabletop:
        """Adds a box of that size whose lower face is at a height."""
        self.boxes.append(((*center, bottom + size[2] / 2), size, turn_deg))
        return self

    def in_camera(self, points_w: np.ndarray) -> np.ndarray:
        """Points (P, 3) of the world in the camera's optical frame."""
        return (points_w + self.distance_m * self.axes[2]) @ self.axes.T

    def drawn(self, noise_m: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Depth (H, W) float32 and whose each pixel is: 0 nothing, 1 the table, 2 the floor, 3 + k box k."""
        x, y, z = (np.broadcast_to(m, SIZE_HW).astype(float).ravel() for m in CAMERA.ray_maps)
        rays = np.column_stack([x, y, z]) @ self.axes  # in world coordinates; z stays the depth at length 1
        eye = -self.distance_m * self.axes[2]
        nearest, owner = np.full(len(rays), np.inf), np.zeros(len(rays), int)
        levels = [(0.0, 1, self.table_m)] + ([] if self.floor_m is None else [(self.floor_m, 2, 10.0)])
        with np.errstate(divide="ignore", invalid="ignore"):
            for level, number, reach in levels:
                along = (level - eye[2]) / rays[:, 2]
                hit = eye + rays * along[:, None]
                seen = (along > 0) & (along < nearest) & (np.abs(hit[:, :2]) < reach).all(axis=1)
                nearest, owner = np.where(seen, along, nearest), np.where(seen, number, owner)
            for k, (center, size, turn_deg) in enumerate(self.boxes):
                turn = np.radians(turn_deg)
                own = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
                origin, direction = own @ (eye - center), rays @ own.T
                half = np.array(size) / 2
                sides = np.stack([(-half - origin) / direction, (half - origin) / direction])
                enter, leave = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
                seen = (enter < leave) & (enter > 0) & (enter < nearest)
                nearest, owner = np.where(seen, enter, nearest), np.where(seen, 3 + k, owner)
        depth = np.where(np.isfinite(nearest), nearest, 0.0).reshape(SIZE_HW)
        trembling = depth + np.random.default_rng(seed).normal(0, noise_m, SIZE_HW) * (depth > 0)
        return trembling.astype(np.float32), owner.reshape(SIZE_HW)

    def instances(self, owner: np.ndarray, *numbers: int) -> Instances:
        """True masks as tracked instances, in the order of the numbers."""
        masks = [MaskCrop.from_dense(owner == number) for number in numbers]
        scores = np.linspace(1, 0.5, len(masks)).astype(np.float32)
        return Instances.from_masks(SIZE_HW, masks, scores)
