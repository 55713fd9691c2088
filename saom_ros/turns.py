"""`Turns`: a lock that several threads hold in the order in which they asked for it."""

from __future__ import annotations

import threading
from types import TracebackType


class Turns:
    """A lock for `with`, first come, first served.

    A thread that gives `threading.Lock` back and takes it again at once mostly gets it before the threads that wait.
    Here it waits until each of them has had it once. So when long work gives way between its steps (`give_way`),
    others wait for one step at most.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0  # the number that the next thread to ask gets
        self._now = 0  # the number of the thread that holds the lock, or may take it

    def __enter__(self) -> None:
        with self._changed:
            mine = self._next
            self._next += 1
            self._changed.wait_for(lambda: self._now == mine)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._changed:
            self._now += 1
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many threads wait for the lock."""
        return max(0, self._next - self._now - 1)

    def give_way(self) -> None:
        """Lets the threads that wait have the lock once each; called by the thread that holds it."""
        self.__exit__(None, None, None)
        self.__enter__()
