"""A camera and a listener on real topics, for tests of the node."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from saom_ros.msg import InstanceArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from saom_ros.conversions import image_message

ROOT = Path(__file__).resolve().parents[2]
SEQUENCE = ROOT / "test" / "sequence"
TIMEOUT_S = 240.0
"""Far beyond what anything takes; a test that waits so long has failed."""

RESEND_S = 6.0


def picture(number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A frame of the demo's sequence: (480, 640, 3) uint8 RGB and (480, 640) uint16 depth in millimetres."""
    bgr = cv2.imread(str(SEQUENCE / f"image_{number:03d}.jpg"))
    depth = cv2.imread(str(SEQUENCE / f"depth_{number:03d}.png"), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), depth


def camera_info(header: Header) -> CameraInfo:
    """The intrinsics of the demo's sequence."""
    camera = json.loads((SEQUENCE / "camera.json").read_text())
    k = [camera["fx"], 0.0, camera["cx"], 0.0, camera["fy"], camera["cy"], 0.0, 0.0, 1.0]
    return CameraInfo(header=header, width=camera["width"], height=camera["height"], k=k)


_taken: list[socket.socket] = []


def free_domain() -> int:
    """A ROS domain that nobody else's tests on this machine use: a port held until the end stands for it."""
    for domain in range(1, 100):
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", 21_000 + domain))
        except OSError:
            holder.close()
            continue
        _taken.append(holder)
        return domain
    raise RuntimeError("expected a free ROS domain from 1 to 99, got none: end other test runs")


