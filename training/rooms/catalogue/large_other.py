"""Large things of none of the 55 classes: lamps, screens, plants, cartons, backpacks."""

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
    metal,
    pick,
    plastic,
    steel,
    white,
    wood,
)
from training.rooms.model import Look, ObjectModel
from training.rooms.shapes import lathe, loft, ring


def _shade(asm: Assembly, rng: np.random.Generator, at: tuple[float, float, float], size: float) -> None:
    """A lamp shade, its lower rim at `at`."""
    top, h = size * between(rng, 0.4, 1.0), size * between(rng, 0.8, 1.6)
    profile = [(size - 0.004, 0.004), (size, 0.0), (top, h), (top - 0.004, h)]
    asm.mesh("shade", "shade", lathe([(0.012, h * 0.5), *profile, (0.012, h * 0.5 + 0.002)], 18), at)
    asm.ball("bulb", "bulb", (0.06, 0.06, 0.08), (at[0], at[1], at[2] + h * 0.4), collides=False)


def _lamp(rng: np.random.Generator, style: str) -> Assembly:
    shade = pick(rng, (fabric, white, metal, plastic), (3, 3, 1, 1))(rng)
    return Assembly(
        OTHER, style, shade=shade, stand=pick(rng, (metal, wood, dark))(rng), bulb=Look("plain", (1.0, 0.97, 0.85))
    )


def floor_lamp(rng: np.random.Generator) -> ObjectModel:
    """A standing lamp: straight, on a tripod, or bent over."""
    style = pick(rng, ("straight", "tripod", "arc"))
    asm, h = _lamp(rng, f"floor_lamp_{style}"), between(rng, 1.25, 1.7)
    if style == "tripod":
        for number in range(3):
            angle = 2 * np.pi * number / 3
            foot = (0.27 * float(np.cos(angle)), 0.27 * float(np.sin(angle)), 0.012)
            asm.rod(f"leg_{number + 1}", "stand", 0.014, foot, (0, 0, h * 0.8))
        asm.rod("pole", "stand", 0.01, (0, 0, h * 0.78), (0, 0, h), collides=False)
        _shade(asm, rng, (0, 0, h - 0.1), between(rng, 0.16, 0.24))
        return asm.finish(4.0, "floor")
    asm.cylinder("foot", "stand", between(rng, 0.12, 0.17), 0.025, (0, 0, 0.0125))
    asm.rod("pole", "stand", 0.013, (0, 0, 0.02), (0, 0, h))
    if style == "arc":
        asm.rod("arm", "stand", 0.011, (0, 0, h), (0.3, 0, h + 0.1), rounded=True)
        asm.rod("arm", "stand", 0.011, (0.3, 0, h + 0.1), (0.5, 0, h - 0.02), rounded=True)
        _shade(asm, rng, (0.5, 0, h - 0.2), between(rng, 0.1, 0.16))
    else:
        _shade(asm, rng, (0, 0, h - 0.06), between(rng, 0.14, 0.24))
    return asm.finish(5.0, "floor")


def desk_lamp(rng: np.random.Generator) -> ObjectModel:
    """A lamp on a table: jointed arm, or foot and shade."""
    style = pick(rng, ("jointed", "shade", "vase"))
    asm = _lamp(rng, f"desk_lamp_{style}")
    if style == "jointed":
        asm.looks["shade"] = asm.looks["stand"] if chance(rng, 0.5) else plastic(rng)
        asm.cylinder("foot", "stand", between(rng, 0.06, 0.09), 0.02, (0, 0, 0.01))
        knee = (between(rng, 0.02, 0.12), 0.0, between(rng, 0.2, 0.3))
        head = (knee[0] - between(rng, 0.15, 0.25), 0.0, knee[2] + between(rng, 0.08, 0.18))
        asm.rod("arm_1", "stand", 0.008, (0, 0, 0.02), knee, rounded=True)
        asm.rod("arm_2", "stand", 0.008, knee, head, rounded=True)
        asm.mesh(
            "shade",
            "shade",
            lathe([(0.062, 0.0), (0.05, 0.05), (0.022, 0.1)], 16),
            (head[0], 0, head[2] - 0.07),
            (0, 0.3, 0),
        )
        asm.block("shade", "shade", (0.08, 0.08, 0.08), (head[0], 0, head[2] - 0.03))
        return asm.finish(1.2, "table")
    stem = between(rng, 0.18, 0.32)
    if style == "vase":
        profile = [(0.05, 0.0), (0.08, stem * 0.35), (0.05, stem * 0.7), (0.02, stem)]
        asm.mesh("foot", "stand", lathe(profile, 16))
        asm.drum("foot", "stand", 0.06, stem, (0, 0, stem / 2))
    else:
        asm.cylinder("foot", "stand", 0.065, 0.02, (0, 0, 0.01))
        asm.cylinder("pole", "stand", 0.01, stem, (0, 0, stem / 2))
    _shade(asm, rng, (0, 0, stem - 0.03), between(rng, 0.09, 0.15))
    return asm.finish(1.5, "table")


