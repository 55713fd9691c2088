"""Precisions of an exported file: fp32 arithmetic on weights stored in half, fp16, int8.

- fp32: weights are stored in half precision, with a cast that onnxruntime folds when it loads the file: half the size,
  and a ViT-H stays below the 2 GB of one protobuf message. Those of a SAM checkpoint with its own decoder stay as they
  are where they fit: of masks that score nearly the same, rounding would decide which one stays, and so would a
  checkpoint and its file give different answers.
- fp16: weights and arithmetic of encoder and decoder are half precision, for CUDA and TensorRT. Points, position codes,
  scores, boxes and everything that chooses among them stay float32, and so do the file's inputs and outputs.
- int8: on the CPU, the encoder's convolutions (scales from calibration pictures) and matrix products (scales found at
  run time).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxscript.optimizer import optimize
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn

from ..networks.everything import EverythingGraph
from ..networks.exportable import HALF_FROM
from ..networks.sam_everything import SamEverythingGraph
from .parity import Tolerance

PRECISIONS = ("fp32", "fp16", "int8")
TOLERANCES = {
    "fp32": Tolerance(score=0.005, logit=0.05, logit_share=0.01),
    "fp16": Tolerance(score=0.02, logit=0.5, logit_share=0.05, pixels=0.01, embedding=0.05),
}
"""How far a file may be from torch. int8 has no entry: its numbers do differ, so its figures on a data set judge it."""
MESSAGE_BYTES = 2**31
"""An ONNX file that is one file is one protobuf message, and a message must be smaller than this."""
Feed = dict[str, npt.NDArray[Any]]


def to_half(graph: nn.Module) -> None:
    """Encoder and decoder in half precision, in place."""
    if isinstance(graph, EverythingGraph):
        graph.network.half()
        encoder: nn.Module | None = getattr(graph.network, "image_encoder", None)
    else:
        assert isinstance(graph, SamEverythingGraph)
        graph.image_encoder.half()
        graph.mask_decoder.half()
        encoder = graph.image_encoder
    if encoder is None:
        return
    for name, module in list(encoder.named_modules()):
        if isinstance(module, LayerNorm2d):  # it squares its input, and the largest number of half precision is 65504
            encoder.set_submodule(name, _Float32(module))


class _Float32(nn.Module):
    """A module that computes in float32 whatever comes in."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.float()

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.float()).to(x.dtype)


def halve_weights(model: ir.Model) -> None:
    """Stores large float32 weights in half precision, each with a cast back, before the model becomes one message.

    What half precision does not hold exactly stays as it is: constants that the converter computed from the weights.
    """
    graph = model.graph
    for name, value in list(graph.initializers.items()):
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or tensor.size < HALF_FROM:
            continue
        values = tensor.numpy()
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if not np.array_equal(halved.astype(np.float32), values):
            continue
        half = ir.Value(name=name + "_half", const_value=ir.tensor(halved))
        half.type, half.shape = ir.TensorType(ir.DataType.FLOAT16), value.shape
        graph.initializers.pop(name)
        graph.initializers[half.name] = half
        cast = ir.Node("", "Cast", [half], [ir.Attr("to", ir.AttributeType.INT, ir.DataType.FLOAT)], outputs=[value])
        graph.insert_before(graph[0], cast)


def quantised(model: onnx.ModelProto, feeds: Iterable[Feed]) -> onnx.ModelProto:
    """The model with an int8 encoder: its convolutions, or, where these hold less weight, its matrix products.

    Args:
        model: fp32, weights not yet halved, inputs without defaults.
        feeds: inputs of calibration pictures; convolutions alone need them.
    """
    with TemporaryDirectory() as folder:
        whole, prepared, result = (Path(folder, name) for name in ("whole.onnx", "prepared.onnx", "int8.onnx"))
        # The quantiser does not see weights that the graph transposes, so that is done to the weights themselves first.
        folded = ir.from_proto(model)
        optimize(folded, input_size_limit=MESSAGE_BYTES, output_size_limit=MESSAGE_BYTES)
        onnx.save(ir.to_proto(folded), str(whole))
        quant_pre_process(whole, prepared, skip_optimization=True, skip_symbolic_shape=True)
        kind, names = _quantisable(onnx.load(prepared))
        if kind == "Conv":
            quantize_static(
                prepared,
                result,
                _Calibration(iter(feeds)),
                op_types_to_quantize=[kind],
                nodes_to_quantize=names,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        else:
            quantize_dynamic(prepared, result, op_types_to_quantize=[kind], nodes_to_quantize=names, per_channel=True)
        # The quantiser sorts nodes but overlooks what their subgraphs read, so they are sorted once more.
        sorted_anew = ir.load(result)
        sorted_anew.graph.sort()
        return ir.to_proto(sorted_anew)


class _Calibration(CalibrationDataReader):
    def __init__(self, feeds: Iterator[Feed]) -> None:
        self._feeds = feeds

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def _quantisable(model: onnx.ModelProto) -> tuple[str, list[str]]:
    """Conv or MatMul, whichever has more weight in the encoder (what `image_embedding` depends on), and its nodes."""
    producers = {output: node for node in model.graph.node for output in node.output}
    weights = {weight.name: int(np.prod(weight.dims)) for weight in model.graph.initializer}
    sizes: dict[str, dict[str, int]] = {"Conv": {}, "MatMul": {}}
    waiting, seen = ["image_embedding"], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in producers:
            continue
        seen.add(name)
        node = producers[name]
        waiting += node.input
        if node.op_type in sizes and len(node.input) > 1 and node.input[1] in weights:
            sizes[node.op_type][node.name] = weights[node.input[1]]
    kind = max(sizes, key=lambda kind: sum(sizes[kind].values()))
    return kind, list(sizes[kind])
