"""Which object comes next: a random one that may stand there and is not too large; and the things of two scenes.

With `--things-twice` scenes 2k and 2k + 1 hold the same small things, to the texture, upright in both. All else is
drawn apart: room, furniture, what stands where, lamps, and the camera, which is one for all pictures of such a scene.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np

from saom_core.taxonomy import OTHER

from .assets.load import Assets
from .catalogue import BUILDERS
from .geometry.model import Builder, ObjectModel, Vec3

THINGS = 28  # of a pair of scenes: as many as a scene holds
LARGEST_THING_M = (0.5, 0.5, 0.5)  # x, y, z: they fit on most tables
OTHER_SHARE = 0.4  # of things that have no class, on a table


@cache
def _builders(placements: tuple[str, ...]) -> tuple[list[list[Builder]], list[Builder]]:
    """Builders that can make an object of one of `placements`: by class, and those of no class."""
    by_class: list[list[Builder]] = []
    other: list[Builder] = []
    for name, builders in BUILDERS.items():
        made = {builder: {builder(np.random.default_rng(seed)).placement for seed in range(4)} for builder in builders}
        fitting = [builder for builder in builders if made[builder] & set(placements)]
        if name == OTHER:
            other = fitting
        elif fitting:
            by_class.append(fitting)
    return by_class, other


def random_object(
    rng: np.random.Generator,
    placements: tuple[str, ...],
    fits: Vec3,
    other_share: float,
    assets: Assets | None = None,
) -> ObjectModel | None:
    """A random object of one of the placements, no larger than `fits` (x, y, z); None after too many that do not.

    Classes come equally often, objects of no class with probability `other_share`. The user's own objects come in
    place of the built-in ones as often as `assets` says, each equally often.
    """
    if assets is not None and rng.random() < assets.share:
        for _ in range(12):
            model = assets.builders[rng.integers(len(assets.builders))](rng)
            if model.placement in placements and fits_into(model.size, fits):
                return model
    by_class, other = _builders(placements)
    for _ in range(6):
        builders = other if rng.random() < other_share else by_class[rng.integers(len(by_class))]
        model = builders[rng.integers(len(builders))](rng)
        if model.placement in placements and fits_into(model.size, fits):
            return model
    return None


def fits_into(size: Vec3, room: Vec3) -> bool:
    """Whether a box of edges (x, y, z) goes into one of those of `room`, upright and turned by right angles; metres."""
    wide, deep = sorted(size[:2]), sorted(room[:2])
    return wide[0] <= deep[0] and wide[1] <= deep[1] and size[2] <= room[2]


def pair_of(index: int) -> int:
    """The pair of scene number `index`."""
    return index // 2


def things_of(seed: int, pair: int, assets: Assets | None) -> list[ObjectModel]:
    """The things of a pair of scenes, those first that a scene takes first.

    `thing` of each is (seed, pair, number): its name in both scenes, and what its surfaces are drawn from.
    """
    things = []
    for number in range(THINGS):
        rng = np.random.default_rng((seed, pair, number, 3))
        model = random_object(rng, ("table",), LARGEST_THING_M, OTHER_SHARE, assets)
        if model is not None:
            things.append(dataclasses.replace(model, thing=(seed, pair, number)))
    return things
