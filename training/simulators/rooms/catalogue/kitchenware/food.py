"""Bread and, as Other, fruit."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import LIE, Draft, near, pick, span, vec3


def _crust(rng: np.random.Generator) -> Look:
    return Look("marble", near(rng, (0.68, 0.44, 0.2), 0.07), near(rng, (0.82, 0.63, 0.38), 0.06))


def bread_loaf(rng: np.random.Generator) -> ObjectModel:
    """A tin loaf, country loaf or baguette."""
    style = pick(rng, "loaf", "round", "baguette")
    length, width, height = {"loaf": (0.22, 0.11, 0.1), "round": (0.2, 0.17, 0.09), "baguette": (0.38, 0.065, 0.05)}[
        style
    ]
    length, width, height = span(rng, length), span(rng, width, 0.2), span(rng, height, 0.2)
    draft = Draft("Bread", f"bread_{style}", crust=_crust(rng))
    if style == "round":
        draft.mesh(shapes.lump(rng, (length, width, height), 0.12), "crust")
    else:
        stations = np.linspace(-1, 1, 9)
        rings = []
        for x in stations:
            end = 1 - abs(x) ** (8 if style == "loaf" else 4) * (0.25 if style == "loaf" else 0.85)
            section = shapes.ring(width / 2 * end, height / 2 * end * float(rng.uniform(0.94, 1)), 0, 2.8, 14)
            y, z = section[:, 0], section[:, 1] + height / 2
            rings.append(np.column_stack([np.full(14, x * length / 2), y, z]))
        draft.mesh(shapes.loft(rings), "crust")
    draft.collider("box", (length * 0.85, width * 0.8, height * 0.95), (0, 0, height * 0.49))
    return draft.finish(float(rng.uniform(0.2, 0.7)))


def bread_slice(rng: np.random.Generator) -> ObjectModel:
    """One or several lying slices with a crust, or a roll cut in two halves."""
    width, thick = span(rng, 0.105), float(rng.uniform(0.011, 0.02))
    crumb = Look("marble", near(rng, (0.92, 0.82, 0.62), 0.05), near(rng, (0.85, 0.72, 0.5), 0.05))
    draft = Draft("Bread", "bread_slice", crumb=crumb, crust=_crust(rng))
    half = width / 2
    top = [(half * 1.05 * np.cos(a), half * 0.55 + half * 0.45 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
    outline = np.array([(half * 0.92, -half), *top, (-half * 0.92, -half)])
    for k in range(int(rng.integers(1, 4))):
        place = vec3([*rng.normal(0, 0.008, 2), k * thick])
        turn = float(rng.normal(0, 0.2))
        draft.mesh(shapes.prism(outline, thick).moved(place, (0, 0, turn)), "crust", "crust", collides=False)
        inner = shapes.prism(outline * 0.91, thick + 0.0015).moved(place, (0, 0, turn))
        draft.mesh(inner, "crumb", "crumb")
        draft.collider(
            "box", (width * 0.92, width * 0.92, thick), (place[0], place[1], place[2] + thick / 2), (0, 0, turn)
        )
    return draft.finish(0.06)


def fruit(rng: np.random.Generator) -> ObjectModel:
    """An apple, pear, orange, lemon, tomato, potato, egg or banana."""
    style = pick(rng, "apple", "orange", "lemon", "pear", "potato", "egg", "banana", "banana")
    tones = {
        "apple": (0.7, 0.13, 0.1), "orange": (0.93, 0.5, 0.1), "lemon": (0.93, 0.82, 0.18), "pear": (0.66, 0.7, 0.22),
        "potato": (0.6, 0.46, 0.28), "egg": (0.86, 0.72, 0.58), "banana": (0.9, 0.76, 0.17),
    }  # fmt: skip
    skin = near(rng, tones[style], 0.07) if rng.uniform() < 0.8 else near(rng, (0.45, 0.62, 0.15), 0.06)
    draft = Draft(
        OTHER,
        style,
        skin=Look(pick(rng, "marble", "plain", "plastic"), skin, near(rng, skin, 0.15)),
        stem=Look("wood", (0.3, 0.2, 0.1), (0.2, 0.1, 0.05)),
    )
    s = float(rng.uniform(0.8, 1.2))
    if style == "banana":
        bow = shapes.arc(0.11 * s, 0.15, 1.6, 9, "xy")
        bow[:, 2] = 0.018 * s
        draft.mesh(
            shapes.tube(bow, shapes.circle_section(0.018 * s, 6), [0.3, 0.7, 0.95, 1, 1, 1, 0.9, 0.5, 0.25]), "skin"
        )
        for k in (2, 4, 6):
            draft.collider("sphere", (0.0175 * s,), tuple(bow[k]))
        return draft.finish(0.15)
    profiles = {
        "apple": [
            (0.006, 0.006),
            (0.02, 0.0),
            (0.036, 0.022),
            (0.038, 0.045),
            (0.028, 0.066),
            (0.012, 0.07),
            (0.004, 0.062),
        ],
        "orange": [(0.01, 0), (0.027, 0.008), (0.038, 0.036), (0.028, 0.064), (0.01, 0.073)],
        "lemon": [
            (0.006, 0),
            (0.01, 0.007),
            (0.024, 0.022),
            (0.029, 0.042),
            (0.022, 0.064),
            (0.009, 0.078),
            (0.005, 0.084),
        ],
        "pear": [
            (0.008, 0.004),
            (0.022, 0.0),
            (0.036, 0.025),
            (0.032, 0.048),
            (0.019, 0.075),
            (0.014, 0.095),
            (0.004, 0.1),
        ],
        "egg": [(0.008, 0), (0.019, 0.008), (0.0225, 0.024), (0.017, 0.043), (0.007, 0.055)],
    }
    if style == "potato":
        size = (0.09 * s, 0.06 * s, 0.05 * s)
        draft.mesh(shapes.lump(rng, size, 0.3), "skin")
        draft.collider("capsule", (0.022 * s, 0.03 * s), (0, 0, 0.024 * s), LIE)
        return draft.finish(0.15)
    profile = [(r * s, z * s) for r, z in profiles[style]]
    top, wide = max(z for _, z in profile), max(r for r, _ in profile)
    body = shapes.lathe(profile, 18)
    if style in ("lemon", "egg"):  # they lie
        draft.mesh(body.moved((-top / 2, 0, wide), LIE), "skin")
        draft.collider("capsule", (wide * 0.97, max(top - 2 * wide, 0.002) * 0.9), (0, 0, wide), LIE)
    else:
        draft.mesh(body, "skin")
        draft.collider("sphere", (wide * 0.9,), (0, 0, wide * 0.95))
        draft.collider("cylinder", (wide * 0.5, top * 0.5), (0, 0, top * 0.25))
        if style != "orange":
            draft.cylinder(0.0015, 0.016, (0, 0, top), "stem", "stem", (0.2, 0.2, 0), collides=False)
    return draft.finish(0.15)


BUILDERS: dict[str, list[Builder]] = {"Bread": [bread_loaf, bread_slice], OTHER: [fruit, fruit]}
