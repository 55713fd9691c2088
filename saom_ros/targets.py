"""What is published of the object that somebody chose with ~/select: its mask, its points, its pose."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image, PointCloud2

from saom_core.planners import binary_mask, object_cloud
from saom_ros.answer import Answer
from saom_ros.clouds import cloud_message
from saom_ros.conversions import image_message
from saom_ros.messages import instance_message
from saom_ros.msg import Target as TargetMessage


def target_mask(answer: Answer) -> Image:
    """Mono8, 255 on the selected object, else 0; what is in front of it is not of it, as in `target_points`."""
    found, k = answer.instances, answer.target.index
    mask = np.zeros(found.size_hw, np.uint8) if k is None else binary_mask(found, k)
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


def target_points(answer: Answer) -> PointCloud2 | None:
    """The points of the selected object alone; None where it is not seen, or without depth or intrinsics."""
    return None if answer.target.index is None else instance_points(answer, answer.target.index)


def instance_points(answer: Answer, k: int) -> PointCloud2 | None:
    """The points of instance k alone; None without depth or intrinsics."""
    if answer.depth_m is None or answer.camera is None:
        return None
    return cloud_message(object_cloud(answer.instances, k, answer.depth_m, answer.camera, answer.image_rgb), answer)


def target_pose(answer: Answer) -> PoseStamped | None:
    """Centre and orientation of the selected object's box; None where it is not seen or has no box."""
    k, boxes = answer.target.index, answer.instances.boxes3d
    if k is None or boxes is None or not boxes.known[k]:
        return None
    return PoseStamped(header=answer.metric_header, pose=instance_message(answer.instances, k).box_pose)
