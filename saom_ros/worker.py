"""Runs slow work outside the executor's thread, always on the newest item."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestWorker(Generic[T]):
    """One thread, and one item that waits for it: a new item replaces the one that waits.

    So the answer is never about an old picture, however slow the work is.

    Args:
        work: called in the thread with one item after the other; must not raise.
    """

    def __init__(self, work: Callable[[T], None]) -> None:
        self.replaced = 0  # how many items were replaced before they were worked on
        self.began_s: float | None = None  # monotonic clock, when work on the current item began; None: there is none
        self._work = work
        self._waiting: T | None = None
        self._stopped = False
        self._changed = threading.Condition()
        # It is a daemon because a network that hangs in a driver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="saom-worker", daemon=True)
        self._thread.start()

    def submit(self, item: T) -> None:
        """Hands over an item; returns at once."""
        with self._changed:
            self.replaced += self._waiting is not None
            self._waiting = item
            self._changed.notify()

    def discard(self) -> None:
        """Forgets the item that waits."""
        with self._changed:
            self._waiting = None

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread after the item it works on; False where that takes longer than the timeout."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._waiting is not None)
                if self._stopped:
                    return
                item, self._waiting = self._waiting, None
            if item is not None:
                self.began_s = time.monotonic()
                self._work(item)
                self.began_s = None
