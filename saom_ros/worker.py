"""Runs slow work outside the executor's thread, always on the newest item."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from saom_ros.turns import Turns

T = TypeVar("T")
R = TypeVar("R")


class NewestWorker(Generic[T, R]):
    """One thread, and one item that waits for it: a new item replaces the one that waits.

    So the answer is never about an old picture, however slow the work is. Workers that share `turns` do the first part
    of their work in turn, each on the item that is its newest when its turn comes.

    Args:
        in_turn: called in the thread with one item after the other; must not raise.
        after: called with what `in_turn` gives, unless that is None, when the turn is over; must not raise.
        turns: who is next.
    """

    def __init__(self, in_turn: Callable[[T], R | None], after: Callable[[R], None], turns: Turns) -> None:
        self.replaced = 0  # how many items were replaced before they were worked on
        # monotonic clock, since when an item is in work, or waits for its turn; None: there is none
        self.began_s: float | None = None
        self._in_turn, self._after, self._turns = in_turn, after, turns
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
            self.began_s = time.monotonic()
            with self._turns:
                item = self._newest()
                done = None if item is None else self._in_turn(item)
            if done is not None:
                self._after(done)
            self.began_s = None

    def _newest(self) -> T | None:
        """Takes the item that waits; None where it was discarded, or the worker stopped, before its turn came."""
        with self._changed:
            item, self._waiting = self._waiting, None
            return None if self._stopped else item
