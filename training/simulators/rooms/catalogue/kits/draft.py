"""What the builders of small objects share: a draft that collects solids, looks of usual materials, colliders."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np

from ...geometry.bounds import solid_bounds
from ...geometry.model import Look, LookKind, ObjectModel, Rgb, Solid, Surface, Vec3
from ...geometry.shapes import Mesh, euler_of, rotation

Option = TypeVar("Option", bound=str)
LIE = (0.0, np.pi / 2, 0.0)
"""Turns the axis of a lathe from z to x."""
TO_FRONT = (np.pi / 2, 0.0, 0.0)
"""Turns the axis of a cylinder from z to -y, and a prism's outline from xy to xz."""


class Draft:
    """Collects the solids of one object, then sets it on z = 0 with its footprint centred on the origin."""

    def __init__(self, class_name: str, style: str, **looks: Look) -> None:
        """Starts an object without solids; more looks may be put into `looks` later."""
        self.class_name, self.style = class_name, style
        self.looks: dict[str, Look] = dict(looks)
        self.solids: list[Solid] = []
        self.surfaces: list[Surface] = []

    def box(
        self, size: Vec3, pos: Vec3, look: str, part: str = "body", euler: Vec3 = (0.0, 0.0, 0.0), collides: bool = True
    ) -> None:
        """Adds a box of full edges `size` metres."""
        self.solids.append(Solid("box", size, pos, look, part, euler, collides=collides))

    def cylinder(
        self,
        radius: float,
        height: float,
        pos: Vec3,
        look: str,
        part: str = "body",
        euler: Vec3 = (0.0, 0.0, 0.0),
        collides: bool = True,
    ) -> None:
        """Adds a cylinder whose axis is z before turning."""
        self.solids.append(Solid("cylinder", (radius, height), pos, look, part, euler, collides=collides))

    def capsule(
        self,
        radius: float,
        height: float,
        pos: Vec3,
        look: str,
        part: str = "body",
        euler: Vec3 = (0.0, 0.0, 0.0),
        collides: bool = True,
    ) -> None:
        """Adds a capsule; `height` is that of its straight part."""
        self.solids.append(Solid("capsule", (radius, height), pos, look, part, euler, collides=collides))

    def ellipsoid(self, size: Vec3, pos: Vec3, look: str, part: str = "body", collides: bool = True) -> None:
        """Adds an ellipsoid of full axes `size` metres."""
        self.solids.append(Solid("ellipsoid", size, pos, look, part, collides=collides))

    def mesh(
        self, mesh: Mesh, look: str, part: str = "body", pos: Vec3 = (0.0, 0.0, 0.0), collides: bool = False
    ) -> None:
        """Adds a visible mesh; `collides` only for a convex one."""
        self.solids.append(
            Solid("mesh", (), pos, look, part, collides=collides, vertices=mesh.vertices, faces=mesh.faces, uv=mesh.uv)
        )

    def collider(
        self,
        kind: Literal["box", "cylinder", "capsule", "sphere"],
        size: tuple[float, ...],
        pos: Vec3,
        euler: Vec3 = (0.0, 0.0, 0.0),
    ) -> None:
        """Adds an invisible solid that others bump into."""
        self.solids.append(Solid(kind, size, pos, next(iter(self.looks)), "body", euler, visible=False))

    def hull(self, vertices: np.ndarray) -> None:
        """Adds an invisible convex solid, the hull of `vertices` (V, 3), that others bump into."""
        look = next(iter(self.looks))
        self.solids.append(Solid("mesh", (), (0.0, 0.0, 0.0), look, "body", visible=False, vertices=vertices))

    def ring_collider(self, low: tuple[float, float], high: tuple[float, float], wall: float, sides: int = 8) -> None:
        """Adds an invisible wall of boxes between two (radius, height) pairs of its outside: the wall of a vessel."""
        (r0, z0), (r1, z1) = low, high
        length, tilt = float(np.hypot(r1 - r0, z1 - z0)), float(np.arctan2(r1 - r0, z1 - z0))
        # a polygon as far inside the circle at its sides as outside at its corners
        inner = (1 + np.cos(np.pi / sides)) / 2
        width = 2 * inner * max(r0, r1) * np.tan(np.pi / sides)
        middle = inner * (r0 + r1) / 2 - wall / 2
        for angle in 2 * np.pi * np.arange(sides) / sides:
            turn = rotation((0.0, 0.0, float(angle))) @ rotation((0.0, tilt, 0.0))
            pos = (float(middle * np.cos(angle)), float(middle * np.sin(angle)), (z0 + z1) / 2)
            self.collider("box", (wall, float(width), length), pos, euler_of(turn))

    def four_walls_collider(self, low: Vec3, high: Vec3, wall: float) -> None:
        """Adds four invisible walls of a square vessel between two (half x, half y, z) of its outside."""
        height = high[2] - low[2]
        for axis in (0, 1):
            tilt = float(np.arctan2(high[axis] - low[axis], height))
            for side in (-1, 1):
                middle = [0.0, 0.0, (low[2] + high[2]) / 2]
                middle[axis] = side * ((low[axis] + high[axis]) / 2 - wall / 2)
                size = [2 * high[0], 2 * high[1], height]
                size[axis] = wall
                euler = (0.0, side * tilt, 0.0) if axis == 0 else (-side * tilt, 0.0, 0.0)
                self.collider("box", (size[0], size[1], size[2]), (middle[0], middle[1], middle[2]), euler)

    def surface(self, center: Vec3, size: tuple[float, float], clearance: float = 0.3, inside: bool = False) -> None:
        """Adds a level place where other objects may be put."""
        self.surfaces.append(Surface(center, size, clearance, inside))

    def finish(self, mass: float, placement: Literal["floor", "table"] = "table") -> ObjectModel:
        """The object, shifted so that its visible solids stand centred on z = 0, with its true bounding box."""
        boxes = [solid_bounds(solid) for solid in self.solids if solid.visible]
        low = np.min([box[0] for box in boxes], axis=0)
        high = np.max([box[1] for box in boxes], axis=0)
        shift = np.array([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
        return ObjectModel(
            class_name=self.class_name,
            style=self.style,
            solids=tuple(replace(solid, pos=_shifted(solid.pos, shift)) for solid in self.solids),
            looks=self.looks,
            size=vec3(high - low),
            mass=mass,
            placement=placement,
            surfaces=tuple(replace(surface, center=_shifted(surface.center, shift)) for surface in self.surfaces),
        )


def vec3(values: Sequence[float] | np.ndarray) -> Vec3:
    """Three numbers as Python's own."""
    return float(values[0]), float(values[1]), float(values[2])


def _shifted(pos: Vec3, shift: np.ndarray) -> Vec3:
    return vec3(np.asarray(pos) + shift)


def pick(rng: np.random.Generator, *options: Option) -> Option:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def colour(
    rng: np.random.Generator, saturation: tuple[float, float] = (0.3, 1.0), value: tuple[float, float] = (0.25, 1.0)
) -> Rgb:
    """A colour of any hue."""
    return colorsys.hsv_to_rgb(float(rng.uniform()), float(rng.uniform(*saturation)), float(rng.uniform(*value)))


def grey(rng: np.random.Generator, low: float = 0.05, high: float = 0.95) -> Rgb:
    """A grey with a hint of colour."""
    shade = rng.uniform(low, high)
    return tuple(float(c) for c in np.clip(shade + rng.normal(0, 0.02, 3), 0, 1))  # type: ignore[return-value]


def any_colour(rng: np.random.Generator) -> Rgb:
    """White, black, grey or coloured, as man-made things are."""
    draw = rng.uniform()
    if draw < 0.2:
        return grey(rng, 0.8, 0.98)
    if draw < 0.32:
        return grey(rng, 0.04, 0.2)
    if draw < 0.42:
        return grey(rng, 0.2, 0.8)
    return colour(rng) if draw < 0.85 else colour(rng, (0.08, 0.35), (0.6, 1.0))


def near(rng: np.random.Generator, rgb: Rgb, spread: float = 0.06) -> Rgb:
    """A colour close to the given one."""
    return tuple(float(c) for c in np.clip(np.asarray(rgb) + rng.normal(0, spread, 3), 0, 1))  # type: ignore[return-value]


def look(rng: np.random.Generator, *kinds: LookKind) -> Look:
    """A look of one of the kinds, in colours usual for it."""
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind == "wood":
        return Look(kind, near(rng, (0.62, 0.44, 0.26), 0.1), near(rng, (0.36, 0.22, 0.1), 0.05))
    if kind == "metal":
        base = near(rng, (0.75, 0.55, 0.25), 0.05) if rng.uniform() < 0.15 else grey(rng, 0.25, 0.85)
        return Look(kind, base, near(rng, base))
    if kind == "glass":
        tint = near(rng, (0.85, 0.92, 0.92), 0.05) if rng.uniform() < 0.6 else colour(rng, (0.3, 0.8), (0.3, 0.9))
        return Look(kind, tint, (1.0, 1.0, 1.0), alpha=float(rng.uniform(0.25, 0.6)))
    if kind == "paper":
        return Look(kind, near(rng, (0.9, 0.88, 0.83), 0.04), grey(rng, 0.05, 0.3))
    if kind == "marble":
        return Look(kind, near(rng, grey(rng, 0.3, 0.95), 0.04), grey(rng, 0.2, 0.9))
    return Look(kind, any_colour(rng), any_colour(rng))


def ceramic(rng: np.random.Generator) -> Look:
    """Glazed crockery: mostly white or one colour, now and then painted."""
    draw = rng.uniform()
    if draw < 0.35:
        return Look("plastic", near(rng, (0.93, 0.92, 0.9), 0.03), any_colour(rng))
    if draw < 0.75:
        return look(rng, "plastic", "plain")
    return look(rng, "print", "marble", "print")


def cardboard(rng: np.random.Generator) -> Look:
    """Brown board."""
    return Look("plain", near(rng, (0.7, 0.53, 0.35), 0.05), near(rng, (0.5, 0.36, 0.22), 0.04))


def package_print(rng: np.random.Generator) -> Look:
    """The loud or pale print of a package."""
    draw = rng.uniform()
    base = (
        colour(rng, (0.6, 1.0), (0.45, 1.0))
        if draw < 0.6
        else grey(rng, 0.85, 0.98)
        if draw < 0.85
        else any_colour(rng)
    )
    return Look("print", base, any_colour(rng))


def steel(rng: np.random.Generator) -> Look:
    """Bare steel, dull or bright."""
    shade = grey(rng, 0.35, 0.85)
    return Look("metal", shade, near(rng, shade))


def span(rng: np.random.Generator, middle: float, share: float = 0.25) -> float:
    """A length of `middle` metres +- `share`."""
    return float(middle * rng.uniform(1 - share, 1 + share))
