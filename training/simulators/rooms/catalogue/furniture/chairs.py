"""Chairs and stools, which are none of the 55 classes."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry.model import Look, ObjectModel
from ..kits.assembly import Assembly
from ..kits.looks import between, chance, cover, dark, metal, paint, pick, plastic, steel, wood
from ..kits.parts import corner_legs


def dining_chair(rng: np.random.Generator) -> ObjectModel:
    """A chair on four legs: slats, a panel, bars, or a moulded shell as its back."""
    style = pick(rng, ("slats", "panel", "bars", "shell", "padded"))
    frame = pick(rng, (wood, metal, paint), (4, 2, 2))(rng)
    seat = frame if style in ("slats", "bars") and chance(rng, 0.5) else pick(rng, (cover, plastic, wood))(rng)
    asm = Assembly(OTHER, f"chair_{style}", frame=frame, seat=seat)
    w, d, h, top = (
        between(rng, 0.38, 0.48),
        between(rng, 0.38, 0.46),
        between(rng, 0.42, 0.48),
        between(rng, 0.78, 1.02),
    )
    legs = "splayed" if style == "shell" else pick(rng, ("square", "round", "splayed", "thin"))
    corner_legs(asm, "frame", legs, (w - 0.04, d - 0.04), h - 0.02, between(rng, 0.025, 0.042))
    thick = between(rng, 0.02, 0.035) if style not in ("padded", "shell") else between(rng, 0.04, 0.07)
    asm.cushion("seat", "seat", (w, d, thick), (0, 0, h - thick / 2), soft=0.4)
    y, lean = d / 2 - 0.015, -between(rng, 0.05, 0.2)
    rise = top - h
    if style in ("shell", "padded"):
        low = h - 0.02 if style == "shell" else h + 0.05
        tall = top - low
        at = (0, y - np.sin(lean) * tall / 2, low + tall / 2)
        asm.cushion("back", "seat", (w * 0.95, 0.03 if style == "shell" else 0.05, tall), at, (lean, 0, 0), soft=0.45)
    slant = -np.tan(lean)
    if style != "shell":
        for side, part in ((-1, "post_left"), (1, "post_right")):
            x = side * (w / 2 - 0.02)
            asm.rod(part, "frame", 0.014, (x, y, h - 0.03), (x, y + slant * rise, top))
    if style == "slats":
        for number in range(1, int(rng.integers(3, 5))):
            z = h + rise * (0.3 * number)
            asm.box(
                "back", "frame", (w - 0.05, 0.014, 0.055), (0, y + slant * (z - h), z), (lean, 0, 0), collides=False
            )
    elif style == "panel":
        at = (0, y + slant * rise * 0.72, h + rise * 0.72)
        asm.box("back", "seat", (w - 0.04, 0.015, rise * 0.5), at, (lean, 0, 0))
    elif style == "bars":
        for x in np.linspace(-w * 0.36, w * 0.36, 5):
            asm.rod("back", "frame", 0.007, (float(x), y, h), (float(x), y + slant * rise, top), collides=False)
        asm.box(
            "back", "frame", (w - 0.01, 0.022, 0.06), (0, y + slant * rise, top - 0.02), (lean, 0, 0), collides=False
        )
    asm.surface((0, -0.03, h), (w * 0.8, d * 0.7), 0.5)
    return asm.finish(between(rng, 3, 8), "floor")


def office_chair(rng: np.random.Generator) -> ObjectModel:
    """A swivel chair on a star of castors."""
    arms, mesh_back = chance(rng, 0.6), chance(rng, 0.4)
    look = cover(rng) if chance(rng, 0.5) else Look("fabric", (0.08, 0.08, 0.09), (0.12, 0.12, 0.13))
    asm = Assembly(OTHER, "office_chair", seat=look, base=pick(rng, (dark, steel))(rng), dark=dark(rng))
    h, w, d = between(rng, 0.44, 0.54), between(rng, 0.45, 0.52), between(rng, 0.43, 0.5)
    for number in range(5):
        angle = 2 * np.pi * number / 5 + 0.3
        tip = (0.29 * float(np.cos(angle)), 0.29 * float(np.sin(angle)), 0.07)
        asm.rod("star", "base", 0.02, (0, 0, 0.11), tip, rounded=True, collides=False)
        asm.ball(f"castor_{number + 1}", "dark", (0.055, 0.055, 0.055), (tip[0], tip[1], 0.0275))
    asm.cylinder("column", "base", 0.028, h - 0.15, (0, 0, 0.08 + (h - 0.15) / 2))
    asm.box("plate", "dark", (0.2, 0.24, 0.04), (0, 0, h - 0.1), collides=False)
    asm.cushion("seat", "seat", (w, d, 0.08), (0, 0, h - 0.04), soft=0.45)
    tall, y = between(rng, 0.4, 0.7), d / 2 + 0.03
    asm.box("spine", "dark", (0.06, 0.02, 0.3), (0, y + 0.035, h + 0.05), (-0.1, 0, 0), collides=False)
    asm.cushion(
        "back",
        "seat",
        (w * 0.92, 0.03 if mesh_back else 0.07, tall),
        (0, y + 0.02, h + 0.1 + tall / 2),
        (-0.12, 0, 0),
        soft=0.45,
    )
    if arms:
        for side, part in ((-1, "arm_left"), (1, "arm_right")):
            x = side * (w / 2 + 0.035)
            asm.box(part, "dark", (0.03, 0.04, 0.26), (x, 0.05, h + 0.08))
            asm.cushion(part, "dark", (0.06, 0.25, 0.03), (x, 0.02, h + 0.22), soft=0.4)
            asm.box(part, "dark", (0.08, 0.04, 0.02), (side * (w / 2), 0.05, h - 0.05), collides=False)
    asm.surface((0, -0.03, h), (w * 0.7, d * 0.7), 0.4)
    return asm.finish(between(rng, 9, 16), "floor")


def stool(rng: np.random.Generator) -> ObjectModel:
    """A stool, low or at bar height."""
    h, radius = pick(rng, (between(rng, 0.4, 0.5), between(rng, 0.6, 0.78))), between(rng, 0.15, 0.2)
    asm = Assembly(OTHER, "stool", frame=pick(rng, (wood, metal))(rng), seat=pick(rng, (wood, cover, plastic))(rng))
    if chance(rng, 0.3):
        asm.cylinder("foot", "frame", radius * 1.2, 0.02, (0, 0, 0.01))
        asm.cylinder("column", "frame", 0.03, h - 0.04, (0, 0, h / 2))
    else:
        corner_legs(
            asm, "frame", pick(rng, ("splayed", "round", "square")), (radius * 1.5, radius * 1.5), h - 0.03, 0.034
        )
        for side in (-1, 1):
            asm.box("rung", "frame", (radius * 1.4, 0.02, 0.02), (0, side * radius * 0.7, h * 0.35), collides=False)
    if chance(rng, 0.6):
        asm.cylinder("seat", "seat", radius, 0.04, (0, 0, h - 0.02))
    else:
        asm.cushion("seat", "seat", (2 * radius, 1.7 * radius, 0.05), (0, 0, h - 0.025), soft=0.4)
    asm.surface((0, 0, h), (radius * 1.3, radius * 1.3), 0.6)
    return asm.finish(between(rng, 2, 6), "floor")
