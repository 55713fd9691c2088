"""What is installed beside the node: the view of rviz shows topics that the node has; the launch file, where ROS is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
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


def need_launch() -> None:
    """Skips a test where `ros2 launch` is not installed."""
    for package in ("launch_ros", "ros2launch"):
        pytest.importorskip(
            package,
            reason=f"needs {package}: apt install ros-$ROS_DISTRO-ros2launch. PyPI has none: without ROS put launch, "
            "launch_ros and ros2cli of github.com/ros2, and osrf_pycommon of PyPI, on PYTHONPATH",
        )


@pytest.mark.slow
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
    need_launch()
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


Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(robot: Robot, tmp_path: Path) -> Iterator[Launch]:
    """Runs `ros2 launch` with some arguments; what it says goes to `launch.log`."""
    need_launch()
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = ["ros2", "launch", "saom_ros", "saom.launch.py", "provider:=cpu", *arguments]
        environment = os.environ | {"ROS_DOMAIN_ID": str(robot.domain)}
        with (tmp_path / "launch.log").open("w") as file:
            started.append(subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(300)


def names_in_diagnostics(robot: Robot) -> dict[str, DiagnosticStatus]:
    """Name of a status -> the last one, kept up to date."""
    kept: dict[str, DiagnosticStatus] = {}
    robot.node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda array: kept.update((one.name, one) for one in array.status), 10
    )
    return kept


@pytest.mark.slow
def test_namespace_log_level_and_simulated_time_reach_the_node(robot: Robot, launch: Launch, tmp_path: Path) -> None:
    process = launch("namespace:=/robot1", "log_level:=debug", "use_sim_time:=yes", "autostart:=1", "image:=/image")
    seen = names_in_diagnostics(robot)
    name = "robot1/saom: segmentation"
    robot.until(lambda: name in seen and "idle" in seen[name].message, "an active node in its namespace", process)
    assert robot.node.count_publishers("/robot1/saom/instances") == 1
    robot.until(lambda: robot.node.count_subscribers("/clock"), "the node to take simulated time", process)
    robot.until(lambda: "[DEBUG]" in (tmp_path / "launch.log").read_text(), "debug lines", process)


@pytest.mark.slow
@pytest.mark.parametrize(("word", "state"), [("yes", "active"), ("1", "active"), ("False", "unconfigured")])
def test_autostart_in_the_words_of_yaml(robot: Robot, launch: Launch, word: str, state: str) -> None:
    process = launch(f"autostart:={word}", "image:=/image")
    robot.until(lambda: robot.status is not None, "the node", process)
    if state == "active":
        robot.until(lambda: robot.fresh_value("lifecycle") == state, "an active node", process)
    else:  # and it stays so
        assert {robot.fresh_value("lifecycle") for _ in range(4)} == {state}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("autostart:=maybe", "autostart:=maybe: expected true or false"),
        ("log_level:=loud", "expected one of debug"),
        ("params_file:=/no/where.yaml", "expected a file"),
        ("dds_profile:=/no/where.xml", "expected a file"),
        ("cameras:=[left,left]", "expected each name once"),
        ("cameras:=[left,right] image:=/camera/color/image", "expected a name without / in front"),
    ],
)
def test_arguments_without_a_meaning_end_the_launch(launch: Launch, tmp_path: Path, argument: str, reason: str) -> None:
    assert launch(*argument.split()).wait(300) != 0
    assert reason in (tmp_path / "launch.log").read_text()


@pytest.mark.slow
def test_several_cameras_are_nodes_of_one_process(robot: Robot, launch: Launch, tmp_path: Path) -> None:
    parameters = tmp_path / "right.yaml"
    parameters.write_text("/right/saom:\n  ros__parameters:\n    max_instances: 1\n")
    topics = ("image:=image", "camera_info:=camera_info", "depth:=none")
    process = launch("cameras:=[left, right]", *topics, f"params_file:={parameters}", "log_level:=debug")
    with Robot("left", robot.domain) as left, Robot("right", robot.domain) as right:
        for camera in (left, right):
            camera.wait_active(process)
            assert camera.value("provider_requested") == "cpu" and camera.parameter("use_depth") is False
        assert len(right.answer_to(right.show(picture()[0])).instances) == 1
        assert len(left.answer_to(left.show(picture()[0])).instances) > 1
    assert len(psutil.Process(process.pid).children()) == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(240) == 0
    said = (tmp_path / "launch.log").read_text()
    assert "process has finished cleanly" in said
    assert f"nothing in {parameters} is for this node" in said and "not for /left/saom" in said
    assert "[DEBUG] [" in said and "[left.saom]" in said and "[right.saom]" in said


@pytest.mark.slow
def test_topics_of_several_cameras_are_below_their_names(robot: Robot, launch: Launch) -> None:
    process = launch("cameras:=left,arm/right", "depth:=aligned/image_raw", "namespace:=robot1")
    for camera in ("/robot1/left", "/robot1/arm/right"):
        for topic in ("image_raw", "aligned/image_raw", "camera_info"):
            heard = partial(robot.node.count_subscribers, f"{camera}/{topic}")
            robot.until(heard, f"a subscription to {camera}/{topic}", process)


@pytest.mark.slow
def test_what_is_ignored_is_told(robot: Robot, launch: Launch, tmp_path: Path) -> None:
    parameters = tmp_path / "other.yaml"
    parameters.write_text("camera:\n  ros__parameters:\n    nms_iou: 0.7\n")
    process = launch("imge:=/image", "nms_iou:=0.7", f"params_file:={parameters}", "depth:=none", "autostart:=0")
    robot.until(lambda: robot.status is not None, "the node", process)
    said = (tmp_path / "launch.log").read_text()
    assert "imge:= is ignored" in said and "did you mean image?" in said
    assert "nms_iou:= is ignored" in said and "params_file" in said
    assert "sections for camera" in said
    assert robot.parameter("use_depth") is False


INCLUDED = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace
path, namespace, *words = sys.argv[1:]
given = [word.split(":=", 1) for word in words]
file = IncludeLaunchDescription(PythonLaunchDescriptionSource(path), launch_arguments=given)
service = LaunchService()
service.include_launch_description(LaunchDescription([GroupAction([PushRosNamespace(namespace), file])]))
sys.exit(service.run())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "camera", "name"), [("", "", "robot1/saom"), ("arm", "", "robot1/arm/saom"), ("arm", "left", "")]
)
def test_below_a_namespace_that_another_file_pushes(
    robot: Robot, tmp_path: Path, word: str, camera: str, name: str
) -> None:
    """The file's section for that name, log_level and the file's autostart reach the node, and nothing is warned of."""
    pytest.importorskip("launch_ros", reason="needs launch_ros: see need_launch")
    name = name or f"robot1/{word}/{camera}/saom"
    parameters, log = tmp_path / "robot.yaml", tmp_path / "launch.log"
    parameters.write_text(f"/{name}:\n  ros__parameters:\n    max_instances: 7\n    autostart: false\n")
    given = [f"params_file:={parameters}", f"namespace:={word}", "provider:=cpu", "log_level:=debug", "depth:=none"]
    given += [f"cameras:={camera}"] if camera else []
    command = [sys.executable, "-c", INCLUDED, str(ROOT / "launch" / "saom.launch.py"), "robot1", *given]
    with log.open("w") as file:
        environment = os.environ | {"ROS_DOMAIN_ID": str(robot.domain)}
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True)
    try:
        with Robot(name.removesuffix("/saom"), robot.domain) as beside:
            beside.until(lambda: beside.status is not None, "the node", process)
            assert beside.parameter("max_instances") == 7
            assert {beside.fresh_value("lifecycle") for _ in range(3)} == {"unconfigured"}
            dotted = name.replace("/", ".")
            beside.until(lambda: f"[{dotted}]" in log.read_text(), "debug lines", process)
        said = log.read_text()
        assert "[DEBUG] [" in said and "is for this node" not in said
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(240) == 0
