"""One ONNX file that is the whole everything mode.

saom export runs/full/last saom-tiny.onnx                                a saom-tiny
saom export runs/fast/last saom-fast.onnx --precision fp16               a fast head on a SAM encoder
saom export sam_vit_b_01ec64.pth saom-vit-b.onnx --prompts-at-once 8     a SAM checkpoint with its own decoder
saom export sam_vit_b_01ec64.pth wide.onnx --size auto --camera 1280x720 for one camera: no work is spent on padding
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from saom_core.arguments import pair
from saom_core.config import SaomConfig
from saom_core.errors import ConfigError, InputError, ModelError
from saom_core.files import check_outputs, move_into_place
from saom_core.memory import peak_memory_mb
from saom_core.model_file.contract import THRESHOLDS

from .dataset import Dataset
from .networks.everything import EverythingGraph, grid_prompts_xy
from .networks.exportable import Exportable, load_exportable, round_weights
from .onnx_files.file import converted, message, write, write_sha256
from .onnx_files.int8 import Int8Options, check_weights, write_int8
from .onnx_files.parity import Differences, cases, check_parity, further_inputs, torch_answer
from .onnx_files.precision import PRECISIONS, TOLERANCES, halve_weights, to_half
from .onnx_files.reference_objects import add_reference

_FILES = {"pretrained", "teacher", "path"}  # keys of training records and figures whose values are files


@dataclass(frozen=True)
class ExportOptions:
    """What the file is to be; None: what suits the network."""

    name: str | None = None
    size_hw: tuple[int, int] | str | None = None  # of the input; auto: what pictures of `camera_hw` fill best
    camera_hw: tuple[int, int] | None = None  # of the pictures that will come; None: of every shape
    grid: tuple[int, int] | None = None  # columns and rows of the prompts
    precision: str = "fp32"
    prompts_at_once: int | None = None  # bounds memory; 0: all
    figures: dict[str, Any] | None = None  # measured quality, stored in the metadata
    license: str | None = None
    int8: Int8Options | None = None  # for that precision
    max_instances: int | None = None  # rows of the answer
    calls: int | None = None  # compared with torch; None: all of `cases`


def export(checkpoint: Path, path: Path, options: ExportOptions | None = None) -> Differences:
    """Export a checkpoint; the file is written only when onnxruntime agrees with torch on it.

    Args:
        checkpoint: see `load_exportable`.
        path: of the .onnx file.
        options: what the file is to be.

    Returns:
        How far onnxruntime is from torch; of an int8 file, how far the fp32 file is that it is made of.

    Raises:
        ModelError: no such checkpoint.
        ConfigError: a size or a precision that the network cannot have.
        ExportError: results differ from torch, there are none, or figures fall with int8.
    """
    options = options or ExportOptions()
    if options.precision not in PRECISIONS:
        raise ConfigError(f"precision: expected one of {', '.join(PRECISIONS)}, got {options.precision!r}")
    int8 = options.int8 if options.precision == "int8" else None
    if options.calls is not None and options.calls < 1:
        raise ConfigError(f"calls: expected at least 1, got {options.calls}")
    if options.precision == "int8" and int8 is None:
        raise ConfigError("precision int8: expected a data set to calibrate and measure with, got none: give --data")
    if not checkpoint.exists():
        raise ModelError(
            f"{checkpoint}: expected a checkpoint file, or a folder of `saom finetune` such as runs/named/last, there "
            "is none: check the path, or download the model"
        )
    source = load_exportable(checkpoint, options.prompts_at_once, options.max_instances)
    unrounded = source.exact and options.precision == "fp32"
    if source.exact and not unrounded:
        round_weights(source.graph)
    size_hw = _size_of(source, options)
    if int8:
        check_weights(sum(parameter.numel() for parameter in source.graph.parameters()))
    grid = options.grid or source.grid
    prompts = grid_prompts_xy(*grid, size_hw)
    further = source.graph.further_inputs
    tried = cases(
        size_hw,
        prompts,
        depth=source.uses_depth,
        thorough=not source.costly,
        further=further,
        scored_twice=isinstance(source.graph, EverythingGraph) and source.graph.network.mask_iou_head is not None,
    )
    expected = [(case, torch_answer(source.graph, case)) for case in islice(tried, options.calls)]
    half = options.precision == "fp16"
    if half:
        to_half(source.graph)
    model = converted(source.graph, expected[0][0])
    source.graph = torch.nn.Identity()  # the model holds the weights now, and lets go of them below
    whole = message(model) if int8 else None
    if not unrounded:
        halve_weights(model)
    stored = message(model)
    del model
    gc.collect()
    draft, exact = path.with_suffix(".part.onnx"), path.with_suffix(".fp32.part.onnx")
    try:
        write(
            draft,
            stored,
            _metadata(source, size_hw, grid, options) | {"compared_calls": len(expected)},
            _defaults(size_hw, prompts.numpy(), source.uses_depth, further),
        )
        del stored
        found = check_parity(draft, expected, TOLERANCES["fp16" if half else "fp32"], source.masks_per_prompt)
        if int8 and whole is not None:
            os.replace(draft, exact)
            write_int8(whole, exact, draft, expected[0][0], int8)
        move_into_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
        exact.unlink(missing_ok=True)
    return found


def _metadata(
    source: Exportable, size_hw: tuple[int, int], grid: tuple[int, int], options: ExportOptions
) -> dict[str, Any]:
    return {
        "name": options.name or source.name,
        "class_names": list(source.class_names),
        "network": source.network,
        "license": options.license or source.license,
        "exported": date.today().isoformat(),
        "precision": options.precision,
        "size": [size_hw[1], size_hw[0]],
        "grid": list(grid),
        "prompts_at_once": source.prompts_at_once,
        "thresholds": _thresholds(),
        "training": without_folders(source.record),
        "figures": without_folders(options.figures or {}),
    }


def without_folders(record: Any) -> Any:
    """A training record, or figures, with the names of files in place of their paths.

    An exported file goes to other people, who need not read how somebody's disk is laid out.

    Args:
        record: JSON of any depth.
    """
    if isinstance(record, dict):
        return {
            key: Path(value).name if key in _FILES and isinstance(value, str) else without_folders(value)
            for key, value in record.items()
        }
    return [without_folders(value) for value in record] if isinstance(record, list) else record


def _thresholds() -> dict[str, float]:
    config = SaomConfig()
    return {name: float(getattr(config, name)) for name in THRESHOLDS}


def _size_of(source: Exportable, options: ExportOptions) -> tuple[int, int]:
    """Height and width of the input.

    Raises:
        ConfigError: one that the network cannot have.
    """
    if options.camera_hw is not None and options.size_hw != "auto":
        raise ConfigError(
            "camera: expected --size auto with it, which chooses the input's size by the camera: give both"
        )
    if isinstance(options.size_hw, str):
        return source.size_for(options.camera_hw)
    size_hw = options.size_hw or source.default_size_hw
    source.check_size(size_hw)
    return size_hw


def _defaults(
    size_hw: tuple[int, int], prompts: npt.NDArray[np.float32], depth: bool, further: Sequence[str]
) -> dict[str, npt.NDArray[np.float32]]:
    """What inputs are when they are not given: no depth, no padding, the grid, the thresholds of `SaomConfig`."""
    values: dict[str, npt.NDArray[np.float32]] = {"depth": np.zeros(size_hw, np.float32)} if depth else {}
    values |= {name: value.numpy() for name, value in further_inputs(further, size_hw, size_hw).items()}
    thresholds = {name: np.array(value, np.float32) for name, value in _thresholds().items()}
    return {**values, "prompts": prompts, **thresholds}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom export`."""
    default = ExportOptions()
    parser.add_argument("checkpoint", type=Path, help="folder of `saom finetune`, or a checkpoint of the SAM family")
    parser.add_argument("output", type=Path, help="the .onnx file")
    parser.add_argument("--name", help="of the model; default: what it is")
    parser.add_argument(
        "--size",
        type=_size,
        help="network input, WIDTHxHEIGHT, or auto: what pictures of --camera fill best at the usual cost; default: "
        "384x288, a fast head 1024x768, SAM's own decoder 1024x1024, in which pictures of every shape have SAM's scale",
    )
    parser.add_argument("--camera", type=pair, help="with --size auto: size of the camera's pictures, WIDTHxHEIGHT")
    parser.add_argument(
        "--max-instances",
        type=int,
        help="rows of the answer, so most instances of a picture; default: 100, SAM's own decoder 160",
    )
    parser.add_argument("--grid", type=pair, help="prompts, COLUMNSxROWS; default: as trained, else 32x32")
    parser.add_argument("--precision", choices=PRECISIONS, default=default.precision, help="fp16: GPU; int8: CPU")
    parser.add_argument(
        "--prompts-at-once",
        type=int,
        help="bounds memory: prompts decoded at once; 0: all; default: 16 (two-way decoder)",
    )
    parser.add_argument(
        "--calls",
        type=int,
        help="compared with torch, each another picture and prompts; default: 3 of full size, else 9 (18 with depth)",
    )
    parser.add_argument("--license", help="stored in the file; default: the checkpoint's")
    parser.add_argument(
        "--data", type=Path, help="int8: data set that is calibrated with (train) and measured on (val)"
    )
    parser.add_argument(
        "--measured-images",
        type=int,
        help=f"int8: measured on at most so many pictures; default: {Int8Options.images}",
    )
    parser.add_argument(
        "--allowed-drop",
        type=float,
        help=f"int8: of AP, AP50, and AP50 with class; default: {Int8Options.allowed_drop}",
    )
    parser.add_argument("--reference", type=Path, help="data set whose training objects are kept for `saom teach`")
    parser.add_argument("--figures", type=Path, help="JSON of `saom evaluate`, stored in the file's metadata")


