"""The node's subscriptions to the camera, and why nothing comes where nothing comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
    qos_profile_sensor_data,
)
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""QoS of publishers that send once and keep the message for those who subscribe later."""

SUGGESTIONS = 3
"""The most topics that a message suggests."""


def type_name(kind: type) -> str:
    """A message type as the graph names it: sensor_msgs/msg/Image."""
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def is_renamed(node: Node, name: str) -> bool:
    """Whether somebody has said which topic a name of the node's means."""
    return node.resolve_topic_name(name) != f"{node.get_namespace().rstrip('/')}/{name}"


@dataclass
class Input:
    """One topic that the node listens to.

    Args:
        node: that listens; the name is resolved by its remapping rules.
        name: of the topic.
        kinds: the message types that are understood, in the order in which they are tried.
        callback: takes the messages.
        latched: whether messages that were published once, before the node listened, are wanted, too.
        reliable: whether lost messages are asked for again; only a publisher that offers it then fits.
    """

    node: Node
    name: str
    kinds: tuple[type[Any], ...]
    callback: Callable[[Any], None]
    latched: bool = False
    reliable: bool = False
    last_s: float | None = None  # monotonic clock, when the last message came; None: none has since `open`
    opened_s: float = 0.0
    _kind: type[Any] | None = None
    _subscriptions: list[Subscription[Any]] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """The resolved name."""
        return self.node.resolve_topic_name(self.name)

    @property
    def renamed(self) -> bool:
        """Whether somebody has said which topic it is."""
        return is_renamed(self.node, self.name)

    @property
    def qos(self) -> QoSProfile:
        """What is asked of the publisher: sensor data, which is the newest at best effort, unless `reliable`."""
        reliability = ReliabilityPolicy.RELIABLE if self.reliable else ReliabilityPolicy.BEST_EFFORT
        return QoSProfile(depth=qos_profile_sensor_data.depth, reliability=reliability)

    def open(self) -> None:
        """Subscribes, with the first of the types until a publisher shows which it is."""
        self.last_s, self.opened_s = None, time.monotonic()
        self._subscribe(self.kinds[0])
        self.adapt()

    def close(self) -> None:
        """Takes the subscriptions back."""
        for subscription in self._subscriptions:
            self.node.destroy_subscription(subscription)
        self._subscriptions, self._kind = [], None

    def adapt(self) -> None:
        """Subscribes anew where the topic is published with another of the types than the one subscribed to.

        A process can have one type for a topic only, so the types cannot all be subscribed to from the beginning.
        """
        if len(self.kinds) == 1 or self._kind is None:
            return
        published = {info.topic_type for info in self.node.get_publishers_info_by_topic(self.topic)}
        wanted = [kind for kind in self.kinds if type_name(kind) in published]
        if wanted and self._kind not in wanted:
            self.close()
            self._subscribe(wanted[0])

    def silent_s(self, now_s: float) -> float:
        """Seconds since the last message, or since the start if none has come."""
        return now_s - (self.opened_s if self.last_s is None else self.last_s)

    def publishers(self) -> int:
        """How many publishers the topic has, of whatever type."""
        return self.node.count_publishers(self.topic)

    def cause(self) -> str:
        """Why no message comes, as far as the graph of topics tells, and what to do."""
        infos = self.node.get_publishers_info_by_topic(self.topic)
        types = {type_name(kind) for kind in self.kinds}
        if not infos:
            others = [name for name, kinds in self.node.get_topic_names_and_types() if types & set(kinds)]
            own = f"{self.node.get_fully_qualified_name()}/"
            offered = sorted(name for name in others if not name.startswith(own) and self.node.count_publishers(name))
            suggestion = f" (there is {', '.join(offered[:SUGGESTIONS])})" if offered else ""
            return f"nobody publishes it{suggestion}: start the camera, or name another topic"
        fitting = [info for info in infos if info.topic_type in types]
        if not fitting:
            got = ", ".join(sorted({info.topic_type for info in infos}))
            return f"it is published as {got}, and {' or '.join(sorted(types))} is wanted: name another topic"
        checks = [qos_check_compatible(info.qos_profile, self.qos) for info in fitting]
        if all(compatibility == QoSCompatibility.ERROR for compatibility, _ in checks):
            return f"the publisher's QoS does not fit: {checks[0][1].strip()}"
        return (
            f"{len(fitting)} publisher(s) of the right type send nothing that arrives: is the camera running? Images "
            "that are larger than the shared memory of the DDS profile get lost, too"
        )

    def _subscribe(self, kind: type[Any]) -> None:
        def take(message: Any) -> None:
            self.last_s = time.monotonic()
            self.callback(message)

        # what does not fit is told by `cause`; the two subscriptions of a latched input never fit both
        silent = SubscriptionEventCallbacks(incompatible_qos=_ignore, use_default_callbacks=False)
        profiles = [self.qos, *([LATCHED] if self.latched else [])]
        self._kind = kind
        self._subscriptions = [
            self.node.create_subscription(kind, self.name, take, profile, event_callbacks=silent)
            for profile in profiles
        ]


