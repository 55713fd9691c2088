"""Vases, statues, watering cans, sports things, clocks and bins."""

from __future__ import annotations

import numpy as np

from training.rooms import shapes
from training.rooms.catalogue.small_kit import Draft, any_colour, ceramic, colour, look, near, pick, span
from training.rooms.model import Builder, Look, ObjectModel


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
        path = np.array([(attach * 0.97, 0, low), (attach + height * 0.12, 0, low + 0.1 * height), (points[2][0] * 0.95, 0, height * 0.88)])
        for turn in (0.0, np.pi):
            ear = shapes.tube(path, shapes.circle_section(height * 0.018, 6))
            draft.mesh(ear.moved(euler=(0, 0, turn)), "body", "handle")
    if rng.uniform() < 0.25:
        draft.looks["twig"] = look(rng, "leaves", "wood")
        for _ in range(int(rng.integers(2, 6))):
            bend = rng.normal(0, height * 0.22, 2)
            path = np.array([(0, 0, height * 0.8), (*bend * 0.4, height * 1.2), (*bend, height * float(rng.uniform(1.4, 1.9)))])
            draft.mesh(shapes.tube(path, shapes.circle_section(0.004, 5), [1, 1, 3]), "twig", "twig")
    widest = max(r for r, _ in side)
    draft.collider("cylinder", (broad * foot, height), (0, 0, height / 2))
    draft.collider("cylinder", (widest, height * 0.4), (0, 0, height * max(0.2, min(belly, 0.8))))
    return draft.finish(float(rng.uniform(0.3, 1.5)))


def statue_abstract(rng: np.random.Generator) -> ObjectModel:
    """An abstract sculpture on a plinth: stacked bodies, a twisted column, or a ring."""
    style = pick(rng, "stack", "twist", "ring")
    draft = Draft("Statue", f"statue_{style}", body=look(rng, "marble", "metal", "plastic", "wood"), plinth=look(rng, "wood", "marble", "metal"))
    foot, rise = span(rng, 0.09), float(rng.uniform(0.015, 0.04))
    draft.box((foot, foot, rise), (0, 0, rise / 2), "plinth", "plinth")
    height = span(rng, 0.17, 0.35)
    if style == "stack":
        z = rise - 0.004
        for k in range(int(rng.integers(2, 5))):
            size = span(rng, 0.07) * 0.85**k
            draft.mesh(shapes.lump(rng, (size, size * 0.9, size * 0.8), 0.3), "body", "stone", (float(rng.normal(0, 0.004)), 0, z))
            draft.collider("cylinder", (size * 0.4, size * 0.8), (0, 0, z + size * 0.4))
            z += size * 0.74
    elif style == "twist":
        turn, thick = float(rng.uniform(1, 4)), foot * 0.32
        rings = []
        for t in np.linspace(0, 1, 10):
            ring = shapes.ring(thick * (1 - 0.45 * t), thick * (0.45 - 0.2 * t), rise + t * height, 4.0, 14)
            rings.append((ring - [0, 0, rise]) @ shapes.rotation((0, 0, turn * t)).T + [thick * 0.5 * np.sin(3 * t), 0, rise])
        draft.mesh(shapes.loft(rings), "body")
        draft.collider("box", (thick * 1.2, thick * 0.9, height), (0, 0, rise + height / 2))
    else:
        radius, thick = height * 0.36, float(rng.uniform(0.015, 0.03))
        draft.mesh(shapes.torus(radius, thick, 22, 8).moved((0, 0, rise + radius + thick * 0.4), (np.pi / 2, 0, 0)), "body", "ring")
        draft.collider("box", (radius * 2, thick, radius * 2), (0, 0, rise + radius + thick * 0.45))
    return draft.finish(float(rng.uniform(0.5, 2.5)))


