"""Pictures of the data set from AI2-THOR's events: real objects only, sub-objects within the whole they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_core.taxonomy import CLASSES, OTHER

from ...data.frames import Frame, FrameObject
from .scenes import SceneRef

EYE_M = 0.675
"""Height of the standing robot's camera above its position, where the simulator does not tell the camera's own."""

STRUCTURE = frozenset({"Floor", "Wall", "Ceiling", "Room", "Window", "Doorway", "Doorframe", "Undefined"})
"""Types that some builds list among the objects although they are the building: they are background. Whole names, since
FloorLamp, RoomDecor and WallMirror are things."""
STRUCTURE_PREFIX = "Standard"
"""So begin the types of walls of a usual size (StandardWallSize, StandardWallTileHeight1, ...)."""

UNKNOWN = "no type told"
"""The style of an object without a type; its class is never guessed from its id."""

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

MIN_INSIDE = 0.5
"""Share of a sub-object's box that lies inside its carrier's box: then the smallest such carrier has it."""
MIN_SHARED = 0.2
"""Where no carrier holds that much (a drawer that is pulled out, a front that stands out of its cabinet), the one that
holds the largest share has the sub-object, if it is at least this. Neighbours that touch share a few hundredths."""
NEAR_M = 0.3  # a picture whose middle depth is smaller shows the skin of one thing


@dataclass(frozen=True)
class View:
    """Where the robot is put and how it looks."""

    position: Mapping[str, float]  # metres, Unity's axes
    heading: float  # degrees, clockwise from above
    horizon: float  # degrees, positive looks down


class BadFrame(Exception):
    """A picture that is not worth keeping; the message is the reason, under which it is counted."""


class SimulatorFault(BadFrame):
    """A picture that is missing, wrong or refused, whatever the view; `detail` says what was wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.detail = detail


def is_place(place: Any) -> bool:
    """Whether it is a position of the simulator's, {x, y, z} in numbers."""
    return _xyz(place) is not None


def parents(objects: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Sub-object id -> id of the whole it is a part of.

    The id tells it (`Sink|..|SinkBasin`), else the receptacle it is listed in, else the boxes: see `MIN_INSIDE` and
    `MIN_SHARED`. Sub-objects without a carrier are absent: they are objects of their own.
    """
    by_id = {item["objectId"]: item for item in objects}
    found: dict[str, str] = {}
    for name, item in by_id.items():
        carriers = CARRIERS.get(item["objectType"], ())
        listed = [name.rpartition("|")[0], *(item.get("parentReceptacles") or ())]
        told = [parent for parent in listed if parent in by_id and by_id[parent]["objectType"] in carriers]
        whole = told[0] if told else _carrier_by_box(item, [one for one in objects if one["objectType"] in carriers])
        if whole:
            found[name] = whole
    return found


def _carrier_by_box(item: Mapping[str, Any], carriers: Sequence[Mapping[str, Any]]) -> str | None:
    """Id of the carrier that a sub-object belongs to by where their boxes lie; None if it is in no carrier's box."""
    box = _box(item)
    holding: list[tuple[float, float, str]] = []  # share of the sub-object inside, volume, id
    for carrier in carriers:
        other = _box(carrier)
        if box is None or other is None:
            continue
        shared = (np.minimum(box[1], other[1]) - np.maximum(box[0], other[0])).clip(0).prod()
        own, volume = (box[1] - box[0]).prod(), (other[1] - other[0]).prod()
        holding.append((float(shared / own) if own else 0.0, float(volume), carrier["objectId"]))
    inside = [(volume, name) for share, volume, name in holding if share >= MIN_INSIDE]
    if inside:
        return min(inside)[1]
    touched = [(-share, volume, name) for share, volume, name in holding if share >= MIN_SHARED]
    return min(touched)[2] if touched else None


def _box(item: Mapping[str, Any]) -> np.ndarray | None:
    """(2, 3) lower and upper corner, or None if the simulator gives none."""
    bounds = item.get("axisAlignedBoundingBox")
    if not isinstance(bounds, Mapping):
        return None
    center, size = (_xyz(bounds.get(key)) for key in ("center", "size"))
    if center is None or size is None:
        return None
    return np.stack((center - size / 2, center + size / 2))


def _xyz(place: Any) -> np.ndarray | None:
    """(3,) float64 of a simulator's {x, y, z}, or None if it is none."""
    if not isinstance(place, Mapping) or not all(isinstance(place.get(axis), Real) for axis in "xyz"):
        return None
    return np.array([place[axis] for axis in "xyz"], float)


def object_table(objects: Sequence[Mapping[str, Any]]) -> tuple[tuple[FrameObject, ...], dict[str, tuple[int, int]]]:
    """The objects of a frame, and object id -> (object number, part number).

    What share of an object is in sight AI2-THOR does not tell; `visible` is 1.
    """
    told = [{**item, "objectType": item.get("objectType") or UNKNOWN} for item in objects if item.get("objectId")]
    real = [item for item in told if not _is_structure(item["objectType"])]
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


def _is_structure(kind: str) -> bool:
    return kind in STRUCTURE or kind.startswith(STRUCTURE_PREFIX)


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
    real = {(int(r) << 16 | int(g) << 8 | int(b)): places[name] for (r, g, b, *_), name in names if name in places}
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


def pose_of(event: Mapping[str, Any], view: View) -> np.ndarray:
    """(4, 4) pose of an event's camera. What the simulator does not tell is taken to be what it was asked for."""
    place = _xyz(event["camera_position"])
    if place is None:
        place = np.array([view.position[axis] for axis in "xyz"], float) + [0.0, EYE_M, 0.0]
    turn = event["rotation"]
    yaw = turn.get("y") if isinstance(turn, Mapping) else turn
    horizon = event["horizon"]
    return camera_pose(
        dict(zip("xyz", place.tolist(), strict=True)),
        float(yaw) if isinstance(yaw, Real) else view.heading,
        float(horizon) if isinstance(horizon, Real) else view.horizon,
    )


def make_frame(
    event: Mapping[str, Any], scene: SceneRef, size_hw: tuple[int, int], field_of_view: float, view: View
) -> Frame:
    """The frame of an event that the robot was sent to `view` for.

    Raises:
        SimulatorFault: If a picture is missing or of another size.
    """
    for key, shape in (("image_rgb", (*size_hw, 3)), ("depth_m", size_hw), ("id_colors", (*size_hw, 3))):
        got = None if event[key] is None else event[key].shape
        if got != shape:
            detail = f"expected {key} of {shape}, got {'none' if got is None else got}"
            raise SimulatorFault("pictures missing or of the wrong size", detail)
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
        pose=pose_of(event, view),
        scene=scene.name,
        split=scene.split,
    )


def check_worth(frame: Frame, min_objects: int, min_area: float) -> None:
    """Refuses a frame that shows too little to learn from.

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
