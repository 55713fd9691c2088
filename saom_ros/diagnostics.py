"""What the node knows of its own work: rates, latencies, drops, and inputs that are missing or do not fit."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

WINDOW = 100
"""Frames over which rates and percentiles are taken."""

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Problem:
    """Something that a person should mend: shown in the diagnostics while it lasts."""

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


@dataclass
class Problems:
    """The problems of now by topic of trouble; a problem stays until its cause is seen to be gone."""

    _by_name: dict[str, Problem] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, name: str, text: str, level: bytes = WARN) -> bool:
        """Notes a problem; True where it is new or says something else than before, so that it is worth a log line."""
        with self._lock:
            before = self._by_name.get(name)
            self._by_name[name] = Problem(level, text)
            return before is None or before.text != text

    def clear(self, *names: str) -> None:
        """Forgets problems."""
        with self._lock:
            for name in names:
                self._by_name.pop(name, None)

    def all(self) -> list[Problem]:
        """The problems of now, the worst first."""
        with self._lock:
            return sorted(self._by_name.values(), key=lambda problem: problem.level, reverse=True)


def status_message(
    name: str, hardware_id: str, state: str, problems: list[Problem], values: dict[str, str]
) -> DiagnosticStatus:
    """One status: the worst level, all the problems as text (or the state where there is none), and the values."""
    status = DiagnosticStatus(name=name, hardware_id=hardware_id, level=problems[0].level if problems else OK)
    status.message = "; ".join(problem.text for problem in problems) or state
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status
