"""Prepares items of a data set in other processes while this one trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

from saom_core.errors import SaomError

from ..running.interrupts import deaf_children

Item = TypeVar("Item")
_AHEAD = 4  # items, or batches, that each process may be ahead


def workers_of(
    items: Dataset[Item], workers: int, order: Sequence[int] | None = None, batch: int | None = None
) -> Iterator[Any]:
    """Yields items, in order.

    Args:
        items: item i must follow from i alone.
        workers: processes that prepare them; 0: this one does.
        order: their numbers; None: all.
        batch: how many come together, as a list; None: one at a time.

    Raises:
        SaomError: the item's own error, without torch's wrapping and the traceback of another process.
    """
    if workers:  # here, not in each worker: there OpenCV would wait for ever for threads that a fork does not copy
        cv2.setNumThreads(1)
    loader = DataLoader(
        _ErrorsAsItems(items),
        batch_size=batch,
        sampler=order,
        num_workers=workers,
        collate_fn=_alone if batch is None else list,
        prefetch_factor=_AHEAD if workers else None,
    )
    with deaf_children():
        answers = iter(loader)
    for answer in answers:
        for item in (answer,) if batch is None else answer:
            if isinstance(item, SaomError):
                raise item
        yield answer


class _ErrorsAsItems(Dataset[Any]):
    """Returns an item's own error in place of the item, so that it crosses the process border unchanged."""

    def __init__(self, items: Dataset[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, k: int) -> Any:
        try:
            return self._items[k]
        except SaomError as error:
            return error


def _alone(item: Item) -> Item:
    return item
