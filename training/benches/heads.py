"""`saom bench-heads`: what everything mode costs beside the image encoder, with a fast head and with SAM's own decoder.

    saom bench-heads sam_vit_b_01ec64.pth
    saom bench-heads --stand-in vit_b --threads 1      # random weights of that size take as long

In torch, as the exported files compute it. CPU time is that of all threads: on a machine that others use too, it says
how much work there is, while wall time says how busy the machine is. The least of several runs counts.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from saom_core.arguments import at_least, pair
from saom_core.errors import ConfigError, InputError
from saom_core.files import check_outputs, write_atomically
from saom_core.memory import peak_memory_mb
from saom_core.prompting.prompts import OPEN
from saom_core.sam.checkpoints import read_checkpoint
from saom_core.sam.network import SamModel, build_sam
from saom_core.taxonomy import CLASSES

from ..networks.encoder import Pyramid
from ..networks.everything import EverythingGraph, grid_prompts_xy
from ..networks.exportable import FAST_PROMPTS_AT_ONCE, default_sam_size
from ..networks.fast_head import SamFast, fast_on, used_tokens
from ..networks.sam_everything import PROMPTS_AT_ONCE, SamEverythingGraph
from ..onnx_files.parity import example_input, letterboxed
from .sam_stand_in import SIZES

CAMERA_HW = (480, 640)
CANDIDATES = 160


@dataclass(frozen=True)
class Stage:
    """One line of the table."""

    name: str
    seconds: float  # wall time
    cpu_seconds: float
    share: float  # of the encoder's CPU time
    peak_mb: float  # 10^6 bytes, of the whole process, weights included, while it ran
    note: str = ""


class EncodedFast(SamFast):
    """A fast head that is given the embedding of the only image it is asked about, so that the head alone is timed."""

    embedding: Tensor

    def pyramid(self, image: Tensor, depth: Tensor | None = None) -> Pyramid:
        """See `SharedKeysNetwork.pyramid`."""
        return self.pyramid_of(self.embedding)


@torch.inference_mode()
def measure(
    model: SamModel,
    grids: list[tuple[int, int]],
    at_once: list[int],
    two_way_prompts: int,
    runs: int,
) -> list[Stage]:
    """Time and memory of the encoder, of a fast head with each grid, and of SAM's decoder with the first grid.

    Args:
        model: whose weights, and sizes, it is.
        grids: columns and rows.
        at_once: numbers of prompts that SAM's decoder takes at once; one line each.
        two_way_prompts: SAM's decoder is measured on so many prompts, and the rest of the grid is counted as as much.
        runs: the least time of them counts.
    """
    size_hw = default_sam_size(model.sizes)
    picture, depth = example_input(CAMERA_HW, 0)
    image, _ = letterboxed(picture.numpy(), depth.numpy(), size_hw)
    limits = [torch.tensor(value) for value in OPEN.values()]
    sam = SamEverythingGraph(model)
    whole = torch.tensor(size_hw[::-1], dtype=torch.float32)
    embedding, encoder = _timed("encoder", lambda: sam.encoded(image, whole), runs)
    stages = [encoder]
    head = EncodedFast(fast_on(model, model.class_names or CLASSES).config).eval()
    head.embedding = used_tokens(embedding, size_hw, model.sizes)
    fast = EverythingGraph(head, CANDIDATES, prompts_at_once=FAST_PROMPTS_AT_ONCE)
    for grid in grids:
        prompts = grid_prompts_xy(*grid, size_hw)
        name = f"fast head, {grid[0]}x{grid[1]}"
        stages.append(_timed(name, partial(fast.forward, image, None, prompts, *limits), runs)[1])
    grid = grids[0]
    prompts = grid_prompts_xy(*grid, size_hw)
    asked = min(two_way_prompts, len(prompts))
    part = asked / len(prompts)
    some = prompts[torch.linspace(0, len(prompts) - 1, asked).long()]
    rows = max(1, round(CANDIDATES * part))
    note = f"measured on {asked} of the {len(prompts)} prompts" if part < 1 else ""
    for count in at_once:
        graph = SamEverythingGraph(model, count, rows)
        name = f"SAM's decoder, {grid[0]}x{grid[1]}, {count or 'all'} at once"
        arguments = [some, *limits, whole]
        _, stage = _timed(name, partial(graph.decoded, embedding, size_hw, *arguments), runs)
        seconds, cpu_seconds = stage.seconds / part, stage.cpu_seconds / part
        stages.append(dataclasses.replace(stage, seconds=seconds, cpu_seconds=cpu_seconds, note=note))
    return [dataclasses.replace(stage, share=stage.cpu_seconds / encoder.cpu_seconds) for stage in stages]


def _timed(name: str, function: Callable[[], Tensor | tuple[Tensor, ...]], runs: int) -> tuple[Tensor, Stage]:
    """What it gives, and the least times of the runs and the peak memory during them."""
    _forget_peak()
    seconds, cpu_seconds = [], []
    for _ in range(runs):
        begin, cpu = time.perf_counter(), time.process_time()
        result = function()
        seconds.append(time.perf_counter() - begin)
        cpu_seconds.append(time.process_time() - cpu)
    stage = Stage(name, min(seconds), min(cpu_seconds), 1.0, peak_memory_mb())
    return result if isinstance(result, Tensor) else result[0], stage


def _forget_peak() -> None:
    """The kernel counts the peak of this process's memory from now on."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom bench-heads`."""
    parser.add_argument("checkpoint", nargs="?", type=Path, help="of the SAM family")
    parser.add_argument("--stand-in", choices=sorted(SIZES), help="instead: random weights of that size")
    parser.add_argument(
        "--grids",
        type=pair,
        nargs="+",
        default=[(32, 32), (64, 64)],
        help="prompts, COLUMNSxROWS each; SAM's decoder: the first",
    )
    parser.add_argument(
        "--prompts-at-once", default=str(PROMPTS_AT_ONCE), help="of SAM's decoder, one line each, as in 4,16,64"
    )
    parser.add_argument("--two-way-prompts", type=int, default=64, help="SAM's decoder is measured on so many prompts")
    parser.add_argument("--runs", type=int, default=3, help="the least time of them counts")
    parser.add_argument("--threads", type=at_least(0), default=0, help="CPU threads; 0: one per core")
    parser.add_argument("--json", type=Path, help="write the figures here")


