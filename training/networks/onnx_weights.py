"""Back from a saom-*.onnx file to a network that can be trained on: the bundled model is a checkpoint, too.

Export folds batch norms into the convolutions before them and writes linear layers as matrix products. Both are found
again by following the file's graph; what the folded batch norms had averaged is measured anew on training images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from saom_core.errors import ModelError
from saom_core.model_file.contract import METADATA_KEY
from saom_core.prompting.grid import grid_points

from .tiny import SaomTiny, TinyConfig, batch_norm_pairs

PREFIX = "network."


def network_from_onnx(path: Path) -> tuple[SaomTiny, dict[str, Any]]:
    """The network of an exported file and its training record.

    In eval mode it computes what the file computes. Its batch norms are the identity plus a bias: call
    `restore_batch_norms` before training. Heads that the file does not need (`semantic_head`) are as initialised.

    Raises:
        ModelError: no file, no ONNX, or not a saom-tiny.
    """
    try:
        model = onnx.load(str(path))
        metadata = json.loads({entry.key: entry.value for entry in model.metadata_props}[METADATA_KEY])
        weights = _named_weights(model.graph)
        shape = metadata["network"]
        network = SaomTiny(TinyConfig(**{**shape, "class_names": tuple(metadata["class_names"])})).eval()
        _load(network, weights)
    except Exception as error:  # protobuf, JSON and torch raise a dozen types that have no common base
        raise ModelError(f"{path}: expected a saom-tiny written by `saom export`, got: {str(error)[:400]}") from error
    return network, dict(metadata["training"])


def _named_weights(graph: onnx.GraphProto) -> dict[str, Tensor]:
    """Parameters by their names in the network; a linear layer's weight is found by its bias."""
    values = {entry.name: numpy_helper.to_array(entry).astype(np.float32) for entry in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:  # stored in half precision
            values[node.output[0]] = values[node.input[0]]
    found = {name: values[name] for name in values if name.startswith(PREFIX) and not name.endswith("_half")}
    for node in graph.node:
        biases = [name for name in node.input if name.startswith(PREFIX) and name.endswith(".bias")]
        product = next((producers[name] for name in node.input if name in producers), None)
        if node.op_type == "Add" and biases and product is not None and product.op_type == "MatMul":
            found[biases[0].removesuffix("bias") + "weight"] = values[product.input[1]].T
    return {name.removeprefix(PREFIX): torch.from_numpy(value.copy()) for name, value in found.items()}


def _load(network: SaomTiny, weights: dict[str, Tensor]) -> None:
    """Every parameter from the file; a batch norm becomes the bias that folding put into its convolution."""
    state = network.state_dict()
    for convolution, norm in batch_norm_pairs(network):
        state[norm + ".bias"] = weights.pop(convolution + ".bias")
        state[norm + ".weight"] = torch.sqrt(state[norm + ".running_var"] + network.get_submodule(norm).eps)
    missing = [
        name
        for name, _ in network.named_parameters()
        if name not in weights and not name.startswith("semantic_head") and not _of_batch_norm(network, name)
    ]
    if missing:
        raise ModelError(f"expected weights of all layers, found none of {', '.join(missing[:4])}")
    network.load_state_dict({**state, **{name: value for name, value in weights.items() if name in state}})


def _of_batch_norm(network: nn.Module, name: str) -> bool:
    return isinstance(network.get_submodule(name.rpartition(".")[0]), nn.BatchNorm2d)


@torch.no_grad()
def restore_batch_norms(network: SaomTiny, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Give batch norms the statistics of what they normalise, without changing what the network computes.

    Args:
        network: from `network_from_onnx`.
        batches: of training images (B, H, W, 3) and depths (B, H, W).
    """
    sums: dict[str, list[Tensor]] = {}

    def measuring(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].float()
            sums.setdefault(name, []).append(torch.stack([x.mean((0, 2, 3)), (x * x).mean((0, 2, 3))]))

        return hook

    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    network.eval()
    with ExitStack() as hooks:
        for name, module in norms:
            handle = module.register_forward_pre_hook(measuring(name))
            hooks.callback(handle.remove)
        for image, depth in batches:
            features = network.encode(image, depth)
            points = torch.from_numpy(grid_points(4, 4)).float().expand(len(image), -1, -1)
            logits = network.masks(features, network.decode(features, points).mask_embeddings)
            for row in range(len(image)):  # the object head sees single objects
                network.embed(image[row], depth[row], logits[row])
    for name, module in norms:
        mean, square = torch.stack(sums[name]).mean(0)
        variance = (square - mean * mean).clamp(min=1e-6)
        gain = module.weight / torch.sqrt(module.running_var + module.eps)
        module.bias += gain * (mean - module.running_mean)
        module.weight.copy_(gain * torch.sqrt(variance + module.eps))
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
