"""`CameraInfos`: which camera_info belongs to a picture, where region of interest or zoom change while frames come."""

from __future__ import annotations

import threading

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from saom_ros.matcher import stamp_ns

KEPT = 32
"""The most that are kept; at 30 Hz those of one second."""

PATIENCE_S = 0.05
"""A driver sends the picture first, and its camera_info a moment later."""

HOPE, REGAINED = 3.0, 0.25
"""So many waits in vain end the waiting; each picture whose camera_info is there gives some of it back."""


class CameraInfos:
    """The last camera_infos of one topic; they come and are asked for in different threads."""

    def __init__(self) -> None:
        self._by_stamp: dict[int, CameraInfo] = {}  # nanoseconds -> the newest of that stamp, the oldest first
        self._newest: CameraInfo | None = None
        self._asked_ns = 0  # stamp of the last picture
        self._together = False  # whether they come with the stamps of the pictures
        self._hope = HOPE
        self._changed = threading.Condition()

    def add(self, info: CameraInfo) -> None:
        """Takes one that has come."""
        stamp = stamp_ns(info.header)
        with self._changed:
            self._newest = info
            if stamp:
                self._by_stamp.pop(stamp, None)
                self._by_stamp[stamp] = info
                self._together |= stamp == self._asked_ns
            if len(self._by_stamp) > KEPT:
                del self._by_stamp[next(iter(self._by_stamp))]
            self._changed.notify_all()

    def of(self, header: Header) -> CameraInfo | None:
        """That of a picture's stamp, else the newest; None where none has come. Not to be called by the executor.

        Where they come with the stamps of the pictures it is waited for, unless that was in vain again and again.
        """
        stamp = stamp_ns(header)
        with self._changed:
            self._asked_ns = stamp
            waits = bool(stamp) and self._together and stamp not in self._by_stamp and self._hope >= 1
            if waits:
                self._changed.wait_for(lambda: stamp in self._by_stamp, PATIENCE_S)
            self._together = stamp in self._by_stamp
            self._hope = min(HOPE, self._hope + REGAINED) if self._together else self._hope - waits
            return self._by_stamp.get(stamp, self._newest)