class Robot:
    """Publishes frames, keeps all answers, calls services; everything is awaited, nothing is slept for.

    Each has a ROS domain of its own, unless one is given: nodes in other domains are not there for it.

    Args:
        camera: its name, in whose namespace the topics and the node are; "": there is one camera, without a name.
        domain: of another camera's `Robot`.
    """

    def __init__(self, camera: str = "", domain: int | None = None) -> None:
        self.domain = free_domain() if domain is None else domain
        self._status_name = f"{camera}/saom: segmentation".lstrip("/")
        self._context = rclpy.Context()
        self._context.init(domain_id=self.domain)
        self.node = rclpy.create_node("robot", context=self._context, namespace=camera)
        self.executor = SingleThreadedExecutor(context=self._context)
        self.executor.add_node(self.node)
        self.received: dict[str, list[Any]] = {}
        self.status: DiagnosticStatus | None = None
        self._no_older_than_ns = 0  # diagnostics that were sent before are not taken
        # reliable, so that a lost packet cannot fail a test; the node asks for best effort, which fits
        self._qos = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
        self.publishers = {
            name: self.node.create_publisher(kind, name, self._qos)
            for name, kind in (("image", Image), ("camera_info", CameraInfo))
        }
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.subscriptions: dict[str, Any] = {}
        self.listen(instances=InstanceArray)
        self._second = 0
        self._sent: list[tuple[str, Any]] = []  # the last moment's messages

    def __enter__(self) -> Robot:
        return self

    def __exit__(self, *_: object) -> None:
        self.node.destroy_node()
        self.executor.shutdown()
        self._context.shutdown()

    def _on_diagnostics(self, message: DiagnosticArray, info: dict[str, int]) -> None:
        if info["source_timestamp"] >= self._no_older_than_ns:
            self.status = next((status for status in message.status if status.name == self._status_name), self.status)

    def listen(self, **topics: type) -> None:
        """Subscribes to topics of the node and waits for their publishers; `__` in a name stands for `/`."""
        for name, kind in topics.items():
            topic = name.replace("__", "/")
            kept = self.received.setdefault(topic, [])
            self.subscriptions[topic] = self.node.create_subscription(kind, f"saom/{topic}", kept.append, self._qos)

    def deaf(self, *topics: str) -> None:
        """Takes subscriptions back and waits until the node knows nothing of them."""
        for topic in topics:
            self.node.destroy_subscription(self.subscriptions.pop(topic))
            self.received.pop(topic)

    def advertise(self, name: str, kind: type, qos: QoSProfile | None = None) -> None:
        """Publishes one more topic to the node and waits until the node listens."""
        self.publishers[name] = self.node.create_publisher(kind, name, qos or self._qos)
        self.until(lambda: self.publishers[name].get_subscription_count() > 0, f"a subscription to {name}")
        self.until(lambda: self.fresh_value(f"{name}_publishers") == "1", f"the node to see {name}")

    def withdraw(self, name: str) -> None:
        """Stops publishing a topic."""
        self.node.destroy_publisher(self.publishers.pop(name))
        if self.status is not None:
            self.until(lambda: self.fresh_value(f"{name}_publishers") == "0", f"the node to miss {name}")

    def as_at_first(self) -> None:
        """Ends all topics but those of a new robot."""
        self.deaf(*(self.subscriptions.keys() - {"instances"}))
        for name in self.publishers.keys() - {"image", "camera_info"}:
            self.withdraw(name)
        for name, kind in (("image", Image), ("camera_info", CameraInfo)):
            if name not in self.publishers:
                self.publishers[name] = self.node.create_publisher(kind, name, self._qos)
        if "instances" not in self.subscriptions:
            self.listen(instances=InstanceArray)

    def until(self, done: Callable[[], object], what: str, process: subprocess.Popen[Any] | None = None) -> None:
        """Lets messages in until something is the case; fails at once where the process that is to do it has ended."""
        end = time.monotonic() + TIMEOUT_S
        while not done():
            assert time.monotonic() < end, f"waited {TIMEOUT_S:.0f} s for {what}; diagnostics: {self.status}"
            assert process is None or process.poll() is None, f"waited for {what}, but its process has ended"
            self.executor.spin_once(timeout_sec=0.05)

    def wait_active(self, process: subprocess.Popen[str] | None = None) -> None:
        """Waits until the node listens to the camera and the robot to the node."""

        def connected() -> bool:
            heard = all(publisher.get_subscription_count() for publisher in self.publishers.values())
            return heard and all(self.node.count_publishers(f"saom/{topic}") for topic in self.received)

        self.until(connected, "an active node", process)

        # the node must have met the subscription as well, or it would hold the frame to be of no interest
        def seen() -> bool:
            working = self.fresh_value("state") == "working"
            return working and all(self.value(f"{name}_publishers") == "1" for name in self.publishers)

        self.until(seen, "the node to see us")

    def header(self) -> Header:
        """A header with a stamp that was never used before."""
        self._second += 1
        return Header(frame_id="camera_optical", stamp=Time(sec=self._second, nanosec=123_456_789))

    def show(self, image_rgb: np.ndarray, header: Header | None = None) -> Header:
        """Publishes a colour image."""
        header = header or self.header()
        self.publish("image", image_message(image_rgb, "rgb8", header))
        return header

    def publish(self, name: str, message: Any) -> None:
        """Publishes a message on one of the robot's topics."""
        self._sent = [(n, m) for n, m in self._sent if m.header == message.header] + [(name, message)]
        self.publishers[name].publish(message)

    def answer_to(self, header: Header, topic: str = "instances") -> Any:
        """Waits for the message with just that header, which an array of markers has in its first one.

        The node takes frames at best effort, and a busy machine loses some: they are sent again, as a camera sends the
        next one.
        """
        found: list[Any] = []
        sent_s = time.monotonic()

        def there() -> bool:
            nonlocal sent_s
            if time.monotonic() - sent_s > RESEND_S:
                sent_s = time.monotonic()
                for name, message in self._sent:
                    if message.header == header:
                        self.publishers[name].publish(message)
            found.extend(message for message in self.received[topic] if _header_of(message) == header)
            return bool(found)

        self.until(there, f"the answer on {topic} to {header.stamp}")
        return found[0]

    def until_status(self, *words: str, level: bytes | None = None) -> DiagnosticStatus:
        """Waits for diagnostics that say all of some words."""
        self.until(
            lambda: (
                self.status
                and all(word in self.status.message for word in words)
                and level in (None, self.status.level)
            ),
            f"diagnostics with {words}",
        )
        assert self.status is not None
        return self.status

    def value(self, key: str) -> str:
        """A value of the last diagnostics."""
        assert self.status is not None
        return next((pair.value for pair in self.status.values if pair.key == key), "")

    def fresh_value(self, key: str) -> str:
        """A value of diagnostics that are sent from now on: not of those that lie in the queue already."""
        self.status, self._no_older_than_ns = None, time.time_ns()
        self.until(lambda: self.status is not None, "diagnostics")
        return self.value(key)

    def until_a_call_waits(self) -> None:
        """Waits until a service call that was sent has come to the node and waits for a frame."""
        self.until(lambda: self.fresh_value("calls_waiting") == "1", "the call to come")

    def call(self, kind: Any, name: str, request: Any, changes: bool = True) -> Any:
        """Calls a service and waits for its answer.

        DDS may lose the first answer to a client that the service has not met yet, though it is ready for the client. A
        request that changes nothing is therefore sent again while there is no answer.
        """
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, f"the service {name}")
        sent = [client.call_async(request)]
        again = time.monotonic() + RESEND_S

        def answered() -> bool:
            nonlocal again
            if not changes and time.monotonic() > again:
                sent.append(client.call_async(request))
                again = time.monotonic() + RESEND_S
            return any(future.done() for future in sent)

        self.until(answered, f"an answer of {name}")
        self.node.destroy_client(client)
        return next(future.result() for future in sent if future.done())

    def change_state(self, transition: int) -> bool:
        """Asks the node for a lifecycle transition."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.call(ChangeState, "saom/change_state", request).success)

    def state(self) -> State:
        """The node's lifecycle state."""
        return self.call(GetState, "saom/get_state", GetState.Request(), changes=False).current_state

    def set_parameter(self, name: str, value: object) -> Any:
        """Sets a parameter; the result has `successful` and `reason`."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, "saom/set_parameters", request).results[0]

    def parameter(self, name: str) -> Any:
        """The value of a parameter."""
        request = GetParameters.Request(names=[name])
        return parameter_value_to_python(
            self.call(GetParameters, "saom/get_parameters", request, changes=False).values[0]
        )

    def describe(self, *names: str) -> Any:
        """The descriptors of parameters."""
        request = DescribeParameters.Request(names=list(names))
        return self.call(DescribeParameters, "saom/describe_parameters", request, changes=False).descriptors


def _header_of(message: Any) -> Header:
    """The header of an answer on any topic."""
    return message.markers[0].header if isinstance(message, MarkerArray) else message.header


def jpeg_message(image_rgb: np.ndarray, header: Header) -> CompressedImage:
    """A picture as a compressed camera sends it."""
    data = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))[1]
    return CompressedImage(header=header, format="jpeg", data=data.tobytes())
