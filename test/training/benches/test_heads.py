"""`saom bench-heads` and `saom stand-in` on small networks."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import numpy as np
import pytest
import torch
from sam_scenes import TINY, one_thread, tiny_model  # noqa: F401

from saom_cli.main import main
from saom_core.memory import peak_memory_mb
from saom_core.sam.checkpoints import read_checkpoint
from saom_training.benches import sam_stand_in
from saom_training.benches.heads import EncodedFast, _forget_peak
from saom_training.networks.checkpoint import load_checkpoint
from saom_training.networks.everything import EverythingGraph, grid_prompts_xy
from saom_training.networks.fast_head import SamFast, used_tokens
from saom_training.networks.sam_everything import SamEverythingGraph
from saom_training.onnx_files.parity import Case, torch_answer


@pytest.fixture(autouse=True)
def tiny_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sam_stand_in.SIZES, "small", TINY)
    monkeypatch.setattr(
        sam_stand_in, "_STEPS", 3
    )  # good masks take ten seconds of teaching, and nothing here asks for them


@pytest.mark.slow
def test_the_head_alone_answers_as_the_whole_network(tmp_path: Path) -> None:
    """What is timed is what is exported: the same answers from the embedding as from the image."""
    assert main(["stand-in", "small", str(tmp_path / "fast"), "--head", "fast"]) == 0
    network, record = load_checkpoint(tmp_path / "fast")
    assert isinstance(network, SamFast) and record["base"]["size"] == "small" and network.image_encoder is not None
    image = torch.randint(0, 255, (48, 64, 3), dtype=torch.uint8)
    case = Case(image, None, grid_prompts_xy(6, 5, (48, 64)))
    expected = torch_answer(EverythingGraph(network), case)
    head = EncodedFast(network.config).eval()
    head.load_state_dict(network.state_dict(), strict=False)
    sam = SamEverythingGraph(tiny_model())
    sam.image_encoder = network.image_encoder
    with torch.no_grad():
        head.embedding = used_tokens(sam.encoded(image, torch.tensor([64.0, 48.0])), (48, 64), TINY)
    actual = torch_answer(EverythingGraph(head), case)
    assert expected["scores"].std() > 0.01  # untrained, but prompts differ
    for name, values in expected.items():
        np.testing.assert_allclose(actual[name], values, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    options = ["--grids", "4x4", "8x4", "--prompts-at-once", "2,0", "--two-way-prompts", "4", "--runs", "1"]
    assert main(["bench-heads", "--stand-in", "small", *options, "--threads", "1", "--json", str(path)]) == 0
    stages = json.loads(path.read_text())
    names = [stage["name"] for stage in stages]
    assert names == [
        "encoder",
        "fast head, 4x4",
        "fast head, 8x4",
        "SAM's decoder, 4x4, 2 at once",
        "SAM's decoder, 4x4, all at once",
    ]
    for stage in stages:
        assert stage["seconds"] > 0 and stage["peak_mb"] > 50
        assert stage["share"] == pytest.approx(stage["cpu_seconds"] / stages[0]["cpu_seconds"])
    assert stages[3]["note"] == "measured on 4 of the 16 prompts"
    assert "fast head, 8x4" in capsys.readouterr().out
    assert main(["bench-heads"]) == 1
    assert "expected a checkpoint or --stand-in" in capsys.readouterr().err


def test_the_peak_is_that_of_a_stage() -> None:
    with mmap.mmap(-1, 320_000_000) as block:  # not from malloc, which may keep what is freed
        np.frombuffer(block, np.uint8).fill(1)
        held = peak_memory_mb()
    _forget_peak()
    assert peak_memory_mb() < held - 200


@pytest.mark.slow
def test_a_stand_in_is_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.safetensors"
    assert main(["stand-in", "small", str(path)]) == 0
    model = read_checkpoint(path)
    assert model.sizes.image_size == 64 and model.class_head is not None
    assert model.metadata["license"] == "of nobody: random weights"
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    told = capsys.readouterr().out
    assert "longer side 64 RGB" in told and "of nobody: random weights" in told and "Mug" in told


@pytest.mark.slow
def test_a_stand_in_with_a_smaller_input(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    assert main(["stand-in", "small", str(path), "--image-size", "96"]) == 0
    assert read_checkpoint(path).sizes.image_size == 96
