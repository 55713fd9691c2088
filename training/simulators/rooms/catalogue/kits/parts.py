"""Pieces many pieces of furniture share: legs, drawers with knobs, doors, open carcasses, vessels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...geometry.shapes import Mesh, loft, ring
from .assembly import Assembly
from .looks import between, chance, pick

LEG_STYLES = ("square", "round", "splayed", "thin")
HANDLE_STYLES = ("knob", "ball", "bar", "long_bar", "upright", "slot", "none")


@dataclass(frozen=True)
class Front:
    """A rectangle in a piece's front, where a drawer or a door goes: centre (x, z), size (w, h), metres."""

    x: float
    z: float
    w: float
    h: float
    y: float  # the plane of the front; it looks along -y


def corner_legs(
    asm: Assembly,
    look: str,
    style: str,
    spread: tuple[float, float],
    height: float,
    thickness: float,
    names: str = "leg",
) -> None:
    """Four legs at the corners of a rectangle `spread` (x, y between leg centres), from z = 0 to `height`."""
    half_x, half_y = spread[0] / 2, spread[1] / 2
    for number, (sx, sy) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1)), start=1):
        part, x, y = f"{names}_{number}", sx * half_x, sy * half_y
        if style == "square":
            asm.box(part, look, (thickness, thickness, height), (x, y, height / 2))
        elif style == "splayed":
            lean = 0.12 * height
            top = (x - sx * min(lean, half_x * 0.5), y - sy * min(lean, half_y * 0.5), height)
            asm.rod(part, look, thickness / 2, (x, y, thickness * 0.15), top)
        else:
            radius = thickness / 2 if style == "round" else min(0.012, thickness / 2)
            asm.cylinder(part, look, radius, height, (x, y, height / 2))


def handle(asm: Assembly, style: str, part: str, look: str, front: Front) -> None:
    """The knob or handle in the middle of `front`."""
    x, z, y = front.x, front.z, front.y
    if style == "knob":
        asm.cylinder(part, look, 0.014, 0.024, (x, y - 0.012, z), (np.pi / 2, 0, 0), collides=False)
    elif style == "ball":
        asm.ball(part, look, (0.034, 0.034, 0.034), (x, y - 0.014, z), collides=False)
    elif style in ("bar", "long_bar"):
        width = min(front.w * 0.9, 0.12 if style == "bar" else front.w * 0.7)
        asm.box(part, look, (width, 0.012, 0.012), (x, y - 0.026, z), collides=False)
        for side in (-1, 1):
            asm.box(part, look, (0.01, 0.022, 0.01), (x + side * width * 0.4, y - 0.011, z), collides=False)
    elif style == "upright":
        height = min(front.h * 0.8, 0.16)
        asm.box(part, look, (0.012, 0.012, height), (x, y - 0.026, z), collides=False)
        for side in (-1, 1):
            asm.box(part, look, (0.01, 0.022, 0.01), (x, y - 0.011, z + side * height * 0.4), collides=False)
    elif style == "slot":
        asm.box(part, look, (min(0.14, front.w * 0.5), 0.004, 0.018), (x, y - 0.001, z + front.h * 0.3), collides=False)


def drawer(
    asm: Assembly, index: int, front: Front, looks: tuple[str, str], style: str, *, depth: float, pulled: float = 0.0
) -> None:
    """Drawer `index` with its knob; `looks` are those of the board and of the knob, `pulled` metres it stands open."""
    part, thickness = f"drawer_{index}", 0.018
    face = front.y - pulled
    asm.box(
        part, looks[0], (front.w, thickness, front.h), (front.x, face - thickness / 2, front.z), collides=pulled > 0
    )
    pulled = min(pulled, depth * 0.8)
    if pulled > 0.02:
        inner_h, wall = front.h * 0.75, 0.012
        bottom = front.z - front.h / 2 + 0.012
        for side in (-1, 1):
            x = front.x + side * (front.w / 2 - 0.02)
            asm.box(part, looks[0], (wall, pulled, inner_h), (x, front.y - pulled / 2, bottom + inner_h / 2))
        asm.box(part, looks[0], (front.w - 0.04, pulled, 0.008), (front.x, front.y - pulled / 2, bottom))
        place = (front.x, front.y - pulled / 2, bottom + 0.004)
        asm.surface(place, (front.w - 0.07, pulled - 0.02), inner_h, inside=True)
    outer = Front(front.x, front.z, front.w, front.h, face - thickness)
    if style == "long_bar" or front.w < 0.7 or style in ("slot", "none"):
        handle(asm, style, f"knob_{index}", looks[1], outer)
    else:
        for shift in (-0.25, 0.25):
            handle(
                asm,
                style,
                f"knob_{index}",
                looks[1],
                Front(front.x + shift * front.w, front.z, front.w, front.h, outer.y),
            )
    asm.sub_objects[part] = "Drawer"


