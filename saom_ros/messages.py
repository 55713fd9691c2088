"""From `Instances` to saom_ros/InstanceArray and back."""

from __future__ import annotations

import array
import math

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import Header

from saom_core.geometry.depth import Boxes3d
from saom_core.geometry.support import Plane, Support
from saom_core.instances import Instances, MaskCrop
from saom_core.runtime import ModelInfo
from saom_ros.msg import Instance, InstanceArray, Mask
from saom_ros.msg import Plane as PlaneMessage


def instances_message(
    instances: Instances, header: Header, model: ModelInfo, *, has_depth: bool, metric_frame_id: str = ""
) -> InstanceArray:
    """All instances of one image as a message.

    Args:
        instances: N instances, best first.
        header: of the source image; taken as it is.
        model: what found them.
        has_depth: whether depth of the same moment was used.
        metric_frame_id: frame of their positions; "": the header's.
    """
    message = InstanceArray(header=header, model=model.name, class_names=list(model.class_names), has_depth=has_depth)
    message.height, message.width = instances.size_hw
    message.metric_frame_id = metric_frame_id or header.frame_id
    message.planes = [] if instances.support is None else [plane_message(plane) for plane in instances.support.planes]
    message.instances = [instance_message(instances, k) for k in range(len(instances))]
    return message


def plane_message(plane: Plane) -> PlaneMessage:
    """A plane that things stand on."""
    message = PlaneMessage(coefficients=plane.coefficients, area=plane.area_m2)
    message.outline = [Point(x=x, y=y, z=z) for x, y, z in plane.outline_m.tolist()]
    return message


def plane_from_message(message: PlaneMessage) -> Plane:
    """The plane of a message; how many pixels belong to it is not sent and 0 here."""
    a, b, c, d = (float(value) for value in message.coefficients)
    outline = np.array([(p.x, p.y, p.z) for p in message.outline], np.float32).reshape(-1, 3)
    return Plane((a, b, c, d), outline, message.area, 0)


def mask_message(mask: MaskCrop) -> Mask:
    """A mask as run lengths, row by row, beginning with background."""
    flat = mask.crop.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=flat.size).astype(np.uint32)
    if flat[0]:
        runs = np.concatenate((np.zeros(1, np.uint32), runs))
    message = Mask(x_offset=mask.x, y_offset=mask.y, area=mask.area)
    message.height, message.width = mask.crop.shape
    message.counts = array.array("I", runs.tobytes())
    return message


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


def instance_message(instances: Instances, k: int) -> Instance:
    """Instance k of an image as a message."""
    message = Instance(
        label=k + 1,
        track_id=int(instances.track_ids[k]),
        class_id=int(instances.class_ids[k]),
        class_name=instances.class_names[k],
        class_score=float(instances.class_scores[k]),
        score=float(instances.scores[k]),
        stability=float(instances.stability[k]),
        mask=mask_message(instances.masks[k]),
        touches_border=bool(instances.touches_border[k]),
        valid_depth_ratio=float(instances.valid_depth_ratio[k]),
        distance=float(instances.distances_m[k]),
    )
    message.box_xyxy = instances.boxes_xyxy[k]
    message.point_xy = instances.points_xy[k]
    nowhere = (math.nan,) * 3
    centroid = nowhere if instances.centroids_m is None else instances.centroids_m[k].tolist()
    message.centroid = Point(x=centroid[0], y=centroid[1], z=centroid[2])
    boxes = instances.boxes3d
    center = nowhere if boxes is None else boxes.centers_m[k].tolist()
    turn = (math.nan,) * 4 if boxes is None else boxes.quaternions_xyzw[k].tolist()
    size = nowhere if boxes is None else boxes.sizes_m[k].tolist()
    message.box_pose = Pose(
        position=Point(x=center[0], y=center[1], z=center[2]),
        orientation=Quaternion(x=turn[0], y=turn[1], z=turn[2], w=turn[3]),
    )
    message.box_size = Vector3(x=size[0], y=size[1], z=size[2])
    support = Support.unknown(len(instances)) if instances.support is None else instances.support
    message.supported_by, message.is_surface = int(support.supported_by[k]), bool(support.is_surface[k])
    message.bottom_above_plane, message.top_above_plane = float(support.bottoms_m[k]), float(support.tops_m[k])
    return message


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
