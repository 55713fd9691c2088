"""`Waiting`: service calls that wait for the answer to the camera's next frame."""

from __future__ import annotations

import concurrent.futures
import math
import threading
import time

from saom_core.errors import InputError
from saom_ros.answer import Answer


class Waiting:
    """Those who wait for an answer; they wait and are told in different threads."""

    def __init__(self) -> None:
        # each with the moment since which it waits (monotonic seconds)
        self._waiting: list[tuple[float, concurrent.futures.Future[Answer]]] = []
        self._closed = ""  # why no answer comes to those who begin to wait now; "": one may come
        self._ended = False  # it stays closed
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def next_answer(self, timeout_s: float) -> Answer:
        """The answer to the next frame that comes after this call.

        The frame in work does not count, because it may show a scene that has changed.

        Raises:
            TimeoutError: of `concurrent.futures`: no frame was answered in time.
            InputError: the frame cannot be answered, or none will be.
        """
        future: concurrent.futures.Future[Answer] = concurrent.futures.Future()
        waiting = time.monotonic(), future
        with self._lock:
            if self._closed:
                raise InputError(self._closed)
            self._waiting.append(waiting)
        try:
            return future.result(timeout_s)
        finally:
            with self._lock:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)

    def answered(self, answer: Answer, received_s: float) -> None:
        """Gives an answer to those who have waited since before its frame came."""
        for future in self._taken(received_s):
            future.set_result(answer)

    def refuse(self, reason: str, received_s: float) -> None:
        """Tells those who have waited since before a moment that no answer will come."""
        for future in self._taken(received_s):
            future.set_exception(InputError(reason))

    def close(self, reason: str, *, for_good: bool = False) -> None:
        """Tells those who wait, and those who are about to, that no answer will come: until `open`, or for good."""
        with self._lock:
            self._closed = self._closed if self._ended else reason
            self._ended |= for_good
        self.refuse(self._closed, math.inf)

    def open(self) -> None:
        """Lets calls wait again, but for those of a node that ends."""
        with self._lock:
            self._closed = self._closed if self._ended else ""

    def _taken(self, until_s: float) -> list[concurrent.futures.Future[Answer]]:
        """Takes those who have waited since before a moment out of the list."""
        with self._lock:
            taken = [future for since_s, future in self._waiting if since_s <= until_s]
            self._waiting = [(since_s, future) for since_s, future in self._waiting if since_s > until_s]
        return taken
