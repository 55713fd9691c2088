"""Pictures of the data set from AI2-THOR's events: real objects only, sub-objects within the whole they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saom_core.depth import CameraIntrinsics
from saom_core.taxonomy import CLASSES, OTHER
from training.simulator import Frame, FrameObject
from training.thor.scenes import SceneRef

STRUCTURE = ("Floor", "Wall", "Ceiling", "Room", "Window", "Doorway", "Doorframe", "Undefined")
"""Types that some builds list among the objects although they are the building: they are background."""

CARRIERS: dict[str, tuple[str, ...]] = {
    "Drawer": (
        "Dresser",
        "SideTable",
        "Desk",
        "TVStand",
        "CoffeeTable",
        "DiningTable",
        "ShelvingUnit",
        "Shelf",
        "Cabinet",
    ),
    "SinkBasin": ("Sink",),
    "BathtubBasin": ("Bathtub",),
    "StoveBurner": ("CounterTop",),
}
"""Sub-object -> the types it can be a part of. The drawer of a kitchen counter stays an object of its own: the box of
the counter is its top."""

MIN_INSIDE = 0.5  # share of a sub-object's box inside the carrier's box
NEAR_M = 0.3  # a picture whose middle depth is smaller shows the skin of one thing


class BadFrame(Exception):
    """A picture that is not worth keeping; the message is the reason, under which it is counted."""


def parents(objects: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Sub-object id -> id of the whole it is a part of.

    The id tells it (`Sink|..|SinkBasin`), else the receptacle it is listed in, else the boxes: the smallest carrier
    that holds at least half of the sub-object's box. Sub-objects without a carrier are absent.
    """
    by_id = {item["objectId"]: item for item in objects}
    found: dict[str, str] = {}
    for name, item in by_id.items():
        carriers = CARRIERS.get(item["objectType"], ())
        listed = [name.rpartition("|")[0], *(item.get("parentReceptacles") or ())]
        told = [parent for parent in listed if parent in by_id and by_id[parent]["objectType"] in carriers]
        around = told or _around(item, [other for other in objects if other["objectType"] in carriers])
        if around:
            found[name] = around[0]
    return found


def _around(item: Mapping[str, Any], carriers: Sequence[Mapping[str, Any]]) -> list[str]:
    box = _box(item)
    if box is None:
        return []
    fitting = []
    for carrier in carriers:
        other = _box(carrier)
        if other is None:
            continue
        shared = np.minimum(box[1], other[1]) - np.maximum(box[0], other[0])
        if (shared > 0).all() and shared.prod() >= MIN_INSIDE * (box[1] - box[0]).prod():
            fitting.append((float((other[1] - other[0]).prod()), carrier["objectId"]))
    return [name for _, name in sorted(fitting)]


def _box(item: Mapping[str, Any]) -> np.ndarray | None:
    """(2, 3) lower and upper corner, or None if the simulator gives none."""
    bounds = item.get("axisAlignedBoundingBox") or {}
    if not bounds.get("center") or not bounds.get("size"):
        return None
    center, size = (np.array([bounds[key][axis] for axis in "xyz"], float) for key in ("center", "size"))
    return np.stack((center - size / 2, center + size / 2))


def object_table(objects: Sequence[Mapping[str, Any]]) -> tuple[tuple[FrameObject, ...], dict[str, tuple[int, int]]]:
    """The objects of a frame, and object id -> (object number, part number).

    What share of an object is in sight AI2-THOR does not tell; `visible` is 1.
    """
    real = [item for item in objects if item["objectType"] not in STRUCTURE]
    whole_of = parents(real)
    types = {item["objectId"]: item["objectType"] for item in real}
    parts: dict[str, list[str]] = {name: ["body"] for name in types if name not in whole_of}
    for name in types:
        if name in whole_of:
            parts[whole_of[name]].append(name)
    table: list[FrameObject] = []
    places: dict[str, tuple[int, int]] = {}
    for number, (name, names) in enumerate(parts.items()):
        kind = types[name]
        subs = {part: types[part] for part in names[1:]}
        table.append(FrameObject(kind if kind in CLASSES else OTHER, kind, tuple(names), subs))
        places[name] = (number, 0)
        places.update({part: (number, place) for place, part in enumerate(names) if place})
    return tuple(table), places


