"""Shower curtains and doors, blinds, paper hangers."""

from __future__ import annotations

import numpy as np

from training.rooms.catalogue.large_base import Assembly
from training.rooms.catalogue.large_looks import (
    between,
    chance,
    fabric,
    glass,
    metal,
    pick,
    plastic,
    steel,
    white,
    wood,
)
from training.rooms.model import Look, ObjectModel
from training.rooms.shapes import sheet


def shower_curtain(rng: np.random.Generator) -> ObjectModel:
    """A wavy curtain on rings along a rod."""
    w, h, waves = between(rng, 0.9, 1.7), between(rng, 1.7, 1.95), int(rng.integers(5, 11))
    style = "cloth" if chance(rng, 0.7) else "plastic"
    cloth = (fabric if style == "cloth" else plastic)(rng)
    asm = Assembly("ShowerCurtain", f"shower_curtain_{style}", cloth=cloth, rod=steel(rng))
    columns = waves * 4 + 1
    along = np.linspace(-w / 2, w / 2, columns)
    swing = between(rng, 0.02, 0.045)
    grid = np.zeros((3, columns, 3))
    for row, z in enumerate(np.linspace(0, h, 3)):
        grid[row, :, 0] = along * (1.0 - 0.04 * row)
        grid[row, :, 1] = z
        grid[row, :, 2] = swing * (1 - 0.2 * row) * np.sin(np.linspace(0, 2 * np.pi * waves, columns))
    asm.mesh("curtain", "cloth", sheet(grid, 0.003), (0, 0, 0), (np.pi / 2, 0, 0))
    asm.block("curtain", "cloth", (w, 0.06, h), (0, 0, h / 2))
    reach = w * between(rng, 0.55, 0.75)
    asm.rod("rod", "rod", 0.013, (-reach, 0, h + 0.035), (reach, 0, h + 0.035))
    for number in range(waves + 1):
        x = (number / waves - 0.5) * w * 0.92
        asm.cylinder("ring", "rod", 0.022, 0.006, (x, 0, h + 0.022), (0, np.pi / 2, 0), collides=False)
    return asm.finish(2.0, "wall")


def shower_door(rng: np.random.Generator) -> ObjectModel:
    """A glass wall with a door in it, framed or nearly frameless."""
    w, h = between(rng, 0.75, 1.4), between(rng, 1.85, 2.1)
    asm = Assembly("ShowerDoor", "shower_door", pane=glass(rng), frame=metal(rng))
    rail = pick(rng, (0.015, 0.035, 0.05))
    for side, part in ((-1, "frame_left"), (1, "frame_right")):
        asm.box(part, "frame", (rail, 0.04, h), (side * (w - rail) / 2, 0, h / 2))
        asm.box("frame", "frame", (w - 2 * rail, 0.04, rail), (0, 0, h / 2 + side * (h - rail) / 2))
    split = between(rng, -0.1, 0.1) * w if w > 0.95 else None
    asm.style = "shower_door_single" if split is None else "shower_door_double"
    spans = [(-w / 2 + rail, w / 2 - rail)] if split is None else [(-w / 2 + rail, split), (split, w / 2 - rail)]
    for number, (left, right) in enumerate(spans, start=1):
        middle = (left + right) / 2
        asm.box(
            f"pane_{number}", "pane", (right - left - 0.004, 0.008, h - 2 * rail), (middle, 0.01 * (number - 1), h / 2)
        )
    if split is not None:
        asm.box("frame", "frame", (0.02, 0.03, h - 2 * rail), (split, 0, h / 2), collides=False)
    asm.rod(
        "handle",
        "frame",
        0.012,
        (spans[-1][0] + 0.08, -0.04, h * 0.42),
        (spans[-1][0] + 0.08, -0.04, h * 0.6),
        rounded=True,
    )
    for z in (0.44, 0.58):
        asm.box("handle", "frame", (0.012, 0.04, 0.012), (spans[-1][0] + 0.08, -0.02, h * z), collides=False)
    return asm.finish(between(rng, 20, 40), "wall_floor")


