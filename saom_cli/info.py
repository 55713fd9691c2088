"""`saom info model.onnx`: what a model file holds."""

from __future__ import annotations

import argparse
import json

from saom_core.runtime import OnnxModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom info`."""
    parser.add_argument("model", nargs="?", default="", help="a saom-*.onnx file; empty: bundled saom-tiny")
    parser.add_argument("--provider", default="cpu", choices=("auto", "cpu", "cuda", "tensorrt"))


def run(args: argparse.Namespace) -> int:
    """`saom info`."""
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
