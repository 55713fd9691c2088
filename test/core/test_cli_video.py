"""`saom segment` of videos and cameras; what it writes of each frame; hints for what it does not read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_cli import segment_video
from saom_cli.main import main
from saom_cli.sources import source_of
from saom_core.errors import InputError
from saom_core.model import load
from saom_core.naming.track_looks import NamedStream
from saom_core.pictures.photos import read_photo
from saom_core.pictures.videos import Video, VideoWriter
from saom_core.tracking.tracker import Tracker

ROOT = Path(__file__).resolve().parents[2]
LOW = ["--threads", "1", "--score-threshold", "0.3"]
FRAMES = 4


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that looks at a table and turns a little, 4 frames."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    image = read_photo(ROOT / "test" / "sequence" / "image_008.jpg")
    with VideoWriter(path, 10) as writer:
        for k in range(FRAMES):
            writer.add(image[:464, 4 * k : 600 + 4 * k], k / 10)
    return path


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert "Traceback" not in error and len(error.splitlines()) == 1
    return error


def test_a_video_gives_a_film_and_a_line_for_each_frame(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, listing = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    assert main(["segment", str(clip), "-o", str(film), "--json", str(listing), *LOW]) == 0
    lines = lines_of(listing)
    model, tracker = load(threads=1, score_threshold=0.3), Tracker()
    for frame, line in zip(Video(clip), lines, strict=True):
        wanted = tracker.update(model.segment(frame.image_rgb), frame.stamp_s)
        assert (line["image_id"], line["time_s"]) == (frame.index, round(frame.stamp_s, 4))
        assert (line["file_name"], line["height"], line["width"]) == ("clip.avi", 464, 600)
        objects: list[dict[str, object]] = line["objects"]  # type: ignore[assignment]
        assert [one["track_id"] for one in objects] == wanted.track_ids.tolist() and objects
        assert [one["bbox"] for one in objects] == [one["bbox"] for one in wanted.to_coco()]
    drawn = Video(film)
    assert drawn.frame_count == FRAMES
    for frame, before in zip(drawn, Video(clip), strict=True):
        assert np.abs(frame.image_rgb.astype(int) - before.image_rgb).mean() > 5, "the objects are drawn"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("4 frames done, ") and last.endswith(f"written: {film}, {listing}")


@pytest.mark.slow
def test_all_formats_of_a_video_tell_the_same(clip: Path, tmp_path: Path) -> None:
    out, masks, listing = tmp_path / "out", tmp_path / "masks", tmp_path / "out.json"
    command = ["segment", str(clip), "-o", str(out), "--format", "overlay,labels,coco", "--save-masks", str(masks)]
    assert main([*command, "--json", str(listing), "--limit", "2", *LOW]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["coco.json", "labels", "overlay.mp4"]
    coco = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["000000.png", "000001.png"]
    results = json.loads(listing.read_text())
    assert [one["bbox"] for one in coco["annotations"]] == [one["bbox"] for one in results]
    for number, image in enumerate(coco["images"]):
        labels = cv2.imread(str(out / "labels" / image["file_name"]), cv2.IMREAD_UNCHANGED)
        rows = [one for one in coco["annotations"] if one["image_id"] == number]
        assert labels.dtype == np.uint16 and labels.shape == (image["height"], image["width"]) == (464, 600)
        files = sorted((masks / f"{number:06d}").iterdir())
        assert len(files) == len(rows) == labels.max() > 0
        for k, (file, row) in enumerate(zip(files, rows, strict=True)):
            mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            assert set(np.unique(mask)) == {0, 255} and np.count_nonzero(mask) == row["area"]
            assert (mask[labels == k + 1] == 255).all(), "where an object is in front, its own mask has it"
            assert row["category_id"] < len(coco["categories"]) and file.name.startswith(f"{k + 1:03d}_")


def test_ctrl_c_keeps_what_was_done(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(NamedStream):
        def update(self, image_rgb, stamp_s, *rest, **more):  # type: ignore[no-untyped-def]
            if stamp_s > 0.15:
                raise KeyboardInterrupt
            return super().update(image_rgb, stamp_s, *rest, **more)

    monkeypatch.setattr(segment_video, "NamedStream", Interrupted)
    film, listing = tmp_path / "out.mp4", tmp_path / "out.json"
    command = ["segment", str(clip), "-o", str(film), "--json", str(listing), *LOW]
    assert main(command) == 130
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "saom segment: interrupted" and "frames done" in said.out
    assert {one["image_id"] for one in json.loads(listing.read_text())} == {0, 1}
    assert Video(film).frame_count == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.mp4"]


def test_a_camera_ends_by_ctrl_c_with_all_that_it_saw(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Camera(Video):
        def __init__(self, source: object) -> None:
            assert source == 0
            super().__init__(clip)
            self.is_camera, self.name, self.frame_count = True, "camera 0", None

        def __iter__(self):  # type: ignore[no-untyped-def]
            yield from super().__iter__()
            raise KeyboardInterrupt

    monkeypatch.setattr(segment_video, "Video", Camera)
    listing = tmp_path / "out.jsonl"
    assert main(["segment", "0", "--json", str(listing), *LOW]) == 0
    assert len(lines_of(listing)) == FRAMES and lines_of(listing)[0]["file_name"] == "camera 0"
    assert "until Ctrl-C" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_run_leaves_the_lines_of_the_frames_before(clip: Path, tmp_path: Path) -> None:
    film, listing = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    film.write_bytes(b"an older one")
    program = (
        "import os, signal\nfrom saom_cli import segment_video\nfrom saom_cli.main import main\n"
        "class Dying(segment_video.NamedStream):\n"
        "    def update(self, image_rgb, stamp_s, *rest):\n"
        "        if stamp_s > 0.15: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().update(image_rgb, stamp_s, *rest)\n"
        "segment_video.NamedStream = Dying\n"
        f"main(['segment', {str(clip)!r}, '-o', {str(film)!r}, '--json', {str(listing)!r}, *{LOW!r}])"
    )
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode
    assert died == -signal.SIGKILL
    assert [line["image_id"] for line in lines_of(listing)] == [0, 1] and film.read_bytes() == b"an older one"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["97"], "expected a camera of number 97, got"),
        (["-"], "write it to a file first"),
        (["https://a.org/b.jpg"], "download it first, as with `curl -LO https://a.org/b.jpg`"),
        (["rtsp://10.0.0.1/live"], "ffmpeg -i rtsp://10.0.0.1/live"),
        (["nope.jpg"], "got nothing (looked in {folder}): check the path"),
        (["/dev/video2"], "got /dev/video2: give its number, 2"),
        (["/dev/null"], "got neither: give a file or a folder"),
        (["{photo}", "--depth", "nodepth.png"], "expected depth at nodepth.png, got nothing: check the path"),
        (["{folder}/photos", "-o", "a.png"], "got a.png, the name of one file: give a folder, as -o a"),
        (["{photo}", "-o", "a.PNG", "--format", "overlay,labels"], "got a.PNG, the name of one file"),
        (["{clip}", "-o", "a.mp4", "--format", "overlay,labels"], "got a.mp4, the name of one file"),
        (["missing.mp4"], "expected a video at missing.mp4"),
        (["{folder}/bag.mcap"], "`saom replay"),
        (["{folder}/videos"], "got 1 videos: give one of them, as {folder}/videos/a.mp4"),
        (["{folder}"], "got none, but in folders below it: give one, as {folder}/photos"),
        (["{clip}", "--depth", "a.png"], "expected no --depth with a video"),
        (["{clip}", "--point", "3,4"], "expected no --point with a video"),
        (["{clip}", "--one-object"], "expected no --one-object with a video"),
        (["{clip}", "-o", "a.png"], "expected a video such as out.mp4"),
        (["{clip}", "-o", "{clip}"], "got one that is read"),
        (["{clip}", "-o", "a.png", "--format", "labels"], "expected a folder for the label images"),
        (["{clip}", "-o", "a.png", "--format", "coco"], "such as out.json"),
        (["{clip}", "--format", "labels"], "expected -o with --format"),
        (["{photo}", "-o", "a.jpg", "--format", "labels"], "out.png, which keeps 16 bits"),
        (["{photo}", "-o", "a.png", "--format", "coco"], "such as out.json"),
    ],
)
def test_hints(
    clip: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.png", "videos/a.mp4", "bag.mcap"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    before = clip.read_bytes()
    places = {"{folder}": str(tmp_path), "{clip}": str(clip), "{photo}": str(tmp_path / "photos" / "a.png")}
    for word, place in places.items():
        arguments, message = [one.replace(word, place) for one in arguments], message.replace(word, place)
    assert main(["segment", *arguments]) == 1
    assert message in error_of(capsys) and clip.read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("a.", "."))]


def test_a_cut_video_is_told_after_its_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "a.mkv", 10) as writer:
        for k in range(12):
            writer.add(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8), k / 10)
    content = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(content[: len(content) // 2])
    assert main(["segment", str(tmp_path / "b.mkv"), "--threads", "1"]) == 1
    said = capsys.readouterr()
    assert "the file is cut or damaged there" in said.err and "frames done" in said.out
    assert main(["segment", str(tmp_path / "b.mkv"), "--threads", "1", "--limit", "1"]) == 0


def test_a_number_is_a_camera_and_a_path_is_a_path() -> None:
    assert source_of("0") == 0 and source_of("12") == 12
    assert source_of("./0") == Path("0") and source_of("a 1.mp4") == Path("a 1.mp4") and source_of("-1") == Path("-1")
    for word in ("-", "http://a", "udp://@:1234", "ros:/camera/image_raw"):
        with pytest.raises(InputError):
            source_of(word)