def _ignore(event: object) -> None:
    """Takes no notice of an event."""


def image_kinds(transport: str) -> tuple[type[Any], ...]:
    """The message types of the parameter `image_transport`: raw, compressed, or auto for both."""
    return {"raw": (Image,), "compressed": (CompressedImage,), "auto": (Image, CompressedImage)}[transport]


DEPTH_INFO = "depth_camera_info"
"""Name of the topic with the intrinsics of a depth camera of its own; it is listened to once somebody names it."""


@dataclass(frozen=True)
class Callbacks:
    """What takes the messages of the inputs."""

    image: Callable[[Image | CompressedImage], None]
    depth: Callable[[Image | CompressedImage], None]
    camera_info: Callable[[CameraInfo], None]
    depth_camera_info: Callable[[CameraInfo], None]


class Inputs:
    """The camera's topics: image, depth, camera_info, and depth_camera_info where somebody names it.

    Args:
        node: that listens.
        transport: see `image_kinds`.
        reliable: names of the topics whose lost messages are asked for again.
        take: their messages.
    """

    def __init__(self, node: Node, transport: str, reliable: Collection[str], take: Callbacks) -> None:
        def one(name: str, kinds: tuple[type[Any], ...], callback: Callable[[Any], None], latched: bool) -> Input:
            return Input(node, name, kinds, callback, latched, reliable=name in reliable)

        self.image = one("image", image_kinds(transport), take.image, latched=False)
        self.depth = one("depth", image_kinds("auto"), take.depth, latched=False)
        self.camera_info = one("camera_info", (CameraInfo,), take.camera_info, latched=True)
        self.depth_camera_info = one(DEPTH_INFO, (CameraInfo,), take.depth_camera_info, latched=True)
        self.all: tuple[Input, ...] = (self.image, self.depth, self.camera_info)
        if self.depth_camera_info.renamed:
            self.all = (*self.all, self.depth_camera_info)

    def open(self) -> None:
        """Subscribes to all of them."""
        for one in self.all:
            one.open()

    def close(self) -> None:
        """Takes all subscriptions back."""
        for one in self.all:
            one.close()

    def missing(self, now_s: float, timeout_s: float, *, use_depth: bool) -> dict[str, str]:
        """What does not come, with the cause and what to do; to be called about once a second.

        Depth and camera_info are optional. They are missed where somebody has named their topic, or where they came
        before; camera_info only beside depth, because nothing is measured without it.

        Args:
            now_s: monotonic clock.
            timeout_s: how long an input may be silent.
            use_depth: whether depth is wanted.

        Returns:
            Name of the input -> what to tell.
        """
        for one in self.all:
            one.adapt()
        told: dict[str, str] = {}
        image, depth, info, depth_info = self.image, self.depth, self.camera_info, self.depth_camera_info
        if image.silent_s(now_s) > timeout_s:
            told["image"] = f"no image on {image.topic}: {image.cause()}"
        if use_depth and (depth.renamed or depth.last_s is not None) and depth.silent_s(now_s) > timeout_s:
            remedy = "; without depth on purpose: set use_depth to false (depth:=none for the launch file)"
            told["depth input"] = f"no depth on {depth.topic}, working without it: {depth.cause()}{remedy}"
        measures = use_depth and depth.last_s is not None and "depth input" not in told
        if measures and info.last_s is None and info.silent_s(now_s) > timeout_s:
            told["camera_info input"] = (
                f"no camera_info has come on {info.topic}, so there are distances but no positions: {info.cause()}"
            )
        if measures and depth_info in self.all and depth_info.last_s is None and depth_info.silent_s(now_s) > timeout_s:
            told[f"{DEPTH_INFO} input"] = (
                f"no camera_info of the depth has come on {depth_info.topic}, so depth must be aligned to colour: "
                f"{depth_info.cause()}"
            )
        return told
