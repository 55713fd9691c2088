"""Cabinets, dressers, drawer units, TV stands, safes."""

from __future__ import annotations

import numpy as np

from ...geometry.model import ObjectModel
from ..kits.assembly import Assembly
from ..kits.looks import between, board, chance, dark, glass, metal, paint, pick, steel, wood
from ..kits.parts import HANDLE_STYLES, LEG_STYLES, Front, boards, carcass, corner_legs, door, drawer_stack


def _shop(rng: np.random.Generator, class_name: str, style: str) -> Assembly:
    """An assembly with the looks of case furniture: frame, front, knob, leg."""
    frame = board(rng)
    front = frame if chance(rng, 0.65) else board(rng)
    leg = frame if chance(rng, 0.5) else pick(rng, (metal, wood))(rng)
    return Assembly(class_name, style, frame=frame, front=front, knob=metal(rng), leg=leg)


def _stand(asm: Assembly, rng: np.random.Generator, size: tuple[float, float]) -> float:
    """Legs, a plinth, or nothing under a case of footprint `size`; returns the height of the case's underside."""
    kind = pick(rng, ("legs", "plinth", "none"), (3, 3, 2))
    if kind == "legs":
        height = between(rng, 0.06, 0.22)
        corner_legs(asm, "leg", pick(rng, LEG_STYLES), (size[0] - 0.08, size[1] - 0.08), height, 0.04)
        return height
    if kind == "plinth":
        height = between(rng, 0.04, 0.1)
        asm.box("plinth", "frame", (size[0] - 0.02, size[1] - 0.06, height), (0, 0.02, height / 2))
        return height
    return 0.0


def _top_board(asm: Assembly, rng: np.random.Generator, size: tuple[float, float], z: float) -> float:
    """An overhanging top on a case, or none; adds the place; returns the upper height."""
    thick, over = between(rng, 0.015, 0.04), between(rng, 0.0, 0.03)
    look = "top" if chance(rng, 0.3) else "frame"
    if look == "top":
        asm.looks["top"] = board(rng)
    asm.box("top", look, (size[0] + 2 * over, size[1] + over, thick), (0, -over / 2, z + thick / 2))
    asm.surface((0, -over / 2, z + thick), (size[0], size[1]))
    return z + thick


def dresser(rng: np.random.Generator) -> ObjectModel:
    """A chest of drawers, one to three columns wide."""
    columns = pick(rng, (1, 2, 3), (3, 3, 1))
    w, d, h = between(rng, 0.4, 0.6) * columns + 0.1 * (columns == 1), between(rng, 0.38, 0.55), between(rng, 0.6, 1.2)
    h = min(h, 0.95) if columns > 1 else h
    asm = _shop(rng, "Dresser", f"dresser_{columns}")
    base = _stand(asm, rng, (w, d))
    asm.box("body", "frame", (w, d, h - base), (0, 0, (h + base) / 2))
    rows = int(rng.integers(2, 6))
    for column in range(columns):
        wide = (w - 0.03) / columns
        x = -w / 2 + 0.015 + wide * (column + 0.5)
        area = Front(x, (h + base) / 2, wide, h - base - 0.03, -d / 2)
        drawer_stack(asm, rng, area, rows, ("front", "knob"), depth=d * 0.8, first=1 + column * rows)
    _top_board(asm, rng, (w, d), h)
    if chance(rng, 0.15):
        asm.looks["mirror"] = steel(rng)
        tall = between(rng, 0.4, 0.7)
        place = asm.surfaces.pop()
        asm.box("mirror", "frame", (w * 0.7, 0.03, tall), (0, d / 2 - 0.02, place.center[2] + tall / 2))
        asm.box("mirror", "mirror", (w * 0.64, 0.004, tall * 0.9), (0, d / 2 - 0.036, place.center[2] + tall / 2))
        asm.surface((0, -0.04, place.center[2]), (w, d - 0.1))
    return asm.finish(between(rng, 20, 60), "wall_floor")


def drawer_unit(rng: np.random.Generator) -> ObjectModel:
    """A low roll container or drawer box that stands by itself; of class Drawer as a whole."""
    w, d, h = between(rng, 0.3, 0.45), between(rng, 0.38, 0.6), between(rng, 0.3, 0.65)
    asm = _shop(rng, "Drawer", "drawer_unit_box")
    base = 0.0
    if chance(rng, 0.6):
        asm.style, base = "drawer_unit_wheels", 0.05
        corner_legs(asm, "leg", "round", (w - 0.08, d - 0.08), base, 0.045, "wheel")
    asm.box("body", "frame", (w, d, h - base), (0, 0, (h + base) / 2))
    area = Front(0, (h + base) / 2, w - 0.02, h - base - 0.02, -d / 2)
    drawer_stack(asm, rng, area, int(rng.integers(1, 4)), ("front", "knob"), depth=d * 0.8)
    asm.sub_objects.clear()  # the whole is the Drawer
    asm.surface((0, 0, h), (w, d))
    return asm.finish(between(rng, 10, 25), "floor")