def drawer_stack(
    asm: Assembly,
    rng: np.random.Generator,
    area: Front,
    rows: int,
    looks: tuple[str, str],
    *,
    depth: float,
    first: int = 1,
) -> None:
    """`rows` drawers one above the other in `area`, at most one of them open; numbered from `first`."""
    style = pick(rng, HANDLE_STYLES, (3, 3, 3, 2, 0, 2, 1))
    weights = rng.uniform(0.8, 1.2, rows) * (np.linspace(1.4, 0.9, rows) if chance(rng, 0.4) else 1.0)
    heights = weights / weights.sum() * area.h
    opened = int(rng.integers(rows)) if chance(rng, 0.3) else -1
    z = area.z - area.h / 2
    for row, height in enumerate(heights):
        front = Front(area.x, z + float(height) / 2, area.w - 0.006, float(height) - 0.006, area.y)
        pulled = between(rng, 0.04, 0.7 * depth) if row == opened else 0.0
        drawer(asm, first + row, front, looks, style, depth=depth, pulled=pulled)
        z += float(height)


def door(
    asm: Assembly, part: str, front: Front, looks: tuple[str, str], style: str, *, hinge: str, panel: bool
) -> None:
    """A closed door with its handle on the side away from `hinge` ("left" or "right"); `panel` adds a frame to it."""
    thickness = 0.018
    asm.box(part, looks[0], (front.w, thickness, front.h), (front.x, front.y - thickness / 2, front.z), collides=False)
    y = front.y - thickness
    if panel:
        rail = min(0.06, front.w * 0.2)
        for side in (-1, 1):
            x, z = front.x + side * (front.w - rail) / 2, front.z + side * (front.h - rail) / 2
            asm.box(part, looks[0], (rail, 0.008, front.h), (x, y - 0.004, front.z), collides=False)
            asm.box(part, looks[0], (front.w - 2 * rail, 0.008, rail), (front.x, y - 0.004, z), collides=False)
        y -= 0.008
    side = 1 if hinge == "left" else -1
    near = Front(front.x + side * (front.w / 2 - 0.035), front.z + front.h * 0.1, 0.1, front.h * 0.7, y)
    name = part.replace("door", "knob") if part.startswith("door") else f"{part}_knob"
    handle(asm, "upright" if style in ("bar", "long_bar", "slot") else style, name, looks[1], near)


def carcass(asm: Assembly, look: str, size: tuple[float, float, float], base: float, *, wall: float = 0.018) -> None:
    """Sides, top, bottom and back of a cabinet of outer `size` whose underside is at z = `base`; open in front."""
    w, d, h = size
    for side, part in ((-1, "side_left"), (1, "side_right")):
        asm.box(part, look, (wall, d, h), (side * (w - wall) / 2, 0, base + h / 2))
    asm.box("bottom", look, (w - 2 * wall, d, wall), (0, 0, base + wall / 2))
    asm.box("top", look, (w - 2 * wall, d, wall), (0, 0, base + h - wall / 2))
    asm.box("back", look, (w - 2 * wall, 0.008, h - 2 * wall), (0, d / 2 - 0.004, base + h / 2))
    asm.surface((0, 0, base + h), (w, d))


def boards(
    asm: Assembly, look: str, area: tuple[float, float], heights: Sequence[float], *, wall: float = 0.018
) -> None:
    """Shelf boards with their upper faces at `heights` but for the last, which is the underside of what is above.

    The first height is a floor that is there already. Each becomes a place inside, as high as up to the next.
    """
    w, d = area
    for number, (floor, above) in enumerate(zip(heights[:-1], heights[1:], strict=True)):
        if number:
            asm.box(f"board_{number}", look, (w, d, wall), (0, 0, floor - wall / 2))
        clear = above - floor - (wall if number < len(heights) - 2 else 0)
        asm.surface((0, 0, floor), (w - 0.02, d - 0.03), clear, inside=True)


def vessel(rings: list[tuple[float, float, float]], wall: float, exponent: float, points: int = 16) -> Mesh:
    """An open vessel from outer rings (half x, half y, z), bottom first, with walls of `wall` metres."""
    outer = [ring(x, y, z, exponent, points) for x, y, z in rings]
    inner = [ring(x - wall, y - wall, max(z, rings[0][2] + wall), exponent, points) for x, y, z in reversed(rings)]
    return loft([*outer, *inner])
