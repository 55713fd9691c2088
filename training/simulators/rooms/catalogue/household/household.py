"""Bathroom and cleaning things, vases, statues, paper rolls, sports things, bins."""

from __future__ import annotations

import numpy as np

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import Draft, any_colour, look, near, pick, span


def spray_bottle(rng: np.random.Generator) -> ObjectModel:
    """A bottle with a spray head and a trigger, or a slim spray can with a cap or nozzle."""
    if rng.uniform() < 0.25:
        radius, height = span(rng, 0.027), span(rng, 0.2)
        draft = Draft("SprayBottle", "spray_can", body=look(rng, "print", "print", "metal"), cap=look(rng, "plastic"))
        draft.mesh(shapes.lathe([(radius, 0), (radius, height * 0.8), (radius * 0.7, height * 0.86)], 18), "body")
        cap = (
            [(radius * 0.75, 0), (radius * 0.7, height * 0.14)] if rng.uniform() < 0.5 else [(0.007, 0), (0.007, 0.018)]
        )
        draft.mesh(shapes.lathe(cap, 14), "cap", "cap", (0, 0, height * 0.855))
        draft.collider("cylinder", (radius, height * 0.95), (0, 0, height * 0.475))
        return draft.finish(float(rng.uniform(0.1, 0.4)))
    radius, height = span(rng, 0.042), span(rng, 0.18)
    body = look(rng, "glass", "plastic", "plastic")
    draft = Draft(
        "SprayBottle", "spray_trigger", body=body, head=look(rng, "plastic"), label=look(rng, "print", "paper")
    )
    knee, neck = height * float(rng.uniform(0.5, 0.75)), 0.013
    flat = float(rng.uniform(0.6, 1.0))
    side = [(radius * 0.92, 0), (radius, height * 0.05), (radius * float(rng.uniform(0.85, 1.0)), knee), (neck, height)]
    middle = shapes.lathe(side, 18)
    draft.mesh(middle.scaled(1, flat, 1), "body")
    draft.mesh(shapes.lathe([(0.015, 0), (0.015, 0.02), (0.011, 0.03)], 12), "head", "collar", (0, 0, height - 0.006))
    length = span(rng, 0.075)
    profile = [(-0.022, 0.0), (length * 0.6, 0.004), (length * 0.6, 0.022), (0.0, 0.03), (-0.026, 0.022)]
    # the nozzle points to -y
    head = (
        shapes.prism(profile, 0.02)
        .moved((0, 0, 0), (np.pi / 2, 0, 0))
        .moved((0, 0.01, 0))
        .moved((0, 0, 0), (0, 0, -np.pi / 2))
    )
    draft.mesh(head, "head", "head", (0, 0, height + 0.02))
    lean = float(rng.uniform(0.2, 0.5))
    draft.box((0.01, 0.006, 0.045), (0, -0.022, height + 0.002), "head", "trigger", (-lean, 0, 0), collides=False)
    if rng.uniform() < 0.75:
        low, top = height * 0.12, knee * 0.85
        slope = [np.interp(z, [height * 0.05, knee], [side[1][0], side[2][0]]) + 0.001 for z in (low, top)]
        draft.mesh(shapes.lathe([(slope[0], low), (slope[1], top)], 18).scaled(1, flat, 1), "label", "label")
    draft.collider("box", (radius * 1.75, radius * 1.75 * flat, knee), (0, 0, knee / 2))
    draft.collider("box", (0.02, length, 0.05), (0, -length * 0.12, height + 0.025))
    draft.collider("cylinder", (0.02, height - knee), (0, 0, (height + knee) / 2))
    return draft.finish(float(rng.uniform(0.1, 0.7)))


