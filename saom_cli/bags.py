"""Recordings of ROS (MCAP, rosbag2's SQLite, ROS 1) as frames: each picture with the depth and camera of its moment."""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore
from tqdm import tqdm

from saom_cli.bag_messages import CAMERA_INFO, COMPRESSED, IMAGE, camera_info_of, stamp_ns
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.messages.cameras import CameraOfStream, info_topic_beside, kind_of_picture
from saom_core.messages.headers import check_frame_id
from saom_core.messages.pictures import depth_from_image, depth_type, rgb_from_image
from saom_core.places.depth_checks import depth_problem, depth_scale_of

TOLERANCE_NS = 20_000_000
"""Stamps of a picture and of its depth differ by so much at most, as in the node."""
PATIENCE_NS = 1_000_000_000
"""How much later in the recording a picture stops to wait for its depth."""


@dataclass(frozen=True)
class BagFrame:
    """One picture of a recording, not decoded yet."""

    number: int  # from 0 on
    image: Any  # Image or CompressedImage
    log_ns: int  # when it was recorded
    decode: Callable[[], Decoded]
    depth: Callable[[tuple[int, int]], npt.NDArray[np.float32] | None]  # of a picture of a size (height, width)
    camera: Callable[[tuple[int, int]], CameraIntrinsics | None]  # as depth


@dataclass(frozen=True)
class Decoded:
    """What a frame shows."""

    image_rgb: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32] | None
    camera: CameraIntrinsics | None


