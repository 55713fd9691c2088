"""Tableware, all Other: cutlery, tea pots, boards and trays, mills."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, ObjectModel
from ..kits.draft import Draft, ceramic, look, pick, span, steel


def cutlery(rng: np.random.Generator) -> ObjectModel:
    """A fork, knife, spoon, spatula or ladle."""
    style = pick(rng, "fork", "knife", "spoon", "spatula")
    length, thick = span(rng, 0.19 if style != "spatula" else 0.27), 0.003
    draft = Draft(
        OTHER,
        style,
        metal=steel(rng) if rng.uniform() < 0.7 else look(rng, "plastic", "wood"),
        handle=look(rng, "plastic", "wood"),
    )
    two_tone = style in ("knife", "spatula") or rng.uniform() < 0.2
    half = float(rng.uniform(0.005, 0.008))
    grip = [(-length / 2, -half), (0.0, -half * 0.6), (0.0, half * 0.6), (-length / 2, half)]
    draft.mesh(shapes.prism(grip, thick * (2.5 if two_tone else 1)), "handle" if two_tone else "metal", "handle")
    end = length / 2
    if style == "knife":
        draft.mesh(
            shapes.prism([(0, -half), (end * 0.8, -half), (end, half * 0.9), (0, half)], 0.002), "metal", "blade"
        )
    elif style == "spoon":
        draft.mesh(
            shapes.prism([(0, -0.003), (end * 0.5, -0.003), (end * 0.5, 0.003), (0, 0.003)], thick), "metal", "neck"
        )
        cup = shapes.hollow([(0.008, 0), (0.016, 0.005), (0.02, 0.01)], 0.002, 14).scaled(1.4, 1, 1)
        draft.mesh(cup, "metal", "bowl", (end * 0.5 + 0.026, 0, 0))
    elif style == "fork":
        draft.mesh(
            shapes.prism(
                [
                    (0, -0.003),
                    (end * 0.45, -0.012),
                    (end * 0.6, -0.012),
                    (end * 0.6, 0.012),
                    (end * 0.45, 0.012),
                    (0, 0.003),
                ],
                thick,
            ),
            "metal",
            "neck",
        )
        for y in (-0.0105, -0.0035, 0.0035, 0.0105):
            draft.box((end * 0.42, 0.003, thick), (end * 0.79, y, thick / 2), "metal", "tine", collides=False)
    else:
        draft.mesh(
            shapes.prism([(0, -0.004), (end * 0.45, -0.004), (end * 0.45, 0.004), (0, 0.004)], thick), "metal", "neck"
        )
        draft.mesh(
            shapes.prism([(end * 0.4, -0.03), (end, -0.038), (end, 0.038), (end * 0.4, 0.03)], thick), "metal", "blade"
        )
    draft.collider("box", (length, 0.016, 0.006), (0, 0, 0.003))
    return draft.finish(0.05)


def board(rng: np.random.Generator) -> ObjectModel:
    """A cutting board, tray or plank, with a hole or a rim."""
    style = pick(rng, "cutting_board", "tray", "plank")
    x, y, z = span(rng, 0.33, 0.3), span(rng, 0.21, 0.3), float(rng.uniform(0.008, 0.025))
    draft = Draft(
        OTHER, style, body=look(rng, "wood", "plastic", "marble", "wood"), rim=look(rng, "plastic", "wood", "metal")
    )
    if style == "plank":
        y *= 0.4
        draft.box((x, y, z), (0, 0, z / 2), "body")
    elif style == "tray":
        draft.looks["rim"] = draft.looks["body"] if rng.uniform() < 0.5 else draft.looks["rim"]
        draft.box((x, y, 0.005), (0, 0, 0.0025), "body")
        for side in (-1, 1):
            draft.box((x, 0.008, z + 0.01), (0, side * (y / 2 - 0.004), (z + 0.01) / 2), "rim", "rim")
            draft.box((0.008, y, z + 0.01), (side * (x / 2 - 0.004), 0, (z + 0.01) / 2), "rim", "rim")
    else:
        ring = shapes.ring(x / 2, y / 2, 0, 9.0, 28)
        draft.mesh(shapes.loft([ring, ring + [0, 0, z]]), "body", collides=True)
        if rng.uniform() < 0.5:
            draft.mesh(
                shapes.loft([shapes.ring(0.02, y * 0.15, h, 3.0, 14, (x * 0.43, 0)) for h in (z, z + 0.0008)]),
                "rim",
                "hole",
            )
    draft.surface((0, 0, z if style != "tray" else 0.005), (x * 0.8, y * 0.8))
    return draft.finish(0.6)


def mill(rng: np.random.Generator) -> ObjectModel:
    """A turned thing: a pepper mill, chess piece, salt shaker, egg cup, spinning top, bulb; no two alike."""
    height = span(rng, 0.11, 0.55)
    draft = Draft(
        OTHER,
        "turned",
        body=look(rng, "wood", "plastic", "metal", "marble", "print"),
        top=look(rng, "metal", "wood", "plastic"),
    )
    widest = height * float(rng.uniform(0.16, 0.4))
    knots = [(widest * float(rng.uniform(0.75, 1.0)), 0.0)]
    for share in (0.25, 0.45, 0.65, 0.85):
        knots.append((widest * float(rng.uniform(0.35, 1.0)), height * share))
    draft.mesh(shapes.lathe(shapes.smooth_profile(knots, 10), 16), "body")
    draft.mesh(
        shapes.lathe([(widest * 0.5, 0), (widest * 0.55, height * 0.06), (widest * 0.3, height * 0.15)], 14),
        "top",
        "head",
        (0, 0, height * 0.845),
    )
    draft.collider("cylinder", (knots[0][0], height * 0.2), (0, 0, height * 0.1))
    draft.collider("cylinder", (max(r for r, _ in knots) * 0.9, height * 0.9), (0, 0, height * 0.5))
    return draft.finish(0.2)


def teapot(rng: np.random.Generator) -> ObjectModel:
    """A teapot, kettle or jug with a handle and a spout."""
    style = pick(rng, "teapot", "kettle", "jug")
    radius, height = span(rng, 0.075, 0.2), span(rng, 0.13 if style != "jug" else 0.2)
    draft = Draft(
        OTHER,
        style,
        body=ceramic(rng) if style != "kettle" else look(rng, "metal", "plastic"),
        handle=look(rng, "plastic", "wood", "metal"),
    )
    if rng.uniform() < 0.5:
        draft.looks["handle"] = draft.looks["body"]
    neck = radius * float(rng.uniform(0.45, 0.7))
    side = shapes.smooth_profile([(radius * 0.75, 0), (radius, height * 0.4), (neck, height * 0.95), (neck, height)], 6)
    draft.mesh(shapes.lathe(side, 18), "body")
    attach = float(np.interp(height * 0.3, [z for _, z in side], [r for r, _ in side]))
    path = np.array(
        [(attach * 0.9, 0, height * 0.3), (attach * 1.35, 0, height * 0.5), (attach * 1.65, 0, height * 0.95)]
    )
    if style == "jug":
        path = np.array(
            [(neck * 0.6, 0, height * 0.88), (neck * 1.1, 0, height * 0.97), (neck * 1.5, 0, height * 1.05)]
        )
    draft.mesh(shapes.tube(path, shapes.circle_section(0.012, 8), [1.5, 1.0, 0.7]), "body", "spout")
    low, high = height * 0.25, height * 0.85
    bow = shapes.arc(1.0, np.pi / 2, 3 * np.pi / 2, 9) * [0.045, 1, (high - low) / 2] + [-neck, 0, (low + high) / 2]
    if style == "kettle" and rng.uniform() < 0.6:
        bow = shapes.arc(1.0, np.pi, 0, 9) * [radius * 0.7, 1, height * 0.45] + [0, 0, height * 0.85]
    else:
        bow[-1, 0] = -attach * 0.95
    draft.mesh(shapes.tube(bow, shapes.circle_section(1.0, 8) * [0.008, 0.006]), "handle", "handle")
    if style != "jug":
        draft.mesh(
            shapes.lathe([(neck * 1.05, 0), (neck * 0.8, 0.012), (0.006, 0.018), (0.012, 0.03), (0.008, 0.036)], 14),
            "handle",
            "lid",
            (0, 0, height),
        )
    draft.collider("cylinder", (radius, height), (0, 0, height / 2))
    draft.collider("box", (0.03, 0.02, height * 0.5), (float(bow[:, 0].min()) + 0.015, 0, height * 0.55))
    return draft.finish(0.7)


BUILDERS: dict[str, list[Builder]] = {OTHER: [cutlery, board, mill, teapot]}
