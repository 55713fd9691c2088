"""`Health`: what the node says of itself once a second, in `/diagnostics` and at the terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rclpy.impl.rcutils_logger import RcutilsLogger

from saom_ros.diagnostics import ERROR, OK, WARN, Problem, Problems, Statistics
from saom_ros.inputs import Inputs
from saom_ros.matcher import FrameMatcher
from saom_ros.parameters import Parameters
from saom_ros.pipeline import Pipeline

SLOW_S = 10.0
"""A frame that takes longer is told: its driver may hang."""

UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED = "unconfigured", "inactive", "active", "finalized"
"""The states of a lifecycle node."""


def logged(logger: RcutilsLogger, level: bytes, text: str) -> None:
    """Writes a line of `Problems` to the terminal."""
    if level == ERROR:
        logger.error(text)
    elif level == WARN:
        logger.warning(text)
    else:
        logger.info(text)


@dataclass
class Health:
    """Judges what the node gets and does.

    Args:
        options: the parameters of now.
        matcher: brings images and depth together.
        inputs: the camera's topics; None before the node is activated for the first time.
        problems: where troubles are noted.
        statistics: times and counters of the frames.
    """

    options: Parameters
    matcher: FrameMatcher
    problems: Problems
    statistics: Statistics
    inputs: Inputs | None = None
    lifecycle: str = UNCONFIGURED
    enabled: bool = True
    _missing: set[str] = field(default_factory=set)  # inputs that were missing when they were judged last

    def judge(self, began_s: float | None, slow_outputs: Sequence[str]) -> None:
        """Looks at the inputs, at the frame in work and at the outputs, and notes what is wrong with them.

        Args:
            began_s: monotonic clock, when the frame in work was begun; None: no frame is in work.
            slow_outputs: topics below the node's name whose publishing waits for some subscriber.
        """
        now_s = time.monotonic()
        self._judge_inputs(now_s)
        self._judge_stamps()
        if began_s is not None and now_s - began_s > SLOW_S:
            self.problems.set(
                "work",
                f"a frame is in work for more than {SLOW_S:.0f} s: the model is too large for this machine, or a "
                "driver hangs",
            )
        else:
            self.problems.clear("work")
        if slow_outputs:
            topics = ", ".join(f"~/{name}" for name in slow_outputs)
            self.problems.set(
                "outputs",
                f"{topics}: published less often, because publishing waits: a subscriber that wants reliable delivery "
                "hangs or is too slow (end it, or let it ask for best effort), or this machine is overloaded",
            )
        else:
            self.problems.clear("outputs")
        self.problems.settle()

    def leave_inputs(self) -> None:
        """Forgets what is wrong with the inputs, because nobody listens to them any more."""
        self.problems.forget("sync", *self._missing)
        self._missing.clear()

    def why_no_frame(self) -> str:
        """Why no frame of the camera is answered."""
        if self.lifecycle != ACTIVE:
            return self.state(None).text
        if not self.enabled:
            return "the node was paused by ~/enable"
        return self.problems.text("work", "frame", "image", "sync") or (
            "images come, but none got through in time: the model is too slow here, or sync_timeout_s too long"
        )

    def state(self, pipeline: Pipeline | None) -> Problem:
        """What the node does; with a level above OK where it answers no frame of the camera."""
        if self.lifecycle == FINALIZED:
            return Problem(ERROR, "finalized: the node has been shut down, start it anew")
        if self.lifecycle == UNCONFIGURED:
            return Problem(WARN, "unconfigured: run the transitions configure and activate")
        if self.lifecycle == INACTIVE:
            return Problem(WARN, "inactive: run the transition activate")
        if not self.enabled:
            return Problem(WARN, "paused by ~/enable")
        wanted = pipeline is not None and pipeline.wanted()
        return Problem(OK, "working" if wanted else "idle: nobody subscribes")

    def values(self, pipeline: Pipeline | None, replaced: int) -> dict[str, str]:
        """The values of the diagnostics.

        Args:
            pipeline: with the model, if one is loaded.
            replaced: frames that newer ones took the place of while they waited for the worker.
        """
        values = self.statistics.values(time.monotonic())
        values["frames_dropped"] = str(self.matcher.dropped + replaced)
        values["state"] = self.state(pipeline).text
        values["lifecycle"] = self.lifecycle
        if pipeline is not None:
            info, target = pipeline.segmenter.info, pipeline.target.last
            values |= {"model": info.name, "provider": info.provider, "provider_requested": info.provider_requested}
            values["calls_waiting"] = str(len(pipeline.waiting))
            if target.selection:
                values["target"] = f"{target.selection}: {target.reason or 'seen'}"
        for one in () if self.inputs is None else self.inputs.all:
            values[f"{one.name}_publishers"] = str(one.publishers())
        return values

    def _judge_inputs(self, now_s: float) -> None:
        missing: dict[str, str] = {}
        if self.inputs is not None and self.lifecycle == ACTIVE:
            timeout_s = self.options.node.input_timeout_s
            missing = self.inputs.missing(now_s, timeout_s, use_depth=self.options.core.use_depth)
        for name, text in missing.items():
            self.problems.set(name, text)
        self.problems.clear(*(self._missing - missing.keys()))
        self._missing = set(missing)

    def _judge_stamps(self) -> None:
        """Depth comes, but finds no image: too late, or with other stamps."""
        matcher = self.matcher
        if matcher.late_s is not None:
            late_ms, waits_ms = 1000 * matcher.late_s, 1000 * matcher.timeout_s
            self.problems.set(
                "sync",
                f"depth comes {late_ms:.0f} ms after its image, which waits {waits_ms:.0f} ms for it; working without "
                f"depth: raise sync_timeout_s above {matcher.late_s:.2f}",
            )
        elif matcher.alone and matcher.nearest_s is not None:
            self.problems.set(
                "sync",
                f"the nearest depth is {1000 * matcher.nearest_s:+.0f} ms away from its image, more than "
                f"{1000 * matcher.tolerance_s:.0f} ms; working without depth: synchronise the streams, or raise "
                "sync_tolerance_s where nothing moves fast",
            )
        elif matcher.alone and "depth input" not in self._missing:
            self.problems.set("sync", "no depth has come for the last images; working without depth: is its camera on?")
        else:
            self.problems.clear("sync")
