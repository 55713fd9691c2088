"""Dining, coffee and side tables: every shape of top on every kind of support."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...geometry.bounds import solid_bounds
from ...geometry.model import Look, ObjectModel
from ...geometry.shapes import prism, ring
from ..kits.assembly import Assembly
from ..kits.looks import between, chance, fabric, glass, metal, paint, pick, scaled, table_top, wood
from ..kits.parts import LEG_STYLES, corner_legs

SHAPES = ("rect", "round", "oval", "rounded", "planks", "banded")
SUPPORTS = ("legs", "apron", "pedestal", "trestle", "panels", "frames", "cross", "cloth")


@dataclass(frozen=True)
class TableRange:
    """Free measures of a family of tables, metres."""

    length: tuple[float, float]
    depth: tuple[float, float]
    height: tuple[float, float]
    mass: tuple[float, float]
    shapes: tuple[float, ...]  # weights of SHAPES
    supports: tuple[float, ...]  # weights of SUPPORTS
    lower_board: float  # chance of a board below


DINING = TableRange(
    (1.0, 2.2), (0.70, 1.05), (0.70, 0.78), (20, 50), (5, 2, 1, 2, 1, 1), (4, 4, 2, 1.5, 1, 1.5, 1, 1.5), 0.05
)
COFFEE = TableRange(
    (0.60, 1.30), (0.45, 0.75), (0.32, 0.50), (8, 25), (5, 2, 1, 2, 0.7, 0.7), (4, 2, 1, 0.5, 2, 2, 1, 0.2), 0.4
)
SIDE = TableRange(
    (0.35, 0.65), (0.32, 0.50), (0.42, 0.68), (3, 12), (4, 3, 0.5, 1, 0.4, 0.4), (4, 3, 2, 0.3, 1, 1.5, 1, 0.7), 0.35
)


def _slab(asm: Assembly, shape: str, size: tuple[float, float, float], under: float) -> None:
    """The table top: its underside at z = `under`, `size` its full edges; the place on it is the largest rectangle."""
    x, y, z = size
    middle = under + z / 2
    if shape == "round":
        asm.cylinder("top", "top", x / 2, z, (0, 0, middle))
        asm.surface((0, 0, under + z), (x * 0.7, x * 0.7))
    elif shape == "oval":
        asm.mesh("top", "top", prism(ring(x / 2, y / 2, 0, 2.4, 28)[:, :2], z), (0, 0, under))
        asm.block("top", "top", (x * 0.7, y * 0.9, z), (0, 0, middle))
        asm.block("top", "top", (x * 0.95, y * 0.5, z), (0, 0, middle))
        asm.surface((0, 0, under + z), (x * 0.72, y * 0.72))
    elif shape == "rounded":
        asm.mesh("top", "top", prism(ring(x / 2, y / 2, 0, 9.0, 40)[:, :2], z), (0, 0, under))
        asm.block("top", "top", size, (0, 0, middle))
        asm.surface((0, 0, under + z), (x * 0.94, y * 0.94))
    elif shape == "planks":
        count = max(3, round(y / 0.14))
        for number in range(count):
            at = (0, ((number + 0.5) / count - 0.5) * y, middle)
            asm.box("top", "top", (x, y / count - 0.004, z), at, collides=False)
        asm.box("top", "edge", (x - 0.004, y - 0.01, z * 0.8), (0, 0, middle), collides=False)
        asm.block("top", "top", size, (0, 0, middle))
        asm.surface((0, 0, under + z), (x, y - 0.004))
    elif shape == "banded":
        asm.box("top", "top", (x - 0.006, y - 0.006, z), (0, 0, middle), collides=False)
        band = z * 0.96
        for side in (-1, 1):
            asm.box("edge", "edge", (x, 0.003, band), (0, side * (y - 0.003) / 2, middle), collides=False)
            asm.box("edge", "edge", (0.003, y - 0.006, band), (side * (x - 0.003) / 2, 0, middle), collides=False)
        asm.block("top", "top", size, (0, 0, middle))
        asm.surface((0, 0, under + z), (x, y))
    else:
        asm.box("top", "top", size, (0, 0, middle))
        asm.surface((0, 0, under + z), (x, y))


def _legs(asm: Assembly, rng: np.random.Generator, foot: tuple[float, float], under: float) -> None:
    style = pick(rng, LEG_STYLES)
    thickness = between(rng, 0.03, 0.05) + 0.03 * (under > 0.6) * between(rng, 0, 1)
    thickness = min(thickness, 0.1 * min(foot))
    inset = thickness + between(rng, 0.0, 0.1) * min(foot)
    corner_legs(asm, "frame", style, (foot[0] - inset, foot[1] - inset), under, thickness)


def _apron(asm: Assembly, rng: np.random.Generator, foot: tuple[float, float], under: float) -> None:
    thickness, inset = min(between(rng, 0.04, 0.08), 0.12 * min(foot)), between(rng, 0.02, 0.14) * min(foot)
    spread = (foot[0] - thickness - inset, foot[1] - thickness - inset)
    corner_legs(asm, "frame", pick(rng, ("square", "round")), spread, under, thickness)
    height = min(between(rng, 0.05, 0.11), under * 0.25)
    for side in (-1, 1):
        asm.box(
            "apron", "frame", (spread[0], 0.02, height), (0, side * spread[1] / 2, under - height / 2), collides=False
        )
        asm.box(
            "apron", "frame", (0.02, spread[1], height), (side * spread[0] / 2, 0, under - height / 2), collides=False
        )


def _pedestal(asm: Assembly, rng: np.random.Generator, foot: tuple[float, float], under: float) -> None:
    reach = min(foot) * between(rng, 0.3, 0.4)
    asm.cylinder("column", "frame", between(rng, 0.025, 0.07), under - 0.02, (0, 0, under / 2 + 0.01))
    if chance(rng, 0.5):
        asm.cylinder("foot", "frame", reach, 0.025, (0, 0, 0.0125))
    else:
        asm.box("foot", "frame", (2 * reach, 0.06, 0.04), (0, 0, 0.02))
        asm.box("foot", "frame", (0.06, 2 * reach, 0.039), (0, 0, 0.0195))
    asm.box("plate", "frame", (reach, reach, 0.015), (0, 0, under - 0.0075), collides=False)


def _trestle(asm: Assembly, rng: np.random.Generator, foot: tuple[float, float], under: float) -> None:
    x, y = foot[0] * between(rng, 0.3, 0.4), foot[1] * 0.4
    for number, side in enumerate((-1, 1), start=1):
        for lean in (-1, 1):
            asm.rod(
                f"leg_{number}", "frame", 0.022, (side * x, lean * y, 0.01), (side * x, lean * y * 0.25, under - 0.02)
            )
        asm.box(f"leg_{number}", "frame", (0.05, y * 1.6, 0.04), (side * x, 0, under - 0.02), collides=False)
    asm.box("beam", "frame", (2 * x, 0.03, 0.08), (0, 0, under * 0.5), collides=False)


def _panels(asm: Assembly, rng: np.random.Generator, foot: tuple[float, float], under: float) -> None:
    thickness, inset = between(rng, 0.02, 0.06), between(rng, 0.0, 0.08)
    for number, side in enumerate((-1, 1), start=1):
        at = (side * (foot[0] / 2 - thickness / 2 - inset), 0, under / 2)
        asm.box(f"leg_{number}", "frame", (thickness, foot[1] * 0.95, under), at)
    if chance(rng, 0.5):
        asm.box(
            "back", "frame", (foot[0] - 2 * inset - 2 * thickness, 0.018, under * 0.4), (0, foot[1] * 0.3, under * 0.75)
        )


def _frames(asm: Assembly, rng: np.random.Generator, foot: tuple[float, float], under: float) -> None:
    """Two closed metal frames, as of industrial tables."""
    bar, x, y = between(rng, 0.03, 0.09) * min(0.7, *foot), foot[0] / 2 * between(rng, 0.75, 0.95), foot[1] * 0.42
    for number, side in enumerate((-1, 1), start=1):
        for lean in (-1, 1):
            asm.box(f"leg_{number}", "frame", (bar, bar, under), (side * x, lean * y, under / 2))
        for z in (bar / 2, under - bar / 2):
            asm.box(f"leg_{number}", "frame", (bar, 2 * y - bar, bar), (side * x, 0, z), collides=False)


def _cross(asm: Assembly, rng: np.random.Generator, foot: tuple[float, float], under: float) -> None:
    radius, x, y = between(rng, 0.015, 0.03), foot[0] / 2 * 0.8, foot[1] * 0.38
    for number, side in enumerate((-1, 1), start=1):
        for lean in (-1, 1):
            start, end = (side * x, lean * y, radius), (side * x, -lean * y, under)
            asm.rod(f"leg_{number}", "frame", radius, start, end)
    asm.rod("beam", "frame", radius * 0.8, (-x, 0, under / 2), (x, 0, under / 2), collides=False)


def _cloth(asm: Assembly, rng: np.random.Generator, size: tuple[float, float, float], shape: str, under: float) -> None:
    """A cloth over the top, hanging down at the sides; the cloth's upper face becomes the place for things."""
    x, y, z = size
    drop = between(rng, 0.12, 0.35) if chance(rng, 0.7) else under * 0.9
    asm.surfaces.clear()
    if shape == "round":
        asm.cylinder("cloth", "cloth", x / 2 + 0.008, z + drop, (0, 0, under + z - (z + drop) / 2 + 0.004))
        asm.surface((0, 0, under + z + 0.004), (x * 0.7, x * 0.7))
        return
    thick = 0.006
    asm.box("cloth", "cloth", (x + 2 * thick, y + 2 * thick, thick), (0, 0, under + z + thick / 2))
    for side in (-1, 1):
        low = under + z - drop / 2
        asm.box("cloth", "cloth", (x + 2 * thick, thick, drop), (0, side * (y + thick) / 2, low))
        asm.box("cloth", "cloth", (thick, y, drop), (side * (x + thick) / 2, 0, low))
    asm.surface((0, 0, under + z + thick), (x, y))


