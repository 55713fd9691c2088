"""`make demo` as a newcomer runs it: on photos, without a picture, and stopped half-way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from conftest import MODEL
from exif import jpeg_with
from geometry_msgs.msg import Vector3
from robot import ROOT, SEQUENCE
from saom_ros.msg import Instance, InstanceArray

from tools.demo_camera import read_pictures
from tools.demo_page import Shot, Summary, followed, print_tables, row_of, write_page

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
    assert "second one.jpg: " in done.stdout and "2 pictures, " in done.stdout and "answers" in done.stdout
    assert "broken.jpg is no picture" in done.stderr
    assert sorted(path.name for path in (out / "overlays").iterdir()) == ["first.png", "second one.png"]
    assert cv2.imread(str(out / "overlays" / "first.png")).shape == (480, 640, 3)
    page = (out / "index.html").read_text()
    assert page.count("<section>") == 2 and page.count("data:image/jpeg;base64,") == 2
    assert not left_behind(photos)


@pytest.mark.slow
def test_a_folder_with_depth_and_a_camera_gives_metres_and_no_alarm(tmp_path: Path) -> None:
    """In the form of the demo's own sequence; a map under another name is no picture."""
    folder, out = tmp_path / "mine", tmp_path / "out"
    folder.mkdir()
    shutil.copy(SEQUENCE / "image_008.jpg", folder / "image_table.jpg")
    shutil.copy(SEQUENCE / "depth_008.png", folder / "depth_table.png")
    shutil.copy(SEQUENCE / "depth_008.png", folder / "other_map.png")
    (folder / "camera.json").write_text('{"fx": 525, "fy": 525, "cx": 319.5, "cy": 239.5}')
    command = [*DEMO, "--images", str(folder), "--out", str(out), "--measure", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "incompatible QoS" not in done.stderr + done.stdout + (out / "node.log").read_text()
    assert "1 pictures, " in done.stdout and " cm" in (out / "index.html").read_text()
    assert [path.name for path in (out / "overlays").iterdir()] == ["image_table.png"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("camera.json", '{"fx": 525}', "KeyError 'fy': write these four numbers"),
        ("camera.json", "fx: 525", "write these four numbers"),
        ("depth_table.png", "no picture", "expected depth as 16-bit millimetres"),
    ],
)
def test_a_camera_or_depth_of_another_form_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    shutil.copy(SEQUENCE / "image_008.jpg", tmp_path / "image_table.jpg")
    (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "tools.demo_camera", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_a_photo_with_depth_is_sent_as_it_is_stored(tmp_path: Path) -> None:
    """EXIF turns neither depth nor intrinsics."""
    stored = np.kron(np.arange(20, 236, 18).reshape(3, 4), np.ones((16, 16))).astype(np.uint8)
    for name in ("image_a.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(jpeg_with(6, stored))
    cv2.imwrite(str(tmp_path / "depth_a.png"), stored.astype(np.uint16))
    with_depth, without = read_pictures(tmp_path, 1280)
    assert with_depth.depth_mm is not None
    assert np.abs(with_depth.image_rgb[..., 0] - with_depth.depth_mm.astype(int)).max() < 4
    assert without.image_rgb.shape == (64, 48, 3)


def test_the_nodes_executable_answers_help() -> None:
    """And starts no node, which would not end."""
    command = [sys.executable, ROOT / "tools" / "saom_node", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0 and done.stdout.startswith("usage: saom ")
    assert "-r image:=" in done.stdout and "score_threshold: " in done.stdout


def test_a_package_that_the_node_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, ROOT / "tools" / "saom_node"]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, env=environment)
    assert done.returncode == 2 and done.stderr.startswith("saom: needs onnxruntime: pip install onnxruntime")
    assert len(done.stderr.splitlines()) == 1


def instance(track: int, name: str, **values: object) -> Instance:
    return Instance(track_id=track, class_name=name, box_xyxy=[0.0, 1.0, 1279.0, 719.0], **values)


def shots() -> list[Shot]:
    """Three pictures: a mug all the time, once named otherwise; a box twice; something once; something unnumbered."""
    size = Vector3(x=1.234, y=0.456, z=0.789)
    mug = instance(7, "Mug", distance=12.345, box_size=size), instance(7, "Cup"), instance(7, "Mug")
    box = instance(12, "AVeryLongNameOfAClassOfThings"), instance(12, "Box"), instance(-1, "")
    answers = [[mug[0], box[0]], [mug[1], box[1], instance(3, "Plate")], [mug[2], box[2]]]
    blank = np.zeros((48, 64, 3), np.uint8)
    return [Shot(f"{k}.jpg", InstanceArray(instances=found), blank) for k, found in enumerate(answers)]


SUMMARY = Summary(30.0, 29.9, 41.0, 55.0, {"model": "/a/long/path/of/a/model/that/somebody/made/saom-tiny.onnx"})


def test_objects_that_kept_their_number() -> None:
    found = followed(shots())
    assert [(one.track_id, one.name, one.pictures) for one in found] == [(7, "Mug", 3), (12, found[1].name, 2)]
    assert followed(shots()[:1]) == []


def test_what_is_printed_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (shots(), shots()[:1], [shots()[1]]):
        print_tables(shown, SUMMARY)
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        rows = lines[3 : 3 + len(shown[-1].answer.instances)]
        assert all(line.split()[0] in {"7", "12", "3", "-"} for line in rows)
    assert "12.35 m" not in "".join(lines)  # of the first picture alone


def test_class_scores_of_other_say_what_they_are_of(capsys: pytest.CaptureFixture[str]) -> None:
    """As in the command line: of an unsure class, with a sign; and mask before class."""
    given = [("Other", 0.99), ("Other", 0.31), ("Mug", 0.62), ("", 0.0)]
    found = [instance(-1, name, class_score=score, score=0.8) for name, score in given]
    shot = Shot("0.jpg", InstanceArray(instances=found), np.zeros((48, 64, 3), np.uint8))
    assert [row_of(one)[2:4] for one in found] == [
        ("0.80", "0.99"),
        ("0.80", "0.31?"),
        ("0.80", "0.62"),
        ("0.80", "0.00"),
    ]
    print_tables([shot], SUMMARY)
    printed = capsys.readouterr().out
    assert "mask class" in printed and "0.31?" in printed and "too unsure to be named" in " ".join(printed.split())


def test_the_page_has_a_row_for_each_instance_and_escapes_names(tmp_path: Path) -> None:
    shown = shots()
    shown[0].answer.instances[0].class_name = "<script>x</script>"
    write_page(tmp_path / "page.html", shown, SUMMARY)
    text = (tmp_path / "page.html").read_text()
    assert text.count("<section>") == 3 and text.count("<tr style=") == 7 + 2 and "<script>x" not in text
    assert text.count("3 of 3") == 1 and "prefers-color-scheme: dark" in text


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
