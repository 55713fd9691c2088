"""What stands in the fields of the messages that answer an image, whatever makes the messages.

The node makes them with rclpy's classes, `saom replay` with those of a library that reads recordings. Both have the
same fields, so each field is named here once.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from saom_core.geometry.support import Plane, Support
from saom_core.instances import Instances, MaskCrop
from saom_core.runtime import ModelInfo


class Make(Protocol):
    """Makes a message of a type, such as "saom_ros/msg/Mask", of the values of its fields.

    Numbers are Python's; arrays are NumPy's, of the type that the field has.
    """

    def __call__(self, type_name: str, /, **fields: Any) -> Any:
        """The message; fields that are not given are zero or empty."""


def instances_message(
    make: Make, instances: Instances, header: Any, model: ModelInfo, *, has_depth: bool, metric_frame_id: str = ""
) -> Any:
    """All instances of one image as saom_ros/InstanceArray.

    Args:
        make: makes the messages.
        instances: N instances, best first.
        header: of the source image; taken as it is.
        model: what found them.
        has_depth: whether depth of the same moment was used, and an instance has a valid pixel of it.
        metric_frame_id: frame of their positions; "": the header's.
    """
    height, width = instances.size_hw
    planes = () if instances.support is None else instances.support.planes
    return make(
        "saom_ros/msg/InstanceArray",
        header=header,
        height=height,
        width=width,
        model=model.name,
        class_names=list(model.class_names),
        has_depth=has_depth,
        metric_frame_id=metric_frame_id or header.frame_id,
        planes=[plane_message(make, plane) for plane in planes],
        instances=[instance_message(make, instances, k) for k in range(len(instances))],
    )


def instance_message(make: Make, instances: Instances, k: int) -> Any:
    """Instance k of an image as saom_ros/Instance."""
    support = Support.unknown(len(instances)) if instances.support is None else instances.support
    boxes = instances.boxes3d
    x, y, z, w = (math.nan,) * 4 if boxes is None else boxes.quaternions_xyzw[k].tolist()
    turn = make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
    place = _xyz(make, "Point", None if boxes is None else boxes.centers_m, k)
    return make(
        "saom_ros/msg/Instance",
        label=k + 1,
        track_id=int(instances.track_ids[k]),
        class_id=int(instances.class_ids[k]),
        class_name=instances.class_names[k],
        class_score=float(instances.class_scores[k]),
        score=float(instances.scores[k]),
        stability=float(instances.stability[k]),
        mask=mask_message(make, instances.masks[k]),
        box_xyxy=instances.boxes_xyxy[k],
        point_xy=instances.points_xy[k],
        touches_border=bool(instances.touches_border[k]),
        valid_depth_ratio=float(instances.valid_depth_ratio[k]),
        distance=float(instances.distances_m[k]),
        centroid=_xyz(make, "Point", instances.centroids_m, k),
        box_pose=make("geometry_msgs/msg/Pose", position=place, orientation=turn),
        box_size=_xyz(make, "Vector3", None if boxes is None else boxes.sizes_m, k),
        supported_by=int(support.supported_by[k]),
        bottom_above_plane=float(support.bottoms_m[k]),
        top_above_plane=float(support.tops_m[k]),
        is_surface=bool(support.is_surface[k]),
    )


def plane_message(make: Make, plane: Plane) -> Any:
    """A plane that things stand on, as saom_ros/Plane."""
    outline = [make("geometry_msgs/msg/Point", x=x, y=y, z=z) for x, y, z in plane.outline_m.tolist()]
    coefficients = np.array(plane.coefficients, np.float64)
    return make("saom_ros/msg/Plane", coefficients=coefficients, outline=outline, area=plane.area_m2)


def mask_message(make: Make, mask: MaskCrop) -> Any:
    """A mask as saom_ros/Mask: run lengths, row by row, beginning with background."""
    flat = mask.crop.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=flat.size).astype(np.uint32)
    counts = np.concatenate((np.zeros(1, np.uint32), runs)) if flat[0] else runs
    height, width = mask.crop.shape
    place = {"x_offset": mask.x, "y_offset": mask.y, "width": width, "height": height, "area": mask.area}
    return make("saom_ros/msg/Mask", counts=counts, **place)


def image_message(make: Make, pixels: npt.NDArray[Any], encoding: str, header: Any) -> Any:
    """A picture as sensor_msgs/Image, in this machine's byte order.

    Args:
        make: makes the messages.
        pixels: (H, W) or (H, W, C), of the type that the encoding names.
        encoding: rgb8, mono8, mono16, 16UC1 or 32FC1.
        header: stamp and frame of the source image; taken as it is.
    """
    contiguous = np.ascontiguousarray(pixels)
    height, width = contiguous.shape[:2]
    return make(
        "sensor_msgs/msg/Image",
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0 if np.little_endian else 1,
        step=contiguous.strides[0],
        data=contiguous.reshape(-1).view(np.uint8),
    )


def _xyz(make: Make, kind: str, places_m: npt.NDArray[np.float32] | None, k: int) -> Any:
    """Row k of (N, 3) metres; without them nowhere."""
    x, y, z = (math.nan,) * 3 if places_m is None else places_m[k].tolist()
    return make(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)
