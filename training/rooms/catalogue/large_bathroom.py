"""Bathtubs, sinks, toilets."""

from __future__ import annotations

import numpy as np

from training.rooms.catalogue.large_base import Assembly
from training.rooms.catalogue.large_counters import tap
from training.rooms.catalogue.large_looks import (
    between,
    board,
    chance,
    marble,
    metal,
    pick,
    plastic,
    steel,
    white,
    wood,
)
from training.rooms.catalogue.large_parts import HANDLE_STYLES, Front, corner_legs, door, drawer_stack, vessel
from training.rooms.model import Look, ObjectModel
from training.rooms.shapes import lathe, loft, ring


def _tub_walls(asm: Assembly, part: str, size: tuple[float, float, float], wall: float, floor: float) -> None:
    """Invisible boxes for the walls and the floor of a vessel of outer `size` standing on z = 0."""
    x, y, z = size
    asm.block(part, "ceramic", (x, y, floor), (0, 0, floor / 2))
    for side in (-1, 1):
        asm.block(part, "ceramic", (wall, y, z), (side * (x - wall) / 2, 0, z / 2))
        asm.block(part, "ceramic", (x, wall, z), (0, side * (y - wall) / 2, z / 2))


def bathtub(rng: np.random.Generator) -> ObjectModel:
    """A tub built into an apron, or standing free on feet; its inside is the BathtubBasin."""
    style = pick(rng, ("built_in", "free", "claw"), (4, 2, 1))
    x, y, h = between(rng, 1.4, 1.85), between(rng, 0.68, 0.85), between(rng, 0.5, 0.62)
    ceramic = white(rng) if chance(rng, 0.9) else marble(rng)
    asm = Assembly(
        "Bathtub",
        f"bathtub_{style}",
        ceramic=ceramic,
        tap=steel(rng),
        basin=ceramic,
        apron=pick(rng, (white, marble, wood))(rng),
    )
    floor = 0.12
    if style == "built_in":
        rim = between(rng, 0.05, 0.09)
        asm.looks["apron"] = ceramic if chance(rng, 0.6) else asm.looks["apron"]
        for side in (-1, 1):
            asm.box("body", "apron", (x, 0.02, h - 0.03), (0, side * (y / 2 - 0.02), (h - 0.03) / 2))
            asm.box("body", "apron", (0.02, y - 0.04, h - 0.03), (side * (x / 2 - 0.02), 0, (h - 0.03) / 2))
            asm.box("rim", "ceramic", (x, rim, 0.03), (0, side * (y - rim) / 2, h - 0.015))
            asm.box("rim", "ceramic", (rim, y - 2 * rim, 0.03), (side * (x - rim) / 2, 0, h - 0.015))
        hx, hy = x / 2 - rim + 0.012, y / 2 - rim + 0.012
        rings = [(hx * 0.84, hy * 0.78, floor), (hx * 0.95, hy * 0.93, floor + 0.08), (hx, hy, h - 0.004)]
        asm.mesh("basin", "basin", vessel(rings, 0.012, 5.0))
        _tub_walls(asm, "basin", (x, y, h), rim, floor)
    else:
        legs = 0.1 if style == "claw" else 0.0
        if legs:
            corner_legs(asm, "tap", "splayed", (x * 0.62, y * 0.55), 0.14, 0.06)
        hx, hy = x / 2, y / 2
        rings = [(hx * 0.7, hy * 0.66, legs), (hx * 0.82, hy * 0.82, legs + 0.12), (hx, hy, h)]
        outer = [ring(*row, 2.6, 20) for row in rings]
        asm.mesh(
            "body",
            "ceramic",
            loft([*outer, ring(hx - 0.03, hy - 0.03, h, 2.6, 20), ring(hx * 0.8, hy * 0.78, legs + 0.11, 2.6, 20)]),
        )
        inner = [
            (hx * 0.65, hy * 0.6, floor),
            (hx * 0.84, hy * 0.83, floor + 0.12),
            (hx - 0.025, hy - 0.025, h - 0.002),
        ]
        asm.mesh("basin", "basin", vessel(inner, 0.012, 2.6, 20))
        _tub_walls(asm, "body", (x * 0.9, y * 0.9, h * 0.98), 0.08, floor)
    asm.sub_objects["basin"] = "BathtubBasin"
    asm.surface((0, 0, floor + 0.015), (x * 0.6, y * 0.4), 0.35, inside=True)
    tap(asm, rng, (x / 2 * 0.55, y / 2 - 0.035, h - 0.02), 0.1)
    return asm.finish(between(rng, 40, 90), "wall_floor")