def _between_legs(asm: Assembly) -> tuple[float, float]:
    """Edges (x, y) of the rectangle about the origin that no leg reaches into."""
    legs = [solid_bounds(solid) for solid in asm.solids if solid.part.startswith("leg")]
    w, d, _ = 2 * np.min([np.minimum(np.abs(low), np.abs(high)) for low, high in legs], axis=0)
    return float(w), float(d)


def _frame_look(rng: np.random.Generator, top: Look) -> Look:
    """What carries the top: of the same stuff, or of metal, or painted."""
    natural = top if top.kind in ("wood", "plain", "plastic") else wood(rng)
    return pick(rng, (natural, metal(rng), paint(rng), wood(rng)), (5, 2.5, 1.5, 1))


def table(rng: np.random.Generator, class_name: str, free: TableRange) -> ObjectModel:
    """A table of the family `free`."""
    shape = pick(rng, SHAPES, free.shapes)
    support = pick(rng, SUPPORTS, free.supports)
    if support == "cloth" and shape not in ("rect", "round"):
        shape = "rect"
    length, depth, height = between(rng, *free.length), between(rng, *free.depth), between(rng, *free.height)
    if shape == "round":
        length = depth = between(rng, free.depth[0], max(free.depth[1], free.length[0] * 1.2))
    elif chance(rng, 0.15):
        length = depth
    length = max(length, depth * 1.15) if shape == "oval" else length
    thickness = pick(rng, (between(rng, 0.010, 0.018), between(rng, 0.02, 0.035), between(rng, 0.04, 0.075)), (2, 5, 2))
    top = glass(rng) if support != "cloth" and chance(rng, 0.08) else table_top(rng)
    if shape == "planks":
        top = wood(rng)
    asm = Assembly(class_name, f"{class_name.lower()}_{shape}_{support}", top=top, frame=_frame_look(rng, top))
    asm.looks["edge"] = (
        replace(top, rgb=scaled(top.rgb, 0.45)) if shape == "planks" else pick(rng, (wood, metal, paint))(rng)
    )
    under = height - thickness
    foot = (length * 0.68, depth * 0.68) if shape in ("round", "oval") else (length, depth)
    _slab(asm, shape, (length, depth, thickness), under)
    if support == "cloth":
        asm.looks["cloth"] = fabric(rng)
        _cloth(asm, rng, (length, depth, thickness), shape, under)
        _legs(asm, rng, foot, under)
    else:
        build = {
            "legs": _legs, "apron": _apron, "pedestal": _pedestal, "trestle": _trestle,
            "panels": _panels, "frames": _frames, "cross": _cross,
        }[support]  # fmt: skip
        build(asm, rng, foot, under)
    if support in ("legs", "apron") and chance(rng, free.lower_board):
        level = under * between(rng, 0.25, 0.45)
        w, d = _between_legs(asm)
        if min(w, d) > 0.15:
            asm.box("board_1", "frame", (w + 0.02, d + 0.02, 0.018), (0, 0, level - 0.009))
            asm.surface((0, 0, level), (w, d), under - level - 0.12, inside=True)
    return asm.finish(between(rng, *free.mass), "floor")


def dining_table(rng: np.random.Generator) -> ObjectModel:
    """A dining table, also a plain work table."""
    return table(rng, "DiningTable", DINING)


def coffee_table(rng: np.random.Generator) -> ObjectModel:
    """A low table in front of a sofa."""
    return table(rng, "CoffeeTable", COFFEE)


def side_table(rng: np.random.Generator) -> ObjectModel:
    """A small table beside a bed or a sofa."""
    return table(rng, "SideTable", SIDE)
