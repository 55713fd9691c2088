"""Signals of the node's process, and a bridge from Python's logging to ROS's."""

from __future__ import annotations

import logging
import os
import signal

from rclpy.impl.rcutils_logger import RcutilsLogger

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def signal_pipe() -> int:
    """A file descriptor that can be read once SIGINT or SIGTERM has come, whichever thread the system gave it to."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # tools/saom_node has blocked them during the imports
    return reader


class ForwardToRos(logging.Handler):
    """Brings the log lines of `saom_core`, which knows nothing of ROS, to the node's logger."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
        self._to = logger

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._to.error(text)
        elif record.levelno >= logging.WARNING:
            self._to.warning(text)
        else:
            self._to.info(text)
