"""Small things that stand in two rooms: scenes in pairs, for what is learnt of a thing in one and asked in the other.

Scenes 2k and 2k + 1 hold the same things, to the texture, upright in both. All else is drawn apart: room, furniture,
what stands where, lamps, and the camera, which is one for all pictures of such a scene.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .assets.load import Assets
from .choose import random_object
from .geometry.model import ObjectModel

COUNT = 28  # as many as a scene holds
LARGEST_M = (0.5, 0.5, 0.5)  # x, y, z: they fit on most tables
OTHER_SHARE = 0.4  # of no class, as among the things of other scenes


def pair_of(index: int) -> int:
    """The pair of scene number `index`."""
    return index // 2


def things_of(seed: int, pair: int, assets: Assets | None) -> list[ObjectModel]:
    """The things of a pair of scenes, those first that a scene takes first.

    `thing` of each is (seed, pair, number): its name in both scenes, and what its surfaces are drawn from.
    """
    things = []
    for number in range(COUNT):
        rng = np.random.default_rng((seed, pair, number, 3))
        model = random_object(rng, ("table",), LARGEST_M, OTHER_SHARE, assets)
        if model is not None:
            things.append(dataclasses.replace(model, thing=(seed, pair, number)))
    return things
