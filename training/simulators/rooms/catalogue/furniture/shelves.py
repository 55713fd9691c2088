"""Shelves: bookcases, racks, boards on the wall."""

from __future__ import annotations

import numpy as np

from ...geometry.model import ObjectModel
from ..kits.assembly import Assembly
from ..kits.looks import between, board, chance, metal, pick, wood
from ..kits.parts import boards, carcass, corner_legs


def shelf(rng: np.random.Generator) -> ObjectModel:
    """A bookcase, an open rack on posts, or a board on the wall."""
    style = pick(rng, ("bookcase", "rack", "ladder", "wall_board", "cube"), (4, 3, 1, 2, 2))
    asm = Assembly("Shelf", f"shelf_{style}", frame=board(rng))
    if style == "wall_board":
        w, d, thick = between(rng, 0.4, 1.2), between(rng, 0.15, 0.28), between(rng, 0.018, 0.045)
        asm.box("board_1", "frame", (w, d, thick), (0, 0, 0))
        asm.looks["metal"] = metal(rng)
        if chance(rng, 0.6):
            for number, side in enumerate((-1, 1), start=1):
                at = (side * w * 0.38, d * 0.1, -thick / 2 - 0.03)
                asm.box(
                    f"bracket_{number}", "metal", (0.02, d * 0.8, 0.01), (at[0], at[1], at[2] + 0.025), collides=False
                )
                asm.box(
                    f"bracket_{number}",
                    "metal",
                    (0.02, 0.01, 0.12),
                    (at[0], d / 2 - 0.005, at[2] - 0.03),
                    collides=False,
                )
        asm.surface((0, 0, thick / 2), (w, d), 0.35)
        return asm.finish(between(rng, 1, 4), "wall")
    w, d, h = between(rng, 0.4, 1.2), between(rng, 0.24, 0.42), between(rng, 0.7, 2.1)
    rows = max(2, round(h / between(rng, 0.28, 0.42)))
    if style in ("bookcase", "cube"):
        wall = between(rng, 0.016, 0.03)
        carcass(asm, "frame", (w, d, h), 0.0, wall=wall)
        levels = [float(z) for z in np.linspace(wall, h - wall, rows + 1)]
        boards(asm, "frame", (w - 2 * wall, d - 0.01), levels, wall=wall)
        if style == "cube" and w > 0.65:
            asm.box("divider", "frame", (wall, d - 0.01, h - 2 * wall), (0, 0, h / 2))
            _halve_inside(asm, w)
    else:
        if chance(rng, 0.6):
            asm.looks["frame"] = pick(rng, (metal(rng), wood(rng)))
        asm.looks["post"] = pick(rng, (metal(rng), asm.looks["frame"]))
        corner_legs(asm, "post", pick(rng, ("square", "round")), (w - 0.03, d - 0.03), h, 0.03, "post")
        levels = [float(z) for z in np.linspace(between(rng, 0.06, 0.2), h, rows + 1)]
        for number, level in enumerate(levels):
            asm.box(f"board_{number + 1}", "frame", (w - 0.005, d - 0.005, 0.02), (0, 0, level - 0.01))
            clear = levels[number + 1] - level - 0.02 if number < rows else 0.5
            asm.surface((0, 0, level), (w - 0.07, d - 0.07), clear, inside=number < rows)
    return asm.finish(between(rng, 8, 30), "wall_floor")


def _halve_inside(asm: Assembly, w: float) -> None:
    """Replace each inner place by two, left and right of a divider."""
    places, asm.surfaces = asm.surfaces, []
    for place in places:
        if not place.inside:
            asm.surfaces.append(place)
            continue
        (_, y, z), (sx, sy) = place.center, place.size
        for side in (-1, 1):
            asm.surface((side * w / 4, y, z), (sx / 2 - 0.04, sy), place.clearance, inside=True)
