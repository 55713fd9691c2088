"""More of what is none of the classes: devices, kettles, balls, frames, candles, tools with motors, paper."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER
from training.rooms import shapes
from training.rooms.catalogue.small_kit import Draft, any_colour, ceramic, grey, look, near, pick, span
from training.rooms.model import Builder, Look, ObjectModel

LIE = (0.0, np.pi / 2, 0.0)  # turns the axis of a lathe from z to x
TO_FRONT = (np.pi / 2, 0.0, 0.0)  # turns a prism's outline from xy to xz


def teapot(rng: np.random.Generator) -> ObjectModel:
    """A teapot, kettle or jug with a handle and a spout."""
    style = pick(rng, "teapot", "kettle", "jug")
    radius, height = span(rng, 0.075, 0.2), span(rng, 0.13 if style != "jug" else 0.2)
    draft = Draft(OTHER, style, body=ceramic(rng) if style != "kettle" else look(rng, "metal", "plastic"), handle=look(rng, "plastic", "wood", "metal"))
    if rng.uniform() < 0.5:
        draft.looks["handle"] = draft.looks["body"]
    neck = radius * float(rng.uniform(0.45, 0.7))
    side = shapes.smooth_profile([(radius * 0.75, 0), (radius, height * 0.4), (neck, height * 0.95), (neck, height)], 6)
    draft.mesh(shapes.lathe(side, 18), "body")
    attach = float(np.interp(height * 0.3, [z for _, z in side], [r for r, _ in side]))
    path = np.array([(attach * 0.9, 0, height * 0.3), (attach * 1.35, 0, height * 0.5), (attach * 1.65, 0, height * 0.95)])
    if style == "jug":
        path = np.array([(neck * 0.6, 0, height * 0.88), (neck * 1.1, 0, height * 0.97), (neck * 1.5, 0, height * 1.05)])
    draft.mesh(shapes.tube(path, shapes.circle_section(0.012, 8), [1.5, 1.0, 0.7]), "body", "spout")
    low, high = height * 0.25, height * 0.85
    bow = shapes.arc(1.0, np.pi / 2, 3 * np.pi / 2, 9) * [0.045, 1, (high - low) / 2] + [-neck, 0, (low + high) / 2]
    if style == "kettle" and rng.uniform() < 0.6:
        bow = shapes.arc(1.0, np.pi, 0, 9) * [radius * 0.7, 1, height * 0.45] + [0, 0, height * 0.85]
    else:
        bow[-1, 0] = -attach * 0.95
    draft.mesh(shapes.tube(bow, shapes.circle_section(1.0, 8) * [0.008, 0.006]), "handle", "handle")
    if style != "jug":
        draft.mesh(shapes.lathe([(neck * 1.05, 0), (neck * 0.8, 0.012), (0.006, 0.018), (0.012, 0.03), (0.008, 0.036)], 14), "handle", "lid", (0, 0, height))
    draft.collider("cylinder", (radius, height), (0, 0, height / 2))
    draft.collider("box", (0.03, 0.02, height * 0.5), (float(bow[:, 0].min()) + 0.015, 0, height * 0.55))
    return draft.finish(0.7)


def ball(rng: np.random.Generator) -> ObjectModel:
    """A tennis ball, toy ball, marble or football with a band or patches."""
    radius = span(rng, 0.04, 0.5)
    draft = Draft(OTHER, "ball", skin=look(rng, "plain", "plastic", "print", "fabric", "marble"), band=look(rng, "plain"))
    angles = np.linspace(-np.pi / 2, np.pi / 2, 11)
    turn = tuple(float(a) for a in rng.uniform(0, 2 * np.pi, 3))
    draft.mesh(shapes.lathe([(radius * np.cos(a), radius * np.sin(a)) for a in angles], 18).moved(euler=turn), "skin", "body", (0, 0, radius))  # type: ignore[arg-type]
    if rng.uniform() < 0.4:
        draft.mesh(shapes.torus(radius, radius * 0.06, 24, 4).moved(euler=turn), "band", "band", (0, 0, radius))  # type: ignore[arg-type]
    draft.collider("sphere", (radius,), (0, 0, radius))
    return draft.finish(0.1)


def headphones(rng: np.random.Generator) -> ObjectModel:
    """Headphones that lie on one side: a bow and two cushions."""
    s = float(rng.uniform(0.85, 1.1))
    draft = Draft(OTHER, "headphones", bow=look(rng, "plastic", "metal"), shell=look(rng, "plastic"), cushion=Look("fabric", grey(rng, 0.03, 0.5)))
    bow = shapes.arc(1.0, np.pi * 1.05, -0.05 * np.pi, 13, "xy") * [0.08 * s, 0.1 * s, 1] + [0, 0, 0.035 * s]
    draft.mesh(shapes.tube(bow, shapes.circle_section(1.0, 8) * [0.006, 0.013]), "bow", "headband")
    for side in (-1, 1):
        shell = shapes.lathe([(0.028 * s, 0), (0.036 * s, 0.008), (0.036 * s, 0.02)], 16).moved(euler=(0, -side * np.pi / 2, 0))
        draft.mesh(shell, "shell", "cup", (side * 0.09 * s, -0.015 * s, 0.036 * s))
        pad = shapes.torus(0.025 * s, 0.02 * s, 16, 6).moved(euler=LIE)
        draft.mesh(pad, "cushion", "cushion", (side * 0.068 * s, -0.015 * s, 0.036 * s))
        draft.collider("box", (0.035 * s, 0.06 * s, 0.07 * s), (side * 0.075 * s, -0.015 * s, 0.035 * s))
    draft.collider("box", (0.15 * s, 0.04 * s, 0.02), (0, 0.08 * s, 0.036 * s))
    return draft.finish(0.25)


def drill(rng: np.random.Generator) -> ObjectModel:
    """A drill, glue gun or hair dryer: a barrel on a grip; it stands on its battery or lies on its side."""
    style = pick(rng, "drill", "hair_dryer")
    s, stands = float(rng.uniform(0.8, 1.2)), style == "drill" and rng.uniform() < 0.5
    draft = Draft(OTHER, style, body=look(rng, "plastic"), dark=Look("plastic", grey(rng, 0.04, 0.25)), metal=look(rng, "metal"))
    barrel = [(0.02, 0), (0.028, 0.01), (0.028, 0.12), (0.02, 0.14)] if style == "drill" else [(0.025, 0), (0.036, 0.012), (0.036, 0.07), (0.022, 0.16)]
    parts = [(shapes.lathe(barrel, 14).moved((-0.05, 0, 0.15), LIE), "body", "barrel")]
    if style == "drill":
        parts.append((shapes.lathe([(0.019, 0.13), (0.016, 0.16), (0.006, 0.17), (0.004, 0.23)], 10).moved((-0.05, 0, 0.15), LIE), "metal", "chuck"))
        parts.append((shapes.rounded_box((0.085, 0.06, 0.04), 0.006, 1).moved((-0.01, 0, 0.02)), "dark", "battery"))
    else:
        parts.append((shapes.lathe([(0.023, 0.155), (0.023, 0.175)], 10).moved((-0.05, 0, 0.15), LIE).scaled(1, 1.6, 1), "dark", "nozzle"))
    grip = [(-0.032, 0.03), (0.012, 0.03), (0.0, 0.14), (-0.035, 0.14)]
    parts.append((shapes.prism(grip, 0.034).moved((0, 0.017, 0), TO_FRONT), "body" if rng.uniform() < 0.5 else "dark", "grip"))
    parts.append((shapes.prism([(0.006, 0.09), (0.014, 0.09), (0.01, 0.125), (0.002, 0.125)], 0.018).moved((0, 0.009, 0), TO_FRONT), "dark", "trigger"))
    for mesh, name, part in parts:
        draft.mesh((mesh if stands else mesh.moved(euler=TO_FRONT)).scaled(s, s, s), name, part)
    if stands:
        draft.collider("box", (0.085 * s, 0.06 * s, 0.04 * s), (-0.01 * s, 0, 0.02 * s))
        draft.collider("box", (0.045 * s, 0.035 * s, 0.1 * s), (-0.015 * s, 0, 0.09 * s))
        draft.collider("box", (0.15 * s, 0.055 * s, 0.055 * s), (0.03 * s, 0, 0.15 * s))
    else:
        thick = 0.028 if style == "drill" else 0.036
        draft.collider("box", (0.15 * s, 0.055 * s, 2 * thick * s), (0.03 * s, -0.15 * s, 0))
        if style == "drill":
            draft.collider("box", (0.085 * s, 0.04 * s, 2 * thick * s), (-0.01 * s, -0.02 * s, 0))
        draft.collider("box", (0.04 * s, 0.11 * s, 0.035 * s), (-0.012 * s, -0.085 * s, 0))
    return draft.finish(1.0)


def camera(rng: np.random.Generator) -> ObjectModel:
    """A photo camera with its lens, or a web cam on a foot."""
    x, y, z = span(rng, 0.12), span(rng, 0.05), span(rng, 0.075)
    draft = Draft(OTHER, "camera", body=look(rng, "plastic", "metal"), dark=Look("plastic", grey(rng, 0.02, 0.2)), glass=Look("plastic", (0.08, 0.09, 0.16)))
    draft.mesh(shapes.rounded_box((x, y, z), 0.008, 1), "body", pos=(0, 0, z / 2))
    radius, reach = z * float(rng.uniform(0.3, 0.44)), float(rng.uniform(0.015, 0.06))
    draft.cylinder(radius, reach, (x * 0.08, -y / 2 - reach / 2, z * 0.48), "dark", "lens", TO_FRONT)
    draft.cylinder(radius * 0.75, 0.002, (x * 0.08, -y / 2 - reach, z * 0.48), "glass", "glass", TO_FRONT, collides=False)
    draft.box((x * 0.3, y * 0.7, z * 0.22), (x * 0.08, 0, z * 1.08), "dark", "viewfinder", collides=False)
    draft.cylinder(0.006, 0.006, (-x * 0.33, 0, z + 0.002), "dark", "button", collides=False)
    draft.collider("box", (x * 0.97, y * 0.97, z), (0, 0, z / 2))
    return draft.finish(0.5)


def game_pad(rng: np.random.Generator) -> ObjectModel:
    """A game controller with two grips, sticks and buttons."""
    s = float(rng.uniform(0.85, 1.15))
    draft = Draft(OTHER, "game_pad", body=look(rng, "plastic"), dark=Look("plain", grey(rng, 0.03, 0.3)), button=look(rng, "plastic"))
    half = [(0.0, -0.02), (0.03, -0.022), (0.052, -0.055), (0.07, -0.055), (0.078, -0.02), (0.068, 0.03), (0.04, 0.04), (0.0, 0.036)]
    outline = np.array([*half, *[(-x, y) for x, y in half[-2:0:-1]]]) * s
    draft.mesh(shapes.prism(outline, 0.03 * s), "body")
    for x, y, radius, name in ((-0.025, -0.005, 0.01, "dark"), (0.025, -0.005, 0.01, "dark"), (0.05, 0.015, 0.012, "button"), (-0.05, 0.015, 0.012, "button")):
        draft.cylinder(radius * s, 0.01, (x * s, y * s, 0.032 * s), name, "stick" if name == "dark" else "button", collides=False)
    draft.collider("box", (0.145 * s, 0.06 * s, 0.03 * s), (0, 0.008 * s, 0.015 * s))
    for side in (-1, 1):
        draft.collider("box", (0.022 * s, 0.035 * s, 0.03 * s), (side * 0.062 * s, -0.037 * s, 0.015 * s))
    return draft.finish(0.25)


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
    draft.box((0.03, 0.004, float(np.linalg.norm(foot))), (0.0, float(middle[1]), float(middle[2])), "frame", "foot", (slope, 0, 0))
    return draft.finish(0.3)


def candle(rng: np.random.Generator) -> ObjectModel:
    """A candle with a wick, alone, on a saucer, or in a glass."""
    radius, height = span(rng, 0.03, 0.4), span(rng, 0.08, 0.5)
    style = pick(rng, "plain", "saucer", "glass")
    draft = Draft(OTHER, f"candle_{style}", wax=look(rng, "plain", "plastic"), wick=Look("plain", (0.1, 0.1, 0.1)), holder=look(rng, "metal") if style == "saucer" else look(rng, "glass"))
    base = 0.006 if style != "plain" else 0.0
    wax = height * (0.6 if style == "glass" else 1.0)
    draft.mesh(shapes.lathe([(radius, base), (radius, base + wax * 0.97), (radius * 0.92, base + wax), (radius * 0.3, base + wax * 0.98)], 16), "wax", "wax")
    draft.cylinder(0.0015, 0.014, (0, 0, base + wax + 0.004), "wick", "wick", (0.2, 0, 0), collides=False)
    wide = radius
    if style == "saucer":
        wide = radius * float(rng.uniform(1.3, 2.0))
        draft.mesh(shapes.lathe([(wide * 0.7, 0), (wide, 0.012), (wide * 0.97, 0.013), (wide * 0.7, base)], 18), "holder", "saucer")
        draft.collider("cylinder", (wide, 0.01), (0, 0, 0.005))
    elif style == "glass":
        wide = radius * 1.12
        draft.mesh(shapes.hollow([(wide, 0), (wide, height)], 0.003, 16), "holder", "holder")
    draft.collider("cylinder", (wide if style == "glass" else radius, height), (0, 0, height / 2))
    return draft.finish(0.2)


def paper_stack(rng: np.random.Generator) -> ObjectModel:
    """Loose things of paper: an envelope, a card, a stack of sheets, a leaflet, a note pad with a spiral."""
    style = pick(rng, "envelope", "stack", "card", "pad")
    x, y = {"envelope": (0.22, 0.11), "stack": (0.21, 0.297), "card": (0.1, 0.14), "pad": (0.15, 0.21)}[style]
    x, y = span(rng, x, 0.2), span(rng, y, 0.2)
    thick = {"envelope": 0.003, "stack": float(rng.uniform(0.003, 0.03)), "card": 0.003, "pad": float(rng.uniform(0.006, 0.015))}[style]
    draft = Draft(OTHER, style, page=look(rng, "paper", "print", "plain"), stamp=look(rng, "print", "plain"))
    if style == "stack":
        sheets = int(rng.integers(1, 5))
        for k in range(sheets):
            pos = (float(rng.normal(0, 0.005)), float(rng.normal(0, 0.005)), thick * (k + 0.5) / sheets)
            draft.box((x, y, thick / sheets), pos, "page", "sheet", (0, 0, float(rng.normal(0, 0.05))), collides=False)
    else:
        draft.box((x, y, thick), (0, 0, thick / 2), "page", "body", collides=False)
    if style in ("envelope", "card"):
        draft.box((0.022, 0.027, 0.0008), (x * 0.38, y * 0.5 - 0.022, thick), "stamp", "stamp", collides=False)
    if style == "pad":
        for k in range(8):
            ring = shapes.torus(thick * 0.8, 0.0018, 10, 4).moved(euler=LIE)
            draft.mesh(ring, "stamp", "spiral", (x * (k - 3.5) / 8.5, y / 2, thick * 0.8))
    draft.collider("box", (x, y, thick), (0, 0, thick / 2))
    return draft.finish(0.1)


def wallet(rng: np.random.Generator) -> ObjectModel:
    """A wallet, purse, or soft flat case."""
    x, y, z = span(rng, 0.11, 0.4), span(rng, 0.09, 0.3), span(rng, 0.022, 0.4)
    draft = Draft(OTHER, "wallet", skin=look(rng, "fabric", "plain", "plastic"), trim=look(rng, "metal", "plain"))
    draft.mesh(shapes.rounded_box((x, y, z), z * 0.45), "skin", pos=(0, 0, z / 2))
    draft.box((x * 0.22, y * 0.4, 0.003), (x * 0.38, 0, z), "trim", "strap", collides=False)
    draft.cylinder(0.006, 0.003, (x * 0.32, 0, z + 0.002), "trim", "button", collides=False)
    draft.collider("box", (x * 0.95, y * 0.95, z), (0, 0, z / 2))
    return draft.finish(0.15)


def dumbbell(rng: np.random.Generator) -> ObjectModel:
    """A dumbbell, or a reel-like thing with a waist."""
    length, radius = span(rng, 0.2), span(rng, 0.045)
    draft = Draft(OTHER, "dumbbell", weight=look(rng, "plain", "metal", "plastic"), bar=look(rng, "metal", "plastic"))
    sides, disc = (6, 18)[int(rng.integers(2))], length * float(rng.uniform(0.2, 0.32))
    for side in (-1, 1):
        plate = shapes.lathe([(radius * 0.9, 0), (radius, disc * 0.15), (radius, disc * 0.85), (radius * 0.9, disc)], sides)
        lift = radius * (np.cos(np.pi / 6) if sides == 6 else 1.0)
        turned = plate.moved((0, 0, -disc / 2)).moved((side * (length - disc) / 2, 0, lift), (0, np.pi / 2, 0))
        if sides == 6:
            turned = plate.moved((0, 0, -disc / 2), (0, 0, 0)).moved(euler=(0, 0, np.pi / 6)).moved((side * (length - disc) / 2, 0, lift), LIE)
        draft.mesh(turned, "weight", "weight", collides=sides == 6)
        if sides != 6:
            draft.collider("cylinder", (radius, disc), (side * (length - disc) / 2, 0, radius), LIE)
    draft.cylinder(radius * 0.32, length * 0.9, (0, 0, radius * 0.95), "bar", "handle", LIE)
    return draft.finish(2.0)


def board(rng: np.random.Generator) -> ObjectModel:
    """A cutting board, tray or plank, with a hole or a rim."""
    style = pick(rng, "cutting_board", "tray", "plank")
    x, y, z = span(rng, 0.33, 0.3), span(rng, 0.21, 0.3), float(rng.uniform(0.008, 0.025))
    draft = Draft(OTHER, style, body=look(rng, "wood", "plastic", "marble", "wood"), rim=look(rng, "plastic", "wood", "metal"))
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
            draft.mesh(shapes.loft([shapes.ring(0.02, y * 0.15, h, 3.0, 14, (x * 0.43, 0)) for h in (z, z + 0.0008)]), "rim", "hole")
    draft.surface((0, 0, z if style != "tray" else 0.005), (x * 0.8, y * 0.8))
    return draft.finish(0.6)


def mill(rng: np.random.Generator) -> ObjectModel:
    """A turned thing: a pepper mill, chess piece, salt shaker, egg cup, spinning top, bulb; no two alike."""
    height = span(rng, 0.11, 0.55)
    draft = Draft(OTHER, "turned", body=look(rng, "wood", "plastic", "metal", "marble", "print"), top=look(rng, "metal", "wood", "plastic"))
    widest = height * float(rng.uniform(0.16, 0.4))
    knots = [(widest * float(rng.uniform(0.75, 1.0)), 0.0)]
    for share in (0.25, 0.45, 0.65, 0.85):
        knots.append((widest * float(rng.uniform(0.35, 1.0)), height * share))
    draft.mesh(shapes.lathe(shapes.smooth_profile(knots, 10), 16), "body")
    draft.mesh(shapes.lathe([(widest * 0.5, 0), (widest * 0.55, height * 0.06), (widest * 0.3, height * 0.15)], 14), "top", "head", (0, 0, height * 0.845))
    draft.collider("cylinder", (knots[0][0], height * 0.2), (0, 0, height * 0.1))
    draft.collider("cylinder", (max(r for r, _ in knots) * 0.9, height * 0.9), (0, 0, height * 0.5))
    return draft.finish(0.2)


def cable(rng: np.random.Generator) -> ObjectModel:
    """A coiled cable, rope, chain or belt."""
    style = pick(rng, "coil", "belt")
    draft = Draft(OTHER, style, wire=look(rng, "plain", "plastic", "fabric"), plug=look(rng, "plastic", "metal"))
    if style == "coil":
        turns, radius, thick = int(rng.integers(2, 5)), span(rng, 0.05), float(rng.uniform(0.004, 0.009))
        angle = np.linspace(0, 2 * np.pi * turns, 12 * turns)
        wobble = radius * (1 + 0.08 * np.sin(1.7 * angle + rng.uniform(0, 6)))
        path = np.stack([wobble * np.cos(angle), wobble * np.sin(angle), thick * (0.5 + 0.8 * angle / (2 * np.pi))], axis=1)
        draft.mesh(shapes.tube(path, shapes.circle_section(thick / 2, 5)), "wire", "wire")
        draft.box((0.014, 0.03, 0.012), tuple(path[-1] + [0, 0.012, 0.002]), "plug", "plug", collides=False)
        high = thick * (0.8 * turns + 0.5)
        draft.collider("cylinder", (radius, high), (0, 0, high / 2))
    else:
        turns, high = 2.4, float(rng.uniform(0.025, 0.045))
        angle = np.linspace(0, 2 * np.pi * turns, 30)
        spread = 0.02 + 0.006 * angle / np.pi
        path = np.stack([spread * np.cos(angle), spread * np.sin(angle), np.full(30, high / 2)], axis=1)
        draft.mesh(shapes.tube(path, shapes.rectangle_section(0.0035, high)), "wire", "strap")
        draft.box((0.006, 0.035, high * 1.1), tuple(path[-1] + [0, 0.01, high * 0.05]), "plug", "buckle", collides=False)
        draft.collider("cylinder", (0.045, high), (0, 0, high / 2))
    return draft.finish(0.15)


def soft_toy(rng: np.random.Generator) -> ObjectModel:
    """A soft toy: a bear or rabbit that sits."""
    s = float(rng.uniform(0.6, 1.4))
    fur = look(rng, "fabric", "plain") if rng.uniform() < 0.5 else Look("fabric", near(rng, (0.6, 0.42, 0.26), 0.1), (0.7, 0.5, 0.3))
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


def composite(rng: np.random.Generator) -> ObjectModel:
    """A thing of no name: two to four solids stuck together at random, as one meets in any workshop."""
    draft = Draft(OTHER, "composite", one=look(rng, "plastic", "metal", "print", "wood"), two=look(rng, "plain", "plastic", "metal"))
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
            draft.cylinder(min(float(size[0]), base[2]) * 0.35, base[1] * float(rng.uniform(1.1, 1.6)), (pos[0], 0, base[2] * 0.6), name, part, TO_FRONT)
        else:
            draft.ellipsoid((float(size[0]), float(size[0]), float(size[2])), (pos[0], pos[1], base[2]), name, part)
    return draft.finish(0.3)


BUILDERS: dict[str, list[Builder]] = {
    OTHER: [teapot, ball, headphones, drill, camera, game_pad, picture_frame, candle, paper_stack, wallet, dumbbell, board, mill, cable, soft_toy, composite, composite]
}
