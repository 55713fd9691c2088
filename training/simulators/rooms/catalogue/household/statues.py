"""Statues: abstract ones, figures, and both in frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...geometry import shapes
from ...geometry.model import Builder, ObjectModel
from ..kits.draft import Draft, look, pick, span


def statue_abstract(rng: np.random.Generator) -> ObjectModel:
    """An abstract sculpture on a plinth: stacked bodies, a twisted column, or a ring."""
    style = pick(rng, "stack", "twist", "ring")
    draft = Draft(
        "Statue",
        f"statue_{style}",
        body=look(rng, "marble", "metal", "plastic", "wood"),
        plinth=look(rng, "wood", "marble", "metal"),
    )
    foot, rise = span(rng, 0.09), float(rng.uniform(0.015, 0.04))
    draft.box((foot, foot, rise), (0, 0, rise / 2), "plinth", "plinth")
    height = span(rng, 0.17, 0.35)
    if style == "stack":
        z = rise - 0.004
        for k in range(int(rng.integers(2, 5))):
            size = span(rng, 0.07) * 0.85**k
            draft.mesh(
                shapes.lump(rng, (size, size * 0.9, size * 0.8), 0.3),
                "body",
                "stone",
                (float(rng.normal(0, 0.004)), 0, z),
            )
            draft.collider("cylinder", (size * 0.4, size * 0.8), (0, 0, z + size * 0.4))
            z += size * 0.74
    elif style == "twist":
        turn, thick = float(rng.uniform(1, 4)), foot * 0.32
        rings = []
        for t in np.linspace(0, 1, 10):
            ring = shapes.ring(thick * (1 - 0.45 * t), thick * (0.45 - 0.2 * t), rise + t * height, 4.0, 14)
            rings.append(
                (ring - [0, 0, rise]) @ shapes.rotation((0, 0, turn * t)).T + [thick * 0.5 * np.sin(3 * t), 0, rise]
            )
        draft.mesh(shapes.loft(rings), "body")
        draft.collider("box", (thick * 1.2, thick * 0.9, height), (0, 0, rise + height / 2))
    else:
        radius, thick = height * 0.36, float(rng.uniform(0.015, 0.03))
        draft.mesh(
            shapes.torus(radius, thick, 22, 8).moved((0, 0, rise + radius + thick * 0.4), (np.pi / 2, 0, 0)),
            "body",
            "ring",
        )
        draft.collider("box", (radius * 2, thick, radius * 2), (0, 0, rise + radius + thick * 0.45))
    return draft.finish(float(rng.uniform(0.5, 2.5)))


def statue_figure(rng: np.random.Generator) -> ObjectModel:
    """A figure: a bust, a standing person with arms, or an animal on four legs."""
    style = pick(rng, "bust", "person", "animal")
    draft = Draft(
        "Statue",
        f"statue_{style}",
        body=look(rng, "marble", "metal", "plain", "plastic", "wood"),
        plinth=look(rng, "wood", "marble"),
    )
    s = float(rng.uniform(0.75, 1.5))
    if style == "bust":
        chest = [
            (0.032, 0),
            (0.03, 0.02),
            (0.055, 0.05),
            (0.06, 0.085),
            (0.022, 0.11),
            (0.02, 0.125),
            (0.03, 0.14),
            (0.036, 0.17),
            (0.028, 0.2),
        ]
        draft.mesh(shapes.lathe([(r * s, z * s) for r, z in chest], 16).scaled(1, 0.75, 1), "body")
        draft.ellipsoid((0.014 * s, 0.025 * s, 0.02 * s), (0, -0.027 * s, 0.165 * s), "body", "nose", collides=False)
        draft.collider("box", (0.06 * s, 0.05 * s, 0.2 * s), (0, 0, 0.1 * s))
    elif style == "person":
        draft.cylinder(0.045 * s, 0.015 * s, (0, 0, 0.0075 * s), "plinth", "plinth")
        hips = [
            (0.035, 0),
            (0.03, 0.03),
            (0.022, 0.085),
            (0.018, 0.11),
            (0.028, 0.15),
            (0.024, 0.165),
            (0.008, 0.172),
            (0.008, 0.18),
        ]
        draft.mesh(shapes.lathe([(r * s, (z + 0.014) * s) for r, z in hips], 14).scaled(1, 0.75, 1), "body", "torso")
        draft.ellipsoid((0.028 * s, 0.03 * s, 0.036 * s), (0, 0, 0.208 * s), "body", "head", collides=False)
        for side in (-1, 1):
            hand = np.array([side * float(rng.uniform(0.03, 0.06)), -0.015, float(rng.uniform(0.07, 0.24))])
            path = np.array([(side * 0.024, 0, 0.165), (side * 0.045, -0.002, 0.13), hand]) * s
            draft.mesh(shapes.tube(path, shapes.circle_section(0.0075 * s, 6)), "body", "arm")
        draft.collider("cylinder", (0.028 * s, 0.22 * s), (0, 0, 0.11 * s))
    else:
        draft.capsule(0.024 * s, 0.06 * s, (0, 0, 0.075 * s), "body", "body", (0, np.pi / 2, 0))
        for x in (-0.03, 0.03):
            for y in (-0.013, 0.013):
                draft.cylinder(0.007 * s, 0.065 * s, (x * s, y * s, 0.0325 * s), "body", "leg")
        draft.ellipsoid((0.05 * s, 0.034 * s, 0.036 * s), (-0.06 * s, 0, 0.11 * s), "body", "head", collides=False)
        neck = np.array([(-0.03, 0, 0.08), (-0.045, 0, 0.095), (-0.058, 0, 0.11)]) * s
        draft.mesh(shapes.tube(neck, shapes.circle_section(0.014 * s, 8)), "body", "neck")
        tail = np.array([(0.045, 0, 0.085), (0.07, 0, 0.1), (0.075, 0.01, 0.13)]) * s
        draft.mesh(shapes.tube(tail, shapes.circle_section(0.005 * s, 6), [1, 0.8, 0.5]), "body", "tail")
        for side in (-1, 1):
            draft.ellipsoid(
                (0.008 * s, 0.012 * s, 0.028 * s),
                (-0.05 * s, side * 0.013 * s, 0.13 * s),
                "body",
                "ear",
                collides=False,
            )
    return draft.finish(float(rng.uniform(0.3, 2.0)))


def statue_framed(rng: np.random.Generator) -> ObjectModel:
    """A statue within a frame: four bars, two posts under an arch, or a niche with a back."""
    style = pick(rng, "bars", "arch", "niche")
    inner = (statue_abstract, statue_figure)[int(rng.integers(2))](rng)
    draft = Draft(
        "Statue", f"statue_framed_{style}", **inner.looks, frame=look(rng, "wood", "metal", "plastic", "marble")
    )
    bar, gap = span(rng, 0.014, 0.5), float(rng.uniform(0.004, 0.03))
    x, y, z = inner.size
    wide, deep, high = x + 2 * (gap + bar), max(y + gap, 0.05), z + gap
    draft.solids += [replace(solid, pos=(*solid.pos[:2], solid.pos[2] + bar)) for solid in inner.solids]
    draft.box((wide, deep, bar), (0, 0, bar / 2), "frame", "frame")
    for side in (-1, 1):
        draft.box(
            (bar, deep if style == "niche" else bar, high),
            (side * (wide - bar) / 2, 0, bar + high / 2),
            "frame",
            "frame",
        )
    if style == "arch":
        bow = shapes.arc((wide - bar) / 2, 0, np.pi, 13) * [1, 1, 0.6]
        mesh = shapes.tube(bow, shapes.rectangle_section(bar, bar)).moved((0, 0, bar + high))
        draft.mesh(mesh, "frame", "frame")
        draft.collider("box", (wide * 0.6, bar, bar), (0, 0, high + 0.3 * wide))
    else:
        draft.box((wide, deep if style == "niche" else bar, bar), (0, 0, 1.5 * bar + high), "frame", "frame")
    if style == "niche":
        draft.looks["back"] = look(rng, "plain", "fabric", "wood")
        draft.box((wide - 2 * bar, 0.004, high), (0, deep / 2 - 0.002, bar + high / 2), "back", "back")
    return draft.finish(inner.mass + 0.3)


BUILDERS: dict[str, list[Builder]] = {"Statue": [statue_abstract, statue_figure, statue_framed]}