def cabinet(rng: np.random.Generator) -> ObjectModel:
    """A cupboard: wardrobe, sideboard, glass cabinet, filing cabinet, or a kitchen cabinet on the wall."""
    style = pick(rng, ("sideboard", "wardrobe", "glazed", "wall", "filing", "open_door"), (3, 3, 1.5, 3, 2, 2))
    ranges = {
        "sideboard": ((0.6, 1.6), (0.35, 0.5), (0.6, 1.0)),
        "wardrobe": ((0.6, 1.6), (0.45, 0.62), (1.5, 2.1)),
        "glazed": ((0.6, 1.2), (0.32, 0.45), (1.2, 1.9)),
        "wall": ((0.4, 1.2), (0.28, 0.38), (0.4, 0.8)),
        "filing": ((0.38, 0.48), (0.45, 0.65), (0.7, 1.35)),
        "open_door": ((0.6, 1.2), (0.35, 0.5), (0.7, 1.6)),
    }[style]
    w, d, h = (between(rng, *free) for free in ranges)
    asm = _shop(rng, "Cabinet", f"cabinet_{style}")
    base = 0.0 if style in ("wall", "filing") else _stand(asm, rng, (w, d))
    if style == "filing":
        asm.looks["frame"] = asm.looks["front"] = pick(rng, (paint, metal))(rng)
        asm.box("body", "frame", (w, d, h), (0, 0, h / 2))
        area = Front(0, h / 2, w - 0.02, h - 0.02, -d / 2)
        drawer_stack(asm, rng, area, int(rng.integers(2, 5)), ("front", "knob"), depth=d * 0.8)
        asm.surface((0, 0, h), (w, d), 0.6)
        return asm.finish(between(rng, 25, 50), "floor")
    columns = 1 if w < 0.5 else 2 if w < 1.1 else 3
    wide, panel, style_of_knob = w / columns, chance(rng, 0.4), pick(rng, HANDLE_STYLES)
    opened = int(rng.integers(columns)) if style == "open_door" else -1
    if style in ("glazed", "open_door"):
        carcass(asm, "frame", (w, d, h - base), base)
        rows = max(2, round((h - base) / 0.36))
        levels = [float(z) for z in np.linspace(base + 0.018, h - 0.018, rows + 1)]
        boards(asm, "frame", (w - 0.036, d - 0.03), levels)
    else:
        asm.box("body", "frame", (w, d, h - base), (0, 0, (h + base) / 2))
        asm.surface((0, 0, h), (w, d), 0.4 if h > 1.2 else 0.8)
    if style == "glazed":
        asm.looks["pane"] = glass(rng)
    for column in range(columns):
        x = -w / 2 + wide * (column + 0.5)
        front = Front(x, (h + base) / 2, wide - 0.005, h - base - 0.006, -d / 2)
        hinge = "left" if column % 2 == 0 and columns > 1 else pick(rng, ("left", "right"))
        part = ("door_left", "door_right", "door_middle")[column]
        if column == opened:
            _open_door(asm, rng, part, front, hinge)
        elif style == "glazed":
            _glass_door(asm, part, front, hinge)
        else:
            door(asm, part, front, ("front", "knob"), style_of_knob, hinge=hinge, panel=panel)
    return asm.finish(between(rng, 15, 70), "wall" if style == "wall" else "wall_floor")


def _open_door(asm: Assembly, rng: np.random.Generator, part: str, front: Front, hinge: str) -> None:
    """A door swung open about its hinge."""
    side = -1 if hinge == "left" else 1
    angle = -side * between(rng, 0.6, 1.7)  # the free edge comes toward -y
    x = front.x + side * front.w / 2
    pose = (x - side * np.cos(angle) * front.w / 2, front.y - abs(np.sin(angle)) * front.w / 2, front.z)
    asm.box(part, "front", (front.w, 0.018, front.h), (float(pose[0]), float(pose[1]), pose[2]), (0, 0, angle))


def _glass_door(asm: Assembly, part: str, front: Front, hinge: str) -> None:
    """A door of a frame around a pane."""
    rail, y = 0.05, front.y - 0.009
    for side in (-1, 1):
        asm.box(part, "front", (rail, 0.018, front.h), (front.x + side * (front.w - rail) / 2, y, front.z))
        z = front.z + side * (front.h - rail) / 2
        asm.box(part, "front", (front.w - 2 * rail, 0.018, rail), (front.x, y, z))
    asm.box(part, "pane", (front.w - 2 * rail, 0.005, front.h - 2 * rail), (front.x, y, front.z))
    side = 1 if hinge == "left" else -1
    at = (front.x + side * (front.w - rail) / 2, front.y - 0.026, front.z)
    asm.ball(part.replace("door", "knob"), "knob", (0.026, 0.026, 0.026), at, collides=False)


