"""int8 files: the encoder's convolutions or products, and nothing is written where the figures fall."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest
import torch
from sam_scenes import TINY, frame, one_thread, tiny_model  # noqa: F401

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.errors import ConfigError
from saom_core.everything import OnnxSegmenter
from saom_core.runtime import BUNDLED_MODEL
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.networks.checkpoint import save_network
from saom_training.networks.everything import EverythingGraph, grid_prompts_xy
from saom_training.networks.fast_head import fast_on
from saom_training.networks.onnx_weights import network_from_onnx
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.onnx_files.file import converted, message
from saom_training.onnx_files.int8 import MIN_AP50, calibration_feeds, check_weights, judge
from saom_training.onnx_files.parity import Case, ExportError
from saom_training.onnx_files.precision import quantised


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    writer = DatasetWriter(path, {"simulator": "test", "seed": 1})
    for seed, split in enumerate(("train", "train", "train", "val", "val")):
        writer.write_episode(seed, [frame(seed, split, (96, 128))])
    return path


def options(data: Path) -> list[str]:
    return ["--precision", "int8", "--data", str(data), "--size", "128x96", "--grid", "8x8", "--calls", "1"]


@pytest.mark.slow
def test_a_trained_network_is_written_with_the_figures_of_both_files(data: Path, tmp_path: Path) -> None:
    network, record = network_from_onnx(BUNDLED_MODEL)
    save_network(network, tmp_path / "checkpoint", record)
    path = tmp_path / "out" / "model.onnx"
    allowed = 0.4  # on two pictures of another world than it was trained on: here AP50 falls from 0.63 to 0.34
    assert (
        main(["export", str(tmp_path / "checkpoint"), str(path), *options(data), "--allowed-drop", f"{allowed}"]) == 0
    )
    assert sorted(p.name for p in path.parent.iterdir()) == ["SHA256SUMS", "model.onnx"]
    model = onnx.load(str(path))
    assert {"DequantizeLinear", "QuantizeLinear"} <= {node.op_type for node in model.graph.node}
    assert has_int8_weights(model)
    segmenter = OnnxSegmenter(SaomConfig(model=str(path), threads=1, score_threshold=0.0, stability_threshold=0.0))
    measured = segmenter.info.metadata["int8"]
    assert segmenter.info.metadata["precision"] == "int8" and measured["images"] == 2
    before, after = measured["AP50"]
    assert before >= MIN_AP50 and after >= before - allowed
    assert len(segmenter.segment(Dataset.open(data, "val")[0].image_rgb).instances) > 0


@pytest.mark.slow
def test_a_network_that_finds_nothing_is_not_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    save_network(SaomTiny(TinyConfig(CLASSES_AND_OTHER)).eval(), tmp_path / "checkpoint", {"steps": 0})
    path = tmp_path / "out" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(b"an earlier file")
    assert main(["export", str(tmp_path / "checkpoint"), str(path), *options(data)]) == 1
    assert "expected AP50 0.05 or more with fp32" in capsys.readouterr().err
    assert [p.name for p in path.parent.iterdir()] == ["model.onnx"] and path.read_bytes() == b"an earlier file"


def figures(ap: float | None, ap50: float | None, named: float | None) -> dict[str, float | None]:
    return {"AP": ap, "AP50": ap50, "AP50_class": named}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (figures(0.005, 0.009, 0.0), figures(0.0, 0.0, 0.0), "AP50 0.05 or more with fp32, .* got 0.009"),
        (figures(None, None, None), figures(None, None, None), "AP50 0.05 or more with fp32, .* got none"),
        (figures(0.2, 0.4, 0.3), figures(0.189, 0.4, 0.3), "within 0.01, got AP 0.200 with fp32, 0.189 with int8"),
        (figures(0.2, 0.4, 0.3), figures(0.2, 0.38, 0.3), "AP50 0.400 with fp32, 0.380 with int8"),
        (figures(0.2, 0.4, 0.3), figures(0.2, 0.4, 0.0), "AP50_class 0.300 with fp32, 0.000 with int8"),
    ],
)
def test_figures_that_fall_or_cannot_are_refused(
    before: dict[str, float | None], after: dict[str, float | None], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        judge(before, after, 0.01)


def test_figures_that_stay_are_told() -> None:
    told = judge(figures(0.2, 0.4, None), figures(0.195, 0.45, None), 0.01)
    assert told.startswith("AP 0.200 with fp32, 0.195 with int8, AP50") and "AP50_class none with fp32" in told


@pytest.mark.parametrize("option", [["--data", "rooms"], ["--measured-images", "20"], ["--allowed-drop", "0"]])
def test_options_of_int8_without_it_are_refused(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(tmp_path / "checkpoint"), str(tmp_path / "model.onnx"), *option]
    assert main([*command, "--precision", "fp16"]) == 1
    assert f"{option[0]}: expected --precision int8 with them, got fp16" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_matrix_products_of_an_encoder_are_quantised(data: Path) -> None:
    sizes = dataclasses.replace(TINY, encoder_depth=6, global_blocks=(0, 1, 2, 3, 4, 5))
    torch.manual_seed(0)
    network = fast_on(tiny_model(sizes=sizes), CLASSES_AND_OTHER, dim=16, mask_dim=8, heads=2, layers=1)
    graph = EverythingGraph(network.requires_grad_(False)).eval()
    case = Case(torch.zeros(48, 64, 3, dtype=torch.uint8), None, grid_prompts_xy(4, 4, (48, 64)))
    feeds = list(calibration_feeds(Dataset.open(data, "train"), case))
    whole = message(converted(graph, case))
    result = quantised(whole, iter(feeds))
    onnx.checker.check_model(result)
    assert "DynamicQuantizeLinear" in {node.op_type for node in result.graph.node} and has_int8_weights(result)
    exact, rounded = (
        ort.InferenceSession(file.SerializeToString()).run(["image_embedding"], feeds[0])[0] for file in (whole, result)
    )
    assert np.isfinite(rounded).all() and rounded.std() > 0
    difference = np.abs(rounded - exact).mean() / exact.std()
    assert 0 < difference < 0.3, difference  # random weights; what is not the same network differs by about 1


def has_int8_weights(model: onnx.ModelProto) -> bool:
    return any(w.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) for w in model.graph.initializer)


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
