"""The background of a scene: floor, walls, ceiling, windows, doors, carpets. Never instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .geometry.model import Look, LookKind, Solid, Vec3
from .looks.textures import random_rgb, shade

FLOOR_KINDS: tuple[LookKind, ...] = ("wood", "wood", "wood", "tiles", "tiles", "fabric", "marble", "plain", "pattern")
WALL_KINDS: tuple[LookKind, ...] = (*("plain",) * 5, "tiles", "marble", "fabric", "wood", "clouds")
THICK = 0.1


@dataclass
class Room:
    """The background. `size` is the free space inside (x, y, z), metres, centred on the origin, floor at z = 0."""

    size: Vec3
    solids: list[Solid] = field(default_factory=list)
    looks: dict[str, Look] = field(default_factory=dict)


def make_room(rng: np.random.Generator, family: Literal["table", "room"]) -> Room:
    """Random walls, floor and ceiling with what hangs on them."""
    low, high = (2.4, 6.5) if family == "table" else (2.8, 6.5)
    room = Room((float(rng.uniform(low, high)), float(rng.uniform(low, high)), float(rng.uniform(2.3, 3.0))))
    pale = shade(random_rgb(rng, 0.25), 1.0 + float(rng.uniform(0, 1.5)))
    room.looks["floor"] = _look(rng, FLOOR_KINDS)
    room.looks["wall"] = Look(_look(rng, WALL_KINDS).kind, pale, random_rgb(rng, 0.4))
    room.looks["wall_2"] = _look(rng, WALL_KINDS) if rng.random() < 0.3 else room.looks["wall"]
    room.looks["ceiling"] = Look("plain", (0.9, 0.9, 0.88))
    room.looks["trim"] = Look("plain", random_rgb(rng, 0.2))
    x, y, z = room.size
    _add(room, (x + 2 * THICK, y + 2 * THICK, THICK), (0.0, 0.0, -THICK / 2), "floor")
    _add(room, (x, y, THICK), (0.0, 0.0, z + THICK / 2), "ceiling")
    trim = float(rng.uniform(0.04, 0.15)) if rng.random() < 0.7 else 0.0
    for wall in range(4):
        look = "wall_2" if wall == 0 else "wall"
        _on_wall(room, wall, (0.0, z / 2), (max(x, y) + 2 * THICK, z), look, -THICK, THICK)
        if trim:
            _on_wall(room, wall, (0.0, trim / 2), (_length(room, wall), trim), "trim", 0.0, 0.012)
        _decorate(room, wall, rng)
    if rng.random() < 0.35:
        _carpet(room, rng)
    return room


def _look(rng: np.random.Generator, kinds: tuple[LookKind, ...]) -> Look:
    kind = kinds[rng.integers(len(kinds))]
    if kind == "wood":
        tone = float(rng.uniform(0.3, 1.0))
        return Look("wood", (tone * 0.9, tone * float(rng.uniform(0.6, 0.8)), tone * float(rng.uniform(0.3, 0.6))))
    return Look(kind, random_rgb(rng, 0.35), random_rgb(rng, 0.35))


def _length(room: Room, wall: int) -> float:
    return room.size[0] if wall % 2 == 0 else room.size[1]


def _add(room: Room, size: Vec3, pos: Vec3, look: str, collides: bool = True) -> None:
    room.solids.append(Solid("box", size, pos, look, "background", collides=collides))


def _on_wall(
    room: Room, wall: int, center: tuple[float, float], size: tuple[float, float], look: str, depth: float, thick: float
) -> None:
    """A slab on wall 0..3 (+y, -x, -y, +x): `center` and `size` along the wall and up; `thick` from `depth` on."""
    away = (room.size[1] if wall % 2 == 0 else room.size[0]) / 2 - depth - thick / 2
    pos = ((center[0], away), (-away, center[0]), (-center[0], -away), (away, -center[0]))[wall]
    flat = (size[0], thick, size[1]) if wall % 2 == 0 else (thick, size[0], size[1])
    _add(room, flat, (pos[0], pos[1], center[1]), look, collides=thick >= THICK)


def _decorate(room: Room, wall: int, rng: np.random.Generator) -> None:
    """A window, a door or nothing."""
    length = _length(room, wall)
    choice = rng.random()
    name = f"wall_{wall}_"
    if choice < 0.3:
        width, height = float(rng.uniform(0.6, min(2.0, length - 0.6))), float(rng.uniform(0.7, 1.3))
        center = (float(rng.uniform(-0.5, 0.5)) * (length - width), 0.8 + height / 2)
        room.looks[name + "pane"] = Look("clouds", (0.75, 0.85, 0.97), random_rgb(rng, 0.5))
        _on_wall(room, wall, center, (width + 0.12, height + 0.12), "trim", 0.0, 0.03)
        for column in (-1, 1):
            pane = (center[0] + column * width / 4, center[1])
            _on_wall(room, wall, pane, (width / 2 - 0.04, height), name + "pane", 0.0, 0.034)
    elif choice < 0.45:
        room.looks[name + "door"] = Look("wood", shade(random_rgb(rng, 0.4), 1.1))
        center = (float(rng.uniform(-0.5, 0.5)) * (length - 1.0), 1.0)
        _on_wall(room, wall, center, (1.0, 2.05), "trim", 0.0, 0.02)
        _on_wall(room, wall, center, (0.86, 1.98), name + "door", 0.0, 0.025)


def _carpet(room: Room, rng: np.random.Generator) -> None:
    kinds: tuple[LookKind, ...] = ("fabric", "pattern", "shapes")
    kind = kinds[rng.integers(len(kinds))]
    room.looks["carpet"] = Look(kind, random_rgb(rng, 0.6), random_rgb(rng, 0.6))
    x, y = (float(rng.uniform(0.3, 0.8)) * edge for edge in room.size[:2])
    _add(room, (x, y, 0.006), (0.0, 0.0, 0.003), "carpet", collides=False)
