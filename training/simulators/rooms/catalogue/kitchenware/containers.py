"""Round packages, all Other: cans, bottles, jars, canisters, tins."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import Draft, grey, look, package_print, pick, span


def can(rng: np.random.Generator) -> ObjectModel:
    """A drink can or food can with its print all round and metal ends."""
    style = pick(rng, "drink", "food", "slim", "flat")
    radius, height = {"drink": (0.033, 0.118), "food": (0.039, 0.108), "slim": (0.027, 0.14), "flat": (0.045, 0.05)}[
        style
    ]
    radius, height = span(rng, radius, 0.2), span(rng, height, 0.2)
    draft = Draft(
        OTHER, f"can_{style}", print=package_print(rng), metal=Look("metal", grey(rng, 0.55, 0.9), (0.9, 0.9, 0.9))
    )
    if style in ("drink", "slim"):
        ends = radius * 0.8
        side = [(ends, 0.0), (radius, height * 0.06), (radius, height * 0.9), (ends, height * 0.985)]
        draft.mesh(shapes.lathe(side), "print")
        draft.cylinder(ends * 1.03, 0.004, (0, 0, height - 0.002), "metal", "lid", collides=False)
        draft.cylinder(ends * 1.03, 0.003, (0, 0, 0.0015), "metal", "base", collides=False)
        draft.box((0.011, 0.022, 0.0015), (0, 0.003, height + 0.0007), "metal", "tab", collides=False)
    else:
        draft.mesh(shapes.lathe([(radius, 0.004), (radius, height - 0.004)]), "print")
        for z in (0.003, height - 0.003):
            draft.cylinder(radius * 1.025, 0.006, (0, 0, z), "metal", "lid" if z > 0.01 else "base", collides=False)
    draft.collider("cylinder", (radius, height), (0, 0, height / 2))
    return draft.finish(float(rng.uniform(0.05, 0.5)))


def bottle(rng: np.random.Generator) -> ObjectModel:
    """A bottle of water, wine, beer, sauce or shampoo with a label and a cap."""
    style = pick(rng, "water", "wine", "sauce", "squeeze", "shampoo")
    radius, height, neck, shoulder = {
        "water": (0.033, 0.22, 0.35, 0.72),
        "wine": (0.037, 0.3, 0.37, 0.6),
        "sauce": (0.028, 0.18, 0.45, 0.62),
        "squeeze": (0.032, 0.2, 0.5, 0.8),
        "shampoo": (0.036, 0.19, 0.55, 0.86),
    }[style]
    radius, height = span(rng, radius), span(rng, height)
    narrow, knee = radius * neck, height * float(np.clip(shoulder + rng.normal(0, 0.04), 0.5, 0.88))
    see_through = style in ("water", "wine", "sauce") and rng.uniform() < 0.7
    body = look(rng, "glass") if see_through else look(rng, "plastic", "plastic", "print")
    draft = Draft(
        OTHER, f"bottle_{style}", body=body, cap=look(rng, "plastic", "plastic", "metal"), label=package_print(rng)
    )
    waist = radius * float(rng.uniform(0.82, 1.0))
    side = [
        (radius * 0.9, 0),
        (radius, height * 0.03),
        (waist, knee * 0.5),
        (radius, knee * 0.93),
        (radius * 0.93, knee),
    ]
    side += [(narrow * 1.1, knee + (height - knee) * 0.5), (narrow, height * 0.96)]
    mesh = shapes.lathe(side, 18)
    flat = float(rng.uniform(0.5, 0.75)) if style in ("shampoo", "squeeze") and rng.uniform() < 0.6 else 1.0
    draft.mesh(mesh.scaled(1, flat, 1), "body")
    high = height * float(rng.uniform(0.05, 0.12))
    draft.mesh(
        shapes.lathe([(narrow * 1.15, 0), (narrow * 1.1, high)], 14).scaled(1, 1, 1),
        "cap",
        "cap",
        (0, 0, height - high),
    )
    if rng.uniform() < 0.75:
        low, top = knee * float(rng.uniform(0.12, 0.3)), knee * float(rng.uniform(0.6, 0.9))
        bow = [
            np.interp(z, [height * 0.03, knee * 0.5, knee * 0.93], [radius, waist, radius]) + 0.0008
            for z in (low, knee * 0.5, top)
        ]
        sleeve = shapes.lathe([(bow[0], low), (bow[1], knee * 0.5), (bow[2], top)], 18)
        draft.mesh(sleeve.scaled(1, flat, 1), "label", "label")
    if flat < 1:
        draft.collider("box", (radius * 1.7, radius * 2 * flat, knee), (0, 0, knee / 2))
    else:
        draft.collider("cylinder", (radius, knee), (0, 0, knee / 2))
    draft.collider("cylinder", (narrow * 1.1, height - knee), (0, 0, (height + knee) / 2))
    return draft.finish(float(rng.uniform(0.1, 1.2)))


def jar(rng: np.random.Generator) -> ObjectModel:
    """A jar of glass or plastic with a wide lid and a label: jam, honey, spices, cream."""
    radius, height = span(rng, 0.036, 0.4), span(rng, 0.1, 0.4)
    body = look(rng, "glass", "plastic")
    draft = Draft(
        OTHER,
        "jar",
        body=body,
        content=look(rng, "plain"),
        lid=look(rng, "metal", "plastic", "print"),
        label=package_print(rng),
    )
    mouth = radius * float(rng.uniform(0.75, 1.0))
    side = [(radius * 0.92, 0), (radius, height * 0.06), (radius, height * 0.75), (mouth, height * 0.87)]
    draft.mesh(shapes.lathe(side, 18), "body")
    if body.kind == "glass":
        fill = height * float(rng.uniform(0.3, 0.75))
        draft.cylinder(radius * 0.93, fill, (0, 0, 0.004 + fill / 2), "content", "content", collides=False)
    draft.cylinder(mouth * 1.06, height * 0.16, (0, 0, height * 0.92), "lid", "lid", collides=False)
    if rng.uniform() < 0.8:
        draft.mesh(
            shapes.lathe([(radius + 0.0008, height * 0.18), (radius + 0.0008, height * 0.62)], 18), "label", "label"
        )
    draft.collider("cylinder", (radius, height), (0, 0, height / 2))
    return draft.finish(float(rng.uniform(0.1, 0.7)))


def canister(rng: np.random.Generator) -> ObjectModel:
    """A cardboard or metal tube with a plastic lid: crisps, cocoa, salt, baby milk, cleaning powder."""
    style = pick(rng, "tube", "tin", "shaker")
    radius, height = {"tube": (0.038, 0.23), "tin": (0.055, 0.13), "shaker": (0.03, 0.11)}[style]
    radius, height = span(rng, radius), span(rng, height, 0.3)
    draft = Draft(OTHER, f"canister_{style}", print=package_print(rng), lid=look(rng, "plastic", "plastic", "metal"))
    cap = height * float(rng.uniform(0.04, 0.18))
    draft.mesh(shapes.lathe([(radius, 0), (radius, height - cap)], 22), "print")
    draft.cylinder(radius * 1.04, cap, (0, 0, height - cap / 2), "lid", "lid", collides=False)
    if rng.uniform() < 0.5:
        draft.cylinder(radius * 1.03, 0.006, (0, 0, 0.003), "lid", "base", collides=False)
    draft.collider("cylinder", (radius * 1.02, height), (0, 0, height / 2))
    return draft.finish(float(rng.uniform(0.1, 0.6)))


def biscuit_tin(rng: np.random.Generator) -> ObjectModel:
    """A wide flat tin, round or with rounded corners, printed on top and side."""
    radius, height = span(rng, 0.1), span(rng, 0.07, 0.35)
    exponent = float(rng.choice([2.0, 2.0, 5.0]))
    draft = Draft(OTHER, "biscuit_tin", body=package_print(rng), lid=package_print(rng))
    if rng.uniform() < 0.5:
        draft.looks["lid"] = draft.looks["body"]
    stretch, rim = float(rng.uniform(0.65, 1.0)), height * float(rng.uniform(0.25, 0.4))
    for name, grow, low, high in (("body", 1.0, 0.0, height - rim), ("lid", 1.025, height - rim, height)):
        rings = [shapes.ring(radius * grow, radius * grow * stretch, z, exponent, 24) for z in (low, high)]
        draft.mesh(shapes.loft(rings), name, name, collides=True)
    draft.surface((0, 0, height), (radius * 1.1, radius * 1.1 * stretch))
    return draft.finish(float(rng.uniform(0.2, 0.8)))


BUILDERS: dict[str, list[Builder]] = {OTHER: [can, can, bottle, bottle, jar, canister, biscuit_tin]}
