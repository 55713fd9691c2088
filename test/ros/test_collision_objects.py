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
    monkeypatch.setattr(collision_objects, "SolidPrimitive", Solid)
    monkeypatch.setattr(Message, "made", staticmethod(lambda message: None))


def answer(*track_ids: int) -> Answer:
    count = len(track_ids)
    masks = [MaskCrop(k, 0, np.ones((1, 1), np.bool_)) for k in range(count)]
    found = Instances.from_masks((1, 8), masks, np.linspace(0.9, 0.8, count).astype(np.float32))
    turns, ones = np.tile(np.array([0, 0, 0, 1], np.float32), (count, 1)), np.ones((count, 3), np.float32)
    boxes = Boxes3d(ones, turns, ones)
    found = dataclasses.replace(found, boxes3d=boxes, centroids_m=ones, track_ids=np.array(track_ids, np.int32))
    model = ModelInfo("stand-in", "", (), "cpu", "cpu", "", (1, 8), False)
    return Answer(HEADER, np.zeros((1, 8, 3), np.uint8), None, None, found, model, collision_ttl_s=2.0)


def told(messages: list[Any]) -> list[tuple[str, bytes]]:
    return [(message.id, message.operation) for message in messages]


def test_what_is_out_of_sight_for_too_long_is_removed() -> None:
    time = Time()
    objects = CollisionObjects(time)
    assert told(objects(answer(1, 2))) == [("saom_track_1", Message.ADD), ("saom_track_2", Message.ADD)]
    time.now_s += 1.5
    assert told(objects(answer(2))) == [("saom_track_2", Message.ADD)]
    time.now_s += 1.0
    (removed,) = objects.expired()
    assert (removed.id, removed.operation, removed.header) == ("saom_track_1", Message.REMOVE, HEADER)
    assert objects.expired() == []


def test_all_is_taken_back_at_once() -> None:
    objects = CollisionObjects(Time())
    objects(answer(1, 2))
    assert told(objects.taken_back()) == [("saom_track_1", Message.REMOVE), ("saom_track_2", Message.REMOVE)]
    assert objects.taken_back() == objects.expired() == []


def test_two_threads_remove_each_object_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor's timer comes while the worker is about to remove the first of two objects."""
    time, by_timer = Time(), list[Any]()
    objects = CollisionObjects(time)
    objects(answer(1, 2))
    time.now_s += 10.0

    def timer(_: Message) -> None:
        monkeypatch.setattr(Message, "made", staticmethod(lambda message: None))
        thread = threading.Thread(target=lambda: by_timer.extend(objects.expired()))
        thread.start()
        thread.join(240)

    monkeypatch.setattr(Message, "made", staticmethod(timer))
    removed = told(objects.expired() + by_timer)
    assert sorted(removed) == [("saom_track_1", Message.REMOVE), ("saom_track_2", Message.REMOVE)]


KEPT = """
import sys
from std_msgs.msg import String
from saom_ros.output import Output
from saom_ros.outputs import OUTPUTS
class Kept:
    def __call__(self, answer):
        return String(data="added")
    def taken_back(self):
        return [String(data="taken back")]
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
