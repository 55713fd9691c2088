"""What a worker process does, on this machine or another: it owns a simulator and turns episode numbers into files."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2

from ..data.shards import pack_episode
from .interface import CollectOptions, EpisodeFailed, Simulator, make_simulator

log = logging.getLogger(__name__)
_owned: tuple[CollectOptions, Simulator] | None = None


class Episode(NamedTuple):
    """A finished episode: its files (see `pack_episode`), its number of frames, and skipped views by reason."""

    files: dict[str, bytes]
    frames: int
    skipped: Counter[str]


def make_episode(options: CollectOptions, info: Mapping[str, Any], index: int) -> Episode:
    """Make one episode with this process's own simulator, which the first call starts; `info` is the data set's.

    An episode that failed has no files: it is tried again when the command is given again.
    """
    simulator = _own_simulator(options)
    before = Counter(getattr(simulator, "skipped", {}))
    try:
        frames = simulator.episode(index)
    except EpisodeFailed as error:
        log.warning("%s", error)
        return Episode({}, 0, Counter({"episode failed": options.frames_per_scene}))
    skipped = Counter(getattr(simulator, "skipped", {})) - before
    return Episode(pack_episode(index, frames, info, skipped), len(frames), skipped)


def _own_simulator(options: CollectOptions) -> Simulator:
    global _owned  # noqa: PLW0603 - a worker keeps its simulator between episodes
    if _owned is None or _owned[0] != options:
        if _owned is not None:
            _owned[1].close()
        cv2.setNumThreads(1)  # the workers are the threads, for OpenCV and for Mesa's software OpenGL
        os.environ.setdefault("LP_NUM_THREADS", "0")
        _owned = options, make_simulator(options)
    return _owned[1]
