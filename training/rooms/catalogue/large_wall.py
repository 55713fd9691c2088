"""Large things of none of the 55 classes that hang on walls: pictures, mirrors, doors, windows, curtains, radiators."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER
from training.rooms.catalogue.large_base import Assembly
from training.rooms.catalogue.large_looks import (
    any_rgb,
    between,
    board,
    chance,
    fabric,
    metal,
    paint,
    pick,
    steel,
    white,
    wood,
)
from training.rooms.catalogue.large_parts import Front, handle
from training.rooms.model import Look, ObjectModel
from training.rooms.shapes import prism, ring, sheet


def _border(
    asm: Assembly, look: str, size: tuple[float, float], rail: float, depth: float, part: str = "frame"
) -> None:
    """Four rails around a rectangle that stands on z = 0."""
    w, h = size
    for side in (-1, 1):
        asm.box(part, look, (rail, depth, h), (side * (w - rail) / 2, 0, h / 2))
        asm.box(part, look, (w - 2 * rail, depth, rail), (0, 0, h / 2 + side * (h - rail) / 2))


def picture(rng: np.random.Generator) -> ObjectModel:
    """A framed picture, with or without mount, or an unframed poster."""
    w, h = between(rng, 0.25, 1.1), between(rng, 0.25, 0.9)
    framed = chance(rng, 0.8)
    asm = Assembly(OTHER, "picture" if framed else "poster", picture=Look("print", any_rgb(rng), any_rgb(rng)))
    if not framed:
        asm.box("picture", "picture", (w, 0.006, h), (0, 0, h / 2))
        return asm.finish(0.3, "wall")
    asm.looks.update(frame=pick(rng, (wood, metal, paint))(rng), mount=white(rng))
    rail = between(rng, 0.012, 0.06)
    _border(asm, "frame", (w, h), rail, between(rng, 0.015, 0.04))
    mount = between(rng, 0.02, 0.09) if chance(rng, 0.5) else 0.0
    if mount:
        asm.box("mount", "mount", (w - 2 * rail, 0.004, h - 2 * rail), (0, 0, h / 2))
    inner = (max(w - 2 * rail - 2 * mount, 0.08), 0.006, max(h - 2 * rail - 2 * mount, 0.08))
    asm.box("picture", "picture", inner, (0, -0.001, h / 2), collides=False)
    return asm.finish(between(rng, 0.5, 4), "wall")


def mirror(rng: np.random.Generator) -> ObjectModel:
    """A wall mirror, framed or bare, rectangular or round."""
    w, h = between(rng, 0.35, 0.9), between(rng, 0.4, 1.3)
    shine = Look("metal", (between(rng, 0.6, 0.85),) * 3)
    if chance(rng, 0.35):
        asm = Assembly(OTHER, "mirror_round", mirror=shine, frame=pick(rng, (wood, metal, paint))(rng))
        radius = w / 2
        asm.mesh(
            "frame", "frame", prism(ring(radius, radius, 0, 2, 28)[:, :2], 0.025), (0, 0.012, radius), (np.pi / 2, 0, 0)
        )
        inner = radius * between(rng, 0.85, 0.96)
        asm.mesh(
            "mirror",
            "mirror",
            prism(ring(inner, inner, 0, 2, 28)[:, :2], 0.004),
            (0, -0.012, radius),
            (np.pi / 2, 0, 0),
        )
        asm.block("frame", "frame", (w * 0.8, 0.028, w * 0.8), (0, -0.002, radius))
        return asm.finish(4.0, "wall")
    asm = Assembly(OTHER, "mirror", mirror=shine, frame=pick(rng, (wood, metal, white))(rng))
    rail = between(rng, 0.01, 0.06)
    _border(asm, "frame", (w, h), rail, 0.03)
    asm.box("mirror", "mirror", (w - 2 * rail, 0.008, h - 2 * rail), (0, 0, h / 2))
    return asm.finish(between(rng, 3, 12), "wall")


def room_door(rng: np.random.Generator) -> ObjectModel:
    """A closed room door in its frame, flat, with panels or with a pane."""
    w, h, rail = between(rng, 0.75, 0.98), between(rng, 1.95, 2.1), between(rng, 0.05, 0.09)
    style = pick(rng, ("flat", "panels", "glazed"), (3, 3, 1))
    leaf = pick(rng, (wood, white, paint))(rng)
    frame = leaf if chance(rng, 0.6) else pick(rng, (white, wood, paint))(rng)
    asm = Assembly(
        OTHER,
        f"door_{style}",
        leaf=leaf,
        frame=frame,
        handle=steel(rng),
        pane=Look("glass", (0.7, 0.78, 0.8), alpha=0.8),
    )
    for side in (-1, 1):
        asm.box("frame", "frame", (rail, 0.07, h + rail), (side * (w + rail) / 2, 0, (h + rail) / 2))
    asm.box("frame", "frame", (w, 0.07, rail), (0, 0, h + rail / 2))
    asm.box("leaf", "leaf", (w, 0.04, h), (0, 0.01, h / 2))
    y = -0.01
    if style == "panels":
        columns, rows = pick(rng, (1, 2)), pick(rng, (2, 3))
        for column in range(columns):
            for row in range(rows):
                wide, tall = (w - 0.12) / columns - 0.08, (h - 0.16) / rows - 0.1
                at = (((column + 0.5) / columns - 0.5) * (w - 0.12), y - 0.004, 0.1 + (row + 0.5) * (h - 0.16) / rows)
                asm.box(f"panel_{column * rows + row + 1}", "leaf", (wide, 0.012, tall), at, collides=False)
    elif style == "glazed":
        asm.box("pane", "pane", (w * 0.6, 0.045, h * 0.55), (0, 0.008, h * 0.62), collides=False)
    side = pick(rng, (-1, 1))
    x = side * (w / 2 - 0.07)
    asm.box("handle", "handle", (0.04, 0.012, 0.2), (x, y - 0.006, 1.0), collides=False)
    asm.rod("handle", "handle", 0.01, (x, y - 0.01, 1.05), (x, y - 0.055, 1.05), collides=False)
    asm.rod(
        "handle", "handle", 0.01, (x, y - 0.05, 1.05), (x - side * 0.11, y - 0.05, 1.05), rounded=True, collides=False
    )
    return asm.finish(30.0, "wall")


def window(rng: np.random.Generator) -> ObjectModel:
    """A window with frame, bars and sill; the panes show a bright outside."""
    w, h, rail = between(rng, 0.6, 1.6), between(rng, 0.7, 1.5), between(rng, 0.05, 0.08)
    sky = (between(rng, 0.6, 0.95), between(rng, 0.75, 0.97), 1.0)
    green = (between(rng, 0.2, 0.6), between(rng, 0.4, 0.7), between(rng, 0.2, 0.5))
    asm = Assembly(
        OTHER,
        "window",
        frame=pick(rng, (white, wood, paint), (4, 2, 1))(rng),
        pane=Look("plain", sky),
        low=Look("leaves", green),
    )
    _border(asm, "frame", (w, h), rail, 0.07)
    horizon = between(rng, 0.0, 0.5) * (h - 2 * rail)
    high = h - 2 * rail - horizon
    asm.box("pane", "pane", (w - 2 * rail, 0.01, high), (0, 0.02, rail + horizon + high / 2))
    if horizon > 0.02:
        asm.box("pane", "low", (w - 2 * rail, 0.01, horizon), (0, 0.02, rail + horizon / 2))
    for x in np.linspace(-w / 2, w / 2, pick(rng, (2, 3, 4)))[1:-1]:
        asm.box("bar", "frame", (rail * 0.8, 0.05, h - 2 * rail), (float(x), 0, h / 2))
    if chance(rng, 0.3):
        asm.box("bar", "frame", (w - 2 * rail, 0.045, rail * 0.7), (0, 0, h * 0.6))
    if chance(rng, 0.5):
        asm.box("sill", "frame", (w + 0.08, 0.16, 0.03), (0, -0.045, -0.015))
    handle(asm, "upright", "handle", "frame", Front(between(rng, -0.1, 0.1), h * 0.45, 0.1, 0.2, -0.03))
    return asm.finish(25.0, "wall")


def curtain(rng: np.random.Generator) -> ObjectModel:
    """One or two wavy curtains on a rail, floor-length or short."""
    w, h, pair = between(rng, 0.9, 2.2), pick(rng, (between(rng, 2.0, 2.3), between(rng, 0.9, 1.4))), chance(rng, 0.6)
    asm = Assembly(OTHER, "curtain", cloth=fabric(rng), rail=pick(rng, (wood, metal))(rng))
    share = between(rng, 0.2, 0.4) if pair else 0.8
    for number, middle in enumerate((-0.5 + share / 2, 0.5 - share / 2) if pair else (0.0,), start=1):
        waves = max(2, round(share * w / 0.14))
        columns = waves * 4 + 1
        grid = np.zeros((3, columns, 3))
        for row, z in enumerate(np.linspace(0, h, 3)):
            grid[row, :, 0] = w * (middle + share * np.linspace(-0.5, 0.5, columns) * (1 - 0.06 * row))
            grid[row, :, 1] = z
            grid[row, :, 2] = 0.04 * (1 - 0.25 * row) * np.sin(np.linspace(0, 2 * np.pi * waves, columns))
        asm.mesh(f"curtain_{number}", "cloth", sheet(grid, 0.004), (0, 0, 0), (np.pi / 2, 0, 0))
        asm.block(f"curtain_{number}", "cloth", (w * share, 0.08, h), (w * middle, 0, h / 2))
    asm.rod("rail", "rail", 0.014, (-w * 0.54, 0, h + 0.02), (w * 0.54, 0, h + 0.02))
    for side in (-1, 1):
        asm.ball("rail", "rail", (0.05, 0.05, 0.05), (side * w * 0.55, 0, h + 0.02), collides=False)
    return asm.finish(3.0, "wall")


def radiator(rng: np.random.Generator) -> ObjectModel:
    """A heater on the wall: ribs or a flat panel, with a valve."""
    w, h = between(rng, 0.5, 1.5), between(rng, 0.4, 0.75)
    asm = Assembly(
        OTHER, "radiator", body=white(rng) if chance(rng, 0.85) else paint(rng), valve=white(rng), pipe=metal(rng)
    )
    if chance(rng, 0.5):
        count = min(18, max(5, round(w / 0.07)))
        for number in range(count):
            x = ((number + 0.5) / count - 0.5) * w
            asm.box("ribs", "body", (w / count * 0.72, 0.09, h), (x, 0, h / 2), collides=False)
        for z in (0.1, 0.9):
            asm.box("body", "body", (w, 0.05, h * 0.08), (0, 0, h * z), collides=False)
        asm.block("body", "body", (w, 0.09, h), (0, 0, h / 2))
    else:
        asm.box("body", "body", (w, 0.06, h), (0, 0, h / 2))
        count = min(20, max(6, round(w / 0.06)))
        for number in range(count):
            x = ((number + 0.5) / count - 0.5) * w
            asm.box("ribs", "body", (w / count * 0.5, 0.012, h * 0.86), (x, -0.034, h / 2), collides=False)
    asm.rod("valve", "valve", 0.02, (w / 2 + 0.01, 0, h * 0.88), (w / 2 + 0.08, 0, h * 0.88), collides=False)
    asm.box("bracket", "body", (w * 0.6, 0.03, 0.05), (0, 0.055, h * 0.8), collides=False)
    return asm.finish(20.0, "wall")


def pin_board(rng: np.random.Generator) -> ObjectModel:
    """A white board or a cork board with notes."""
    w, h = between(rng, 0.5, 1.6), between(rng, 0.4, 1.0)
    face = white(rng) if chance(rng, 0.5) else Look("plain", (0.72, 0.55, 0.38))
    asm = Assembly(OTHER, "pin_board", face=face, frame=pick(rng, (metal, wood))(rng))
    _border(asm, "frame", (w, h), 0.02, 0.025)
    asm.box("face", "face", (w - 0.04, 0.012, h - 0.04), (0, 0, h / 2))
    for number in range(1, int(rng.integers(2, 7))):
        asm.looks[f"note_{number}"] = Look(
            pick(rng, ("paper", "print", "plain")),
            any_rgb(rng) if chance(rng, 0.6) else (0.95, 0.95, 0.93),
            any_rgb(rng),
        )
        size = between(rng, 0.07, 0.2)
        at = (
            between(rng, -0.5, 0.5) * (w - 0.3),
            -0.007 - 0.0005 * number,
            h / 2 + between(rng, -0.5, 0.5) * (h - 0.3),
        )
        asm.box(
            f"note_{number}",
            f"note_{number}",
            (size, 0.002, size * pick(rng, (1.0, 1.4))),
            at,
            (0, between(rng, -0.15, 0.15), 0),
            collides=False,
        )
    return asm.finish(4.0, "wall")


def wall_clock(rng: np.random.Generator) -> ObjectModel:
    """A round clock with hands."""
    radius = between(rng, 0.11, 0.2)
    asm = Assembly(
        OTHER,
        "wall_clock",
        rim=pick(rng, (wood, metal, board))(rng),
        face=white(rng),
        hand=Look("plain", (0.05, 0.05, 0.05)),
    )
    asm.cylinder("rim", "rim", radius, 0.04, (0, 0, radius), (np.pi / 2, 0, 0))
    asm.cylinder("face", "face", radius * 0.9, 0.004, (0, -0.021, radius), (np.pi / 2, 0, 0), collides=False)
    for length, turn in ((0.5, between(rng, 0, 6.28)), (0.75, between(rng, 0, 6.28))):
        at = (radius * length / 2 * float(np.sin(turn)), -0.025, radius + radius * length / 2 * float(np.cos(turn)))
        asm.box("hands", "hand", (0.008, 0.002, radius * length), at, (0, turn, 0), collides=False)
    for number in range(12):
        angle = number * np.pi / 6
        at = (radius * 0.78 * float(np.sin(angle)), -0.024, radius + radius * 0.78 * float(np.cos(angle)))
        asm.box("face", "hand", (0.006, 0.001, radius * 0.12), at, (0, angle, 0), collides=False)
    return asm.finish(0.8, "wall")
