"""`Output`: one row of the table of topics, with its message type, the function that makes a message, and its QoS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.qos import DurabilityPolicy, QoSProfile

PER_FRAME = QoSProfile(depth=5)
"""Reliable, and nothing is kept for those who subscribe later; a message is made of each answer."""
ONCE = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""For what does not change while a model is loaded; kept for those who subscribe later."""


class Output(NamedTuple):
    """A topic below the node's name."""

    kind: type[Any]
    make: Callable[[Any], Any]
    """Of the `Answer` with `PER_FRAME`, of the `ModelInfo` with `ONCE`. None: there is nothing to say this time.

    A class is a maker with a memory, of which each node has one. Where it has these methods, `passed_over` is given
    the answers of which no message is made, `expired` gives a message that is due without an answer, and `taken_back`
    one that is due when the node goes; None: there is none. They are called by more than one thread.
    """
    qos: QoSProfile = PER_FRAME
