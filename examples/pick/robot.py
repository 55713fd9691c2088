"""The robot's side of the topics: it shows pictures to the node `saom`, and reads what the node says of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from saom_ros.msg import InstanceArray, Target
from saom_ros.srv import Select
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from table import Shot

from saom_core.camera import CameraIntrinsics
from saom_core.messages.pictures import rgb_from_image
from saom_ros.conversions import image_message

FRAME_ID = "camera_color_optical_frame"
TOPICS = {
    "/saom/instances": InstanceArray,
    "/saom/target": Target,
    "/saom/target_points": PointCloud2,
    "/saom/target_mask": Image,
    "/saom/overlay": Image,
}


class Robot(Node):
    """Publishes /camera/..., keeps the newest message of each of the node's topics.

    Args:
        camera: Of all pictures.
        alive: Raises where waiting has no sense any more.
    """

    def __init__(self, camera: CameraIntrinsics, alive: Callable[[], object]) -> None:
        super().__init__("pick_example")
        self._alive, self._newest = alive, {}
        self._image = self.create_publisher(Image, "/camera/image_raw", qos_profile_sensor_data)
        self._depth = self.create_publisher(Image, "/camera/depth/image_raw", qos_profile_sensor_data)
        self._info = self.create_publisher(CameraInfo, "/camera/camera_info", 10)  # reliable, as drivers send it
        k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
        self._intrinsics = CameraInfo(width=camera.width, height=camera.height, k=k)
        for topic, kind in TOPICS.items():
            self.create_subscription(
                kind, topic, lambda message, topic=topic: self._keep(topic, message), qos_profile_sensor_data
            )
        self._select = self.create_client(Select, "/saom/select")
        self._arrived = threading.Condition()
        # in the background: who does not listen while the hand moves makes the node wait with publishing
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._listener = threading.Thread(target=self._executor.spin, daemon=True)
        self._listener.start()

    def close(self) -> None:
        """Ends the listener."""
        self._executor.shutdown()
        self._listener.join()

    def look(self, shot: Shot, *topics: str, seconds: float = 90.0) -> dict[str, Any]:
        """Shows a picture until the node has answered it on all these topics; the messages by topic.

        The picture is sent again and again, as a camera does, so that the tracker gets to know what is in it.

        Raises:
            TimeoutError: no answer in time.
        """
        end, sent = time.monotonic() + seconds, []
        while time.monotonic() < end:
            self._alive()
            sent.append(self._show(shot))
            with self._arrived:
                if self._arrived.wait_for(lambda: self._answers(topics, set(sent)) is not None, timeout=0.5):
                    answers = self._answers(topics, set(sent))
                    assert answers is not None
                    return answers
        raise TimeoutError(f"expected an answer of the node on {', '.join(topics)} within {seconds:.0f} s, got none")

    @property
    def overlay(self) -> Image | None:
        """The newest picture with what the node sees drawn over it."""
        return self._newest.get("/saom/overlay")

    def select(self, track_id: int, seconds: float = 20.0) -> str:
        """Chooses the target; an empty text, or why the node refuses."""
        answer, done = self._select.call_async(Select.Request(track_id=track_id)), threading.Event()
        answer.add_done_callback(lambda _: done.set())
        result = answer.result() if done.wait(seconds) else None
        return "no answer" if result is None else "" if result.success else str(result.message)

    def _show(self, shot: Shot) -> tuple[int, int]:
        header = Header(frame_id=FRAME_ID, stamp=self.get_clock().now().to_msg())
        self._intrinsics.header = header
        self._info.publish(self._intrinsics)
        self._depth.publish(image_message(np.round(1000 * shot.depth_m).astype(np.uint16), "16UC1", header))
        self._image.publish(image_message(shot.image_rgb, "rgb8", header))
        return _stamp(header)

    def _keep(self, topic: str, message: Any) -> None:
        with self._arrived:
            self._newest[topic] = message
            self._arrived.notify_all()

    def _answers(self, topics: tuple[str, ...], sent: set[tuple[int, int]]) -> dict[str, Any] | None:
        """The newest message of each topic, if all of them are about one of these pictures.

        Not about the same one: a node that is short of time leaves out a topic now and then, each for itself.
        """
        answers = {topic: self._newest.get(topic) for topic in topics}
        stamps = {_stamp(answer.header) if answer else None for answer in answers.values()}
        return answers if stamps <= sent and _useful(answers) else None


def _useful(answers: dict[str, Any]) -> bool:
    """Whether depth and intrinsics have arrived (then the node sees the table as a plane), and the target is seen."""
    instances, target = answers.get("/saom/instances"), answers.get("/saom/target")
    return (instances is None or len(instances.planes) > 0) and (target is None or target.seen)


def _stamp(header: Header) -> tuple[int, int]:
    return header.stamp.sec, header.stamp.nanosec


def points_of(cloud: PointCloud2) -> np.ndarray:
    """(N, 3) float64 metres, in the cloud's frame."""
    rows = np.frombuffer(bytes(cloud.data), np.uint8).reshape(-1, cloud.point_step)
    offsets = {field.name: field.offset for field in cloud.fields}
    columns = [rows[:, offsets[name] : offsets[name] + 4].copy().view(np.float32) for name in "xyz"]
    return np.concatenate(columns, axis=1).astype(np.float64)


def mask_of(message: Image) -> np.ndarray:
    """(H, W) bool."""
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.step)[:, : message.width] > 0


def picture_of(overlay: Image, target: np.ndarray | None) -> np.ndarray:
    """The node's overlay, half its size, with a white outline around the target."""
    picture = rgb_from_image(overlay).copy()
    if target is not None:
        edges, _ = cv2.findContours(target.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, edges, -1, (0, 0, 0), 7)
        cv2.drawContours(picture, edges, -1, (255, 255, 255), 3)
    return cv2.resize(picture, (384, 288), interpolation=cv2.INTER_AREA)
