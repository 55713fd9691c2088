"""What people wear and carry, and cloths, all Other."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import Draft, grey, look, pick, span


def cap(rng: np.random.Generator) -> ObjectModel:
    """A baseball cap or a hat with a brim all round."""
    hat = bool(rng.uniform() < 0.3)
    radius, height = span(rng, 0.09, 0.12), span(rng, 0.11, 0.2)
    draft = Draft(
        OTHER,
        "hat" if hat else "cap",
        cloth=look(rng, "fabric", "plain"),
        brim=look(rng, "fabric", "plain"),
        badge=look(rng, "print"),
    )
    if rng.uniform() < 0.6:
        draft.looks["brim"] = draft.looks["cloth"]
    dome = [(radius, 0), (radius * 1.02, height * 0.4), (radius * 0.8, height * 0.8), (radius * 0.4, height)]
    draft.mesh(shapes.lathe(dome, 20), "cloth", "crown")
    if hat:
        draft.mesh(
            shapes.lathe([(radius * 1.6, 0.006), (radius * 1.62, 0.009), (radius * 0.98, 0.006)], 22), "brim", "brim"
        )
    else:
        front = [
            (radius * np.cos(a) * 0.95, -radius * 0.3 - radius * 1.45 * np.sin(a)) for a in np.linspace(0, np.pi, 9)
        ]
        draft.mesh(shapes.prism(front, 0.004), "brim", "visor")
        if rng.uniform() < 0.6:
            draft.box(
                (radius * 0.7, 0.002, height * 0.4),
                (0, -radius * 0.985, height * 0.45),
                "badge",
                "badge",
                (-0.12, 0, 0),
                collides=False,
            )
    draft.collider("cylinder", (radius, height * 0.8), (0, 0, height * 0.4))
    return draft.finish(0.1)


def shoe(rng: np.random.Generator) -> ObjectModel:
    """A single shoe: a low one, a trainer or a boot."""
    length, tall = span(rng, 0.27, 0.2), float(rng.uniform(0.07, 0.11))
    boot = bool(rng.uniform() < 0.25)
    draft = Draft(
        OTHER,
        "boot" if boot else "shoe",
        upper=look(rng, "fabric", "plastic", "plain"),
        sole=look(rng, "plain"),
        inside=Look("fabric", grey(rng, 0.05, 0.5)),
    )
    stations = np.array([0.0, 0.12, 0.35, 0.6, 0.8, 1.0])
    width = np.array([0.5, 0.85, 0.8, 0.95, 1.0, 0.45]) * span(rng, 0.048, 0.12)
    height = np.array([0.95, 1.0, 0.95, 0.65, 0.48, 0.35]) * tall
    for name, top, grow in (("upper", height, 1.0), ("sole", np.full(6, 0.022), 1.06)):
        rings = []
        for t, w, h in zip(stations, width, top, strict=True):
            ring = shapes.ring(w * grow, h / 2, 0, 3.0 if name == "sole" else 2.4, 14)
            rings.append(np.column_stack([np.full(14, (t - 0.5) * length * grow), ring[:, 0], ring[:, 1] + h / 2]))
        draft.mesh(shapes.loft(rings), name, name)
    collar = shapes.loft(
        [shapes.ring(length * 0.17, width[1] * 0.75, z, 2.2, 16) for z in (tall * 0.6, tall * (2.2 if boot else 1.12))]
    )
    draft.mesh(collar, "upper", "shaft", (-length * 0.26, 0, 0))
    hole = shapes.ring(length * 0.145, width[1] * 0.6, 0, 2.2, 16)
    draft.mesh(
        shapes.loft([hole, hole + [0, 0, 0.002]]),
        "inside",
        "opening",
        (-length * 0.26, 0, tall * (2.2 if boot else 1.12)),
    )
    for k in range(4):
        draft.box(
            (0.006, width[3] * 0.9, 0.004),
            (length * (-0.05 + 0.055 * k), 0, tall * (0.93 - 0.115 * k)),
            "sole",
            "lace",
            (0, 0.5, 0),
            collides=False,
        )
    draft.collider("box", (length, width[4] * 2, tall * 0.5), (0, 0, tall * 0.25))
    draft.collider("box", (length * 0.45, width[1] * 1.8, tall), (-length * 0.25, 0, tall * 0.5))
    return draft.finish(0.4)


def bag(rng: np.random.Generator) -> ObjectModel:
    """A hand bag, paper bag or pencil case with straps."""
    style = pick(rng, "hand_bag", "paper_bag", "case")
    x, y, z = {"hand_bag": (0.28, 0.12, 0.2), "paper_bag": (0.2, 0.11, 0.28), "case": (0.21, 0.07, 0.06)}[style]
    x, y, z = span(rng, x), span(rng, y), span(rng, z)
    draft = Draft(
        OTHER,
        style,
        body=look(rng, "fabric", "print", "plastic") if style != "paper_bag" else look(rng, "print", "plain"),
        strap=look(rng, "fabric", "plain"),
    )
    narrow = {"hand_bag": 0.35, "paper_bag": 0.8, "case": 0.6}[style]
    stations = [(0.96, 0), (1.0, 0.3), (1 - (1 - narrow) * 0.4, 0.7), (narrow, 1.0)]
    rings = [shapes.ring(x / 2 * (0.9 + 0.1 * r), y / 2 * r, z * t, 5.0, 20) for r, t in stations]
    for ring in rings[1:]:
        ring[:, :2] *= 1 + rng.normal(0, 0.015, (20, 1))
    draft.mesh(shapes.loft(rings), "body")
    if style == "case":
        draft.box((x * 0.8, 0.006, 0.004), (0, 0, z), "strap", "zip", collides=False)
    else:
        for side in (-1, 1):
            lean = float(rng.uniform(-0.4, 0.5))
            bow = shapes.arc(1.0, np.pi, 0, 9) * [x * 0.2, 1, z * float(rng.uniform(0.3, 0.55))]
            strap = shapes.tube(bow, shapes.rectangle_section(0.004, 0.012)).moved(
                (0, side * y * narrow * 0.4, z * 0.97), (-side * lean, 0, 0)
            )
            draft.mesh(strap, "strap", "strap")
    draft.collider("box", (x * 0.95, y * 0.9, z * 0.6), (0, 0, z * 0.3))
    draft.collider("box", (x * 0.9, y * narrow * 0.9, z * 0.4), (0, 0, z * 0.8))
    return draft.finish(0.4)


def glasses(rng: np.random.Generator) -> ObjectModel:
    """A pair of glasses with its temples folded out; sun glasses have dark lenses."""
    s = float(rng.uniform(0.9, 1.1))
    draft = Draft(
        OTHER,
        "glasses",
        frame=look(rng, "plastic", "metal"),
        lens=look(rng, "glass") if rng.uniform() < 0.5 else Look("plastic", (0.05, 0.05, 0.06)),
    )
    rim = shapes.arc(1.0, 0, 2 * np.pi, 15) * [0.026 * s, 1, 0.021 * s]
    section = shapes.circle_section(0.0028, 5)
    for side in (-1, 1):
        draft.mesh(shapes.tube(rim + [side * 0.033 * s, 0, 0.023 * s], section), "frame", "frame")
        lens = shapes.loft([np.column_stack([rim[:-1, 0], np.full(14, y), rim[:-1, 2]]) for y in (-0.001, 0.001)])
        draft.mesh(lens, "lens", "lens", (side * 0.033 * s, 0, 0.023 * s))
        ear = np.array(
            [
                (side * 0.06 * s, 0, 0.03 * s),
                (side * 0.064 * s, 0.09 * s, 0.024 * s),
                (side * 0.06 * s, 0.13 * s, 0.003),
            ]
        )
        draft.mesh(shapes.tube(ear, section), "frame", "temple")
    draft.mesh(
        shapes.tube(np.array([(-0.009 * s, 0, 0.028 * s), (0, 0, 0.032 * s), (0.009 * s, 0, 0.028 * s)]), section),
        "frame",
        "bridge",
    )
    draft.collider("box", (0.125 * s, 0.006, 0.044 * s), (0, 0, 0.022 * s))
    draft.collider("box", (0.125 * s, 0.13 * s, 0.006), (0, 0.065 * s, 0.003))
    return draft.finish(0.04)


def wallet(rng: np.random.Generator) -> ObjectModel:
    """A wallet, purse, or soft flat case."""
    x, y, z = span(rng, 0.11, 0.4), span(rng, 0.09, 0.3), span(rng, 0.022, 0.4)
    draft = Draft(OTHER, "wallet", skin=look(rng, "fabric", "plain", "plastic"), trim=look(rng, "metal", "plain"))
    draft.mesh(shapes.rounded_box((x, y, z), z * 0.45), "skin", pos=(0, 0, z / 2))
    draft.box((x * 0.22, y * 0.4, 0.003), (x * 0.38, 0, z), "trim", "strap", collides=False)
    draft.cylinder(0.006, 0.003, (x * 0.32, 0, z + 0.002), "trim", "button", collides=False)
    draft.collider("box", (x * 0.95, y * 0.95, z), (0, 0, z / 2))
    return draft.finish(0.15)


def towel(rng: np.random.Generator) -> ObjectModel:
    """A cloth that lies in waves, or folded in layers."""
    folded = bool(rng.uniform() < 0.5)
    draft = Draft(OTHER, "towel_folded" if folded else "towel_spread", cloth=look(rng, "fabric", "fabric", "plain"))
    x, y = span(rng, 0.22, 0.4), span(rng, 0.17, 0.4)
    if folded:
        layers, thick = int(rng.integers(2, 5)), float(rng.uniform(0.008, 0.016))
        for k in range(layers):
            wide = (x * float(rng.uniform(0.95, 1.0)), y * float(rng.uniform(0.95, 1.0)), thick * 1.05)
            draft.mesh(shapes.rounded_box(wide, thick * 0.45, 1), "cloth", "layer", (0, 0, thick * (k + 0.52)))
        draft.collider("box", (x * 0.97, y * 0.97, thick * layers), (0, 0, thick * layers / 2))
    else:
        columns, rows = np.meshgrid(np.linspace(-x / 2, x / 2, 12), np.linspace(-y / 2, y / 2, 10))
        tops = np.zeros_like(columns)
        for _ in range(4):
            wave = rng.normal(0, 22, 2)
            tops += np.maximum(np.sin(columns * wave[0] + rows * wave[1] + rng.uniform(0, 6)), 0)
        grid = np.stack(
            [
                columns + rng.normal(0, 0.004, columns.shape),
                rows + rng.normal(0, 0.004, rows.shape),
                (tops - tops.min()) * 0.008,
            ],
            axis=-1,
        )
        draft.mesh(shapes.sheet(grid, 0.005), "cloth")
        draft.collider("box", (x * 0.9, y * 0.9, 0.018), (0, 0, 0.009))
    return draft.finish(0.2)


BUILDERS: dict[str, list[Builder]] = {OTHER: [cap, shoe, bag, glasses, wallet, towel]}