def statue_figure(rng: np.random.Generator) -> ObjectModel:
    """A figure: a bust, a standing person with arms, or an animal on four legs."""
    style = pick(rng, "bust", "person", "animal")
    draft = Draft("Statue", f"statue_{style}", body=look(rng, "marble", "metal", "plain", "plastic", "wood"), plinth=look(rng, "wood", "marble"))
    s = float(rng.uniform(0.75, 1.5))
    if style == "bust":
        chest = [(0.032, 0), (0.03, 0.02), (0.055, 0.05), (0.06, 0.085), (0.022, 0.11), (0.02, 0.125), (0.03, 0.14), (0.036, 0.17), (0.028, 0.2)]
        draft.mesh(shapes.lathe([(r * s, z * s) for r, z in chest], 16).scaled(1, 0.75, 1), "body")
        draft.ellipsoid((0.014 * s, 0.025 * s, 0.02 * s), (0, -0.027 * s, 0.165 * s), "body", "nose", collides=False)
        draft.collider("box", (0.06 * s, 0.05 * s, 0.2 * s), (0, 0, 0.1 * s))
    elif style == "person":
        draft.cylinder(0.045 * s, 0.015 * s, (0, 0, 0.0075 * s), "plinth", "plinth")
        hips = [(0.035, 0), (0.03, 0.03), (0.022, 0.085), (0.018, 0.11), (0.028, 0.15), (0.024, 0.165), (0.008, 0.172), (0.008, 0.18)]
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
            draft.ellipsoid((0.008 * s, 0.012 * s, 0.028 * s), (-0.05 * s, side * 0.013 * s, 0.13 * s), "body", "ear", collides=False)
    return draft.finish(float(rng.uniform(0.3, 2.0)))


def watering_can(rng: np.random.Generator) -> ObjectModel:
    """A can with a spout, a rose, and a handle over the top or behind."""
    radius, height = span(rng, 0.075), span(rng, 0.15)
    style = pick(rng, "top_handle", "back_handle")
    draft = Draft("WateringCan", f"watering_can_{style}", body=look(rng, "plastic", "metal", "plastic"), rose=look(rng, "metal", "plastic"))
    neck = radius * float(rng.uniform(0.55, 0.95))
    draft.mesh(shapes.hollow([(radius, 0), (radius, height * 0.6), (neck, height)], 0.003), "body")
    reach, rise = float(rng.uniform(0.12, 0.24)), height * float(rng.uniform(0.95, 1.5))
    path = np.array([(radius * 0.9, 0, height * 0.2), (radius + reach * 0.35, 0, height * 0.45), (radius + reach, 0, rise)])
    spout = shapes.tube(path, shapes.circle_section(0.011, 8), [1.5, 1.1, 0.8])
    draft.mesh(spout, "body", "spout")
    if rng.uniform() < 0.6:
        ahead = path[2] - path[1]
        lean = float(np.arctan2(ahead[0], ahead[2]))
        draft.mesh(shapes.lathe([(0.009, -0.01), (0.026, 0.022), (0.026, 0.027)], 14).moved(euler=(0, lean, 0)), "rose", "rose", tuple(path[2]))
    section = shapes.circle_section(1.0, 8) * [0.009, 0.006]
    if style == "top_handle":
        bow = shapes.arc(1.0, np.pi, 0.0, 9) * [neck * 0.95, 1, height * float(rng.uniform(0.4, 0.7))] + [0, 0, height * 0.97]
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
    body = look(rng, "wood") if style == "wood" else look(rng, "metal") if style == "metal" else look(rng, "plastic", "print")
    draft = Draft("BaseballBat", f"bat_{style}", body=body, grip=look(rng, "fabric", "plain"))
    profile = [(0.018, 0), (0.025, 0.006), (0.025, 0.014), (0.0125, 0.022), (0.0125, 0.3 * length), (thick * 0.75, 0.6 * length)]
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
    skin = Look("plain", near(rng, (0.8, 0.38, 0.13), 0.07), (0.6, 0.25, 0.1)) if classic else look(rng, "plain", "plastic", "print")
    draft = Draft("BasketBall", "ball_classic" if classic else "ball_coloured", skin=skin, seam=Look("plain", (0.06, 0.05, 0.05)))
    angles = np.linspace(-np.pi / 2, np.pi / 2, 11)
    turn = tuple(float(a) for a in rng.uniform(0, 2 * np.pi, 3))
    ball = shapes.lathe([(radius * np.cos(a), radius * np.sin(a)) for a in angles], 22).moved(euler=turn)
    draft.mesh(ball, "skin", "ball", (0, 0, radius))
    seam = shapes.torus(radius, radius * 0.035, 24, 4)
    for tilt in ((0.0, 0.0), (np.pi / 2, 0.0), (0.0, np.pi / 2)):
        ring = seam.moved(euler=(tilt[0], tilt[1], 0)).moved(euler=turn)
        draft.mesh(ring, "seam", "seam", (0, 0, radius))
    draft.collider("sphere", (radius,), (0, 0, radius))
    return draft.finish(0.6, "floor")


