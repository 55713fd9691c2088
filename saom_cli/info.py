"""`saom info model.onnx`: what a model file holds; also of a checkpoint of the SAM family, where torch is installed."""

from __future__ import annotations

import argparse
import json

from saom_core.everything import CHECKPOINT_SUFFIXES
from saom_core.runtime import OnnxModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom info`."""
    parser.add_argument("model", nargs="?", default="", help="saom-*.onnx or SAM checkpoint; none: bundled saom-tiny")
    parser.add_argument("--provider", default="cpu", choices=("auto", "cpu", "cuda", "tensorrt"))


def run(args: argparse.Namespace) -> int:
    """`saom info`."""
    if args.model.endswith(CHECKPOINT_SUFFIXES):
        return _of_checkpoint(args.model)
    info = OnnxModel(args.model, args.provider).info
    height, width = info.input_size_hw
    print(f"name      {info.name}\nfile      {info.path}\nprovider  {info.provider}")
    print(f"input     {width}x{height} RGB" + (" + depth (optional)" if info.uses_depth else ""))
    print(f"classes   {len(info.class_names)}: {' '.join(info.class_names)}")
    for one in info.taught:
        print(f"taught    {one.name}: accepted from cosine {one.threshold:.2f}; {json.dumps(one.record)}")
    for key, value in info.metadata.items():
        if key not in ("name", "class_names"):
            print(f"{key:9s} {json.dumps(value)}")
    return 0


def _of_checkpoint(path: str) -> int:
    from saom_core.sam_checkpoints import read_checkpoint  # needs torch

    model = read_checkpoint(path)
    side, count = model.sizes.image_size, len(model.class_names)
    print(f"name      {model.metadata.get('name', model.sizes.name)}\nfile      {path}\nnetwork   {model.sizes.name}")
    print(f"input     longer side {side} RGB\nclasses   {count}: {' '.join(model.class_names)}")
    for key, value in model.metadata.items():
        if key not in ("name", "class_names"):
            print(f"{key:9s} {value}")
    return 0
