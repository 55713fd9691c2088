"""Thin things of no class, which hard tables have many of: sticks, strips, brushes and loose cables besides tools."""

from __future__ import annotations

import numpy as np

from saom_core.taxonomy import OTHER

from ..geometry import shapes
from ..geometry.model import Builder, ObjectModel
from .household.desk import pen
from .household.tools import pliers, screwdriver
from .kitchenware.tableware import cutlery
from .kits.draft import LIE, Draft, look, span, steel


def stick(rng: np.random.Generator) -> ObjectModel:
    """A straw, a chopstick, a candle, a tube: round, straight or tapered, with an end of another colour."""
    length, radius = span(rng, 0.2, 0.4), float(rng.uniform(0.0025, 0.011))
    tip = radius * float(rng.uniform(0.4, 1.0))
    end = length * float(rng.uniform(0.05, 0.3))
    draft = Draft(OTHER, "stick", body=look(rng, "wood", "plastic", "plain", "metal", "fabric"), end=look(rng, "plain"))
    pose = (-length / 2, 0.0, radius)
    body = shapes.lathe([(0, 0), (radius, 0), (radius, length - end)], 10)
    draft.mesh(body.moved(pose, LIE), "body", "body")
    at_end = shapes.lathe([(radius, length - end), (tip, length), (0, length)], 10)
    draft.mesh(at_end.moved(pose, LIE), "end", "end")
    draft.collider("box", (length, 2 * radius, 2 * radius), (0, 0, radius))
    return draft.finish(0.05)


def strip(rng: np.random.Generator) -> ObjectModel:
    """A ruler, a comb, a bookmark, a strap: flat and long, plain or printed."""
    length, width = span(rng, 0.2, 0.4), float(rng.uniform(0.012, 0.032))
    thick = float(rng.uniform(0.0015, 0.005))
    draft = Draft(
        OTHER, "strip", body=look(rng, "wood", "plastic", "metal", "print", "fabric"), mark=look(rng, "plain")
    )
    draft.box((length, width, thick), (0, 0, thick / 2), "body", collides=False)
    band = length * float(rng.uniform(0.04, 0.15))
    at = length * float(rng.uniform(-0.45, 0.35))
    draft.box((band, width * 1.02, thick * 1.1), (at, 0, thick * 0.55), "mark", "mark", collides=False)
    draft.collider("box", (length, width, max(thick, 0.003)), (0, 0, max(thick, 0.003) / 2))
    return draft.finish(0.05)


def brush(rng: np.random.Generator) -> ObjectModel:
    """A toothbrush, a paint brush, a dish brush: a slim handle with bristles across or along its end."""
    length, grip = span(rng, 0.18, 0.3), float(rng.uniform(0.004, 0.009))
    head, across = length * float(rng.uniform(0.12, 0.25)), bool(rng.random() < 0.5)
    draft = Draft(OTHER, "brush", handle=look(rng, "plastic", "wood", "plain"), bristle=look(rng, "fabric", "plain"))
    handle = shapes.lathe([(0, 0), (grip, 0.004), (grip * 0.6, length * 0.5), (grip * 0.7, length)], 10)
    draft.mesh(handle.moved((-length / 2, 0, grip), LIE).scaled(1, 1, 0.8), "handle", "handle", (0, 0, grip * 0.2))
    if across:
        high = float(rng.uniform(0.008, 0.016))
        draft.box((head, 1.6 * grip, high), (length / 2 - head / 2, 0, grip + high / 2), "bristle", "bristle")
    else:
        draft.box((head, 2.4 * grip, 1.2 * grip), (length / 2 + head / 2, 0, grip), "bristle", "bristle")
    draft.collider("box", (length, 1.6 * grip, 1.8 * grip), (0, 0, grip))
    return draft.finish(0.05)


def loose_cable(rng: np.random.Generator) -> ObjectModel:
    """A cable, a cord or a chain that lies in bends, with plugs."""
    length, thick = span(rng, 0.3, 0.5), float(rng.uniform(0.003, 0.008))
    along = np.linspace(0, 1, 40)
    bends = sum(
        rng.normal(0, 0.09 / wave) * length * np.sin(np.pi * wave * along + rng.uniform(0, 2 * np.pi))
        for wave in (1, 2, 3)
    )
    path = np.stack([(along - 0.5) * length, np.asarray(bends), np.full(40, thick / 2)], axis=1)
    draft = Draft(
        OTHER, "loose_cable", wire=look(rng, "plain", "plastic", "fabric"), plug=look(rng, "plastic", "metal")
    )
    if rng.random() < 0.3:
        draft.looks["wire"] = steel(rng)
    draft.mesh(shapes.tube(path, shapes.circle_section(thick / 2, 6)), "wire", "wire")
    for end in (0, -1):
        x, y, _ = (float(value) for value in path[end])
        draft.box((0.03, 0.014, 0.009), (x, y, 0.0045), "plug", "plug", collides=False)
    wide = float(np.ptp(path[:, 1])) + 0.014
    draft.collider("box", (length, wide, 0.004), (0, float(path[:, 1].min() + path[:, 1].max()) / 2, 0.002))
    return draft.finish(0.05)


THIN: list[Builder] = [stick, strip, brush, loose_cable, pen, cutlery, screwdriver, pliers]
