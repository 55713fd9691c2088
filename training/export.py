"""One ONNX file that is the whole everything mode: `saom export runs/full/last saom-tiny.onnx`."""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from timm.utils import reparameterize_model
from torch import Tensor, nn

from saom_core.config import SaomConfig
from saom_core.errors import SaomError
from saom_core.runtime import METADATA_KEY, OUTPUTS, THRESHOLDS
from training.checkpoint import load_network_and_record
from training.dataset import Dataset
from training.everything_graph import EverythingGraph, grid_prompts_xy
from training.network import SaomTiny, batch_norm_pairs
from training.reference_objects import add_reference

OPSET = 18
HALF_FROM = 256
"""Float weights with at least so many values are stored in half precision."""


class ExportError(SaomError):
    """The file would not give what torch gives."""


def export(
    checkpoint: Path,
    path: Path,
    *,
    name: str = "saom-tiny",
    size_hw: tuple[int, int] = (288, 384),
    grid: tuple[int, int] = (32, 32),
    figures: dict[str, Any] | None = None,
) -> None:
    """Export a checkpoint; the file is written only when onnxruntime agrees with torch on it.

    Args:
        checkpoint: folder written by training.
        path: of the .onnx file.
        name: of the model.
        size_hw: network input, divisible by 32.
        grid: columns and rows of the prompts.
        figures: measured quality, stored in the metadata.

    Raises:
        ModelError: no such checkpoint.
        ExportError: results differ from torch.
    """
    network, record = load_network_and_record(checkpoint)
    graph = EverythingGraph(deployable(network)).eval()
    prompts = grid_prompts_xy(*grid, size_hw)
    temporary = path.with_suffix(".part.onnx")
    torch.onnx.export(
        graph,
        (*example_input(size_hw, seed=0), prompts, *map(torch.tensor, _default_thresholds().values())),
        str(temporary),
        input_names=["image", "depth", "prompts", *THRESHOLDS],
        output_names=list(OUTPUTS),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(str(temporary))
    halve_weights(model)
    defaults = {"depth": np.zeros(size_hw, np.float32), "prompts": prompts.numpy(), **_default_thresholds()}
    add_defaults(model, defaults)
    metadata = {
        "name": name,
        "class_names": list(network.config.class_names),
        "network": network.config.to_dict(),
        "license": "Apache-2.0",
        "exported": date.today().isoformat(),
        "grid": list(grid),
        "training": record,
        "figures": figures or {},
    }
    helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    onnx.checker.check_model(model)
    onnx.save(model, str(temporary))
    try:
        check_parity(graph, temporary, size_hw, prompts)
    except ExportError:
        temporary.unlink()
        raise
    os.replace(temporary, path)


def deployable(network: SaomTiny) -> SaomTiny:
    """A copy for inference: branches and batch norms folded, weights rounded to half precision.

    The rounding happens here, so that torch and the file with half-precision weights compute with the same numbers.
    """
    network = copy.deepcopy(network).eval()
    network.encoder = reparameterize_model(network.encoder)
    for convolution, norm in batch_norm_pairs(network):
        replaced = network.get_submodule(norm)
        fused = nn.utils.fusion.fuse_conv_bn_eval(network.get_submodule(convolution), replaced)
        network.set_submodule(convolution, fused)
        network.set_submodule(norm, getattr(replaced, "act", nn.Identity()))  # timm's norms carry an activation
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.numel() >= HALF_FROM:
                parameter.copy_(parameter.half().float())
    return network


def halve_weights(model: onnx.ModelProto) -> None:
    """Store large float32 weights as float16 with a cast that onnxruntime folds when it loads the file."""
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < HALF_FROM:
            continue
        original = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), original + "_half"))
        casts.append(helper.make_node("Cast", [original + "_half"], [original], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def add_defaults(model: onnx.ModelProto, defaults: dict[str, np.ndarray | float]) -> None:
    """Give inputs a default, so that the image alone is enough (an initializer of the input's name, ONNX IR >= 4)."""
    for name, value in defaults.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))


def _default_thresholds() -> dict[str, float]:
    config = SaomConfig()
    return {name: float(getattr(config, name)) for name in THRESHOLDS}