def tv_stand(rng: np.random.Generator) -> ObjectModel:
    """A low board for a television: bays with boards, doors or drawers."""
    w, d, h = between(rng, 0.9, 1.9), between(rng, 0.32, 0.48), between(rng, 0.38, 0.62)
    asm = _shop(rng, "TVStand", "tvstand")
    base = _stand(asm, rng, (w, d))
    carcass(asm, "frame", (w, d, h - base), base)
    bays = pick(rng, (2, 3))
    wide, first = w / bays, 1
    kinds = set()
    for bay in range(bays):
        x = -w / 2 + wide * (bay + 0.5)
        if bay:
            asm.box("divider", "frame", (0.018, d - 0.01, h - base - 0.036), (x - wide / 2, 0, (h + base) / 2))
        front = Front(x, (h + base) / 2, wide - 0.02, h - base - 0.01, -d / 2)
        kind = pick(rng, ("open", "board", "door", "drawers"), (3, 2, 2, 2))
        kinds.add(kind)
        if kind == "drawers":
            asm.box("body", "frame", (wide - 0.03, d - 0.02, h - base - 0.04), (x, 0.0, (h + base) / 2))
            drawer_stack(asm, rng, front, 2, ("front", "knob"), depth=d * 0.7, first=first)
            first += 2
        elif kind == "door":
            door(asm, f"door_{bay + 1}", front, ("front", "knob"), "knob", hinge="left", panel=False)
        elif kind == "board":
            middle = (h + base) / 2
            asm.box(f"board_{bay + 1}", "frame", (wide - 0.03, d - 0.03, 0.016), (x, 0.0, middle - 0.008))
            asm.surface((x, 0, base + 0.018), (wide - 0.06, d - 0.05), middle - base - 0.034, inside=True)
            asm.surface((x, 0, middle), (wide - 0.06, d - 0.05), h - middle - 0.018, inside=True)
        else:
            asm.surface((x, 0, base + 0.018), (wide - 0.06, d - 0.05), h - base - 0.036, inside=True)
    asm.style = f"tvstand_{kinds.pop() if len(kinds) == 1 else 'mixed'}"
    return asm.finish(between(rng, 15, 40), "wall_floor")


def safe(rng: np.random.Generator) -> ObjectModel:
    """A steel box with a thick door, a keypad or a dial, and a handle."""
    w, d, h = between(rng, 0.28, 0.55), between(rng, 0.26, 0.5), between(rng, 0.22, 0.65)
    style = pick(rng, ("keypad", "dial"))
    body = pick(rng, (dark, paint, steel), (3, 2, 1))(rng)
    asm = Assembly(
        "Safe",
        f"safe_{style}",
        body=body,
        door=body if chance(rng, 0.6) else steel(rng),
        metal=steel(rng),
        dark=dark(rng),
    )
    asm.box("body", "body", (w, d, h), (0, 0, h / 2))
    y = -d / 2
    asm.box("door", "door", (w * 0.84, 0.02, h * 0.84), (0, y - 0.01, h / 2))
    for z in (0.25, 0.75):
        asm.cylinder("hinge", "metal", 0.012, h * 0.12, (-w * 0.43, y - 0.012, h * z), collides=False)
    y -= 0.02
    if style == "keypad":
        asm.box("keypad", "dark", (w * 0.24, 0.012, h * 0.3), (-w * 0.12, y - 0.006, h * 0.55), collides=False)
        for row in range(3):
            for column in range(3):
                at = (-w * 0.12 + (column - 1) * w * 0.07, y - 0.013, h * 0.55 + (row - 1) * h * 0.08)
                asm.box("keypad", "metal", (w * 0.045, 0.006, h * 0.05), at, collides=False)
    else:
        asm.cylinder(
            "dial", "dark", min(w, h) * 0.12, 0.025, (-w * 0.12, y - 0.0125, h * 0.6), (np.pi / 2, 0, 0), collides=False
        )
        asm.cylinder(
            "dial", "metal", min(w, h) * 0.06, 0.04, (-w * 0.12, y - 0.02, h * 0.6), (np.pi / 2, 0, 0), collides=False
        )
    x = w * 0.2
    asm.cylinder("handle", "metal", 0.02, 0.03, (x, y - 0.015, h / 2), (np.pi / 2, 0, 0), collides=False)
    for angle in (0.3, 0.3 + 2 * np.pi / 3, 0.3 + 4 * np.pi / 3):
        tip = (x + 0.06 * float(np.cos(angle)), y - 0.032, h / 2 + 0.06 * float(np.sin(angle)))
        asm.rod("handle", "metal", 0.007, (x, y - 0.028, h / 2), tip, rounded=True, collides=False)
    asm.surface((0, 0, h), (w, d), 0.6)
    return asm.finish(between(rng, 15, 60), "floor" if h > 0.3 or chance(rng, 0.6) else "table")
