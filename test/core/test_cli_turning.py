"""Options that are typed while `saom view` runs: on a pseudo-terminal, as a person types them."""

from __future__ import annotations

import dataclasses
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cli_view import free_port, recorded, rr

from saom_cli.shots import Shot
from saom_cli.turning import TURNED, Turning, table_of
from saom_cli.view import Player
from saom_core.config import SaomConfig
from saom_core.loading import load_segmenter
from saom_core.naming.track_looks import NamedStream
from saom_core.pictures.photos import read_photo
from saom_core.segmenter import Segmenter

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = sorted((ROOT / "test" / "sequence").glob("image_*.jpg"))[:8]
STRICT = "score_threshold 0.93"
TIMEOUT_S = 240


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Where a person types, and where that is read."""
    typed, read = pty.openpty()
    yield typed, read
    os.close(typed)
    os.close(read)


def options_of(shown: dict[str, dict[str, list[object]]]) -> list[str]:
    return [str(text[0]) for text in shown["/options"]["TextDocument:text"]]  # type: ignore[index]


def counts_of(shown: dict[str, dict[str, list[object]]]) -> list[int]:
    return [len(boxes) for boxes in shown["/world/camera/image/boxes"]["Boxes2D:centers"]]  # type: ignore[arg-type]


def view(*words: str, terminal: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "saom_cli", "view", *words, "--threads", "1"],
        cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"}, stdin=terminal, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_person_turns_a_threshold(tmp_path: Path, terminal: tuple[int, int]) -> None:
    for photo in PHOTOS:
        (tmp_path / photo.name).write_bytes(photo.read_bytes())
    typed, read = terminal
    # typed ahead, which a terminal keeps, so that it comes early among the pictures on every machine
    os.write(typed, f"rubbish\nscore_treshold 1\n{STRICT}\n".encode())
    done = view(str(tmp_path), "-o", str(tmp_path / "out.rrd"), terminal=read)
    said, _ = done.communicate(timeout=TIMEOUT_S)
    assert done.returncode == 0 and f"{len(PHOTOS)} frames" in said
    lines = said.splitlines()
    assert [line for line in lines if "expected an option, got 'rubbish'" in line and "? lists them" in line]
    assert [line for line in lines if "got 'score_treshold': score_threshold?" in line]
    assert "score_threshold = 0.93 (was 0.5)" in said
    shown = recorded(tmp_path / "out.rrd")
    assert "| score_threshold | 0.93 |" in options_of(shown)[-1]
    loose = counts_of_all(SaomConfig(threads=1))
    strict = counts_of_all(SaomConfig(threads=1, score_threshold=0.93))
    counts = counts_of(shown)
    assert counts[-1] == strict[-1] < loose[-1] and len(counts) in (len(PHOTOS), len(PHOTOS) + 1)


def counts_of_all(config: SaomConfig) -> list[int]:
    stream = NamedStream(load_segmenter(config))
    return [len(stream.update(read_photo(photo), k / 10)) for k, photo in enumerate(PHOTOS)]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return load_segmenter(SaomConfig(threads=1))


def test_the_last_picture_is_shown_again(tmp_path: Path, terminal: tuple[int, int], segmenter: Segmenter) -> None:
    typed, read = terminal
    said: list[str] = []
    turning, recording = Turning(SaomConfig(threads=1), said.append), rr.RecordingStream("test")
    recording.save(tmp_path / "out.rrd")
    player = Player(recording, segmenter, turning, live=False)
    player.show(Shot("photo", read_photo(PHOTOS[-1]), 0.0))
    with os.fdopen(read, closefd=False) as file:
        assert turning.listen(file)
        os.write(typed, f"{STRICT}\n\x04".encode())  # and Ctrl-D, after which nothing more is typed
        player.stay()
    recording.disconnect()
    assert said == ["score_threshold = 0.93 (was 0.5)"]
    shown = recorded(tmp_path / "out.rrd")
    loose, strict = counts_of(shown)
    assert strict < loose
    assert options_of(shown) == [table_of(SaomConfig()), table_of(SaomConfig(score_threshold=0.93))]


@pytest.mark.parametrize("live", [False, True])
def test_a_camera_goes_on_where_a_photo_is_shown_again(tmp_path: Path, segmenter: Segmenter, live: bool) -> None:
    turning, recording = Turning(SaomConfig(threads=1), lambda _: None), rr.RecordingStream("test")
    recording.save(tmp_path / "out.rrd")

    class Typed:
        """The same segmenter, while somebody types as it works on the first picture."""

        def __init__(self) -> None:
            self.config = segmenter.config

        def __getattr__(self, name: str) -> object:
            return getattr(segmenter, name)

        def segment(self, *frame: object, **options: object) -> object:
            segmenter.config = self.config
            turning.take(STRICT)
            return segmenter.segment(*frame, **options)  # type: ignore[arg-type]

    player = Player(recording, Typed(), turning, live=live)  # type: ignore[arg-type]
    photo = read_photo(PHOTOS[-1])
    player.show(Shot("photo", photo, 0.0))
    if live:
        player.show(Shot("photo", photo, 0.1))
    recording.disconnect()
    loose, strict = counts_of(recorded(tmp_path / "out.rrd"))
    assert strict < loose


def test_ctrl_c_ends_the_last_picture_of_a_browser(terminal: tuple[int, int]) -> None:
    typed, read = terminal
    process = view(str(PHOTOS[0]), "--web", "--web-port", str(free_port()), terminal=read)
    assert process.stdout is not None
    said = iter(process.stdout.readline, "")
    assert any("the last picture stays" in line for line in said)
    os.write(typed, f"{STRICT}\n".encode())
    assert any("score_threshold = 0.93 (was 0.5)" in line for line in said)
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize(
    ("line", "answer", "changes"),
    [
        ("nms_iou 0.7", "nms_iou = 0.7 (was 0.4)", {"nms_iou": 0.7}),
        ("--nms-iou=0.7", "nms_iou = 0.7 (was 0.4)", {"nms_iou": 0.7}),
        ("min_area_px 100", "min_area_px = 100 (was 60)", {"min_area_px": 100}),
        ("drop_surfaces off", "drop_surfaces = False (was True)", {"drop_surfaces": False}),
        ("nms_iou 0.4", "nms_iou = 0.4 already", {}),
        ("nms_iou", "nms_iou = 0.4, 0.05 to 1: Of two masks", {}),
        ("nms_iou 7", "nms_iou: expected 0.05 to 1.0, got 7.0", {}),
        ("nms_iou nan", "nms_iou: expected a float, got nan", {}),
        ("nms_iou much", "nms_iou: expected a float, got 'much'", {}),
        ("nms_iou 0.5 0.6", "nms_iou: expected a float, got '0.5 0.6'", {}),
        ("min_area_px 1.5", "min_area_px: expected an int, got '1.5'", {}),
        ("use_depth perhaps", "use_depth: expected a bool, got 'perhaps'", {}),
        ("min_depth_m 10", "expected min_depth_m < max_depth_m", {}),
        ("model a.onnx", "model: read when the model is loaded: end this, and give --model", {}),
        ("colour 3", "expected an option, got 'colour': type an option", {}),
        ("\x1b[A", "expected an option, got '\\x1b[A'", {}),
        ("  ", None, {}),
    ],
)
def test_lines(line: str, answer: str | None, changes: dict[str, object]) -> None:
    said: list[str] = []
    turning = Turning(SaomConfig(), said.append)
    turning.take(line)
    assert len(said) == (answer is not None) and (answer is None or (answer in said[0] and "\n" not in said[0]))
    assert dataclasses.asdict(turning.now()) == dataclasses.asdict(SaomConfig()) | changes


def test_the_list_has_every_option_that_can_be_turned() -> None:
    said: list[str] = []
    Turning(SaomConfig(nms_iou=0.6), said.append).take("?")
    assert re.findall(r"^(\w+) = ", said[0], re.MULTILINE) == list(TURNED) and "nms_iou = 0.6, 0.05 to 1" in said[0]
    assert {"score_threshold", "class_score_threshold"} <= set(TURNED) and "model" not in TURNED


def test_nothing_is_read_where_nobody_types() -> None:
    turning = Turning(SaomConfig())
    with open(os.devnull) as nothing:
        assert not turning.listen(nothing) and not turning.listen(None) and not turning.wait(turning.now())