def soap_bottle(rng: np.random.Generator) -> ObjectModel:
    """A dispenser with a pump, round or with a near-square section."""
    radius, height = span(rng, 0.034), span(rng, 0.13, 0.3)
    exponent = float(rng.choice([2.0, 2.0, 5.0]))
    body = look(rng, "glass", "plastic", "marble", "metal", "plastic")
    draft = Draft(
        "SoapBottle", "soap_round" if exponent < 3 else "soap_square", body=body, pump=look(rng, "plastic", "metal")
    )
    flat, knee = float(rng.uniform(0.65, 1.0)), height * float(rng.uniform(0.75, 0.9))
    stations = [(radius * 0.95, 0), (radius, height * 0.05), (radius, knee), (0.014, height)]
    rings = [shapes.ring(r, r * (flat if r > 0.02 else 1.0), z, exponent if r > 0.02 else 2.0, 18) for r, z in stations]
    draft.mesh(shapes.loft(rings), "body")
    if rng.uniform() < 0.7:
        draft.looks["label"] = look(rng, "print", "paper", "print")
        band = [shapes.ring(radius + 0.0008, radius * flat + 0.0008, knee * t, exponent, 18) for t in (0.2, 0.8)]
        draft.mesh(shapes.loft(band), "label", "label")
    stem, reach = float(rng.uniform(0.025, 0.045)), float(rng.uniform(0.03, 0.05))
    draft.cylinder(0.014, 0.014, (0, 0, height + 0.005), "pump", "collar", collides=False)
    draft.cylinder(0.0045, stem, (0, 0, height + 0.01 + stem / 2), "pump", "stem", collides=False)
    top = height + 0.01 + stem
    path = [(0, 0.014, top), (0, -0.01, top + 0.002), (0, -reach, top), (0, -reach - 0.008, top - 0.009)]
    draft.mesh(shapes.tube(np.array(path), shapes.circle_section(0.0055, 8), [1.6, 1.4, 0.8, 0.7]), "pump", "spout")
    draft.collider("box", (radius * 1.8, radius * 1.8 * flat, height), (0, 0, height / 2))
    draft.collider("box", (0.02, reach + 0.02, stem + 0.015), (0, -reach * 0.4, height + stem / 2 + 0.008))
    return draft.finish(float(rng.uniform(0.2, 0.6)))


def soap_bar(rng: np.random.Generator) -> ObjectModel:
    """A bar of soap, a rounded block or an oval, with or without an engraving."""
    x, y, z = span(rng, 0.08), span(rng, 0.052), span(rng, 0.026)
    style = pick(rng, "block", "oval")
    draft = Draft("SoapBar", f"soap_{style}", body=look(rng, "plastic", "plain", "marble"))
    if style == "block":
        draft.mesh(shapes.rounded_box((x, y, z), z * 0.4), "body", pos=(0, 0, z / 2))
    else:
        stations = [(0.75, 0), (0.95, 0.2), (1.0, 0.5), (0.95, 0.8), (0.75, 1.0)]
        draft.mesh(shapes.loft([shapes.ring(x / 2 * r, y / 2 * r, z * t, 2.4, 20) for r, t in stations]), "body")
    if rng.uniform() < 0.4:
        draft.looks["mark"] = look(rng, "print", "plain")
        draft.box((x * 0.45, y * 0.35, 0.001), (0, 0, z), "mark", "engraving", collides=False)
    draft.collider("box", (x * 0.9, y * 0.88, z), (0, 0, z / 2))
    return draft.finish(0.1)


def scrub_brush(rng: np.random.Generator) -> ObjectModel:
    """A hand brush with a bow, a long-handled dish brush, or a toilet brush in its holder."""
    style = pick(rng, "hand", "dish", "toilet")
    handle, bristle = look(rng, "plastic", "wood"), Look("fabric", any_colour(rng), any_colour(rng))
    draft = Draft("ScrubBrush", f"brush_{style}", handle=handle, bristles=bristle)
    if style == "hand":
        x, y, tall = span(rng, 0.14), span(rng, 0.055), span(rng, 0.025)
        draft.mesh(
            shapes.loft([shapes.ring(x / 2 * r, y / 2 * r, z, 2.6, 18) for r, z in ((1.05, 0), (0.97, tall))]),
            "bristles",
            "bristles",
        )
        draft.mesh(shapes.loft([shapes.ring(x / 2, y / 2, z, 2.6, 18) for z in (tall, tall + 0.016)]), "handle", "back")
        if rng.uniform() < 0.6:
            bow = shapes.arc(1.0, 0.0, np.pi, 9) * [x * 0.38, 1, 0.045] + [0, 0, tall + 0.012]
            draft.mesh(shapes.tube(bow, shapes.circle_section(1.0, 8) * [0.011, 0.006]), "handle", "handle")
            draft.collider("box", (x * 0.6, 0.02, 0.04), (0, 0, tall + 0.036))
        draft.collider("box", (x * 0.92, y * 0.9, tall + 0.016), (0, 0, (tall + 0.016) / 2))
    elif style == "dish":
        length, head, tall = span(rng, 0.2), span(rng, 0.03), span(rng, 0.02)
        draft.mesh(shapes.lathe([(head, 0), (head * 0.9, tall)], 16), "bristles", "bristles")
        draft.mesh(shapes.lathe([(head * 0.95, tall), (head * 0.8, tall + 0.012)], 16), "handle", "head")
        path = np.array([(0, 0, tall + 0.008), (length * 0.5, 0, tall + 0.02), (length, 0, tall + 0.004)])
        draft.mesh(
            shapes.tube(path, shapes.circle_section(1.0, 8) * [0.009, 0.006], [0.8, 0.9, 1.2]), "handle", "handle"
        )
        draft.collider("cylinder", (head * 0.95, tall + 0.01), (0, 0, (tall + 0.01) / 2))
        draft.collider("box", (length, 0.018, 0.012), (length / 2, 0, tall + 0.012))
    else:
        radius, cup, height = span(rng, 0.05, 0.2), span(rng, 0.11), span(rng, 0.38, 0.15)
        draft.looks["holder"] = look(rng, "plastic", "metal", "plastic")
        draft.mesh(
            shapes.hollow([(radius, 0), (radius * float(rng.uniform(0.75, 1.1)), cup)], 0.004), "holder", "holder"
        )
        draft.cylinder(radius * 0.6, cup * 0.9, (0, 0, cup * 0.47), "bristles", "bristles", collides=False)
        stick = [
            (radius * 0.7, 0),
            (0.008, 0.012),
            (0.007, (height - cup) * 0.6),
            (0.011, (height - cup) * 0.75),
            (0.009, height - cup),
        ]
        draft.mesh(shapes.lathe(stick, 12), "handle", "handle", (0, 0, cup * 0.95))
        draft.collider("cylinder", (radius, cup), (0, 0, cup / 2))
        draft.collider("cylinder", (0.011, height - cup), (0, 0, (height + cup) / 2))
        return draft.finish(0.5, "floor")
    return draft.finish(0.15)


