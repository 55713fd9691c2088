"""Kitchen counters on cabinets, with basins, taps and burners in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...geometry.model import ObjectModel
from ..kits.assembly import Assembly
from ..kits.looks import between, board, chance, dark, marble, metal, pick, steel, table_top, white, wood
from ..kits.parts import HANDLE_STYLES, Front, door, drawer_stack


def _counter_top(
    asm: Assembly, size: tuple[float, float, float], hole: tuple[float, float, float, float] | None, z: float
) -> None:
    """The slab with its upper face at `z`; `hole` (x, y, width, depth) is left open for a basin."""
    w, d, thick = size
    middle = z - thick / 2
    if hole is None:
        asm.box("top", "top", size, (0, 0, middle))
        return
    x, y, hw, hd = hole
    left, right = x - hw / 2 + w / 2, w / 2 - (x + hw / 2)
    asm.box("top", "top", (left, d, thick), (-w / 2 + left / 2, 0, middle))
    asm.box("top", "top", (right, d, thick), (w / 2 - right / 2, 0, middle))
    front, back = y - hd / 2 + d / 2, d / 2 - (y + hd / 2)
    asm.box("top", "top", (hw, front, thick), (x, -d / 2 + front / 2, middle))
    asm.box("top", "top", (hw, back, thick), (x, d / 2 - back / 2, middle))


def tap(
    asm: Assembly, rng: np.random.Generator, at: tuple[float, float, float], reach: float, lowest: float = 0.0
) -> None:
    """A tap standing `at` (x, y, z); its spout reaches toward -y, `lowest` metres and more above z."""
    x, y, z = at
    height, radius = lowest + between(rng, 0.12, 0.34), between(rng, 0.008, 0.013)
    asm.cylinder("tap", "tap", radius * 1.8, 0.03, (x, y, z + 0.015), collides=False)
    asm.rod("tap", "tap", radius, (x, y, z), (x, y, z + height), rounded=True)
    asm.rod("tap", "tap", radius, (x, y, z + height), (x, y - reach, z + height), rounded=True, collides=False)
    asm.rod("tap", "tap", radius, (x, y - reach, z + height), (x, y - reach, z + height - 0.05), collides=False)
    if chance(rng, 0.5):
        asm.rod("tap_lever", "tap", 0.006, (x, y, z + 0.06), (x + 0.07, y, z + 0.09), rounded=True, collides=False)
    else:
        for side in (-1, 1):
            asm.cylinder("tap_lever", "tap", 0.018, 0.04, (x + side * 0.1, y, z + 0.02), collides=False)


def burners(asm: Assembly, rng: np.random.Generator, x: float, z: float, area: tuple[float, float]) -> None:
    """Two to five burners: flat plates, rings with grates, or rings printed on glass, on a surface at `z`."""
    kind = pick(rng, ("plate", "gas", "glass"))
    spread_x, spread_y = area[0] * 0.25, area[1] * 0.25
    spots = [(-1, -1), (1, -1), (1, 1), (-1, 1)] if area[0] > 0.4 else [(0, -1), (0, 1)]
    for number, (sx, sy) in enumerate(spots, start=1):
        part, radius = f"burner_{number}", between(rng, 0.065, 0.105)
        radius = min(radius, area[1] * 0.2, area[0] * 0.2 if area[0] > 0.4 else 1.0)
        at = (x + sx * spread_x, sy * spread_y)
        if kind == "glass":
            asm.cylinder(part, "ring", radius, 0.002, (*at, z + 0.001), collides=False)
            asm.cylinder(part, "stove", radius * 0.88, 0.003, (*at, z + 0.0015), collides=False)
        elif kind == "plate":
            asm.cylinder(part, "burner", radius, 0.014, (*at, z + 0.007))
            asm.cylinder(part, "ring", radius * 0.2, 0.015, (*at, z + 0.0075), collides=False)
        else:
            asm.cylinder(part, "ring", radius * 0.45, 0.018, (*at, z + 0.009), collides=False)
            asm.box(part, "burner", (2 * radius, 0.01, 0.008), (*at, z + 0.026))
            asm.box(part, "burner", (0.01, 2 * radius, 0.0079), (*at, z + 0.026))
        top = z + {"glass": 0.003, "plate": 0.015, "gas": 0.03}[kind]
        asm.surface((*at, top), (radius * 1.4, radius * 1.4), 0.5)
        asm.sub_objects[part] = "StoveBurner"


def add_stove_looks(asm: Assembly, rng: np.random.Generator) -> None:
    """Looks `stove`, `burner` and `ring`."""
    asm.looks.update(stove=dark(rng) if chance(rng, 0.6) else steel(rng), burner=dark(rng), ring=steel(rng))


def _counter_base(asm: Assembly, rng: np.random.Generator, size: tuple[float, float, float]) -> None:
    """Cabinets with doors and drawers under a counter, on a plinth."""
    w, d, h = size
    plinth, y = between(rng, 0.06, 0.12), 0.02
    asm.box("plinth", "plinth", (w - 0.02, d - 0.1, plinth), (0, y + 0.03, plinth / 2))
    asm.box("cabinet", "frame", (w, d - 0.06, h - plinth), (0, y, plinth + (h - plinth) / 2))
    columns = max(1, round(w / between(rng, 0.42, 0.62)))
    handle_style, panel = pick(rng, HANDLE_STYLES), chance(rng, 0.4)
    wide, front_y, first = w / columns, y - (d - 0.06) / 2, 1
    row = between(rng, 0.12, 0.18) if chance(rng, 0.5) else 0.0
    for column in range(columns):
        x = -w / 2 + wide * (column + 0.5)
        area = Front(x, plinth + (h - plinth) / 2, wide - 0.006, h - plinth - 0.006, front_y)
        if chance(rng, 0.25):
            rows = int(rng.integers(3, 5))
            drawer_stack(asm, rng, area, rows, ("front", "knob"), depth=d * 0.6, first=first)
            first += rows
            continue
        if row:
            upper = replace(area, z=h - row / 2, h=row - 0.006)
            drawer_stack(asm, rng, upper, 1, ("front", "knob"), depth=d * 0.6, first=first)
            first += 1
        lower = replace(area, z=area.z - row / 2, h=area.h - row)
        hinge = "left" if column % 2 == 0 else "right"
        door(asm, f"door_{column + 1}", lower, ("front", "knob"), handle_style, hinge=hinge, panel=panel)


def counter_top(rng: np.random.Generator) -> ObjectModel:
    """A kitchen counter: a slab on cabinets, or an island on panels, some with a basin or a stove in it."""
    w, d, h = between(rng, 1.0, 2.6), between(rng, 0.56, 0.72), between(rng, 0.84, 0.96)
    thick = between(rng, 0.02, 0.05)
    kind = pick(rng, ("plain", "sink", "stove", "island", "sink_stove"), (4, 3, 1.5, 2, 1.5))
    top = pick(rng, (marble, wood, white, table_top), (5, 3, 2, 1))(rng)
    frame = board(rng)
    front = frame if chance(rng, 0.7) else board(rng)
    asm = Assembly(
        "CounterTop", f"countertop_{kind}", top=top, frame=frame, front=front, knob=metal(rng), plinth=dark(rng)
    )
    w = max(w, 1.9) if kind == "sink_stove" else w
    hole = None
    if "sink" in kind:
        hw, hd = between(rng, 0.38, 0.62), between(rng, 0.34, 0.42)
        x = between(rng, -1, 0 if "stove" in kind else 1) * (w / 2 - hw / 2 - 0.08)
        x = min(x, w / 2 - 0.75 - hw / 2) if "stove" in kind else x
        hole = (x, -0.03, hw, hd)
    _counter_top(asm, (w, d, thick), hole, h)
    if kind == "island":
        for number, side in enumerate((-1, 1), start=1):
            asm.box(f"leg_{number}", "frame", (0.05, d * 0.9, h - thick), (side * (w / 2 - 0.06), 0, (h - thick) / 2))
        asm.box("back", "frame", (w - 0.16, 0.02, h - thick), (0, d * 0.3, (h - thick) / 2))
    else:
        basin_depth = 0.2 if hole else 0.0
        _counter_base(asm, rng, (w, d, h - thick - basin_depth))
        if basin_depth:
            asm.box(
                "cabinet",
                "frame",
                (w, 0.02, basin_depth),
                (0, 0.02 - (d - 0.06) / 2 + 0.01, h - thick - basin_depth / 2),
            )
            for side in (-1, 1):
                at = (side * (w / 2 - 0.01), 0.02, h - thick - basin_depth / 2)
                asm.box("cabinet", "frame", (0.02, d - 0.06, basin_depth), at, collides=False)
    _counter_places(asm, rng, (w, d, h), hole, stove="stove" in kind)
    if kind != "island" and chance(rng, 0.4):
        rise = between(rng, 0.05, 0.5)
        asm.box("backsplash", "top", (w, 0.02, rise), (0, d / 2 + 0.01, h + rise / 2))
    return asm.finish(between(rng, 60, 140), "floor" if kind == "island" else "wall_floor")


def _counter_places(
    asm: Assembly,
    rng: np.random.Generator,
    size: tuple[float, float, float],
    hole: tuple[float, float, float, float] | None,
    *,
    stove: bool,
) -> None:
    """Basin, tap, stove, and the free places beside them."""
    w, d, h = size
    left, right = -w / 2, w / 2
    if stove:
        add_stove_looks(asm, rng)
        wide = 0.58
        x = w / 2 - wide / 2 - 0.05
        asm.box("stove", "stove", (wide, d * 0.82, 0.008), (x, 0, h + 0.004))
        burners(asm, rng, x, h + 0.008, (wide, d * 0.82))
        right = x - wide / 2
    if hole is not None:
        x, y, hw, hd = hole
        asm.looks.update(basin=steel(rng) if chance(rng, 0.6) else white(rng), tap=steel(rng))
        depth = between(rng, 0.14, 0.19)
        asm.tray("basin", "basin", (hw, hd, depth), 0.008, (x, y, h - depth / 2 + 0.003))
        asm.cylinder("basin", "tap", 0.03, 0.004, (x, y, h - depth + 0.013), collides=False)
        asm.sub_objects["basin"] = "SinkBasin"
        asm.surface((x, y, h - depth + 0.013), (hw - 0.06, hd - 0.06), 0.18, inside=True)
        tap(asm, rng, (x, y + hd / 2 + 0.05, h), hd * 0.5)
        asm.surface(((left + x - hw / 2) / 2, 0, h), (x - hw / 2 - left, d), 0.6)
        left = x + hw / 2
    asm.surface(((left + right) / 2, 0, h), (right - left, d), 0.6)
