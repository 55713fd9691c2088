"""Which picture each item of an endless, seeded stream shows, and the generator for everything else about the item.

Epochs are permutations of the data set. All of it follows from the seed and the item's number, so a resumed run sees
what an unbroken one sees.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt


@lru_cache(maxsize=2)  # cached, because every item of an epoch asks for it and 200,000 pictures take milliseconds
def epoch_order(seed: int, epoch: int, images: int) -> npt.NDArray[np.int64]:
    """(images,): the pictures of an epoch, in order."""
    order = np.random.default_rng([seed, 1, epoch]).permutation(images)
    order.setflags(write=False)  # read-only, because all callers get the same array
    return order


def image_of(seed: int, item: int, images: int) -> int:
    """The picture of an item."""
    epoch, position = divmod(item, images)
    return int(epoch_order(seed, epoch, images)[position])


def item_rng(seed: int, item: int) -> np.random.Generator:
    """The generator for everything else about an item."""
    return np.random.default_rng([seed, 2, item])
