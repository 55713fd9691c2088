"""Brings a camera's image and its depth together by stamp (the package message_filters is not installed everywhere)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

KEPT = 32
"""The most images, and depths, that are kept to find their partners; at 30 Hz those of one second."""

PATIENCE = 5
"""After so many images in a row without depth the next ones do not wait, until depth with a fitting stamp comes."""


@dataclass(frozen=True)
class Frame:
    """An image, with the depth of the same moment where there is one."""

    image: Image | CompressedImage
    depth: Image | CompressedImage | None
    received_s: float  # monotonic clock, when the image came


def stamp_ns(header: Header) -> int:
    """A header's stamp in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


class FrameMatcher:
    """Pairs images with depths whose stamps lie within a tolerance; an image that waits too long goes on without depth.

    Not thread-safe: images, depths and the clock come from one executor thread. Frames come out in the order in which
    their images arrived; an image that arrived before one that has come out is dropped and counted.
    """

    def __init__(self) -> None:
        self.tolerance_s = 0.02
        self.timeout_s = 0.2
        self.expects_depth = False
        self.dropped = 0  # images that were dropped because a newer one had gone on first
        self.alone = 0  # images in a row that went on without depth, though depth was expected
        self.nearest_s: float | None = (
            None  # from the last image that went on without depth to the nearest depth, by their stamps
        )
        self.late_s: float | None = None  # how long after an image that went on without it its depth came
        self._images: deque[Frame] = deque()
        self._depths: deque[Image | CompressedImage] = deque(maxlen=KEPT)
        self._gone_alone: deque[Frame] = deque(maxlen=KEPT)

    def add_image(self, image: Image | CompressedImage, now_s: float) -> Frame | None:
        """Takes an image; returns the frame that is ready now, if any."""
        frame = Frame(image, None, now_s)
        if not self.expects_depth:
            self._begin_anew()
            return self._release(frame)
        # Of several with the nearest stamp the newest: drivers that set no stamps give the same one to all messages.
        depth = min(reversed(self._depths), key=lambda candidate: self._apart_s(frame, candidate), default=None)
        if depth is not None and self._apart_s(frame, depth) <= self.tolerance_s:
            return self._release(Frame(image, depth, now_s))
        if self.alone >= PATIENCE:
            return self._release_alone(frame)
        self._images.append(frame)
        if len(self._images) > KEPT:
            self._images.popleft()
            self.dropped += 1
        return None

    def add_depth(self, depth: Image | CompressedImage, now_s: float) -> Frame | None:
        """Takes a depth image; returns the frame that it completes, if any."""
        self._depths.append(depth)
        missed = [frame for frame in self._gone_alone if self._apart_s(frame, depth) <= self.tolerance_s]
        if missed:
            self.alone = 0  # depth does come with fitting stamps, so the next images wait for it again
            self.late_s = now_s - missed[-1].received_s
        frame = min(reversed(self._images), key=lambda candidate: self._apart_s(candidate, depth), default=None)
        if frame is None or self._apart_s(frame, depth) > self.tolerance_s:
            return None
        return self._release(Frame(frame.image, depth, frame.received_s))

    @property
    def waiting(self) -> bool:
        """Whether an image waits, so that `expire` must be called."""
        return bool(self._images)

    def expire(self, now_s: float) -> Frame | None:
        """The newest image that has waited too long, if any; to be called regularly."""
        late = [frame for frame in self._images if now_s - frame.received_s >= self.timeout_s]
        return self._release_alone(late[-1]) if late else None

    def clear(self) -> None:
        """Forgets all that waits."""
        self._images.clear()
        self._depths.clear()
        self._gone_alone.clear()
        self._begin_anew()

    def _release(self, frame: Frame) -> Frame:
        while self._images and self._images[0].received_s <= frame.received_s:
            overtaken = self._images.popleft()
            self.dropped += overtaken.image is not frame.image
        if frame.depth is not None:
            self._begin_anew()
        return frame

    def _begin_anew(self) -> None:
        self.alone, self.nearest_s, self.late_s = 0, None, None

    def _release_alone(self, frame: Frame) -> Frame:
        self.alone += 1
        offsets = [(stamp_ns(depth.header) - stamp_ns(frame.image.header)) / 1e9 for depth in self._depths]
        self.nearest_s = min(offsets, key=abs, default=None)
        self._gone_alone.append(frame)
        return self._release(frame)

    @staticmethod
    def _apart_s(frame: Frame, depth: Image | CompressedImage) -> float:
        return abs(stamp_ns(frame.image.header) - stamp_ns(depth.header)) / 1e9
