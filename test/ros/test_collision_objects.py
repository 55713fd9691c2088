"""What MoveIt is told and told to forget; its messages have stand-ins here, as they are not on PyPI."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from conftest import StartNode
from lifecycle_msgs.msg import Transition
from robot import Robot, picture
from std_msgs.msg import Header, String

from saom_core.geometry.depth import Boxes3d
from saom_core.instances import Instances, MaskCrop
from saom_core.runtime import ModelInfo
from saom_ros import collision_objects
from saom_ros.answer import Answer
from saom_ros.collision_objects import CollisionObjects

HEADER = Header(frame_id="camera")


class Message:
    """As `moveit_msgs/CollisionObject`."""

    ADD, REMOVE = b"\x00", b"\x01"
    made: ClassVar[Callable[[Message], object]] = staticmethod(lambda message: None)

    def __init__(self, header: Header, id: str, operation: bytes, pose: object = None) -> None:
        self.header, self.id, self.operation, self.pose = header, id, operation, pose
        self.type = SimpleNamespace(key="")
        Message.made(self)


class Scene:
    """As `moveit_msgs/PlanningScene`."""

    def __init__(self, is_diff: bool) -> None:
        self.is_diff = is_diff
        self.robot_state = SimpleNamespace(is_diff=False)
        self.world = SimpleNamespace(collision_objects=[])


class Solid:
    BOX = 1

    def __init__(self, type: int, dimensions: list[float]) -> None:
        self.dimensions = dimensions


class Time:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def _messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collision_objects, "CollisionObject", Message)
    monkeypatch.setattr(collision_objects, "PlanningScene", Scene)
    monkeypatch.setattr(collision_objects, "SolidPrimitive", Solid)
    monkeypatch.setattr(Message, "made", staticmethod(lambda message: None))


def answer(*track_ids: int) -> Answer:
    count = len(track_ids)
    masks = [MaskCrop(k, 0, np.ones((1, 1), np.bool_)) for k in range(count)]
    found = Instances.from_masks((1, 64), masks, np.linspace(0.9, 0.8, count).astype(np.float32))
    turns, ones = np.tile(np.array([0, 0, 0, 1], np.float32), (count, 1)), np.ones((count, 3), np.float32)
    boxes = Boxes3d(ones, turns, ones)
    found = dataclasses.replace(found, boxes3d=boxes, centroids_m=ones, track_ids=np.array(track_ids, np.int32))
    model = ModelInfo("stand-in", "", (), "cpu", "cpu", "", (1, 64), False)
    return Answer(HEADER, np.zeros((1, 64, 3), np.uint8), None, None, found, model, collision_ttl_s=2.0)


def changes(scene: Any) -> list[Any]:
    """What a message changes of the scene: nothing but its objects, and nothing at all without a message."""
    if scene is None:
        return []
    assert scene.is_diff and scene.robot_state.is_diff and scene.world.collision_objects
    return list(scene.world.collision_objects)


def told(scene: Any) -> list[tuple[str, bytes]]:
    return [(message.id, message.operation) for message in changes(scene)]


def added(*track_ids: int) -> list[tuple[str, bytes]]:
    return [(f"saom_track_{number}", Message.ADD) for number in track_ids]


def removed(*track_ids: int) -> list[tuple[str, bytes]]:
    return [(f"saom_track_{number}", Message.REMOVE) for number in track_ids]


def test_what_is_out_of_sight_for_too_long_is_removed() -> None:
    time = Time()
    objects = CollisionObjects(time)
    assert told(objects(answer(1, 2))) == added(1, 2)
    time.now_s += 1.5
    assert told(objects(answer(2))) == added(2)
    time.now_s += 1.0
    (gone,) = changes(objects.expired())
    assert (gone.id, gone.operation, gone.header) == ("saom_track_1", Message.REMOVE, HEADER)
    assert objects.expired() is None


def test_all_that_an_answer_changes_is_one_message() -> None:
    """MoveIt keeps the last ten messages, and there may be more objects than that."""
    time = Time()
    objects = CollisionObjects(time)
    numbers = range(1, 41)
    assert told(objects(answer(*numbers))) == added(*numbers)
    time.now_s += 2.5
    assert told(objects(answer(99))) == added(99) + removed(*numbers)


def test_a_pause_between_answers_does_not_empty_the_scene() -> None:
    """A frame takes 5 s, and the time to live is 2 s."""
    time = Time()
    objects = CollisionObjects(time)
    objects(answer(1, 2))
    time.now_s += 5.0  # nobody knows yet how long a frame takes: what is seen no more might be gone
    assert told(objects.expired()) == removed(1, 2)
    assert told(objects(answer(1, 2))) == added(1, 2)
    for _ in range(10):
        time.now_s += 5.0
        assert objects.expired() is None
        assert told(objects(answer(1, 2))) == added(1, 2)
    time.now_s += 5.0
    assert told(objects(answer(1))) == added(1) + removed(2)  # this answer lacks it
    time.now_s += 14.0
    assert objects.expired() is None
    time.now_s += 2.0  # three times the usual time: the camera has stopped
    assert told(objects.expired()) == removed(1)


def test_after_one_long_pause_the_usual_time_is_the_one_of_before() -> None:
    time = Time()
    objects = CollisionObjects(time)
    for pause_s in (0.1, 0.1, 0.1, 3600.0, 0.1):
        time.now_s += pause_s
        objects(answer(1))
    time.now_s += 2.5
    assert told(objects.expired()) == removed(1)


def test_an_answer_that_is_not_published_shows_what_is_there() -> None:
    time = Time()
    objects = CollisionObjects(time)
    objects(answer(1, 2))
    for _ in range(4):
        time.now_s += 1.0
        objects.passed_over(answer(1, 3))
    assert told(objects.expired()) == removed(2)
    assert told(objects.taken_back()) == removed(1), "of 3 MoveIt was never told"


def test_all_is_taken_back_at_once() -> None:
    objects = CollisionObjects(Time())
    objects(answer(1, 2))
    assert told(objects.taken_back()) == removed(1, 2)
    assert objects.taken_back() is objects.expired() is None


def test_two_threads_remove_each_object_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor's timer comes while the worker is about to remove the first of two objects."""
    time, by_timer = Time(), list[Any]()
    objects = CollisionObjects(time)
    objects(answer(1, 2))
    time.now_s += 10.0

    def timer(_: Message) -> None:
        monkeypatch.setattr(Message, "made", staticmethod(lambda message: None))
        thread = threading.Thread(target=lambda: by_timer.append(objects.expired()))
        thread.start()
        thread.join(240)

    monkeypatch.setattr(Message, "made", staticmethod(timer))
    scenes = [objects.expired(), *by_timer]
    assert len(scenes) == 2 and sorted(one for scene in scenes for one in told(scene)) == removed(1, 2)


