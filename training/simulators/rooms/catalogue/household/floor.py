"""What stands about on floors: watering cans, bats, balls, bins; as Other, small balls and dumbbells."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import LIE, Draft, any_colour, look, near, pick, span, vec3


def watering_can(rng: np.random.Generator) -> ObjectModel:
    """A can with a spout, a rose, and a handle over the top or behind."""
    radius, height = span(rng, 0.075), span(rng, 0.15)
    style = pick(rng, "top_handle", "back_handle")
    draft = Draft(
        "WateringCan",
        f"watering_can_{style}",
        body=look(rng, "plastic", "metal", "plastic"),
        rose=look(rng, "metal", "plastic"),
    )
    neck = radius * float(rng.uniform(0.55, 0.95))
    draft.mesh(shapes.hollow([(radius, 0), (radius, height * 0.6), (neck, height)], 0.003), "body")
    reach, rise = float(rng.uniform(0.12, 0.24)), height * float(rng.uniform(0.95, 1.5))
    path = np.array(
        [(radius * 0.9, 0, height * 0.2), (radius + reach * 0.35, 0, height * 0.45), (radius + reach, 0, rise)]
    )
    spout = shapes.tube(path, shapes.circle_section(0.011, 8), [1.5, 1.1, 0.8])
    draft.mesh(spout, "body", "spout")
    if rng.uniform() < 0.6:
        ahead = path[2] - path[1]
        lean = float(np.arctan2(ahead[0], ahead[2]))
        draft.mesh(
            shapes.lathe([(0.009, -0.01), (0.026, 0.022), (0.026, 0.027)], 14).moved(euler=(0, lean, 0)),
            "rose",
            "rose",
            tuple(path[2]),
        )
    section = shapes.circle_section(1.0, 8) * [0.009, 0.006]
    if style == "top_handle":
        bow = shapes.arc(1.0, np.pi, 0.0, 9) * [neck * 0.95, 1, height * float(rng.uniform(0.4, 0.7))] + [
            0,
            0,
            height * 0.97,
        ]
        draft.collider("box", (neck * 1.4, 0.02, 0.02), (0, 0, height * 1.3))
    else:
        bow = shapes.arc(1.0, np.pi / 2, 3 * np.pi / 2, 9) * [float(rng.uniform(0.05, 0.09)), 1, height * 0.42]
        bow = bow + [-neck * 0.95, 0, height * 0.52]
        bow[-1, 0] = -radius * 0.97
        behind = float(bow[:, 0].min())
        draft.collider("box", (0.03, 0.02, height * 0.6), (behind + 0.015, 0, height * 0.5))
    draft.mesh(shapes.tube(bow, section), "body", "handle")
    draft.collider("cylinder", (radius, height), (0, 0, height / 2))
    middle = (path[0] + path[2]) / 2
    pitch = float(np.arctan2(path[2][0] - path[0][0], path[2][2] - path[0][2]))
    draft.collider("capsule", (0.01, float(np.linalg.norm(path[2] - path[0]))), tuple(middle), (0, pitch, 0))
    return draft.finish(float(rng.uniform(0.3, 1.0)))


def baseball_bat(rng: np.random.Generator) -> ObjectModel:
    """A bat that lies, of wood or metal, with a wrapped grip."""
    length, thick = span(rng, 0.78, 0.15), float(rng.uniform(0.028, 0.035))
    style = pick(rng, "wood", "metal", "painted")
    body = (
        look(rng, "wood")
        if style == "wood"
        else look(rng, "metal")
        if style == "metal"
        else look(rng, "plastic", "print")
    )
    draft = Draft("BaseballBat", f"bat_{style}", body=body, grip=look(rng, "fabric", "plain"))
    profile = [
        (0.018, 0),
        (0.025, 0.006),
        (0.025, 0.014),
        (0.0125, 0.022),
        (0.0125, 0.3 * length),
        (thick * 0.75, 0.6 * length),
    ]
    profile += [(thick, 0.75 * length), (thick, 0.96 * length), (thick * 0.7, length)]
    draft.mesh(shapes.lathe(profile, 16).moved((-length / 2, 0, thick), (0, np.pi / 2, 0)), "body", "barrel")
    grip = shapes.lathe([(0.0145, 0.024), (0.0145, 0.27 * length)], 12)
    draft.mesh(grip.moved((-length / 2, 0, thick), (0, np.pi / 2, 0)), "grip", "grip")
    draft.collider("capsule", (thick * 0.97, 0.25 * length), (length * 0.33, 0, thick), (0, np.pi / 2, 0))
    draft.collider("capsule", (0.0145, 0.7 * length), (-length * 0.12, 0, thick), (0, np.pi / 2, 0))
    draft.collider("sphere", (0.025,), (-length / 2 + 0.025, 0, thick))
    return draft.finish(0.9, "floor")


def basket_ball(rng: np.random.Generator) -> ObjectModel:
    """A ball with seams, the classic orange or of two colours."""
    radius = span(rng, 0.12, 0.12)
    classic = bool(rng.uniform() < 0.65)
    skin = (
        Look("plain", near(rng, (0.8, 0.38, 0.13), 0.07), (0.6, 0.25, 0.1))
        if classic
        else look(rng, "plain", "plastic", "print")
    )
    draft = Draft(
        "BasketBall", "ball_classic" if classic else "ball_coloured", skin=skin, seam=Look("plain", (0.06, 0.05, 0.05))
    )
    angles = np.linspace(-np.pi / 2, np.pi / 2, 11)
    turn = vec3(rng.uniform(0, 2 * np.pi, 3))
    ball = shapes.lathe([(radius * np.cos(a), radius * np.sin(a)) for a in angles], 22).moved(euler=turn)
    draft.mesh(ball, "skin", "ball", (0, 0, radius))
    seam = shapes.torus(radius, radius * 0.035, 24, 4)
    for tilt in ((0.0, 0.0), (np.pi / 2, 0.0), (0.0, np.pi / 2)):
        ring = seam.moved(euler=(tilt[0], tilt[1], 0)).moved(euler=turn)
        draft.mesh(ring, "seam", "seam", (0, 0, radius))
    draft.collider("sphere", (radius,), (0, 0, radius))
    return draft.finish(0.6, "floor")


def bin_small(rng: np.random.Generator) -> ObjectModel:
    """A small waste bin: open and tapered, round or square, with rubbish or a bag, or a pedal bin with a dome."""
    style = pick(rng, "round", "square", "pedal", "swing")
    radius, height = span(rng, 0.13), span(rng, 0.3, 0.3)
    draft = Draft(
        "GarbageCan", f"bin_{style}", body=look(rng, "plastic", "metal", "plain"), rim=look(rng, "plastic", "metal")
    )
    foot = radius * float(rng.uniform(0.7, 0.95))
    if style in ("round", "square"):
        if style == "round":
            draft.mesh(shapes.hollow([(foot, 0), (radius, height)], 0.004, 22), "body")
        else:
            levels = [(foot, 0), (radius, height), (radius - 0.005, height), (foot - 0.005, 0.006)]
            draft.mesh(shapes.loft([shapes.ring(r, r * 0.8, z, 7.0, 20) for r, z in levels]), "body")
        if rng.uniform() < 0.45:
            draft.looks["bag"] = Look("plastic", any_colour(rng) if rng.uniform() < 0.5 else (0.06, 0.06, 0.07))
            tall = [height * 0.75, height + 0.012, height + 0.012, height * 0.5]
            wide = [radius * 1.03, radius * 1.03, radius * 0.93, radius * 0.8]
            rings = [
                shapes.ring(r, r * (1 if style == "round" else 0.8), z, 2.0 if style == "round" else 7.0, 20)
                for r, z in zip(wide, tall, strict=True)
            ]
            rings[0][:, 2] += rng.normal(0, 0.02, 20)
            draft.mesh(shapes.loft(rings, closed=True), "bag", "bag")
        if rng.uniform() < 0.5:
            draft.looks["rubbish"] = look(rng, "paper", "print", "plain")
            draft.mesh(
                shapes.lump(rng, (radius * 1.3, radius, height * 0.3), 0.5), "rubbish", "content", (0, 0, height * 0.4)
            )
        draft.collider("cylinder", (foot, 0.01), (0, 0, 0.005))
        if style == "round":
            draft.ring_collider((foot, 0), (radius, height), 0.008, 6)
        else:
            draft.four_walls_collider((foot, foot * 0.8, 0.0), (radius, radius * 0.8, height), 0.008)
        draft.surface((0, 0, 0.02), (foot, foot * 0.8), height + 0.1, inside=True)
    else:
        dome = height * (0.14 if style == "pedal" else 0.3)
        draft.mesh(shapes.lathe([(radius * 0.95, 0), (radius, 0.01), (radius, height)], 22), "body")
        if style == "pedal":
            curve = [(radius * 1.02, 0), (radius * 1.02, 0.012), (radius * 0.75, dome * 0.75), (0, dome)]
            draft.mesh(shapes.lathe(curve, 22), "rim", "lid", (0, 0, height))
            draft.box((0.05, 0.05, 0.012), (0, -radius - 0.02, 0.012), "rim", "pedal", collides=False)
        else:
            rings = [
                shapes.ring(radius * 1.02 * w, radius * 1.02, height + z, 2.2, 20)
                for w, z in ((1, 0), (0.9, dome * 0.4), (0.25, dome))
            ]
            draft.mesh(shapes.loft(rings), "rim", "lid")
        draft.collider("cylinder", (radius, height + dome * 0.6), (0, 0, (height + dome * 0.6) / 2))
    return draft.finish(float(rng.uniform(0.5, 2.0)), "floor")


def ball(rng: np.random.Generator) -> ObjectModel:
    """A tennis ball, toy ball, marble or football with a band or patches."""
    radius = span(rng, 0.04, 0.5)
    draft = Draft(
        OTHER, "ball", skin=look(rng, "plain", "plastic", "print", "fabric", "marble"), band=look(rng, "plain")
    )
    angles = np.linspace(-np.pi / 2, np.pi / 2, 11)
    turn = vec3(rng.uniform(0, 2 * np.pi, 3))
    draft.mesh(
        shapes.lathe([(radius * np.cos(a), radius * np.sin(a)) for a in angles], 18).moved(euler=turn),
        "skin",
        "body",
        (0, 0, radius),
    )
    if rng.uniform() < 0.4:
        draft.mesh(shapes.torus(radius, radius * 0.06, 24, 4).moved(euler=turn), "band", "band", (0, 0, radius))
    draft.collider("sphere", (radius,), (0, 0, radius))
    return draft.finish(0.1)


def dumbbell(rng: np.random.Generator) -> ObjectModel:
    """A dumbbell, or a reel-like thing with a waist."""
    length, radius = span(rng, 0.2), span(rng, 0.045)
    draft = Draft(OTHER, "dumbbell", weight=look(rng, "plain", "metal", "plastic"), bar=look(rng, "metal", "plastic"))
    sides, disc = (6, 18)[int(rng.integers(2))], length * float(rng.uniform(0.2, 0.32))
    for side in (-1, 1):
        plate = shapes.lathe(
            [(radius * 0.9, 0), (radius, disc * 0.15), (radius, disc * 0.85), (radius * 0.9, disc)], sides
        )
        lift = radius * (np.cos(np.pi / 6) if sides == 6 else 1.0)
        turned = plate.moved((0, 0, -disc / 2)).moved((side * (length - disc) / 2, 0, lift), (0, np.pi / 2, 0))
        if sides == 6:
            turned = (
                plate.moved((0, 0, -disc / 2), (0, 0, 0))
                .moved(euler=(0, 0, np.pi / 6))
                .moved((side * (length - disc) / 2, 0, lift), LIE)
            )
        draft.mesh(turned, "weight", "weight", collides=sides == 6)
        if sides != 6:
            draft.collider("cylinder", (radius, disc), (side * (length - disc) / 2, 0, radius), LIE)
    draft.cylinder(radius * 0.32, length * 0.9, (0, 0, radius * 0.95), "bar", "handle", LIE)
    return draft.finish(2.0)


BUILDERS: dict[str, list[Builder]] = {
    "WateringCan": [watering_can],
    "BaseballBat": [baseball_bat],
    "BasketBall": [basket_ball],
    "GarbageCan": [bin_small],
    OTHER: [ball, dumbbell],
}