def _basin_mesh(asm: Assembly, size: tuple[float, float, float], base: float, exponent: float) -> None:
    """A basin of outer `size` (x, y, height) above z = `base`: outside is `body`, inside is the part `basin`."""
    x, y, h = size[0] / 2, size[1] / 2, size[2]
    rings = [(x * 0.5, y * 0.5, base), (x * 0.86, y * 0.86, base + h * 0.45), (x, y, base + h)]
    outer = [ring(*row, exponent, 20) for row in rings]
    lip = [ring(x - 0.02, y - 0.02, base + h, exponent, 20), ring(x * 0.45, y * 0.45, base + 0.012, exponent, 20)]
    asm.mesh("body", "ceramic", loft([*outer, *lip]))
    inner = [
        (x * 0.42, y * 0.42, base + 0.022),
        (x * 0.82, y * 0.82, base + h * 0.5),
        (x - 0.017, y - 0.017, base + h - 0.001),
    ]
    asm.mesh("basin", "basin", vessel(inner, 0.008, exponent, 20))
    asm.cylinder("basin", "tap", 0.02, 0.004, (0, 0, base + 0.034), collides=False)
    asm.block("body", "ceramic", (x * 1.6, y * 1.6, 0.03), (0, 0, base + 0.015))
    for side in (-1, 1):
        asm.block("body", "ceramic", (0.03, y * 1.6, h), (side * (x - 0.03), 0, base + h / 2))
        asm.block("body", "ceramic", (x * 1.6, 0.03, h), (0, side * (y - 0.03), base + h / 2))
    asm.sub_objects["basin"] = "SinkBasin"
    asm.surface((0, 0, base + 0.036), (x * 0.8, y * 0.8), 0.15, inside=True)


def sink(rng: np.random.Generator) -> ObjectModel:
    """A wash-basin on a column, on the wall, on a vanity cabinet, or a bowl on a shelf."""
    style = pick(rng, ("pedestal", "wall", "vanity", "vessel"), (3, 2, 3, 2))
    ceramic = white(rng) if chance(rng, 0.8) else pick(rng, (marble, steel, plastic))(rng)
    asm = Assembly(
        "Sink", f"sink_{style}", ceramic=ceramic, basin=ceramic, tap=steel(rng), frame=board(rng), knob=metal(rng)
    )
    asm.looks["front"] = asm.looks["frame"]
    x, y, h = between(rng, 0.42, 0.62), between(rng, 0.36, 0.48), between(rng, 0.14, 0.2)
    exponent, top = pick(rng, (2.0, 2.8, 7.0)), between(rng, 0.8, 0.9)
    if style in ("pedestal", "wall"):
        base = top - h
        _basin_mesh(asm, (x, y, h), base, exponent)
        asm.box("back", "ceramic", (x * 0.7, 0.12, h * 0.6), (0, y / 2, top - h * 0.3))
        if style == "pedestal":
            profile = [(0.12, 0.0), (0.085, 0.1), (0.07, base * 0.6), (0.1, base + 0.02)]
            asm.mesh("column", "ceramic", lathe(profile, 14), (0, 0.02, 0))
            asm.block("column", "ceramic", (0.18, 0.18, base), (0, 0.02, base / 2))
        else:
            asm.rod("pipe", "tap", 0.02, (0, 0.02, base - 0.12), (0, 0.02, base + 0.01))
            asm.rod("pipe", "tap", 0.02, (0, 0.02, base - 0.1), (0, y / 2 + 0.055, base - 0.1))
        tap(asm, rng, (0, y / 2 + 0.02, top - 0.005), y * 0.35)
    else:
        w, d, counter = between(rng, 0.6, 1.2), y + between(rng, 0.12, 0.18), top - h * 0.8
        asm.looks["top"] = pick(rng, (marble, wood, white))(rng)
        asm.box("top", "top", (w, d, 0.03), (0, 0.05, counter - 0.015))
        _basin_mesh(asm, (x, y, h), counter, exponent)
        if style == "vanity" or chance(rng, 0.4):
            foot = between(rng, 0.0, 0.25)
            height = counter - 0.03 - foot
            asm.box("cabinet", "frame", (w - 0.02, d - 0.04, height), (0, 0.06, foot + height / 2))
            if foot:
                corner_legs(asm, "frame", "square", (w - 0.08, d - 0.1), foot, 0.04)
            _vanity_fronts(asm, rng, (w - 0.02, 0.06 - (d - 0.04) / 2), foot, height)
        else:
            corner_legs(asm, "knob", "square", (w - 0.06, d - 0.06), counter - 0.03, 0.03)
        side = (w - x) / 2
        for sign in (-1, 1):
            asm.surface((sign * (x + side) / 2, 0.05, counter), (side - 0.02, d - 0.02), 0.6)
        tap(asm, rng, (0, y / 2 + 0.06, counter), y * 0.45, h)
    return asm.finish(between(rng, 15, 50), "wall" if style == "wall" else "wall_floor")


