"""`saom compare-sam` finds what is the same and what is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from saom_cli.main import main  # noqa: E402
from saom_core.sam.checkpoints import write_checkpoint  # noqa: E402
from saom_core.sam.network import SamModel, build_sam  # noqa: E402
from saom_training.benches.compare_sam import best_overlaps, drawn_photo  # noqa: E402
from saom_training.benches.sam_stand_in import SMALL  # noqa: E402


def test_best_overlaps_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    wanted, given = rng.random((5, 9, 7)) < 0.5, rng.random((4, 9, 7)) < 0.5
    given[2] = wanted[3]
    naive = [max((a & b).sum() / (a | b).sum() for b in given) for a in wanted]
    np.testing.assert_allclose(best_overlaps(wanted, given), naive)
    assert best_overlaps(wanted, given)[3] == 1
    assert best_overlaps(wanted, given[:0]).tolist() == [0] * 5
    assert best_overlaps(wanted[:0], given).shape == (0,)


@pytest.mark.slow
def test_the_command_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    write_checkpoint(SamModel(build_sam(SMALL), SMALL), tmp_path / "small.safetensors")
    arguments = ["compare-sam", str(tmp_path / "small.safetensors"), "--size", "64x48", "--points-per-side", "4"]
    arguments += ["--pred-iou-thresh", "-1", "--stability-score-thresh", "0", "--box-nms-thresh", "1"]
    assert main([*arguments, "--threads", "1", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["found"] == 1.0 and figures["masks"] > 10
    assert "times faster" in capsys.readouterr().out


def test_one_source_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-sam"]) == 1
    assert "expected a checkpoint or --stand-in" in capsys.readouterr().err


def test_the_drawn_photo_is_always_the_same() -> None:
    first = drawn_photo(30, 40)
    assert first.shape == (30, 40, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, drawn_photo(30, 40))
