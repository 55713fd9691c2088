"""Fridges, microwaves, stoves."""

from __future__ import annotations

import numpy as np

from training.rooms.catalogue.large_base import Assembly
from training.rooms.catalogue.large_counters import add_stove_looks, burners
from training.rooms.catalogue.large_looks import (
    between,
    chance,
    dark,
    paint,
    pick,
    plastic,
    steel,
    white,
)
from training.rooms.model import Look, ObjectModel


def fridge(rng: np.random.Generator) -> ObjectModel:
    """One door, freezer above or below, two doors side by side, or a small one; with magnets and notes at times."""
    style = pick(rng, ("single", "top_freezer", "bottom_freezer", "side_by_side", "small"), (2, 3, 3, 2, 2))
    w, d, h = between(rng, 0.54, 0.72), between(rng, 0.55, 0.72), between(rng, 1.4, 2.0)
    if style == "side_by_side":
        w = between(rng, 0.82, 0.95)
    elif style == "small":
        w, d, h = between(rng, 0.42, 0.56), between(rng, 0.44, 0.56), between(rng, 0.5, 0.88)
    body = pick(rng, (white, steel, dark, paint, plastic), (4, 4, 1.5, 1, 0.7))(rng)
    asm = Assembly(
        "Fridge", f"fridge_{style}", body=body, door=body, handle=pick(rng, (steel, dark, white))(rng), gap=dark(rng)
    )
    if chance(rng, 0.25):
        asm.looks["body"] = dark(rng)
    asm.box("body", "body", (w, d, h), (0, 0, h / 2))
    y, thick = -d / 2, between(rng, 0.04, 0.07)
    asm.box("seal", "gap", (w - 0.02, 0.01, h - 0.06), (0, y - 0.005, h / 2 + 0.02), collides=False)
    y -= 0.01
    foot = 0.05
    split = foot + (h - foot) * {
        "top_freezer": between(rng, 0.65, 0.75),
        "bottom_freezer": between(rng, 0.3, 0.42),
    }.get(style, 1.0)
    doors = [(0.0, foot, w, split - foot, "door_1")]
    if split < h - 0.01:
        doors.append((0.0, split + 0.008, w, h - split - 0.008, "door_2"))
    if style == "side_by_side":
        left = w * between(rng, 0.38, 0.5)
        doors = [
            (-w / 2 + left / 2, foot, left - 0.004, h - foot, "door_left"),
            (left / 2, foot, w - left - 0.004, h - foot, "door_right"),
        ]
    bar, right = pick(rng, ("bar", "recess", "none"), (4, 2, 1)), chance(rng, 0.6)
    for x, low, wide, tall, part in doors:
        asm.cushion(part, "door", (wide, thick, tall), (x, y - thick / 2, low + tall / 2), soft=between(rng, 0.1, 0.4))
        sign = {"door_left": 1, "door_right": -1}.get(part, 1 if right else -1)
        hx, front = x + sign * (wide / 2 - 0.05), y - thick
        grip = min(0.45, tall * 0.6)
        z = low + tall - grip / 2 - 0.06 if low < h * 0.4 and tall > 0.5 else low + grip / 2 + 0.05
        if bar == "bar":
            asm.rod(
                f"handle_{part}",
                "handle",
                0.011,
                (hx, front - 0.04, z - grip / 2),
                (hx, front - 0.04, z + grip / 2),
                rounded=True,
            )
            for end in (-0.4, 0.4):
                asm.box(
                    f"handle_{part}", "handle", (0.015, 0.04, 0.015), (hx, front - 0.02, z + end * grip), collides=False
                )
        elif bar == "recess":
            asm.box(f"handle_{part}", "gap", (0.03, 0.002, grip), (hx, front - 0.001, z), collides=False)
    if chance(rng, 0.35):
        asm.looks["note"], asm.looks["magnet"] = Look("paper", (0.95, 0.93, 0.85)), plastic(rng)
        for number in range(int(rng.integers(1, 5))):
            at = (between(rng, -0.25, 0.2) * w, y - thick - 0.001, h * between(rng, 0.45, 0.62))
            size = between(rng, 0.06, 0.15)
            if at[2] + size / 2 + 0.02 < split or at[2] - size / 2 - 0.02 > split:
                asm.box(
                    f"note_{number + 1}",
                    "note",
                    (size, 0.002, size * 1.2),
                    at,
                    (0, between(rng, -0.2, 0.2), 0),
                    collides=False,
                )
                asm.cylinder(
                    f"note_{number + 1}",
                    "magnet",
                    0.014,
                    0.008,
                    (at[0], at[1] - 0.004, at[2] + size * 0.45),
                    (np.pi / 2, 0, 0),
                    collides=False,
                )
    asm.surface((0, 0, h), (w * 0.95, d * 0.9), 0.4 if h > 1.2 else 0.8)
    return asm.finish(between(rng, 30, 90), "wall_floor")


