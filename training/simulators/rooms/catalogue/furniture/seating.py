"""Beds, sofas, arm chairs, ottomans."""

from __future__ import annotations

import numpy as np

from ...geometry.model import ObjectModel
from ...geometry.shapes import lathe
from ..kits.assembly import Assembly
from ..kits.looks import between, board, chance, cover, fabric, metal, pick, wood
from ..kits.parts import corner_legs


def _upholstered(rng: np.random.Generator, class_name: str, seats: int) -> Assembly:
    """Seat, back and arms for `seats` people side by side."""
    style = pick(rng, ("box", "track_arm", "round_arm", "armless", "wood_frame"), (3, 3, 2, 1, 1.5))
    asm = Assembly(class_name, f"{class_name.lower()}_{style}", cover=cover(rng), leg=pick(rng, (wood, metal))(rng))
    asm.looks["cushion"] = asm.looks["cover"] if chance(rng, 0.7) else cover(rng)
    arm_w = {"box": between(rng, 0.12, 0.2), "track_arm": 0.1, "round_arm": 0.18, "armless": 0.0, "wood_frame": 0.06}[
        style
    ]
    inner, depth = seats * between(rng, 0.52, 0.66), between(rng, 0.75, 0.98)
    legs, seat_h, back_h = between(rng, 0.03, 0.16), between(rng, 0.38, 0.48), between(rng, 0.7, 0.98)
    back_d, width = between(rng, 0.14, 0.24), inner + 2 * arm_w
    if style == "wood_frame":
        legs = between(rng, 0.16, 0.22)
    corner_legs(asm, "leg", pick(rng, ("square", "round")), (width - 0.12, depth - 0.12), legs, 0.05)
    cushion_h = between(rng, 0.12, 0.18)
    base_h = seat_h - cushion_h - legs
    asm.cushion("seat", "cover", (inner, depth, max(base_h, 0.04)), (0, 0, legs + max(base_h, 0.04) / 2), soft=0.1)
    front, seat_d = -depth / 2, depth - back_d
    for number in range(1, seats + 1):
        x = (number - (seats + 1) / 2) * inner / seats
        size = (inner / seats - 0.006, seat_d, cushion_h)
        asm.cushion(
            f"cushion_{number}", "cushion", size, (x, front + seat_d / 2 - 0.01, seat_h - cushion_h / 2), soft=0.3
        )
        tall = back_h - seat_h
        pose = (x, depth / 2 - back_d / 2 - 0.03, seat_h + tall / 2 - 0.02)
        asm.cushion(
            f"back_{number}", "cushion", (inner / seats - 0.006, back_d * 0.8, tall), pose, (-0.12, 0, 0), soft=0.45
        )
    asm.cushion("back", "cover", (inner, 0.08, back_h - legs - 0.06), (0, depth / 2 - 0.04, (back_h + legs - 0.06) / 2))
    arm_h = seat_h + between(rng, 0.12, 0.24)
    for side, part in ((-1, "arm_left"), (1, "arm_right")):
        x = side * (width - arm_w) / 2
        if style in ("box", "track_arm"):
            asm.cushion(
                part, "cover", (arm_w, depth, arm_h - legs), (x, 0, (arm_h + legs) / 2), soft=between(rng, 0.1, 0.45)
            )
        elif style == "round_arm":
            low = arm_h - arm_w / 2
            asm.cushion(part, "cover", (arm_w * 0.85, depth, low - legs), (x, 0, (low + legs) / 2), soft=0.1)
            asm.cylinder(part, "cover", arm_w / 2, depth, (x, 0, low), (np.pi / 2, 0, 0))
        elif style == "wood_frame":
            asm.box(part, "leg", (arm_w, depth * 0.9, 0.03), (x, 0, arm_h))
            for y in (-depth * 0.4, depth * 0.4):
                asm.box(part, "leg", (0.04, 0.05, arm_h), (x, y, arm_h / 2))
            asm.box(part, "leg", (0.03, depth * 0.85, 0.05), (x, 0, legs + 0.03), collides=False)
    for place in range(seats):
        x = (place + 0.5 - seats / 2) * inner / seats
        asm.surface((x, front + seat_d * 0.45, seat_h), (inner / seats - 0.08, seat_d * 0.62), 0.6)
    return asm


def sofa(rng: np.random.Generator) -> ObjectModel:
    """A sofa for two to four, sometimes with throw pillows."""
    seats = int(rng.integers(2, 5))
    asm = _upholstered(rng, "Sofa", seats)
    if chance(rng, 0.5):
        asm.looks["pillow"] = fabric(rng)
        edge, span = between(rng, 0.3, 0.42), asm.surfaces[-1].center[0]
        for number in range(1, int(rng.integers(2, 4))):
            x, y, z = asm.surfaces[0 if number == 1 else -1].center
            x += between(rng, -0.05, 0.05)
            pose = (x if span else 0.0, y + 0.12, z + edge * 0.42)
            asm.cushion(
                f"pillow_{number}", "pillow", (edge, 0.12, edge), pose, (-0.35, 0, between(rng, -0.2, 0.2)), soft=0.5
            )
        asm.surfaces = asm.surfaces[1:-1]
    return asm.finish(25.0 + 12 * seats, "wall_floor" if chance(rng, 0.6) else "floor")


def arm_chair(rng: np.random.Generator) -> ObjectModel:
    """An arm chair."""
    return _upholstered(rng, "ArmChair", 1).finish(between(rng, 12, 28), "floor")


