"""Packages. Class Box holds cardboard boxes and printed boxes of food, games, tissues' kin; the rest is Other.

AI2-THOR's Box is a cardboard box. A printed cereal box, tea box or shoe box is the same thing to a robot, so it is Box
here too. Cartons with a gable or a cap, pouches, tubes and all round packages are Other.
"""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import Draft, cardboard, look, near, package_print, pick, span


def printed_box(rng: np.random.Generator) -> ObjectModel:
    """A closed printed box: cereal, biscuits, tea, pasta, a game, medicine; standing or lying."""
    style, x, y, z = (
        ("cereal", 0.19, 0.06, 0.28),
        ("cereal", 0.16, 0.05, 0.23),
        ("biscuits", 0.2, 0.05, 0.07),
        ("tea", 0.13, 0.075, 0.08),
        ("tall", 0.075, 0.06, 0.17),
        ("game", 0.27, 0.27, 0.06),
        ("flat", 0.22, 0.15, 0.035),
        ("cube", 0.09, 0.09, 0.09),
        ("small", 0.085, 0.055, 0.025),
        ("pizza", 0.31, 0.31, 0.04),
    )[int(rng.integers(10))]
    size = (span(rng, x), span(rng, y), span(rng, z))
    if rng.uniform() < 0.2:
        size = (size[0], size[2], size[1])
    draft = Draft(
        "Box", f"box_{style}", body=package_print(rng) if rng.uniform() < 0.88 else look(rng, "plain", "wood")
    )
    draft.box(size, (0, 0, size[2] / 2), "body")
    if rng.uniform() < 0.3:  # a label, a band or a window on the front
        draft.looks["label"] = look(rng, "print", "paper", "plain")
        patch = (size[0] * float(rng.uniform(0.3, 0.8)), 0.001, size[2] * float(rng.uniform(0.2, 0.7)))
        draft.box(patch, (0, -size[1] / 2, size[2] / 2), "label", "label", collides=False)
    draft.surface((0, 0, size[2]), (size[0] * 0.8, size[1] * 0.8))
    return draft.finish(float(rng.uniform(0.1, 0.6)))


def carton(rng: np.random.Generator) -> ObjectModel:
    """A brown or white shipping box: taped shut, or open with flaps and a hollow inside."""
    opened = bool(rng.uniform() < 0.5)
    x, y, z = span(rng, 0.3, 0.4), span(rng, 0.24, 0.4), span(rng, 0.2, 0.45)
    body = cardboard(rng) if rng.uniform() < 0.75 else look(rng, "print", "plain")
    tape = Look("plastic", near(rng, (0.75, 0.62, 0.42), 0.08), (0.8, 0.7, 0.5))
    draft = Draft(
        "Box",
        "box_carton_open" if opened else "box_carton_closed",
        body=body,
        tape=tape,
        label=look(rng, "print", "paper"),
    )
    wall = 0.005
    if opened:
        draft.box((x, y, wall), (0, 0, wall / 2), "body", "bottom")
        for side in (-1, 1):
            draft.box((wall, y, z), (side * (x - wall) / 2, 0, z / 2), "body", "wall")
            draft.box((x - 2 * wall, wall, z), (0, side * (y - wall) / 2, z / 2), "body", "wall")
            if rng.uniform() < 0.75:
                lift, reach = float(rng.uniform(-0.6, 1.3)), x * float(rng.uniform(0.2, 0.45))
                pos = (side * (x / 2 + np.cos(lift) * reach / 2), 0.0, z + np.sin(lift) * reach / 2)
                draft.box((reach, y * 0.98, 0.003), pos, "body", "flap", (0, -side * lift, 0), collides=False)
            if rng.uniform() < 0.75:
                lift, reach = float(rng.uniform(-0.6, 1.3)), y * float(rng.uniform(0.25, 0.5))
                pos = (0.0, side * (y / 2 + np.cos(lift) * reach / 2), z + np.sin(lift) * reach / 2)
                draft.box((x * 0.98, reach, 0.003), pos, "body", "flap", (side * lift, 0, 0), collides=False)
        draft.surface((0, 0, wall), (x * 0.75, y * 0.75), z + 0.1, inside=True)
    else:
        draft.box((x, y, z), (0, 0, z / 2), "body")
        draft.box((x * 1.002, 0.05, z * 1.002), (0, 0, z / 2), "tape", "tape", collides=False)
        draft.surface((0, 0, z), (x * 0.8, y * 0.8))
    patch, labelled = float(rng.uniform(0.25, 0.5)), pick(rng, "front", "left")
    if labelled == "front":
        draft.box((x * patch, 0.001, z * patch), (x * 0.15, -y / 2, z * 0.55), "label", "label", collides=False)
    else:
        draft.box((0.001, y * patch, z * patch), (-x / 2, y * 0.1, z * 0.55), "label", "label", collides=False)
    return draft.finish(float(rng.uniform(0.2, 2.0)))


