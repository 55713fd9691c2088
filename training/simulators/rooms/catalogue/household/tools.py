"""Tools, all Other: hammers, screwdrivers, pliers, drills, cutlery, torches, spools, boards, cables."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import LIE, TO_FRONT, Draft, grey, look, pick, span, steel


def hammer(rng: np.random.Generator) -> ObjectModel:
    """A hammer or mallet that lies: head across the end of its handle."""
    length, head = span(rng, 0.3, 0.2), span(rng, 0.11)
    mallet = bool(rng.uniform() < 0.3)
    thick = float(rng.uniform(0.02, 0.028)) if mallet else float(rng.uniform(0.011, 0.015))
    draft = Draft(
        OTHER,
        "mallet" if mallet else "hammer",
        head=look(rng, "plain", "wood") if mallet else steel(rng),
        handle=look(rng, "wood", "plastic", "plain"),
    )
    grip = shapes.lathe([(0.013, 0), (0.0155, length * 0.15), (0.012, length * 0.4), (0.009, length)], 10)
    draft.mesh(grip.moved((-length / 2, 0, thick), LIE).scaled(1, 1, 0.75), "handle", "handle", (0, 0, thick * 0.25))
    side = [
        (thick, 0),
        (thick, 0.3 * head),
        (thick * 0.8, 0.35 * head),
        (thick * 0.8, 0.7 * head),
        (thick * (1.0 if mallet else 0.25), head),
    ]
    draft.mesh(shapes.lathe(side, 10).moved((length / 2, head / 2, thick), (np.pi / 2, 0, 0)), "head", "head")
    draft.collider("box", (2 * thick, head, 2 * thick), (length / 2, 0, thick))
    draft.collider("box", (length, 0.022, 0.02), (0, 0, thick))
    return draft.finish(0.6)


def screwdriver(rng: np.random.Generator) -> ObjectModel:
    """A screwdriver, chisel or file with a coloured handle."""
    radius, grip, blade = span(rng, 0.014), span(rng, 0.1), span(rng, 0.11, 0.45)
    draft = Draft(OTHER, "screwdriver", handle=look(rng, "plastic", "plastic", "wood"), blade=steel(rng))
    side = [
        (radius * 0.7, 0),
        (radius, grip * 0.12),
        (radius * 0.85, grip * 0.5),
        (radius, grip * 0.75),
        (radius * 0.5, grip),
    ]
    draft.mesh(shapes.lathe(side, 10).moved((-grip, 0, radius), LIE), "handle", "handle")
    rod = radius * float(rng.uniform(0.2, 0.4))
    draft.mesh(
        shapes.lathe([(rod, 0), (rod, blade * 0.9), (rod * 0.7, blade)], 8).moved((0, 0, radius), LIE), "blade", "blade"
    )
    draft.collider("box", (grip, radius * 1.7, radius * 2), (-grip / 2, 0, radius))
    draft.collider("box", (blade, rod * 2, rod * 2), (blade / 2, 0, radius))
    return draft.finish(0.15)


def pliers(rng: np.random.Generator) -> ObjectModel:
    """Pliers or scissors: two crossed halves about a pivot, with coloured grips or finger rings."""
    scissors = bool(rng.uniform() < 0.5)
    s, spread, thick = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.05, 0.3)), 0.004 if scissors else 0.011
    draft = Draft(OTHER, "scissors" if scissors else "pliers", handle=look(rng, "plastic", "plain"), metal=steel(rng))
    reach = 0.09 * s if scissors else 0.05 * s
    for side in (-1, 1):
        turn = (0.0, 0.0, side * spread)
        blade = np.array(
            [
                (-0.012, -side * 0.006),
                (0, side * 0.009),
                (reach * 0.5, side * 0.007),
                (reach, 0.0005 * side),
                (reach, -0.001 * side),
                (0, -side * 0.006),
            ]
        )
        draft.mesh(shapes.prism(blade, thick).moved((0, 0, thick * 0.5 * (side + 1) * 0.5), turn), "metal", "blade")
        if scissors:
            loop = shapes.arc(1.0, 0, 2 * np.pi, 15, "xy") * [0.028 * s, 0.017 * s, 1] + [
                -0.055 * s,
                side * -0.012,
                thick,
            ]
            draft.mesh(shapes.tube(loop, shapes.circle_section(0.005, 6)).moved(euler=turn), "handle", "handle")
            stem = np.array([(-0.005, 0, thick), (-0.028 * s, -side * 0.008, thick)])
            draft.mesh(shapes.tube(stem, shapes.circle_section(0.005, 6)).moved(euler=turn), "handle", "handle")
        else:
            path = np.array(
                [
                    (-0.005, 0, thick * 0.7),
                    (-0.04 * s, -side * 0.014, thick * 0.7),
                    (-0.12 * s, -side * 0.012, thick * 0.7),
                ]
            )
            draft.mesh(
                shapes.tube(path, shapes.circle_section(1.0, 8) * [0.007, 0.007], [0.8, 1.1, 1]).moved(euler=turn),
                "handle",
                "handle",
            )
    draft.cylinder(0.006, thick * 1.9, (0, 0, thick * 0.95), "metal", "pivot", collides=False)
    wide = 0.05 * s + 0.1 * spread * s
    draft.collider("box", (0.085 * s, wide, 0.011), (-0.05 * s, 0, 0.0055))
    draft.collider("box", (reach, 0.02, 0.01), (reach / 2, 0, 0.005))
    return draft.finish(0.2)


def drill(rng: np.random.Generator) -> ObjectModel:
    """A drill, glue gun or hair dryer: a barrel on a grip; it stands on its battery or lies on its side."""
    style = pick(rng, "drill", "hair_dryer")
    s, stands = float(rng.uniform(0.8, 1.2)), style == "drill" and rng.uniform() < 0.5
    draft = Draft(
        OTHER, style, body=look(rng, "plastic"), dark=Look("plastic", grey(rng, 0.04, 0.25)), metal=look(rng, "metal")
    )
    barrel = (
        [(0.02, 0), (0.028, 0.01), (0.028, 0.12), (0.02, 0.14)]
        if style == "drill"
        else [(0.025, 0), (0.036, 0.012), (0.036, 0.07), (0.022, 0.16)]
    )
    parts = [(shapes.lathe(barrel, 14).moved((-0.05, 0, 0.15), LIE), "body", "barrel")]
    if style == "drill":
        parts.append(
            (
                shapes.lathe([(0.019, 0.13), (0.016, 0.16), (0.006, 0.17), (0.004, 0.23)], 10).moved(
                    (-0.05, 0, 0.15), LIE
                ),
                "metal",
                "chuck",
            )
        )
        parts.append((shapes.rounded_box((0.085, 0.06, 0.04), 0.006, 1).moved((-0.01, 0, 0.02)), "dark", "battery"))
    else:
        parts.append(
            (
                shapes.lathe([(0.023, 0.155), (0.023, 0.175)], 10).moved((-0.05, 0, 0.15), LIE).scaled(1, 1.6, 1),
                "dark",
                "nozzle",
            )
        )
    grip = [(-0.032, 0.03), (0.012, 0.03), (0.0, 0.14), (-0.035, 0.14)]
    parts.append(
        (shapes.prism(grip, 0.034).moved((0, 0.017, 0), TO_FRONT), "body" if rng.uniform() < 0.5 else "dark", "grip")
    )
    parts.append(
        (
            shapes.prism([(0.006, 0.09), (0.014, 0.09), (0.01, 0.125), (0.002, 0.125)], 0.018).moved(
                (0, 0.009, 0), TO_FRONT
            ),
            "dark",
            "trigger",
        )
    )
    for mesh, name, part in parts:
        draft.mesh((mesh if stands else mesh.moved(euler=TO_FRONT)).scaled(s, s, s), name, part)
    if stands:
        draft.collider("box", (0.085 * s, 0.06 * s, 0.04 * s), (-0.01 * s, 0, 0.02 * s))
        draft.collider("box", (0.045 * s, 0.035 * s, 0.1 * s), (-0.015 * s, 0, 0.09 * s))
        draft.collider("box", (0.15 * s, 0.055 * s, 0.055 * s), (0.03 * s, 0, 0.15 * s))
    else:
        thick = 0.028 if style == "drill" else 0.036
        draft.collider("box", (0.15 * s, 0.055 * s, 2 * thick * s), (0.03 * s, -0.15 * s, 0))
        if style == "drill":
            draft.collider("box", (0.085 * s, 0.04 * s, 2 * thick * s), (-0.01 * s, -0.02 * s, 0))
        draft.collider("box", (0.04 * s, 0.11 * s, 0.035 * s), (-0.012 * s, -0.085 * s, 0))
    return draft.finish(1.0)


def flashlight(rng: np.random.Generator) -> ObjectModel:
    """A torch that lies or stands on its head."""
    radius, length = span(rng, 0.016), span(rng, 0.16, 0.3)
    head = radius * float(rng.uniform(1.2, 1.9))
    draft = Draft(
        OTHER,
        "flashlight",
        body=look(rng, "metal", "plastic"),
        lens=Look("glass", (0.95, 0.95, 0.9), alpha=0.8),
        button=look(rng, "plastic"),
    )
    side = [(radius, 0), (radius, length * 0.68), (head, length * 0.8), (head, length)]
    stands = bool(rng.uniform() < 0.25)
    body, lens = shapes.lathe(side, 16), shapes.lathe([(head * 0.88, length), (head * 0.88, length + 0.002)], 16)
    if stands:
        draft.mesh(body.moved((0, 0, length), (np.pi, 0, 0)), "body")
        draft.collider("cylinder", (head, length), (0, 0, length / 2))
    else:
        for mesh, name in ((body, "body"), (lens, "lens")):
            draft.mesh(mesh.moved((-length / 2, 0, head), LIE), name, name)
        draft.box((0.018, 0.009, 0.004), (0, 0, head + radius), "button", "button", collides=False)
        draft.collider("cylinder", (radius, length * 0.8), (-length * 0.1, 0, head), LIE)
        draft.collider("cylinder", (head, length * 0.22), (length * 0.39, 0, head), LIE)
    return draft.finish(0.2)


def spool(rng: np.random.Generator) -> ObjectModel:
    """A spool of yarn, wire or thread, standing or on its side."""
    radius, height = span(rng, 0.035, 0.5), span(rng, 0.06, 0.4)
    draft = Draft(OTHER, "spool", rim=look(rng, "plastic", "wood"), yarn=look(rng, "fabric", "plain", "metal"))
    full, rim = radius * float(rng.uniform(0.6, 0.95)), height * 0.08
    for z in (rim / 2, height - rim / 2):
        draft.cylinder(radius, rim, (0, 0, z), "rim", "flange", collides=False)
    draft.mesh(
        shapes.lathe([(full, rim * 0.9), (full * 1.02, height / 2), (full, height - rim * 0.9)], 18), "yarn", "yarn"
    )
    draft.cylinder(radius * 0.25, 0.002, (0, 0, height), "yarn", "hole", collides=False)
    draft.collider("cylinder", (radius, height), (0, 0, height / 2))
    return draft.finish(0.1)


def cable(rng: np.random.Generator) -> ObjectModel:
    """A coiled cable, rope, chain or belt."""
    style = pick(rng, "coil", "belt")
    draft = Draft(OTHER, style, wire=look(rng, "plain", "plastic", "fabric"), plug=look(rng, "plastic", "metal"))
    if style == "coil":
        turns, radius, thick = int(rng.integers(2, 5)), span(rng, 0.05), float(rng.uniform(0.004, 0.009))
        angle = np.linspace(0, 2 * np.pi * turns, 12 * turns)
        wobble = radius * (1 + 0.08 * np.sin(1.7 * angle + rng.uniform(0, 6)))
        path = np.stack(
            [wobble * np.cos(angle), wobble * np.sin(angle), thick * (0.5 + 0.8 * angle / (2 * np.pi))], axis=1
        )
        draft.mesh(shapes.tube(path, shapes.circle_section(thick / 2, 5)), "wire", "wire")
        draft.box((0.014, 0.03, 0.012), tuple(path[-1] + [0, 0.012, 0.002]), "plug", "plug", collides=False)
        high = thick * (0.8 * turns + 0.5)
        draft.collider("cylinder", (radius, high), (0, 0, high / 2))
    else:
        high = float(rng.uniform(0.025, 0.045))
        angle = np.linspace(0, 2 * np.pi * 2.4, 30)
        spread = 0.02 + 0.006 * angle / np.pi
        path = np.stack([spread * np.cos(angle), spread * np.sin(angle), np.full(30, high / 2)], axis=1)
        draft.mesh(shapes.tube(path, shapes.rectangle_section(0.0035, high)), "wire", "strap")
        draft.box(
            (0.006, 0.035, high * 1.1), tuple(path[-1] + [0, 0.01, high * 0.05]), "plug", "buckle", collides=False
        )
        draft.collider("cylinder", (0.045, high), (0, 0, high / 2))
    return draft.finish(0.15)


BUILDERS: dict[str, list[Builder]] = {OTHER: [hammer, screwdriver, pliers, drill, flashlight, spool, cable]}
