"""What is installed beside the node: the view of rviz shows topics that the node has; the launch file, where ROS is."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import yaml
from robot import ROOT, Robot, picture

from saom_ros.outputs import OUTPUTS

MESSAGES = {"Image": "Image", "PointCloud2": "PointCloud2", "MarkerArray": "MarkerArray"}
"""Display of rviz_default_plugins -> the message type that it subscribes to."""


def test_rviz_shows_topics_of_the_node_in_their_types() -> None:
    view = yaml.safe_load((ROOT / "rviz" / "saom.rviz").read_text())
    displays = view["Visualization Manager"]["Displays"]
    assert len(displays) >= 3
    for display in displays:
        plugin, name = display["Class"].split("/")
        topic = display["Topic"]["Value"].removeprefix("/saom/")
        assert plugin == "rviz_default_plugins" and OUTPUTS[topic][0].__name__ == MESSAGES[name]
        # the node publishes reliably and keeps nothing for those who come late
        assert display["Topic"]["Reliability Policy"] in ("Reliable", "Best Effort")
        assert display["Topic"].get("Durability Policy", "Volatile") == "Volatile"


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [
        ("jazzy", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_the_launch_file_starts_a_node_that_answers(
    robot: Robot, tmp_path: Path, distribution: str, variable: str
) -> None:
    pytest.importorskip("launch_ros", reason="launch is not on PyPI; it is in every ROS")
    log, profile = tmp_path / "launch.log", str(ROOT / "config" / "fastdds.xml")
    command = ["ros2", "launch", "saom_ros", "saom.launch.py", "image:=/image", "camera_info:=/camera_info"]
    environment = [f"ROS_DOMAIN_ID={robot.domain}", f"ROS_DISTRO={distribution}"]
    with log.open("w") as file:
        process = subprocess.Popen(
            ["env", *environment, *command, "provider:=cpu", "rviz:=true", f"dds_profile:={profile}"],
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        robot.wait_active(process)
        assert robot.answer_to(robot.show(picture()[0])).instances
        assert robot.value("provider_requested") == "cpu"
        started = psutil.Process(process.pid).children()  # rviz, too, where it is installed
        assert started and all(child.environ()[variable] == profile for child in started)
    finally:
        process.send_signal(signal.SIGINT)
        returned = process.wait(240)
    assert returned == 0 and "process has finished cleanly" in log.read_text()
