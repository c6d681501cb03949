# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start the robot's node, on the computer that has the camera."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

PARAMS_FILE = Path(get_package_share_directory("neurosurgeon_ros")) / "config/robot.yaml"

# Arguments that set a parameter. A non-empty argument overrides the parameter file.
PARAMETERS = {
    "model": ("network to share with the edge", str),
    "weights": ("weights file", str),
    "labels": ("file with the names of the classes; must be the same on robot and edge", str),
    "image_transport": ("transport of the camera's images: raw, compressed, ffmpeg or foxglove", str),
    "significant_bits": ("bits that the camera uses of the 16 bits of a value, 0: all", int),
    "policy": ("policy that chooses the arm of each frame", str),
    "edge_namespace": ("namespace of the topics between robot and edge; must be the same on both", str),
    "robot_speed": ("speed of the emulated robot as a fraction of this computer's, 1: no emulation", float),
    "autostart": ("configure and activate the node without a lifecycle manager", lambda text: text.lower() == "true"),
}


def generate_launch_description() -> LaunchDescription:
    """Return the launch description: the arguments, and the action that starts the node."""
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its topics"),
        DeclareLaunchArgument("image_topic", default_value="image_raw", description="topic of the camera's images"),
        DeclareLaunchArgument("params_file", default_value=str(PARAMS_FILE), description="parameter file of the node"),
        DeclareLaunchArgument("respawn", default_value="false", description="restart the node if it ends unexpectedly"),
        DeclareLaunchArgument("use_composition", default_value="false", description="must be false: see docs/nav2.md"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
        *(
            DeclareLaunchArgument(name, default_value="", description=f"{meaning}; empty: as in params_file")
            for name, (meaning, _) in PARAMETERS.items()
        ),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the node with the parameters that were set by arguments."""
    composed = LaunchConfiguration("use_composition").perform(context)
    if composed.lower() == "true":
        raise ValueError(
            f"use_composition was given {composed}, but robot_node is written in Python and no component container can "
            "load it: set it to false for this launch file"
        )
    texts = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    given = {name: PARAMETERS[name][1](text) for name, text in texts.items() if text}
    return [
        LifecycleNode(
            package="neurosurgeon_ros",
            executable="robot_node",
            name="robot_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), given],
            remappings=[("image_raw", LaunchConfiguration("image_topic"))],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            respawn=LaunchConfiguration("respawn"),
            output="screen",
        )
    ]
