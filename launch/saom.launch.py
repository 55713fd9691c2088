"""Starts the node, and rviz where asked.

ros2 launch saom_ros saom.launch.py image:=/camera/color/image_raw depth:=/camera/aligned_depth/image_raw \
        camera_info:=/camera/color/camera_info rviz:=true
"""

import os
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from launch import LaunchDescription

SHARE = Path(get_package_share_directory("saom_ros"))
# Fast DDS 2 does not know the new name, Fast DDS 3 warns of the old one
FAST_DDS_2 = os.environ.get("ROS_DISTRO") in ("humble", "jazzy")
DDS_PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE" if FAST_DDS_2 else "FASTDDS_DEFAULT_PROFILES_FILE"

ARGUMENTS = {
    "image": ("/camera/image_raw", "topic of the colour images"),
    "depth": ("/camera/depth/image_raw", "topic of the depth images that are aligned to colour; optional"),
    "camera_info": ("/camera/camera_info", "topic of the colour camera's intrinsics"),
    "params_file": (str(SHARE / "config" / "saom.yaml"), "YAML file of parameters"),
    "image_transport": ("", "raw or compressed; empty: as in params_file"),
    "model": ("", "a .onnx file, or a checkpoint of the SAM family; empty: as in params_file"),
    "provider": ("", "auto, cpu, cuda or tensorrt; empty: as in params_file"),
    "autostart": ("true", "configure and activate at once; false where a lifecycle manager does it"),
    "rviz": ("false", "true: open rviz with a view of the answers"),
    "frame": ("camera_color_optical_frame", "fixed frame of rviz: the frame_id of the colour images"),
    "dds_profile": (
        os.environ.get(DDS_PROFILE) or str(SHARE / "config" / "fastdds.xml"),
        "Fast DDS profile with room for camera images; default: yours, where the environment names one",
    ),
}


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    profile = SetEnvironmentVariable(DDS_PROFILE, LaunchConfiguration("dds_profile"))
    rviz = OpaqueFunction(function=rviz_node, condition=IfCondition(LaunchConfiguration("rviz")))
    return LaunchDescription([*declared, profile, OpaqueFunction(function=saom_node), rviz])


def rviz_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:  # a robot often has none; the node must run all the same
        return [LogInfo(msg="rviz:=true, but rviz2 is not installed here: apt install ros-$ROS_DISTRO-rviz2")]
    arguments = ["-d", str(SHARE / "rviz" / "saom.rviz"), "-f", LaunchConfiguration("frame")]
    return [Node(package="rviz2", executable="rviz2", arguments=arguments)]


def saom_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    # an argument that was not given must not hide what the parameter file says
    parameters = {name: given[name] for name in ("image_transport", "model", "provider") if given[name]}
    return [
        LifecycleNode(
            package="saom_ros",
            executable="saom",
            name="saom",
            namespace="",
            output="screen",
            parameters=[given["params_file"], {**parameters, "autostart": given["autostart"].lower() == "true"}],
            remappings=[(name, given[name]) for name in ("image", "depth", "camera_info")],
        )
    ]
