"""Videos are read frame by frame with their times, and written so that they play as what they show happened."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import saom_core
from saom_core.errors import InputError
from saom_core.pictures import videos
from saom_core.pictures.videos import CODECS, LOST_SHARE, Frame, Video, VideoWriter

SEQUENCE = Path(__file__).resolve().parents[3] / "test" / "sequence"


def grey(level: int, size_hw: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size_hw, 3), level, np.uint8)


def film(path: Path, levels: list[int], fps: float = 10.0) -> Path:
    with VideoWriter(path, fps) as writer:
        for k, level in enumerate(levels):
            writer.add(grey(level), k / fps)
    return path


def levels_of(path: Path) -> list[int]:
    return [round(float(frame.image_rgb.mean()) / 20) * 20 for frame in Video(path)]


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_what_is_written_is_read(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = film(tmp_path / f"a{suffix}", [0, 60, 120, 180, 240])
    with Video(path) as video:
        assert (video.frame_count, round(video.fps, 3), video.is_camera) == (5, 10.0, False)
        frames = list(video)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4] and not video.is_cut
    assert np.allclose([frame.stamp_s for frame in frames], np.arange(5) / 10, atol=1e-3)
    assert all(frame.image_rgb.dtype == np.uint8 and frame.image_rgb.shape == (48, 64, 3) for frame in frames)
    assert levels_of(path) == [0, 60, 120, 180, 240]
    assert [one.name for one in tmp_path.iterdir()] == [path.name], "no draft is left"
    assert capfd.readouterr().err == "", "nothing is said that is no fault"


def test_red_stays_red(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.avi", 10) as writer:
        writer.add(np.full((48, 64, 3), (200, 30, 30), np.uint8), 0.0)
    [frame] = Video(tmp_path / "a.avi")
    red, green, blue = frame.image_rgb.reshape(-1, 3).mean(axis=0)
    assert red > 180 and green < 60 and blue < 60


def test_a_film_plays_as_fast_as_what_it_shows(tmp_path: Path) -> None:
    """Pictures at 0, 0.1, 0.4 and 0.41 s in a film of ten a second: the second stays for three frames."""
    with VideoWriter(tmp_path / "a.avi", 10) as writer:
        for stamp_s, level in ((0.0, 0), (0.1, 80), (0.4, 160), (0.41, 240)):
            writer.add(grey(level), stamp_s)
    assert levels_of(tmp_path / "a.avi") == [0, 80, 80, 80, 240], "of two in one tenth the later one is shown"


def test_a_film_that_fails_leaves_nothing(tmp_path: Path) -> None:
    old = film(tmp_path / "a.avi", [40])
    before = old.read_bytes()
    with pytest.raises(InputError, match="all of one size"), VideoWriter(old, 10) as writer:
        writer.add(grey(0), 0.0)
        writer.add(grey(0, (50, 64)), 0.1)
    assert old.read_bytes() == before and list(tmp_path.iterdir()) == [old]
    with pytest.raises(KeyboardInterrupt), VideoWriter(old, 10) as writer:
        writer.add(grey(100), 0.0)
        raise KeyboardInterrupt
    assert levels_of(old) == [100], "Ctrl-C keeps what was done"
    with pytest.raises(InputError, match="such as out.mp4"):
        VideoWriter(tmp_path / "a.txt", 10)
    with VideoWriter(tmp_path / "none.mp4", 10):
        pass
    assert not (tmp_path / "none.mp4").exists()


def test_a_cut_video_is_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "a.mkv", 10) as writer:
        for k in range(60):
            writer.add(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), k / 10)
    content = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(content[: len(content) // 2])
    for name, cut in (("a.mkv", False), ("b.mkv", True)):
        video = Video(tmp_path / name)
        assert video.frame_count == 60 and (len(list(video)) < 60) == cut and video.is_cut == cut
    assert 0 < LOST_SHARE < 0.1


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_whole_video_of_a_variable_rate_is_not_cut(tmp_path: Path, suffix: str) -> None:
    """As of a phone in the dark or of a screen: 24 frames in 7.6 s, where 10 a second would be 76."""
    av = pytest.importorskip("av")
    ticks = [*range(8), *range(10, 50, 5), *range(50, 60, 4), 70, 71, 72, 74, 75]  # tenths of a second
    rng, path = np.random.default_rng(0), tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for tick in ticks:
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), format="rgb24")
            frame.pts = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = Video(path)
    stamps = [frame.stamp_s for frame in video]
    np.testing.assert_allclose(stamps, np.array(ticks) / 10, atol=0.02)
    assert not video.is_cut
    if suffix == ".mkv":  # it announces by its length and rate more frames than there are
        assert video.frame_count is not None and video.frame_count > 2 * len(ticks)
        (tmp_path / "b.mkv").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        cut = Video(tmp_path / "b.mkv")
        assert 0 < len(list(cut)) < len(ticks) and cut.is_cut


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "an empty file"), (b"no video at all", "convert it with `ffmpeg")],
)
def test_what_is_no_video(
    tmp_path: Path, content: bytes | None, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=message):
        Video(tmp_path / "a.mp4")
    assert capfd.readouterr().err == "", "OpenCV and FFmpeg are quiet"


def test_cameras_that_do_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, message in (([], "no camera at all"), ([0, 2], "cameras 0, 2"), ([97], "from /dev/video97")):
        monkeypatch.setattr(videos, "cameras", lambda there=there: there)
        with pytest.raises(InputError, match=message):
            Video(97)


class Camera:
    """What OpenCV gives of a camera."""

    def __init__(self, *_: object) -> None:
        self.left = 3

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, grey(self.left)) if self.left >= 0 else (False, None)

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FPS: 0.0, cv2.CAP_PROP_FRAME_COUNT: -1.0}.get(what, 0.0)

    def release(self) -> None:
        self.left = 0


def test_frames_of_a_camera_have_the_time_at_which_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.5, 100.2])
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(videos.time, "monotonic", lambda: next(clock))
    video = Video(0)
    assert video.is_camera and video.frame_count is None and video.fps == videos.CAMERA_FPS
    stamps = [frame.stamp_s for frame in video]
    assert stamps[:2] == [0.0, 0.5] and stamps[2] > 0.5, "time never stands still or goes back"


def panned(path: Path, frames: int = 6) -> Path:
    """A camera that looks at a real table and turns a little."""
    image = cv2.cvtColor(cv2.imread(str(SEQUENCE / "image_008.jpg")), cv2.COLOR_BGR2RGB)
    with VideoWriter(path, 10) as writer:
        for k in range(frames):
            writer.add(image[:464, 4 * k : 600 + 4 * k], k / 10)
    return path


def test_python_goes_through_a_video_and_ids_stay(tmp_path: Path) -> None:
    model = saom_core.load(threads=1)
    pairs = list(model.video(panned(tmp_path / "a.mp4")))
    assert [type(frame) for frame, _ in pairs] == [Frame] * 6
    ids = [set(instances.track_ids.tolist()) for _, instances in pairs]
    assert all(min(one) >= 1 for one in ids) and len(set.intersection(*ids)) >= 3
    for frame, instances in pairs:
        assert instances.plot(frame.image_rgb).shape == frame.image_rgb.shape == (*instances.size_hw, 3)
    with pytest.raises(InputError, match="go through `video"):
        model.segment(str(tmp_path / "a.mp4"))


def test_many_pictures_one_after_the_other_are_what_each_is_alone() -> None:
    model = saom_core.load(threads=1)
    paths = [SEQUENCE / "image_008.jpg", SEQUENCE / "image_009.jpg"]
    taken = []

    def one_by_one() -> object:
        for path in paths:
            taken.append(path)
            yield path

    stream = model.stream(one_by_one())
    first = next(stream)
    assert taken == paths[:1], "a picture is taken when it is wanted"
    for path, instances in zip(paths, [first, *stream], strict=True):
        alone = model.segment(path)
        assert np.array_equal(instances.dense_masks(), alone.dense_masks()) and len(alone)
