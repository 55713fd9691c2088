"""Things that are none of the classes: tools, cutlery, fruit, toys, clothes, plants and shapeless things."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER
from training.rooms import shapes
from training.rooms.catalogue.small_kit import Draft, any_colour, ceramic, colour, grey, look, near, pick, span
from training.rooms.model import Builder, Look, ObjectModel

LIE = (0.0, np.pi / 2, 0.0)  # turns the axis of a lathe from z to x


def _steel(rng: np.random.Generator) -> Look:
    shade = grey(rng, 0.35, 0.85)
    return Look("metal", shade, near(rng, shade))


def hammer(rng: np.random.Generator) -> ObjectModel:
    """A hammer or mallet that lies: head across the end of its handle."""
    length, head = span(rng, 0.3, 0.2), span(rng, 0.11)
    mallet = bool(rng.uniform() < 0.3)
    thick = float(rng.uniform(0.02, 0.028)) if mallet else float(rng.uniform(0.011, 0.015))
    draft = Draft(OTHER, "mallet" if mallet else "hammer", head=look(rng, "plain", "wood") if mallet else _steel(rng), handle=look(rng, "wood", "plastic", "plain"))
    grip = shapes.lathe([(0.013, 0), (0.0155, length * 0.15), (0.012, length * 0.4), (0.009, length)], 10)
    draft.mesh(grip.moved((-length / 2, 0, thick), LIE).scaled(1, 1, 0.75), "handle", "handle", (0, 0, thick * 0.25))
    side = [(thick, 0), (thick, 0.3 * head), (thick * 0.8, 0.35 * head), (thick * 0.8, 0.7 * head), (thick * (1.0 if mallet else 0.25), head)]
    draft.mesh(shapes.lathe(side, 10).moved((length / 2, head / 2, thick), (np.pi / 2, 0, 0)), "head", "head")
    draft.collider("box", (2 * thick, head, 2 * thick), (length / 2, 0, thick))
    draft.collider("box", (length, 0.022, 0.02), (0, 0, thick))
    return draft.finish(0.6)


def screwdriver(rng: np.random.Generator) -> ObjectModel:
    """A screwdriver, chisel or file with a coloured handle."""
    radius, grip, blade = span(rng, 0.014), span(rng, 0.1), span(rng, 0.11, 0.45)
    draft = Draft(OTHER, "screwdriver", handle=look(rng, "plastic", "plastic", "wood"), blade=_steel(rng))
    side = [(radius * 0.7, 0), (radius, grip * 0.12), (radius * 0.85, grip * 0.5), (radius, grip * 0.75), (radius * 0.5, grip)]
    draft.mesh(shapes.lathe(side, 10).moved((-grip, 0, radius), LIE), "handle", "handle")
    rod = radius * float(rng.uniform(0.2, 0.4))
    draft.mesh(shapes.lathe([(rod, 0), (rod, blade * 0.9), (rod * 0.7, blade)], 8).moved((0, 0, radius), LIE), "blade", "blade")
    draft.collider("box", (grip, radius * 1.7, radius * 2), (-grip / 2, 0, radius))
    draft.collider("box", (blade, rod * 2, rod * 2), (blade / 2, 0, radius))
    return draft.finish(0.15)


def pliers(rng: np.random.Generator) -> ObjectModel:
    """Pliers or scissors: two crossed halves about a pivot, with coloured grips or finger rings."""
    scissors = bool(rng.uniform() < 0.5)
    s, spread, thick = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.05, 0.3)), 0.004 if scissors else 0.011
    draft = Draft(OTHER, "scissors" if scissors else "pliers", handle=look(rng, "plastic", "plain"), metal=_steel(rng))
    reach = 0.09 * s if scissors else 0.05 * s
    for side in (-1, 1):
        turn = (0.0, 0.0, side * spread)
        blade = np.array([(-0.012, -side * 0.006), (0, side * 0.009), (reach * 0.5, side * 0.007), (reach, 0.0005 * side), (reach, -0.001 * side), (0, -side * 0.006)])
        draft.mesh(shapes.prism(blade, thick).moved((0, 0, thick * 0.5 * (side + 1) * 0.5), turn), "metal", "blade")
        if scissors:
            loop = shapes.arc(1.0, 0, 2 * np.pi, 15, "xy") * [0.028 * s, 0.017 * s, 1] + [-0.055 * s, side * -0.012, thick]
            draft.mesh(shapes.tube(loop, shapes.circle_section(0.005, 6)).moved(euler=turn), "handle", "handle")
            stem = np.array([(-0.005, 0, thick), (-0.028 * s, -side * 0.008, thick)])
            draft.mesh(shapes.tube(stem, shapes.circle_section(0.005, 6)).moved(euler=turn), "handle", "handle")
        else:
            path = np.array([(-0.005, 0, thick * 0.7), (-0.04 * s, -side * 0.014, thick * 0.7), (-0.12 * s, -side * 0.012, thick * 0.7)])
            draft.mesh(shapes.tube(path, shapes.circle_section(1.0, 8) * [0.007, 0.007], [0.8, 1.1, 1]).moved(euler=turn), "handle", "handle")
    draft.cylinder(0.006, thick * 1.9, (0, 0, thick * 0.95), "metal", "pivot", collides=False)
    wide = 0.05 * s + 0.1 * spread * s
    draft.collider("box", (0.085 * s, wide, 0.011), (-0.05 * s, 0, 0.0055))
    draft.collider("box", (reach, 0.02, 0.01), (reach / 2, 0, 0.005))
    return draft.finish(0.2)


def cutlery(rng: np.random.Generator) -> ObjectModel:
    """A fork, knife, spoon, spatula or ladle."""
    style = pick(rng, "fork", "knife", "spoon", "spatula")
    length, thick = span(rng, 0.19 if style != "spatula" else 0.27), 0.003
    draft = Draft(OTHER, style, metal=_steel(rng) if rng.uniform() < 0.7 else look(rng, "plastic", "wood"), handle=look(rng, "plastic", "wood"))
    two_tone = style in ("knife", "spatula") or rng.uniform() < 0.2
    half = float(rng.uniform(0.005, 0.008))
    grip = [(-length / 2, -half), (0.0, -half * 0.6), (0.0, half * 0.6), (-length / 2, half)]
    draft.mesh(shapes.prism(grip, thick * (2.5 if two_tone else 1)), "handle" if two_tone else "metal", "handle")
    end = length / 2
    if style == "knife":
        draft.mesh(shapes.prism([(0, -half), (end * 0.8, -half), (end, half * 0.9), (0, half)], 0.002), "metal", "blade")
    elif style == "spoon":
        draft.mesh(shapes.prism([(0, -0.003), (end * 0.5, -0.003), (end * 0.5, 0.003), (0, 0.003)], thick), "metal", "neck")
        cup = shapes.hollow([(0.008, 0), (0.016, 0.005), (0.02, 0.01)], 0.002, 14).scaled(1.4, 1, 1)
        draft.mesh(cup, "metal", "bowl", (end * 0.5 + 0.026, 0, 0))
    elif style == "fork":
        draft.mesh(shapes.prism([(0, -0.003), (end * 0.45, -0.012), (end * 0.6, -0.012), (end * 0.6, 0.012), (end * 0.45, 0.012), (0, 0.003)], thick), "metal", "neck")
        for y in (-0.0105, -0.0035, 0.0035, 0.0105):
            draft.box((end * 0.42, 0.003, thick), (end * 0.79, y, thick / 2), "metal", "tine", collides=False)
    else:
        draft.mesh(shapes.prism([(0, -0.004), (end * 0.45, -0.004), (end * 0.45, 0.004), (0, 0.004)], thick), "metal", "neck")
        draft.mesh(shapes.prism([(end * 0.4, -0.03), (end, -0.038), (end, 0.038), (end * 0.4, 0.03)], thick), "metal", "blade")
    draft.collider("box", (length, 0.016, 0.006), (0, 0, 0.003))
    return draft.finish(0.05)


def fruit(rng: np.random.Generator) -> ObjectModel:
    """An apple, pear, orange, lemon, tomato, potato, egg or banana."""
    style = pick(rng, "apple", "orange", "lemon", "pear", "potato", "egg", "banana", "banana")
    tones = {
        "apple": (0.7, 0.13, 0.1), "orange": (0.93, 0.5, 0.1), "lemon": (0.93, 0.82, 0.18), "pear": (0.66, 0.7, 0.22),
        "potato": (0.6, 0.46, 0.28), "egg": (0.86, 0.72, 0.58), "banana": (0.9, 0.76, 0.17),
    }  # fmt: skip
    skin = near(rng, tones[style], 0.07) if rng.uniform() < 0.8 else near(rng, (0.45, 0.62, 0.15), 0.06)
    draft = Draft(OTHER, style, skin=Look(pick(rng, "marble", "plain", "plastic"), skin, near(rng, skin, 0.15)), stem=Look("wood", (0.3, 0.2, 0.1), (0.2, 0.1, 0.05)))  # type: ignore[arg-type]
    s = float(rng.uniform(0.8, 1.2))
    if style == "banana":
        bow = shapes.arc(0.11 * s, 0.15, 1.6, 9, "xy")
        bow[:, 2] = 0.018 * s
        draft.mesh(shapes.tube(bow, shapes.circle_section(0.018 * s, 6), [0.3, 0.7, 0.95, 1, 1, 1, 0.9, 0.5, 0.25]), "skin")
        for k in (2, 4, 6):
            draft.collider("sphere", (0.0175 * s,), tuple(bow[k]))
        return draft.finish(0.15)
    profiles = {
        "apple": [(0.006, 0.006), (0.02, 0.0), (0.036, 0.022), (0.038, 0.045), (0.028, 0.066), (0.012, 0.07), (0.004, 0.062)],
        "orange": [(0.01, 0), (0.027, 0.008), (0.038, 0.036), (0.028, 0.064), (0.01, 0.073)],
        "lemon": [(0.006, 0), (0.01, 0.007), (0.024, 0.022), (0.029, 0.042), (0.022, 0.064), (0.009, 0.078), (0.005, 0.084)],
        "pear": [(0.008, 0.004), (0.022, 0.0), (0.036, 0.025), (0.032, 0.048), (0.019, 0.075), (0.014, 0.095), (0.004, 0.1)],
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
        draft.mesh(shapes.prism([(0, 0), (x, 0), (0 if rng.uniform() < 0.5 else x / 2, z)], y).moved(euler=(np.pi / 2, 0, 0)), "body", collides=True)
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
    draft = Draft(OTHER, "toy_van" if van else "toy_car", body=look(rng, "plastic", "metal", "wood"), wheel=Look("plain", grey(rng, 0.03, 0.25)), glass=Look("plastic", (0.1, 0.12, 0.16)))
    low = [(-0.06, 0.008), (0.06, 0.008), (0.062, 0.026), (0.03, 0.031), (-0.06, 0.03)]
    high = [(-0.058, 0.029), (0.03, 0.029), (0.018, 0.055), (-0.057, 0.06)] if van else [(-0.045, 0.029), (0.028, 0.029), (0.01, 0.048), (-0.03, 0.048)]
    for name, side, width in (("body", low, 0.05), ("body", high, 0.044), ("glass", [(x * 0.85 - 0.002, 0.033 + (z - 0.029) * 0.6) for x, z in high], 0.045)):
        part = shapes.prism(np.array(side) * s, width * s).moved((0, width * s / 2, 0), (np.pi / 2, 0, 0))
        draft.mesh(part, name, "window" if name == "glass" else "body")
    for x in (-0.036, 0.036):
        for y in (-1, 1):
            draft.cylinder(0.011 * s, 0.008 * s, (x * s, y * 0.024 * s, 0.011 * s), "wheel", "wheel", (np.pi / 2, 0, 0), collides=False)
    draft.collider("box", (0.12 * s, 0.054 * s, 0.03 * s), (0, 0, 0.015 * s))
    draft.collider("box", (0.06 * s, 0.044 * s, 0.02 * s), (-0.01 * s, 0, 0.038 * s))
    return draft.finish(0.15)


def cap(rng: np.random.Generator) -> ObjectModel:
    """A baseball cap or a hat with a brim all round."""
    hat = bool(rng.uniform() < 0.3)
    radius, height = span(rng, 0.09, 0.12), span(rng, 0.11, 0.2)
    draft = Draft(OTHER, "hat" if hat else "cap", cloth=look(rng, "fabric", "plain"), brim=look(rng, "fabric", "plain"), badge=look(rng, "print"))
    if rng.uniform() < 0.6:
        draft.looks["brim"] = draft.looks["cloth"]
    dome = [(radius, 0), (radius * 1.02, height * 0.4), (radius * 0.8, height * 0.8), (radius * 0.4, height)]
    draft.mesh(shapes.lathe(dome, 20), "cloth", "crown")
    if hat:
        draft.mesh(shapes.lathe([(radius * 1.6, 0.006), (radius * 1.62, 0.009), (radius * 0.98, 0.006)], 22), "brim", "brim")
    else:
        front = [(radius * np.cos(a) * 0.95, -radius * 0.3 - radius * 1.45 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
        draft.mesh(shapes.prism(front, 0.004), "brim", "visor")
        if rng.uniform() < 0.6:
            draft.box((radius * 0.7, 0.002, height * 0.4), (0, -radius * 0.985, height * 0.45), "badge", "badge", (-0.12, 0, 0), collides=False)
    draft.collider("cylinder", (radius, height * 0.8), (0, 0, height * 0.4))
    return draft.finish(0.1)


def shoe(rng: np.random.Generator) -> ObjectModel:
    """A single shoe: a low one, a trainer or a boot."""
    length, tall = span(rng, 0.27, 0.2), float(rng.uniform(0.07, 0.11))
    boot = bool(rng.uniform() < 0.25)
    draft = Draft(OTHER, "boot" if boot else "shoe", upper=look(rng, "fabric", "plastic", "plain"), sole=look(rng, "plain"), inside=Look("fabric", grey(rng, 0.05, 0.5)))
    stations = np.array([0.0, 0.12, 0.35, 0.6, 0.8, 1.0])
    width = np.array([0.5, 0.85, 0.8, 0.95, 1.0, 0.45]) * span(rng, 0.048, 0.12)
    height = np.array([0.95, 1.0, 0.95, 0.65, 0.48, 0.35]) * tall
    for name, top, grow in (("upper", height, 1.0), ("sole", np.full(6, 0.022), 1.06)):
        rings = []
        for t, w, h in zip(stations, width, top, strict=True):
            ring = shapes.ring(w * grow, h / 2, 0, 3.0 if name == "sole" else 2.4, 14)
            rings.append(np.column_stack([np.full(14, (t - 0.5) * length * grow), ring[:, 0], ring[:, 1] + h / 2]))
        draft.mesh(shapes.loft(rings), name, name)
    collar = shapes.loft([shapes.ring(length * 0.17, width[1] * 0.75, z, 2.2, 16) for z in (tall * 0.6, tall * (2.2 if boot else 1.12))])
    draft.mesh(collar, "upper", "shaft", (-length * 0.26, 0, 0))
    hole = shapes.ring(length * 0.145, width[1] * 0.6, 0, 2.2, 16)
    draft.mesh(shapes.loft([hole, hole + [0, 0, 0.002]]), "inside", "opening", (-length * 0.26, 0, tall * (2.2 if boot else 1.12)))
    for k in range(4):
        draft.box((0.006, width[3] * 0.9, 0.004), (length * (-0.05 + 0.055 * k), 0, tall * (0.93 - 0.115 * k)), "sole", "lace", (0, 0.5, 0), collides=False)
    draft.collider("box", (length, width[4] * 2, tall * 0.5), (0, 0, tall * 0.25))
    draft.collider("box", (length * 0.45, width[1] * 1.8, tall), (-length * 0.25, 0, tall * 0.5))
    return draft.finish(0.4)


def bag(rng: np.random.Generator) -> ObjectModel:
    """A hand bag, paper bag or pencil case with straps."""
    style = pick(rng, "hand_bag", "paper_bag", "case")
    x, y, z = {"hand_bag": (0.28, 0.12, 0.2), "paper_bag": (0.2, 0.11, 0.28), "case": (0.21, 0.07, 0.06)}[style]
    x, y, z = span(rng, x), span(rng, y), span(rng, z)
    draft = Draft(OTHER, style, body=look(rng, "fabric", "print", "plastic") if style != "paper_bag" else look(rng, "print", "plain"), strap=look(rng, "fabric", "plain"))
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
            strap = shapes.tube(bow, shapes.rectangle_section(0.004, 0.012)).moved((0, side * y * narrow * 0.4, z * 0.97), (-side * lean, 0, 0))
            draft.mesh(strap, "strap", "strap")
    draft.collider("box", (x * 0.95, y * 0.9, z * 0.6), (0, 0, z * 0.3))
    draft.collider("box", (x * 0.9, y * narrow * 0.9, z * 0.4), (0, 0, z * 0.8))
    return draft.finish(0.4)


def flashlight(rng: np.random.Generator) -> ObjectModel:
    """A torch that lies or stands on its head."""
    radius, length = span(rng, 0.016), span(rng, 0.16, 0.3)
    head = radius * float(rng.uniform(1.2, 1.9))
    draft = Draft(OTHER, "flashlight", body=look(rng, "metal", "plastic"), lens=Look("glass", (0.95, 0.95, 0.9), alpha=0.8), button=look(rng, "plastic"))
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
    draft.mesh(shapes.lathe([(full, rim * 0.9), (full * 1.02, height / 2), (full, height - rim * 0.9)], 18), "yarn", "yarn")
    draft.cylinder(radius * 0.25, 0.002, (0, 0, height), "yarn", "hole", collides=False)
    draft.collider("cylinder", (radius, height), (0, 0, height / 2))
    return draft.finish(0.1)


def glasses(rng: np.random.Generator) -> ObjectModel:
    """A pair of glasses with its temples folded out; sun glasses have dark lenses."""
    s = float(rng.uniform(0.9, 1.1))
    draft = Draft(OTHER, "glasses", frame=look(rng, "plastic", "metal"), lens=look(rng, "glass") if rng.uniform() < 0.5 else Look("plastic", (0.05, 0.05, 0.06)))
    rim = shapes.arc(1.0, 0, 2 * np.pi, 15) * [0.026 * s, 1, 0.021 * s]
    section = shapes.circle_section(0.0028, 5)
    for side in (-1, 1):
        draft.mesh(shapes.tube(rim + [side * 0.033 * s, 0, 0.023 * s], section), "frame", "frame")
        lens = shapes.loft([np.column_stack([rim[:-1, 0], np.full(14, y), rim[:-1, 2]]) for y in (-0.001, 0.001)])
        draft.mesh(lens, "lens", "lens", (side * 0.033 * s, 0, 0.023 * s))
        ear = np.array([(side * 0.06 * s, 0, 0.03 * s), (side * 0.064 * s, 0.09 * s, 0.024 * s), (side * 0.06 * s, 0.13 * s, 0.003)])
        draft.mesh(shapes.tube(ear, section), "frame", "temple")
    draft.mesh(shapes.tube(np.array([(-0.009 * s, 0, 0.028 * s), (0, 0, 0.032 * s), (0.009 * s, 0, 0.028 * s)]), section), "frame", "bridge")
    draft.collider("box", (0.125 * s, 0.006, 0.044 * s), (0, 0, 0.022 * s))
    draft.collider("box", (0.125 * s, 0.13 * s, 0.006), (0, 0.065 * s, 0.003))
    return draft.finish(0.04)


def stone(rng: np.random.Generator) -> ObjectModel:
    """A shapeless thing: a stone, a crumpled paper or foil ball, a cloth heap, a piece of ginger."""
    style = pick(rng, "stone", "crumpled", "cloth")
    size = tuple(float(v) for v in rng.uniform(0.04, 0.13, 3))
    if style == "cloth":
        size = (size[0] * 1.8, size[1] * 1.8, size[2] * 0.5)
    kinds = {"stone": look(rng, "marble", "plain", "wood"), "crumpled": look(rng, "paper", "print", "metal"), "cloth": look(rng, "fabric")}
    draft = Draft(OTHER, f"lump_{style}", body=kinds[style])
    rough = {"stone": 0.3, "crumpled": 0.5, "cloth": 0.6}[style]
    flat = (size[0], size[1], size[2] * float(rng.uniform(0.5, 1.0)))
    draft.mesh(shapes.lump(rng, flat, rough, 11, 16), "body", collides=style == "stone")
    if style != "stone":
        draft.collider("box", (flat[0] * 0.75, flat[1] * 0.75, flat[2] * 0.9), (0, 0, flat[2] * 0.45))
    return draft.finish(0.2)


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
        grid = np.stack([columns + rng.normal(0, 0.004, columns.shape), rows + rng.normal(0, 0.004, rows.shape), (tops - tops.min()) * 0.008], axis=-1)
        draft.mesh(shapes.sheet(grid, 0.005), "cloth")
        draft.collider("box", (x * 0.9, y * 0.9, 0.018), (0, 0, 0.009))
    return draft.finish(0.2)


def potted_plant(rng: np.random.Generator) -> ObjectModel:
    """A plant in a pot: a bush of leaves, a cactus, or long blades."""
    style = pick(rng, "bush", "cactus", "blades")
    radius, height = span(rng, 0.055, 0.35), span(rng, 0.09, 0.3)
    green = near(rng, (0.2, 0.45, 0.15), 0.08)
    pot = Look("plain", near(rng, (0.65, 0.33, 0.2), 0.05)) if rng.uniform() < 0.4 else ceramic(rng)
    draft = Draft(OTHER, f"plant_{style}", pot=pot, soil=Look("marble", (0.2, 0.13, 0.08), (0.1, 0.07, 0.04)), leaf=Look("leaves", green, near(rng, green, 0.1)))
    draft.mesh(shapes.hollow([(radius * 0.7, 0), (radius * 0.95, height * 0.8), (radius, height * 0.82), (radius, height)], 0.004), "pot", "pot")
    draft.cylinder(radius * 0.88, 0.006, (0, 0, height * 0.88), "soil", "soil", collides=False)
    base = height * 0.88
    if style == "cactus":
        body = shapes.smooth_profile([(radius * 0.35, base), (radius * 0.55, base + height * 0.5), (radius * 0.2, base + height * float(rng.uniform(0.9, 1.5)))], 6)
        draft.mesh(shapes.lathe(body, 12), "leaf", "stem")
    elif style == "bush":
        for _ in range(int(rng.integers(3, 7))):
            at, size = rng.normal(0, radius * 0.5, 2), span(rng, radius * 1.2)
            ball = shapes.lump(rng, (size, size, size * 0.9), 0.7, 7, 10)
            draft.mesh(ball, "leaf", "leaves", (float(at[0]), float(at[1]), base + float(rng.uniform(0.1, 0.9)) * radius))
        draft.cylinder(0.006, radius, (0, 0, base + radius / 2), "soil", "stem", collides=False)
    else:
        for _ in range(int(rng.integers(6, 14))):
            out = rng.normal(0, radius * 1.1, 2)
            tall = height * float(rng.uniform(0.8, 2.2))
            path = np.array([(0, 0, base - 0.01), (*out * 0.4, base + tall * 0.7), (*out, base + tall * float(rng.uniform(0.75, 1.0)))])
            draft.mesh(shapes.tube(path, shapes.rectangle_section(0.018, 0.002), [0.7, 1.0, 0.15]), "leaf", "leaf")
    draft.collider("cylinder", (radius * 0.85, height), (0, 0, height / 2))
    return draft.finish(0.8)


def charger(rng: np.random.Generator) -> ObjectModel:
    """A charger, a battery pack or a small device with a wire that lies on the table."""
    x, y, z = span(rng, 0.05, 0.4), span(rng, 0.045, 0.4), span(rng, 0.03, 0.3)
    body = look(rng, "plastic", "plastic", "print")
    draft = Draft(OTHER, "charger", body=body, wire=Look("plain", grey(rng, 0.03, 0.95) if rng.uniform() < 0.7 else colour(rng)))
    draft.mesh(shapes.rounded_box((x, y, z), 0.005, 1), "body", pos=(0, 0, z / 2))
    points = [np.array([0.0, y * 0.48, 0.004])]
    heading = np.pi / 2
    for _ in range(int(rng.integers(5, 10))):
        heading += float(rng.normal(0, 0.5))
        points.append(points[-1] + 0.03 * np.array([np.cos(heading), np.sin(heading), 0]))
    draft.mesh(shapes.tube(np.array(points), shapes.circle_section(float(rng.uniform(0.0018, 0.004)), 5)), "wire", "wire", (0, 0, 0.001))
    draft.collider("box", (x * 0.97, y * 0.97, z), (0, 0, z / 2))
    return draft.finish(0.1)


BUILDERS: dict[str, list[Builder]] = {
    OTHER: [hammer, screwdriver, pliers, cutlery, fruit, fruit, toy_block, toy_block, toy_car, cap, shoe, bag, flashlight, spool, glasses, stone, towel, potted_plant, charger]
}