def shoe_box(rng: np.random.Generator) -> ObjectModel:
    """A box with a separate overlapping lid, on it, askew, or off so that the box is open."""
    x, y, z = span(rng, 0.3), span(rng, 0.19), span(rng, 0.11, 0.3)
    body = package_print(rng) if rng.uniform() < 0.5 else look(rng, "plain", "plain", "fabric")
    draft = Draft("Box", "box_with_lid", body=body, lid=body if rng.uniform() < 0.4 else look(rng, "plain", "print"))
    if rng.uniform() < 0.75:
        rim = z * float(rng.uniform(0.15, 0.35))
        draft.box((x, y, z), (0, 0, z / 2), "body")
        draft.box((x * 1.02, y * 1.03, rim), (0, 0, z - rim / 2 + 0.002), "lid", "lid")
        draft.surface((0, 0, z + 0.002), (x * 0.8, y * 0.8))
    else:
        draft.style = "box_open"
        wall = 0.004
        draft.box((x, y, wall), (0, 0, wall / 2), "body", "bottom")
        for side in (-1, 1):
            draft.box((wall, y, z), (side * (x - wall) / 2, 0, z / 2), "body", "wall")
            draft.box((x - 2 * wall, wall, z), (0, side * (y - wall) / 2, z / 2), "lid", "wall")
        draft.surface((0, 0, wall), (x * 0.75, y * 0.75), z + 0.1, inside=True)
    return draft.finish(float(rng.uniform(0.2, 0.9)))


def _rectangle(x: float, y: float, z: float) -> np.ndarray:
    return np.array([[-x, -y, z], [x, -y, z], [x, y, z], [-x, y, z]]) * [0.5, 0.5, 1.0]


def gable_carton(rng: np.random.Generator) -> ObjectModel:
    """A milk or juice carton with a gable top, often with a screw cap."""
    x, y = span(rng, 0.075, 0.2), span(rng, 0.075, 0.2)
    body_z, roof = span(rng, 0.18, 0.3), span(rng, 0.035, 0.2)
    draft = Draft(OTHER, "carton_gable", print=package_print(rng), cap=look(rng, "plastic"))
    fin = body_z + roof + 0.018
    rings = [(x, y, 0), (x, y, body_z), (x, 0.006, body_z + roof), (x, 0.004, fin)]
    draft.mesh(shapes.loft([_rectangle(*ring) for ring in rings]), "print", collides=True)
    if rng.uniform() < 0.6:
        slope = float(np.arctan2(roof, y / 2))
        pos = (0.0, -y * 0.26, body_z + roof * 0.48 + 0.006)
        draft.cylinder(float(rng.uniform(0.012, 0.018)), 0.018, pos, "cap", "cap", (slope, 0, 0), collides=False)
    return draft.finish(float(rng.uniform(0.1, 1.0)))