def _size(text: str) -> tuple[int, int] | str:
    """`auto`, or width and height."""
    return text if text == "auto" else pair(text)


def run(args: argparse.Namespace) -> int:
    """`saom export`."""
    if args.output.suffix != ".onnx":
        raise ConfigError(f"output: expected a name such as saom.onnx, got {args.output}")
    check_outputs([args.output], [args.checkpoint if args.checkpoint.is_file() else None, args.figures])
    reference = Dataset.open(args.reference, "train") if args.reference else None
    options = ExportOptions(
        name=args.name,
        size_hw=args.size if args.size == "auto" else args.size and args.size[::-1],
        camera_hw=args.camera and args.camera[::-1],
        max_instances=args.max_instances,
        grid=args.grid,
        precision=args.precision,
        prompts_at_once=args.prompts_at_once,
        figures=_figures_in(args.figures) if args.figures else None,
        license=args.license,
        int8=_int8_options(args),
        calls=args.calls,
    )
    begin, cpu = time.perf_counter(), time.process_time()
    found = export(args.checkpoint, args.output, options)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    memory = peak_memory_mb()
    if reference is not None:
        kept = add_reference(args.output, reference)
        print(f"{sum(kept.values())} reference objects of {len(kept)} classes")
    write_sha256(args.output)
    judged = "figures as with fp32, which is " if args.precision == "int8" else ""
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, {judged}equal to torch")
    print(
        f"  {found.rows} masks: scores within {found.score:.2g}, logits within {found.logit:.2g}, at most "
        f"{found.flipped:.2%} of a mask's pixels on the other side"
    )
    print(f"  {seconds:.0f} s (CPU {cpu:.0f} s), peak memory {memory:.0f} MB, all with the comparison")
    return 0


def _int8_options(args: argparse.Namespace) -> Int8Options | None:
    """How an int8 file is made; None for another precision.

    Raises:
        ConfigError: options of int8 that would be ignored.
    """
    if args.precision != "int8":
        flags = {"--data": args.data, "--measured-images": args.measured_images, "--allowed-drop": args.allowed_drop}
        ignored = [flag for flag, value in flags.items() if value is not None]
        if ignored:
            raise ConfigError(
                f"{', '.join(ignored)}: expected --precision int8 with them, got {args.precision}: only int8 is "
                "calibrated and measured on pictures"
            )
        return None
    if args.data is None:
        return None  # `export` says what is missing
    given = {"images": args.measured_images, "allowed_drop": args.allowed_drop}
    return Int8Options(args.data, **{name: value for name, value in given.items() if value is not None})


def _figures_in(path: Path) -> Any:
    """The JSON of a file.

    Raises:
        InputError: it holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{path}: expected the JSON of `saom evaluate --json`, got something else ({error})"
        ) from error
