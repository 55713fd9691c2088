"""Laundry hampers and garbage cans."""

from __future__ import annotations

import numpy as np

from training.rooms.catalogue.large_base import Assembly
from training.rooms.catalogue.large_looks import (
    between,
    chance,
    dark,
    fabric,
    metal,
    pick,
    plastic,
    steel,
    white,
    wood,
)
from training.rooms.catalogue.large_parts import vessel
from training.rooms.model import Look, ObjectModel
from training.rooms.shapes import loft, ring


def laundry_hamper(rng: np.random.Generator) -> ObjectModel:
    """A basket for clothes: woven, cloth on a frame, plastic with slots, with or without lid."""
    style = pick(rng, ("round", "square", "plastic", "cloth"))
    look = {"round": fabric, "square": fabric, "plastic": plastic, "cloth": fabric}[style](rng)
    asm = Assembly(
        "LaundryHamper",
        f"hamper_{style}",
        body=look,
        dark=Look("plain", (0.1, 0.1, 0.1)),
        frame=pick(rng, (wood, metal))(rng),
    )
    x, y, h = between(rng, 0.32, 0.55), between(rng, 0.3, 0.4), between(rng, 0.42, 0.68)
    exponent = 2.0 if style == "round" else 7.0
    y = x if style == "round" else y
    rings = [(x / 2 * 0.85, y / 2 * 0.85, 0.0), (x / 2 * 0.95, y / 2 * 0.95, h / 2), (x / 2, y / 2, h)]
    asm.mesh("body", "body", vessel(rings, 0.012, exponent, 20))
    _basket_walls(asm, (x * 0.95, y * 0.95, h))
    if style == "plastic":
        for row in range(3):
            for side in (-1, 1):
                z = h * (0.35 + 0.2 * row)
                asm.box(
                    "slots",
                    "dark",
                    (x * 0.6, 0.003, h * 0.05),
                    (0, side * y / 2 * 0.965, z),
                    (side * 0.0, 0, 0),
                    collides=False,
                )
    if style == "cloth":
        for side in (-1, 1):
            asm.rod("frame", "frame", 0.012, (side * x * 0.48, -y / 2, 0.01), (side * x * 0.48, y / 2, h), rounded=True)
            asm.rod("frame", "frame", 0.012, (side * x * 0.48, y / 2, 0.01), (side * x * 0.48, -y / 2, h), rounded=True)
    elif chance(rng, 0.5):
        lid = loft(
            [
                ring(x / 2 * a, y / 2 * a, z, exponent, 20)
                for a, z in ((1.0, 0), (1.04, 0.01), (1.02, 0.03), (0.7, 0.04))
            ]
        )
        asm.mesh("lid", "body", lid, (0, 0, h))
        asm.block("lid", "body", (x, y, 0.04), (0, 0, h + 0.02))
        asm.surface((0, 0, h + 0.04), (x * 0.5, y * 0.5), 0.5)
        return asm.finish(between(rng, 1, 3), "floor")
    if chance(rng, 0.5):
        asm.looks["laundry"] = fabric(rng)
        for number in range(3):
            at = (between(rng, -0.2, 0.2) * x, between(rng, -0.2, 0.2) * y, h * between(rng, 0.85, 1.0))
            asm.ball(
                f"cloth_{number + 1}",
                "laundry",
                (x * 0.45, y * 0.5, h * 0.2),
                at,
                (between(rng, -0.5, 0.5), 0, between(rng, 0, 3)),
            )
    else:
        asm.surface((0, 0, 0.014), (x * 0.55, y * 0.55), h, inside=True)
    return asm.finish(between(rng, 1, 3), "floor")


def _basket_walls(asm: Assembly, size: tuple[float, float, float]) -> None:
    """Invisible walls and floor of a light basket."""
    x, y, h = size
    asm.block("body", "body", (x * 0.85, y * 0.85, 0.014), (0, 0, 0.007))
    for side in (-1, 1):
        asm.block("body", "body", (0.015, y * 0.75, h), (side * x * 0.46, 0, h / 2))
        asm.block("body", "body", (x * 0.75, 0.015, h), (0, side * y * 0.46, h / 2))


