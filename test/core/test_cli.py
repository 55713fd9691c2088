"""The `saom` command as a person calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_cli.info import lines_of
from saom_cli.main import main
from saom_core.runtime import BUNDLED_MODEL


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(2):
        image = np.full((120, 160, 3), 150, np.uint8)
        image[40:90, 30 + 20 * k : 80] = rng.integers(0, 255, 3)
        cv2.imwrite(str(folder / f"{k}.png"), image)
    return folder


def test_segment_one_photo(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, listing = tmp_path / "out.png", tmp_path / "out.json"
    command = ["segment", str(photos / "0.png"), "-o", str(out), "--json", str(listing), "--score-threshold", "0.1"]
    assert main(command) == 0
    assert cv2.imread(str(out)).shape == (120, 160, 3)
    results = json.loads(listing.read_text())
    count = f"{len(results)} instance{'' if len(results) == 1 else 's'}\n"
    assert count in capsys.readouterr().out
    for result in results:
        assert sum(result["segmentation"]["counts"]) == 120 * 160


def test_segment_folder_goes_on_after_a_bad_file(photos: Path, tmp_path: Path) -> None:
    (photos / "2.png").write_text("no picture")
    out = tmp_path / "overlays"
    assert main(["segment", str(photos), "-o", str(out)]) == 1
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png"]


def test_segment_with_depth(photos: Path, tmp_path: Path) -> None:
    depth = tmp_path / "depth.png"
    cv2.imwrite(str(depth), np.full((120, 160), 900, np.uint16))
    arguments = ["--depth", str(depth), "--intrinsics", "150", "150", "80", "60"]
    assert main(["segment", str(photos / "0.png"), *arguments]) == 0


def test_segment_only_what_is_asked_for(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing, strict = tmp_path / "out.json", ["--score-threshold", "1", "--json", str(tmp_path / "out.json")]
    assert main(["segment", str(photos / "0.png"), *strict]) == 0 and json.loads(listing.read_text()) == []
    assert main(["segment", str(photos / "0.png"), *strict, "--point", "55,65", "--box", "30,40,80,90"]) == 0
    assert "2 instances" in capsys.readouterr().out
    for result in json.loads(listing.read_text()):
        left, top, width, height = result["bbox"]
        assert left < 55 < left + width and top < 65 < top + height


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--point", "5"], "--point: expected 2 numbers"),
        (["--box", "1,2,3"], "--box: expected 4 numbers"),
        (["--box", "1,2,3,x"], "--box: invalid 4 numbers value"),
    ],
)
def test_prompts_that_are_none(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["segment", "photo.jpg", *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["segment", "{photo}", "--point", "160,5"], "inside the 160x120 image"),
        (["segment", "missing.jpg"], "expected a photo"),
        (["segment", "{photo}", "--model", "missing.onnx"], "expected a model file"),
        (["segment", "{photo}", "--score-threshold", "2"], "score_threshold"),
        (["segment", "{photo}", "--depth", "{photo}"], "lost it"),
        (["segment", "{photo}", "-o", "out.unknown"], "out.png"),
        (["segment", "{photo}", "--model", "saom-tny"], "check the name, or leave `model` out"),
        (["info", "missing.onnx"], "expected a model file"),
    ],
)
def test_errors_are_one_clear_line(
    photos: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([a.replace("{photo}", str(photos / "0.png")) for a in arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_info_and_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    told = capsys.readouterr().out
    assert "saom-tiny" in told and "training  {" in told and len(told) < 3000, "what a person reads"
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    [measured] = facts["figures"]["models"]
    assert f"AP50 {measured['everything']['AP50']:.3f}" in told and facts["training"]["steps"] > 0
    assert len(facts["classes"]) == 56 and " ".join(facts["classes"]) in told
    figures = tmp_path / "bench.json"
    assert main(["bench", "--runs", "3", "--warmup", "1", "--size", "320x240", "--json", str(figures)]) == 0
    assert set(json.loads(figures.read_text())["stages"]) == {"preprocess", "network", "postprocess", "total"}


def test_two_models_are_timed_in_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, figures = shutil.copy(BUNDLED_MODEL, tmp_path / "other.onnx"), tmp_path / "bench.json"
    options = ["--runs", "3", "--warmup", "0", "--no-photo-names", "--json", str(figures)]
    assert main(["bench", "--against", str(other), *options]) == 0
    told, facts = capsys.readouterr().out, json.loads(figures.read_text())
    assert facts["against"]["model"] == str(other)
    for stage in ("network", "total"):
        of_one, of_other = facts["stages"][stage], facts["against"]["stages"][stage]
        assert of_one != of_other and of_one["least_ms"] <= of_one["p50_ms"] <= of_one["p95_ms"]
        median, least = (of_one[key] / of_other[key] for key in ("p50_ms", "least_ms"))
        assert f"{stage}: the first takes {median:.2f} of the time of the second, by least times {least:.2f}\n" in told
    assert told.count("3 runs") == 2
    assert main(["bench", "--against", str(tmp_path / "none.onnx"), *options]) == 1


def test_figures_of_a_file_in_a_line_for_each_model() -> None:
    models = [{"name": "a", "everything": {"AP50": 0.25, "AP": None}}, {"name": "b", "everything": None}]
    told = lines_of("figures", {"data": {"images": 3, "name": "rooms"}, "models": models})
    assert told == ["a, 3 images of rooms: AP50 0.250", "b, 3 images of rooms: see --json"]
    for foreign in ({}, [1], {"stages": {}}, "text"):  # `saom export --figures` takes any JSON
        assert len(lines_of("figures", foreign)) == 1


def test_json_of_info_goes_to_a_file_or_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = tmp_path / "info.json"
    assert main(["info", "--json", str(listing)]) == 0 and capsys.readouterr().out == ""
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(listing.read_text())
    model = tmp_path / "mine.onnx"
    model.write_bytes(b"a model")
    with pytest.raises(SystemExit):  # the model stands behind the option by mistake
        main(["info", "--json", str(model)])
    assert "what is read stands before --json" in capsys.readouterr().err and model.read_bytes() == b"a model"