def screen(rng: np.random.Generator) -> ObjectModel:
    """A television or a computer monitor on a foot."""
    tv = chance(rng, 0.5)
    w = between(rng, 0.7, 1.3) if tv else between(rng, 0.44, 0.7)
    h = w * pick(rng, (0.56, 0.57, 0.62))
    lit = chance(rng, 0.5)
    shown = Look("screen", any_rgb(rng) if lit else (0.03, 0.03, 0.035), any_rgb(rng) if lit else (0.05, 0.05, 0.06))
    asm = Assembly(
        OTHER,
        "television" if tv else "monitor",
        case=dark(rng) if chance(rng, 0.8) else steel(rng),
        display=shown,
        foot=pick(rng, (dark, steel))(rng),
    )
    lift, bezel = (between(rng, 0.04, 0.08) if tv else between(rng, 0.1, 0.2)), between(rng, 0.006, 0.022)
    asm.box("case", "case", (w, 0.03, h), (0, 0, lift + h / 2))
    asm.box("case", "case", (w * 0.5, 0.03, h * 0.5), (0, 0.03, lift + h / 2), collides=False)
    asm.box("screen", "display", (w - 2 * bezel, 0.003, h - 2 * bezel), (0, -0.0165, lift + h / 2), collides=False)
    if tv and chance(rng, 0.5):
        for side in (-1, 1):
            asm.rod(
                "foot", "foot", 0.009, (side * w * 0.36, 0, lift + 0.02), (side * w * 0.4, -0.1, 0.009), rounded=True
            )
            asm.rod(
                "foot", "foot", 0.009, (side * w * 0.36, 0, lift + 0.02), (side * w * 0.4, 0.1, 0.009), rounded=True
            )
    else:
        asm.box("foot", "foot", (w * 0.36, 0.2, 0.014), (0, 0.02, 0.007))
        asm.box("stand", "foot", (0.06, 0.02, lift + 0.1), (0, 0.04, (lift + 0.1) / 2))
    return asm.finish(between(rng, 3, 14), "table")


def big_plant(rng: np.random.Generator) -> ObjectModel:
    """A plant in a pot on the floor: leaves on stems, blades, or a bushy tree."""
    style = pick(rng, ("leaves", "blades", "tree"))
    pot = pick(rng, (Look("plain", (0.68, 0.38, 0.26)), white(rng), dark(rng), fabric(rng), plastic(rng)))
    rgb = (between(rng, 0.12, 0.3), between(rng, 0.35, 0.55), between(rng, 0.1, 0.25))
    asm = Assembly(
        OTHER,
        f"plant_{style}",
        pot=pot,
        earth=Look("plain", (0.2, 0.14, 0.1)),
        leaf=Look("leaves", rgb, (rgb[0] * 1.5, rgb[1] * 1.4, rgb[2])),
        stem=wood(rng),
    )
    radius, h = between(rng, 0.12, 0.22), between(rng, 0.2, 0.38)
    asm.mesh("pot", "pot", lathe([(radius * 0.7, 0), (radius, h), (radius * 0.9, h), (radius * 0.88, h * 0.9)], 18))
    asm.drum("pot", "pot", radius * 0.85, h * 0.9, (0, 0, h * 0.45))
    asm.cylinder("earth", "earth", radius * 0.87, 0.01, (0, 0, h * 0.91), collides=False)
    tall = between(rng, 0.35, 1.1)
    if style == "tree":
        asm.rod("stem", "stem", 0.018, (0, 0, h * 0.9), (0.03, 0, h + tall * 0.6))
        crown = between(rng, 0.13, 0.24)
        middle = (0.03, 0.0, h + tall * 0.6 + crown * 0.6)
        asm.ball("leaves", "leaf", (2 * crown, 2 * crown, 1.7 * crown), middle, collides=False)
        for number in range(10):
            angle, rise, size = 2.4 * number, between(rng, -0.6, 1.0), crown * between(rng, 0.7, 1.3)
            out = crown * 0.85 * float(np.sqrt(1 - 0.6 * rise**2))
            at = (out * float(np.cos(angle)), out * float(np.sin(angle)), middle[2] + crown * rise)
            asm.ball("leaves", "leaf", (size, size, size * 0.8), at, collides=False)
        return asm.finish(between(rng, 6, 20), "floor")
    for number in range(int(rng.integers(9, 16))):
        angle, out = 2.4 * number, between(rng, 0.12, 0.42) * (0.6 if style == "blades" else 1.0)
        tip = np.array([out * np.cos(angle), out * np.sin(angle), h + tall * between(rng, 0.4, 1.0)])
        root = np.array([0.03 * np.cos(angle), 0.03 * np.sin(angle), h * 0.9])
        way = tip - root
        pitch, middle = float(np.arctan2(np.hypot(way[0], way[1]), way[2])), (root + tip) / 2
        if style == "blades":
            pose = (float(middle[0]), float(middle[1]), float(middle[2]))
            blade = loft([ring(a, 0.004, z, 2.0, 6) for a, z in ((0.012, -0.5), (0.028, 0.0), (0.003, 0.5))]).scaled(
                1, 1, float(np.linalg.norm(way))
            )
            turn = _toward(way)
            asm.mesh("leaves", "leaf", blade, pose, turn)
        else:
            asm.rod("stem", "leaf", 0.005, _triple(root), _triple(tip), collides=False)
            span = between(rng, 0.14, 0.3)
            asm.ball(
                "leaves",
                "leaf",
                (span, span * 0.55, 0.012),
                _triple(tip),
                (0.0, between(rng, 0.1, 0.9) + pitch * 0.3, angle),
                collides=False,
            )
    return asm.finish(between(rng, 4, 12), "floor")


