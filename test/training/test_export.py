"""Export: the file equals torch, carries its metadata, and is not written when it does not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

import saom_training.export as export_module
from saom_core.config import SaomConfig
from saom_core.errors import ModelError
from saom_core.everything import OnnxSegmenter
from saom_core.model_file.contract import OUTPUTS
from saom_core.prompting.prompts import Prompts
from saom_core.runtime import OnnxModel
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.export import ExportOptions, export, without_folders
from saom_training.networks.checkpoint import load_network_and_record, save_network
from saom_training.networks.everything import EverythingGraph, grid_prompts_xy
from saom_training.networks.exportable import deployable
from saom_training.networks.onnx_weights import network_from_onnx, restore_batch_norms
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.onnx_files.file import write_sha256
from saom_training.onnx_files.parity import ExportError, compare_answers, example_input, letterboxed
from saom_training.onnx_files.precision import TOLERANCES

pytestmark = pytest.mark.slow
DEMO = Path(__file__).parents[2] / "demo" / "sequence"


@torch.no_grad()
def spread(network: SaomTiny) -> None:
    """Spread the scores of random weights over 0..1."""
    network.quality_head[-1].weight *= 30
    network.mask_head[-1].weight *= 10
    for module in network.modules():  # equal values would be stored once, under one name
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
            module.weight.uniform_(0.9, 1.1)
            module.bias.uniform_(-0.1, 0.1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights whose scores spread over 0..1, so that thresholds and duplicates have something to decide."""
    torch.manual_seed(0)
    network = SaomTiny(TinyConfig(CLASSES_AND_OTHER, object_width=16))
    spread(network)
    folder = tmp_path_factory.mktemp("checkpoint")
    save_network(network.eval(), folder, {"steps": 0})
    return folder


@pytest.mark.parametrize(
    ("size_hw", "grid", "rows"), [((96, 128), (8, 8), None), ((192, 256), (32, 32), 20), ((96, 192), (20, 6), 20)]
)
def test_file_equals_torch(
    checkpoint: Path, tmp_path: Path, size_hw: tuple[int, int], grid: tuple[int, int], rows: int | None
) -> None:
    path = tmp_path / "model.onnx"
    options = ExportOptions(name="test", size_hw=size_hw, grid=grid, max_instances=rows, figures={"AP50": 0.1})
    export(checkpoint, path, options)
    inside = {node.op_type for node in onnx.load(str(path)).graph.node}
    assert not inside & {"If", "Loop", "Scan"}, "onnxruntime does not lay out convolutions for the processor in them"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    segmenter = OnnxSegmenter(SaomConfig(model=str(path), threads=1, score_threshold=0.0, stability_threshold=0.0))
    info = segmenter.info
    assert info.name == "test" and info.class_names == CLASSES_AND_OTHER and info.input_size_hw == size_hw
    assert info.metadata["figures"] == {"AP50": 0.1} and info.metadata["grid"] == list(grid)
    image, depth = example_input(size_hw, 5)
    assert len(segmenter.segment(image.numpy(), depth.numpy()).instances) > 0


def test_a_file_of_few_points_answers_boxes_and_points(checkpoint: Path, tmp_path: Path) -> None:
    """Fewer than the 25 that a box is asked at otherwise."""
    path = tmp_path / "model.onnx"
    export(checkpoint, path, ExportOptions(name="test", size_hw=(96, 128), grid=(4, 4), calls=1))
    segmenter = OnnxSegmenter(SaomConfig(model=str(path), threads=1))
    image, depth = example_input((96, 128), 5)
    boxes = np.array([[0, 0, 128, 96], [20, 10, 90, 80], [5, 5, 100, 60]], np.float64)
    point = np.array([[60.0, 40.0]])
    alone = segmenter.ask(image.numpy(), Prompts(point), depth.numpy())  # random weights may draw nothing there
    found = segmenter.ask(image.numpy(), Prompts(point, boxes), depth.numpy())
    assert sorted(found.prompts) == [*alone.prompts, 1, 2, 3]


