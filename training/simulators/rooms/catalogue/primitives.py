"""Objects of one or a few solids: plain tables to clutter, and cans, balls and blocks of no class."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ..geometry.model import Builder, Look, LookKind, ObjectModel, Solid, Surface
from ..looks.textures import random_rgb

TABLE_KINDS: tuple[LookKind, ...] = ("wood", "wood", "wood", "plain", "plain", "marble", "fabric", "plastic", "metal")


def _look(rng: np.random.Generator, kind: LookKind) -> Look:
    return Look(kind, random_rgb(rng, 0.9), random_rgb(rng, 0.9))


def wood_rgb(rng: np.random.Generator) -> tuple[float, float, float]:
    """From maple to wenge."""
    tone = float(rng.uniform(0.3, 1.0))
    return (
        tone * float(rng.uniform(0.8, 0.95)),
        tone * float(rng.uniform(0.6, 0.8)),
        tone * float(rng.uniform(0.35, 0.65)),
    )


def plain_table(rng: np.random.Generator) -> ObjectModel:
    """A large table: a top on four legs, two panels or a block down to the floor."""
    class_name = str(
        rng.choice(["DiningTable", "Desk", "CounterTop", "CoffeeTable", "SideTable"], p=[0.4, 0.25, 0.2, 0.1, 0.05])
    )
    x, y = {"CoffeeTable": (1.2, 0.8), "SideTable": (0.7, 0.6)}.get(class_name, (1.9, 1.1))
    x, y = x * float(rng.uniform(0.7, 1.2)), y * float(rng.uniform(0.75, 1.3))
    z = float(rng.uniform(0.35, 0.55)) if class_name == "CoffeeTable" else float(rng.uniform(0.6, 0.95))
    thick = float(rng.uniform(0.015, 0.06))
    kind = TABLE_KINDS[rng.integers(len(TABLE_KINDS))]
    top = Look(kind, wood_rgb(rng) if kind == "wood" else random_rgb(rng, 0.4), random_rgb(rng, 0.5))
    solids = [Solid("box", (x, y, thick), (0.0, 0.0, z - thick / 2), "top", "top")]
    if class_name == "CounterTop":
        solids.append(Solid("box", (x * 0.97, y * 0.94, z - thick), (0.0, 0.0, (z - thick) / 2), "legs", "base"))
    else:
        leg = float(rng.uniform(0.03, 0.08))
        for side_x in (-1, 1):
            for side_y in (-1, 1):
                pos = (side_x * (x / 2 - leg), side_y * (y / 2 - leg), (z - thick) / 2)
                solids.append(Solid("box", (leg, leg, z - thick), pos, "legs", "leg"))
    looks = {"top": top, "legs": _look(rng, ("wood", "metal", "plain")[rng.integers(3)])}
    surface = Surface((0.0, 0.0, z), (x, y))
    return ObjectModel(class_name, "plain_table", tuple(solids), looks, (x, y, z), 30.0, "floor", (surface,))


def can(rng: np.random.Generator) -> ObjectModel:
    """A printed can or jar, with a lid of another colour."""
    radius, height = float(rng.uniform(0.018, 0.06)), float(rng.uniform(0.04, 0.26))
    lid = min(height * 0.3, float(rng.uniform(0.002, 0.03)))
    rim = radius * float(rng.uniform(0.7, 1.02))
    solids = (
        Solid("cylinder", (radius, height), (0.0, 0.0, height / 2), "print", "body"),
        Solid("cylinder", (rim, lid), (0.0, 0.0, height + lid / 2), "lid", "lid"),
    )
    looks = {"print": _look(rng, "print"), "lid": _look(rng, ("metal", "plastic", "plain")[rng.integers(3)])}
    return ObjectModel(OTHER, "can", solids, looks, (2 * radius, 2 * radius, height + lid), 0.3, "table")


def ball(rng: np.random.Generator) -> ObjectModel:
    """A round thing, often slightly flat: fruit, toys."""
    edges = tuple(float(edge) for edge in rng.uniform(0.04, 0.14) * rng.uniform(0.75, 1.0, 3))
    solid = Solid("ellipsoid", edges, (0.0, 0.0, edges[2] / 2), "skin", "body")
    kind: LookKind = ("plain", "plastic", "marble", "fabric")[rng.integers(4)]
    return ObjectModel(OTHER, "ball", (solid,), {"skin": _look(rng, kind)}, edges, 0.2, "table")  # type: ignore[arg-type]


def block(rng: np.random.Generator) -> ObjectModel:
    """A box of one material: a brick, a sponge, a power supply."""
    x, y, z = (float(edge) for edge in rng.uniform(0.02, 0.2, 3))
    solid = Solid("box", (x, y, z), (0.0, 0.0, z / 2), "skin", "body")
    kind: LookKind = ("plain", "wood", "plastic", "metal", "marble", "fabric")[rng.integers(6)]
    return ObjectModel(OTHER, "block", (solid,), {"skin": _look(rng, kind)}, (x, y, z), 0.3, "table")


OTHER_BUILDERS: list[Builder] = [can, ball, block]
