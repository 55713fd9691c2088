"""From a module in torch to an ONNX file with metadata, and with defaults for all inputs but the image."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import torch
from onnx import helper, numpy_helper
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from onnxscript import opset18

from saom_core.files import write_atomically
from saom_core.model_file.contract import FORMAT, METADATA_KEY, THRESHOLDS

from ..networks.everything import EverythingGraph
from ..networks.sam_everything import BOX_NMS, SamEverythingGraph
from .parity import Case

OPSET = 18


def converted(graph: EverythingGraph | SamEverythingGraph, case: Case) -> ir.Model:
    """The module as an ONNX graph; it shares the module's weights.

    Args:
        graph: names its outputs.
        case: an input of the sizes that the file is to have; what it lacks, such as depth, is no input of the file.
    """
    limits = [torch.tensor(0.5) for _ in THRESHOLDS]
    names = ["image", "depth", "prompts"] if case.depth is not None else ["image", "prompts"]
    for chatty in ("onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.ERROR)  # otherwise they report each constant that is there twice
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torchvision uses something that torch will drop
        program = torch.onnx.export(
            graph,
            (case.image, case.depth, case.prompts, *limits, *case.further.values()),
            input_names=[*names, *THRESHOLDS, *case.further],
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
            custom_translation_table={BOX_NMS: _box_nms},
        )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # stack traces of the exporting machine, larger than small networks
    return program.model


def _box_nms(boxes: Any, scores: Any, iou: Any) -> Any:
    """`box_nms` of training/networks/sam_everything.py in ONNX; its arguments stand for tensors of the graph."""
    every = 2**62
    found = opset18.NonMaxSuppression(
        opset18.Unsqueeze(boxes, [0]), opset18.Unsqueeze(scores, [0, 1]), every, opset18.Reshape(iou, [1])
    )
    return opset18.Reshape(opset18.Slice(found, [2], [3], [1]), [-1])  # the box, out of (batch, class, box)


def message(model: ir.Model) -> onnx.ModelProto:
    """The model as one protobuf message."""
    return ir.to_proto(model)


def write(
    path: Path, model: onnx.ModelProto, metadata: dict[str, Any], defaults: dict[str, npt.NDArray[np.float32]]
) -> None:
    """Write the file; `model` gets the metadata and defaults.

    A default is an initializer of its input's name (ONNX IR 4): the image alone is enough.
    """
    for name, value in defaults.items():
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    metadata = metadata | {
        "format": FORMAT,
        "inputs": [_told(one) | {"optional": one.name in defaults} for one in model.graph.input],
        "outputs": [_told(one) for one in model.graph.output],
    }
    helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _told(value: onnx.ValueInfoProto) -> dict[str, Any]:
    """An input or output in JSON types: name, element type, and shape with names for sizes that are not fixed."""
    of_tensor = value.type.tensor_type
    return {
        "name": value.name,
        "type": helper.tensor_dtype_to_np_dtype(of_tensor.elem_type).name,
        "shape": [one.dim_param or one.dim_value for one in of_tensor.shape.dim],
    }


def write_sha256(path: Path) -> None:
    """Put the file's line into SHA256SUMS beside it, which the loader of bundled models checks; other lines stay."""
    sums, own = path.parent / "SHA256SUMS", f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    of_file = [line.partition(" ")[2][1:] == path.name for line in lines]  # after the digest: a space, then one or `*`
    lines = [own if mine else line for line, mine in zip(lines, of_file, strict=True)]
    write_atomically(sums, "\n".join([*lines, *([] if any(of_file) else [own]), ""]).encode())
