"""`saom segment` asks a SAM checkpoint by its own prompts, as the Python interface does; a file says that it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sam_scenes import one_thread, photo  # noqa: F401

pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from saom_cli.main import main  # noqa: E402
from saom_core.model import load  # noqa: E402
from saom_core.sam.checkpoints import write_checkpoint  # noqa: E402
from saom_core.sam.network import SamModel  # noqa: E402


@pytest.fixture(scope="module")
def folder(small_sam: SamModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, a photo and a mask of it."""
    folder = tmp_path_factory.mktemp("prompts")
    write_checkpoint(small_sam, folder / "small.safetensors")
    cv2.imwrite(str(folder / "photo.png"), photo(120, 160)[:, :, ::-1])
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:100] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    cv2.imwrite(str(folder / "ones.png"), mask // 255)
    return folder


@pytest.mark.parametrize(
    ("options", "asked", "line"),
    [
        (
            ["--box", "30,20,130,100", "--negative-point", "10,10"],
            {"boxes_xyxy": [[30, 20, 130, 100]], "negative_points_xy": [[10, 10]]},
            "negative_points 10,10 box 30,20,130,100",
        ),
        (
            ["--point", "60,60", "--point", "80,70", "--one-object"],
            {"points_xy": [[60, 60], [80, 70]], "one_object": True},
            "points 60,60 80,70",
        ),
        (["--point", "60,60", "--mask", "MASK"], {"points_xy": [[60, 60]], "mask": True}, "points 60,60 mask"),
        (["--mask", "ONES"], {"mask": True}, "mask"),
        (["--box", "30,20,130,100"], {"boxes_xyxy": [[30, 20, 130, 100]]}, "box 30,20,130,100"),
    ],
)
def test_prompts_of_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], asked: dict, line: str
) -> None:
    photo_path, model = folder / "photo.png", str(folder / "small.safetensors")
    words = [{"MASK": str(folder / "mask.png"), "ONES": str(folder / "ones.png")}.get(word, word) for word in options]
    arguments = ["--model", model, "--provider", "cpu", "--json", str(tmp_path / "out.json"), *words]
    assert main(["segment", str(photo_path), *arguments]) == 0
    assert f"  {line}\n" in capsys.readouterr().out
    (result,) = json.loads((tmp_path / "out.json").read_text())
    if "mask" in asked:
        asked = {**asked, "mask": cv2.imread(str(folder / "mask.png"), cv2.IMREAD_GRAYSCALE) > 0}
    found, prompts = load(model, provider="cpu").ask(photo_path, **asked)
    assert prompts == (0,) and result["score"] == pytest.approx(float(found.scores[0]), abs=1e-3)
    assert result["area"] == found.masks[0].area > 0


def test_a_file_says_what_it_cannot_be_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", str(folder / "photo.png"), "--point", "60,60", "--negative-point", "9,9"]) == 1
    error = capsys.readouterr().err
    assert "one object asked for by points and negative points: only a SAM checkpoint" in error
