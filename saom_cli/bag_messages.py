"""Pictures, depth and cameras of recorded messages, and answers as messages, without ROS; `rosbags` has the formats."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.geometry.support import Plane, Support
from saom_core.instances import Instances, MaskCrop
from saom_core.places.depth_checks import depth_in_metres
from saom_core.runtime import ModelInfo

INSTANCES = "saom_ros/msg/InstanceArray"
IMAGE, COMPRESSED, CAMERA_INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))
_COLOR: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "8UC3": (3, cv2.COLOR_BGR2RGB),  # OpenCV's own order, by which cv_bridge names it
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2RGB),
}
"""Encoding -> channels, and what makes RGB of them."""
_DEPTH = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_RECTIFIED = re.compile(r"(?:^|[/_])(?:rect|rectified|undist|undistorted)(?:[/_]|$)", re.IGNORECASE)


def stamp_ns(message: Any) -> int:
    """A message's stamp in nanoseconds."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def rgb_of(message: Any) -> npt.NDArray[np.uint8]:
    """The picture of an Image or CompressedImage, (H, W, 3) RGB.

    Raises:
        InputError: an encoding that is not read, or sizes that do not fit the data.
    """
    if not hasattr(message, "encoding"):
        # the camera's intrinsics hold for the pixels as stored, so an EXIF orientation must not turn them
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.imdecode(np.asarray(message.data, np.uint8), flags) if len(message.data) else None
        if image is None:
            raise InputError(f"expected a JPEG or PNG, got {len(message.data)} bytes of {message.format!r}")
        return np.ascontiguousarray(image[:, :, ::-1], np.uint8)
    if message.encoding not in _COLOR:
        raise InputError(
            f"expected one of the encodings {', '.join(_COLOR)}, got {message.encoding!r}: convert the topic with "
            "image_proc before it is recorded, or give another --image-topic"
        )
    channels, to_rgb = _COLOR[message.encoding]
    pixels = np.ascontiguousarray(_pixels(message, np.dtype("u1"), channels))
    return pixels if to_rgb is None else np.asarray(cv2.cvtColor(pixels, to_rgb), np.uint8)


def depth_of(message: Any) -> npt.NDArray[np.float32]:
    """The depth of an Image (REP 118), (H, W) metres; 0, NaN or infinite = none.

    Raises:
        InputError: an encoding that is not read, or sizes that do not fit the data.
    """
    if message.encoding not in _DEPTH:
        raise InputError(
            f"expected depth in one of the encodings {', '.join(_DEPTH)}, got {message.encoding!r}: give another "
            "--depth-topic"
        )
    return depth_in_metres(_pixels(message, np.dtype(_DEPTH[message.encoding]), 1), 0.0)


def camera_of_info(info: Any, size_hw: tuple[int, int], topic: str, rectified: str) -> CameraIntrinsics:
    """The camera of the pictures of a topic (REP 104): P of rectified ones, K with D and R of raw ones.

    Args:
        info: a CameraInfo; region of interest and binning are applied.
        size_hw: of the pictures.
        topic: whose pictures they are; its name says whether they are rectified.
        rectified: "true" or "false" where the name does not; else "auto".

    Raises:
        InputError: not calibrated, or of another size.
    """
    rect = _RECTIFIED.search(topic) is not None if rectified == "auto" else rectified == "true"
    k, p = (np.asarray(getattr(info, name.lower(), getattr(info, name.upper(), None)), float) for name in "kp")
    d, r = (np.asarray(getattr(info, name.lower(), getattr(info, name.upper(), None)), float) for name in "dr")
    matrix = p.reshape(3, 4)[:, :3] if rect and p[0] > 0 else k.reshape(3, 3)
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    width, height = (info.roi.width or info.width) // bin_x, (info.roi.height or info.height) // bin_y
    if (height, width) != tuple(size_hw):
        raise InputError(
            f"expected camera_info of the picture's size {size_hw[1]}x{size_hw[0]}, got {width}x{height}: give the "
            "--camera-info-topic of the same stream"
        )
    turned = not rect and np.any(r) and not np.allclose(r, np.eye(3).ravel(), atol=1e-6)
    return CameraIntrinsics(
        fx=float(matrix[0, 0]) / bin_x,
        fy=float(matrix[1, 1]) / bin_y,
        cx=(float(matrix[0, 2]) - info.roi.x_offset) / bin_x,
        cy=(float(matrix[1, 2]) - info.roi.y_offset) / bin_y,
        width=width,
        height=height,
        distortion_model="" if rect else info.distortion_model,
        distortion=() if rect else tuple(d.tolist()),
        rotation=tuple((row[0], row[1], row[2]) for row in r.reshape(3, 3).tolist()) if turned else None,
    )


def answer_types() -> Typestore:
    """The types of ROS 2, and ours, whose definitions stand in msg/."""
    store = get_typestore(Stores.ROS2_JAZZY)
    here = Path(__file__).resolve().parent
    folder = next(one for one in (here / "msg", here.parent / "msg") if one.is_dir())
    types: dict[str, Any] = {}
    for file in sorted(folder.glob("*.msg")):
        types.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"saom_ros/msg/{file.stem}"))
    store.register(types)
    return store


