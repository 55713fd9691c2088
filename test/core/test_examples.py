"""Every Python example of README and docs runs as it stands, on the files that it names and on harder ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from doc_examples import ROOT, RUN_BY, all_examples, example

from saom_core.pictures.videos import VideoWriter

SEQUENCE = ROOT / "demo" / "sequence"
HARD = ("as it is", "nothing in the picture", "no depth on anything", "another size")
EASY_AT_ONCE = [HARD[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in HARD[1:])]
"""The quick round runs each example as it stands."""


def test_every_example_is_run_by_a_test() -> None:
    assert {file: len(blocks) for file, blocks in all_examples().items()} == {
        file: len(tests) for file, tests in RUN_BY.items()
    }, "a new example needs a test that runs it, and a line in RUN_BY"
    for file, tests in RUN_BY.items():
        for test in tests:
            assert f'example("{file}"' in (ROOT / test).read_text(encoding="utf-8")


def make_files(folder: Path, kind: str) -> None:
    """The files that the examples name, below a folder, with what a camera may bring."""
    (folder / "demo" / "sequence").mkdir(parents=True)
    (folder / "saom_core").symlink_to(ROOT / "saom_core")
    for number in (0, 8, 9):
        image = cv2.imread(str(SEQUENCE / f"image_{number:03d}.jpg"))
        depth = cv2.imread(str(SEQUENCE / f"depth_{number:03d}.png"), cv2.IMREAD_UNCHANGED)
        if kind == "nothing in the picture":
            image[:] = 127
        elif kind == "no depth on anything":
            depth[:] = 0
        elif kind == "another size":
            image, depth = image[:201, :333], depth[:201, :333]
        cv2.imwrite(str(folder / "demo" / "sequence" / f"image_{number:03d}.jpg"), image)
        cv2.imwrite(str(folder / "demo" / "sequence" / f"depth_{number:03d}.png"), depth)


def ran_in(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=250, check=False)


def run_in(folder: Path, code: str) -> list[str]:
    """Lines that an example prints, run from a folder."""
    done = ran_in(folder, code)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("kind", EASY_AT_ONCE)
def test_readme(tmp_path: Path, kind: str) -> None:
    make_files(tmp_path, kind)
    printed = "\n".join(run_in(tmp_path, example("README.md")))
    assert printed.startswith("(") and "[" in printed  # names and distances, or none of both
    if kind == "as it is":
        assert "Mug at [" in printed and "nan" not in printed and " has [" in printed


def test_standalone_refuses_a_picture_that_its_camera_did_not_take(tmp_path: Path) -> None:
    make_files(tmp_path, "another size")
    refused = ran_in(tmp_path, example("docs/standalone.md"))
    assert refused.returncode != 0 and "got those of 640x480" in refused.stderr


@pytest.mark.parametrize("kind", EASY_AT_ONCE[:3])
def test_standalone(tmp_path: Path, kind: str) -> None:
    make_files(tmp_path, kind)
    printed = run_in(tmp_path, example("docs/standalone.md"))
    rows = [line for line in printed if line.endswith(" m")]
    assert len([line for line in printed if line.endswith("objects")]) == 2
    if kind == "as it is":
        assert rows and not any("nan" in row for row in rows)
    if kind == "no depth on anything":
        assert all("nan" in row for row in rows), "no place is made up"


@pytest.mark.parametrize("kind", EASY_AT_ONCE)
def test_plain_onnxruntime(tmp_path: Path, kind: str) -> None:
    make_files(tmp_path, kind)
    code = example("docs/standalone.md", 2) + "\nprint(len(whole), *whole.shape[1:], whole.dtype, boxes.shape[1])"
    count, height, width, dtype, corners = run_in(tmp_path, code)[-1].split()
    assert (dtype, corners) == ("bool", "4") and int(height) * 4 in range(100, 2000) and int(width) > int(height)
    if kind == "as it is":
        assert int(count) > 3


def test_a_video(tmp_path: Path) -> None:
    make_files(tmp_path, "as it is")
    image = cv2.imread(str(SEQUENCE / "image_008.jpg"))[..., ::-1]
    with VideoWriter(tmp_path / "clip.mp4", 10) as writer:
        for k in range(3):
            writer.add(image[:, 4 * k : 600 + 4 * k], k / 10)
    printed = run_in(tmp_path, example("docs/standalone.md", 1))
    assert [line[:7] for line in printed] == ["0.00 s:", "0.10 s:", "0.20 s:"]
    assert all(line.endswith("} (480, 600, 3)") and "1: '" in line for line in printed)


@pytest.mark.parametrize("kind", [EASY_AT_ONCE[0], EASY_AT_ONCE[2]])
def test_grasping(tmp_path: Path, kind: str) -> None:
    """All planners' lines after the common ones; what they leave is read as the planners read it."""
    make_files(tmp_path, kind)
    code = example("docs/grasping.md", 0) + "".join(example("docs/grasping.md", number) for number in range(1, 6))
    anygrasp, foundation_pose = run_in(tmp_path, code)[-2:]
    scene, segmask = np.load(tmp_path / "scene.npz"), cv2.imread(str(tmp_path / "segmask.png"), cv2.IMREAD_UNCHANGED)
    assert scene["segmap"].shape == scene["depth"].shape and scene["K"].shape == (3, 3)
    assert set(np.unique(segmask)) == {0, 255} and segmask.shape == np.load(tmp_path / "depth.npy").shape
    np.testing.assert_array_equal(segmask == 255, scene["segmap"] == 1)
    assert foundation_pose == f"{(segmask > 0).sum()} pixels of the object"
    wrapper = cv2.imread(str(tmp_path / "seg_masks.png"), cv2.IMREAD_UNCHANGED)
    assert wrapper.dtype == np.uint16 and len(np.unique(wrapper)) == len(np.unique(scene["segmap"]))
    indices = np.loadtxt(tmp_path / "indices.csv", dtype=int, ndmin=1)
    points = int(((segmask > 0) & (scene["depth"] > 0)).sum())
    assert len(indices) == points and anygrasp == f"({points}, 3) float32 ({points}, 3) float32"
    assert (points > 0) == (kind == "as it is")


