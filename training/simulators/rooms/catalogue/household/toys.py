"""Toys and shapeless things, all Other."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import TO_FRONT, Draft, grey, look, near, pick


def toy_block(rng: np.random.Generator) -> ObjectModel:
    """A wooden block: cuboid, wedge, arch or cylinder; plain, coloured or printed."""
    style = pick(rng, "cuboid", "wedge", "arch", "cylinder", "cube")
    draft = Draft(OTHER, f"block_{style}", body=look(rng, "wood", "plain", "plastic", "print", "marble"))
    x, y, z = (float(v) for v in rng.uniform(0.03, 0.12, 3))
    if style == "cube":
        y = z = x
    if style in ("cuboid", "cube"):
        draft.box((x, y, z), (0, 0, z / 2), "body")
    elif style == "wedge":
        draft.mesh(
            shapes.prism([(0, 0), (x, 0), (0 if rng.uniform() < 0.5 else x / 2, z)], y).moved(euler=(np.pi / 2, 0, 0)),
            "body",
            collides=True,
        )
    elif style == "cylinder":
        draft.cylinder(x / 2, z, (0, 0, z / 2), "body")
    else:
        hole = [(x * 0.28 * np.cos(a), x * 0.28 * np.sin(a)) for a in np.linspace(np.pi, 0, 9)]
        outline = [(-x / 2, 0), *hole, (x / 2, 0), (x / 2, x * 0.5), (-x / 2, x * 0.5)]
        draft.mesh(shapes.prism(outline, y).moved(euler=(np.pi / 2, 0, 0)), "body")
        draft.collider("box", (x, y, x * 0.5), (0, -y / 2, x * 0.25))
    return draft.finish(0.15)


def toy_car(rng: np.random.Generator) -> ObjectModel:
    """A toy car or van with four wheels and a cabin."""
    s = float(rng.uniform(0.6, 1.6))
    van = bool(rng.uniform() < 0.4)
    draft = Draft(
        OTHER,
        "toy_van" if van else "toy_car",
        body=look(rng, "plastic", "metal", "wood"),
        wheel=Look("plain", grey(rng, 0.03, 0.25)),
        glass=Look("plastic", (0.1, 0.12, 0.16)),
    )
    low = [(-0.06, 0.008), (0.06, 0.008), (0.062, 0.026), (0.03, 0.031), (-0.06, 0.03)]
    high = (
        [(-0.058, 0.029), (0.03, 0.029), (0.018, 0.055), (-0.057, 0.06)]
        if van
        else [(-0.045, 0.029), (0.028, 0.029), (0.01, 0.048), (-0.03, 0.048)]
    )
    for name, side, width in (
        ("body", low, 0.05),
        ("body", high, 0.044),
        ("glass", [(x * 0.85 - 0.002, 0.033 + (z - 0.029) * 0.6) for x, z in high], 0.045),
    ):
        part = shapes.prism(np.array(side) * s, width * s).moved((0, width * s / 2, 0), (np.pi / 2, 0, 0))
        draft.mesh(part, name, "window" if name == "glass" else "body")
    for x in (-0.036, 0.036):
        for y in (-1, 1):
            draft.cylinder(
                0.011 * s,
                0.008 * s,
                (x * s, y * 0.024 * s, 0.011 * s),
                "wheel",
                "wheel",
                (np.pi / 2, 0, 0),
                collides=False,
            )
    draft.collider("box", (0.12 * s, 0.054 * s, 0.03 * s), (0, 0, 0.015 * s))
    draft.collider("box", (0.06 * s, 0.044 * s, 0.02 * s), (-0.01 * s, 0, 0.038 * s))
    return draft.finish(0.15)


def soft_toy(rng: np.random.Generator) -> ObjectModel:
    """A soft toy: a bear or rabbit that sits."""
    s = float(rng.uniform(0.6, 1.4))
    fur = (
        look(rng, "fabric", "plain")
        if rng.uniform() < 0.5
        else Look("fabric", near(rng, (0.6, 0.42, 0.26), 0.1), (0.7, 0.5, 0.3))
    )
    draft = Draft(OTHER, "soft_toy", fur=fur, dark=Look("plain", (0.05, 0.04, 0.04)), pale=look(rng, "fabric", "plain"))
    draft.ellipsoid((0.1 * s, 0.09 * s, 0.12 * s), (0, 0, 0.06 * s), "fur", "body", collides=False)
    draft.ellipsoid((0.085 * s, 0.08 * s, 0.075 * s), (0, -0.005 * s, 0.145 * s), "fur", "head", collides=False)
    draft.ellipsoid((0.035 * s, 0.03 * s, 0.025 * s), (0, -0.045 * s, 0.138 * s), "pale", "snout", collides=False)
    draft.ellipsoid((0.06 * s, 0.03 * s, 0.07 * s), (0, -0.034 * s, 0.06 * s), "pale", "belly", collides=False)
    long_ears = bool(rng.uniform() < 0.4)
    for side in (-1, 1):
        ear = (0.025 * s, 0.012 * s, 0.09 * s) if long_ears else (0.032 * s, 0.016 * s, 0.032 * s)
        draft.ellipsoid(ear, (side * 0.03 * s, 0, (0.21 if long_ears else 0.18) * s), "fur", "ear", collides=False)
        draft.ellipsoid((0.009 * s,) * 3, (side * 0.018 * s, -0.04 * s, 0.155 * s), "dark", "eye", collides=False)
        arm = np.array([(side * 0.04, -0.01, 0.1), (side * 0.065, -0.03, 0.07), (side * 0.06, -0.05, 0.05)]) * s
        draft.mesh(shapes.tube(arm, shapes.circle_section(0.017 * s, 8), [0.9, 1, 0.8]), "fur", "arm")
        leg = np.array([(side * 0.035, 0, 0.025), (side * 0.045, -0.05, 0.024), (side * 0.05, -0.09, 0.028)]) * s
        draft.mesh(shapes.tube(leg, shapes.circle_section(0.022 * s, 8), [1, 1, 1.05]), "fur", "leg")
    draft.collider("box", (0.085 * s, 0.08 * s, 0.12 * s), (0, 0, 0.06 * s))
    draft.collider("sphere", (0.037 * s,), (0, -0.005 * s, 0.145 * s))
    draft.collider("box", (0.12 * s, 0.07 * s, 0.04 * s), (0, -0.065 * s, 0.022 * s))
    return draft.finish(0.2)


def stone(rng: np.random.Generator) -> ObjectModel:
    """A shapeless thing: a stone, a crumpled paper or foil ball, a cloth heap, a piece of ginger."""
    style = pick(rng, "stone", "crumpled", "cloth")
    size = tuple(float(v) for v in rng.uniform(0.04, 0.13, 3))
    if style == "cloth":
        size = (size[0] * 1.8, size[1] * 1.8, size[2] * 0.5)
    kinds = {
        "stone": look(rng, "marble", "plain", "wood"),
        "crumpled": look(rng, "paper", "print", "metal"),
        "cloth": look(rng, "fabric"),
    }
    draft = Draft(OTHER, f"lump_{style}", body=kinds[style])
    rough = {"stone": 0.3, "crumpled": 0.5, "cloth": 0.6}[style]
    flat = (size[0], size[1], size[2] * float(rng.uniform(0.5, 1.0)))
    draft.mesh(shapes.lump(rng, flat, rough, 11, 16), "body", collides=style == "stone")
    if style != "stone":
        draft.collider("box", (flat[0] * 0.75, flat[1] * 0.75, flat[2] * 0.9), (0, 0, flat[2] * 0.45))
    return draft.finish(0.2)


def composite(rng: np.random.Generator) -> ObjectModel:
    """A thing of no name: two to four solids stuck together at random, as one meets in any workshop."""
    draft = Draft(
        OTHER,
        "composite",
        one=look(rng, "plastic", "metal", "print", "wood"),
        two=look(rng, "plain", "plastic", "metal"),
    )
    base = (float(rng.uniform(0.03, 0.12)), float(rng.uniform(0.03, 0.12)), float(rng.uniform(0.02, 0.08)))
    if rng.uniform() < 0.6:
        draft.box(base, (0, 0, base[2] / 2), "one", "base")
    else:
        draft.cylinder(base[0] / 2, base[2], (0, 0, base[2] / 2), "one", "base")
    for number in range(int(rng.integers(1, 4))):
        name, part = pick(rng, "one", "two", "two"), f"piece_{number + 1}"
        where = rng.uniform(-0.35, 0.35, 2) * base[:2]
        size = rng.uniform(0.2, 0.8, 3) * [base[0], base[1], 0.08]
        pos = (float(where[0]), float(where[1]), base[2] + float(size[2]) * 0.45)
        kind = pick(rng, "box", "cylinder", "side", "dome")
        if kind == "box":
            draft.box((float(size[0]), float(size[1]), float(size[2])), pos, name, part)
        elif kind == "cylinder":
            draft.cylinder(float(size[0]) / 2, float(size[2]), pos, name, part)
        elif kind == "side":
            draft.cylinder(
                min(float(size[0]), base[2]) * 0.35,
                base[1] * float(rng.uniform(1.1, 1.6)),
                (pos[0], 0, base[2] * 0.6),
                name,
                part,
                TO_FRONT,
            )
        else:
            draft.ellipsoid((float(size[0]), float(size[0]), float(size[2])), (pos[0], pos[1], base[2]), name, part)
    return draft.finish(0.3)


BUILDERS: dict[str, list[Builder]] = {OTHER: [toy_block, toy_block, toy_car, soft_toy, stone, composite, composite]}