def id_pictures(
    id_colors: np.ndarray, names: Sequence[tuple[tuple[int, ...], str]], places: Mapping[str, tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Object and part numbers of every pixel.

    Args:
        id_colors: (H, W, 3) uint8 picture of the simulator's instance colours.
        names: Colour -> the simulator's name for it; colours and names that are no real object are background.
        places: See `object_table`.

    Returns:
        (H, W) int32 object numbers, -1 = background; (H, W) int32 part numbers.
    """
    codes = id_colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    known, inverse = np.unique(codes, return_inverse=True)
    real = {(r << 16 | g << 8 | b): places[name] for (r, g, b), name in names if name in places}
    pairs = np.array([real.get(code, (-1, 0)) for code in known.tolist()], np.int32).reshape(-1, 2)
    both = pairs[inverse.reshape(codes.shape)]
    return np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])


def camera_of(size_hw: tuple[int, int], field_of_view: float) -> CameraIntrinsics:
    """Intrinsics of Unity's camera: the field of view (degrees) is the vertical one, pixels are square."""
    height, width = size_hw
    focal = height / 2 / math.tan(math.radians(field_of_view) / 2)
    return CameraIntrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def camera_pose(position: Mapping[str, float], yaw: float, horizon: float) -> np.ndarray:
    """(4, 4) float64, optical frame to a right-handed world: x = Unity's forward z, y = left, z = up.

    Unity is left-handed: x right, y up, z forward, angles in degrees, clockwise from above; a positive horizon looks
    down.
    """
    world = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # of Unity's axes
    sin_yaw, cos_yaw = math.sin(math.radians(yaw)), math.cos(math.radians(yaw))
    sin_down, cos_down = math.sin(math.radians(horizon)), math.cos(math.radians(horizon))
    forward = np.array([sin_yaw * cos_down, -sin_down, cos_yaw * cos_down])
    right = np.array([cos_yaw, 0.0, -sin_yaw])
    down = np.array([-sin_yaw * sin_down, -cos_down, -cos_yaw * sin_down])
    pose = np.eye(4)
    pose[:3, :3] = world @ np.stack((right, down, forward), 1)
    pose[:3, 3] = world @ np.array([position[axis] for axis in "xyz"])
    return pose


def make_frame(event: Mapping[str, Any], scene: SceneRef, size_hw: tuple[int, int], field_of_view: float) -> Frame:
    """The frame of an event.

    Raises:
        BadFrame: If a picture is missing or of another size, or the metadata tell no pose.
    """
    for key, shape in (("image_rgb", (*size_hw, 3)), ("depth_m", size_hw), ("id_colors", (*size_hw, 3))):
        if event[key] is None or event[key].shape != shape:
            raise BadFrame("pictures missing or of the wrong size")
    if not event["camera_position"] or not event["rotation"] or event["horizon"] is None:
        raise BadFrame("no camera pose")
    objects, places = object_table(event["objects"])
    object_ids, part_ids = id_pictures(event["id_colors"], event["names"], places)
    depth_m = event["depth_m"].astype(np.float32)
    depth_m[~np.isfinite(depth_m) | (depth_m < 0)] = 0
    return Frame(
        image_rgb=event["image_rgb"],
        depth_m=depth_m,
        object_ids=object_ids,
        part_ids=part_ids,
        objects=objects,
        camera=camera_of(size_hw, field_of_view),
        pose=camera_pose(event["camera_position"], event["rotation"]["y"], event["horizon"]),
        scene=scene.name,
        split=scene.split,
    )


def check_worth(frame: Frame, min_objects: int, min_area: float) -> None:
    """Refuse a frame that shows too little.

    Raises:
        BadFrame: With one of three reasons.
    """
    valid = frame.depth_m[frame.depth_m > 0]
    if valid.size and np.median(valid) < NEAR_M:
        raise BadFrame("too near")
    ids, counts = np.unique(frame.object_ids[frame.object_ids >= 0], return_counts=True)
    large = int((counts >= min_area * frame.object_ids.size).sum())
    if large < min_objects:
        raise BadFrame("objects too small" if len(ids) >= min_objects else "too few objects")
