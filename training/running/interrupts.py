"""Ctrl-C is the business of the process that a person started, not of its helpers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that are started inside never hear of Ctrl-C, which a terminal sends to all of them.

    They would die with a traceback each, and the first process would report a dead helper in the place of an interrupt.
    A mask is inherited, so it holds from their first moment, before any code of theirs could ask to be spared. An
    interrupt that comes meanwhile waits for the end: half-started helpers end in tracebacks, too.
    """
    waiting: list[tuple[int, FrameType | None]] = []
    in_main = threading.current_thread() is threading.main_thread()  # Python sets handlers in the main thread alone
    handler = signal.signal(signal.SIGINT, lambda *what: waiting.append(what)) if in_main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if in_main and handler is not None:  # None: something other than Python has set it
            signal.signal(signal.SIGINT, handler)
    if waiting and callable(handler):
        handler(*waiting[0])
