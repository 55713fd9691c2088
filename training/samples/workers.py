"""Items of a data set, prepared by other processes while this one trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

from saom_core.errors import SaomError

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

    Raises:
        SaomError: as an item raised it, not as torch wraps it, with the traceback of another process.
    """
    if workers:  # not in each of them: OpenCV waits for ever for threads that a fork did not bring along
        cv2.setNumThreads(1)
    loader = DataLoader(
        _ErrorsAsItems(items),
        batch_size=batch,
        sampler=order,
        num_workers=workers,
        collate_fn=_alone if batch is None else list,
        prefetch_factor=_AHEAD if workers else None,
    )
    for answer in loader:
        for item in (answer,) if batch is None else answer:
            if isinstance(item, SaomError):
                raise item
        yield answer


class _ErrorsAsItems(Dataset[Any]):
    """Hands an item's own error over in the item's place."""

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
