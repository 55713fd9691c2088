"""Video files and cameras as frames with their times, and frames as a video file, by OpenCV."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

# FFmpeg and OpenCV write their own complaints on standard error; whoever wants them sets these variables.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

from saom_core.errors import InputError  # noqa: E402
from saom_core.files import draft_of, move_into_place  # noqa: E402

# fmt: off
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp",
    ".ogv", ".mjpeg",
)
# fmt: on
"""A file with one of these endings is taken for a video."""
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
"""Suffix of a video that can be written -> its codec: those that every OpenCV wheel encodes."""
CAMERA_FPS = 30.0
"""Frames per second of a camera that does not tell."""
LOST_SHARE = 0.02
"""Containers estimate their length; a video that ends more than this share before it is cut or damaged."""


@dataclass(frozen=True)
class Frame:
    """One picture of a video or of a camera."""

    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    index: int  # from 0 on
    stamp_s: float  # seconds since the first frame; rises from frame to frame


class Video:
    """The frames of a video file or of a camera, one after the other, once.

    Args:
        source: path of a video file, or the number of a camera, 0 being the first.

    Raises:
        InputError: no such file or camera, or none that OpenCV can open.
    """

    def __init__(self, source: str | os.PathLike[str] | int) -> None:
        self.is_camera = isinstance(source, int)
        self.name = f"camera {source}" if isinstance(source, int) else os.fspath(source)
        if not isinstance(source, int):
            _check_file(Path(source))
        with _quiet():
            self._capture = cv2.VideoCapture(source) if isinstance(source, int) else _capture_of(os.fspath(source))
            opened = self._capture.isOpened()
            first = self._capture.read() if opened else (False, None)
        if not first[0]:
            self._capture.release()
            raise InputError(_no_camera(source) if isinstance(source, int) else _no_video(self.name))
        self._first: np.ndarray | None = first[1]
        self._first_at_s = self._position_s()
        told = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = told if 0 < told < 1000 else CAMERA_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if not self.is_camera and 0 < count < 2**40 else None
        """How many frames the file says it has; None: it does not say, or a camera."""
        self.frames_read = 0
        self._last_s = 0.0  # stamp of the last frame that was read

    @property
    def is_cut(self) -> bool:
        """Whether the frames ended well before those that the file announces; of use when they have been read.

        By their times: of a variable rate there are fewer than length times rate, which containers announce.
        """
        announced_s = (self.frame_count or 0) / self.fps
        return announced_s - self._last_s - 1 / self.fps > max(1 / self.fps, LOST_SHARE * announced_s) * (1 + 1e-6)

    def __iter__(self) -> Iterator[Frame]:
        image_bgr, at_s, last_s = self._first, self._first_at_s, -1.0
        begun_s = self._first_at_s
        while image_bgr is not None:
            self._first = None
            # a damaged or missing time must not stop the clock, by which objects are tracked
            stamp_s = at_s - begun_s if at_s - begun_s > last_s else last_s + 1 / self.fps
            image_rgb = np.ascontiguousarray(image_bgr[:, :, ::-1], np.uint8)
            index, last_s = self.frames_read, stamp_s
            self._last_s = stamp_s
            self.frames_read += 1
            yield Frame(image_rgb, index, stamp_s)
            read, image_bgr = self._capture.read()
            image_bgr, at_s = (image_bgr, self._position_s()) if read else (None, 0.0)
        self.close()

    def close(self) -> None:
        """Gives file or camera free."""
        self._capture.release()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _position_s(self) -> float:
        if self.is_camera:
            return time.monotonic()  # the drivers' own times begin anywhere, or are missing
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000


class VideoWriter:
    """A video file that is there whole or not at all; its format follows from its name.

    Pictures are given with their times. At the file's constant rate each is shown until the next one, so that a film of
    a slow camera plays as fast as what it saw.

    Args:
        path: the file, with a suffix of `CODECS`; its folder must exist.
        fps: frames per second of the file.

    Raises:
        InputError: another suffix; or, at the first picture, a size that the codec does not take.
    """

    def __init__(self, path: Path, fps: float) -> None:
        check_video_output(path)
        self.path, self.fps = path.resolve(), fps
        self._draft = draft_of(self.path, self.path.suffix)
        self._writer: cv2.VideoWriter | None = None
        self._size_hw = (0, 0)
        self._written = 0
        self._shown: np.ndarray | None = None  # the picture whose time has come, and is written when it has passed

    def add(self, image_rgb: npt.NDArray[np.uint8], stamp_s: float) -> None:
        """The next picture.

        Args:
            image_rgb: (H, W, 3) uint8, all of one size.
            stamp_s: seconds since the first one.

        Raises:
            InputError: see `VideoWriter`, or a picture of another size.
        """
        if self._writer is None:
            self._open(image_rgb.shape[:2])
        if image_rgb.shape[:2] != self._size_hw:
            raise InputError(f"expected pictures of {self._size_hw} pixels, got {image_rgb.shape[:2]}: all of one size")
        self._show_until(round(stamp_s * self.fps))
        self._shown = np.ascontiguousarray(image_rgb[:, :, ::-1])

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Finishes the file; after an error, but for Ctrl-C, there is none."""
        try:
            if kind is None or kind is KeyboardInterrupt:
                self._finish()
        finally:
            if self._writer is not None:
                self._writer.release()
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)

    def _open(self, size_hw: tuple[int, ...]) -> None:
        height, width = size_hw
        code = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
        with _quiet():
            self._writer = cv2.VideoWriter(str(self._draft), cv2.CAP_FFMPEG, code, self.fps, (width, height))
        if not self._writer.isOpened():
            raise InputError(
                f"{self.path}: expected a video that OpenCV {cv2.__version__} can write, got none of {width}x{height} "
                f"pixels at {self.fps:g} frames/s as {self.path.suffix}: write out.avi, or check that there is space"
            )
        self._size_hw = (height, width)

    def _show_until(self, frame: int) -> None:
        while self._shown is not None and self._writer is not None and self._written < frame:
            self._writer.write(self._shown)
            self._written += 1

    def _finish(self) -> None:
        if self._writer is None:
            return
        self._show_until(self._written + 1)
        self._writer.release()
        move_into_place(self._draft, self.path)