def _triple(point: np.ndarray) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def _toward(way: np.ndarray) -> tuple[float, float, float]:
    """Intrinsic xyz angles that turn +z toward `way`."""
    unit = way / np.linalg.norm(way)
    return float(np.arctan2(-unit[1], unit[2])), float(np.arcsin(unit[0])), 0.0


def carton_stack(rng: np.random.Generator) -> ObjectModel:
    """One to three cardboard cartons on each other, glued with tape: one thing to go around."""
    brown = (between(rng, 0.6, 0.72), between(rng, 0.45, 0.54), between(rng, 0.3, 0.38))
    asm = Assembly(OTHER, "carton_stack", tape=Look("plastic", (0.8, 0.72, 0.55)))
    z, w, d = 0.0, between(rng, 0.4, 0.6), between(rng, 0.32, 0.48)
    for number in range(1, int(rng.integers(2, 5))):
        h = between(rng, 0.18, 0.4)
        asm.looks[f"carton_{number}"] = Look("print" if chance(rng, 0.4) else "plain", brown, any_rgb(rng))
        pose = (between(rng, -0.03, 0.03), between(rng, -0.03, 0.03), z + h / 2)
        turn = (0, 0, between(rng, -0.15, 0.15))
        asm.box(f"carton_{number}", f"carton_{number}", (w, d, h), pose, turn)
        asm.box(f"tape_{number}", "tape", (w + 0.002, 0.05, h + 0.002), pose, turn, collides=False)
        z, w, d = z + h, w * between(rng, 0.75, 1.0), d * between(rng, 0.75, 1.0)
    asm.surface((0, 0, z + 0.001), (w * 0.7, d * 0.7), 0.6)
    return asm.finish(between(rng, 2, 15), "floor")


def backpack(rng: np.random.Generator) -> ObjectModel:
    """A rucksack standing up: body, front pocket, straps, top loop."""
    look = fabric(rng) if chance(rng, 0.7) else dark(rng)
    asm = Assembly(OTHER, "backpack", body=look, pocket=look if chance(rng, 0.5) else fabric(rng), strap=dark(rng))
    w, d, h = between(rng, 0.26, 0.34), between(rng, 0.13, 0.19), between(rng, 0.38, 0.52)
    rings = [
        ring(w / 2 * a, d / 2 * b, h * z, 4.0, 16)
        for a, b, z in ((0.92, 0.95, 0), (1, 1, 0.12), (1, 0.95, 0.6), (0.9, 0.75, 0.88), (0.55, 0.45, 1))
    ]
    asm.mesh("body", "body", loft(rings))
    asm.block("body", "body", (w * 0.95, d * 0.9, h * 0.9), (0, 0, h * 0.45))
    asm.cushion("pocket", "pocket", (w * 0.78, 0.07, h * 0.42), (0, -d / 2 - 0.005, h * 0.27), soft=0.45)
    asm.box("zip", "strap", (w * 0.7, 0.004, 0.012), (0, -d / 2 - 0.041, h * 0.4), collides=False)
    for side in (-1, 1):
        x = side * w * 0.28
        asm.rod(
            "strap", "strap", 0.014, (x, d / 2, h * 0.12), (x, d / 2 + 0.045, h * 0.5), rounded=True, collides=False
        )
        asm.rod(
            "strap",
            "strap",
            0.014,
            (x, d / 2 + 0.045, h * 0.5),
            (x * 0.7, d * 0.25, h * 0.93),
            rounded=True,
            collides=False,
        )
    asm.rod("loop", "strap", 0.008, (-0.04, 0, h), (0, 0, h + 0.05), rounded=True, collides=False)
    asm.rod("loop", "strap", 0.008, (0.04, 0, h), (0, 0, h + 0.05), rounded=True, collides=False)
    return asm.finish(between(rng, 1, 6), "floor")
