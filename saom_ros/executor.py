"""Runs the node's callbacks: one thread for all of them, another for service calls that wait for an answer."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import Executor, ShutdownException, TimeoutException
from rclpy.service import Service

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
        self._end_s = 0.0  # when all must have ended once it is stopping, on the monotonic clock
        self._threads: list[threading.Thread] = []

    def spin(self) -> None:
        """Executes callbacks until `stop`, and then the service calls that came before it.

        A client of ROS waits for an answer for ever.
        """
        while self._context.ok() and not self._stopping.is_set():
            self.spin_once()
        while self._context.ok() and time.monotonic() < self._end_s:
            busy, executed = self._slow_ones(), 0
            while time.monotonic() < self._end_s and self._executed_one(0.0):
                executed += 1
            if not busy and not executed:
                break
            if not executed:
                self._joined(self._end_s)  # others of the group may wait behind it

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Waits for one callback and executes it; a callback of the slow group gets a thread of its own."""
        self._executed_one(timeout_sec)

    def can_execute(self, entity: Any) -> bool:
        """See `Executor.can_execute`; at the end only service calls are still taken."""
        return super().can_execute(entity) and (not self._stopping.is_set() or isinstance(entity, Service))

    def stop(self, spinner: threading.Thread, timeout_s: float) -> bool:
        """Ends `spin`, called by another thread, after the callbacks at work; False where they take too long.

        Args:
            spinner: the thread that spins.
            timeout_s: for all of them together.
        """
        self._end_s = time.monotonic() + timeout_s
        self._stopping.set()
        self.create_task(lambda: None)  # this wakes the spinning thread up
        spinner.join(timeout_s)
        if spinner.is_alive() or not self._joined(self._end_s):
            return False
        self.shutdown()
        return True

    def _executed_one(self, timeout_s: float | None) -> bool:
        """Waits for one callback and executes it; False where none came in time."""
        try:
            handler, entity, _ = self.wait_for_ready_callbacks(timeout_sec=timeout_s)
        except (ShutdownException, TimeoutException):
            return False
        if entity is not None and entity.callback_group is self._slow:
            # It is a daemon because a callback that hangs must not keep the process from ending.
            thread = threading.Thread(target=_finish, args=(handler,), name="saom-service", daemon=True)
            self._threads = [*self._slow_ones(), thread]
            thread.start()
            return True
        handler()
        if (error := handler.exception()) is not None:
            raise error
        return True

    def _slow_ones(self) -> list[threading.Thread]:
        """Slow callbacks at work."""
        return [thread for thread in self._threads if thread.is_alive()]

    def _joined(self, end_s: float) -> bool:
        """Waits for the slow callbacks at work; False where one goes on at a moment, on the monotonic clock."""
        for thread in self._slow_ones():
            thread.join(max(0.0, end_s - time.monotonic()))
        return not self._slow_ones()


def _finish(handler: Any) -> None:
    handler()
    if handler.done() and handler.exception() is not None:
        logger.error("a service failed: %r", handler.exception())
