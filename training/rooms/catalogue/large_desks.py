"""Desks and counters: tops with drawers, doors, basins and burners under and in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.rooms.catalogue.large_base import Assembly
from training.rooms.catalogue.large_looks import (
    between,
    board,
    chance,
    dark,
    glass,
    marble,
    metal,
    pick,
    steel,
    table_top,
    white,
    wood,
)
from training.rooms.catalogue.large_parts import HANDLE_STYLES, LEG_STYLES, Front, boards, carcass, corner_legs, door, drawer_stack
from training.rooms.model import ObjectModel

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
    return asm.finish(between(rng, 15, 45), "floor" if style in ("legs", "frames") and chance(rng, 0.4) else "wall_floor")


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


def _counter_top(asm: Assembly, size: tuple[float, float, float], hole: tuple[float, float, float, float] | None, z: float) -> None:
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


def tap(asm: Assembly, rng: np.random.Generator, x: float, y: float, z: float, reach: float) -> None:
    """A tap standing at (x, y, z) whose spout reaches toward -y, with a lever or two handles."""
    height, radius = between(rng, 0.12, 0.34), between(rng, 0.008, 0.013)
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
    asm = Assembly("CounterTop", f"countertop_{kind}", top=top, frame=frame, front=front, knob=metal(rng), plinth=dark(rng))
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
            asm.box("cabinet", "frame", (w, 0.02, basin_depth), (0, 0.02 - (d - 0.06) / 2 + 0.01, h - thick - basin_depth / 2))
            for side in (-1, 1):
                at = (side * (w / 2 - 0.01), 0.02, h - thick - basin_depth / 2)
                asm.box("cabinet", "frame", (0.02, d - 0.06, basin_depth), at, collides=False)
    _counter_places(asm, rng, (w, d, h), hole, stove="stove" in kind)
    if kind != "island" and chance(rng, 0.4):
        rise = between(rng, 0.05, 0.5)
        asm.box("backsplash", "top", (w, 0.02, rise), (0, d / 2 + 0.01, h + rise / 2))
    return asm.finish(between(rng, 60, 140), "floor" if kind == "island" else "wall_floor")


def _counter_places(
    asm: Assembly, rng: np.random.Generator, size: tuple[float, float, float], hole: tuple[float, float, float, float] | None, *, stove: bool
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
        asm.surface((x, y, h - depth + 0.013), (hw - 0.06, hd - 0.06), 0.5, inside=True)
        tap(asm, rng, x, y + hd / 2 + 0.05, h, hd * 0.5)
        asm.surface(((left + x - hw / 2) / 2, 0, h), (x - hw / 2 - left, d), 0.6)
        left = x + hw / 2
    asm.surface(((left + right) / 2, 0, h), (right - left, d), 0.6)


def shelf(rng: np.random.Generator) -> ObjectModel:
    """A bookcase, an open rack on posts, or a board on the wall."""
    style = pick(rng, ("bookcase", "rack", "ladder", "wall_board", "cube"), (4, 3, 1, 2, 2))
    asm = Assembly("Shelf", f"shelf_{style}", frame=board(rng))
    if style == "wall_board":
        w, d, thick = between(rng, 0.4, 1.2), between(rng, 0.15, 0.28), between(rng, 0.018, 0.045)
        asm.box("board_1", "frame", (w, d, thick), (0, 0, 0))
        asm.looks["metal"] = metal(rng)
        if chance(rng, 0.6):
            for number, side in enumerate((-1, 1), start=1):
                at = (side * w * 0.38, d * 0.1, -thick / 2 - 0.03)
                asm.box(f"bracket_{number}", "metal", (0.02, d * 0.8, 0.01), (at[0], at[1], at[2] + 0.025), collides=False)
                asm.box(f"bracket_{number}", "metal", (0.02, 0.01, 0.12), (at[0], d / 2 - 0.005, at[2] - 0.03), collides=False)
        asm.surface((0, 0, thick / 2), (w, d), 0.35)
        return asm.finish(between(rng, 1, 4), "wall")
    w, d, h = between(rng, 0.4, 1.2), between(rng, 0.24, 0.42), between(rng, 0.7, 2.1)
    rows = max(2, round(h / between(rng, 0.28, 0.42)))
    if style in ("bookcase", "cube"):
        wall = between(rng, 0.016, 0.03)
        carcass(asm, "frame", (w, d, h), 0.0, wall=wall)
        levels = [float(z) for z in np.linspace(wall, h - wall, rows + 1)]
        boards(asm, "frame", (w - 2 * wall, d - 0.01), levels, wall=wall)
        if style == "cube" and w > 0.65:
            asm.box("divider", "frame", (wall, d - 0.01, h - 2 * wall), (0, 0, h / 2))
            _halve_inside(asm, w)
    else:
        if chance(rng, 0.6):
            asm.looks["frame"] = pick(rng, (metal(rng), wood(rng)))
        asm.looks["post"] = pick(rng, (metal(rng), asm.looks["frame"]))
        corner_legs(asm, "post", pick(rng, ("square", "round")), (w - 0.03, d - 0.03), h, 0.03, "post")
        levels = [float(z) for z in np.linspace(between(rng, 0.06, 0.2), h, rows + 1)]
        for number, level in enumerate(levels):
            asm.box(f"board_{number + 1}", "frame", (w - 0.005, d - 0.005, 0.02), (0, 0, level - 0.01))
            clear = levels[number + 1] - level - 0.02 if number < rows else 0.5
            asm.surface((0, 0, level), (w - 0.07, d - 0.07), clear, inside=number < rows)
    return asm.finish(between(rng, 8, 30), "wall_floor")


def _halve_inside(asm: Assembly, w: float) -> None:
    """Replace each inner place by two, left and right of a divider."""
    places, asm.surfaces = asm.surfaces, []
    for place in places:
        if not place.inside:
            asm.surfaces.append(place)
            continue
        (_, y, z), (sx, sy) = place.center, place.size
        for side in (-1, 1):
            asm.surface((side * w / 4, y, z), (sx / 2 - 0.04, sy), place.clearance, inside=True)
