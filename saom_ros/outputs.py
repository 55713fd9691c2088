"""What the node publishes: one table of topics, each with the function that makes its message.

A message is made only when somebody subscribes to its topic. A new topic is a row of `OUTPUTS` and its function.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from saom_core.overlay import draw_overlay
from saom_core.runtime import ModelInfo
from saom_ros.answer import Answer
from saom_ros.clouds import points
from saom_ros.collision_objects import COLLISION_OUTPUTS
from saom_ros.conversions import byte_array, image_message
from saom_ros.markers import markers
from saom_ros.messages import instances_message, plane_message
from saom_ros.msg import InstanceArray, PlaneArray
from saom_ros.msg import Target as TargetMessage
from saom_ros.output import ONCE, PER_FRAME, Output
from saom_ros.pace import Pace
from saom_ros.targets import target, target_mask, target_points, target_pose
from saom_ros.vision import VISION_OUTPUTS

JPEG_QUALITY = 80
ARRIVAL = Duration(seconds=0.5)
"""Waited for until the last messages have arrived; a reader that hangs does not hold the node up for longer."""


class Outputs:
    """The publishers of a node.

    Args:
        node: relative names become /<node>/<name>.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publishers = {
            name: node.create_lifecycle_publisher(output.kind, f"~/{name}", output.qos)
            for name, output in OUTPUTS.items()
            if output.qos is PER_FRAME
        }
        self._makers: dict[str, Any] = {
            name: output.make() if isinstance(output.make, type) else output.make for name, output in OUTPUTS.items()
        }
        self._announced: list[Any] = []  # publishers of messages that are sent once
        self._lock = threading.Lock()  # deactivating may remove publishers while the worker makes a message
        self.pace = Pace()

    def announce(self, model: ModelInfo) -> None:
        """Publishes once what does not change from frame to frame; it is kept for those who subscribe later."""
        if self._announced:
            return
        for name, output in OUTPUTS.items():
            if output.qos is ONCE:
                publisher = self._node.create_publisher(output.kind, f"~/{name}", output.qos)
                publisher.publish(output.make(model))
                self._announced.append(publisher)

    def wanted(self) -> bool:
        """Whether anybody subscribes to anything."""
        return any(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(self, answer: Answer) -> None:
        """Publishes what somebody subscribes to and what is due; nothing after `destroy`."""
        for name, publisher in tuple(self._publishers.items()):
            with self._lock:
                wanted = name in self._publishers and publisher.get_subscription_count()
            if not wanted:
                self.pace.forget(name)
                continue
            due = self.pace.due(name)
            message = self._makers[name](answer) if due else None
            if due and message is None:
                self.pace.forget(name)  # it would keep its turn, and all other slow outputs would wait for it in vain
            if not due and hasattr(self._makers[name], "passed_over"):
                self._makers[name].passed_over(answer)
            with self._lock:
                if message is not None and name in self._publishers:
                    started = time.monotonic()
                    publisher.publish(message)
                    self.pace.took(name, time.monotonic() - started)

    def tick(self) -> None:
        """Publishes what is due without an answer; to be called about once a second."""
        for name, maker in self._makers.items():
            if hasattr(maker, "expired"):
                with self._lock:
                    message = maker.expired() if name in self._publishers else None
                    if message is not None:
                        self._publishers[name].publish(message)

    def take_back(self, state: LifecycleState) -> None:
        """Tells readers that keep what they were told that nothing of it holds any more, and publishes nothing else.

        Args:
            state: of the node that is being deactivated; its publishers are, already here, so that the worker's last
                answer cannot come behind.
        """
        with self._lock:
            for name, publisher in self._publishers.items():
                maker = self._makers[name]
                message = maker.taken_back() if hasattr(maker, "taken_back") else None
                with suppress(RuntimeError):  # the context is shut down, or this RMW does not tell what has arrived
                    if message is not None:
                        publisher.publish(message)
                        publisher.wait_for_all_acked(ARRIVAL)  # the process may end at once
                publisher.on_deactivate(state)

    def destroy(self) -> None:
        """Removes all publishers."""
        with self._lock:
            for publisher in self._publishers.values():
                self._node.destroy_lifecycle_publisher(publisher)
            self._publishers = {}
            for publisher in self._announced:
                self._node.destroy_publisher(publisher)
            self._announced = []


def instance_array(answer: Answer) -> InstanceArray:
    """Everything that is known of the instances."""
    return instances_message(
        answer.instances, answer.header, answer.model, has_depth=answer.has_depth, metric_frame_id=answer.frame_id
    )


def label_image(answer: Answer) -> Image:
    """Which instance each pixel belongs to: mono16, 0 background, else Instance.label."""
    return image_message(answer.instances.label_image(), "mono16", answer.header)


def class_image(answer: Answer) -> Image:
    """Which class each pixel belongs to: mono8, 0 background, class id + 1, 255 unknown; mono16 above 254 classes."""
    pixels = answer.instances.class_image(len(answer.model.class_names))
    return image_message(pixels, "mono8" if pixels.dtype == np.uint8 else "mono16", answer.header)


def overlay(answer: Answer) -> Image:
    """The picture with the instances drawn over it, rgb8."""
    return image_message(draw_overlay(answer.image_rgb, answer.instances), "rgb8", answer.header)


def overlay_compressed(answer: Answer) -> CompressedImage:
    """The same as JPEG, for slow links."""
    picture_bgr = cv2.cvtColor(draw_overlay(answer.image_rgb, answer.instances), cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return CompressedImage(header=answer.header, format="rgb8; jpeg compressed bgr8", data=byte_array(jpeg))


def planes(answer: Answer) -> PlaneArray:
    """The planes that things stand on; none without depth and intrinsics."""
    support = answer.instances.support
    message = PlaneArray(header=answer.metric_header)
    message.planes = [] if support is None else [plane_message(plane) for plane in support.planes]
    return message


OUTPUTS: dict[str, Output] = {
    "instances": Output(InstanceArray, instance_array),
    "label_image": Output(Image, label_image),
    "class_image": Output(Image, class_image),
    "target": Output(TargetMessage, target),
    "target_mask": Output(Image, target_mask),
    "target_points": Output(PointCloud2, target_points),
    "target_pose": Output(PoseStamped, target_pose),
    "overlay": Output(Image, overlay),
    "overlay/compressed": Output(CompressedImage, overlay_compressed),
    "points": Output(PointCloud2, points),
    "planes": Output(PlaneArray, planes),
    "markers": Output(MarkerArray, markers),
    **VISION_OUTPUTS,
    **COLLISION_OUTPUTS,
}
"""Topic below the node's name -> what is sent there."""
