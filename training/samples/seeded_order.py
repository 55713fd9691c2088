"""Which picture the items of an endless, seeded stream show, and what draws the rest of an item.

Epochs are permutations of the data set; all follows from seed and item number, so a resumed run sees the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def epoch_order(seed: int, epoch: int, images: int) -> npt.NDArray[np.int64]:
    """(images,): the pictures of an epoch, in order."""
    return np.random.default_rng([seed, 1, epoch]).permutation(images)


def image_of(seed: int, item: int, images: int) -> int:
    """The picture of an item."""
    epoch, position = divmod(item, images)
    return int(epoch_order(seed, epoch, images)[position])


def item_rng(seed: int, item: int) -> np.random.Generator:
    """Draws everything else about an item."""
    return np.random.default_rng([seed, 2, item])