def _vanity_fronts(
    asm: Assembly, rng: np.random.Generator, face: tuple[float, float], foot: float, height: float
) -> None:
    """Doors or drawers on a vanity cabinet; `face` is its width and the y of its front."""
    w, y = face
    if chance(rng, 0.5):
        area = Front(0, foot + height / 2, w - 0.01, height - 0.01, y)
        drawer_stack(asm, rng, area, 2, ("front", "knob"), depth=0.3)
        return
    for side, part, hinge in ((-1, "door_left", "left"), (1, "door_right", "right")):
        front = Front(side * w / 4, foot + height / 2, w / 2 - 0.005, height - 0.01, y)
        door(asm, part, front, ("front", "knob"), pick(rng, HANDLE_STYLES), hinge=hinge, panel=False)


def toilet(rng: np.random.Generator) -> ObjectModel:
    """A toilet with a cistern on it or hidden in the wall, its lid up, down, or only the seat up."""
    style = pick(rng, ("cistern", "boxed"), (3, 1))
    ceramic = white(rng)
    seat = ceramic if chance(rng, 0.7) else pick(rng, (white, wood, plastic))(rng)
    asm = Assembly(
        "Toilet",
        f"toilet_{style}",
        ceramic=ceramic,
        seat=seat,
        metal=steel(rng),
        water=Look("plastic", (0.75, 0.82, 0.85)),
    )
    hx, hy, h = between(rng, 0.175, 0.2), between(rng, 0.22, 0.27), between(rng, 0.37, 0.43)
    foot = between(rng, 0.55, 0.8)
    rings = [
        ring(hx * foot, hy * (foot + 0.1), 0, 3.0, 18, (0, 0.05)),
        ring(hx * (foot - 0.08), hy * foot, h * 0.35, 2.6, 18, (0, 0.06)),
    ]
    rings += [ring(hx * 0.95, hy * 0.97, h * 0.85, 2.3, 18), ring(hx, hy, h, 2.3, 18)]
    rings += [ring(hx * 0.7, hy * 0.72, h, 2.2, 18), ring(hx * 0.35, hy * 0.35, h * 0.62, 2.0, 18)]
    asm.mesh("bowl", "ceramic", loft(rings))
    asm.block("bowl", "ceramic", (hx * 1.5, hy * 1.8, h), (0, 0.02, h / 2))
    asm.cylinder("water", "water", hx * 0.36, 0.004, (0, 0, h * 0.64), collides=False)
    shape = [ring(hx * a, hy * a, z, 2.3, 18) for a, z in ((1.02, h), (1.02, h + 0.018), (0.66, h + 0.018), (0.66, h))]
    lid_up, seat_up = chance(rng, 0.45), chance(rng, 0.12)
    hinge_y = hy * 0.95
    up = -between(rng, 1.62, 1.75)
    if seat_up:
        asm.mesh("seat", "seat", loft(shape, closed=True).moved((0, -hinge_y, -h)), (0, hinge_y, h + 0.01), (up, 0, 0))
    else:
        asm.mesh("seat", "seat", loft(shape, closed=True))
    lid = loft([ring(hx * a, hy * a, z, 2.3, 18) for a, z in ((1.0, 0.0), (1.03, 0.006), (1.0, 0.018), (0.8, 0.024))])
    if lid_up or seat_up:
        asm.mesh("lid", "seat", lid.moved((0, -hinge_y, 0)), (0, hinge_y + 0.025, h + 0.02), (up, 0, 0))
    else:
        asm.mesh("lid", "seat", lid, (0, 0, h + 0.019))
        asm.block("lid", "seat", (hx * 1.5, hy * 1.5, 0.043), (0, 0, h + 0.0215))
        asm.surface((0, 0, h + 0.043), (hx * 1.1, hy * 1.1), 0.5)
    back = hy + 0.06
    if style == "cistern":
        w, d, tall = between(rng, 0.34, 0.44), between(rng, 0.15, 0.19), between(rng, 0.32, 0.42)
        asm.box("neck", "ceramic", (hx * 1.3, 0.2, h * 0.9), (0, back, h * 0.45))
        low = h * 0.95
        asm.cushion("cistern", "ceramic", (w, d, tall), (0, back + d / 2, low + tall / 2), soft=0.2)
        asm.cushion(
            "cistern_lid", "ceramic", (w + 0.02, d + 0.02, 0.03), (0, back + d / 2, low + tall + 0.012), soft=0.3
        )
        asm.cylinder("button", "metal", 0.02, 0.01, (0, back + d / 2, low + tall + 0.03), collides=False)
        asm.surface((w * 0.28, back + d / 2, low + tall + 0.027), (w * 0.36, d * 0.9), 0.5)
    else:
        asm.looks["panel"] = pick(rng, (marble, white))(rng)
        asm.box("panel", "panel", (0.5, 0.14, 1.0), (0, back + 0.07, 0.5))
        asm.box("button", "metal", (0.22, 0.012, 0.15), (0, back - 0.005, 0.88), collides=False)
        asm.surface((0, back + 0.07, 1.0), (0.48, 0.13), 0.5)
    return asm.finish(between(rng, 20, 35), "wall_floor")
