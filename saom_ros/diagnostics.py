"""What the node reports of itself: rates, latencies, dropped frames, and problems."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

WINDOW = 100
"""Frames over which rates and percentiles are taken."""

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Problem:
    """Something wrong that a person should mend."""

    level: bytes  # DiagnosticStatus.WARN or ERROR
    text: str


class Statistics:
    """Counts and times of the last frames; written by the worker, read by the executor."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: dict[str, deque[float]] = {}
        self._finished_s: deque[float] = deque(maxlen=WINDOW)
        self._counts: Counter[str] = Counter()

    def count(self, name: str, number: int = 1) -> None:
        """Adds to a counter."""
        with self._lock:
            self._counts[name] += number

    def add_frame(self, stages_ms: dict[str, float], finished_s: float) -> None:
        """Takes the times of one answered frame: stage -> milliseconds, and when it was done (monotonic seconds)."""
        with self._lock:
            self._counts["frames answered"] += 1
            self._finished_s.append(finished_s)
            for stage, milliseconds in stages_ms.items():
                self._stages.setdefault(stage, deque(maxlen=WINDOW)).append(milliseconds)

    def values(self, now_s: float) -> dict[str, str]:
        """Everything as text: frames/s of the last seconds, p50 and p95 of each stage, counters."""
        with self._lock:
            times = [time_s for time_s in self._finished_s if now_s - time_s <= 5.0]
            values = {"rate_hz": f"{(len(times) - 1) / (times[-1] - times[0]):.1f}" if len(times) > 1 else "0.0"}
            for stage, milliseconds in self._stages.items():
                p50, p95 = np.percentile(milliseconds, [50, 95])
                values[f"{stage}_ms"] = f"p50 {p50:.1f} p95 {p95:.1f}"
            values.update({name.replace(" ", "_"): str(number) for name, number in sorted(self._counts.items())})
        return values


CALM_S = 3.0
"""A problem counts as over when its cause has been gone for this long. One that comes and goes with each frame is
thus reported once."""

AGAIN_S = 10.0
"""A problem whose text changes is reported again after this long at the earliest: its numbers may change at 30 Hz."""


class Problems:
    """The present problems by name; each stays until it is cleared.

    Each is told once when it begins and once when it is over, so that a person at the terminal knows of it without
    looking at the diagnostics.

    Args:
        tell: called with a level (OK: something is over) and a line for the terminal.
        clock: monotonic seconds.
    """

    def __init__(
        self, tell: Callable[[bytes, str], object] = lambda *_: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell, self._clock = tell, clock
        self._by_name: dict[str, Problem] = {}
        self._told: dict[str, tuple[Problem, float]] = {}  # by name, what was told last, and when
        self._gone_s: dict[str, float] = {}  # since when a problem that was told is gone
        self._lock = threading.Lock()

    def set(self, name: str, text: str, level: bytes = WARN) -> None:
        """Notes a problem."""
        with self._lock:
            self._by_name[name] = Problem(level, text)
            self._gone_s.pop(name, None)
            self._tell_changes(name)

    def clear(self, *names: str) -> None:
        """Notes that the causes of problems are gone."""
        with self._lock:
            for name in names:
                if self._by_name.pop(name, None) is not None:
                    self._gone_s[name] = self._clock()

    def forget(self, *names: str) -> None:
        """Drops problems silently: nobody looks at their causes any more, so nobody knows whether they are over."""
        with self._lock:
            for kept in (self._by_name, self._told, self._gone_s):
                for name in names:
                    kept.pop(name, None)

    def settle(self) -> None:
        """Reports which problems are over and which have changed; to be called about once a second."""
        with self._lock:
            for name in [name for name, gone_s in self._gone_s.items() if self._clock() - gone_s >= CALM_S]:
                del self._gone_s[name]
                problem, _ = self._told.pop(name)
                self._tell(OK, f"over: {problem.text}")
            for name in self._by_name:
                self._tell_changes(name)

    def _tell_changes(self, name: str) -> None:
        problem, told = self._by_name[name], self._told.get(name)
        if told is None or (told[0].text != problem.text and self._clock() - told[1] >= AGAIN_S):
            self._told[name] = problem, self._clock()
            self._tell(problem.level, problem.text)

    def text(self, *names: str) -> str:
        """The text of the first of these problems that is present; "" if none is."""
        with self._lock:
            return next((self._by_name[name].text for name in names if name in self._by_name), "")

    def all(self) -> list[Problem]:
        """The present problems, the worst first."""
        with self._lock:
            return sorted(self._by_name.values(), key=lambda problem: problem.level, reverse=True)


def status_message(
    name: str, hardware_id: str, state: Problem, problems: list[Problem], values: dict[str, str]
) -> DiagnosticStatus:
    """One status with the worst level of all, all the problems as text, and the values.

    Args:
        name: of the component, unique on the robot.
        hardware_id: what it runs on.
        state: what the node does, as text; a level above OK where it does not answer frames.
        problems: the worst first.
        values: key -> text.
    """
    status = DiagnosticStatus(name=name, hardware_id=hardware_id)
    told = [problem for problem in (state, *problems) if problem.level != OK]
    status.level = max((problem.level for problem in told), default=OK)
    status.message = "; ".join(problem.text for problem in told) or state.text
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status
