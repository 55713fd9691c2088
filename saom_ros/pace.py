"""`Pace`: an output whose publishing waits is published less often, so that the others do not wait with it."""

from __future__ import annotations

import time
from collections.abc import Callable

SLOW_S = 0.02
"""An image of 1920x1080 takes 5 to 10 ms to publish. What takes longer than this waits, for a subscriber that asks for
reliable delivery and hangs, or is slower than the camera."""

EARLY = 0.1
"""A frame may come so much of its period before its time."""

SHARE = 0.2
"""The most of its time that the node spends in publishing the slow outputs, all of them together."""


class RateLimit:
    """Lets at most so many frames a second through, evenly.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_s = 0.0

    def passes(self, most_hz: float) -> bool:
        """Whether the frame that has come now is to be answered; 0 Hz: every one."""
        if most_hz <= 0:
            return True
        now_s, period_s = self._clock(), 1 / most_hz
        # a camera's frames come a little early and late: half of one's time, and none of what was missed, is made up
        if now_s < self._next_s - EARLY * period_s:
            return False
        self._next_s = max(self._next_s, now_s - period_s / 2) + period_s
        return True


class Pace:
    """Decides for each frame which outputs are due.

    Publishing holds up the whole process: rclpy keeps Python's lock meanwhile, so a thread for each output would not
    help.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slow_since_s: dict[str, float] = {}
        self._published_s: dict[str, float] = {}  # when each of the slow ones was published last
        self._next_s = 0.0  # no slow one is published before

    def due(self, name: str) -> bool:
        """Whether an output is to be published now: a slow one in its turn, and when the time for them allows it."""
        if name not in self._published_s:
            return True
        longest_waiting = min(self._published_s, key=self._published_s.__getitem__)
        return name == longest_waiting and self._clock() >= self._next_s

    def took(self, name: str, seconds: float) -> None:
        """Notes how long publishing an output took just now."""
        if seconds <= SLOW_S:
            self.forget(name)
            return
        now_s = self._clock()
        self._slow_since_s.setdefault(name, now_s)
        self._published_s[name] = now_s
        self._next_s = now_s + seconds * (1 / SHARE - 1)

    def forget(self, name: str) -> None:
        """Notes that an output is fast, or that nobody subscribes to it any more."""
        self._slow_since_s.pop(name, None)
        self._published_s.pop(name, None)

    def slow(self, for_s: float) -> list[str]:
        """The outputs that have been slow for longer than that."""
        now_s = self._clock()
        return sorted(name for name, since_s in tuple(self._slow_since_s.items()) if now_s - since_s > for_s)
