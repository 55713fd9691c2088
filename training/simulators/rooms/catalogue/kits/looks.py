"""Colours and looks of furniture, drawn from a generator: woods, lacquers, cloths, metals, stones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ...geometry.model import Look, Rgb

T = TypeVar("T")

WOODS: tuple[Rgb, ...] = (
    (0.86, 0.72, 0.56),  # beech
    (0.84, 0.66, 0.42),  # pine
    (0.72, 0.54, 0.34),  # oak
    (0.90, 0.80, 0.64),  # maple, birch
    (0.42, 0.28, 0.18),  # walnut
    (0.58, 0.36, 0.20),  # teak
    (0.55, 0.26, 0.16),  # cherry, mahogany
    (0.22, 0.15, 0.12),  # wenge
    (0.62, 0.58, 0.53),  # weathered grey
    (0.88, 0.86, 0.82),  # whitewashed
    (0.12, 0.11, 0.11),  # stained black
)
PAINTS: tuple[Rgb, ...] = (
    (0.95, 0.95, 0.93),
    (0.90, 0.88, 0.82),
    (0.78, 0.78, 0.78),
    (0.30, 0.31, 0.33),
    (0.10, 0.10, 0.11),
    (0.35, 0.45, 0.42),
    (0.24, 0.32, 0.44),
    (0.72, 0.80, 0.80),
    (0.62, 0.20, 0.18),
    (0.83, 0.70, 0.34),
)
WHITES: tuple[Rgb, ...] = ((0.97, 0.97, 0.96), (0.94, 0.93, 0.90), (0.90, 0.90, 0.91), (0.88, 0.84, 0.76))
METALS: tuple[Rgb, ...] = (
    (0.75, 0.76, 0.78),
    (0.62, 0.63, 0.65),
    (0.45, 0.46, 0.48),
    (0.16, 0.16, 0.17),
    (0.78, 0.65, 0.38),
    (0.66, 0.44, 0.32),
)
STONES: tuple[Rgb, ...] = (
    (0.93, 0.93, 0.92),
    (0.85, 0.82, 0.76),
    (0.55, 0.55, 0.55),
    (0.20, 0.20, 0.21),
    (0.34, 0.40, 0.36),
    (0.62, 0.48, 0.40),
)


def pick(rng: np.random.Generator, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of `choices`; `weights` need not sum to one."""
    if weights is None:
        return choices[int(rng.integers(len(choices)))]
    shares = np.asarray(weights, float)
    return choices[int(rng.choice(len(choices), p=shares / shares.sum()))]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform draw as a plain float."""
    return float(rng.uniform(low, high))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


def vary(rng: np.random.Generator, rgb: Rgb, amount: float = 0.06) -> Rgb:
    """`rgb` a little brighter or darker and a little off in hue."""
    varied = np.clip(
        np.asarray(rgb) * (1 + rng.uniform(-2 * amount, amount)) + rng.uniform(-amount, amount, 3) / 2, 0, 1
    )
    return float(varied[0]), float(varied[1]), float(varied[2])


def scaled(rgb: Rgb, factor: float) -> Rgb:
    """`rgb` times `factor`, clipped."""
    return tuple(float(min(1.0, max(0.0, channel * factor))) for channel in rgb)  # type: ignore[return-value]


def any_rgb(rng: np.random.Generator) -> Rgb:
    """Any colour, muted more often than garish."""
    grey, tint = rng.uniform(0.1, 0.95), rng.uniform(0, 1, 3)
    share = rng.beta(1.2, 2.0)
    mixed = np.clip(grey * (1 - share) + tint * share, 0, 1)
    return float(mixed[0]), float(mixed[1]), float(mixed[2])


def wood(rng: np.random.Generator) -> Look:
    """Natural or stained wood."""
    rgb = vary(rng, pick(rng, WOODS))
    return Look("wood", rgb, scaled(rgb, between(rng, 0.55, 0.85)))


def paint(rng: np.random.Generator) -> Look:
    """Lacquered or painted board."""
    return Look(pick(rng, ("plain", "plastic")), vary(rng, pick(rng, PAINTS)))


def white(rng: np.random.Generator) -> Look:
    """White or nearly white laminate, enamel or ceramic."""
    return Look(pick(rng, ("plain", "plastic")), vary(rng, pick(rng, WHITES), 0.03))


def fabric(rng: np.random.Generator) -> Look:
    """Cloth; half of it of one colour, half patterned."""
    rgb = any_rgb(rng)
    return Look("fabric", rgb, scaled(rgb, between(rng, 0.75, 1.2)) if chance(rng, 0.5) else any_rgb(rng))


def leather(rng: np.random.Generator) -> Look:
    """Smooth covers."""
    return Look(
        "plastic",
        vary(rng, pick(rng, ((0.15, 0.10, 0.08), (0.35, 0.20, 0.12), (0.85, 0.82, 0.78), (0.08, 0.08, 0.08)))),
    )


def metal(rng: np.random.Generator) -> Look:
    """Steel, brass, copper, or black lacquered metal."""
    return Look("metal", vary(rng, pick(rng, METALS)))


def steel(rng: np.random.Generator) -> Look:
    """Bright steel or chrome."""
    return Look("metal", vary(rng, pick(rng, METALS[:3])))


def marble(rng: np.random.Generator) -> Look:
    """Marble, granite, concrete, terrazzo."""
    rgb = vary(rng, pick(rng, STONES))
    return Look("marble", rgb, scaled(rgb, pick(rng, (0.5, 0.75, 1.4))))


def glass(rng: np.random.Generator) -> Look:
    """Clear, frosted or tinted glass."""
    rgb = pick(rng, ((0.80, 0.90, 0.88), (0.92, 0.95, 0.96), (0.35, 0.38, 0.38), (0.70, 0.80, 0.86)))
    return Look("glass", vary(rng, rgb, 0.03), alpha=between(rng, 0.3, 0.6))


def plastic(rng: np.random.Generator) -> Look:
    """Plastic of any colour."""
    return Look("plastic", any_rgb(rng))


def dark(rng: np.random.Generator) -> Look:
    """Black or dark grey plastic."""
    return Look("plastic", vary(rng, pick(rng, ((0.05, 0.05, 0.05), (0.15, 0.15, 0.16), (0.25, 0.25, 0.27))), 0.03))


def board(rng: np.random.Generator) -> Look:
    """What cabinets and shelves are made of: wood, white, painted, now and then metal."""
    makers: tuple[Callable[[np.random.Generator], Look], ...] = (wood, white, paint, metal)
    return pick(rng, makers, (5, 3, 2.5, 0.5))(rng)


def table_top(rng: np.random.Generator) -> Look:
    """What table tops are made of; glass is left to the builders that want it."""
    makers: tuple[Callable[[np.random.Generator], Look], ...] = (wood, white, paint, marble)
    return pick(rng, makers, (6, 2.5, 1.5, 1.2))(rng)


def cover(rng: np.random.Generator) -> Look:
    """What seats are covered with."""
    return leather(rng) if chance(rng, 0.25) else fabric(rng)