def run(args: argparse.Namespace) -> int:
    """`saom bench-heads`."""
    if (args.checkpoint is None) == (args.stand_in is None):
        raise InputError("expected a checkpoint or --stand-in, one of the two")
    check_outputs([args.json], [args.checkpoint])
    grids = args.grids
    at_once = [int(text) for text in args.prompts_at_once.split(",")]
    if min(args.two_way_prompts, args.runs) < 1:
        raise ConfigError("two-way-prompts, runs: expected at least 1, got less")
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.checkpoint is not None:
        model = read_checkpoint(args.checkpoint)
    else:
        sizes = SIZES[args.stand_in]
        model = SamModel(build_sam(sizes).requires_grad_(False).eval(), sizes)
    print(
        f"{model.sizes.name}, {model.sizes.image_size} px, {torch.get_num_threads()} threads, least of {args.runs} runs"
    )
    stages = measure(model, grids, at_once, args.two_way_prompts, args.runs)
    for stage in stages:
        times = f"{stage.seconds:8.2f} s  CPU {stage.cpu_seconds:8.2f} s, {stage.share:6.2f} of the encoder's"
        print(f"  {stage.name:36s} {times}  peak {stage.peak_mb:6.0f} MB  {stage.note}".rstrip())
    if args.json:
        write_atomically(args.json, json.dumps([dataclasses.asdict(stage) for stage in stages], indent=1).encode())
    return 0
