"""Obstacles for MoveIt 2: every instance as a box, every plane as a slab, each with a time to live.

MoveIt keeps a collision object until somebody removes it. So one that has not been seen for `collision_ttl_s` is
removed here, be the object out of sight or the camera stopped, and all of them when the node goes. All that an answer
changes is one message, as MoveIt's subscriptions keep the last ten and lose the rest of a burst. moveit_msgs and
shape_msgs are in every ROS installation with MoveIt; without them the topic is not there.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
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
    from moveit_msgs.msg import CollisionObject, PlanningScene
    from shape_msgs.msg import SolidPrimitive
except ImportError:
    CollisionObject = PlanningScene = SolidPrimitive = None

PREFIX = "saom_"
SLAB_M = 0.01
"""Thickness of a plane's obstacle, which lies below the plane."""
THINNEST_M = 0.001
PAUSES = 5
"""The usual time between answers is the median of so many."""
SILENT = 3
"""So many times the usual time without an answer, and the camera has stopped."""


class CollisionObjects:
    """What MoveIt has been told of, and since when it has not been seen; for several threads.

    An object goes when its time to live is over, and either a later answer lacks it or no answers come any more: a
    model that takes longer for a frame than that time does not empty the scene between its answers.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, Header]] = {}  # id -> when it was seen last, and in which frame
        self._answered_s: float | None = None  # when the last answer came
        self._pauses_s: deque[float] = deque(maxlen=PAUSES)  # between the last answers
        self._ttl_s = 0.0
        self._lock = threading.Lock()  # the worker adds and removes, the executor's timer removes

    def __call__(self, answer: Answer) -> Any | None:
        """The change of the scene: all objects of an answer, without what has not been seen for too long."""
        added = {message.id: message for message in _objects(answer)}
        with self._lock:
            self._take(answer, added)
            gone = self._late()
        return _scene([*added.values(), *_removed(gone)])

    def passed_over(self, answer: Answer) -> None:
        """Notes what an answer shows again of which MoveIt has been told, where this answer is not published."""
        names = {message.id for message in _objects(answer)}
        with self._lock:
            self._take(answer, names & self._seen.keys())

    def expired(self) -> Any | None:
        """The removal of what has not been seen for too long."""
        with self._lock:
            gone = self._late()
        return _scene(_removed(gone))

    def taken_back(self) -> Any | None:
        """The removal of all that MoveIt has been told of."""
        with self._lock:
            gone = {name: header for name, (_, header) in self._seen.items()}
            self._seen, self._answered_s = {}, None
            self._pauses_s.clear()
        return _scene(_removed(gone))

    def _take(self, answer: Answer, names: Collection[str]) -> None:
        """Notes what an answer shows."""
        now_s, self._ttl_s = self._clock(), answer.collision_ttl_s
        if self._answered_s is not None:
            self._pauses_s.append(now_s - self._answered_s)
        self._answered_s = now_s
        self._seen.update({name: (now_s, answer.metric_header) for name in names})

    def _late(self) -> dict[str, Header]:
        """Takes out what has not been seen for too long: ids and frames."""
        if self._answered_s is None:
            return {}
        now_s = self._clock()
        usual_s = statistics.median_low(self._pauses_s) if self._pauses_s else 0.0
        stopped = now_s - self._answered_s > max(self._ttl_s, SILENT * usual_s)
        late = [
            name
            for name, (seen_s, _) in self._seen.items()
            if now_s - seen_s > self._ttl_s and (stopped or seen_s < self._answered_s)
        ]
        return {name: self._seen.pop(name)[1] for name in late}


def _objects(answer: Answer) -> list[Any]:
    """Messages that add each instance that has a box, and each plane."""
    instances, messages = answer.instances, []
    boxes = instances.boxes3d
    for k in [] if boxes is None else np.flatnonzero(boxes.known).tolist():
        described = instance_message(instances, k)
        track_id, size = described.track_id, described.box_size
        name = f"track_{track_id}" if track_id >= 0 else f"untracked_{k}"
        sizes = [max(float(edge), THINNEST_M) for edge in (size.x, size.y, size.z)]
        messages.append(_added(name, answer.metric_header, described.box_pose, sizes))
        messages[-1].type.key = described.class_name
    for k, plane in enumerate(() if instances.support is None else instances.support.planes):
        messages.append(_added(f"plane_{k}", answer.metric_header, *_slab(plane)))
    return messages


def _added(name: str, header: Header, pose: Pose, sizes: list[float]) -> Any:
    message = CollisionObject(header=header, id=PREFIX + name, operation=CollisionObject.ADD, pose=pose)
    message.primitives = [SolidPrimitive(type=SolidPrimitive.BOX, dimensions=sizes)]
    message.primitive_poses = [Pose()]  # at the pose of the object
    return message


def _removed(gone: dict[str, Header]) -> list[Any]:
    """Messages that remove objects, of which MoveIt was told under an id and in a frame."""
    return [CollisionObject(header=header, id=name, operation=CollisionObject.REMOVE) for name, header in gone.items()]


def _scene(changes: list[Any]) -> Any | None:
    """The change of MoveIt's scene by some objects; None where nothing changes."""
    if not changes:
        return None
    scene = PlanningScene(is_diff=True)
    scene.robot_state.is_diff = True
    scene.world.collision_objects = changes
    return scene


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
    {} if PlanningScene is None else {"collision_objects": Output(PlanningScene, CollisionObjects)}
)
"""Row of the table of topics, `saom_ros.outputs.OUTPUTS`."""
