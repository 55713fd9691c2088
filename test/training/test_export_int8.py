"""int8 files: the encoder's convolutions or products, and nothing is written where the figures fall."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from sam_scenes import TINY, frame, one_thread, tiny_model  # noqa: F401

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.errors import ConfigError
from saom_core.everything import OnnxSegmenter
from saom_core.taxonomy import CLASSES_AND_OTHER
from training.checkpoint import save_network
from training.dataset import Dataset, DatasetWriter
from training.embedding_cache import encoder_hash
from training.export_int8 import calibration_feeds, check_weights
from training.export_parity import Case
from training.export_precision import quantised
from training.network import SaomTiny, TinyConfig
from training.sam_fast import fast_on


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    writer = DatasetWriter(path, {"simulator": "test", "seed": 1})
    for seed, split in enumerate(("train", "train", "train", "val", "val")):
        writer.write_episode(seed, [frame(seed, split)])
    return path


def saom_tiny(folder: Path) -> Path:
    torch.manual_seed(0)
    save_network(SaomTiny(TinyConfig(CLASSES_AND_OTHER)).eval(), folder, {"steps": 0})
    return folder


def fast_head(folder: Path) -> Path:
    """On an encoder most of whose weights are in matrix products."""
    sizes = dataclasses.replace(TINY, encoder_depth=6, global_blocks=(0, 1, 2, 3, 4, 5))
    torch.manual_seed(0)
    network = fast_on(tiny_model(sizes=sizes), CLASSES_AND_OTHER, dim=16, mask_dim=8, heads=2, layers=1)
    save_network(network.eval(), folder, {"steps": 0, "base": {"encoder": encoder_hash(network), "size": "tiny"}})
    return folder


@pytest.mark.parametrize(
    ("make", "kinds", "size"),
    [(saom_tiny, {"DequantizeLinear", "QuantizeLinear"}, "64x64"), (fast_head, {"DynamicQuantizeLinear"}, "64x48")],
)
def test_the_encoder_is_quantised_and_its_figures_are_told(
    data: Path, tmp_path: Path, make: object, kinds: set[str], size: str
) -> None:
    source, path = make(tmp_path / "checkpoint"), tmp_path / "out" / "model.onnx"  # type: ignore[operator]
    path.parent.mkdir()
    options = ["--precision", "int8", "--data", str(data), "--size", size, "--grid", "4x4"]
    assert main(["export", str(source), str(path), *options]) == 0
    assert sorted(p.name for p in path.parent.iterdir()) == ["SHA256SUMS", "model.onnx"]
    model = onnx.load(str(path))
    assert kinds <= {node.op_type for node in model.graph.node}
    assert any(w.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) for w in model.graph.initializer)
    segmenter = OnnxSegmenter(SaomConfig(model=str(path), threads=1, score_threshold=0.0, stability_threshold=0.0))
    measured = segmenter.info.metadata["int8"]
    assert segmenter.info.metadata["precision"] == "int8" and measured["images"] == 2
    before, after = measured["AP"]
    assert after >= before - 0.01
    segmenter.segment(Dataset.open(data, "val")[0].image_rgb)
    if make is saom_tiny:  # once is enough: an export takes ten seconds
        return
    # no figure can rise by 2, so this limit is always passed: what is there stays, and nothing else is left behind
    held = path.read_bytes()
    assert main(["export", str(source), str(path), *options, "--allowed-drop", "-2"]) == 1
    assert path.read_bytes() == held
    assert sorted(p.name for p in path.parent.iterdir()) == ["SHA256SUMS", "model.onnx"]


def test_calibration_pictures_come_with_and_without_depth(data: Path, tmp_path: Path) -> None:
    case = Case(torch.zeros(48, 64, 3, dtype=torch.uint8), torch.zeros(48, 64), torch.zeros(4, 2))
    feeds = list(calibration_feeds(Dataset.open(data, "train"), case, 3))
    assert [feed["depth"].max() > 0 for feed in feeds] == [True, False, True]
    assert all(feed["image"].shape == (48, 64, 3) and feed["image"].dtype == np.uint8 for feed in feeds)
    rgb = Case(case.image, None, case.prompts)
    assert len(list(calibration_feeds(Dataset.open(data, "train"), rgb, 2))) == 2
    assert "depth" not in next(calibration_feeds(Dataset.open(data, "train"), rgb))
    with pytest.raises(ConfigError, match="got none in its training split"):
        next(calibration_feeds(Dataset.open(data, "test"), case))


def test_networks_beyond_one_message_are_refused() -> None:
    check_weights(300_000_000)  # ViT-L
    with pytest.raises(ConfigError, match=r"got 2\.5 GB: use fp16"):
        check_weights(637_000_000)  # ViT-H


def test_nodes_stay_behind_what_their_subgraphs_read() -> None:
    """The quantiser's own order looks at a node's inputs alone; a loop reads the graph about it, too."""
    model = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        late (float[1,3,8,8] image, bool flag) => (float[1,4,6,6] image_embedding, float[1,4,6,6] out)
        <float[4,3,3,3] weight = {WEIGHT}> {
            image_embedding = Conv (image, weight)
            a = Relu (image_embedding)
            b = Neg (a)
            out = If (flag) <
                then_branch = yes () => (float[1,4,6,6] y) { y = Identity (b) },
                else_branch = no () => (float[1,4,6,6] n) { n = Abs (b) }
            >
        }
        """.replace("WEIGHT", ",".join(str(k % 7 - 3) + ".5" for k in range(108)))
    )
    feeds = [{"image": np.ones((1, 3, 8, 8), np.float32), "flag": np.array(True)}]
    result = quantised(model, iter(feeds))
    onnx.checker.check_model(result)
    assert "DequantizeLinear" in {node.op_type for node in result.graph.node}