def example_input(size_hw: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """A picture of random boxes on a ramp and its depth: more like a scene than noise is.

    Returns:
        (H, W, 3) uint8 and (H, W) float32 metres with holes.
    """
    rng = np.random.default_rng(seed)
    height, width = size_hw
    depth = np.repeat(np.linspace(1.6, 0.8, height, dtype=np.float32)[:, None], width, axis=1)
    image = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(12):
        top, left = rng.integers(0, height - 40), rng.integers(0, width - 40)
        window = np.s_[top : top + rng.integers(15, 40), left : left + rng.integers(15, 40)]
        image[window] = rng.integers(0, 255, 3)
        depth[window] = depth[window].min() - 0.08
    depth[rng.random(size_hw) < 0.02] = 0.0
    noise = rng.integers(0, 12, image.shape, dtype=np.uint8)
    return torch.from_numpy(image // 2 + image // 4 + noise), torch.from_numpy(depth)


def check_parity(
    graph: EverythingGraph, path: Path, size_hw: tuple[int, int], grid_xy: Tensor, images: int = 3
) -> None:
    """Compare the file with torch by numbers, with and without depth, on the grid and on other prompts.

    Nothing is filtered (thresholds 0, no duplicates removed): a filter would hide small differences of most prompts and
    blow up those of the few at its edge.

    Raises:
        ExportError: see `compare_answers`.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3  # else it warns of every input that has a default
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    limits = dict(zip(THRESHOLDS, (0.0, 0.0, 1.0), strict=True))
    for seed in range(images):
        image, depth = example_input(size_hw, seed)
        for given, prompts in ((depth, grid_xy), (torch.zeros_like(depth), grid_xy), (depth, grid_xy.flip(0) * 0.9)):
            with torch.no_grad():
                expected = [t.numpy() for t in graph(image, given, prompts, *map(torch.tensor, limits.values()))]
            feed = {"image": image.numpy(), "depth": given.numpy(), "prompts": prompts.numpy()}
            feed.update({name: np.array(value, np.float32) for name, value in limits.items()})
            actual = session.run(list(OUTPUTS), feed)
            compare_answers(dict(zip(OUTPUTS, expected, strict=True)), dict(zip(OUTPUTS, actual, strict=True)))


def compare_answers(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> None:
    """Raise ExportError unless two unfiltered answers of one image agree, prompt by prompt.

    Prompts are matched by their points. Nine in ten must be in both answers (box pre-selection may decide a tie
    otherwise); of these, scores agree to 0.005 and mask logits to 0.05 + 1 %.
    """
    rows = {tuple(point): k for k, point in enumerate(actual["points"].round(2).tolist()) if actual["scores"][k] > 0}
    pairs = [
        (k, rows.get(tuple(point)))
        for k, point in enumerate(expected["points"].round(2).tolist())
        if expected["scores"][k] > 0
    ]
    common = [(k, j) for k, j in pairs if j is not None]
    if len(common) < 0.9 * max(len(pairs), len(rows)):
        raise ExportError(
            f"expected onnxruntime to answer the prompts that torch answers, got {len(common)} of {len(pairs)} "
            f"(and {len(rows)} in all): the file is not written"
        )
    for k, j in common:
        score, logits = expected["scores"][k], expected["masks"][k]
        off = np.abs(actual["masks"][j] - logits) > 0.05 + 0.01 * np.abs(logits)
        if abs(actual["scores"][j] - score) > 0.005 or off.any():
            raise ExportError(
                f"expected onnxruntime to give what torch gives, but the prompt at {expected['points'][k]} has score "
                f"{actual['scores'][j]:.4f} instead of {score:.4f} and {off.mean():.1%} of its mask differs: "
                "the file is not written"
            )


def write_sha256(path: Path) -> None:
    """SHA256SUMS beside the file, which the loader of bundled models checks."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "SHA256SUMS").write_text(f"{digest}  {path.name}\n", encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom export`."""
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder, e.g. runs/tiny/last")
    parser.add_argument("output", type=Path, help="the .onnx file")
    parser.add_argument("--name", default="saom-tiny")
    parser.add_argument("--size", default="384x288", help="network input, WIDTHxHEIGHT, divisible by 32")
    parser.add_argument("--grid", default="32x32", help="prompts, COLUMNSxROWS")
    parser.add_argument("--reference", type=Path, help="data set whose training objects are kept for `saom teach`")
    parser.add_argument("--figures", type=Path, help="JSON of `saom evaluate`, stored in the file's metadata")


def run(args: argparse.Namespace) -> int:
    """`saom export`."""
    (width, height), grid = (tuple(int(part) for part in text.split("x")) for text in (args.size, args.grid))
    figures = json.loads(args.figures.read_text(encoding="utf-8")) if args.figures else None
    export(args.checkpoint, args.output, name=args.name, size_hw=(height, width), grid=grid, figures=figures)
    if args.reference:
        kept = add_reference(args.output, Dataset.open(args.reference, "train"))
        print(f"{sum(kept.values())} reference objects of {len(kept)} classes")
    write_sha256(args.output)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, equal to torch")
    return 0
