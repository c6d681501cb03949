# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start an edge, a robot, and a video that plays as the robot's camera, on one machine."""

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
    "namespace": ("", "namespace of the robot and its camera"),
    "image_topic": ("image_raw", "topic of the camera's images"),
    "robot_params_file": (str(SHARE / "config/robot.yaml"), "parameters of robot_node"),
    "edge_params_file": (str(SHARE / "config/edge.yaml"), "parameters of edge_node"),
    "model": ("", "network that robot and edge share; empty: as in the parameter files"),
    "weights": ("", "weights file; empty: as in the parameter files"),
    "labels": ("", "file with the names of the classes; empty: as in the parameter files"),
    "significant_bits": ("", "bits that the camera uses of the 16 bits of a value; empty: as in robot_params_file"),
    "image_transport": ("raw", "transport of the camera's images: raw or compressed"),
    "policy": ("", "policy that chooses the arm of each frame; empty: as in robot_params_file"),
    "edge_namespace": ("", "namespace of the topics between robot and edge; empty: as in the parameter files"),
    "robot_speed": ("0.2", "speed of the emulated robot as a fraction of this computer's, 1: no emulation"),
    "video": ("", "video file, index of a camera, or shipped video street or fixed; empty: street"),
    "rate_hz": ("0.0", "images per second; 0.0: the video's own rate"),
    "rviz": ("false", "show the detections in RViz"),
    "respawn": ("false", "restart edge and robot if they end unexpectedly"),
    "use_composition": ("false", "must be false: see docs/nav2.md"),
    "autostart": ("", "configure and activate the nodes without a lifecycle manager; empty: as in the parameter files"),
    "log_level": ("info", "log level: debug, info, warn, error or fatal"),
}

# Arguments that edge and robot share.
SHARED = ("model", "weights", "labels", "edge_namespace", "respawn", "use_composition", "autostart", "log_level")
# Arguments of the robot.
OF_ROBOT = ("namespace", "image_topic", "image_transport", "significant_bits", "policy", "robot_speed")


def generate_launch_description() -> LaunchDescription:
    """Return the launch description: the arguments, and the action that starts everything."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, (default, meaning) in ARGUMENTS.items()
            ),
            # Without a function, --show-args would also list the arguments of the included launch files.
            OpaqueFunction(function=start),
        ]
    )


def start(_: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the actions that include edge and robot, play the video, and start RViz if requested."""
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    shared = {name: given[name] for name in SHARED}
    robot = {name: given[name] for name in OF_ROBOT}
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
        # The RViz configuration names absolute topics. Here they must be in the robot's namespace.
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
    """Return an action that includes another launch file of this package in its own scope, with its own arguments."""
    source = PythonLaunchDescriptionSource(str(SHARE / f"launch/{name}.launch.py"))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=arguments.items())])
