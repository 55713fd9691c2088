"""The workbench on which the large objects are put together, and the pieces that many of them share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from ...geometry.bounds import solid_bounds
from ...geometry.model import Look, ObjectModel, Solid, Surface, Vec3
from ...geometry.shapes import Mesh, rounded_box

Placement = Literal["floor", "table", "wall", "ceiling", "wall_floor"]


def bounds(solids: tuple[Solid, ...] | list[Solid]) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the visible solids: (3,) low and (3,) high."""
    lows, highs = zip(*(solid_bounds(solid) for solid in solids if solid.visible), strict=True)
    return np.min(lows, 0), np.max(highs, 0)


def _vec(values: np.ndarray) -> Vec3:
    return float(values[0]), float(values[1]), float(values[2])


class Assembly:
    """Collects solids, looks, surfaces and sub-objects; `finish` centres them and measures the whole."""

    def __init__(self, class_name: str, style: str, **looks: Look) -> None:
        """`looks` are the named looks that solids refer to."""
        self.class_name, self.style, self.looks = class_name, style, dict(looks)
        self.solids: list[Solid] = []
        self.surfaces: list[Surface] = []
        self.sub_objects: dict[str, str] = {}

    def box(
        self, part: str, look: str, size: Vec3, pos: Vec3, euler: Vec3 = (0, 0, 0), *, collides: bool = True
    ) -> None:
        """A box of full edges `size` about `pos`."""
        self.solids.append(Solid("box", size, pos, look, part, euler, collides=collides))

    def cylinder(
        self,
        part: str,
        look: str,
        radius: float,
        height: float,
        pos: Vec3,
        euler: Vec3 = (0, 0, 0),
        *,
        collides: bool = True,
    ) -> None:
        """A cylinder about `pos`, along z before `euler` turns it."""
        self.solids.append(Solid("cylinder", (radius, height), pos, look, part, euler, collides=collides))

    def ball(
        self, part: str, look: str, size: Vec3, pos: Vec3, euler: Vec3 = (0, 0, 0), *, collides: bool = True
    ) -> None:
        """An ellipsoid of full axes `size`."""
        self.solids.append(Solid("ellipsoid", size, pos, look, part, euler, collides=collides))

    def rod(
        self,
        part: str,
        look: str,
        radius: float,
        start: Vec3,
        end: Vec3,
        *,
        rounded: bool = False,
        collides: bool = True,
    ) -> None:
        """A round bar from `start` to `end`; `rounded` ends reach `radius` further."""
        first, last = np.asarray(start, float), np.asarray(end, float)
        length = float(np.linalg.norm(last - first))
        toward = (last - first) / length
        euler = (math.atan2(-toward[1], toward[2]), math.asin(max(-1.0, min(1.0, toward[0]))), 0.0)
        kind: Literal["capsule", "cylinder"] = "capsule" if rounded else "cylinder"
        middle = _vec((first + last) / 2)
        self.solids.append(Solid(kind, (radius, length), middle, look, part, euler, collides=collides))

    def mesh(self, part: str, look: str, shape: Mesh, pos: Vec3 = (0, 0, 0), euler: Vec3 = (0, 0, 0)) -> None:
        """A visible mesh that collides with nothing: add `block`s for that."""
        vertices, faces, uv = shape.vertices, shape.faces, shape.uv
        self.solids.append(
            Solid("mesh", (), pos, look, part, euler, collides=False, vertices=vertices, faces=faces, uv=uv)
        )

    def block(self, part: str, look: str, size: Vec3, pos: Vec3, euler: Vec3 = (0, 0, 0)) -> None:
        """An invisible box that collides, for what is seen as a mesh."""
        self.solids.append(Solid("box", size, pos, look, part, euler, visible=False))

    def drum(self, part: str, look: str, radius: float, height: float, pos: Vec3) -> None:
        """An invisible upright cylinder that collides, for what is seen as a mesh."""
        self.solids.append(Solid("cylinder", (radius, height), pos, look, part, visible=False))

    def cushion(
        self, part: str, look: str, size: Vec3, pos: Vec3, euler: Vec3 = (0, 0, 0), *, soft: float = 0.3
    ) -> None:
        """A box with round edges, `soft` of its thinnest edge being the radius; collides as a box."""
        self.mesh(part, look, rounded_box(size, soft * min(size), steps=1), pos, euler)
        self.block(part, look, size, pos, euler)

    def surface(self, center: Vec3, size: tuple[float, float], clearance: float = 1.0, *, inside: bool = False) -> None:
        """A place for other objects; too small ones are left out."""
        if min(size) > 0.03:  # nothing fits on less
            self.surfaces.append(Surface(center, size, clearance, inside))

    def tray(self, part: str, look: str, size: Vec3, wall: float, pos: Vec3) -> None:
        """A box open at the top: bottom and four walls; `pos` is the middle of the outer box."""
        (x, y, z), (px, py, pz) = size, pos
        self.box(part, look, (x, y, wall), (px, py, pz - z / 2 + wall / 2))
        for side in (-1, 1):
            self.box(part, look, (wall, y, z), (px + side * (x - wall) / 2, py, pz))
            self.box(part, look, (x - 2 * wall, wall, z), (px, py + side * (y - wall) / 2, pz))

    def finish(self, mass: float, placement: Placement) -> ObjectModel:
        """The object, moved so that it stands on z = 0 with its footprint centred, and measured."""
        low, high = bounds(self.solids)
        shift = np.array([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
        solids = tuple(replace(solid, pos=_vec(np.asarray(solid.pos, float) + shift)) for solid in self.solids)
        surfaces = tuple(replace(place, center=_vec(np.asarray(place.center) + shift)) for place in self.surfaces)
        return ObjectModel(
            class_name=self.class_name,
            style=self.style,
            solids=solids,
            looks=self.looks,
            size=_vec(high - low),
            mass=mass,
            placement=placement,
            surfaces=surfaces,
            sub_objects=self.sub_objects,
        )
