# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start several robots and one edge. Each robot has its own namespace, from which its id at the edge is derived."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(get_package_share_directory("neurosurgeon_ros"))

# Name: default value and description.
ARGUMENTS = {
    "robots": ("robot1,robot2", "namespaces of the robots, separated by commas"),
    "edge": ("true", "also start the edge on this machine"),
    "image_topic": ("image_raw", "topic of each camera's images, within the robot's namespace"),
    "robot_params_file": (str(SHARE / "config/robot.yaml"), "parameters of every robot_node"),
    "edge_params_file": (str(SHARE / "config/edge.yaml"), "parameters of edge_node"),
    "model": ("", "network that robots and edge share; empty: as in the parameter files"),
    "weights": ("", "weights file; empty: as in the parameter files"),
    "labels": ("", "file with the names of the classes; empty: as in the parameter files"),
    "policy": ("", "policy that chooses the arm of each frame; empty: as in robot_params_file"),
    "edge_namespace": ("", "namespace of the topics between robots and edge; empty: as in the parameter files"),
    "robot_speed": ("", "speed of the emulated robots; empty: as in robot_params_file"),
    "significant_bits": ("", "bits that the cameras use of the 16 bits of a value; empty: as in robot_params_file"),
    "image_transport": (
        "",
        "raw, compressed, ffmpeg or foxglove; empty: as in robot_params_file; videos are played raw or compressed",
    ),
    "play": ("false", "play a video as the camera of each robot"),
    "videos": ("", "video files or shipped videos street and fixed, by commas, one per robot in turn; empty: street"),
    "respawn": ("false", "restart edge and robots if they end unexpectedly"),
    "use_composition": ("false", "must be false: see docs/nav2.md"),
    "autostart": ("", "configure and activate the nodes without a lifecycle manager; empty: as in the parameter files"),
    "log_level": ("info", "log level: debug, info, warn, error or fatal"),
}


def generate_launch_description() -> LaunchDescription:
    """Return the launch description: the arguments, and the action that starts everything."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, (default, meaning) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the actions that include the edge and each robot. The names of the robots must be known for this."""
    robots = named(context, "robots")
    if not robots or len(set(robots)) < len(robots):
        given = LaunchConfiguration("robots").perform(context)
        raise ValueError(f"robots was given {given!r}, expected different namespaces such as robot1,robot2")
    shared = {
        name: LaunchConfiguration(name)
        for name in (
            "model",
            "weights",
            "labels",
            "edge_namespace",
            "respawn",
            "use_composition",
            "autostart",
            "log_level",
        )
    }
    robot = {
        name: LaunchConfiguration(name)
        for name in ("image_topic", "image_transport", "significant_bits", "policy", "robot_speed")
    } | {"params_file": LaunchConfiguration("robot_params_file")}
    edge = {"namespace": "", "params_file": LaunchConfiguration("edge_params_file")}
    videos = named(context, "videos") or [""]
    return [
        include("edge", {**shared, **edge}, condition=IfCondition(LaunchConfiguration("edge"))),
        *(include("robot", {**shared, **robot, "namespace": name}) for name in robots),
        *(camera(name, videos[index % len(videos)], context) for index, name in enumerate(robots)),
    ]


def named(context: LaunchContext, argument: str) -> list[str]:
    """Return an argument that is a list separated by commas."""
    return [one.strip() for one in LaunchConfiguration(argument).perform(context).split(",") if one.strip()]


def include(
    name: str, arguments: dict[str, str | LaunchConfiguration], condition: IfCondition | None = None
) -> GroupAction:
    """Return an action that includes another launch file of this package in its own scope, with its own arguments."""
    source = PythonLaunchDescriptionSource(str(SHARE / f"launch/{name}.launch.py"))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=arguments.items())], condition=condition)


def camera(namespace: str, video: str, context: LaunchContext) -> Node:
    """Return a node that plays a video in a robot's namespace, if that was requested."""
    return Node(
        package="neurosurgeon_ros",
        executable="video_node",
        name="video_node",
        namespace=namespace,
        parameters=[
            {
                "video": ParameterValue(video, value_type=str),
                "image_transport": LaunchConfiguration("image_transport").perform(context) or "raw",
            }
        ],
        remappings=[("image_raw", LaunchConfiguration("image_topic"))],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level").perform(context)],
        condition=IfCondition(LaunchConfiguration("play")),
        output="screen",
    )
