"""Starts the node, and rviz where asked.

ros2 launch saom_ros saom.launch.py image:=/camera/color/image_raw depth:=/camera/aligned_depth/image_raw \
        camera_info:=/camera/color/camera_info rviz:=true

Several cameras in one process, which loads the model once; names of topics are then below those of the cameras:

ros2 launch saom_ros saom.launch.py cameras:=[left,right] image:=color/image_raw depth:=aligned_depth/image_raw \
        camera_info:=color/camera_info
"""

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from launch import LaunchDescription
from saom_ros.camera_names import camera_names

SHARE = Path(get_package_share_directory("saom_ros"))
# Fast DDS 3, from Kilted on, has another name for the variable and warns of the old one
FAST_DDS_2 = os.environ.get("ROS_DISTRO") in ("humble", "jazzy")
DDS_PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE" if FAST_DDS_2 else "FASTDDS_DEFAULT_PROFILES_FILE"
NAME = "saom"

BESIDE_CAMERA = "/camera/"
"""Topics begin so by default; those of several cameras stand below the names of these instead."""
INPUTS = ("image", "depth", "camera_info", "depth_camera_info")

ARGUMENTS = {
    "image": ("/camera/image_raw", "topic of the colour images"),
    "depth": ("/camera/depth/image_raw", "topic of the depth images that are aligned to colour; none: without depth"),
    "camera_info": ("/camera/camera_info", "topic of the colour camera's intrinsics"),
    "depth_camera_info": ("", "topic of the intrinsics of a depth camera that is not aligned; empty: it is aligned"),
    "cameras": (
        "",
        "several cameras with one model in one process, such as [left,right]: nodes /left/saom and /right/saom, and "
        "topics relative to /left and /right (image:=color/image_raw is /left/color/image_raw); empty: one camera",
    ),
    "namespace": ("", "namespace of the node: its topics are /<namespace>/saom/..."),
    "params_file": (str(SHARE / "config" / "saom.yaml"), "YAML file of parameters"),
    "image_transport": ("", "auto, raw or compressed; empty: as in params_file"),
    "model": ("", "a .onnx file, or a checkpoint of the SAM family; empty: as in params_file"),
    "provider": ("", "auto, cpu, cuda or tensorrt; empty: as in params_file"),
    "autostart": (
        "",
        "true: configure and activate at once; false where a lifecycle manager does it; empty: as in params_file",
    ),
    "use_sim_time": ("false", "true: the time of /clock, for simulators and recordings"),
    "log_level": ("info", "debug, info, warn, error or fatal: what the node says at the terminal"),
    "rviz": ("false", "true: open rviz with a view of the answers"),
    "frame": ("camera_color_optical_frame", "fixed frame of rviz: the frame_id of the colour images"),
    "dds_profile": (
        os.environ.get(DDS_PROFILE) or str(SHARE / "config" / "fastdds.xml"),
        "Fast DDS profile with room for camera images; default: yours, where the environment names one",
    ),
}
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    profile = SetEnvironmentVariable(DDS_PROFILE, LaunchConfiguration("dds_profile"))
    return LaunchDescription([*declared, profile, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    for name in ("params_file", "dds_profile"):
        if not Path(given[name]).is_file():
            raise ValueError(f"{name}:={given[name]}: expected a file, there is none: check the path")
    if given["log_level"].lower() not in LOG_LEVELS:
        raise ValueError(f"log_level:={given['log_level']}: expected one of {', '.join(LOG_LEVELS)}")
    cameras = camera_names(given["cameras"])
    if cameras:
        given |= topics_of_cameras(given)
    namespaces = namespaces_of(context, given["namespace"], cameras)
    warnings = [*ignored_arguments(context), *ignored_sections(given["params_file"], namespaces)]
    told = [LogInfo(msg=f"WARNING: {text}") for text in warnings]
    views = namespaces if truth("rviz", given["rviz"]) else []
    rviz = [action for one in views for action in rviz_node(given, one, alone=not cameras)]
    return [*told, saom_node(given, cameras, namespaces), *rviz]


def namespaces_of(context: LaunchContext, namespace: str, cameras: tuple[str, ...]) -> list[str]:
    """The whole namespace of each node, without / in front: below that of a PushRosNamespace around this file."""
    pushed = "" if namespace.startswith("/") else context.launch_configurations.get("ros_namespace", "")
    base = [part.strip("/") for part in (pushed, namespace)]
    return ["/".join(filter(None, (*base, camera))) for camera in cameras or ("",)]


def topics_of_cameras(given: dict[str, str]) -> dict[str, str]:
    """The topics of several cameras, relative to the names of these."""
    topics = {name: given[name].removeprefix(BESIDE_CAMERA) for name in INPUTS if given[name] == ARGUMENTS[name][0]}
    topics = {name: given[name] for name in INPUTS} | topics
    for name, topic in topics.items():
        if topic.startswith("/"):
            raise ValueError(
                f"{name}:={topic}: with cameras:= expected a name without / in front, which is relative to each "
                f"camera's, as all of them would read the same topic: {name}:=color/{name} is "
                f"/{camera_names(given['cameras'])[0]}/color/{name}"
            )
    return topics


def truth(name: str, text: str) -> bool:
    """The value of an argument's text, by the rules of ROS's own launch files and of YAML."""
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.strip().lower() not in words:
        raise ValueError(
            f"{name}:={text}: expected true or false (or {', '.join(w for w in words if w[0] not in 'tf')})"
        )
    return words[text.strip().lower()]


def ignored_arguments(context: LaunchContext) -> list[str]:
    """A warning about arguments on the command line that this file does not know; ros2 launch itself ignores them.

    Only where this file is the one that was started: another one that includes it has arguments of its own.
    """
    if not any(argument.endswith(Path(__file__).name) for argument in sys.argv):
        return []
    names = [argument.split(":=")[0] for argument in sys.argv if ":=" in argument]
    told = []
    for name in names:
        if name not in ARGUMENTS:
            near = get_close_matches(name, ARGUMENTS, n=1)
            meant = f"did you mean {near[0]}?" if near else "parameters of the node belong into params_file"
            told.append(f"the argument {name}:= is ignored, this launch file has none of that name: {meant}")
    return told


def ignored_sections(params_file: str, namespaces: list[str]) -> list[str]:
    """A warning about a parameter file that has nothing for a node; ROS itself ignores it."""
    content = yaml.safe_load(Path(params_file).read_text(encoding="utf-8"))
    told = []
    for namespace in namespaces:
        whole = "/".join(["", *filter(None, [namespace]), NAME])
        if isinstance(content, dict) and not any("*" in key or key.strip("/") in (NAME, whole[1:]) for key in content):
            names = ", ".join(map(str, content))
            told.append(
                f"nothing in {params_file} is for this node: it has sections for {names}, not for {whole} or /**"
            )
    return told


def rviz_node(given: dict[str, str], namespace: str, *, alone: bool) -> list[LaunchDescriptionEntity]:
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:  # robots often have no rviz, and the node must run without it
        return [LogInfo(msg="rviz:=true, but rviz2 is not installed here: apt install ros-$ROS_DISTRO-rviz2")]
    view = SHARE / "rviz" / "saom.rviz"
    topics = [
        display["Topic"]["Value"]
        for display in yaml.safe_load(view.read_text(encoding="utf-8"))["Visualization Manager"]["Displays"]
    ]
    moved = [(topic, f"/{namespace}{topic}") for topic in topics] if namespace else []
    simulated = {"use_sim_time": truth("use_sim_time", given["use_sim_time"])}
    arguments = ["-d", str(view), "-f", given["frame"]]
    own = {} if alone else {"namespace": f"/{namespace}"}  # else the views of two cameras would have the same name
    return [
        Node(package="rviz2", executable="rviz2", arguments=arguments, remappings=moved, parameters=[simulated], **own)
    ]


def saom_node(given: dict[str, str], cameras: tuple[str, ...], namespaces: list[str]) -> LaunchDescriptionEntity:
    # an argument that was not given must leave the value of the parameter file alone
    parameters: dict[str, object] = {
        name: given[name] for name in ("image_transport", "model", "provider") if given[name]
    }
    if given["autostart"]:
        parameters["autostart"] = truth("autostart", given["autostart"])
    if truth("use_sim_time", given["use_sim_time"]):
        parameters["use_sim_time"] = True
    topics = {name: given[name] for name in ("image", "depth", "camera_info")}
    if topics["depth"].strip().lower() in ("", "none"):
        del topics["depth"]
        parameters["use_depth"] = False
    if given["depth_camera_info"]:
        topics["depth_camera_info"] = given["depth_camera_info"]
    levels = [f"{'.'.join([*filter(None, one.split('/')), NAME])}:={given['log_level'].lower()}" for one in namespaces]
    common: dict[str, Any] = {
        "package": "saom_ros",
        "executable": "saom",
        "namespace": given["namespace"],
        "output": "screen",
        "parameters": [given["params_file"], parameters],
        "remappings": list(topics.items()),
        "ros_arguments": [word for level in levels for word in ("--log-level", level)],
    }
    if cameras:  # the process names its nodes itself, and the parameters are for all of them
        return Node(arguments=["--cameras", ",".join(cameras)], **common)
    return LifecycleNode(name=NAME, **common)
