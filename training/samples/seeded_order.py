"""Which picture each item of an endless, seeded stream shows, and the generator for everything else about the item.

Epochs are permutations of the data set. All of it follows from the seed and the item's number, so a resumed run sees
what an unbroken one sees.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..running.processes import Processes

_PRIME = 1_000_003  # keeps the seeds of one run's steps away from those of another run


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


def step_seed(seed: int, step: int) -> int:
    """The seed of all that is drawn at random in a step of a run."""
    return seed * _PRIME + step


def rows_of_step(rows: int, batch: int, seed: int, processes: Processes) -> tuple[Tensor, slice]:
    """Rows of a table that a step sees, and this process's part of them; seeds what the network draws in it, too.

    Args:
        rows: of the table.
        batch: rows a process.
        seed: of the step.
        processes: that train together; all draw the same rows.

    Returns:
        (batch * processes,) int64, and the slice of this process.
    """
    torch.manual_seed(seed)
    chosen = torch.randint(0, rows, (batch * processes.count,))
    if not processes.first:
        torch.manual_seed(seed + _PRIME**2 * processes.rank)  # so that dropout differs between the processes
    return chosen, slice(processes.rank * batch, (processes.rank + 1) * batch)
