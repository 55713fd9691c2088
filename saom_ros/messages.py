"""From `Instances` to saom_ros/InstanceArray and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from saom_core.geometry.depth import Boxes3d
from saom_core.geometry.support import Plane, Support
from saom_core.instances import Instances, MaskCrop
from saom_core.messages import answers
from saom_core.runtime import ModelInfo
from saom_ros.conversions import ros_message
from saom_ros.msg import Instance, InstanceArray, Mask
from saom_ros.msg import Plane as PlaneMessage


def instances_message(
    instances: Instances, header: Header, model: ModelInfo, *, has_depth: bool, metric_frame_id: str = ""
) -> InstanceArray:
    """See `saom_core.messages.answers.instances_message`."""
    return answers.instances_message(
        ros_message, instances, header, model, has_depth=has_depth, metric_frame_id=metric_frame_id
    )


def instance_message(instances: Instances, k: int) -> Instance:
    """Instance k of an image as a message."""
    return answers.instance_message(ros_message, instances, k)


def plane_message(plane: Plane) -> PlaneMessage:
    """A plane that things stand on."""
    return answers.plane_message(ros_message, plane)


def mask_message(mask: MaskCrop) -> Mask:
    """A mask as run lengths, row by row, beginning with background."""
    return answers.mask_message(ros_message, mask)


def plane_from_message(message: PlaneMessage) -> Plane:
    """The plane of a message; how many pixels belong to it is not sent and 0 here."""
    a, b, c, d = (float(value) for value in message.coefficients)
    outline = np.array([(p.x, p.y, p.z) for p in message.outline], np.float32).reshape(-1, 3)
    return Plane((a, b, c, d), outline, message.area, 0)


def mask_from_message(message: Mask) -> MaskCrop:
    """The mask of a message; `.dense((height, width))` gives it in the size of the image."""
    counts = np.asarray(message.counts, np.uint32)
    flat = np.repeat(np.arange(counts.size) % 2 == 1, counts)
    return MaskCrop(message.x_offset, message.y_offset, flat.reshape(message.height, message.width))


def instances_from_message(message: InstanceArray) -> Instances:
    """The instances of a message, for subscribers in Python."""
    items = message.instances
    located = message.has_depth

    def column(name: str) -> npt.NDArray[np.float32]:
        return np.array([getattr(item, name) for item in items], np.float32)

    return Instances(
        (message.height, message.width),
        tuple(mask_from_message(item.mask) for item in items),
        boxes_xyxy=column("box_xyxy").reshape(-1, 4),
        scores=column("score"),
        stability=column("stability"),
        class_ids=np.array([item.class_id for item in items], np.int32),
        class_names=tuple(item.class_name for item in items),
        class_scores=column("class_score"),
        points_xy=column("point_xy").reshape(-1, 2),
        track_ids=np.array([item.track_id for item in items], np.int32),
        touches_border=np.array([item.touches_border for item in items], np.bool_),
        valid_depth_ratio=column("valid_depth_ratio"),
        distances_m=column("distance"),
        centroids_m=_points(items, "centroid") if located else None,
        boxes3d=_boxes3d(items) if located else None,
        support=Support(
            tuple(plane_from_message(plane) for plane in message.planes),
            supported_by=np.array([item.supported_by for item in items], np.int32),
            bottoms_m=column("bottom_above_plane"),
            tops_m=column("top_above_plane"),
            is_surface=np.array([item.is_surface for item in items], np.bool_),
        )
        if located
        else None,
    )


def _points(items: list[Instance], name: str) -> npt.NDArray[np.float32]:
    points = (getattr(item, name) for item in items)
    return np.array([(p.x, p.y, p.z) for p in points], np.float32).reshape(-1, 3)


def _boxes3d(items: list[Instance]) -> Boxes3d:
    poses = [item.box_pose for item in items]
    turns = [(p.orientation.x, p.orientation.y, p.orientation.z, p.orientation.w) for p in poses]
    return Boxes3d(
        np.array([(p.position.x, p.position.y, p.position.z) for p in poses], np.float32).reshape(-1, 3),
        np.array(turns, np.float32).reshape(-1, 4),
        _points(items, "box_size"),
    )