def plunger(rng: np.random.Generator) -> ObjectModel:
    """A rubber cup, bell-shaped or stepped, on a stick; it stands on its cup."""
    style = pick(rng, "bell", "stepped")
    radius, cup, height = span(rng, 0.068, 0.2), span(rng, 0.085), span(rng, 0.45)
    rubber = Look("plain", near(rng, (0.45, 0.12, 0.08), 0.1) if rng.uniform() < 0.6 else any_colour(rng))
    draft = Draft("Plunger", f"plunger_{style}", rubber=rubber, stick=look(rng, "wood", "plastic"))
    if style == "bell":
        side = [
            (radius, 0.0),
            (radius * 1.02, cup * 0.1),
            (radius * 0.93, cup * 0.45),
            (radius * 0.55, cup * 0.8),
            (0.02, cup),
        ]
    else:
        side = [
            (radius, 0.0),
            (radius, cup * 0.3),
            (radius * 0.75, cup * 0.35),
            (radius * 0.8, cup * 0.6),
            (radius * 0.5, cup * 0.68),
        ]
        side += [(radius * 0.5, cup * 0.85), (0.022, cup)]
    draft.mesh(shapes.lathe(side), "rubber", "cup")
    stick = float(rng.uniform(0.009, 0.014))
    draft.mesh(
        shapes.lathe([(stick, cup * 0.9), (stick * 0.9, height * 0.97), (stick * 0.5, height)], 12), "stick", "handle"
    )
    draft.collider("cylinder", (radius, cup * 0.6), (0, 0, cup * 0.3))
    draft.collider("cylinder", (stick, height - cup * 0.6), (0, 0, (height + cup * 0.6) / 2))
    return draft.finish(0.4, "floor")


def _roll(draft: Draft, radius: float, core: float, length: float, z: float) -> None:
    """A roll of paper about the z axis, hollow in the middle, with a hanging sheet."""
    side = [(core, z), (radius, z), (radius, z + length), (core, z + length)]
    rings = [shapes.ring(r, r, height, 2.0, 22) for r, height in side]
    draft.mesh(shapes.loft(rings, closed=True), "paper", "paper")
    tube = [
        shapes.ring(r, r, height, 2.0, 22)
        for r, height in ((core - 0.002, z), (core, z), (core, z + length), (core - 0.002, z + length))
    ]
    draft.mesh(shapes.loft(tube, closed=True), "core", "core")


