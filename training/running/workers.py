"""Prepares items of a data set in other processes while this one trains, and puts them together to batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from saom_core.errors import SaomError

from .config import RunConfig
from .interrupts import deaf_children
from .processes import Processes

Item = TypeVar("Item")
_AHEAD = 4  # so many items, or batches, each process prepares in advance


class StreamBatches:
    """The batches of a run, from an endless stream of items that follow from their numbers.

    Step k of a run takes the items from k * batch * processes on, each process its own `batch` of them: so several
    processes see what one sees with the same number of items a step.

    Args:
        stream: the items.
        config: of the batch's size, and of how many workers prepare it.
        steps: of the whole run.
        processes: that train together.
    """

    def __init__(self, stream: Dataset[Any], config: RunConfig, steps: int, processes: Processes) -> None:
        self.steps = steps
        self._stream, self._config, self._processes = stream, config, processes

    def after(self, done: int) -> Iterator[list[Any]]:
        """This process's items of each step that is left when `done` steps are taken."""
        batch, every = self._config.batch, self._config.batch * self._processes.count
        mine = range(self._processes.rank * batch, (self._processes.rank + 1) * batch)
        order = [step * every + k for step in range(done, self.steps) for k in mine]
        return workers_of(self._stream, self._config.workers, order, batch)


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
    if workers:  # set before the fork: inside a worker OpenCV would wait for ever for threads that a fork does not copy
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


def shared_out(
    items: Dataset[Any], count: int, workers: int, processes: Processes | None, *, unit: str, desc: str
) -> list[Any]:
    """The first so many items, in order; processes that train together prepare a share each and have all in the end.

    Args:
        items: item i must follow from i alone.
        count: number of them.
        workers: further processes that each of these has prepare them; 0: none.
        processes: that train together; None: this one is alone.
        unit: of the line of progress.
        desc: the same.
    """
    processes = processes or Processes.alone()
    orders = [list(range(rank, count, processes.count)) for rank in range(processes.count)]
    mine = orders[processes.rank]
    prepared = workers_of(items, workers, mine)
    quiet = not processes.first
    found = list(tqdm(prepared, total=len(mine), unit=unit, desc=desc, dynamic_ncols=True, disable=quiet))
    by_number = dict(zip([k for order in orders for k in order], processes.gathered(found), strict=True))
    return [by_number[k] for k in range(count)]


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