def microwave(rng: np.random.Generator) -> ObjectModel:
    """A microwave oven: window door, keypad or knobs."""
    w, d, h = between(rng, 0.42, 0.56), between(rng, 0.30, 0.42), between(rng, 0.24, 0.32)
    style = pick(rng, ("buttons", "knobs", "pull"))
    body = pick(rng, (white, steel, dark, plastic), (3, 3, 3, 0.7))(rng)
    asm = Assembly(
        "Microwave",
        f"microwave_{style}",
        body=body,
        door=body if chance(rng, 0.5) else dark(rng),
        window=Look("plastic", (0.07, 0.07, 0.08)),
    )
    asm.looks.update(
        panel=dark(rng) if chance(rng, 0.6) else body,
        button=pick(rng, (steel, white, dark))(rng),
        display=Look("screen", (0.05, 0.1, 0.08), (0.3, 0.9, 0.5)),
    )
    asm.box("body", "body", (w, d, h - 0.012), (0, 0, 0.012 + (h - 0.012) / 2))
    for number, (sx, sy) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1)), start=1):
        asm.cylinder(f"foot_{number}", "panel", 0.015, 0.014, (sx * w * 0.42, sy * d * 0.42, 0.007))
    panel_w, y, middle = w * between(rng, 0.2, 0.28), -d / 2, 0.012 + (h - 0.012) / 2
    door_w = w - panel_w
    asm.box("door", "door", (door_w - 0.003, 0.02, h - 0.02), (-panel_w / 2, y - 0.01, middle))
    asm.box("window", "window", (door_w * 0.75, 0.003, h * 0.6), (-panel_w / 2, y - 0.021, middle), collides=False)
    x = (w - panel_w) / 2
    asm.box("panel", "panel", (panel_w - 0.003, 0.018, h - 0.02), (x, y - 0.009, middle))
    asm.box("display", "display", (panel_w * 0.75, 0.002, h * 0.13), (x, y - 0.019, h * 0.82), collides=False)
    if style == "knobs":
        for number, z in enumerate((0.28, 0.58), start=1):
            asm.cylinder(
                f"knob_{number}",
                "button",
                panel_w * 0.24,
                0.02,
                (x, y - 0.026, h * z),
                (np.pi / 2, 0, 0),
                collides=False,
            )
    else:
        for row in range(4):
            for column in range(3):
                at = (x + (column - 1) * panel_w * 0.26, y - 0.02, h * (0.2 + row * 0.13))
                asm.box("buttons", "button", (panel_w * 0.19, 0.004, h * 0.08), at, collides=False)
    if style == "pull" or chance(rng, 0.5):
        hx = door_w / 2 - panel_w / 2 - 0.025
        asm.rod("handle", "button", 0.009, (hx, y - 0.05, h * 0.2), (hx, y - 0.05, h * 0.82), rounded=True)
        for z in (0.25, 0.77):
            asm.box("handle", "button", (0.012, 0.03, 0.012), (hx, y - 0.035, h * z), collides=False)
    asm.surface((0, 0, h), (w * 0.95, d * 0.95), 0.5)
    return asm.finish(between(rng, 9, 16), "table")


