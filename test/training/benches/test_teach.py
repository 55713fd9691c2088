"""`saom bench-teach` with the bundled model on simulated rooms, and which objects it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saom_cli.main import main
from saom_training.benches.teach import CLEAR_PX, CLEAR_SHARE, halves, shown_objects
from saom_training.dataset import Dataset


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    options = "--frames 12 --frames-per-scene 6 --size 256x192 --workers 1 --seed 3"
    assert main(["collect", "--out", str(folder), *options.split()]) == 0
    return folder


@pytest.mark.slow
def test_objects_are_shown_clearly_and_have_no_twin(rooms: Path) -> None:
    """Against the data set itself, read picture by picture."""
    data = Dataset.open(rooms)
    objects = shown_objects(data, 3)
    assert len(objects) >= 3
    names = {f"{entry['style']} of {scene}" for row, scene in enumerate(data.scenes()) for entry in data.entries(row)}
    for shown in objects:
        assert shown.name in names and len(shown.views) >= 3
        style, scene = shown.name.split(" of ")
        for row in range(len(data)):
            same = [entry for entry in data.entries(row) if entry.get("style") == style]
            same = [entry for entry in same if data.class_names[entry["category_id"]] == shown.class_name]
            if data.scenes()[row] != scene:
                continue
            assert len(same) <= 1
            clear = [e for e in same if e["area"] >= CLEAR_PX and e["visible"] >= CLEAR_SHARE]
            assert [e["segmentation"] for e in clear] == [rle for k, rle in shown.views if k == row]


@pytest.mark.slow
def test_halves_share_no_scene(rooms: Path) -> None:
    one, other = halves(Dataset.open(rooms))
    scenes = [set(half.scenes()) for half in (one, other)]
    assert all(scenes) and not scenes[0] & scenes[1]
    assert len(one) + len(other) == 12


@pytest.mark.slow
def test_figures_add_up(rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--split all --objects 4 --examples 3 --other-pictures 2"
    assert main(["bench-teach", "--data", str(rooms), "--json", str(tmp_path / "f.json"), *options.split()]) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["objects"] == 4 and figures["taught"] <= 4
    assert figures["named"] <= figures["found"] <= figures["next_views"]
    assert figures["others_named"] <= figures["others"] and bool(figures["others"]) == bool(figures["taught"])
    before, alone, together = (figures["kept"][key] for key in ("untaught", "each_alone", "all_taught"))
    assert before["AP50"] > 0 and before["AP50"] == together["AP50"], "teaching gives names and no masks"
    assert alone["AP50"] == pytest.approx(before["AP50"])
    assert f"{figures['taught']} of 4 objects" in capsys.readouterr().out


@pytest.mark.slow
def test_too_few_pictures(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-teach", "--data", str(rooms), "--split", "all", "--examples", "40"]) == 1
    assert "41 pictures show clearly" in capsys.readouterr().err
