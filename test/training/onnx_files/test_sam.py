"""Export of SAM checkpoints with their own decoder: it finds what they find, in a loop that bounds memory."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from sam_scenes import one_thread, tiny_model  # noqa: F401

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.sam.checkpoints import read_checkpoint, write_checkpoint
from saom_core.sam.network import SamModel
from saom_core.sam.options import SamEverythingOptions
from saom_core.sam.segmenter import load_sam
from saom_training.onnx_files.parity import example_input


@pytest.fixture(scope="module")
def checkpoint(tiny_stand_in: SamModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers each point with three discs about it."""
    path = tmp_path_factory.mktemp("sam") / "stand_in.safetensors"
    write_checkpoint(tiny_stand_in, path, {"name": "stand-in", "license": "of nobody"})
    return path


def export(source: Path, path: Path, *options: str) -> None:
    assert main(["export", str(source), str(path), *options]) == 0


def loops(path: Path) -> int:
    return sum(node.op_type == "Scan" for node in onnx.load(str(path)).graph.node)


@pytest.mark.slow
@pytest.mark.parametrize("one_mask", [False, True])
def test_sam_with_a_loop_finds_what_its_checkpoint_finds(
    checkpoint: Path, tmp_path: Path, one_mask: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The file's instances are those of everything mode in torch, class for class."""
    path = tmp_path / "out" / "sam.onnx"
    path.parent.mkdir()
    if one_mask:
        model = read_checkpoint(checkpoint)
        training = {"config": {"suppress_duplicates": True}}
        taught = dataclasses.replace(model, metadata={**model.metadata, "training": json.dumps(training)})
        checkpoint = tmp_path / "taught.safetensors"
        write_checkpoint(taught, checkpoint)
    export(checkpoint, path, "--grid", "6x5", "--prompts-at-once", "4")
    assert not [one for one in caplog.records if one.name.startswith("onnx") and one.levelno >= logging.WARNING]
    assert sorted(p.name for p in path.parent.iterdir()) == ["SHA256SUMS", "sam.onnx"] and loops(path) == 2
    config = SaomConfig(model=str(path), threads=1, score_threshold=0.3, stability_threshold=0.6, min_area_px=1)
    segmenter = OnnxSegmenter(config)
    info = segmenter.info
    assert (info.name, info.class_names, info.uses_depth) == ("stand-in", tuple("abcde"), False)
    assert "picture" in [one["name"] for one in info.metadata["inputs"]] and info.most_instances == 160
    assert info.input_size_hw == (64, 64) and info.metadata["license"] == "of nobody"
    assert info.metadata["precision"] == "fp32" and info.metadata["prompts_at_once"] == 4
    assert info.metadata["compared_calls"] == 9  # pictures of three sizes, three kinds of prompts
    image, _ = example_input((96, 128), 3)
    found = segmenter.segment(image.numpy()).instances
    options = SamEverythingOptions(
        (6, 5),
        pred_iou_thresh=0.3,
        stability_score_thresh=0.6,
        box_nms_thresh=0.999,
        one_mask_per_prompt=one_mask,
    )
    torch_side = load_sam(config.replace(model=str(checkpoint)), options).segment(image.numpy()).instances
    alike = 0  # a class may be a near tie, of which the rounding of the weights decides
    for mask, name, score in zip(found.dense_masks(), found.class_names, found.scores, strict=True):
        same = [(mask & other).sum() / (mask | other).sum() > 0.9 for other in torch_side.dense_masks()]
        near = np.abs(torch_side.scores - score) < 0.005
        assert (same & near).any()
        alike += name in np.array(torch_side.class_names)[same & near]
    assert alike >= 0.8 * len(found) and len(found) > (4 if one_mask else 5)
    assert not one_mask or len({tuple(point) for point in found.points_xy.tolist()}) == len(found)


@pytest.mark.slow
def test_a_network_that_answers_nothing_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two empty answers are equal, which says nothing of the file."""
    model = tiny_model()
    model.sam.mask_decoder.iou_prediction_head.layers[-1].bias.data.fill_(-100.0)
    write_checkpoint(model, tmp_path / "mute.safetensors")
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "sam.onnx"
    assert main(["export", str(tmp_path / "mute.safetensors"), str(path), "--grid", "2x2", "--calls", "2"]) == 1
    assert "masks to compare with torch's, got none in 2 calls" in capsys.readouterr().err
    assert list(path.parent.iterdir()) == []


def test_a_checkpoint_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "none.pth"), str(tmp_path / "sam.onnx")]) == 1
    assert "none.pth: expected a checkpoint file, or a folder of `saom finetune`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "60x48"], "divisible by 16, at most 64"),
        (["--size", "128x96"], "at most 64"),
        (["--precision", "int8"], "give --data"),
        (["--prompts-at-once", "-1"], "0 \\(all\\) or more"),
    ],
)
def test_what_cannot_be_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["export", str(checkpoint), str(tmp_path / "sam.onnx"), *options]) == 1
    assert list(tmp_path.iterdir()) == []
    error = capsys.readouterr().err
    assert message.replace("\\", "") in error
