"""What is checked before a training begins: its data, its folder, and how many processes there are."""

from __future__ import annotations

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
from saom_core.files import write_atomically

from ..dataset import Dataset
from ..networks.checkpoint import WEIGHTS
from .resume import RESUME

logger = logging.getLogger("saom")

CONFIG, LOCK = "config.json", "lock"
_locks: list[int] = []  # open files of this process: one that is closed lets others in
_MAY_DIFFER = {f"config.{name}" for name in ("workers", "checkpoint_every", "fused")}
"""Facts that may differ between a run and its resumption."""


class TrainingError(SaomError):
    """The training cannot go on: data or loss are not what they must be."""


def check_data(data: Dataset, class_names: Sequence[str] | None) -> None:
    """Whether there is something to train on.

    Raises:
        TrainingError: no pictures, no objects, or a class that was asked for twice, or has no object.
    """
    if len(data) == 0:
        raise TrainingError("expected a data set with images in its training split, got none: run `saom collect`")
    apart = data.sub_objects == "apart"  # else they belong to what they are part of
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


def check_one_process(what: str) -> None:
    """Refuses `torchrun`, whose processes would each train the whole run and write the same files.

    Raises:
        ConfigError: there are several processes.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count > 1:
        raise ConfigError(f"{what}: expected one process, which it trains in, got {count}: start it without torchrun")


def begin(out: Path, facts: Mapping[str, Any], *, first: bool = True) -> None:
    """Makes a run's folder with its `config.json`, or checks that the run in it is this one.

    Args:
        out: the folder.
        facts: options and whatever else decides the run, JSON types.
        first: of the processes that train together; the others write nothing.

    Raises:
        ConfigError: a run with other options, data or beginning is there, or one that is still going on.
    """
    if first:
        _lock(out)
    wanted = json.loads(json.dumps(facts))  # as it will be read
    path = out / CONFIG
    if path.is_file() or (out / RESUME).is_file():
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        known, asked = dict(_flat(found)), dict(_flat(wanted))
        other = sorted(k for k in {*known, *asked} if known.get(k) != asked.get(k) and k not in _MAY_DIFFER)
        if other:
            raise ConfigError(
                f"{out}: expected the run to go on with { ({k: known.get(k) for k in other}) }, got "
                f"{ ({k: asked.get(k) for k in other}) }: give the same options, or another --out"
            )
    elif first:
        write_atomically(path, json.dumps(wanted, indent=1).encode())


def _lock(out: Path) -> None:
    """Makes this process the only one that trains in the folder, until it ends, however it ends.

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


def beginning(data: Dataset, init: Path | None) -> dict[str, Any]:
    """What a training of saom-tiny begins with, known by its content.

    Args:
        data: training split.
        init: checkpoint folder or exported file.
    """
    hashes = {"data": data.fingerprint(), "init": _hash_of_file(init)}
    return {"class_names": data.class_names, "images": len(data), **hashes}


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Entries of nested mappings, named as in `augment.size_hw`."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _hash_of_file(init: Path | None) -> str | None:
    if init is None:
        return None
    return hashlib.sha256((init / WEIGHTS if init.is_dir() else init).read_bytes()).hexdigest()[:16]
