"""`make demo` as a newcomer runs it: on photos, without a picture, and stopped half-way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import psutil
import pytest
from conftest import MODEL
from robot import ROOT, SEQUENCE

DEMO = [sys.executable, "-m", "tools.demo", *(["--model", MODEL] if MODEL else [])]


def left_behind(out: Path) -> list[psutil.Process]:
    """Processes of this demo, which its folder of output or of pictures gives away, and of its process group."""
    return [p for p in psutil.process_iter(["cmdline"]) if any(str(out) in part for part in p.info["cmdline"] or [])]


def test_photos_give_tables_overlays_and_a_page(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number, name in ((0, "first.jpg"), (8, "second one.jpg")):
        shutil.copy(SEQUENCE / f"image_{number:03d}.jpg", photos / name)
    (photos / "broken.jpg").write_text("no picture")
    command = [*DEMO, "--images", str(photos), "--out", str(out), "--measure", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "first.jpg: " in done.stdout and "2 pictures, " in done.stdout and "answers" in done.stdout
    assert "broken.jpg is no picture" in done.stderr
    assert sorted(path.name for path in (out / "overlays").iterdir()) == ["first.png", "second one.png"]
    assert cv2.imread(str(out / "overlays" / "first.png")).shape == (480, 640, 3)
    page = (out / "index.html").read_text()
    assert page.count("<section>") == 2 and page.count("data:image/jpeg;base64,") == 2
    assert not left_behind(photos)


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = subprocess.run([*DEMO, "--images", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "expected pictures" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(SEQUENCE / "image_000.jpg", photos)
    command = [*DEMO, "--images", str(photos), "--out", str(tmp_path / "out"), "--measure", "60"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    seen = ""
    while "measuring" not in seen:  # the node and the camera are at work
        text = os.read(process.stdout.fileno(), 1000).decode(errors="replace")
        assert text, seen
        seen += text
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    process.send_signal(number)
    rest = process.communicate()[0]
    assert process.returncode == 130 and "stopped" in rest and "Traceback" not in rest
    assert not any(child.is_running() for child in children)
