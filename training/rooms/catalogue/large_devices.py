"""Devices of none of the 55 classes: printers, toasters, kettles, coffee machines, speakers, computers, suitcases."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER
from training.rooms.catalogue.large_base import Assembly
from training.rooms.catalogue.large_looks import (
    any_rgb,
    between,
    chance,
    dark,
    fabric,
    pick,
    plastic,
    steel,
    white,
    wood,
)
from training.rooms.model import Look, ObjectModel
from training.rooms.shapes import lathe, loft, ring

LYING = (np.pi / 2, 0.0, 0.0)  # turns a cylinder's axis to y, so that a knob looks to the front


def _casing(rng: np.random.Generator, style: str) -> Assembly:
    body = pick(rng, (dark, white, steel, plastic), (4, 4, 2, 1.5))(rng)
    accent = dark(rng) if chance(rng, 0.6) else pick(rng, (steel, white))(rng)
    return Assembly(OTHER, style, body=body, accent=accent)


def printer(rng: np.random.Generator) -> ObjectModel:
    """A desk printer with trays, paper and a panel."""
    w, d, h = between(rng, 0.36, 0.48), between(rng, 0.3, 0.42), between(rng, 0.16, 0.34)
    asm = _casing(rng, "printer")
    asm.looks.update(paper=Look("plain", (0.96, 0.96, 0.95)), screen=Look("screen", (0.2, 0.3, 0.5), any_rgb(rng)))
    asm.cushion("body", "body", (w, d, h), (0, 0, h / 2), soft=0.12)
    asm.box("slot", "accent", (w * 0.7, 0.006, h * 0.2), (0, -d / 2 - 0.001, h * 0.5), collides=False)
    asm.box("tray", "accent", (w * 0.62, 0.14, 0.012), (0, -d / 2 - 0.05, h * 0.38))
    if chance(rng, 0.5):
        asm.box("paper", "paper", (0.21, 0.15, 0.006), (0, -d / 2 - 0.04, h * 0.38 + 0.009), collides=False)
    asm.box("panel", "accent", (w * 0.4, 0.004, h * 0.14), (w * 0.22, -d / 2 - 0.001, h * 0.84), collides=False)
    asm.box("screen", "screen", (0.05, 0.003, h * 0.1), (w * 0.14, -d / 2 - 0.004, h * 0.84), collides=False)
    if chance(rng, 0.5):
        asm.box("lid", "accent", (w * 0.9, d * 0.85, 0.02), (0, 0, h + 0.01))
        asm.surface((0, 0, h + 0.02), (w * 0.85, d * 0.8), 0.4)
    else:
        asm.box("feeder", "accent", (w * 0.6, 0.012, 0.2), (0, d * 0.4, h + 0.08), (-0.3, 0, 0))
        asm.box("sheets", "paper", (0.21, 0.006, 0.2), (0, d * 0.4 - 0.01, h + 0.1), (-0.3, 0, 0), collides=False)
    return asm.finish(between(rng, 4, 10), "table")


def toaster(rng: np.random.Generator) -> ObjectModel:
    """A toaster with two slots and a lever."""
    w, d, h = between(rng, 0.24, 0.34), between(rng, 0.14, 0.2), between(rng, 0.16, 0.2)
    asm = _casing(rng, "toaster")
    asm.looks["slot"] = Look("plain", (0.04, 0.04, 0.04))
    asm.box("foot", "accent", (w * 0.9, d * 0.85, 0.015), (0, 0, 0.0075))
    asm.cushion("body", "body", (w, d, h), (0, 0, 0.012 + h / 2), soft=between(rng, 0.12, 0.3))
    for side in (-1, 1):
        asm.box("slot", "slot", (w * 0.7, d * 0.14, 0.002), (0, side * d * 0.18, 0.013 + h), collides=False)
    asm.box("lever", "accent", (0.03, 0.04, 0.018), (w / 2 + 0.012, 0, h * between(rng, 0.4, 0.75)), collides=False)
    asm.cylinder("knob", "accent", 0.015, 0.016, (w / 2 + 0.006, 0, h * 0.25), (0, np.pi / 2, 0), collides=False)
    return asm.finish(1.5, "table")


def kettle(rng: np.random.Generator) -> ObjectModel:
    """A water kettle on its base."""
    h, radius = between(rng, 0.17, 0.25), between(rng, 0.065, 0.09)
    asm = _casing(rng, "kettle")
    asm.cylinder("base", "accent", radius * 1.1, 0.02, (0, 0, 0.01))
    top = radius * between(rng, 0.6, 0.95)
    profile = [(radius, 0.02), (radius * 1.03, 0.02 + h * 0.2), (top, 0.02 + h), (top * 0.3, 0.025 + h)]
    asm.mesh("body", "body", lathe(profile, 18))
    asm.drum("body", "body", radius * 0.95, h, (0, 0, 0.02 + h / 2))
    asm.ball("knob", "accent", (0.03, 0.03, 0.025), (0, 0, h + 0.03), collides=False)
    spout = (-top * 1.35, 0.0, 0.01 + h)
    asm.rod("spout", "body", 0.018, (-top * 0.6, 0, h * 0.75), spout, collides=False)
    out = radius + 0.045
    for start, end in (
        ((top * 0.8, 0, h), (out, 0, h)),
        ((out, 0, h), (out, 0, h * 0.35)),
        ((out, 0, h * 0.35), (radius * 0.8, 0, h * 0.3)),
    ):
        asm.rod("handle", "accent", 0.011, start, end, rounded=True)
    return asm.finish(1.0, "table")


def coffee_machine(rng: np.random.Generator) -> ObjectModel:
    """A filter machine with a glass pot, or an espresso machine."""
    w, d, h = between(rng, 0.18, 0.28), between(rng, 0.22, 0.32), between(rng, 0.28, 0.38)
    asm = _casing(rng, "coffee_machine")
    asm.looks["pot"] = Look("glass", (0.25, 0.18, 0.15), alpha=0.4)
    asm.box("base", "body", (w, d, 0.035), (0, 0, 0.0175))
    asm.cushion("tower", "body", (w, d * 0.38, h), (0, d * 0.31, h / 2), soft=0.15)
    asm.cushion("head", "body", (w, d, h * 0.3), (0, 0, h * 0.85), soft=0.2)
    if chance(rng, 0.6):
        radius, tall = min(w, d) * 0.3, h * 0.45
        profile = [(radius * 0.8, 0.0), (radius, tall * 0.3), (radius * 0.9, tall * 0.7), (radius * 0.6, tall)]
        asm.mesh("pot", "pot", lathe(profile, 16), (0, -d * 0.16, 0.036))
        asm.drum("pot", "pot", radius * 0.9, tall, (0, -d * 0.16, 0.036 + tall / 2))
        asm.rod("pot_handle", "accent", 0.008, (0, -d * 0.16 - radius, 0.06), (0, -d * 0.16 - radius - 0.02, tall))
    else:
        asm.cylinder("spout", "accent", 0.025, 0.05, (0, -d * 0.2, h * 0.68), collides=False)
        asm.box("grate", "accent", (w * 0.8, d * 0.5, 0.004), (0, -d * 0.2, 0.037), collides=False)
    for number in range(int(rng.integers(1, 4))):
        at = ((number - 1) * w * 0.25, -d / 2 - 0.006, h * 0.87)
        asm.cylinder(f"knob_{number + 1}", "accent", 0.013, 0.014, at, LYING, collides=False)
    return asm.finish(3.0, "table")


def speaker(rng: np.random.Generator) -> ObjectModel:
    """A loudspeaker box, small or standing on the floor."""
    tall = chance(rng, 0.3)
    w, d = between(rng, 0.13, 0.24), between(rng, 0.14, 0.28)
    h = between(rng, 0.8, 1.1) if tall else between(rng, 0.2, 0.4)
    asm = Assembly(OTHER, "speaker", body=pick(rng, (dark, wood, white))(rng), cone=dark(rng), ring=steel(rng))
    asm.box("body", "body", (w, d, h), (0, 0, h / 2))
    for part, radius, z in (("woofer", w * 0.38, 0.35), ("tweeter", w * 0.18, 0.78)):
        asm.cylinder(part, "ring", radius, 0.008, (0, -d / 2 - 0.004, h * z), LYING, collides=False)
        asm.cylinder(part, "cone", radius * 0.88, 0.01, (0, -d / 2 - 0.005, h * z), LYING, collides=False)
    asm.surface((0, 0, h), (w * 0.95, d * 0.95), 0.4)
    return asm.finish(between(rng, 2, 8), "floor" if tall else "table")


def computer(rng: np.random.Generator) -> ObjectModel:
    """A tower computer."""
    w, d, h = between(rng, 0.16, 0.22), between(rng, 0.36, 0.48), between(rng, 0.34, 0.48)
    asm = _casing(rng, "computer")
    asm.looks["light"] = Look("plain", any_rgb(rng))
    asm.box("body", "body", (w, d, h), (0, 0, h / 2))
    y = -d / 2
    asm.box("front", "accent", (w * 0.96, 0.012, h * 0.96), (0, y - 0.006, h / 2))
    for number in range(int(rng.integers(1, 4))):
        asm.box("drive", "body", (w * 0.78, 0.004, 0.035), (0, y - 0.013, h * 0.9 - number * 0.045), collides=False)
    asm.cylinder("button", "light", 0.01, 0.006, (w * 0.3, y - 0.014, h * 0.55), LYING, collides=False)
    asm.surface((0, 0, h), (w * 0.95, d * 0.95), 0.4)
    return asm.finish(8.0, "floor")


def washer(rng: np.random.Generator) -> ObjectModel:
    """A washing machine with a round door."""
    w, d, h = between(rng, 0.55, 0.65), between(rng, 0.5, 0.62), between(rng, 0.82, 0.88)
    body = white(rng) if chance(rng, 0.7) else pick(rng, (steel, dark))(rng)
    asm = Assembly(OTHER, "washer", body=body, rim=steel(rng), door=Look("plastic", (0.1, 0.11, 0.13)), knob=steel(rng))
    asm.box("body", "body", (w, d, h), (0, 0, h / 2))
    y, radius = -d / 2, w * between(rng, 0.28, 0.34)
    asm.cylinder("door", "rim", radius, 0.03, (0, y - 0.015, h * 0.46), LYING, collides=False)
    asm.cylinder("window", "door", radius * 0.74, 0.034, (0, y - 0.017, h * 0.46), LYING, collides=False)
    asm.box("panel", "door", (w * 0.3, 0.004, 0.06), (w * 0.28, y - 0.002, h * 0.92), collides=False)
    asm.box("tray", "body", (w * 0.26, 0.012, 0.08), (-w * 0.34, y - 0.006, h * 0.92), collides=False)
    asm.cylinder("knob", "knob", 0.026, 0.03, (0, y - 0.015, h * 0.92), LYING, collides=False)
    asm.surface((0, 0, h), (w, d), 0.6)
    return asm.finish(60.0, "wall_floor")


def suitcase(rng: np.random.Generator) -> ObjectModel:
    """A trolley case standing on its wheels, its handle out or in."""
    w, d, h = between(rng, 0.34, 0.5), between(rng, 0.2, 0.3), between(rng, 0.5, 0.72)
    look = plastic(rng) if chance(rng, 0.6) else fabric(rng)
    asm = Assembly(OTHER, "suitcase", body=look, dark=dark(rng), bar=steel(rng))
    low = 0.04
    rings = [ring(w / 2 * a, d / 2 * a, low + h * z, 5.0, 16) for a, z in ((0.86, 0), (1, 0.05), (1, 0.95), (0.86, 1))]
    asm.mesh("body", "body", loft(rings))
    asm.block("body", "body", (w, d, h), (0, 0, low + h / 2))
    for sx in (-1, 1):
        for sy in (-1, 1):
            asm.ball("wheels", "dark", (0.045, 0.03, 0.05), (sx * w * 0.38, sy * d * 0.3, 0.025))
    asm.box("zip", "dark", (w + 0.004, 0.008, h * 0.9), (0, 0, low + h / 2), collides=False)
    if chance(rng, 0.5):
        rise = between(rng, 0.15, 0.4)
        for side in (-1, 1):
            start, end = (side * 0.09, d * 0.3, low + h * 0.95), (side * 0.09, d * 0.3, low + h + rise)
            asm.rod("bars", "bar", 0.008, start, end)
        top = low + h + rise
        asm.rod("handle", "dark", 0.014, (-0.1, d * 0.3, top), (0.1, d * 0.3, top), rounded=True)
    asm.rod("loop", "dark", 0.01, (-0.06, -d * 0.1, low + h + 0.012), (0.06, -d * 0.1, low + h + 0.012), rounded=True)
    return asm.finish(between(rng, 3, 15), "floor")
