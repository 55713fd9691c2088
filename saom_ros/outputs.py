"""What the node publishes: one table of topics, each with the function that makes its message.

A message is made only when somebody subscribes to its topic. A new topic is a row of `OUTPUTS` and its function.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from saom_core.overlay import color_of, draw_overlay
from saom_core.runtime import ModelInfo
from saom_ros.answer import Answer
from saom_ros.conversions import byte_array, image_message
from saom_ros.messages import instance_message, instances_message
from saom_ros.msg import InstanceArray
from saom_ros.msg import Target as TargetMessage
from saom_ros.output import ONCE, PER_FRAME, Output
from saom_ros.pace import Pace
from saom_ros.vision import VISION_OUTPUTS

JPEG_QUALITY = 80


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
            message = OUTPUTS[name].make(answer) if self.pace.due(name) else None
            with self._lock:
                if message is not None and name in self._publishers:
                    started = time.monotonic()
                    publisher.publish(message)
                    self.pace.took(name, time.monotonic() - started)

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
    return instances_message(answer.instances, answer.header, answer.model, has_depth=answer.has_depth)


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


def target_mask(answer: Answer) -> Image:
    """Mono8, 255 on the selected object, else 0."""
    mask = np.zeros(answer.instances.size_hw, np.uint8)
    if answer.target.index is not None:
        chosen = answer.instances.masks[answer.target.index]
        mask[chosen.window][chosen.crop] = 255
    return image_message(mask, "mono8", answer.header)


def target(answer: Answer) -> TargetMessage:
    """The selected object, or why it is not in this image."""
    found = answer.target
    message = TargetMessage(
        header=answer.header, selection=found.selection, track_id=found.track_id, reason=found.reason
    )
    if found.index is not None:
        message.seen, message.instance = True, [instance_message(answer.instances, found.index)]
    return message


POINT_FIELDS = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("rgb", "u4"), ("instance", "u2"), ("class", "u2")])
"""A point of ~/points: metres in the optical frame (NaN without depth), 0x00RRGGBB, Instance.label, class id + 1."""


def points(answer: Answer) -> PointCloud2 | None:
    """The organised, labelled cloud; None without depth or intrinsics."""
    if answer.depth_m is None or answer.camera is None:
        return None
    instances, camera = answer.instances, answer.camera
    height, width = instances.size_hw
    # REP 118: 0, NaN and infinities mean that there is no depth. The products below carry NaN on to x and y.
    depth = np.where((answer.depth_m > 0) & (answer.depth_m < np.inf), answer.depth_m, np.float32(np.nan))
    cloud = np.empty((height, width), POINT_FIELDS)
    # a pinhole camera's maps are one row, one column and a 1: they are not blown up to the image's size
    for axis, ray_map in zip("xyz", camera.ray_maps, strict=True):
        np.multiply(depth, ray_map, out=cloud[axis])
    red, green, blue = (answer.image_rgb[..., channel].astype(np.uint32) for channel in range(3))
    cloud["rgb"] = (red << 16) | (green << 8) | blue
    cloud["instance"], cloud["class"] = instances.label_image(), instances.class_image(len(answer.model.class_names))
    kinds = {
        "f4": PointField.FLOAT32,
        "u4": PointField.FLOAT32,
        "u2": PointField.UINT16,
    }  # by convention rgb is packed into a float
    message = PointCloud2(header=answer.header, point_step=POINT_FIELDS.itemsize, is_dense=False)
    message.height, message.width = height, width
    message.row_step = message.width * message.point_step
    for name, (kind, offset, *_) in (POINT_FIELDS.fields or {}).items():
        message.fields.append(PointField(name=name, offset=offset, datatype=kinds[kind.str[1:]], count=1))
    message.data = byte_array(cloud)
    return message


def markers(answer: Answer) -> MarkerArray:
    """Boxes and names for rviz; the first marker deletes those of the frame before."""
    message = MarkerArray(markers=[Marker(header=answer.header, action=Marker.DELETEALL)])
    boxes = answer.instances.boxes3d
    if boxes is None:
        return message
    for k in np.flatnonzero(np.isfinite(boxes.centers_m).all(axis=1)).tolist():
        center, size, turn = boxes.centers_m[k].tolist(), boxes.sizes_m[k].tolist(), boxes.quaternions_xyzw[k].tolist()
        red, green, blue = (channel / 255 for channel in color_of(answer.instances, k))
        pose = Pose(position=Point(x=center[0], y=center[1], z=center[2]))
        pose.orientation = Quaternion(x=turn[0], y=turn[1], z=turn[2], w=turn[3])
        box = Marker(header=answer.header, ns="boxes", id=k, type=Marker.CUBE, pose=pose)
        box.scale = Vector3(x=max(size[0], 1e-3), y=max(size[1], 1e-3), z=max(size[2], 1e-3))
        box.color = ColorRGBA(r=red, g=green, b=blue, a=0.4)
        name = answer.instances.class_names[k] or "object"
        text = Marker(header=answer.header, ns="names", id=k, type=Marker.TEXT_VIEW_FACING, text=name)
        text.pose.position = Point(x=center[0], y=center[1] - max(size) / 2 - 0.02, z=center[2])  # y points down
        text.scale.z = 0.03
        text.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        message.markers += [box, text]
    return message


OUTPUTS: dict[str, Output] = {
    "instances": Output(InstanceArray, instance_array),
    "label_image": Output(Image, label_image),
    "class_image": Output(Image, class_image),
    "target": Output(TargetMessage, target),
    "target_mask": Output(Image, target_mask),
    "overlay": Output(Image, overlay),
    "overlay/compressed": Output(CompressedImage, overlay_compressed),
    "points": Output(PointCloud2, points),
    "markers": Output(MarkerArray, markers),
    **VISION_OUTPUTS,
}
"""Topic below the node's name -> what is sent there."""
