"""What collecting costs, measured on this machine: `saom bench-collect`, about two minutes on two idle cores.

Prints frames/s with one and two workers, milliseconds of each step of a frame, megabytes of 1000 frames, and how many
finished episodes were lost when the collector was killed with kill -9 at random moments (none, or something is broken).
Only for the `rooms` simulator. `--renderer cycles` measures pictures by Blender's path tracer, seconds each.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tqdm import tqdm

from saom_core.arguments import size_hw
from saom_core.errors import InputError, SaomError

from ..collect import collect
from ..dataset import Dataset
from ..simulators import episodes
from ..simulators.interface import CollectOptions
from ..simulators.rooms import simulator
from ..simulators.rooms.options import DEFAULT_SAMPLES, cycles_renderer
from ..simulators.rooms.renderer import Renderer

STEPS: dict[str, tuple[tuple[Any, str], ...]] = {
    "scene": ((simulator, "make_scene"), (simulator, "World"), (Renderer, "load")),
    "masks": ((Renderer, "surface"),),
    "colour": ((Renderer, "color"), (simulator, "sense_color")),
    "depth": ((simulator, "sense_depth"),),
    "visible": ((simulator, "visible_shares"),),
    "files": ((episodes, "pack_episode"),),
}
"""Step -> the functions it consists of. Masks are drawn together with the exact depth, for every view that is tried."""


def rates(options: CollectOptions, out: Path, count: int, workers: int) -> tuple[float, float]:
    """Collect `count` episodes; returns frames/s from each worker's first episode on, and megabytes of 1000 frames."""
    collect(options, out, count, workers, quiet=True)
    shards = sorted((out / "shards").glob("[0-9]*.json"), key=lambda path: path.stat().st_mtime_ns)
    if len(shards) <= workers:
        raise InputError(f"expected more than {workers} scenes to measure a rate, got {len(shards)}: more --frames")
    frames = len(Dataset.open(out))
    seconds = (shards[-1].stat().st_mtime_ns - shards[workers - 1].stat().st_mtime_ns) / 1e9
    size = sum(file.stat().st_size for folder in ("images", "depth", "shards") for file in (out / folder).iterdir())
    return frames * (1 - workers / len(shards)) / seconds, size / 1e3 / frames


def step_times_ms(options: CollectOptions, count: int) -> dict[str, float]:
    """Milliseconds of CPU time of each step for one frame, in one process, over `count` episodes after a first one."""
    seconds: dict[str, float] = defaultdict(float)
    info = options.info()
    steps = dict(STEPS)
    if "renderer" in options.extra:
        from ..simulators.rooms.cycles.renderer import CyclesRenderer

        steps["scene"] += ((CyclesRenderer, "load"),)
        steps["colour"] = ((CyclesRenderer, "color"), (simulator, "sense_color"))
    with ExitStack() as stopwatches:
        for step, functions in steps.items():
            for owner, name in functions:
                timed = _timed(getattr(owner, name), step, seconds)
                stopwatches.enter_context(patch.object(owner, name, timed))
        episodes.make_episode(options, info, 0)
        seconds.clear()
        start = time.process_time()
        frames = sum(episodes.make_episode(options, info, index).frames for index in range(1, count + 1))
        seconds["all"] = time.process_time() - start
    return {step: 1000 * total / frames for step, total in seconds.items()}


def _timed(function: Any, step: str, seconds: dict[str, float]) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[step] += time.process_time() - start

    return call


def lost_by_kills(options: CollectOptions, out: Path, count: int, kills: int, quiet: bool = False) -> int:
    """Kill -9 the collector of `count` episodes `kills` times at random moments, then let it finish.

    Returns:
        How many finished episodes a kill lost, changed, or left without a picture that can be read.
    """
    command = [sys.executable, "-m", "saom_cli", "collect", "--out", str(out), "--simulator", options.simulator]
    command += ["--seed", str(options.seed), "--size", f"{options.size_hw[1]}x{options.size_hw[0]}", "--workers", "2"]
    command += ["--frames-per-scene", str(options.frames_per_scene), "--frames", str(count * options.frames_per_scene)]
    rng = random.Random(0)
    finished: dict[str, bytes] = {}
    lost = 0
    for _ in tqdm(range(kills), unit="kill", desc="kill -9", disable=quiet):
        wanted = len(finished) + rng.randint(1, 2)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(list(out.glob("shards/[0-9]*.json"))) < wanted:
                time.sleep(0.005)
            time.sleep(rng.uniform(0.0, 0.2))  # anywhere between two episodes, also while one is written
            os.kill(process.pid, signal.SIGKILL)
        now = {path.name: path.read_bytes() for path in out.glob("shards/[0-9]*.json")}
        lost += sum(now.get(name) != content for name, content in finished.items())
        lost += _unreadable(out)
        finished = now
    collect_after_kill(options, out, count)
    return lost


def collect_after_kill(options: CollectOptions, out: Path, count: int, seconds: float = 120.0) -> None:
    """Collect as soon as the workers of a killed collector have ended and left the folder free."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            collect(options, out, count, workers=2, quiet=True)
            return
        except InputError:
            if time.monotonic() > deadline:
                raise


def _unreadable(out: Path) -> int:
    dataset = Dataset.open(out)
    broken = 0
    for index in range(len(dataset)):
        try:
            dataset[index]
        except SaomError:
            broken += 1
    return broken


# --- command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `saom bench-collect`."""
    parser.add_argument("--frames", type=int, default=120, help="pictures for each figure (120)")
    parser.add_argument("--sizes", type=size_hw, nargs="+", default=[(240, 320), (480, 640)], metavar="WxH")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kills", type=int, default=10, help="how often to kill the collector with kill -9")
    parser.add_argument("--renderer", choices=("opengl", "cycles"), default="opengl", help="what makes the colour")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit status (1: a kill lost something)."""
    if min(args.frames, *args.workers) < 1 or args.kills < 0:
        raise InputError(f"expected positive numbers, got {args.frames}, {args.workers} and {args.kills}")
    extra = {"renderer": cycles_renderer(DEFAULT_SAMPLES)} if args.renderer == "cycles" else {}
    print(f"{os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}; frames of 6 to a scene; CPU ms for one frame")
    with tempfile.TemporaryDirectory() as folder:
        for size_hw in args.sizes:
            options = CollectOptions("rooms", 0, size_hw, 6, extra)
            count = -(-args.frames // 6)
            name = f"{size_hw[1]}x{size_hw[0]}"
            for workers in args.workers:
                rate, megabytes = rates(options, Path(folder) / f"{name}-{workers}", count, workers)
                print(f"{name}  {workers} workers  {rate:.1f} frames/s  {megabytes:.0f} MB for 1000 frames", flush=True)
        for size_hw in args.sizes:
            options = CollectOptions("rooms", 0, size_hw, 6, extra)
            times = step_times_ms(options, -(-args.frames // 12))
            steps = "  ".join(f"{step} {times.get(step, 0.0):.1f}" for step in [*STEPS, "all"])
            print(f"{size_hw[1]}x{size_hw[0]}  {steps}", flush=True)
        small = CollectOptions("rooms", 5, (48, 64), 2)
        lost = lost_by_kills(small, Path(folder) / "killed", 5 * args.kills, args.kills) if args.kills else 0
        print(f"killed {args.kills} times: {lost} finished episodes lost")
    return 1 if lost else 0