def check_video_output(path: Path) -> None:
    """Refuses a name that is no video's.

    Raises:
        InputError: a suffix that is not written.
    """
    if path.suffix.lower() not in CODECS:
        raise InputError(f"expected a video such as out.mp4 ({' '.join(CODECS)}), got {path}: give it such a name")


def cameras() -> list[int]:
    """The numbers of the cameras that Linux knows; whether one gives pictures, only an attempt tells."""
    numbers = (path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
    return sorted(int(number) for number in numbers if number.isdecimal())


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"expected a video at {path}, got: {error.strerror}: check the path") from error
    if empty:
        raise InputError(f"expected a video at {path}, got an empty file: copy it again")


def _capture_of(path: str) -> cv2.VideoCapture:
    """FFmpeg's, where OpenCV has it: it reads most, and others complain loudly of what they do not know."""
    has_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getBackends()
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)


def _no_video(path: str) -> str:
    return (
        f"expected a video at {path} that OpenCV {cv2.__version__} can read, got none: where other players show it, "
        f"convert it with `ffmpeg -i {Path(path).name} -c:v libx264 new.mp4`; else copy it again, for it is cut"
    )


def _no_camera(number: int) -> str:
    there = cameras()
    if number not in there:
        known = f"cameras {', '.join(map(str, there))}" if there else "no camera at all"
        remedy = "take one of them" if there else "plug it in; a container needs --device /dev/video0"
        return f"expected a camera of number {number}, got {known}: {remedy}"
    return (
        f"expected pictures of camera {number}, got none from /dev/video{number}: close what else uses it, check that "
        "you may read it (group video), or take another number: one camera may have several, and not all give pictures"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV says nothing itself of what is told as an error here, nor of the webm that it writes all the same."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    stderr = os.dup(2)  # some of it goes there without the logger
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
        cv2.utils.logging.setLogLevel(before)