class Bag:
    """An open recording.

    Args:
        path: a file, or the folder of a rosbag2 recording.
        args: parsed options of `add_topic_arguments` and `add_depth_scale_argument`.
        config: gives the options of now; depth is judged by its range.

    Raises:
        InputError: no recording, one that was not closed, or topics that are not in it or of another type.
    """

    def __init__(self, path: Path, args: argparse.Namespace, config: Callable[[], SaomConfig]) -> None:
        try:
            if not path.exists():
                raise InputError(f"expected a recording of ROS at {path}, got nothing: check the path")
            self._reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
            self._reader.open()
        except InputError:
            raise
        except Exception as error:  # libraries of three formats raise errors of their own on broken files
            raise InputError(
                f"expected a recording of ROS at {path}, got: {' '.join(str(error).split())}: if it was not closed, "
                "`ros2 bag reindex` (of an .mcap `mcap recover`) mends it"
            ) from error
        self.reader, self.path, self._config = self._reader, path, config
        self._rectified, self._depth_scale, self._check_frames = args.rectified, args.depth_scale, args.check_frames
        try:
            self.image = self._topic("--image-topic", args.image_topic, (IMAGE, COMPRESSED), _is_picture)
            wanted = "" if args.depth_topic == "none" else args.depth_topic
            self.depth = (
                None
                if args.depth_topic == "none"
                else self._topic("--depth-topic", wanted, (IMAGE,), _is_depth, needed=False)
            )
            beside = info_topic_beside(str(self.image))
            given = args.camera_info_topic or (beside if self._has(beside, CAMERA_INFO) else "")
            self.info = self._topic("--camera-info-topic", given, (CAMERA_INFO,), lambda _: True, needed=False)
        except InputError:
            self.close()
            raise
        self._camera = CameraOfStream()
        self._told: set[str] = set()
        self.count = sum(one.msgcount for one in self.reader.connections if one.topic == self.image)

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        with suppress(AnyReaderError):
            self.reader.close()

    def frames(self) -> Iterator[BagFrame]:
        """All pictures in the order in which they were recorded."""
        topics = {self.image, self.depth, self.info} - {None}
        connections = [one for one in self.reader.connections if one.topic in topics]
        depths: deque[Any] = deque(maxlen=64)
        waiting: deque[tuple[int, Any, int]] = deque()
        info = self._first_info()
        number = 0
        for connection, log_ns, raw in self.reader.messages(connections):
            message = self.reader.deserialize(raw, connection.msgtype)
            if connection.topic == self.info:
                info = message
            elif connection.topic == self.depth:
                depths.append(message)
            else:
                waiting.append((number, message, log_ns))
                number += 1
            while waiting and self._is_ready(waiting[0], depths, log_ns):
                yield self._frame(waiting.popleft(), depths, info)
        while waiting:
            yield self._frame(waiting.popleft(), depths, info)

    def _is_ready(self, image: tuple[int, Any, int], depths: deque[Any], now_ns: int) -> bool:
        newest = max((stamp_ns(depth) for depth in depths), default=0)
        return self.depth is None or newest >= stamp_ns(image[1]) or now_ns - image[2] > PATIENCE_NS

    def _frame(self, waiting: tuple[int, Any, int], depths: deque[Any], info: Any) -> BagFrame:
        number, image, log_ns = waiting
        moment = stamp_ns(image)
        nearest = min(depths, key=lambda depth: abs(stamp_ns(depth) - moment), default=None)
        if nearest is not None and abs(stamp_ns(nearest) - moment) > TOLERANCE_NS:
            nearest = None

        def depth(size_hw: tuple[int, int]) -> npt.NDArray[np.float32] | None:
            return None if nearest is None else self._depth_of(nearest, image, size_hw)

        def camera(size_hw: tuple[int, int]) -> CameraIntrinsics | None:
            return self._camera_of(info, image, size_hw)

        def decode() -> Decoded:
            rgb = rgb_from_image(image)
            size_hw = rgb.shape[0], rgb.shape[1]
            return Decoded(rgb, depth(size_hw), camera(size_hw))

        return BagFrame(number, image, log_ns, decode, depth, camera)

    def _depth_of(self, depth: Any, image: Any, size_hw: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """The depth (H, W) of a picture; what cannot be right is left out as by the node, and told once.

        Raises:
            InputError: it is of another size, or no depth.
        """
        if not self._is_of_frame("depth", depth, image, "give the --depth-topic that is aligned", "without depth"):
            return None
        depth_m = depth_from_image(depth, self._depth_scale)
        if depth_m.shape != size_hw:
            raise InputError(
                f"expected depth of the picture's size {size_hw[1]}x{size_hw[0]} on {self.depth}, got "
                f"{depth_m.shape[1]}x{depth_m.shape[0]}: give the --depth-topic that is aligned, or none"
            )
        options, scale = self._config(), depth_scale_of(depth_type(depth), self._depth_scale)
        problem = depth_problem(depth_m, options.min_depth_m, options.max_depth_m, scale)
        if problem is None:
            return depth_m
        self._tell(problem.kind, problem.text if problem.usable else f"{problem.text}; going on without depth")
        return depth_m if problem.usable else None

    def _camera_of(self, info: Any, image: Any, size_hw: tuple[int, int]) -> CameraIntrinsics | None:
        """The camera of a picture; tells once where it is another one, or it is a guess whether they are rectified."""
        remedy = "name the --camera-info-topic of the pictures"
        if info is None or not self._is_of_frame("camera_info", info, image, remedy, "without positions in metres"):
            return None
        info = camera_info_of(info)
        kind = kind_of_picture(self._rectified, str(self.image), info)
        if kind.doubt:
            self._tell("rectified", kind.doubt)
        return self._camera.of(info, size_hw, rectified=kind.rectified)

    def _is_of_frame(self, name: str, message: Any, image: Any, remedy: str, consequence: str) -> bool:
        """Whether a message has its picture's frame_id, or that is not asked; tells once where it has not."""
        if not self._check_frames:
            return True
        try:
            check_frame_id(
                name, message.header, image.header, f"{remedy}, or --no-check-frames if the two are one place"
            )
        except InputError as error:
            self._tell(f"{name} frame", f"{error}; going on {consequence}")
            return False
        return True

    def _tell(self, kind: str, text: str) -> None:
        """Tells what is wrong, each kind once, since the pictures of a recording mostly share it."""
        if kind not in self._told:
            tqdm.write(f"WARNING: {text}", file=sys.stderr)
        self._told.add(kind)

    def _first_info(self) -> Any:
        """Many drivers send it once, and after the first picture."""
        connections = [one for one in self.reader.connections if one.topic == self.info]
        for connection, _, raw in self.reader.messages(connections) if connections else ():
            return self.reader.deserialize(raw, connection.msgtype)
        return None

    def _has(self, topic: str, kind: str) -> bool:
        return any(one.topic == topic and one.msgtype == kind for one in self.reader.connections)

    def _topic(
        self, option: str, given: str, kinds: tuple[str, ...], fits: Callable[[str], bool], *, needed: bool = True
    ) -> str | None:
        """The topic that is meant: that which is given, or the only one that fits.

        Raises:
            InputError: there is none, or there are several.
        """
        of_kind = sorted({one.topic for one in self.reader.connections if one.msgtype in kinds and one.msgcount})
        if given:
            if given not in of_kind:
                raise InputError(f"{option}: expected one of {', '.join(of_kind) or 'no topic'}, got {given}")
            return given
        found = [topic for topic in of_kind if fits(topic)]
        raw = [topic for topic in found if f"{topic}/compressed" in found]
        found = raw if len(raw) == 1 else found  # the same pictures twice
        aligned = [topic for topic in found if "aligned" in topic]
        found = aligned if len(aligned) == 1 else found
        if len(found) == 1:
            return found[0]
        if not found and not needed:
            return None
        what = ", ".join(found or of_kind) or "no topic of the type"
        raise InputError(f"{self.path}: expected one topic to take, got {what}: name it with {option}")


def _is_depth(topic: str) -> bool:
    return "depth" in topic.lower()


def _is_picture(topic: str) -> bool:
    """A topic that may show what a person would see: no depth, no infrared, none of our own answers."""
    parts = topic.lower().replace("_", "/").split("/")
    return not _is_depth(topic) and not {"ir", "infra", "infra1", "infra2", "mask", "label", "labels", "saom"} & set(
        parts
    )