def ottoman(rng: np.random.Generator) -> ObjectModel:
    """A pouf or foot stool, round or square."""
    style = pick(rng, ("square", "round", "legged", "pouf"))
    asm = Assembly("Ottoman", f"ottoman_{style}", cover=cover(rng), leg=pick(rng, (wood, metal))(rng))
    x, y, h = between(rng, 0.38, 0.8), between(rng, 0.36, 0.6), between(rng, 0.32, 0.48)
    if style == "pouf":
        radius = x / 2
        bulge = ((0.7, 0.0), (0.93, 0.16), (1.0, 0.5), (0.93, 0.84), (0.72, 0.98), (0.5, 1.0))
        asm.mesh("cushion", "cover", lathe([(radius * a, h * z) for a, z in bulge], 18))
        asm.drum("cushion", "cover", radius * 0.93, h, (0, 0, h / 2))
        asm.surface((0, 0, h), (radius * 0.7, radius * 0.7), 0.8)
    elif style == "round":
        radius = min(x, 0.6) / 2
        asm.cylinder("body", "cover", radius, h - 0.1, (0, 0, (h - 0.1) / 2))
        edge = ((1.0, 0.0), (1.04, 0.02), (1.04, 0.07), (0.97, 0.1))
        asm.mesh("cushion", "cover", lathe([(radius * a, h - 0.1 + z) for a, z in edge], 20))
        asm.drum("cushion", "cover", radius, 0.1, (0, 0, h - 0.05))
        asm.surface((0, 0, h), (radius * 1.3, radius * 1.3), 0.8)
    else:
        legs = between(rng, 0.1, 0.2) if style == "legged" else 0.03
        corner_legs(asm, "leg", pick(rng, ("square", "round")), (x - 0.1, y - 0.1), legs, 0.045)
        split = legs + (h - legs) * between(rng, 0.3, 0.6)
        asm.cushion("body", "cover", (x, y, split - legs), (0, 0, (split + legs) / 2), soft=0.08)
        asm.cushion("cushion", "cover", (x + 0.01, y + 0.01, h - split), (0, 0, (h + split) / 2), soft=0.35)
        asm.surface((0, 0, h), (x * 0.85, y * 0.85), 0.8)
    return asm.finish(between(rng, 4, 12), "floor")


def bed(rng: np.random.Generator) -> ObjectModel:
    """A single, double or bunk bed with mattress, blanket and pillows; its head toward +y."""
    width = pick(rng, (between(rng, 0.85, 1.0), between(rng, 1.3, 1.9)))
    length, base, mattress = between(rng, 1.95, 2.15), between(rng, 0.22, 0.4), between(rng, 0.14, 0.26)
    style = pick(rng, ("frame", "box", "upholstered", "metal"), (4, 2, 2, 1.5))
    frame = {"frame": board, "box": fabric, "upholstered": cover, "metal": metal}[style](rng)
    asm = Assembly("Bed", f"bed_{style}", frame=frame, mattress=fabric(rng), blanket=fabric(rng), pillow=fabric(rng))
    top = base + mattress
    if style in ("frame", "metal"):
        rail = between(rng, 0.1, 0.2)
        corner_legs(asm, "frame", "round" if style == "metal" else "square", (width - 0.04, length - 0.04), base, 0.06)
        asm.box("frame", "frame", (width + 0.03, length + 0.03, rail), (0, 0, base - rail / 2))
    else:
        asm.box("frame", "frame", (width, length, base - 0.04), (0, 0, base / 2 + 0.02))
    asm.cushion("mattress", "mattress", (width, length, mattress), (0, 0, base + mattress / 2), soft=0.2)
    head_h = top + between(rng, 0.15, 0.6)
    if style == "metal":
        for number in range(7):
            x = (number / 6 - 0.5) * width
            asm.rod("headboard", "frame", 0.012, (x, length / 2 + 0.03, 0.02), (x, length / 2 + 0.03, head_h))
        asm.rod(
            "headboard",
            "frame",
            0.018,
            (-width / 2, length / 2 + 0.03, head_h),
            (width / 2, length / 2 + 0.03, head_h),
            rounded=True,
        )
    elif chance(rng, 0.85):
        thick = 0.1 if style == "upholstered" else 0.04
        asm.cushion(
            "headboard",
            "frame",
            (width + 0.06, thick, head_h),
            (0, length / 2 + thick / 2 + 0.01, head_h / 2),
            soft=0.25,
        )
    cover_len = length * between(rng, 0.55, 0.75)
    y = -length / 2 + cover_len / 2 - 0.01
    thick = between(rng, 0.03, 0.07)
    drop = between(rng, 0.1, 0.25)
    asm.cushion("blanket", "blanket", (width + 0.05, cover_len, thick), (0, y, top + thick / 2 - 0.005), soft=0.4)
    for side in (-1, 1):
        asm.box(
            "blanket",
            "blanket",
            (0.025, cover_len - 0.02, drop),
            (side * (width / 2 + 0.013), y, top - drop / 2 + 0.01),
            collides=False,
        )
    asm.box(
        "blanket",
        "blanket",
        (width + 0.02, 0.025, drop),
        (0, -length / 2 - 0.013, top - drop / 2 + 0.01),
        collides=False,
    )
    for number in range(1, (2 if width < 1.2 else 3)):
        x = 0.0 if width < 1.2 else (number - 1.5) * width * 0.46
        size = (min(0.62, width * 0.42 if width > 1.2 else 0.6), 0.38, 0.13)
        pose = (x, length / 2 - 0.26, top + 0.07)
        asm.cushion(f"pillow_{number}", "pillow", size, pose, (0.1, 0, between(rng, -0.1, 0.1)), soft=0.48)
    asm.surface((0, y, top + thick - 0.005), (width * 0.9, cover_len * 0.9))
    return asm.finish(between(rng, 40, 90), "wall_floor")
