"""The table of topics alone decides what is sent, and when."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import rclpy.lifecycle
from rclpy.lifecycle import LifecycleState
from robot import Robot, free_domain
from std_msgs.msg import String

from saom_core.runtime import ModelInfo
from saom_ros import outputs
from saom_ros.output import ONCE, PER_FRAME, Output


def model(name: str) -> ModelInfo:
    return ModelInfo(name, "", (), "cpu", "cpu", "", (4, 6), False)


def test_what_is_told_once_reaches_those_who_subscribe_later(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ~/label_info, which is there where vision_msgs is."""
    table = {
        "model_name": Output(String, lambda model: String(data=model.name), ONCE),
        "nothing": Output(String, lambda answer: None),
    }
    monkeypatch.setattr(outputs, "OUTPUTS", table)
    node = rclpy.lifecycle.LifecycleNode("teller", context=robot.node.context)
    sent, told = outputs.Outputs(node), []

    def topics() -> list[str]:
        return [name for name in table if robot.node.count_publishers(f"/teller/{name}")]

    robot.until(lambda: topics() == ["nothing"], "the topic that each frame has")
    sent.announce(model("tiny"))
    sent.announce(model("another"))  # the node is activated again: it was told already
    robot.node.create_subscription(String, "/teller/model_name", told.append, ONCE)
    robot.until(lambda: told, "what was told before")
    assert [message.data for message in told] == ["tiny"]
    sent.destroy()
    robot.until(lambda: topics() == [], "no topic")
    sent.announce(model("another"))
    robot.until(lambda: len(told) == 2, "what is told of the next model")
    assert told[1].data == "another"
    sent.destroy()
    node.destroy_node()


class Kept:
    """A maker whose readers keep what they are told, as MoveIt does."""

    passed: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, answer: Any) -> String:
        self.last = answer
        return String(data=answer)

    def passed_over(self, answer: Any) -> None:
        self.passed.append(answer)

    def taken_back(self) -> String:
        return String(data=f"not {self.last}")


def listened_to(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> tuple[rclpy.lifecycle.LifecycleNode, outputs.Outputs, list[str]]:
    """An active node with the output `Kept`, its outputs, and what a listener hears."""
    monkeypatch.setattr(outputs, "OUTPUTS", {"kept": Output(String, Kept)})
    node = rclpy.lifecycle.LifecycleNode("teller", context=robot.node.context)
    sent, told = outputs.Outputs(node), list[str]()
    robot.node.create_subscription(String, "/teller/kept", lambda message: told.append(message.data), PER_FRAME)
    robot.until(sent.wanted, "the listener")
    node.trigger_configure()
    node.trigger_activate()
    return node, sent, told


def test_what_readers_keep_is_taken_back_and_the_last_answer_does_not_come_behind(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, sent, told = listened_to(robot, monkeypatch)
    sent.publish("a mug")  # type: ignore[arg-type]
    sent.take_back(LifecycleState("deactivating", 0))
    sent.publish("a late mug")  # type: ignore[arg-type]
    node.trigger_deactivate()
    node.trigger_activate()
    sent.publish("a cup")  # type: ignore[arg-type]
    robot.until(lambda: "a cup" in told, "the next answer")
    assert told == ["a mug", "not a mug", "a cup"]
    sent.destroy()
    node.destroy_node()


def test_who_keeps_a_memory_hears_of_answers_that_are_not_published(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscriber hangs, so that the topic is not due: what MoveIt was told of is still there."""
    monkeypatch.setattr(Kept, "passed", [])
    node, sent, told = listened_to(robot, monkeypatch)
    sent.publish("a mug")  # type: ignore[arg-type]
    sent.pace.took("kept", 3600.0)
    sent.publish("the same mug")  # type: ignore[arg-type]
    sent.pace.forget("kept")
    sent.publish("a cup")  # type: ignore[arg-type]
    robot.until(lambda: "a cup" in told, "the next answer")
    assert told == ["a mug", "a cup"] and Kept.passed == ["the same mug"]
    sent.destroy()
    node.destroy_node()


def test_a_context_that_is_shut_down_does_not_keep_the_node_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "OUTPUTS", {"kept": Output(String, Kept)})
    context = rclpy.Context()
    context.init(domain_id=free_domain())
    node = rclpy.lifecycle.LifecycleNode("teller", context=context)
    sent = outputs.Outputs(node)
    node.trigger_configure()
    node.trigger_activate()
    context.shutdown()
    sent.take_back(LifecycleState("deactivating", 0))
    sent.destroy()
    node.destroy_node()
