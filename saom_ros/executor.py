"""Runs the node's callbacks: one thread for all of them, another for service calls that wait for an answer."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import Executor, ShutdownException, TimeoutException

logger = logging.getLogger("saom")


class NodeExecutor(Executor):
    """Callbacks in the thread that calls `spin`, those of one group in threads of their own.

    rclpy's MultiThreadedExecutor hands every callback to a pool: at 30 Hz of three topics that cost a fifth of a core,
    twice as much as here. Its `shutdown` also destroys what callbacks at work still need ("cannot use Destroyable").

    Args:
        slow: callbacks of this group may wait for other callbacks. The group runs one of them at a time.
        kwargs: those of `Executor`.
    """

    def __init__(self, slow: CallbackGroup, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._slow = slow
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def spin(self) -> None:
        """Executes callbacks until `stop`."""
        while self._context.ok() and not self._stopping.is_set():
            self.spin_once()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Waits for one callback and executes it; a callback of the slow group gets a thread of its own."""
        try:
            handler, entity, _ = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
        except (ShutdownException, TimeoutException):
            return
        if entity is not None and entity.callback_group is self._slow:
            # It is a daemon because a callback that hangs must not keep the process from ending.
            thread = threading.Thread(target=_finish, args=(handler,), name="saom-service", daemon=True)
            self._threads = [*(thread for thread in self._threads if thread.is_alive()), thread]
            thread.start()
            return
        handler()
        if (error := handler.exception()) is not None:
            raise error

    def stop(self, spinner: threading.Thread, timeout_s: float) -> bool:
        """Ends `spin`, called by another thread, after the callbacks at work; False where they take too long.

        Args:
            spinner: the thread that spins.
            timeout_s: for all of them together.
        """
        end = time.monotonic() + timeout_s
        self._stopping.set()
        self.create_task(lambda: None)  # this wakes the spinning thread up
        for thread in (spinner, *self._threads):
            thread.join(max(0.0, end - time.monotonic()))
        if spinner.is_alive() or any(thread.is_alive() for thread in self._threads):
            return False
        self.shutdown()
        return True


def _finish(handler: Any) -> None:
    handler()
    if handler.done() and handler.exception() is not None:
        logger.error("a service failed: %r", handler.exception())