def garbage_can(rng: np.random.Generator) -> ObjectModel:
    """A bin: open waste basket, pedal bin, swing lid, wheeled outdoor bin."""
    style = pick(rng, ("basket", "pedal", "swing", "wheeled", "square"), (4, 2, 2, 1, 3))
    body = pick(rng, (plastic, steel, dark, white), (3, 2, 4, 1))(rng)
    asm = Assembly(
        "GarbageCan",
        f"bin_{style}",
        body=body,
        lid=body if chance(rng, 0.5) else dark(rng),
        bag=pick(rng, (Look("plastic", (0.08, 0.08, 0.08)), Look("plastic", (0.9, 0.9, 0.92)))),
    )
    x, h = between(rng, 0.22, 0.36), between(rng, 0.26, 0.45)
    exponent, taper = (2.0 if style in ("basket", "pedal") else 6.0), between(rng, 0.7, 0.95)
    y = x if exponent == 2.0 else x * between(rng, 0.65, 1.0)
    if style in ("pedal", "swing"):
        h, taper = between(rng, 0.4, 0.72), between(rng, 0.85, 1.0)
    elif style == "wheeled":
        x, y, h, taper = between(rng, 0.45, 0.58), between(rng, 0.5, 0.7), between(rng, 0.85, 1.05), 0.8
    rings = [(x / 2 * taper, y / 2 * taper, 0.0), (x / 2, y / 2, h)]
    if style in ("basket", "square"):
        asm.mesh("body", "body", vessel(rings, 0.008, exponent, 18))
        if chance(rng, 0.5):
            lip = [(x / 2 + 0.004, y / 2 + 0.004, h * 0.85), (x / 2 + 0.008, y / 2 + 0.008, h + 0.006)]
            asm.mesh(
                "bag",
                "bag",
                loft(
                    [
                        ring(*row, exponent, 18)
                        for row in (
                            *lip,
                            (x / 2 - 0.012, y / 2 - 0.012, h + 0.006),
                            (x / 2 - 0.014, y / 2 - 0.014, h * 0.85),
                        )
                    ],
                    closed=True,
                ),
            )
        asm.block("body", "body", (x * taper * 0.7, y * taper * 0.7, 0.01), (0, 0, 0.005))
        for side in (-1, 1):
            asm.block("body", "body", (0.012, y * 0.7, h), (side * x * taper * 0.46, 0, h / 2))
            asm.block("body", "body", (x * 0.7, 0.012, h), (0, side * y * taper * 0.46, h / 2))
        asm.surface((0, 0, 0.011), (x * taper * 0.6, y * taper * 0.6), h, inside=True)
        return asm.finish(between(rng, 0.5, 2), "floor")
    asm.mesh("body", "body", loft([ring(*row, exponent, 18) for row in rings]))
    asm.block("body", "body", (x * 0.9, y * 0.9, h), (0, 0, h / 2))
    rise = {"pedal": 0.05, "swing": between(rng, 0.12, 0.2), "wheeled": 0.06}[style]
    curve = (
        ((1.02, 0.0), (1.04, 0.02), (0.9, rise * 0.8), (0.5, rise))
        if style != "swing"
        else ((1.03, 0), (1.0, 0.02), (0.75, rise), (0.6, rise))
    )
    asm.mesh("lid", "lid", loft([ring(x / 2 * a, y / 2 * a, z, exponent, 18) for a, z in curve]), (0, 0, h))
    asm.block("lid", "lid", (x * 0.8, y * 0.8, rise), (0, 0, h + rise / 2))
    if style == "swing":
        asm.looks["flap"] = dark(rng)
        asm.box(
            "flap",
            "flap",
            (x * 0.6, 0.006, rise * 0.7),
            (0, -y / 2 * 0.87, h + rise * 0.5),
            (-0.25 * 2, 0, 0),
            collides=False,
        )
    elif style == "pedal":
        asm.looks["pedal"] = dark(rng)
        asm.box("pedal", "pedal", (0.08, 0.06, 0.012), (0, -y / 2 * taper - 0.02, 0.02), collides=False)
    else:
        for side in (-1, 1):
            asm.cylinder("wheel", "lid", 0.1, 0.05, (side * x * 0.4, y / 2 * 0.85, 0.1), (0, np.pi / 2, 0))
        asm.rod("handle", "lid", 0.015, (-x * 0.4, y / 2 + 0.04, h - 0.02), (x * 0.4, y / 2 + 0.04, h - 0.02))
    return asm.finish(between(rng, 2, 12), "floor")
