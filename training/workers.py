"""Items of a data set, prepared by other processes while this one trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

Item = TypeVar("Item")
_AHEAD = 4  # items, or batches, that each process may be ahead


def workers_of(
    items: Dataset[Item], workers: int, order: Sequence[int] | None = None, batch: int | None = None
) -> Iterator[Any]:
    """Items, in order.

    Args:
        items: each follows from its number alone.
        workers: processes that prepare them; 0: this one does.
        order: their numbers; None: all.
        batch: how many of them come at once, as a list; None: each by itself.
    """
    if workers:  # not in each of them: OpenCV waits for ever for threads that a fork did not bring along
        cv2.setNumThreads(1)
    return iter(
        DataLoader(
            items,
            batch_size=batch,
            sampler=order,
            num_workers=workers,
            collate_fn=_alone if batch is None else list,
            prefetch_factor=_AHEAD if workers else None,
        )
    )


def _alone(item: Item) -> Item:
    return item
