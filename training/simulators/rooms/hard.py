"""What makes tables of photographs hard: patterned tops, floors of the top's colour, thin things (`--hard-share`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .catalogue.kits.looks import any_rgb, scaled, vary
from .catalogue.thin import THIN
from .geometry.bounds import solid_bounds
from .geometry.model import Look, LookKind, ObjectModel, Surface
from .shell import Room

THIN_SHARE = 0.3
"""Of the things on a hard table."""
PATTERNED_SHARE = 0.5
"""Of the tops; the others stand on a floor of their colour."""
PATTERNS: tuple[LookKind, ...] = ("pattern", "pattern", "tiles", "fabric")


def hard_table(rng: np.random.Generator, table: ObjectModel, surface: Surface, room: Room) -> ObjectModel:
    """The table with a checked or striped top; or as it was, but on a floor like its top.

    Args:
        rng: source of all randomness.
        table: a table.
        surface: the place on it that is looked at.
        room: where it stands; the looks of its floor and carpet are changed.
    """
    name = _top_look(table, surface)
    top = table.looks[name]
    if top.alpha < 1.0 or rng.random() < PATTERNED_SHARE:
        rgb = any_rgb(rng)
        rgb2 = scaled(rgb, float(rng.uniform(0.4, 1.6))) if rng.random() < 0.4 else any_rgb(rng)
        return replace(table, looks={**table.looks, name: Look(PATTERNS[rng.integers(len(PATTERNS))], rgb, rgb2)})
    for below in ("floor", "carpet"):
        if below in room.looks:
            room.looks[below] = Look(top.kind, vary(rng, top.rgb, 0.04), top.rgb2)
    return table


def thin_object(rng: np.random.Generator) -> ObjectModel:
    """A pen, a fork, a ruler, a cable."""
    return THIN[rng.integers(len(THIN))](rng)


def _top_look(table: ObjectModel, surface: Surface) -> str:
    """The look of the widest solid that ends where the surface lies."""

    def width(bounds: tuple[np.ndarray, np.ndarray]) -> float:
        low, high = bounds
        return float(np.prod(high[:2] - low[:2])) if abs(float(high[2]) - surface.center[2]) < 0.02 else 0.0

    return max((s for s in table.solids if s.visible), key=lambda solid: width(solid_bounds(solid))).look
