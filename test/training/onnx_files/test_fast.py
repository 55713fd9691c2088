"""Export of fast heads, and half precision: the same inputs and outputs as saom-tiny, equal to torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from sam_scenes import one_thread, tiny_model  # noqa: F401

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.model_file.contract import OUTPUTS
from saom_training.networks.checkpoint import encoder_hash, save_network
from saom_training.networks.everything import EverythingGraph
from saom_training.networks.exportable import load_exportable
from saom_training.networks.fast_head import fast_on
from saom_training.onnx_files.parity import Case, example_input, letterboxed, open_session, torch_answer


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights whose scores spread, so that thresholds and duplicates have something to decide."""
    torch.manual_seed(0)
    network = fast_on(tiny_model(), ("Mug", "Bowl"), dim=16, mask_dim=8, heads=2, layers=2)
    with torch.no_grad():
        network.quality_head[-1].weight *= 30
        network.mask_head[-1].weight *= 10
    folder = tmp_path_factory.mktemp("fast")
    save_network(network.eval(), folder, {"steps": 0, "base": {"encoder": encoder_hash(network), "size": "tiny"}})
    return folder


def export(source: Path, path: Path, *options: str) -> None:
    assert main(["export", str(source), str(path), *options]) == 0


def loops(path: Path) -> int:
    return sum(node.op_type == "Scan" for node in onnx.load(str(path)).graph.node)


@pytest.mark.slow
def test_fast_head_with_a_loop(fast: Path, tmp_path: Path) -> None:
    path = tmp_path / "fast.onnx"
    export(fast, path, "--grid", "8x8", "--prompts-at-once", "24", "--name", "mine")
    segmenter = OnnxSegmenter(SaomConfig(model=str(path), threads=1, score_threshold=0.0, stability_threshold=0.0))
    assert segmenter.info.name == "mine" and segmenter.info.class_names == ("Mug", "Bowl") and loops(path) == 1
    assert not segmenter.info.uses_depth and segmenter.info.metadata["training"]["steps"] == 0
    image, depth = example_input((60, 80), 1)
    assert len(segmenter.segment(image.numpy(), depth.numpy()).instances) > 0
    source = load_exportable(fast)
    assert isinstance(source.graph, EverythingGraph)
    pixels, _ = letterboxed(image.numpy(), depth.numpy(), (48, 64))
    case = Case(pixels, None, torch.tensor([[20.0, 30.0]]).expand(64, 2))
    expected = torch_answer(source.graph, case)
    actual = dict(zip(OUTPUTS, open_session(path).run(list(OUTPUTS), case.feed()), strict=True))
    assert (actual["scores"] > 0).sum() == 1 == (expected["scores"] > 0).sum()  # one point, however often it is asked
    np.testing.assert_allclose(actual["masks"][0], expected["masks"][0], atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_half_precision_and_another_shape(fast: Path, tmp_path: Path) -> None:
    path = tmp_path / "fast.onnx"
    export(fast, path, "--precision", "fp16", "--size", "32x64", "--grid", "3x4", "--prompts-at-once", "0")
    assert loops(path) == 0
    model = onnx.load(str(path))
    types = {weight.data_type for weight in model.graph.initializer if int(np.prod(weight.dims)) >= 4096}
    assert onnx.TensorProto.FLOAT16 in types and onnx.TensorProto.FLOAT not in types
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)  # stack traces of this machine
    session = open_session(path)
    assert {node.name: node.type for node in session.get_outputs()}["masks"] == "tensor(float)"
    assert [node.shape for node in session.get_outputs()][0] == [100, 16, 8]
