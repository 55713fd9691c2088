"""Collect a data set from a simulator.

    saom collect --out data/rooms --frames 200 --size 400x300 --workers 2 --seed 1
    saom collect --out data/rooms --frames 200000 --ray auto          # on all machines of a Ray cluster

Stop it or kill it at any moment and give the same command again: finished episodes are kept, the rest is made.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from saom_core.arguments import add_out, sizes_hw
from saom_core.errors import InputError, SaomError
from saom_core.files import check_output

from .data.index import Index
from .data.shards import checked_info, checked_shard
from .dataset import DatasetWriter, only_writer
from .running.interrupts import deaf_children
from .simulators.episodes import Episode, make_episode
from .simulators.interface import CollectOptions, available_simulators, command_lines

MAX_RESTARTS = 20
INDEX_EVERY = 500
"""Episodes after which the index takes in what is new: a large set then opens at once when it is complete."""
log = logging.getLogger(__name__)


# --- worker process: one simulator each

_options: CollectOptions
_writer: DatasetWriter


def _start_worker(options: CollectOptions, out: Path, parent: int) -> None:
    global _options, _writer  # noqa: PLW0603 - a pool's worker keeps them between tasks
    if sys.platform == "linux":  # die with the parent, even if it is killed with -9
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:  # it died before; in a container it may be process 1 itself
            os._exit(1)
    _options, _writer = options, DatasetWriter(out, options.info())


def _make_episode(index: int) -> Episode:
    """Make and store an episode; its files, stored now, are not sent to the parent."""
    made = make_episode(_options, _writer.info, index)
    _writer.write_files(made.files)
    return made._replace(files={})


# --- parent process


def collect(
    options: CollectOptions, out: Path, episodes: int, workers: int, quiet: bool = False, ray: str | None = None
) -> int:
    """Make the missing ones of `episodes` episodes.

    A worker that dies (a crash of the driver, out of memory) is replaced and its episodes are made again. With `ray`,
    the address of a cluster or "local", Ray's tasks make them; see `simulators.cluster`.

    Returns:
        The number of frames made now.
    """
    checked_info(out, options.info())  # before anything is written into somebody else's folder
    with only_writer(out):
        writer = DatasetWriter(out, options.info())
        done = writer.done()
        todo = [index for index in range(episodes) if index not in done]
        made, skipped = 0, Counter[str]()
        total = len(todo) * options.frames_per_scene
        with tqdm(total=total, unit="frame", desc="collect", disable=quiet, smoothing=0.05) as bar:
            for _ in range(MAX_RESTARTS):
                try:
                    for count, episode in enumerate(_episodes(options, writer, todo, workers, ray), 1):
                        made += episode.frames
                        if count % INDEX_EVERY == 0 or count == len(todo):
                            Index(out, checked_shard)
                        skipped += episode.skipped
                        bar.set_postfix_str(f"{skipped.total()} skipped" if skipped else "", refresh=False)
                        bar.update(options.frames_per_scene)
                    for reason, times in skipped.most_common():
                        log.info("%d views skipped: %s", times, reason)
                    return made
                except BrokenProcessPool:
                    done = writer.done()
                    todo = [index for index in todo if index not in done]
                    log.warning("a worker died; %d episodes are left, going on", len(todo))
    raise SaomError(f"workers died {MAX_RESTARTS} times: see the messages above, then give the same command again")


def _episodes(
    options: CollectOptions, writer: DatasetWriter, todo: Sequence[int], workers: int, ray: str | None
) -> Iterator[Episode]:
    """Yield every episode of `todo` as it is finished and stored."""
    if ray is None:
        yield from _run_in_pool(options, writer.path, todo, workers)
        return
    try:
        from .simulators.cluster import run_on_ray
    except ModuleNotFoundError as error:
        raise InputError(
            f"expected the package ray, got {error}: run pip install '.[train]' in a checkout of the repository"
        ) from None
    for episode in run_on_ray(ray, workers, options, writer.info, todo):
        writer.write_files(episode.files)
        yield episode


def _run_in_pool(options: CollectOptions, out: Path, todo: Sequence[int], workers: int) -> Iterator[Episode]:
    """Yield the episodes of `todo`, without their files, as the workers have stored them."""
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(options, out, os.getpid())
    )
    try:
        waiting = iter(todo)
        running: set[Future[Episode]] = set()
        while True:
            # few at a time: a Ctrl-C then waits for a handful of episodes, not for all of them
            while len(running) < 2 * workers and (index := next(waiting, None)) is not None:
                with deaf_children():  # the pool starts its processes here, when it has work for them
                    running.add(pool.submit(_make_episode, index))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `saom collect`."""
    add_out(parser, "folder of the data set; an unfinished one is continued")
    parser.add_argument("--simulator", choices=available_simulators(), default="rooms")
    parser.add_argument("--frames", type=int, default=2000, help="pictures in all, done ones included")
    parser.add_argument(
        "--size",
        type=sizes_hw,
        default=[(300, 400)],
        metavar="WxH[,WxH...]",
        help="picture size (400x300); of several sizes each scene has one (rooms)",
    )
    parser.add_argument("--frames-per-scene", type=int, default=6)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes, a simulator each")
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="make the episodes on a Ray cluster: its address, or `local` to start one of --workers processes here",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry-run", action="store_true", help="say what would be collected, and stop")
    for options in command_lines().values():
        options.add_arguments(parser)


def _options_of(args: argparse.Namespace) -> CollectOptions:
    extra: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    for options in command_lines().values():  # of the other simulators, too: they refuse options that are theirs
        of_simulator, of_machine = options.parsed_options(args)
        extra |= of_simulator
        machine |= of_machine
    size_hw = args.size[0]
    if len(args.size) > 1:
        if args.simulator != "rooms":
            raise InputError(f"expected one size with {args.simulator}, got {len(args.size)}: collect them one by one")
        size_hw = (max(height for height, _ in args.size), max(width for _, width in args.size))
        extra["sizes_hw"] = [list(size) for size in args.size]
    return CollectOptions(args.simulator, args.seed, size_hw, args.frames_per_scene, extra, machine)


def _summary(args: argparse.Namespace, options: CollectOptions, episodes: int) -> str:
    """What a dry run says."""
    sizes = " or ".join(f"{width}x{height}" for height, width in args.size)
    checked_info(args.out, options.info())
    done = len(list((args.out / "shards").glob("[0-9]*.json")))
    lines = [
        f"{args.simulator}: {episodes} scenes x {args.frames_per_scene} frames of {sizes} into {args.out}; "
        f"{done} scenes are done"
    ]
    if args.simulator in command_lines():
        lines.append(command_lines()[args.simulator].summary(options.extra))
    return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    """Collect as told by parsed arguments; returns the exit status."""
    if args.frames < 1 or args.workers < 1 or not 1 <= args.frames_per_scene <= 100:
        raise InputError(
            f"expected frames and workers of at least 1 and 1 to 100 frames per scene, got {args.frames}, "
            f"{args.workers} and {args.frames_per_scene}"
        )
    options = _options_of(args)
    episodes = -(-args.frames // args.frames_per_scene)
    if args.dry_run:
        print(_summary(args, options, episodes))
        return 0
    check_output(args.out, folder=True)
    made = collect(options, args.out, episodes, args.workers, ray=args.ray)
    print(f"{made} frames made now; the data set is in {args.out}")
    return 0
