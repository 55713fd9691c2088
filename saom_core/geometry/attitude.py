"""`Attitude`: which way a camera looks, as far as its pose and the planes of the scene tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

SAME_PLANE_DEG = 45.0
"""More than a camera turns between two sightings of a thing, and less than the angle between a table and a side."""


@dataclass(frozen=True)
class Attitude:
    """What is known in one frame of the way that its camera looks.

    Attributes:
        rotation: (3, 3) from the optical frame into one that stands still; None: no pose is known.
        normal: (3,), unit length, of the largest plane that things stand on, in the optical frame; None: none is seen.
    """

    rotation: Matrix | None = None
    normal: Matrix | None = None

    def turn_since(self, before: Attitude) -> Matrix:
        """The rotation (3, 3) that brings directions of an earlier optical frame into this one, as far as it is known.

        The pose tells the whole of it, the plane all but the turn about its normal. The plane has the last word: the
        frame that was named as standing still may be one that moves along, and poses have errors of calibration and
        time. But a normal that has turned by more than `SAME_PLANE_DEG` is that of another plane, such as the side of a
        carton, and tells nothing.
        """
        turn = np.eye(3)
        if self.rotation is not None and before.rotation is not None:
            turn = self.rotation.T @ before.rotation
        if self.normal is not None and before.normal is not None:
            expected = turn @ before.normal
            if expected @ self.normal > np.cos(np.radians(SAME_PLANE_DEG)):
                turn = shortest_turn(expected, self.normal) @ turn
        return turn


def shortest_turn(one: Matrix, other: Matrix) -> Matrix:
    """The smallest rotation (3, 3) that brings a direction (3,) onto another, unless they are opposite: then none."""
    cosine = float(one @ other)
    if cosine < -0.999:  # there are many, all of half a turn
        return np.eye(3)
    # Rodrigues' formula without angles: numpy's cross product takes longer than all of this
    x, y, z = (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))