def alarm_clock(rng: np.random.Generator) -> ObjectModel:
    """A round clock with bells, a plain round one, a cube, or a digital one with a display."""
    style = pick(rng, "bells", "round", "cube", "digital")
    face = Look("print", near(rng, (0.95, 0.94, 0.9), 0.04), (0.1, 0.1, 0.1)) if rng.uniform() < 0.7 else look(rng, "print", "plain")
    draft = Draft("AlarmClock", f"clock_{style}", body=look(rng, "plastic", "metal", "wood"), face=face, hand=Look("plain", (0.05, 0.05, 0.06)))
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
            draft.cylinder(0.006, lift + radius * 0.5, (side * radius * 0.62, 0, (lift + radius * 0.5) / 2), "body", "foot", (0, -side * 0.25, 0), collides=False)
    draft.cylinder(radius * 0.86, 0.003, (0, -depth / 2, middle), "face", "dial", flat, collides=False)
    for reach, width in ((0.55, 0.005), (0.75, 0.003)):
        angle = float(rng.uniform(0, 2 * np.pi))
        pos = (np.sin(angle) * reach * radius / 2, -depth / 2 - 0.0025, middle + np.cos(angle) * reach * radius / 2)
        draft.box((width, 0.0015, reach * radius), pos, "hand", "hand", (0, angle, 0), collides=False)
    if style == "bells":
        draft.looks["bell"] = look(rng, "metal")
        for side in (-1, 1):
            bell = shapes.lathe([(0.021, 0), (0.018, 0.01), (0.01, 0.017), (0.003, 0.019)], 12).moved(euler=(0, side * 0.6, 0))
            draft.mesh(bell, "bell", "bell", (side * radius * 0.55, 0, middle + radius * 0.86))
        bow = shapes.arc(1.0, np.pi, 0.0, 7) * [radius * 0.35, 1, 0.03] + [0, 0, middle + radius + 0.008]
        draft.mesh(shapes.tube(bow, shapes.circle_section(0.0025, 6)), "bell", "handle")
    draft.collider("box", (radius * 1.8, depth, middle + radius * 0.9), (0, 0, (middle + radius * 0.9) / 2))
    return draft.finish(0.3)


def bin_small(rng: np.random.Generator) -> ObjectModel:
    """A small waste bin: open and tapered, round or square, with rubbish or a bag, or a pedal bin with a dome."""
    style = pick(rng, "round", "square", "pedal", "swing")
    radius, height = span(rng, 0.13), span(rng, 0.3, 0.3)
    draft = Draft("GarbageCan", f"bin_{style}", body=look(rng, "plastic", "metal", "plain"), rim=look(rng, "plastic", "metal"))
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
            rings = [shapes.ring(r, r * (1 if style == "round" else 0.8), z, 2.0 if style == "round" else 7.0, 20) for r, z in zip(wide, tall, strict=True)]
            rings[0][:, 2] += rng.normal(0, 0.02, 20)
            draft.mesh(shapes.loft(rings, closed=True), "bag", "bag")
        if rng.uniform() < 0.5:
            draft.looks["rubbish"] = look(rng, "paper", "print", "plain")
            draft.mesh(shapes.lump(rng, (radius * 1.3, radius, height * 0.3), 0.5), "rubbish", "content", (0, 0, height * 0.4))
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
            rings = [shapes.ring(radius * 1.02 * w, radius * 1.02, height + z, 2.2, 20) for w, z in ((1, 0), (0.9, dome * 0.4), (0.25, dome))]
            draft.mesh(shapes.loft(rings), "rim", "lid")
        draft.collider("cylinder", (radius, height + dome * 0.6), (0, 0, (height + dome * 0.6) / 2))
    return draft.finish(float(rng.uniform(0.5, 2.0)), "floor")


BUILDERS: dict[str, list[Builder]] = {
    "Vase": [vase],
    "Statue": [statue_abstract, statue_figure],
    "WateringCan": [watering_can],
    "BaseballBat": [baseball_bat],
    "BasketBall": [basket_ball],
    "AlarmClock": [alarm_clock],
    "GarbageCan": [bin_small],
}
