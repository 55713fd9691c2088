"""`Watch`: a camera's topics for somebody who looks on, each picture decoded and paired with depth as in the node.

It works with sensor_msgs alone, so `saom view` shows topics where the package's own messages were never built.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.validate_full_topic_name import validate_full_topic_name
from sensor_msgs.msg import CompressedImage, Image

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.messages.cameras import info_topic_beside
from saom_core.messages.pictures import rgb_from_image
from saom_ros.camera_infos import CameraInfos
from saom_ros.inputs import Callbacks, Inputs, type_name
from saom_ros.matcher import Frame, FrameMatcher
from saom_ros.metric_inputs import MetricInputs, SteadyTroubles
from saom_ros.parameters import NodeConfig

EXPIRY_S = 0.05
"""How often it is looked whether a picture has waited for its depth for too long."""
LOOK_S = 0.5
"""How often the graph of topics is looked at."""
SILENT_S = 2.0
"""After so long without a message it is told what is missing; discovery alone takes a second."""


@dataclass(frozen=True)
class Topics:
    """What to listen to; a name without a slash in front begins at the root.

    Raises:
        InputError: a name that no topic can have.
    """

    image: str  # Image or CompressedImage
    depth: str | None = ""  # aligned to it; "": not named; None: not wanted
    camera_info: str = ""  # "": the one beside the pictures

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", _full_name(self.image))
        object.__setattr__(self, "depth", self.depth and _full_name(self.depth))
        object.__setattr__(self, "camera_info", _full_name(self.camera_info or info_topic_beside(self.image)))


@dataclass(frozen=True)
class Seen:
    """One picture of a camera."""

    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    received_s: float  # monotonic clock
    depth_m: npt.NDArray[np.float32] | None  # (H, W)
    camera: CameraIntrinsics | None


class Watch:
    """Listens to the topics of a camera while a `with` lasts; iterating gives the newest picture, again and again.

    Pictures that come while nobody asks for one are left out but for the last, so what is shown is never old.

    Args:
        topics: their names.
        core: gives the options of now, for the range of valid distances.
        config: how the inputs are understood.
        tell: takes what a person should know, each thing once.
    """

    def __init__(
        self, topics: Topics, core: Callable[[], SaomConfig], config: NodeConfig, tell: Callable[[str], None]
    ) -> None:
        self._topics, self._core, self._config, self._tell = topics, core, config, tell
        self._told: dict[str, str] = {}
        self._context = rclpy.Context()
        self._context.init()  # unlike rclpy.init() it leaves Ctrl-C to the caller
        names = {"image": topics.image, "depth": topics.depth, "camera_info": topics.camera_info}
        rules = [word for name, topic in names.items() if topic for word in ("-r", f"{name}:={topic}")]
        self._node = Node(f"saom_view_{os.getpid()}", context=self._context, cli_args=["--ros-args", *rules])
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._matcher = FrameMatcher()
        self._matcher.tolerance_s, self._matcher.timeout_s = config.sync_tolerance_s, config.sync_timeout_s
        self._metric, self._troubles = MetricInputs(topics.image, topics.depth or ""), SteadyTroubles()
        self._infos = CameraInfos()
        self._newest: Frame | None = None
        self._failure: BaseException | None = None  # what ended the executor's thread
        self._changed = threading.Condition()
        take = Callbacks(self._on_image, self._on_depth, self._infos.add, self._infos.add)
        self._inputs = Inputs(self._node, config.image_transport, (), take)
        self._spinner = threading.Thread(target=self._spin, name="saom-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._inputs.open()
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self._node.create_timer(EXPIRY_S, self._on_clock, clock=steady)
        self._node.create_timer(LOOK_S, self._look, clock=steady)
        self._spinner.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._context.shutdown()  # ends the spinning, too
        self._spinner.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def __iter__(self) -> Iterator[Seen]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._failure is not None)
                if self._failure is not None:
                    raise self._failure
                frame, self._newest = self._newest, None
            seen = None if frame is None else self._seen(frame)
            if seen is not None:
                yield seen

    def _seen(self, frame: Frame) -> Seen | None:
        """The decoded frame; None, and why is told, where it has no picture."""
        image, depth = frame.image, frame.depth
        try:
            rgb = rgb_from_image(image)
        except InputError as error:
            self._tell_once("frame", str(error))
            return None
        self._tell_once("frame", "")
        size_hw = rgb.shape[0], rgb.shape[1]
        info = self._infos.of(image.header)
        geometry = self._metric.of(image.header, size_hw, (depth, info), self._core(), self._config)
        for name, trouble in self._troubles.of_frame(geometry.troubles).items():
            self._tell_once(name, "" if trouble is None else str(trouble))
        return Seen(rgb, frame.received_s, geometry.depth_m, geometry.camera)

    def _tell_once(self, name: str, text: str) -> None:
        """Tells of a trouble when it begins, and again when it has ended and come back."""
        if text and self._told.get(name) != text:
            self._tell(text)
        self._told[name] = text

    # --- what the executor's thread does ---------------------------------------------------------------------------

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except BaseException as error:  # or whoever asks for a picture would wait for ever
            with self._changed:
                self._failure = error
                self._changed.notify()

    def _on_image(self, message: Image | CompressedImage) -> None:
        self._matcher.expects_depth = self._wants_depth() and self._inputs.depth.publishers() > 0
        self._catch(self._matcher.add_image(message, time.monotonic()))

    def _on_depth(self, message: Image | CompressedImage) -> None:
        self._catch(self._matcher.add_depth(message, time.monotonic()))

    def _on_clock(self) -> None:
        self._catch(self._matcher.expire(time.monotonic()))

    def _catch(self, frame: Frame | None) -> None:
        if frame is not None:
            with self._changed:
                self._newest = frame
                self._changed.notify()

    def _wants_depth(self) -> bool:
        return bool(self._topics.depth) and self._core().use_depth

    def _look(self) -> None:
        """Tells what does not come and why, and of depth that could be shown."""
        missing = self._inputs.missing(time.monotonic(), SILENT_S, use_depth=self._wants_depth())
        for name in ("image", "depth input", "camera_info input"):
            self._tell_once(name, missing.get(name, ""))
        if self._topics.depth == "" and self._inputs.image.last_s is not None and "depth topics" not in self._told:
            of_pictures = {type_name(Image), type_name(CompressedImage)}
            known = self._node.get_topic_names_and_types()
            published = [
                name for name, kinds in known if of_pictures & set(kinds) and self._node.count_publishers(name)
            ]
            found = sorted(name for name in published if "depth" in name.lower())
            if found:
                self._tell_once("depth topics", f"shown without depth: --depth-topic takes one of {', '.join(found)}")


def _full_name(topic: str) -> str:
    """The name from the root on.

    Raises:
        InputError: no topic can have it.
    """
    name = f"/{topic.removeprefix('/')}"
    try:
        validate_full_topic_name(name)
    except InvalidTopicNameException as error:
        raise InputError(
            f"expected the name of a topic, got {topic!r}: {' '.join(str(error).split())}: `ros2 topic list` has them"
        ) from error
    return name
