"""`saom bench-grasp`: how often a simulated gripper lifts the chosen object, by the masks that told it what to grasp.

    pip install --no-deps robosuite==1.5.2           # the model of the gripper, 157 MB
    saom bench-grasp --out runs/grasp --tables 200   # resumes; prints the table, draws runs/grasp/success.png

Cluttered tables of the simulator `rooms` with its noisy depth; one planner for all; the Panda's hand with contacts, on
no arm. An object is chosen by one pixel, as by a click, and the same one for all methods. A grasp counts if the object
is lifted by 15 cm and held for two seconds.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from saom_core.arguments import add_out, at_least
from saom_core.files import check_output, write_atomically
from saom_core.masks import dense_ious
from saom_core.runtime import BUNDLED_MODEL

from ..grasping.clouds import world_points
from ..grasping.gripper import gripper_file
from ..grasping.methods import METHODS, Known, Method, MethodOptions
from ..grasping.planner import plan
from ..grasping.results import Attempt, Store, plot, rows_of, table
from ..grasping.scenes import SIZE_HW, TableScene, make_table
from ..running.checks import hash_of_file
from ..simulators.rooms.renderer import Renderer

log = logging.getLogger(__name__)
VERSION = 1  # goes up when the same scene and method may give another outcome


def try_scene(scene: TableScene, number: int, name: str, method: Method) -> Attempt:
    """One method in one scene: its mask, the plan, the attempt."""
    style = scene.world.objects[scene.target].placed.model.style
    mask, truth = method(scene), scene.object_ids == scene.target
    if mask is None or not mask.any():
        return Attempt(number, name, style, "no mask", 0.0, 0.0)
    iou = float(dense_ious(mask, [truth])[0])
    points = world_points(scene.depth_m, scene.view.camera, scene.view.pose)
    valid = np.isfinite(points[..., 2])
    rng = np.random.default_rng(number)
    grasp = plan(points[mask & valid], points[~mask & valid], scene.view.pose[:3, 3], rng)
    if grasp is None:
        return Attempt(number, name, style, "no grasp", iou, 0.0)
    scene.bench.restore()
    try:
        outcome = scene.bench.attempt(grasp, scene.body)
    except FloatingPointError:
        return Attempt(number, name, style, "unstable", iou, 0.0)
    return Attempt(number, name, style, "held" if outcome.held else "dropped", iou, outcome.rise_m)


def run_scenes(store: Store, seed: int, scenes: int, methods: Sequence[Known], options: MethodOptions) -> None:
    """Tries what is not done yet; a scene is built once for all methods that lack it."""
    missing = {k: [known.name for known in methods if not store.has(k, known.name)] for k in range(scenes)}
    left = {number: names for number, names in missing.items() if names}
    if not left:
        return
    needed = {name for names in left.values() for name in names}
    # before OpenGL: torch, imported after a software driver of it, brings a second LLVM and crashes
    made = {known.name: known.make(options) for known in methods if known.name in needed}
    renderer = Renderer(SIZE_HW)
    for number, names in tqdm(left.items(), unit="scene", dynamic_ncols=True):
        try:
            scene = make_table(seed, number, renderer)
        except ValueError as error:
            log.warning("%s", error)
            for name in names:
                store.add(Attempt(number, name, "", "no scene", 0.0, 0.0))
            continue
        for name in names:
            store.add(try_scene(scene, number, name, made[name]))
    renderer.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom bench-grasp`."""
    names = [known.name for known in METHODS]
    add_out(parser, "folder of the results; the same command resumes")
    parser.add_argument("--tables", dest="scenes", type=at_least(1), default=200, help="scenes (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="another number gives other scenes (default: 0)")
    parser.add_argument("--methods", nargs="+", choices=names, default=names, help="(default: all)")
    parser.add_argument("--model", default="", help="a saom-*.onnx file; empty: bundled saom-tiny")
    parser.add_argument("--sam", default=MethodOptions.sam, help="checkpoint for `sam` (default: %(default)s)")
    grid = "prompts along each side of the picture for `sam`: 32 is SAM's own, 16 a quarter of the time (default: 16)"
    parser.add_argument("--sam-grid", type=at_least(1), default=16, help=grid)
    parser.add_argument("--threads", type=at_least(1), default=1, help="of the networks (default: 1)")


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What outcomes depend on: of a model its content, since another one may get its name."""
    sam = Path(args.sam)
    return {
        "version": VERSION,
        "seed": args.seed,
        "model": hash_of_file(Path(args.model or BUNDLED_MODEL)),
        "sam": hash_of_file(sam) if sam.is_file() else None,
        "sam_grid": args.sam_grid,
    }


def run(args: argparse.Namespace) -> int:
    """`saom bench-grasp`."""
    gripper_file()  # fails at once where robosuite is missing
    check_output(args.out, folder=True)
    options = MethodOptions(args.model, args.sam, args.sam_grid, args.threads)
    store = Store(args.out, settings_of(args))
    chosen = [known for known in METHODS if known.name in args.methods]
    run_scenes(store, args.seed, args.scenes, chosen, options)
    attempts = [attempt for attempt in store.attempts() if attempt.scene < args.scenes]
    rows = rows_of(attempts, {known.name: known.title for known in chosen})
    figures = [{**asdict(row), "success": row.success} for row in rows]
    write_atomically(args.out / "figures.json", json.dumps(figures, indent=1).encode())
    if rows:
        plot(rows, args.out / "success.png")
    print(table(rows))
    if rows:
        print(f"drawn: {args.out / 'success.png'}")
    return 0