@torch.no_grad()
def test_the_bundled_file_joins_prompts_as_torch_does() -> None:
    """Export compares with open filters, that is, each prompt by itself; everything mode has them draw together."""
    limits = {"score_threshold": 0.5, "stability_threshold": 0.5, "nms_iou": 0.4}
    model = OnnxModel(threads=1)
    graph = EverythingGraph(network_from_onnx(model.info.path)[0].eval())
    image_rgb = cv2.imread(str(DEMO / "image_008.jpg"))[..., ::-1]
    depth_m = cv2.imread(str(DEMO / "depth_008.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
    image, depth = letterboxed(image_rgb, depth_m, model.info.input_size_hw)
    prompts = grid_prompts_xy(32, 32, model.info.input_size_hw)
    answer = graph(image, depth, prompts, *map(torch.tensor, limits.values()))
    of_torch = {name: rows.numpy() for name, rows in zip(OUTPUTS, answer, strict=True)}
    of_file = model.run(image.numpy(), depth.numpy(), limits)
    assert compare_answers(of_torch, of_file, TOLERANCES["fp32"]).rows >= 8


def test_different_results_are_not_written(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real fault: stored weights are a tenth smaller than those that torch computes with."""
    genuine = export_module.halve_weights

    def damaged(model: ir.Model) -> None:
        genuine(model)
        for name, value in model.graph.initializers.items():
            if name.endswith("_half") and value.const_value is not None:
                value.const_value = ir.tensor(value.const_value.numpy() * np.float16(0.9))

    monkeypatch.setattr(export_module, "halve_weights", damaged)
    with pytest.raises(ExportError, match="not written"):
        export(
            checkpoint,
            tmp_path / "model.onnx",
            ExportOptions(size_hw=(96, 128), grid=(8, 8), calls=1),
        )
    assert list(tmp_path.iterdir()) == []


def test_other_lines_of_sha256sums_stay(tmp_path: Path) -> None:
    path, others = tmp_path / "model.onnx", [f"{'1' * 64}  old-model.onnx", f"{'2' * 64} *model.onnx.txt"]
    path.write_bytes(b"a model")
    own = f"{hashlib.sha256(b'a model').hexdigest()}  model.onnx"
    write_sha256(path)
    sums = tmp_path / "SHA256SUMS"
    assert sums.read_text() == own + "\n"
    sums.write_text("\n".join([others[0], f"{'3' * 64} *model.onnx", others[1]]))
    write_sha256(path)
    assert sums.read_text().splitlines() == [others[0], own, others[1]]
    sums.write_text("\n".join(others))
    write_sha256(path)
    assert sums.read_text().splitlines() == [*others, own]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["SHA256SUMS", "model.onnx"]


@torch.no_grad()
def test_folding_changes_nothing_but_rounding(checkpoint: Path) -> None:
    network = load_network_and_record(checkpoint)[0]
    image, depth = example_input((96, 128), 1)
    points = torch.rand(1, 30, 2, generator=torch.Generator().manual_seed(0))
    answers = []
    for net in (network, deployable(network)):
        features = net.encode(image[None], depth[None])
        answers.append(net.masks(features, net.decode(features, points).mask_embeddings))
    difference = (answers[0] - answers[1]).abs().mean() / answers[0].abs().mean()
    assert difference < 0.02
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in deployable(network).modules())


@torch.no_grad()
def test_comparison_sees_what_differs(checkpoint: Path) -> None:
    graph = EverythingGraph(load_network_and_record(checkpoint)[0], candidates=40, max_instances=20)
    grid = grid_prompts_xy(8, 8, (96, 128))
    arguments = (*example_input((96, 128), 2), grid, *map(torch.tensor, (0.0, 0.0, 1.0)))
    answer = dict(zip(OUTPUTS, (t.numpy() for t in graph(*arguments)), strict=True))
    compare_answers(answer, answer, TOLERANCES["fp32"])
    order = np.random.default_rng(0).permutation(20)
    shuffled = {name: rows[order] if len(rows) == 20 else rows for name, rows in answer.items()}
    compare_answers(answer, shuffled, TOLERANCES["fp32"])
    fewer = {**answer, "scores": np.where(np.arange(20) < 10, 0, answer["scores"])}
    with pytest.raises(ExportError, match="10 answers instead of 20"):
        compare_answers(answer, fewer, TOLERANCES["fp32"])
    with pytest.raises(ExportError, match="mask differs"):
        compare_answers(answer, {**answer, "masks": answer["masks"] * 1.1}, TOLERANCES["fp32"])
    with pytest.raises(ExportError, match="score"):
        compare_answers(answer, {**answer, "scores": answer["scores"] * 0.98}, TOLERANCES["fp32"])
    with pytest.raises(ExportError, match="answers instead of"):  # no mask is anywhere near: all would be other ones
        compare_answers(answer, {**answer, "masks": -answer["masks"]}, TOLERANCES["fp32"], masks_per_prompt=3)


def rows(points: list[tuple[float, float]], scores: list[float], squares: list[int]) -> dict[str, np.ndarray]:
    """An answer whose masks are squares of those sides."""
    masks = np.full((len(points), 16, 16), -5.0)
    for mask, side in zip(masks, squares, strict=True):
        mask[:side, :side] = 5.0
    count = len(points)
    named = {"class_ids": np.zeros(count, int), "class_scores": np.ones(count), "embeddings": np.ones((count, 2))}
    image = np.ones((2, 4, 4))
    return {"points": np.array(points), "scores": np.array(scores), "masks": masks, "image_embedding": image, **named}


def test_comparison_of_several_masks_per_prompt() -> None:
    """What rounding may choose passes, what it may not choose is counted."""
    tolerance = TOLERANCES["fp32"]
    spots = [(float(k), 0.0) for k in range(10)]
    scores = [0.9 - 0.05 * k for k in range(10)]
    answer = rows(spots, scores, [10] * 9 + [0])

    def changed(k: int, point: tuple[float, float], score: float, side: int) -> dict[str, np.ndarray]:
        return rows(
            [*spots[:k], point, *spots[k + 1 :]],
            [*scores[:k], score, *scores[k + 1 :]],
            [*[10] * k, side, *[10] * (9 - k)],
        )

    base = rows(spots, scores, [10] * 10)
    found = compare_answers(base, changed(3, (3.5, 0.0), scores[3] + 0.001, 10), tolerance, 3)
    assert found.rows == 9 and found.score == 0 and found.flipped == 0  # the same mask by a neighbour
    compare_answers(base, changed(9, (50.0, 0.0), scores[9] + 0.001, 3), tolerance, 3)  # another last row
    other_mask = changed(3, spots[3], 0.6164, 4)  # the same prompt's other mask: no pair, one row in ten
    assert compare_answers(base, other_mask, tolerance, 3).rows == 9
    with pytest.raises(ExportError, match="mask differs"):
        compare_answers(base, other_mask, tolerance, 1)
    both = {**other_mask, "points": other_mask["points"].copy()}
    both["points"][5] = (50.0, 0.0)
    both["masks"][5] = base["masks"][5] * -1
    with pytest.raises(ExportError, match="10 answers instead of 10, 8 by the same prompts, 2 of torch's are missing"):
        compare_answers(base, both, tolerance, 3)
    elsewhere = {**base, "points": base["points"] + 0.5}
    with pytest.raises(ExportError, match="0 by the same prompts, 0 of torch's are missing"):
        compare_answers(base, elsewhere, tolerance, 3)
    empty = {**base, "scores": np.zeros(10)}
    assert compare_answers(empty, empty, tolerance, 3).rows == 0
    with pytest.raises(ExportError, match="0 answers instead of 10"):
        compare_answers(base, empty, tolerance, 3)
    assert (answer["masks"][9] < 0).all()
    compare_answers(answer, answer, tolerance, 3)  # an empty mask is one, too


@torch.no_grad()
def test_exported_file_can_be_trained_on(checkpoint: Path, tmp_path: Path) -> None:
    """Back from the file: the same answers, batch norms with the statistics of what they see, and a clear error."""
    path = tmp_path / "model.onnx"
    # full size: in smaller files some products are folded
    export(checkpoint, path, ExportOptions(name="test", grid=(8, 8), calls=1))
    network, record = network_from_onnx(path)
    assert record == {"steps": 0} and network.config == TinyConfig(CLASSES_AND_OTHER, object_width=16)
    original = deployable(load_network_and_record(checkpoint)[0])
    image, depth = (torch.stack(rows) for rows in zip(*(example_input((96, 128), k) for k in range(6)), strict=True))

    def answers(net: SaomTiny) -> torch.Tensor:
        features = net.encode(image, depth)
        return net.masks(features, net.decode(features, torch.full((6, 1, 2), 0.4)).mask_embeddings)

    before, scale = answers(network), answers(original).abs().mean()
    assert (before - answers(original)).abs().mean() < 0.02 * scale
    mask = torch.full((1, 24, 32), -5.0)
    mask[:, 5:15, 8:20] = 5
    embeddings = [net.embed(image[0], depth[0], mask) for net in (network, original)]
    torch.testing.assert_close(*embeddings, atol=0.02 * float(embeddings[1].abs().mean()), rtol=0.02)
    restore_batch_norms(network, [(image, depth)])
    assert (answers(network) - before).abs().mean() < 1e-3 * scale
    seen: list[torch.Tensor] = []
    network.encoder.stem.bn.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.encode(image, depth)
    torch.testing.assert_close(network.encoder.stem.bn.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match="expected a saom-tiny"):
        network_from_onnx(tmp_path / "text.onnx")


@torch.no_grad()
def test_a_depth_branch_comes_back_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SaomTiny(TinyConfig(("Mug", "Other"), encoder="efficientnet_lite0", depth_width=8, object_width=16))
    spread(network)
    save_network(network.eval(), tmp_path / "checkpoint", {})
    options = ExportOptions(name="test", grid=(8, 8), calls=1)
    export(tmp_path / "checkpoint", tmp_path / "model.onnx", options)
    found, _ = network_from_onnx(tmp_path / "model.onnx")
    assert found.config == network.config
    image, depth = (part[None] for part in example_input((96, 128), 0))
    for seen in (depth, None):
        ours, theirs = (net.pyramid(image, seen) for net in (found, network))
        assert (ours.fine - theirs.fine).abs().mean() < 0.02 * theirs.fine.abs().mean()
        assert (ours.coarse - theirs.coarse).abs().mean() < 0.02 * theirs.coarse.abs().mean()


def test_a_file_tells_nothing_of_the_disk() -> None:
    config = {"teacher": "/home/me/runs/before.onnx", "pretrained": "", "steps": 3}
    record = {"config": config, "init": {"config": {**config, "pretrained": "lite0.pth"}}, "names": ["a/b"]}
    figures = {"data": "rooms", "models": [{"name": "mine", "path": "/home/me/runs/mine.onnx", "AP": 0.5}, "old"]}
    told = {"teacher": "before.onnx", "pretrained": "", "steps": 3}
    assert without_folders(record) == {
        "config": told,
        "init": {"config": {**told, "pretrained": "lite0.pth"}},
        "names": ["a/b"],
    }
    assert without_folders(figures)["models"] == [{"name": "mine", "path": "mine.onnx", "AP": 0.5}, "old"]
