"""Alarm clocks and, as Other, devices: phones, remote controls, keyboards, headphones, cameras."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import LIE, TO_FRONT, Draft, any_colour, colour, grey, look, near, pick, span


def alarm_clock(rng: np.random.Generator) -> ObjectModel:
    """A round clock with bells, a plain round one, a cube, or a digital one with a display."""
    style = pick(rng, "bells", "round", "cube", "digital")
    face = (
        Look("print", near(rng, (0.95, 0.94, 0.9), 0.04), (0.1, 0.1, 0.1))
        if rng.uniform() < 0.7
        else look(rng, "print", "plain")
    )
    draft = Draft(
        "AlarmClock",
        f"clock_{style}",
        body=look(rng, "plastic", "metal", "wood"),
        face=face,
        hand=Look("plain", (0.05, 0.05, 0.06)),
    )
    if style == "digital":
        x, y, z = span(rng, 0.14, 0.3), span(rng, 0.06), span(rng, 0.065)
        draft.looks["screen"] = Look("screen", (0.03, 0.03, 0.04), colour(rng, (0.5, 1), (0.7, 1)))
        draft.mesh(shapes.rounded_box((x, y, z), 0.01), "body", pos=(0, 0, z / 2))
        draft.box((x * 0.85, 0.002, z * 0.7), (0, -y / 2, z / 2), "screen", "display", collides=False)
        draft.box((x * 0.3, y * 0.3, 0.006), (0, 0, z + 0.002), "hand", "button", collides=False)
        draft.collider("box", (x * 0.97, y * 0.97, z), (0, 0, z / 2))
        return draft.finish(0.3)
    radius, depth = span(rng, 0.05), float(rng.uniform(0.03, 0.055))
    lift = float(rng.uniform(0.008, 0.018)) if style != "cube" else 0.0
    middle = radius + lift
    flat = (np.pi / 2, 0.0, 0.0)
    if style == "cube":
        draft.mesh(shapes.rounded_box((2 * radius, depth * 1.3, 2 * radius), 0.01), "body", pos=(0, 0, radius))
        depth *= 1.3
    else:
        draft.cylinder(radius, depth, (0, 0, middle), "body", "body", flat, collides=False)
        for side in (-1, 1):
            draft.cylinder(
                0.006,
                lift + radius * 0.5,
                (side * radius * 0.62, 0, (lift + radius * 0.5) / 2),
                "body",
                "foot",
                (0, -side * 0.25, 0),
                collides=False,
            )
    draft.cylinder(radius * 0.86, 0.003, (0, -depth / 2, middle), "face", "dial", flat, collides=False)
    for reach, width in ((0.55, 0.005), (0.75, 0.003)):
        angle = float(rng.uniform(0, 2 * np.pi))
        pos = (np.sin(angle) * reach * radius / 2, -depth / 2 - 0.0025, middle + np.cos(angle) * reach * radius / 2)
        draft.box((width, 0.0015, reach * radius), pos, "hand", "hand", (0, angle, 0), collides=False)
    if style == "bells":
        draft.looks["bell"] = look(rng, "metal")
        for side in (-1, 1):
            bell = shapes.lathe([(0.021, 0), (0.018, 0.01), (0.01, 0.017), (0.003, 0.019)], 12).moved(
                euler=(0, side * 0.6, 0)
            )
            draft.mesh(bell, "bell", "bell", (side * radius * 0.55, 0, middle + radius * 0.86))
        bow = shapes.arc(1.0, np.pi, 0.0, 7) * [radius * 0.35, 1, 0.03] + [0, 0, middle + radius + 0.008]
        draft.mesh(shapes.tube(bow, shapes.circle_section(0.0025, 6)), "bell", "handle")
    draft.collider("box", (radius * 1.8, depth, middle + radius * 0.9), (0, 0, (middle + radius * 0.9) / 2))
    return draft.finish(0.3)


def phone(rng: np.random.Generator) -> ObjectModel:
    """A smartphone or tablet that lies on its back or on its face."""
    tablet = bool(rng.uniform() < 0.2)
    x, y, z = (
        (span(rng, 0.17), span(rng, 0.24), 0.008) if tablet else (span(rng, 0.072, 0.15), span(rng, 0.15, 0.15), 0.0085)
    )
    draft = Draft(
        OTHER,
        "tablet" if tablet else "phone",
        body=look(rng, "plastic", "metal"),
        display=Look("screen", (0.02, 0.02, 0.03), any_colour(rng)),
    )
    draft.mesh(shapes.rounded_box((x, y, z), z * 0.45, 1), "body", pos=(0, 0, z / 2))
    if rng.uniform() < 0.7:
        draft.box((x * 0.93, y * 0.93, 0.001), (0, 0, z), "display", "display", collides=False)
    else:
        draft.box((x * 0.3, x * 0.35, 0.003), (x * 0.25, y * 0.32, z), "display", "camera", collides=False)
    draft.collider("box", (x, y, z), (0, 0, z / 2))
    return draft.finish(0.2)


def remote(rng: np.random.Generator) -> ObjectModel:
    """A remote control or a pocket calculator with rows of keys."""
    calculator = bool(rng.uniform() < 0.3)
    x, y, z = (
        (span(rng, 0.085), span(rng, 0.15, 0.15), 0.015)
        if calculator
        else (span(rng, 0.047), span(rng, 0.17), span(rng, 0.02))
    )
    draft = Draft(
        OTHER, "calculator" if calculator else "remote", body=look(rng, "plastic"), key=look(rng, "plastic", "plain")
    )
    draft.mesh(shapes.rounded_box((x, y, z), 0.006), "body", pos=(0, 0, z / 2))
    top = 0.25 if calculator else float(rng.uniform(0.0, 0.15))
    rows, columns = (4, 4) if calculator else (int(rng.integers(3, 6)), 3)
    for row in range(rows):
        for column in range(columns):
            pos = (
                x * ((column + 0.5) / columns - 0.5) * 0.85,
                y * (0.42 - top - (0.8 - top) * row / max(rows - 1, 1)),
                z,
            )
            draft.box((x * 0.17, y * 0.4 / rows, 0.004), pos, "key", "button", collides=False)
    if calculator:
        draft.looks["display"] = Look("screen", (0.5, 0.58, 0.5), (0.1, 0.1, 0.1))
        draft.box((x * 0.8, y * 0.15, 0.002), (0, y * 0.36, z), "display", "display", collides=False)
    draft.collider("box", (x * 0.97, y * 0.97, z), (0, 0, z / 2))
    return draft.finish(0.12)


def mouse(rng: np.random.Generator) -> ObjectModel:
    """A computer mouse with a wheel."""
    x, y, z = span(rng, 0.06, 0.15), span(rng, 0.11, 0.15), span(rng, 0.035)
    draft = Draft(OTHER, "computer_mouse", body=look(rng, "plastic"), wheel=Look("plain", grey(rng, 0.05, 0.4)))
    stations = [(0.92, 0.0, 0.0), (1.0, 0.25, 0.0), (0.95, 0.55, -0.02), (0.72, 0.85, -0.08), (0.3, 1.0, -0.14)]
    draft.mesh(
        shapes.loft([shapes.ring(x / 2 * r, y / 2 * r, z * t, 2.4, 18, (0, y * s)) for r, t, s in stations]), "body"
    )
    draft.cylinder(0.008, 0.006, (0, y * 0.22, z * 0.78), "wheel", "wheel", (0, np.pi / 2, 0), collides=False)
    draft.collider("box", (x * 0.88, y * 0.9, z * 0.85), (0, 0, z * 0.425))
    return draft.finish(0.1)


def keyboard(rng: np.random.Generator) -> ObjectModel:
    """A computer keyboard with a few blocks of keys."""
    x, y, z = span(rng, 0.4), span(rng, 0.14, 0.15), float(rng.uniform(0.012, 0.028))
    shade = grey(rng, 0.04, 0.9)
    draft = Draft(
        OTHER,
        "keyboard",
        body=Look("plastic", shade, near(rng, shade)),
        keys=Look("tiles", grey(rng, 0.05, 0.95), shade),
    )
    draft.box((x, y, z), (0, 0, z / 2), "body")
    main = float(rng.uniform(0.6, 0.95))
    draft.box((x * main * 0.96, y * 0.82, 0.006), (-x * (1 - main) / 2, 0, z), "keys", "keys", collides=False)
    if main < 0.85:
        draft.box((x * (1 - main) * 0.85, y * 0.82, 0.006), (x * main / 2, 0, z), "keys", "keys", collides=False)
    return draft.finish(0.6)


def headphones(rng: np.random.Generator) -> ObjectModel:
    """Headphones that lie on one side: a bow and two cushions."""
    s = float(rng.uniform(0.85, 1.1))
    draft = Draft(
        OTHER,
        "headphones",
        bow=look(rng, "plastic", "metal"),
        shell=look(rng, "plastic"),
        cushion=Look("fabric", grey(rng, 0.03, 0.5)),
    )
    bow = shapes.arc(1.0, np.pi * 1.05, -0.05 * np.pi, 13, "xy") * [0.08 * s, 0.1 * s, 1] + [0, 0, 0.035 * s]
    draft.mesh(shapes.tube(bow, shapes.circle_section(1.0, 8) * [0.006, 0.013]), "bow", "headband")
    for side in (-1, 1):
        shell = shapes.lathe([(0.028 * s, 0), (0.036 * s, 0.008), (0.036 * s, 0.02)], 16).moved(
            euler=(0, -side * np.pi / 2, 0)
        )
        draft.mesh(shell, "shell", "cup", (side * 0.09 * s, -0.015 * s, 0.036 * s))
        pad = shapes.torus(0.025 * s, 0.02 * s, 16, 6).moved(euler=LIE)
        draft.mesh(pad, "cushion", "cushion", (side * 0.068 * s, -0.015 * s, 0.036 * s))
        draft.collider("box", (0.035 * s, 0.06 * s, 0.07 * s), (side * 0.075 * s, -0.015 * s, 0.035 * s))
    draft.collider("box", (0.15 * s, 0.04 * s, 0.02), (0, 0.08 * s, 0.036 * s))
    return draft.finish(0.25)


def camera(rng: np.random.Generator) -> ObjectModel:
    """A photo camera with its lens, or a web cam on a foot."""
    x, y, z = span(rng, 0.12), span(rng, 0.05), span(rng, 0.075)
    draft = Draft(
        OTHER,
        "camera",
        body=look(rng, "plastic", "metal"),
        dark=Look("plastic", grey(rng, 0.02, 0.2)),
        glass=Look("plastic", (0.08, 0.09, 0.16)),
    )
    draft.mesh(shapes.rounded_box((x, y, z), 0.008, 1), "body", pos=(0, 0, z / 2))
    radius, reach = z * float(rng.uniform(0.3, 0.44)), float(rng.uniform(0.015, 0.06))
    draft.cylinder(radius, reach, (x * 0.08, -y / 2 - reach / 2, z * 0.48), "dark", "lens", TO_FRONT)
    draft.cylinder(
        radius * 0.75, 0.002, (x * 0.08, -y / 2 - reach, z * 0.48), "glass", "glass", TO_FRONT, collides=False
    )
    draft.box((x * 0.3, y * 0.7, z * 0.22), (x * 0.08, 0, z * 1.08), "dark", "viewfinder", collides=False)
    draft.cylinder(0.006, 0.006, (-x * 0.33, 0, z + 0.002), "dark", "button", collides=False)
    draft.collider("box", (x * 0.97, y * 0.97, z), (0, 0, z / 2))
    return draft.finish(0.5)


def game_pad(rng: np.random.Generator) -> ObjectModel:
    """A game controller with two grips, sticks and buttons."""
    s = float(rng.uniform(0.85, 1.15))
    draft = Draft(
        OTHER,
        "game_pad",
        body=look(rng, "plastic"),
        dark=Look("plain", grey(rng, 0.03, 0.3)),
        button=look(rng, "plastic"),
    )
    half = [
        (0.0, -0.02),
        (0.03, -0.022),
        (0.052, -0.055),
        (0.07, -0.055),
        (0.078, -0.02),
        (0.068, 0.03),
        (0.04, 0.04),
        (0.0, 0.036),
    ]
    outline = np.array([*half, *[(-x, y) for x, y in half[-2:0:-1]]]) * s
    draft.mesh(shapes.prism(outline, 0.03 * s), "body")
    for x, y, radius, name in (
        (-0.025, -0.005, 0.01, "dark"),
        (0.025, -0.005, 0.01, "dark"),
        (0.05, 0.015, 0.012, "button"),
        (-0.05, 0.015, 0.012, "button"),
    ):
        draft.cylinder(
            radius * s, 0.01, (x * s, y * s, 0.032 * s), name, "stick" if name == "dark" else "button", collides=False
        )
    draft.collider("box", (0.145 * s, 0.06 * s, 0.03 * s), (0, 0.008 * s, 0.015 * s))
    for side in (-1, 1):
        draft.collider("box", (0.022 * s, 0.035 * s, 0.03 * s), (side * 0.062 * s, -0.037 * s, 0.015 * s))
    return draft.finish(0.25)


def charger(rng: np.random.Generator) -> ObjectModel:
    """A charger, a battery pack or a small device with a wire that lies on the table."""
    x, y, z = span(rng, 0.05, 0.4), span(rng, 0.045, 0.4), span(rng, 0.03, 0.3)
    body = look(rng, "plastic", "plastic", "print")
    draft = Draft(
        OTHER, "charger", body=body, wire=Look("plain", grey(rng, 0.03, 0.95) if rng.uniform() < 0.7 else colour(rng))
    )
    draft.mesh(shapes.rounded_box((x, y, z), 0.005, 1), "body", pos=(0, 0, z / 2))
    points = [np.array([0.0, y * 0.48, 0.004])]
    heading = np.pi / 2
    for _ in range(int(rng.integers(5, 10))):
        heading += float(rng.normal(0, 0.5))
        points.append(points[-1] + 0.03 * np.array([np.cos(heading), np.sin(heading), 0]))
    draft.mesh(
        shapes.tube(np.array(points), shapes.circle_section(float(rng.uniform(0.0018, 0.004)), 5)),
        "wire",
        "wire",
        (0, 0, 0.001),
    )
    draft.collider("box", (x * 0.97, y * 0.97, z), (0, 0, z / 2))
    return draft.finish(0.1)


BUILDERS: dict[str, list[Builder]] = {
    "AlarmClock": [alarm_clock],
    OTHER: [phone, remote, mouse, keyboard, headphones, camera, game_pad, charger],
}
