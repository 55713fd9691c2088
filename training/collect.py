"""Collect a data set from a simulator.

    python -m training.collect --out data/rooms --frames 200 --size 400x300 --workers 2 --seed 1

Stop it or kill it at any moment and give the same command again: finished episodes are kept, the rest is made.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import IO

import cv2
from tqdm import tqdm

from saom_core.errors import InputError, SaomError
from training.dataset import DatasetWriter
from training.simulator import CollectOptions, Simulator, available_simulators, make_simulator

MAX_RESTARTS = 20
log = logging.getLogger(__name__)


# --- worker process: one simulator each

_simulator: Simulator
_writer: DatasetWriter


def _start_worker(options: CollectOptions, out: Path) -> None:
    global _simulator, _writer  # noqa: PLW0603 - a pool's worker keeps its simulator between tasks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    if sys.platform == "linux":  # die with the parent, even if it is killed with -9
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)
    cv2.setNumThreads(1)  # the workers are the threads, for OpenCV and for Mesa's software OpenGL
    os.environ.setdefault("LP_NUM_THREADS", "0")
    _simulator = make_simulator(options)
    _writer = DatasetWriter(out, options.info())


def _make_episode(index: int) -> int:
    frames = _simulator.episode(index)
    _writer.write_episode(index, frames)
    return len(frames)


# --- parent process


@contextmanager
def _only_collector(out: Path) -> Iterator[None]:
    """Keep a second collector out of the folder; the lock ends with the process, however it ends."""
    out.mkdir(parents=True, exist_ok=True)
    lock: IO[str] = (out / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InputError(
            f"expected {out} to be free, but another collector writes there: wait for it or stop it"
        ) from None
    try:
        yield
    finally:
        lock.close()


def collect(options: CollectOptions, out: Path, episodes: int, workers: int, quiet: bool = False) -> int:
    """Make the missing ones of `episodes` episodes.

    A worker that dies (a crash of the driver, out of memory) is replaced and its episodes are made again.

    Returns:
        The number of frames made now.
    """
    with _only_collector(out):
        writer = DatasetWriter(out, options.info())
        todo = [index for index in range(episodes) if index not in writer.done()]
        made = 0
        total = len(todo) * options.frames_per_scene
        with tqdm(total=total, unit="frame", desc="collect", disable=quiet, smoothing=0.05) as bar:
            for _ in range(MAX_RESTARTS):
                try:
                    for frames in _run(options, out, todo, workers):
                        made += frames
                        bar.update(options.frames_per_scene)
                    return made
                except BrokenProcessPool:
                    done = writer.done()
                    todo = [index for index in todo if index not in done]
                    log.warning("a worker died; %d episodes are left, going on", len(todo))
    raise SaomError(f"workers died {MAX_RESTARTS} times: see the messages above, then give the same command again")


def _run(options: CollectOptions, out: Path, todo: Sequence[int], workers: int) -> Iterator[int]:
    """Yield the frame count of every episode of `todo` as it is finished."""
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(options, out)
    )
    try:
        waiting = iter(todo)
        running: set[Future[int]] = set()
        while True:
            # few at a time: a Ctrl-C then waits for a handful of episodes, not for all of them
            while len(running) < 2 * workers and (index := next(waiting, None)) is not None:
                running.add(pool.submit(_make_episode, index))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def parse_size(text: str) -> tuple[int, int]:
    """Turn "400x300" (width x height) into (300, 400)."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 32 <= int(width) <= 4096 and 32 <= int(height) <= 4096):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT between 32 and 4096, e.g. 400x300, got {text!r}")
    return int(height), int(width)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `saom collect`."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the data set; an unfinished one is continued"
    )
    parser.add_argument("--simulator", choices=available_simulators(), default="rooms")
    parser.add_argument("--frames", type=int, default=2000, help="pictures in all, done ones included")
    parser.add_argument("--size", type=parse_size, default=(300, 400), metavar="WxH", help="picture size (400x300)")
    parser.add_argument("--frames-per-scene", type=int, default=6)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes, a simulator each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry-run", action="store_true", help="say what would be collected, and stop")


def run(args: argparse.Namespace) -> int:
    """Collect as told by parsed arguments; returns the exit status."""
    if args.frames < 1 or args.workers < 1 or not 1 <= args.frames_per_scene <= 100:
        raise InputError(
            f"expected frames and workers of at least 1 and 1 to 100 frames per scene, got {args.frames}, "
            f"{args.workers} and {args.frames_per_scene}"
        )
    options = CollectOptions(args.simulator, args.seed, args.size, args.frames_per_scene)
    episodes = -(-args.frames // args.frames_per_scene)
    if args.dry_run:
        done = len(list((args.out / "shards").glob("[0-9]*.json")))
        print(f"{args.simulator}: {episodes} scenes x {args.frames_per_scene} frames of "
              f"{args.size[1]}x{args.size[0]} into {args.out}; {done} scenes are done")  # fmt: skip
        return 0
    made = collect(options, args.out, episodes, args.workers)
    print(f"{made} frames made now; the data set is in {args.out}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m training.collect`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except SaomError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
