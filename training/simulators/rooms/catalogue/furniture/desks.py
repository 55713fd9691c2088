"""Desks: office tables, writing desks, corner desks, desks with a hutch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...geometry.model import ObjectModel
from ..kits.assembly import Assembly
from ..kits.looks import between, board, chance, glass, metal, pick, table_top
from ..kits.parts import LEG_STYLES, Front, corner_legs, drawer_stack

DESK_STYLES = ("legs", "frames", "one_pedestal", "two_pedestals", "panels", "corner", "hutch")


def _desk_pedestal(
    asm: Assembly, rng: np.random.Generator, x: float, size: tuple[float, float, float], first: int
) -> int:
    """A block of drawers under a desk at `x`; returns the next free drawer number."""
    w, d, h = size
    foot = between(rng, 0.0, 0.08)
    asm.box(f"pedestal_{first}", "frame", (w, d, h - foot), (x, 0, foot + (h - foot) / 2))
    rows = int(rng.integers(2, 5))
    area = Front(x, foot + (h - foot) / 2, w, h - foot, -d / 2)
    drawer_stack(asm, rng, area, rows, ("front", "knob"), depth=d * 0.7, first=first)
    return first + rows


def desk(rng: np.random.Generator) -> ObjectModel:
    """A desk: office tables, writing desks with drawers, corner desks, desks with a hutch."""
    style = pick(rng, DESK_STYLES, (3, 3, 3, 1.5, 1.5, 1, 1))
    w, d, h = between(rng, 1.0, 1.85), between(rng, 0.55, 0.85), between(rng, 0.70, 0.78)
    thickness = pick(rng, (between(rng, 0.016, 0.03), between(rng, 0.03, 0.06)))
    top = table_top(rng) if chance(rng, 0.95) else glass(rng)
    frame = top if top.kind == "wood" and chance(rng, 0.6) else board(rng)
    front = frame if chance(rng, 0.6) else board(rng)
    asm = Assembly("Desk", f"desk_{style}", top=top, frame=frame, front=front, knob=metal(rng))
    under = h - thickness
    asm.box("top", "top", (w, d, thickness), (0, 0, under + thickness / 2))
    if style in ("legs", "frames", "corner"):
        asm.looks["frame"] = pick(rng, (metal(rng), frame))
    if style == "frames":
        bar = between(rng, 0.03, 0.07)
        for number, side in enumerate((-1, 1), start=1):
            x = side * (w / 2 - between(rng, 0.05, 0.2))
            asm.box(f"leg_{number}", "frame", (bar, bar, under), (x, d * 0.1, under / 2))
            asm.box(f"leg_{number}", "frame", (bar, d * 0.9, 0.03), (x, 0, 0.015))
            asm.box(f"leg_{number}", "frame", (bar, d * 0.8, 0.03), (x, 0, under - 0.015), collides=False)
    elif style in ("one_pedestal", "two_pedestals"):
        wide, deep = between(rng, 0.35, 0.45), d - 0.06
        after = _desk_pedestal(asm, rng, w / 2 - wide / 2 - 0.01, (wide, deep, under), 1)
        if style == "two_pedestals":
            _desk_pedestal(asm, rng, -w / 2 + wide / 2 + 0.01, (wide, deep, under), after)
        else:
            asm.box("leg_1", "frame", (0.03, deep, under), (-w / 2 + 0.03, 0, under / 2))
    elif style in ("panels", "hutch"):
        for number, side in enumerate((-1, 1), start=1):
            asm.box(f"leg_{number}", "frame", (0.025, d * 0.95, under), (side * (w / 2 - 0.03), 0, under / 2))
        asm.box("back", "frame", (w - 0.1, 0.018, under * 0.5), (0, d * 0.4, under * 0.7))
    else:
        thick = between(rng, 0.03, 0.06)
        corner_legs(asm, "frame", pick(rng, LEG_STYLES), (w - 0.1, d - 0.1), under, thick)
        if style == "legs" and chance(rng, 0.4):
            area = Front(between(rng, -0.2, 0.2) * w, under - 0.06, between(rng, 0.3, 0.55), 0.1, -d / 2 + 0.04)
            asm.box("pedestal_1", "frame", (area.w, d * 0.8, 0.11), (area.x, -0.02 + d * 0.04, under - 0.055))
            drawer_stack(asm, rng, replace(area, y=-0.02 - d * 0.36), 1, ("front", "knob"), depth=d * 0.6)
    _desk_extras(asm, rng, style, (w, d, h, thickness))
    return asm.finish(
        between(rng, 15, 45), "floor" if style in ("legs", "frames") and chance(rng, 0.4) else "wall_floor"
    )


def _desk_extras(asm: Assembly, rng: np.random.Generator, style: str, size: tuple[float, float, float, float]) -> None:
    """The places of a desk, its return or its hutch, its cable hole."""
    w, d, h, thickness = size
    if style == "hutch":
        height, depth = between(rng, 0.3, 0.6), between(rng, 0.2, 0.28)
        y = d / 2 - depth / 2
        for side, part in ((-1, "side_left"), (1, "side_right")):
            asm.box(part, "frame", (0.018, depth, height), (side * (w / 2 - 0.009), y, h + height / 2))
        asm.box("board_1", "frame", (w, depth, 0.018), (0, y, h + height - 0.009))
        asm.surface((0, y, h + height), (w, depth), 0.5)
        asm.surface((0, y, h), (w - 0.08, depth - 0.02), height - 0.03, inside=True)
        asm.surface((0, -depth / 2, h), (w, d - depth))
        return
    asm.surface((0, 0, h), (w, d))
    if style == "corner":
        side, wide, reach = pick(rng, (-1, 1)), between(rng, 0.45, 0.6), between(rng, 0.5, 0.9)
        x, y = side * (w - wide) / 2, -d / 2 - reach / 2
        asm.box("return", "top", (wide, reach, thickness), (x, y, h - thickness / 2))
        asm.box("leg_5", "frame", (wide * 0.9, 0.03, h - thickness), (x, -d / 2 - reach + 0.05, (h - thickness) / 2))
        asm.surface((x, y, h), (wide, reach))