def stove(rng: np.random.Generator) -> ObjectModel:
    """A hob to stand on a table, or a kitchen range with oven; the whole is called after its burners."""
    style = pick(rng, ("hot_plate", "range"), (2, 2))
    asm = Assembly(
        "StoveBurner", f"stove_{style}", body=pick(rng, (white, steel, dark))(rng), knob=pick(rng, (dark, steel))(rng)
    )
    add_stove_looks(asm, rng)
    if style == "hot_plate":
        double = chance(rng, 0.5)
        w, d, h = (
            (between(rng, 0.46, 0.6) if double else between(rng, 0.26, 0.34)),
            between(rng, 0.25, 0.34),
            between(rng, 0.06, 0.1),
        )
        asm.box("body", "body", (w, d, h - 0.01), (0, 0, 0.01 + (h - 0.01) / 2))
        for number, side in enumerate((-1, 1), start=1):
            asm.box(f"foot_{number}", "knob", (0.03, d * 0.8, 0.012), (side * w * 0.4, 0, 0.006))
        for number, x in enumerate((-w / 4, w / 4) if double else (0.0,), start=1):
            radius = min(between(rng, 0.075, 0.1), d * 0.36, w * (0.2 if double else 0.36))
            asm.cylinder(f"burner_{number}", "burner", radius, 0.016, (x, 0.01, h + 0.008))
            asm.cylinder(f"burner_{number}", "ring", radius * 0.25, 0.017, (x, 0.01, h + 0.0085), collides=False)
            asm.cylinder(
                f"knob_{number}",
                "knob",
                0.018,
                0.02,
                (x, -d / 2 - 0.01, h / 2 + 0.005),
                (np.pi / 2, 0, 0),
                collides=False,
            )
            asm.surface((x, 0.01, h + 0.017), (radius * 1.4, radius * 1.4), 0.4)
        return asm.finish(between(rng, 2, 5), "table")
    w, d, h = between(rng, 0.5, 0.76), between(rng, 0.56, 0.65), between(rng, 0.85, 0.93)
    asm.looks["window"] = Look("plastic", (0.06, 0.06, 0.07))
    asm.box("body", "body", (w, d, h - 0.01), (0, 0, (h - 0.01) / 2))
    asm.box("stove", "stove", (w, d, 0.01), (0, 0, h - 0.005))
    burners(asm, rng, 0, h, (w, d))
    asm.sub_objects.clear()  # the whole is the StoveBurner
    y = -d / 2
    asm.box("oven_door", "body", (w - 0.02, 0.03, h * 0.52), (0, y - 0.015, h * 0.48))
    asm.box("window", "window", (w * 0.6, 0.004, h * 0.26), (0, y - 0.031, h * 0.46), collides=False)
    asm.rod("handle", "knob", 0.011, (-w * 0.38, y - 0.06, h * 0.7), (w * 0.38, y - 0.06, h * 0.7), rounded=True)
    for side in (-1, 1):
        asm.box("handle", "knob", (0.015, 0.04, 0.015), (side * w * 0.34, y - 0.04, h * 0.7), collides=False)
    asm.box("drawer_front", "body", (w - 0.02, 0.025, h * 0.15), (0, y - 0.0125, h * 0.12), collides=False)
    for number in range(5):
        at = ((number - 2) * w * 0.18, y - 0.014, h * 0.86)
        asm.cylinder(f"knob_{number + 1}", "knob", 0.021, 0.028, at, (np.pi / 2, 0, 0), collides=False)
    if chance(rng, 0.4):
        asm.box("panel", "body", (w, 0.04, 0.14), (0, d / 2 - 0.02, h + 0.07))
    return asm.finish(between(rng, 35, 60), "wall_floor")
