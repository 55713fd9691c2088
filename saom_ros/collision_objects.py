"""Obstacles for MoveIt 2: every instance as a box, every plane as a slab, each with a time to live.

MoveIt keeps a collision object until somebody removes it. So one that has not been seen for `collision_ttl_s` is
removed here, be the object out of sight or the camera stopped, and all of them when the node goes. moveit_msgs and
shape_msgs are in every ROS installation with MoveIt; without them the topic is not there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion
from std_msgs.msg import Header

from saom_core.geometry.oriented_box import OrientedBox
from saom_core.geometry.support import Plane, plane_axes
from saom_ros.answer import Answer
from saom_ros.messages import instance_message
from saom_ros.output import Output

try:
    from moveit_msgs.msg import CollisionObject
    from shape_msgs.msg import SolidPrimitive
except ImportError:
    CollisionObject = SolidPrimitive = None

PREFIX = "saom_"
SLAB_M = 0.01
"""Thickness of a plane's obstacle, which lies below the plane."""
THINNEST_M = 0.001


class CollisionObjects:
    """What MoveIt has been told of, and since when it has not been seen; for several threads.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, Header]] = {}  # id -> when it was seen last, and in which frame
        self._ttl_s = 0.0
        self._lock = threading.Lock()  # the worker adds and removes, the executor's timer removes

    def __call__(self, answer: Answer) -> list[Any]:
        """One message for each object of an answer, and one for each that has not been seen for too long."""
        now_s, self._ttl_s = self._clock(), answer.collision_ttl_s
        instances, header, messages = answer.instances, answer.metric_header, []
        boxes = instances.boxes3d
        for k in [] if boxes is None else np.flatnonzero(boxes.known).tolist():
            described = instance_message(instances, k)
            track_id, size = described.track_id, described.box_size
            name = f"track_{track_id}" if track_id >= 0 else f"untracked_{k}"
            sizes = [max(float(edge), THINNEST_M) for edge in (size.x, size.y, size.z)]
            messages.append(self._added(name, header, described.box_pose, sizes, now_s))
            messages[-1].type.key = described.class_name
        for k, plane in enumerate(() if instances.support is None else instances.support.planes):
            messages.append(self._added(f"plane_{k}", header, *_slab(plane), now_s))
        return messages + self.expired()

    def expired(self) -> list[Any]:
        """Messages that remove what has not been seen for the time to live."""
        now_s = self._clock()
        with self._lock:
            late = [name for name, (seen_s, _) in self._seen.items() if now_s - seen_s > self._ttl_s]
            gone = {name: self._seen.pop(name)[1] for name in late}
        return _removed(gone.items())

    def taken_back(self) -> list[Any]:
        """Messages that remove all that MoveIt has been told of."""
        with self._lock:
            gone, self._seen = {name: header for name, (_, header) in self._seen.items()}, {}
        return _removed(gone.items())

    def _added(self, name: str, header: Header, pose: Pose, sizes: list[float], now_s: float) -> Any:
        with self._lock:
            self._seen[PREFIX + name] = now_s, header
        message = CollisionObject(header=header, id=PREFIX + name, operation=CollisionObject.ADD, pose=pose)
        message.primitives = [SolidPrimitive(type=SolidPrimitive.BOX, dimensions=sizes)]
        message.primitive_poses = [Pose()]  # at the pose of the object
        return message


def _removed(objects: Iterable[tuple[str, Header]]) -> list[Any]:
    """Messages that remove objects, of which MoveIt was told under an id and in a frame."""
    return [CollisionObject(header=header, id=name, operation=CollisionObject.REMOVE) for name, header in objects]


def _slab(plane: Plane) -> tuple[Pose, list[float]]:
    """The smallest upright box under what is seen of a plane."""
    normal = plane.normal
    flat = plane_axes(normal)
    (x, y), (width, depth), turn_deg = cv2.minAreaRect((plane.outline_m @ flat).astype(np.float32))
    turn = np.radians(turn_deg)
    first = flat @ [np.cos(turn), np.sin(turn)]
    axes = np.column_stack([first, np.cross(normal, first), normal])
    center = flat @ [x, y] - (plane.coefficients[3] + SLAB_M / 2) * normal
    sizes_m = np.array([max(width, THINNEST_M), max(depth, THINNEST_M), SLAB_M])
    x, y, z, w = OrientedBox(center, axes, sizes_m).quaternion_xyzw.tolist()
    pose = Pose(position=Point(x=float(center[0]), y=float(center[1]), z=float(center[2])))
    pose.orientation = Quaternion(x=x, y=y, z=z, w=w)
    return pose, sizes_m.tolist()


COLLISION_OUTPUTS: dict[str, Output] = (
    {} if CollisionObject is None else {"collision_objects": Output(CollisionObject, CollisionObjects)}
)
"""Row of the table of topics, `saom_ros.outputs.OUTPUTS`."""