@pytest.mark.parametrize("kind", EASY_AT_ONCE[:3])
def test_tutorials(tmp_path: Path, kind: str) -> None:
    make_files(tmp_path, kind)
    segmented = run_in(tmp_path, example("docs/tutorials/segment.md"))
    placed = run_in(tmp_path, example("docs/tutorials/depth.md"))
    asked = run_in(tmp_path, example("docs/tutorials/prompt.md"))
    assert " objects, " in segmented[-1] and all(line.startswith("prompt 0 ") for line in asked)
    away = [line for line in placed if "m away" in line]
    assert all(("nan m" in line) == (kind == "no depth on anything") for line in away)
    assert bool(away) == any(line.startswith("box of the") for line in placed)
    if kind == "as it is":
        assert len(segmented) > 5 and len(away) > 5 and asked


def test_pages_give_the_demos_pictures_the_camera_that_took_them() -> None:
    camera = json.loads((SEQUENCE / "camera.json").read_text())
    taken_by = [camera[name] for name in ("fx", "fy", "cx", "cy")]
    told = 0
    for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = file.read_text(encoding="utf-8")
        number = r"([\d.]+)"
        for pattern in (
            rf"--intrinsics {number} {number} {number} {number}",
            rf"fx={number}, fy={number}, cx={number}, cy={number}",
            rf"^camera = {number}, {number}, {number}, {number}",
        ):
            for found in re.findall(pattern, text, re.MULTILINE):
                told += 1
                assert [float(one) for one in found] == taken_by, f"{file}: {found}"
    assert told >= 6


def test_a_hard_file_is_really_hard(tmp_path: Path) -> None:
    make_files(tmp_path, "no depth on anything")
    depth = cv2.imread(str(tmp_path / "demo" / "sequence" / "depth_008.png"), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16 and not depth.any()