KEPT = """
import sys
from std_msgs.msg import String
from saom_ros.output import Output
from saom_ros.outputs import OUTPUTS
class Kept:
    def __call__(self, answer):
        return String(data="added")
    def taken_back(self):
        return String(data="taken back")
OUTPUTS["kept"] = Output(String, Kept)
"""


@pytest.mark.slow
def test_readers_are_told_when_the_node_is_deactivated_and_when_it_ends(
    start: StartNode, robot: Robot, log: Path
) -> None:
    process = start(first=f"exec({KEPT!r})")
    robot.listen(kept=String)
    robot.wait_active(process)
    words = robot.received["kept"]
    robot.answer_to(robot.show(picture()[0]))
    robot.until(lambda: words and words[-1].data == "added", "what is kept")
    assert robot.change_state(Transition.TRANSITION_DEACTIVATE)
    robot.until(lambda: words[-1].data == "taken back", "it to be taken back")
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    robot.wait_active(process)
    robot.answer_to(robot.show(picture()[0]))
    robot.until(lambda: words[-1].data == "added", "what is kept again")
    process.send_signal(signal.SIGINT)
    robot.until(lambda: words[-1].data == "taken back", "it to be taken back at the end")
    assert process.wait(240) == 0 and "Traceback" not in log.read_text()