def instances_message(store: Typestore, instances: Instances, header: Any, model: ModelInfo, *, depth: bool) -> Any:
    """All instances of one image as saom_ros/InstanceArray, as the node publishes it.

    Args:
        store: see `answer_types`.
        instances: N instances, best first.
        header: of the source image.
        model: what found them.
        depth: whether depth of the same moment was used.
    """
    height, width = instances.size_hw
    return made(
        store,
        INSTANCES,
        header=header,
        height=height,
        width=width,
        model=model.name,
        class_names=list(model.class_names),
        has_depth=depth and bool(np.isfinite(instances.distances_m).any()),
        metric_frame_id=header.frame_id,
        planes=[] if instances.support is None else [_plane(store, plane) for plane in instances.support.planes],
        instances=[_instance(store, instances, k) for k in range(len(instances))],
    )


def label_message(store: Typestore, instances: Instances, header: Any) -> Any:
    """`Instances.label_image` as a mono16 Image."""
    labels = instances.label_image().astype("<u2")
    height, width = labels.shape
    data = labels.view(np.uint8).reshape(-1)
    size = {"height": height, "width": width, "step": 2 * width}
    return made(store, IMAGE, header=header, encoding="mono16", is_bigendian=0, data=data, **size)


def made(store: Typestore, name: str, **values: Any) -> Any:
    """A message of a type with these values; what else it has is zero or empty.

    Raises:
        KeyError: a field of ours has no value: one that was added to msg/ must be filled here, too.
    """
    ours = name.startswith("saom_ros/")
    fields = store.fielddefs[name][1]
    return store.types[name](
        **{field: values[field] if ours or field in values else _zero(store, kind) for field, kind in fields}
    )


def _instance(store: Typestore, instances: Instances, k: int) -> Any:
    def xyz(kind: str, array: npt.NDArray[np.float32] | None) -> Any:
        x, y, z = (math.nan,) * 3 if array is None else array[k].tolist()
        return made(store, f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)

    support = Support.unknown(len(instances)) if instances.support is None else instances.support
    boxes = instances.boxes3d
    x, y, z, w = (math.nan,) * 4 if boxes is None else boxes.quaternions_xyzw[k].tolist()
    turn = made(store, "geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
    place = xyz("Point", None if boxes is None else boxes.centers_m)
    return made(
        store,
        "saom_ros/msg/Instance",
        label=k + 1,
        track_id=int(instances.track_ids[k]),
        class_id=int(instances.class_ids[k]),
        class_name=instances.class_names[k],
        class_score=float(instances.class_scores[k]),
        score=float(instances.scores[k]),
        stability=float(instances.stability[k]),
        mask=_mask(store, instances.masks[k]),
        box_xyxy=instances.boxes_xyxy[k],
        point_xy=instances.points_xy[k],
        touches_border=bool(instances.touches_border[k]),
        valid_depth_ratio=float(instances.valid_depth_ratio[k]),
        distance=float(instances.distances_m[k]),
        centroid=xyz("Point", instances.centroids_m),
        box_pose=made(store, "geometry_msgs/msg/Pose", position=place, orientation=turn),
        box_size=xyz("Vector3", None if boxes is None else boxes.sizes_m),
        supported_by=int(support.supported_by[k]),
        bottom_above_plane=float(support.bottoms_m[k]),
        top_above_plane=float(support.tops_m[k]),
        is_surface=bool(support.is_surface[k]),
    )


def _plane(store: Typestore, plane: Plane) -> Any:
    """A plane that things stand on."""
    points = [made(store, "geometry_msgs/msg/Point", x=x, y=y, z=z) for x, y, z in plane.outline_m.tolist()]
    coefficients = np.array(plane.coefficients, np.float64)
    return made(store, "saom_ros/msg/Plane", coefficients=coefficients, outline=points, area=plane.area_m2)


def _mask(store: Typestore, mask: MaskCrop) -> Any:
    """A mask as run lengths, row by row, beginning with background."""
    flat = mask.crop.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=flat.size).astype(np.uint32)
    counts = np.concatenate((np.zeros(1, np.uint32), runs)) if flat[0] else runs
    height, width = mask.crop.shape
    place = {"x_offset": mask.x, "y_offset": mask.y, "width": width, "height": height, "area": mask.area}
    return made(store, "saom_ros/msg/Mask", counts=counts, **place)


def _zero(store: Typestore, kind: Any) -> Any:
    """The empty value of a field of that type."""
    node, told = kind
    if node.name == "NAME":
        return made(store, told)
    if node.name == "BASE":
        return "" if told[0] == "string" else False if told[0] == "bool" else 0
    (inner, of), length = told
    if inner.name == "BASE" and of[0] != "string":
        return np.zeros(length, np.dtype("bool" if of[0] == "bool" else of[0]))
    return [_zero(store, told[0]) for _ in range(length)] if node.name == "ARRAY" else []


def _pixels(message: Any, kind: np.dtype[Any], channels: int) -> npt.NDArray[Any]:
    """A view (H, W) or (H, W, C) of a message's data in its own byte order, once its sizes are known to be true."""
    height, width, step = message.height, message.width, message.step
    row = width * channels * kind.itemsize
    if height < 1 or width < 1 or step < row or len(message.data) != step * height:
        raise InputError(
            f"expected {width}x{height} pixels of {message.encoding} in rows of at least {row} bytes, got rows of "
            f"{step} and {len(message.data)} bytes in all: the sender fills the message wrongly"
        )
    shape = (height, width) if channels == 1 else (height, width, channels)
    strides = (step, channels * kind.itemsize, kind.itemsize)[: len(shape)]
    order = kind.newbyteorder(">" if message.is_bigendian else "<")
    return np.ndarray(shape, order, np.ascontiguousarray(message.data).data, strides=strides)
