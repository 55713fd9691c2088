"""What is checked before a training begins: that its data can be learned from, and that its folder is its own."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from saom_core.errors import ConfigError, SaomError
from saom_core.files import remove_drafts, write_atomically

from ..dataset import Dataset
from ..networks.checkpoint import WEIGHTS
from .config import RunConfig
from .processes import Processes
from .resume import RESUME, steps_done

logger = logging.getLogger("saom")

CONFIG, LOCK = "config.json", "lock"
_locks: list[int] = []  # files that stay open as long as this process lives: closing one would end its lock
_MAY_DIFFER = {
    f"config.{name}" for name in ("workers", "checkpoint_every", "fused", "validate_every", "validate_images")
}
"""Facts that may differ between a run and its resumption: they decide how it runs, not what is learned."""
_LENGTH = {"steps", "config.steps", "config.epochs"}
"""Facts of a run's length, which may grow when the run is finished."""
_ENDED = "ended_before"


class TrainingError(SaomError):
    """The training cannot go on: data or loss are not what they must be."""


def check_data(data: Dataset, class_names: Sequence[str] | None = None) -> None:
    """Whether there is something to train on.

    Args:
        data: training split.
        class_names: that must all have objects; None: those that have none are told in the log.

    Raises:
        TrainingError: no pictures, no objects, or a class that was asked for twice, or has no object.
    """
    if len(data) == 0:
        raise TrainingError("expected a data set with images in its training split, got none: run `saom collect`")
    apart = data.sub_objects == "apart"  # merged sub-objects count as part of their wholes
    counts = dict(zip(data.class_names, data.class_counts(sub_objects=apart).tolist(), strict=True))
    if not any(counts.values()):
        raise TrainingError(
            f"expected objects in the {len(data)} training images of {data.path}, got none: look at it with "
            "`saom dataset view`, or collect it anew"
        )
    twice = sorted(name for name, times in Counter(class_names or ()).items() if times > 1)
    if twice:
        raise TrainingError(f"expected each class once, got {', '.join(twice)} several times: name it once")
    missing = sorted(name for name in set(class_names or data.class_names) if not counts.get(name))
    if missing and class_names:
        raise TrainingError(
            f"expected objects of every class in the training split, got none of {', '.join(missing)}: collect more, "
            "or leave these classes out"
        )
    if missing:
        logger.warning("no objects of %d classes, which will not be learned: %s", len(missing), ", ".join(missing))


def begin(out: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Makes a run's folder with its `config.json`, or checks that the run in it is this one.

    A run that is finished may be given more steps: it goes on from its last one, at the learning rate that a run of the
    new length has there.

    Args:
        out: the folder.
        facts: options and whatever else decides the run, JSON types; "steps" is the length of the run.

    Returns:
        {"ended_before": the lengths at which the run had been finished} if it was given more steps, else nothing.

    Raises:
        ConfigError: a run with other options, data or beginning is there, or one that is still going on.
    """
    _lock(out)
    wanted = json.loads(json.dumps(facts))  # as it will be read
    path = out / CONFIG
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    ended = found.pop(_ENDED, [])
    before = len(ended)
    if path.is_file() or (out / RESUME).is_file():
        known, asked = dict(_flat(found)), dict(_flat(wanted))
        other = sorted(k for k in {*known, *asked} if known.get(k) != asked.get(k) and k not in _MAY_DIFFER)
        if set(other) & _LENGTH and set(other) <= _LENGTH:
            ended = [*ended, _check_more_steps(out, found, wanted)]
        elif other:
            raise ConfigError(
                f"{out}: expected the run to go on with { ({k: known.get(k) for k in other}) }, got "
                f"{ ({k: asked.get(k) for k in other}) }: give the same options, or another --out"
            )
    told = {_ENDED: ended} if ended else {}
    if not path.is_file() or len(ended) > before:
        write_atomically(path, json.dumps({**wanted, **told}, indent=1).encode())
    return told


def begin_together(
    out: Path, data: Dataset, config: RunConfig, processes: Processes, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Begins a run of several processes as `begin` does, with what every run records; returns when the run has begun.

    Only the first process looks at the folder: another one could come while the first is filling it, and take what it
    finds for a run that it is not.

    Raises:
        ConfigError: as `begin`; or the processes do not train on the same: each opens its data itself, which another
            one may have done before a `saom collect` added to it.
    """
    known = {
        "config": dataclasses.asdict(config),
        "steps": config.total_steps(len(data), processes.count),
        "processes": processes.count,
        "images": len(data),
        "data": data.fingerprint(),
    }
    every = processes.gathered([{**known, **facts}])
    differing = sorted(name for name, value in every[0].items() if any(other.get(name) != value for other in every))
    if differing:
        found = "; ".join(f"{name} {', '.join(str(one.get(name)) for one in every)}" for name in differing)
        raise ConfigError(
            f"expected the same data and options in all {processes.count} processes, got {found}: wait until the data "
            "set is complete, and give all machines the same copy"
        )
    told = begin(out, every[0]) if processes.first else {}
    return processes.gathered([told])[0]


def _check_more_steps(out: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> int:
    """The steps of a finished run that is to have more of them; ConfigError if it is not finished, or not more."""
    before, after, done = found.get("steps", 0), wanted.get("steps", 0), steps_done(out)
    if not done == before < after:
        raise ConfigError(
            f"{out}: expected the {before} steps that the run was begun with (it has taken {done}), got {after}: give "
            "the same --steps, more of them when the run is finished, or another --out"
        )
    return int(done)


def _lock(out: Path) -> None:
    """Makes this process the only one that trains in the folder, until it ends, and removes drafts of killed ones.

    The training of a `saom reproduce` that was killed goes on alone; a second one beside it would write the same files.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = os.open(out / LOCK, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock: a worker that outlives a killed run would hold it
    except OSError as error:
        os.close(lock)
        raise ConfigError(
            f"{out}: expected no other process to train there, got one that does: wait, or end it"
        ) from error
    _locks.append(lock)
    for folder in (out, out / "last", out / "best"):
        remove_drafts(folder)


def beginning(
    data: Dataset, init: Path | None, pretrained: Path | None = None, teacher: Path | None = None
) -> dict[str, Any]:
    """What a training of saom-tiny begins with, known by its content.

    Args:
        data: training split.
        init: checkpoint folder or exported file.
        pretrained: file of an encoder's weights.
        teacher: checkpoint folder or exported file.
    """
    files = {"init": init, "pretrained": pretrained, "teacher": teacher}
    return {"class_names": data.class_names, **{name: hash_of_file(file) for name, file in files.items()}}


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Entries of nested mappings, named as in `augment.size_hw`."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def hash_of_file(file: Path | None) -> str | None:
    """By what a checkpoint folder, or a file, is known again: its content, wherever it lies; None for none."""
    if file is None:
        return None
    return hashlib.sha256((file / WEIGHTS if file.is_dir() else file).read_bytes()).hexdigest()[:16]