def blinds(rng: np.random.Generator) -> ObjectModel:
    """Slats, a roller blind or vertical strips before a window."""
    style = pick(rng, ("slats", "roller", "vertical"), (3, 2, 1))
    w, h = between(rng, 0.6, 1.6), between(rng, 0.5, 1.6)
    look = {"slats": pick(rng, (white, wood, metal)), "roller": fabric, "vertical": pick(rng, (white, fabric))}[style](
        rng
    )
    asm = Assembly(
        "Blinds",
        f"blinds_{style}",
        slat=look,
        rail=white(rng) if chance(rng, 0.6) else look,
        cord=Look("plain", (0.9, 0.9, 0.86)),
    )
    asm.box("rail", "rail", (w, 0.05, 0.045), (0, 0, h + 0.022))
    if style == "slats":
        count = int(np.clip(h / between(rng, 0.04, 0.06), 8, 30))
        tilt, deep = between(rng, -0.9, 0.9), h / count * 1.1
        for number in range(count):
            asm.box(
                "slats",
                "slat",
                (w * 0.98, deep, 0.0025),
                (0, 0, h * (number + 0.5) / count),
                (tilt, 0, 0),
                collides=False,
            )
        for x in (-w * 0.38, w * 0.38):
            asm.box("cord", "cord", (0.006, 0.002, h), (x, -deep * 0.4, h / 2), collides=False)
    elif style == "roller":
        asm.box("cloth", "slat", (w * 0.95, 0.002, h), (0, -0.01, h / 2))
        asm.box("bar", "rail", (w * 0.95, 0.012, 0.025), (0, -0.01, 0.0125), collides=False)
    else:
        count, turn = max(5, round(w / 0.09)), between(rng, -0.9, 0.9)
        for number in range(count):
            x = (number + 0.5) / count * w - w / 2
            asm.box("slats", "slat", (w / count * 1.05, 0.002, h), (x, 0, h / 2), (0, 0, turn), collides=False)
    asm.rod("pull", "cord", 0.003, (w * 0.44, -0.03, h * between(rng, 0.2, 0.5)), (w * 0.44, -0.03, h), collides=False)
    return asm.finish(between(rng, 0.8, 3), "wall")


def paper_hanger(rng: np.random.Generator) -> ObjectModel:
    """A toilet paper holder on the wall, empty or with a roll."""
    style = pick(rng, ("arm", "two_posts", "covered"))
    asm = Assembly(
        "ToiletPaperHanger",
        f"hanger_{style}",
        metal=metal(rng),
        paper=Look("plain", (0.95, 0.95, 0.94)),
        card=Look("plain", (0.6, 0.5, 0.4)),
    )
    w, reach, radius = between(rng, 0.12, 0.16), between(rng, 0.06, 0.09), between(rng, 0.006, 0.01)
    if style == "arm":
        asm.cylinder("plate", "metal", 0.025, 0.012, (-w / 2, reach - 0.006, 0), (np.pi / 2, 0, 0))
        asm.rod("arm", "metal", radius, (-w / 2, reach, 0), (-w / 2, 0, 0), rounded=True)
    else:
        for side in (-1, 1):
            asm.box("plate", "metal", (0.04, 0.012, 0.05), (side * w / 2, reach - 0.006, 0))
            asm.rod("arm", "metal", radius, (side * w / 2, reach - 0.01, 0), (side * w / 2, 0, 0), rounded=True)
    asm.rod("bar", "metal", radius, (-w / 2, 0, 0), (w / 2, 0, 0), rounded=True)
    if style == "covered":
        asm.box("flap", "metal", (w * 0.9, 0.12, 0.003), (0, -0.005, 0.062), (0.3, 0, 0), collides=False)
        asm.box("flap", "metal", (w * 0.9, 0.004, 0.1), (0, reach - 0.004, 0.03), collides=False)
    if chance(rng, 0.6):
        size = between(rng, 0.03, 0.056)
        asm.cylinder("roll", "paper", size, w * 0.75, (0, 0, -0.01), (0, np.pi / 2, 0), collides=False)
        asm.cylinder("roll", "card", 0.02, w * 0.76, (0, 0, -0.01), (0, np.pi / 2, 0), collides=False)
    return asm.finish(0.4, "wall")
