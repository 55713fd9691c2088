"""Vases; as Other, candles, pictures and plants in pots."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import Draft, ceramic, look, near, pick, span


def vase(rng: np.random.Generator) -> ObjectModel:
    """A vase: a freely curved round one, a square one, or one with two ears; now and then with dry twigs."""
    style = pick(rng, "round", "round", "square", "eared")
    height = span(rng, 0.23, 0.5)
    broad, foot = height * float(rng.uniform(0.22, 0.45)) * 0.9, float(rng.uniform(0.5, 0.9))
    body = look(rng, "glass", "marble", "print", "plastic", "metal", "wood") if rng.uniform() < 0.6 else ceramic(rng)
    draft = Draft("Vase", f"vase_{style}", body=body)
    neck, belly = float(rng.uniform(0.25, 0.9)), float(rng.uniform(0.25, 0.65))
    points = [(broad * foot, 0), (broad, height * belly), (broad * neck, height * float(rng.uniform(0.8, 0.92)))]
    points.append((broad * neck * float(rng.uniform(1.0, 1.5)), height))
    side = shapes.smooth_profile(points, 7)
    if style == "square":
        rings = [shapes.ring(r, r, z, 6.0, 20) for r, z in side]
        rings += [shapes.ring(side[-1][0] * 0.88, side[-1][0] * 0.88, z, 6.0, 20) for z in (height, height * 0.75)]
        draft.mesh(shapes.loft(rings), "body")
    else:
        draft.mesh(shapes.hollow(side, min(0.006, points[0][0] * 0.2, points[2][0] * 0.3), 20), "body")
    if style == "eared":
        low, attach = height * 0.62, float(np.interp(height * 0.62, [z for _, z in side], [r for r, _ in side]))
        path = np.array(
            [
                (attach * 0.97, 0, low),
                (attach + height * 0.12, 0, low + 0.1 * height),
                (points[2][0] * 0.95, 0, height * 0.88),
            ]
        )
        for turn in (0.0, np.pi):
            ear = shapes.tube(path, shapes.circle_section(height * 0.018, 6))
            draft.mesh(ear.moved(euler=(0, 0, turn)), "body", "handle")
    if rng.uniform() < 0.25:
        draft.looks["twig"] = look(rng, "leaves", "wood")
        for _ in range(int(rng.integers(2, 6))):
            bend = rng.normal(0, height * 0.22, 2)
            path = np.array(
                [(0, 0, height * 0.8), (*bend * 0.4, height * 1.2), (*bend, height * float(rng.uniform(1.4, 1.9)))]
            )
            draft.mesh(shapes.tube(path, shapes.circle_section(0.004, 5), [1, 1, 3]), "twig", "twig")
    widest = max(r for r, _ in side)
    draft.collider("cylinder", (broad * foot, height), (0, 0, height / 2))
    draft.collider("cylinder", (widest, height * 0.4), (0, 0, height * max(0.2, min(belly, 0.8))))
    return draft.finish(float(rng.uniform(0.3, 1.5)))


def candle(rng: np.random.Generator) -> ObjectModel:
    """A candle with a wick, alone, on a saucer, or in a glass."""
    radius, height = span(rng, 0.03, 0.4), span(rng, 0.08, 0.5)
    style = pick(rng, "plain", "saucer", "glass")
    draft = Draft(
        OTHER,
        f"candle_{style}",
        wax=look(rng, "plain", "plastic"),
        wick=Look("plain", (0.1, 0.1, 0.1)),
        holder=look(rng, "metal") if style == "saucer" else look(rng, "glass"),
    )
    base = 0.006 if style != "plain" else 0.0
    wax = height * (0.6 if style == "glass" else 1.0)
    draft.mesh(
        shapes.lathe(
            [
                (radius, base),
                (radius, base + wax * 0.97),
                (radius * 0.92, base + wax),
                (radius * 0.3, base + wax * 0.98),
            ],
            16,
        ),
        "wax",
        "wax",
    )
    draft.cylinder(0.0015, 0.014, (0, 0, base + wax + 0.004), "wick", "wick", (0.2, 0, 0), collides=False)
    wide = radius
    if style == "saucer":
        wide = radius * float(rng.uniform(1.3, 2.0))
        draft.mesh(
            shapes.lathe([(wide * 0.7, 0), (wide, 0.012), (wide * 0.97, 0.013), (wide * 0.7, base)], 18),
            "holder",
            "saucer",
        )
        draft.collider("cylinder", (wide, 0.01), (0, 0, 0.005))
    elif style == "glass":
        wide = radius * 1.12
        draft.mesh(shapes.hollow([(wide, 0), (wide, height)], 0.003, 16), "holder", "holder")
    draft.collider("cylinder", (wide if style == "glass" else radius, height), (0, 0, height / 2))
    return draft.finish(0.2)


def picture_frame(rng: np.random.Generator) -> ObjectModel:
    """A picture in a frame that leans on a foot, or lies."""
    x, z, edge, thick = span(rng, 0.17, 0.4), span(rng, 0.2, 0.4), float(rng.uniform(0.01, 0.03)), 0.014
    draft = Draft(OTHER, "picture_frame", frame=look(rng, "wood", "metal", "plastic"), picture=look(rng, "print"))
    lean = float(rng.uniform(0.15, 0.35))
    turn = shapes.rotation((-lean, 0, 0))

    def at(px: float, py: float, pz: float) -> tuple[float, float, float]:
        p = turn @ np.array([px, py, pz])
        return float(p[0]), float(p[1]), float(p[2])

    tilt = (-lean, 0.0, 0.0)
    for side in (-1, 1):
        draft.box((edge, thick, z), at(side * (x - edge) / 2, 0, z / 2), "frame", "frame", tilt, collides=False)
    for height in (edge / 2, z - edge / 2):
        draft.box((x - 2 * edge, thick, edge), at(0, 0, height), "frame", "frame", tilt, collides=False)
    draft.box((x - 2 * edge, thick * 0.5, z - 2 * edge), at(0, 0, z / 2), "picture", "picture", tilt, collides=False)
    draft.collider("box", (x, thick, z), at(0, 0, z / 2), tilt)
    reach = z * 0.75
    back = 0.3
    low = np.array([0, reach * np.sin(lean) + reach * np.sin(back), 0.004])
    top = np.array([0, reach * np.sin(lean), reach * np.cos(lean)])
    foot = top - low
    slope = float(np.arctan2(-foot[1], foot[2]))
    middle = (top + low) / 2
    draft.box(
        (0.03, 0.004, float(np.linalg.norm(foot))),
        (0.0, float(middle[1]), float(middle[2])),
        "frame",
        "foot",
        (slope, 0, 0),
    )
    return draft.finish(0.3)


def potted_plant(rng: np.random.Generator) -> ObjectModel:
    """A plant in a pot: a bush of leaves, a cactus, or long blades."""
    style = pick(rng, "bush", "cactus", "blades")
    radius, height = span(rng, 0.055, 0.35), span(rng, 0.09, 0.3)
    green = near(rng, (0.2, 0.45, 0.15), 0.08)
    pot = Look("plain", near(rng, (0.65, 0.33, 0.2), 0.05)) if rng.uniform() < 0.4 else ceramic(rng)
    draft = Draft(
        OTHER,
        f"plant_{style}",
        pot=pot,
        soil=Look("marble", (0.2, 0.13, 0.08), (0.1, 0.07, 0.04)),
        leaf=Look("leaves", green, near(rng, green, 0.1)),
    )
    draft.mesh(
        shapes.hollow(
            [(radius * 0.7, 0), (radius * 0.95, height * 0.8), (radius, height * 0.82), (radius, height)], 0.004
        ),
        "pot",
        "pot",
    )
    draft.cylinder(radius * 0.88, 0.006, (0, 0, height * 0.88), "soil", "soil", collides=False)
    base = height * 0.88
    if style == "cactus":
        body = shapes.smooth_profile(
            [
                (radius * 0.35, base),
                (radius * 0.55, base + height * 0.5),
                (radius * 0.2, base + height * float(rng.uniform(0.9, 1.5))),
            ],
            6,
        )
        draft.mesh(shapes.lathe(body, 12), "leaf", "stem")
    elif style == "bush":
        for _ in range(int(rng.integers(3, 7))):
            at, size = rng.normal(0, radius * 0.5, 2), span(rng, radius * 1.2)
            ball = shapes.lump(rng, (size, size, size * 0.9), 0.7, 7, 10)
            draft.mesh(
                ball, "leaf", "leaves", (float(at[0]), float(at[1]), base + float(rng.uniform(0.1, 0.9)) * radius)
            )
        draft.cylinder(0.006, radius, (0, 0, base + radius / 2), "soil", "stem", collides=False)
    else:
        for _ in range(int(rng.integers(6, 14))):
            out = rng.normal(0, radius * 1.1, 2)
            tall = height * float(rng.uniform(0.8, 2.2))
            path = np.array(
                [
                    (0, 0, base - 0.01),
                    (*out * 0.4, base + tall * 0.7),
                    (*out, base + tall * float(rng.uniform(0.75, 1.0))),
                ]
            )
            draft.mesh(shapes.tube(path, shapes.rectangle_section(0.018, 0.002), [0.7, 1.0, 0.15]), "leaf", "leaf")
    draft.collider("cylinder", (radius * 0.85, height), (0, 0, height / 2))
    return draft.finish(0.8)


BUILDERS: dict[str, list[Builder]] = {
    "Vase": [vase],
    OTHER: [candle, picture_frame, potted_plant],
}
