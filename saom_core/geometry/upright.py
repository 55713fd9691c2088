"""`Upwards`: which way is up in a camera's frame, and which planes are upright by that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.geometry.support import Plane

Matrix = npt.NDArray[np.float64]

UPRIGHT = 0.25
"""Least cosine between a plane's normal and the direction of the image that is up for things to stand on it: a camera
looks down by up to 75 degrees on the table, and a wall has about 0. Where nothing is upright in this sense, the camera
may look straight down, and a plane that faces it is taken."""
FACING = 0.9
UPRIGHT_BY_POSE = 0.5
"""Least cosine with the true direction, which a pose tells: ramps count, and poses err; a wall has about 0."""
WALL = 0.25
"""Up to this cosine with the true direction a plane is as a wall is."""
DIRECTIONS: dict[str, Matrix] = {
    "up": np.array([0.0, -1.0, 0.0]),
    "down": np.array([0.0, 1.0, 0.0]),
    "left": np.array([-1.0, 0.0, 0.0]),
    "right": np.array([1.0, 0.0, 0.0]),
}
"""The directions of the image, in the optical frame."""
TOWARDS = np.array([0.0, 0.0, -1.0])
"""Up is towards the camera, which looks straight down."""


@dataclass(frozen=True)
class Upwards:
    """Which way is up.

    Attributes:
        direction: (3,), unit length, in the optical frame.
        by_pose: it is exact, because the pose of the camera is known; else that way of the image is up which is nearest
            to it, and how far the camera looks down is not known.
        assumed: nobody has said it; it is so for cameras that are mounted as usual.
    """

    direction: Matrix
    by_pose: bool = False
    assumed: bool = False

    @staticmethod
    def told(camera_up: str, camera_to_world: Matrix | None) -> Upwards:
        """By the option `camera_up`, where it is not "auto", else by the pose (4, 4) in a frame with z up, if known."""
        if camera_up != "auto":
            return Upwards(TOWARDS if camera_up == "towards" else DIRECTIONS[camera_up])
        if camera_to_world is None:
            return Upwards(DIRECTIONS["up"], assumed=True)
        return Upwards(camera_to_world[2, :3], by_pose=True)

    def upright(self, planes: Sequence[Plane]) -> list[Plane]:
        """Those of some planes that things can stand on."""
        least = UPRIGHT_BY_POSE if self.by_pose or self.direction is TOWARDS else UPRIGHT
        found = [plane for plane in planes if plane.normal @ self.direction > least]
        if found or self.by_pose:
            return found
        return [plane for plane in planes if -plane.normal[2] > FACING]

    def outdone(self, chosen: Plane, others: Callable[[], Sequence[Plane]]) -> bool:
        """Whether one of some planes is more likely what things stand on, as a bin's bottom is beside its wall.

        It faces the camera and is larger than the chosen one, along which the camera looks, and nobody has said which
        way is up. The planes of the scene are asked for where it may be so: to find them takes time.
        """
        if not self.assumed or abs(chosen.normal[2]) > WALL:
            return False
        return any(-plane.normal[2] > FACING and plane.pixels > chosen.pixels for plane in others())

    def doubtful(self, plane: Plane) -> bool:
        """Whether a plane that is not upright might be a table, seen by a camera that is mounted in another way."""
        if self.by_pose:
            return bool(abs(plane.normal @ self.direction) > WALL)
        return self.assumed


def image_direction(up: Matrix) -> str:
    """The name of the direction of the image that is nearest to a direction (3,); "up" where it looks along that."""
    if np.abs(up[:2]).max() < UPRIGHT:
        return "up"
    return max(DIRECTIONS, key=lambda name: float(DIRECTIONS[name] @ up))
