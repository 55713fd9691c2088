"""Things of a desk: books, laptops, newspapers; as Other, staplers, pens, tape, letters."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel, Rgb
from ..kits.draft import LIE, Draft, any_colour, grey, look, near, pick, span


def _pages(rng: np.random.Generator) -> Look:
    return Look("plain", near(rng, (0.93, 0.9, 0.82), 0.03), (0.8, 0.77, 0.7))


def book(rng: np.random.Generator) -> ObjectModel:
    """A closed book: paperback or hardcover, lying, standing upright."""
    style = pick(rng, "lying", "lying", "standing")
    x, y, thick = span(rng, 0.16, 0.4), span(rng, 0.23, 0.3), float(rng.uniform(0.008, 0.055))
    cover = look(rng, "print", "print", "print", "fabric", "plain", "plastic")
    draft = Draft("Book", f"book_{style}", cover=cover, pages=_pages(rng))
    board = float(rng.uniform(0.001, 0.003))
    overhang = float(rng.uniform(0.0, 0.004)) if board > 0.0018 else 0.0
    draft.box((x, y, board), (0, 0, board / 2), "cover", "cover", collides=False)
    draft.box((x, y, board), (0, 0, thick - board / 2), "cover", "cover", collides=False)
    draft.box((board, y, thick), (-x / 2 + board / 2, 0, thick / 2), "cover", "spine", collides=False)
    inner = (x - board - overhang, y - 2 * overhang, thick - 2 * board)
    draft.box(inner, (board / 2 - overhang / 2, 0, thick / 2), "pages", "pages", collides=False)
    if rng.uniform() < 0.35:
        draft.looks["label"] = look(rng, "print", "paper", "plain")
        patch = (x * float(rng.uniform(0.3, 0.8)), y * float(rng.uniform(0.15, 0.5)), 0.0006)
        draft.box(patch, (0, float(rng.uniform(-0.2, 0.2)) * y, thick), "label", "label", collides=False)
    draft.collider("box", (x, y, thick), (0, 0, thick / 2))
    if style == "standing":
        return _upright(draft, y).finish(float(rng.uniform(0.2, 0.9)))
    draft.surface((0, 0, thick), (x * 0.8, y * 0.8))
    return draft.finish(float(rng.uniform(0.2, 0.9)))


def _upright(lying: Draft, y: float) -> Draft:
    """The same boxes with y turned to z: spine to the front, pages to the wall."""
    standing = Draft(lying.class_name, lying.style, **lying.looks)
    for solid in lying.solids:
        (sx, sy, sz), (px, py, pz) = solid.size, solid.pos
        size, pos = (sz, sx, sy), (pz, px, py + y / 2)
        if solid.visible:
            standing.box(size, pos, solid.look, solid.part, collides=False)
        else:
            standing.collider("box", size, pos)
    return standing


def book_open(rng: np.random.Generator) -> ObjectModel:
    """An open book that lies on its back, its two page blocks bowed."""
    x, y, thick = span(rng, 0.16, 0.3), span(rng, 0.23, 0.25), float(rng.uniform(0.008, 0.025))
    draft = Draft("Book", "book_open", pages=look(rng, "paper", "paper", "print"), cover=look(rng, "print", "plain"))
    draft.box((2 * x + 0.008, y + 0.006, 0.003), (0, 0, 0.0015), "cover", "cover", collides=False)
    across = np.linspace(0, 1, 8)
    for side in (-1, 1):
        share = float(rng.uniform(0.4, 1.0))
        bow = thick * share * (0.35 + 1.6 * np.sqrt(across) * (1 - 0.65 * across)) / 1.1
        top = np.column_stack([across * x, bow])
        outline = np.vstack([[(0.0, 0.0), (x, 0.0)], top[::-1]])
        mesh = shapes.prism(outline, y).moved((0, y / 2, 0), (np.pi / 2, 0, 0))
        draft.mesh(mesh if side > 0 else mesh.moved(euler=(0, 0, np.pi)), "pages", "pages", (0, 0, 0.003))
    draft.collider("box", (2 * x, y, thick), (0, 0, thick / 2))
    return draft.finish(0.5)


def laptop(rng: np.random.Generator) -> ObjectModel:
    """A laptop, closed or open by any angle, with keys, touch pad and a display that is on or off."""
    x, y = span(rng, 0.33, 0.15), span(rng, 0.23, 0.15)
    base, lid = float(rng.uniform(0.01, 0.02)), float(rng.uniform(0.005, 0.009))
    shut = bool(rng.uniform() < 0.25)
    shell: Rgb = grey(rng, 0.05, 0.85) if rng.uniform() < 0.85 else any_colour(rng)
    draft = Draft(
        "Laptop",
        "laptop_closed" if shut else "laptop_open",
        body=Look(pick(rng, "metal", "plastic"), shell, near(rng, shell)),
    )
    draft.looks["keys"] = Look("print" if rng.uniform() < 0.3 else "tiles", grey(rng, 0.04, 0.3), grey(rng, 0.1, 0.8))
    draft.looks["display"] = Look("screen", (0.02, 0.02, 0.03), any_colour(rng))
    draft.looks["logo"] = look(rng, "plain", "metal")
    draft.box((x, y, base), (0, 0, base / 2), "body", "base")
    if shut:
        draft.box((x, y, lid), (0, 0, base + lid / 2 + 0.001), "body", "screen")
        draft.cylinder(
            float(rng.uniform(0.012, 0.025)), 0.0006, (0, 0, base + lid + 0.001), "logo", "logo", collides=False
        )
        draft.surface((0, 0, base + lid), (x * 0.7, y * 0.7))
        return draft.finish(1.6)
    draft.box((x * 0.88, y * 0.45, 0.0016), (0, y * 0.17, base), "keys", "keyboard", collides=False)
    draft.box((x * 0.3, y * 0.25, 0.001), (0, -y * 0.28, base), "logo", "touchpad", collides=False)
    lean = float(rng.uniform(-0.35, 0.75))  # backwards from upright
    # the lid turns about the hinge at the rear edge
    turn = shapes.rotation((-lean, 0.0, 0.0))
    hinge = np.array([0.0, y / 2 - 0.004, base])

    def at(offset: tuple[float, float, float]) -> tuple[float, float, float]:
        p = hinge + turn @ np.asarray(offset)
        return float(p[0]), float(p[1]), float(p[2])

    draft.box((x, lid, y), at((0, 0, y / 2)), "body", "screen", (-lean, 0, 0))
    draft.box(
        (x * 0.95, 0.001, y * 0.9), at((0, -lid / 2, y * 0.51)), "display", "display", (-lean, 0, 0), collides=False
    )
    draft.box((x * 0.12, 0.001, x * 0.09), at((0, lid / 2, y * 0.5)), "logo", "logo", (-lean, 0, 0), collides=False)
    return draft.finish(1.8)


def newspaper(rng: np.random.Generator) -> ObjectModel:
    """A newspaper: folded flat, opened and wavy, or rolled up."""
    style = pick(rng, "folded", "open", "rolled")
    draft = Draft(
        "Newspaper",
        f"newspaper_{style}",
        page=Look(
            "paper" if rng.uniform() < 0.8 else "print", near(rng, (0.86, 0.84, 0.78), 0.05), grey(rng, 0.05, 0.3)
        ),
    )
    if style == "rolled":
        radius, length = span(rng, 0.028), span(rng, 0.35, 0.2)
        roll = shapes.lathe(
            [
                (radius * 0.5, 0.004),
                (radius, 0),
                (radius * 1.03, length * 0.5),
                (radius, length),
                (radius * 0.5, length - 0.004),
            ],
            16,
        )
        draft.mesh(roll.moved((-length / 2, 0, radius), (0, np.pi / 2, 0)), "page", "roll")
        if rng.uniform() < 0.6:
            draft.looks["band"] = look(rng, "plain")
            draft.mesh(
                shapes.torus(radius * 1.02, 0.004, 16, 6).moved((0, 0, radius), (0, np.pi / 2, 0)), "band", "band"
            )
        draft.collider("cylinder", (radius, length), (0, 0, radius), (0, np.pi / 2, 0))
        return draft.finish(0.2)
    x, y = (
        (span(rng, 0.29, 0.15), span(rng, 0.21)) if style == "folded" else (span(rng, 0.55, 0.2), span(rng, 0.38, 0.15))
    )
    sheets = int(rng.integers(1, 4)) if style == "folded" else 1
    wave = 0.004 if style == "folded" else float(rng.uniform(0.006, 0.02))
    thick = float(rng.uniform(0.002, 0.006))
    for k in range(sheets):
        columns, rows = np.meshgrid(np.linspace(-x / 2, x / 2, 9), np.linspace(-y / 2, y / 2, 7))
        phases = rng.uniform(0, 2 * np.pi, 3)
        bumps = np.sin(columns / x * 5 + phases[0]) * np.sin(rows / y * 4 + phases[1]) + 0.6 * np.sin(
            columns / x * 9 + rows / y * 5 + phases[2]
        )
        heights = wave * np.maximum(bumps + 0.4, 0) if k == 0 else wave * (bumps + 1.7)
        grid = np.stack([columns, rows, np.maximum(heights, 0) + k * (thick + wave * 0.7)], axis=-1)
        shift, turn = rng.normal(0, 0.006, 2), float(rng.normal(0, 0.03))
        draft.mesh(shapes.sheet(grid, thick).moved((float(shift[0]), float(shift[1]), 0), (0, 0, turn)), "page", "page")
    total = sheets * (thick + wave * 0.7)
    draft.collider("box", (x * 0.95, y * 0.95, total), (0, 0, total / 2))
    return draft.finish(0.2)


def stapler(rng: np.random.Generator) -> ObjectModel:
    """A stapler: base, arm at an angle, hinge."""
    length, width = span(rng, 0.14), span(rng, 0.036, 0.2)
    draft = Draft(OTHER, "stapler", body=look(rng, "plastic", "metal"), metal=look(rng, "metal"))
    draft.box((length, width, 0.01), (0, 0, 0.005), "metal", "base")
    angle = float(rng.uniform(0.05, 0.2))
    side = [
        (-length * 0.5, 0.02),
        (length * 0.46, 0.02),
        (length * 0.5, 0.03),
        (length * 0.3, 0.042),
        (-length * 0.4, 0.044),
        (-length * 0.5, 0.035),
    ]
    arm = shapes.prism(side, width * 0.75).moved((0, width * 0.375, 0), (np.pi / 2, 0, 0)).moved(euler=(0, -angle, 0))
    draft.mesh(arm, "body", "arm", (0, 0, 0.008), collides=True)
    draft.box((0.02, width * 0.9, 0.035), (-length * 0.42, 0, 0.022), "body", "hinge")
    return draft.finish(0.25)


def pen(rng: np.random.Generator) -> ObjectModel:
    """A marker, pen or pencil that lies, with a cap or a point."""
    style = pick(rng, "marker", "pen", "pencil")
    radius, length = {"marker": (0.0085, 0.135), "pen": (0.005, 0.142), "pencil": (0.004, 0.17)}[style]
    radius, length = span(rng, radius), span(rng, length, 0.15)
    draft = Draft(OTHER, style, body=look(rng, "plastic", "plain", "print", "metal"), cap=look(rng, "plastic", "plain"))
    lie = (0.0, np.pi / 2, 0.0)
    side = [(radius * 0.9, 0), (radius, 0.004), (radius, length * 0.86), (radius * 0.25, length)]
    sides = 6 if style == "pencil" else 12
    draft.mesh(shapes.lathe(side, sides).moved((-length / 2, 0, radius), lie), "body")
    if style == "marker" or rng.uniform() < 0.5:
        cover = length * float(rng.uniform(0.25, 0.42))
        cap = shapes.lathe([(radius * 1.12, 0), (radius * 1.12, cover * 0.9), (radius * 0.8, cover)], 12)
        draft.mesh(cap.moved((length / 2 - cover * 0.92, 0, radius), lie), "cap", "cap")
        draft.box(
            (cover * 0.7, 0.003, 0.003), (length / 2 - cover * 0.4, 0, radius * 2.2), "cap", "clip", collides=False
        )
    draft.collider("box", (length, radius * 2, radius * 2), (0, 0, radius))
    return draft.finish(0.02)


def tape_roll(rng: np.random.Generator) -> ObjectModel:
    """A roll of tape that lies flat or stands on its edge."""
    outer, width = span(rng, 0.048, 0.4), span(rng, 0.03, 0.6)
    inner = outer * float(rng.uniform(0.55, 0.8))
    draft = Draft(OTHER, "tape_roll", tape=look(rng, "plastic", "fabric", "metal"), core=look(rng, "plain", "plastic"))
    stands = bool(rng.uniform() < 0.25)
    for name, small, big in (("tape", inner + 0.003, outer), ("core", inner, inner + 0.004)):
        section = [(small, 0), (big, 0), (big, width), (small, width)]
        band = shapes.loft([shapes.ring(r, r, z, 2.0, 24) for r, z in section], closed=True)
        draft.mesh(band.moved((0, width / 2, outer), (np.pi / 2, 0, 0)) if stands else band, name, name)
    pose = ((0.0, 0.0, outer), (np.pi / 2, 0.0, 0.0)) if stands else ((0.0, 0.0, width / 2), (0.0, 0.0, 0.0))
    draft.collider("cylinder", (outer, width), *pose)
    return draft.finish(0.1)


def paper_stack(rng: np.random.Generator) -> ObjectModel:
    """Loose things of paper: an envelope, a card, a stack of sheets, a leaflet, a note pad with a spiral."""
    style = pick(rng, "envelope", "stack", "card", "pad")
    x, y = {"envelope": (0.22, 0.11), "stack": (0.21, 0.297), "card": (0.1, 0.14), "pad": (0.15, 0.21)}[style]
    x, y = span(rng, x, 0.2), span(rng, y, 0.2)
    thick = {
        "envelope": 0.003,
        "stack": float(rng.uniform(0.003, 0.03)),
        "card": 0.003,
        "pad": float(rng.uniform(0.006, 0.015)),
    }[style]
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


BUILDERS: dict[str, list[Builder]] = {
    "Book": [book, book, book, book_open],
    "Laptop": [laptop],
    "Newspaper": [newspaper],
    OTHER: [stapler, pen, tape_roll, paper_stack],
}