def brick_carton(rng: np.random.Generator) -> ObjectModel:
    """A brick carton of milk, juice or soup with a flat or slanted top and a cap or a straw."""
    x, y, z = span(rng, 0.075, 0.3), span(rng, 0.055, 0.3), span(rng, 0.19, 0.4)
    slant = float(rng.uniform(0, 0.025)) if rng.uniform() < 0.5 else 0.0
    draft = Draft(OTHER, "carton_brick", print=package_print(rng), cap=look(rng, "plastic"))
    top = _rectangle(x, y, z)
    top[:2, 2] -= slant
    draft.mesh(shapes.loft([_rectangle(x, y, 0), top]), "print", collides=True)
    if rng.uniform() < 0.7:
        radius, lean = float(rng.uniform(0.011, 0.019)), float(np.arctan2(slant, y))
        pos = (float(rng.uniform(-0.2, 0.2)) * x, -y * 0.15, z - slant * 0.65 + 0.006)
        draft.cylinder(min(radius, y * 0.3), 0.016, pos, "cap", "cap", (lean, 0, 0), collides=False)
    else:
        draft.cylinder(
            0.0025, 0.06, (x * 0.25, 0, z - slant / 2 + 0.02), "cap", "straw", (0.2, 0.15, 0), collides=False
        )
    return draft.finish(float(rng.uniform(0.1, 1.0)))


def pouch(rng: np.random.Generator) -> ObjectModel:
    """A crinkled bag of crisps, sweets, coffee or rice, standing or lying, with flat seams."""
    lying = bool(rng.uniform() < 0.6)
    x, y, z = span(rng, 0.13, 0.35), span(rng, 0.05, 0.4), span(rng, 0.18, 0.35)
    draft = Draft(OTHER, "pouch_lying" if lying else "pouch_standing", print=package_print(rng))
    rings = []
    for t in np.linspace(0, 1, 9):
        belly = max(float(np.sin(np.pi * min(t * 0.85 + (0.12 if not lying else 0.06), 1.0))) ** 0.6, 0.03)
        if not lying and t < 0.05:
            belly = 0.75
        outline = shapes.ring(x / 2 * (1 - 0.06 * belly), y / 2 * belly, t * z, 2.6, 20)
        outline[:, :2] *= 1 + rng.normal(0, 0.035, (20, 1)) * (0.2 < t < 0.95)
        rings.append(outline)
    mesh = shapes.loft(rings)
    if lying:
        mesh = mesh.moved((0, 0, y / 2), (np.pi / 2, 0, 0))
        mesh.vertices[:, 2] = np.maximum(mesh.vertices[:, 2], y * 0.08)
        draft.collider("box", (x * 0.9, z * 0.85, y * 0.84), (0, -z / 2, y * 0.5))
    else:
        draft.collider("box", (x * 0.85, y * 0.8, z * 0.9), (0, 0, z * 0.45))
    draft.mesh(mesh, "print")
    return draft.finish(float(rng.uniform(0.05, 0.5)))


def squeeze_tube(rng: np.random.Generator) -> ObjectModel:
    """A toothpaste or cream tube, lying, flat at one end, with a cap."""
    radius, length = span(rng, 0.02), span(rng, 0.14, 0.3)
    draft = Draft(OTHER, "squeeze_tube", print=package_print(rng), cap=look(rng, "plastic"))
    rings = []
    for t in np.linspace(0, 1, 6):
        flat = max(1 - t, 0.06)
        ring = shapes.ring(radius * (1 + 0.35 * t), radius * flat, 0, 2.0, 14)
        rings.append(np.column_stack([ring[:, 0], np.full(14, t * length), ring[:, 1] + radius * flat]))
    draft.mesh(shapes.loft(rings), "print")
    draft.cylinder(
        radius * 0.6, radius * 1.3, (0, -radius * 0.6, radius), "cap", "cap", (np.pi / 2, 0, 0), collides=False
    )
    draft.collider("box", (radius * 1.7, length * 0.5, radius * 1.6), (0, length * 0.2, radius * 0.8))
    draft.collider("box", (radius * 2, length * 0.5, radius * 0.6), (0, length * 0.7, radius * 0.3))
    return draft.finish(0.1)


BUILDERS: dict[str, list[Builder]] = {
    "Box": [printed_box, printed_box, printed_box, printed_box, carton, shoe_box],
    OTHER: [gable_carton, brick_carton, pouch, squeeze_tube],
}