def paper_roll(rng: np.random.Generator) -> ObjectModel:
    """Kitchen paper: standing, on a stand with a rod, or lying; plain or with a pattern; thick or used up."""
    style = pick(rng, "plain", "stand", "lying")
    radius, length = float(rng.uniform(0.035, 0.075)), span(rng, 0.24, 0.15)
    paper = Look("fabric" if rng.uniform() < 0.4 else "plain", near(rng, (0.95, 0.94, 0.92), 0.03), any_colour(rng))
    brown = Look("plain", near(rng, (0.66, 0.52, 0.36), 0.05))
    draft = Draft(
        "PaperTowelRoll", f"paper_towel_{style}", paper=paper, core=brown, stand=look(rng, "metal", "wood", "plastic")
    )
    core = float(rng.uniform(0.018, 0.023))
    if style == "lying":
        _roll(draft, radius, core, length, 0.0)
        turned = Draft(draft.class_name, draft.style, **draft.looks)
        for solid, name in zip(draft.solids, ("paper", "core"), strict=True):
            assert solid.vertices is not None and solid.faces is not None and solid.uv is not None
            turned.mesh(
                shapes.Mesh(solid.vertices, solid.faces, solid.uv).moved((0, 0, radius), (0, np.pi / 2, 0)), name, name
            )
        turned.collider("cylinder", (radius, length), (length / 2, 0, radius), (0, np.pi / 2, 0))
        draft = turned
    else:
        base = 0.012 if style == "stand" else 0.0
        _roll(draft, radius, core, length, base)
        if base:
            foot = max(radius * float(rng.uniform(0.9, 1.2)), 0.06)
            draft.cylinder(foot, base, (0, 0, base / 2), "stand", "stand")
            rod = length + float(rng.uniform(0.03, 0.07))
            draft.cylinder(0.006, rod, (0, 0, base + rod / 2), "stand", "rod", collides=False)
            draft.mesh(
                shapes.lathe([(0.006, 0), (0.014, 0.008), (0.012, 0.02)], 12),
                "stand",
                "knob",
                (0, 0, base + rod - 0.005),
            )
        draft.collider("cylinder", (radius, length), (0, 0, base + length / 2))
    return draft.finish(0.25)


def toilet_paper(rng: np.random.Generator) -> ObjectModel:
    """One roll of toilet paper, standing with its hole up, with or without a loose end."""
    radius, length, core = float(rng.uniform(0.035, 0.065)), span(rng, 0.098, 0.1), float(rng.uniform(0.017, 0.023))
    paper = Look("fabric" if rng.uniform() < 0.4 else "plain", near(rng, (0.95, 0.94, 0.92), 0.03), any_colour(rng))
    brown = Look("plain", near(rng, (0.66, 0.52, 0.36), 0.06))
    loose = bool(rng.uniform() < 0.5)
    draft = Draft("ToiletPaper", "toilet_paper_loose" if loose else "toilet_paper", paper=paper, core=brown)
    _roll(draft, radius, core, length, 0.0)
    if loose:
        reach = float(rng.uniform(0.03, 0.09))
        curl = np.array(
            [(radius, 0.0), (radius + 0.004, reach * 0.5), (radius + 0.02, reach), (radius + 0.019, reach + 0.002)]
        )
        outline = np.vstack([curl[:3], curl[:3][::-1] + [-0.0012, 0.0012]])
        draft.mesh(shapes.prism(outline, length), "paper", "loose_end")
    draft.collider("cylinder", (radius, length), (0, 0, length / 2))
    return draft.finish(0.1)


def tissue_box(rng: np.random.Generator) -> ObjectModel:
    """A box of tissues, flat or cube, with a slot and a tissue that sticks out."""
    style, x, y, z = (("flat", 0.23, 0.12, 0.075), ("cube", 0.115, 0.115, 0.125))[int(rng.integers(2))]
    x, y, z = span(rng, x, 0.15), span(rng, y, 0.15), span(rng, z, 0.2)
    body = look(rng, "print", "print", "fabric", "wood", "marble", "plain")
    draft = Draft("TissueBox", f"tissue_{style}", body=body, slot=Look("plain", (0.15, 0.15, 0.16)))
    draft.looks["tissue"] = Look("plain", near(rng, (0.95, 0.95, 0.95), 0.03))
    draft.box((x, y, z), (0, 0, z / 2), "body")
    wide = x * (0.6 if style == "flat" else 0.55)
    slot = shapes.loft([shapes.ring(wide / 2, y * 0.16, height, 2.2, 16) for height in (0, 0.0012)])
    draft.mesh(slot, "slot", "slot", (0, 0, z))
    if rng.uniform() < 0.85:
        rise, rows = float(rng.uniform(0.03, 0.08)), []
        for t in np.linspace(0, 1, 5):
            fan = shapes.ring(wide * (0.12 + 0.3 * t), 0.006 + 0.014 * t, z + rise * t, 2.0, 14)
            fan[:, :2] += rng.normal(0, 0.006 * t + 0.0005, (14, 2))
            fan[:, 2] += rng.normal(0, 0.18 * rise * t, 14) * (t > 0.9)
            rows.append(fan)
        draft.mesh(shapes.loft(rows), "tissue", "tissue", (0, 0, 0.001))
    return draft.finish(0.15)


BUILDERS: dict[str, list[Builder]] = {
    "SprayBottle": [spray_bottle],
    "SoapBottle": [soap_bottle],
    "SoapBar": [soap_bar],
    "ScrubBrush": [scrub_brush],
    "Plunger": [plunger],
    "PaperTowelRoll": [paper_roll],
    "ToiletPaper": [toilet_paper],
    "TissueBox": [tissue_box],
}
