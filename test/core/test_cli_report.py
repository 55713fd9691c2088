"""`saom report`: one file with all that a maintainer needs, and nothing that somebody did not mean to show."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from exif import jpeg_with

from saom_cli import report
from saom_cli.main import main
from saom_core import __version__
from saom_core.camera import CameraIntrinsics
from saom_core.model import load
from saom_core.pictures.photos import read_photo
from saom_core.runtime import BUNDLED_MODEL

SEQUENCE = Path(__file__).resolve().parents[2] / "test" / "sequence"
THREADS = ["--threads", "1"]


def opened(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files["report.json"])


def picture_of(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG in a folder whose name is nobody's business, with a place and a camera's name in it."""
    folder = tmp_path / "Jane Doe"
    folder.mkdir()
    content = (SEQUENCE / "image_008.jpg").read_bytes()
    comment = b"Jane's telephone, 51.5 N 0.1 W"
    (folder / "secret.jpg").write_bytes(
        content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:]
    )
    return folder / "secret.jpg"


@pytest.mark.slow
def test_the_answer_comes_out_again_as_the_report_says(photo: Path, tmp_path: Path) -> None:
    out, depth = tmp_path / "report.zip", SEQUENCE / "depth_008.png"
    camera = ["--intrinsics", "525", "525", "319.5", "239.5"]
    command = [
        "report",
        str(photo),
        "--depth",
        str(depth),
        *camera,
        "-o",
        str(out),
        "--score-threshold",
        "0.6",
        *THREADS,
    ]
    assert main([*command, "--note", "the lid comes alone"]) == 0
    files, facts = opened(out)
    assert set(files) == {"README.txt", "report.json", "image.png", "depth_m.npy", "overlay.png", "labels.png"}
    assert facts["note"] == "the lid comes alone" and facts["saom"] == __version__
    assert facts["model"]["sha256"] == hashlib.sha256(BUNDLED_MODEL.read_bytes()).hexdigest()
    assert facts["options"]["score_threshold"] == 0.6 and facts["packages"]["numpy"] == np.__version__
    assert 0 < facts["depth"]["valid_share"] <= 1 and facts["depth"]["percentiles_m"] == sorted(
        facts["depth"]["percentiles_m"]
    )
    objects = facts["answer"]["objects"]
    known = CameraIntrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)
    wanted = load(threads=1, score_threshold=0.6).segment(photo, depth, known)
    assert [one["bbox"] for one in objects] == [one["bbox"] for one in wanted.to_coco()] and objects
    assert [one["distance_m"] for one in objects] == pytest.approx(wanted.distances_m.tolist(), abs=1e-3)
    assert len(objects[0]["centroid_m"]) == 3 and "sizes_m" in objects[0]["box3d"]
    assert np.array_equal(picture_of(files["image.png"])[:, :, ::-1], read_photo(photo)), "pixel by pixel"
    assert np.array_equal(picture_of(files["labels.png"]), wanted.label_image())

    for name in ("image.png", "depth_m.npy"):
        (tmp_path / name).write_bytes(files[name])
    again = files["README.txt"].decode().splitlines()[-1].partition("saom ")[2]
    words = [str(tmp_path / word) if word in ("image.png", "depth_m.npy") else word for word in shlex.split(again)]
    assert main([*words, "--json", str(tmp_path / "again.json"), *THREADS]) == 0
    anew = json.loads((tmp_path / "again.json").read_text())
    assert [one["bbox"] for one in anew] == [one["bbox"] for one in objects]
    for one, reported in zip(anew, objects, strict=True):  # `saom segment` tells as much as `saom report`
        assert set(reported) - set(one) == {"stability"} and len(one["box3d"]["quaternions_xyzw"]) == 4


def test_nothing_but_the_picture_tells_whose_it_is(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "Jane Doe"))
    model = photo.with_name("janes.onnx")
    model.write_bytes(BUNDLED_MODEL.read_bytes())
    out = tmp_path / "report.zip"
    assert main(["report", str(photo), "-o", str(out), "--model", str(model), *THREADS]) == 0
    files, facts = opened(out)
    assert facts["model"]["file"] == facts["options"]["model"] == "janes.onnx" and facts["depth"] is None
    for name, content in files.items():
        assert not any(word in content for word in (b"Jane", b"secret", b"telephone", str(tmp_path).encode())), name


def test_what_goes_with_the_picture_is_turned_as_the_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, depth, out = tmp_path / "a.jpg", SEQUENCE / "depth_008.png", tmp_path / "report.zip"
    photo.write_bytes(jpeg_with(3, read_photo(SEQUENCE / "image_008.jpg")))
    camera = ["--intrinsics", "285", "285", "159", "119"]
    assert main(["report", str(photo), "--depth", str(depth), *camera, "-o", str(out), *THREADS]) == 0
    files, facts = opened(out)
    assert np.array_equal(picture_of(files["image.png"])[..., ::-1], read_photo(photo))
    stored_mm = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(np.load(io.BytesIO(files["depth_m.npy"])) * 1000, stored_mm[::-1, ::-1], rtol=1e-5)
    assert facts["intrinsics"] == [285, 285, 480, 360] and b"--intrinsics 285 285 480 360" in files["README.txt"]
    assert "these numbers are of another resolution" in capsys.readouterr().err


def test_what_is_blurred_cannot_be_seen_anywhere(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, depth = tmp_path / "report.zip", SEQUENCE / "depth_008.png"
    blur = ["--blur", "300,200,396,296", "--blur=-20,-10,30.5,20"]
    assert main(["report", str(photo), "--depth", str(depth), "-o", str(out), *blur, *THREADS]) == 0
    files, facts = opened(out)
    assert facts["blurred_boxes_xyxy"] == [[300, 200, 396, 296], [0, 0, 31, 20]]
    before, after = read_photo(photo), picture_of(files["image.png"])[:, :, ::-1]
    changed = (before != after).any(axis=2)
    boxes = np.zeros(changed.shape, bool)
    boxes[200:296, 300:396] = boxes[:20, :31] = True
    assert not changed[~boxes].any() and changed[boxes].mean() > 0.8
    assert len(np.unique(after[200:296, 300:396].reshape(-1, 3), axis=0)) <= report.BLOCKS**2
    kept = np.load(io.BytesIO(files["depth_m.npy"]))
    assert not kept[boxes].any() and kept[~boxes].any()
    assert "all but 2 boxes of the picture" in capsys.readouterr().out


def test_a_model_that_fails_is_reported_too(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise ZeroDivisionError(f"in {Path.home()}/model")

    monkeypatch.setattr(report, "load_segmenter", fail)
    out = tmp_path / "report.zip"
    assert main(["report", str(photo), "-o", str(out)]) == 0
    files, facts = opened(out)
    assert "ZeroDivisionError: in ~/model" in facts["error"] and "Traceback" in facts["error"]
    assert "answer" not in facts and set(files) == {"README.txt", "report.json", "image.png"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "report.png"], "expected a file such as report.zip"),
        (["-o", "r.zip", "--blur", "700,0,800,9"], "inside the 640x480 picture"),
        (["-o", "r.zip", "--depth", "missing.png"], "missing.png"),
    ],
)
def test_errors(photo: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(photo.with_name(word)) if word.endswith((".zip", ".png")) else word for word in arguments]
    assert main(["report", str(photo), *words]) == 1
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1 and len(list(photo.parent.iterdir())) == 1
