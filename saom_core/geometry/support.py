"""What things stand on: the planes of a scene, and which instance stands on which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Plane:
    """A plane that things can stand on.

    Attributes:
        coefficients: a, b, c, d of a x + b y + c z + d = 0; (a, b, c) has unit length and points upwards from the
            plane, to the side that the camera is on, so that the left side is the height of a point above it, metres.
        outline_m: (V, 3) float32, convex outline of what is seen of it, counterclockwise from above.
        area_m2: of what is seen of it.
        pixels: of the image that belong to it, about.
    """

    coefficients: tuple[float, float, float, float]
    outline_m: FloatArray
    area_m2: float
    pixels: int

    @cached_property
    def normal(self) -> npt.NDArray[np.float64]:
        """(3,), unit length, upwards."""
        return np.array(self.coefficients[:3])

    def heights_m(self, points_m: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Heights above the plane (P,) of points (P, 3)."""
        return np.asarray(points_m @ self.normal + self.coefficients[3], np.float64)

    def covers(self, points_m: npt.NDArray[np.floating], margin_m: float = 0.0) -> BoolArray:
        """Which of some points (P, 3) lie above or below the seen part of the plane, or at most so far beside it."""
        inwards, offsets = self._sides
        return np.asarray((points_m @ inwards.T - offsets >= -margin_m).all(axis=1), np.bool_)

    @cached_property
    def _sides(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Of the outline: directions inwards (V, 3), and how far along them each side is (V,)."""
        inwards = np.cross(self.normal, np.roll(self.outline_m, -1, axis=0) - self.outline_m)
        inwards /= np.maximum(np.linalg.norm(inwards, axis=1, keepdims=True), 1e-12)
        return inwards, np.sum(inwards * self.outline_m, axis=1)

    def moved(self, rotation: npt.NDArray[np.float64], translation_m: npt.NDArray[np.float64]) -> Plane:
        """The same plane in another frame, whose points are rotation (3, 3) @ point + translation (3,)."""
        normal = rotation @ self.normal
        outline = (self.outline_m @ rotation.T + translation_m).astype(np.float32)
        a, b, c = normal.tolist()
        offset = self.coefficients[3] - float(normal @ translation_m)
        return Plane((a, b, c, offset), outline, self.area_m2, self.pixels)


def plane_axes(normal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, 2): two directions of length 1 in a plane, at right angles; their cross product is its normal (3,)."""
    right = np.cross([0.0, 0.0, 1.0] if abs(normal[2]) < 0.9 else [0.0, 1.0, 0.0], normal)
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(normal, right)])


@dataclass(frozen=True)
class Support:
    """What N instances stand on.

    Attributes:
        planes: of the scene, the largest one first.
        supported_by: (N,) int32, index of the plane that an instance stands on; -1: on none of them, because it stands
            on another thing, is held, is a plane itself, or has too little depth.
        bottoms_m: (N,) float32, height of its lowest visible point above the highest plane under it; NaN: there is
            none.
        tops_m: (N,) float32, height of its highest point above the same plane.
        is_surface: (N,) bool, it is one of the planes: a table, a worktop, the floor.
    """

    planes: tuple[Plane, ...]
    supported_by: IntArray
    bottoms_m: FloatArray
    tops_m: FloatArray
    is_surface: BoolArray

    @staticmethod
    def unknown(count: int, planes: Sequence[Plane] = ()) -> Support:
        """Of so many instances of which nothing is known yet."""
        nan = np.full(count, np.nan, np.float32)
        return Support(tuple(planes), np.full(count, -1, np.int32), nan, nan.copy(), np.zeros(count, np.bool_))

    def select(self, chosen: npt.NDArray[np.intp]) -> Support:
        """Of some of the instances."""
        return Support(self.planes, **{name: getattr(self, name)[chosen] for name in SUPPORT_ARRAYS})

    def as_dict(self, k: int) -> dict[str, Any]:
        """Of one instance, for JSON."""
        plane = int(self.supported_by[k])
        return {
            "supported_by": plane,
            "plane": None if plane < 0 else [round(value, 5) for value in self.planes[plane].coefficients],
            "bottom_above_plane_m": rounded(self.bottoms_m[k]),
            "top_above_plane_m": rounded(self.tops_m[k]),
            "is_surface": bool(self.is_surface[k]),
        }


SUPPORT_ARRAYS: dict[str, type] = {
    "supported_by": np.int32,
    "bottoms_m": np.float32,
    "tops_m": np.float32,
    "is_surface": np.bool_,
}
"""What `Support` has of each instance."""


def rounded(number: float | np.floating) -> float | None:
    """For JSON, to four digits behind the point; None for NaN and infinities, which it does not know."""
    return round(float(number), 4) if np.isfinite(number) else None
