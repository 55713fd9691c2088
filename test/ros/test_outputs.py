"""The table of topics alone decides what is sent, and when."""

from __future__ import annotations

import pytest
import rclpy.lifecycle
from robot import Robot
from std_msgs.msg import String

from saom_core.runtime import ModelInfo
from saom_ros import outputs
from saom_ros.output import ONCE, Output


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
