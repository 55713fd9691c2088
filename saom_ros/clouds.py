"""Clouds of points: the whole picture's, organised and labelled, and those of single objects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField

from saom_core.planners import Cloud
from saom_ros.answer import Answer
from saom_ros.conversions import byte_array

POINT_FIELDS = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("rgb", "u4"), ("instance", "u2"), ("class", "u2")])
"""A point of ~/points: metres (NaN without depth), 0x00RRGGBB, Instance.label, class id + 1."""


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
    if answer.pose is not None:
        moved = answer.pose.points(np.stack([cloud["x"], cloud["y"], cloud["z"]], axis=-1))
        cloud["x"], cloud["y"], cloud["z"] = moved[..., 0], moved[..., 1], moved[..., 2]
    cloud["rgb"] = _packed_rgb(answer.image_rgb)
    cloud["instance"], cloud["class"] = instances.label_image(), instances.class_image(len(answer.model.class_names))
    message = _message(cloud, answer)
    message.height, message.width = height, width
    message.row_step = width * message.point_step
    message.is_dense = False
    return message


COLOURED = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("rgb", "u4")])
"""A point of the cloud of one object: metres, 0x00RRGGBB."""


def cloud_message(cloud: Cloud, answer: Answer) -> PointCloud2:
    """Some points of an answer in one row, without NaN, in the frame of its positions."""
    packed = np.empty(len(cloud), COLOURED)
    points_m = cloud.points_m if answer.pose is None else answer.pose.points(cloud.points_m)
    for axis, name in enumerate("xyz"):
        packed[name] = points_m[:, axis]
    packed["rgb"] = _packed_rgb(cloud.colors_rgb)
    message = _message(packed, answer)
    message.height, message.width, message.is_dense = 1, len(cloud), True
    message.row_step = message.width * message.point_step
    return message


def _packed_rgb(colors_rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    red, green, blue = (colors_rgb[..., channel].astype(np.uint32) for channel in range(3))
    return np.asarray((red << 16) | (green << 8) | blue, np.uint32)


def _message(cloud: npt.NDArray[np.void], answer: Answer) -> PointCloud2:
    """A message with these points' fields and data; its sizes are still to be filled in."""
    kinds = {
        "f4": PointField.FLOAT32,
        "u4": PointField.FLOAT32,
        "u2": PointField.UINT16,
    }  # by convention rgb is packed into a float
    message = PointCloud2(header=answer.metric_header, point_step=cloud.dtype.itemsize)
    for name, (kind, offset, *_) in (cloud.dtype.fields or {}).items():
        message.fields.append(PointField(name=name, offset=offset, datatype=kinds[kind.str[1:]], count=1))
    message.data = byte_array(cloud)
    return message
