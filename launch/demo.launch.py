# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start everything on one machine: an edge, a robot, and a video played as its camera."""

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

# name: default and meaning
ARGUMENTS = {
    "namespace": ("", "namespace of the robot and its camera"),
    "image_topic": ("image_raw", "topic of the camera's images"),
    "robot_params_file": (str(SHARE / "config/robot.yaml"), "parameters of robot_node"),
    "edge_params_file": (str(SHARE / "config/edge.yaml"), "parameters of edge_node"),
    "model": ("", "network that is shared; empty: as in the parameter files"),
    "weights": ("", "its weights file; empty: as in the parameter files"),
    "image_transport": ("raw", "how the images travel to the robot: raw or compressed"),
    "policy": ("", "how the partition point of each frame is chosen; empty: as in robot_params_file"),
    "edge_namespace": ("", "where robot and edge meet; empty: as in the parameter files"),
    "robot_speed": ("0.2", "speed of the emulated robot as a fraction of this computer's, 1: no emulation"),
    "video": ("", "a file, or the index of a camera; empty: the street video that set-up brings"),
    "rate_hz": ("0.0", "images a second; 0.0: the video's own"),
    "rviz": ("false", "show the detections in RViz"),
    "respawn": ("false", "start edge and robot again when they have died"),
    "autostart": ("", "configure and activate without a lifecycle manager; empty: as in the parameter files"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, include edge and robot, and play the video."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, (default, meaning) in ARGUMENTS.items()
            ),
            # --show-args would list what is included without a function, as if those arguments were ours.
            OpaqueFunction(function=start),
        ]
    )


def start(_: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Include edge and robot, and play the video."""
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    shared = {name: given[name] for name in ("model", "weights", "edge_namespace", "respawn", "autostart", "log_level")}
    robot = {name: given[name] for name in ("namespace", "image_topic", "image_transport", "policy", "robot_speed")}
    video = Node(
        package="neurosurgeon_ros",
        executable="video_node",
        name="video_node",
        namespace=given["namespace"],
        parameters=[
            {
                "video": ParameterValue(given["video"], value_type=str),
                "rate_hz": ParameterValue(given["rate_hz"], value_type=float),
                "image_transport": given["image_transport"],
            }
        ],
        remappings=[("image_raw", given["image_topic"])],
        arguments=["--ros-args", "--log-level", given["log_level"]],
        output="screen",
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=given["namespace"],
        arguments=["-d", str(SHARE / "config/detections.rviz")],
        # The view names topics absolutely, as RViz writes them; here they follow the robot's namespace.
        remappings=[(f"/{topic}", topic) for topic in ("detections/image", "detections/markers")],
        condition=IfCondition(given["rviz"]),
    )
    return [
        include("edge", {**shared, "namespace": "", "params_file": given["edge_params_file"]}),
        include("robot", {**shared, **robot, "params_file": given["robot_params_file"]}),
        video,
        rviz,
    ]


def include(name: str, arguments: dict[str, str | LaunchConfiguration]) -> GroupAction:
    """Include another launch file of this package, in a scope of its own: its arguments are not ours."""
    source = PythonLaunchDescriptionSource(str(SHARE / f"launch/{name}.launch.py"))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=arguments.items())])
