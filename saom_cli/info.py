"""`saom info model.onnx`: what a model file holds; also of a checkpoint of the SAM family, where torch is installed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from saom_core.arguments import add_json, write_json
from saom_core.loading import is_checkpoint
from saom_core.runtime import OnnxModel

WIDTH = 120
"""Longer values are cut, in characters; --json shows them whole."""
FIGURES = ("AP50", "AP", "recall50", "precision50", "AP50_class", "class_accuracy")
"""The figures that are shown, under the names that `saom evaluate` gives them; all are of everything mode."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom info`."""
    parser.add_argument(
        "model", nargs="?", default="", help="a saom-*.onnx file or a SAM checkpoint (default: the bundled saom-tiny)"
    )
    parser.add_argument("--provider", default="cpu", choices=("auto", "cpu", "cuda", "tensorrt"))
    add_json(parser, "everything as JSON, the whole training record too")


def run(args: argparse.Namespace) -> int:
    """`saom info`."""
    checkpoint = is_checkpoint(Path(args.model).expanduser())
    facts = of_checkpoint(args.model) if checkpoint else of_file(args.model, args.provider)
    if args.json:
        write_json(args.json, facts)
        return 0
    shortened = False
    for key, value in facts.items():
        for text in lines_of(key, value):
            cut = len(text) > WIDTH and key != "classes"
            shortened |= cut
            print(f"{key:9s} {text[:WIDTH] + ' ...' if cut else text}")
    if shortened:
        print("Long values are cut; --json prints them whole.")
    return 0


def of_file(path: str, provider: str) -> dict[str, Any]:
    """What an ONNX file holds."""
    info = OnnxModel(path, provider).info
    height, width = info.input_size_hw
    return {
        "name": info.name,
        "file": info.path,
        "provider": info.provider,
        "input": f"{width}x{height} RGB" + (" + depth (optional)" if info.uses_depth else ""),
        "classes": info.class_names,
        "taught": [{"name": one.name, "threshold": one.threshold, "record": one.record} for one in info.taught],
        **_further(info.metadata),
    }


def of_checkpoint(path: str) -> dict[str, Any]:
    """What a checkpoint of the SAM family holds."""
    from saom_core.sam.checkpoints import read_checkpoint  # needs torch

    model = read_checkpoint(Path(path).expanduser())
    return {
        "name": model.metadata.get("name", model.sizes.name),
        "file": path,
        "network": model.sizes.name,
        "input": f"longer side {model.sizes.image_size} RGB",
        "classes": model.class_names,
        **_further(model.metadata),
    }


def _further(metadata: dict[str, Any]) -> dict[str, Any]:
    """The entries of the metadata that the facts do not already hold under another key."""
    return {key: value for key, value in metadata.items() if key not in ("name", "class_names")}


def lines_of(key: str, value: Any) -> list[str]:
    """One fact as lines of text."""
    if key == "classes":
        return [f"{len(value)}: {' '.join(value)}"]
    if key == "taught":
        return [
            f"{one['name']}: accepted from cosine {one['threshold']:.2f}; {json.dumps(one['record'])}" for one in value
        ]
    if key == "figures" and isinstance(value, dict) and {"data", "models"} <= value.keys():  # those of `saom evaluate`
        where = f"{value['data']['images']} images of {value['data']['name']}"
        return [f"{one['name']}, {where}: {_figures(one) or 'see --json'}" for one in value["models"]]
    return [value if isinstance(value, str) else json.dumps(value)]


def _figures(model: dict[str, Any]) -> str:
    found = model.get("everything") or {}
    return ", ".join(f"{name} {found[name]:.3f}" for name in FIGURES if found.get(name) is not None)
