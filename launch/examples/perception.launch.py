# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Include the robot in a launch file in Python, under nav2's lifecycle manager unless `autostart` is true."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import UnlessCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

ROBOT = PathJoinSubstitution([FindPackageShare("neurosurgeon_ros"), "launch", "robot.launch.py"])


def generate_launch_description() -> LaunchDescription:
    """Return the robot and, if it does not start itself, the lifecycle manager that starts it."""
    given = {name: LaunchConfiguration(name) for name in ("namespace", "image_topic", "autostart")}
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the robot"),
            DeclareLaunchArgument(
                "image_topic", default_value="camera/image_raw", description="topic of the camera's images"
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="true",
                description="false: nav2's lifecycle manager configures and activates the robot",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(ROBOT), launch_arguments=[*given.items(), ("respawn", "true")]
            ),
            Node(
                package="nav2_lifecycle_manager",
                executable="lifecycle_manager",
                name="lifecycle_manager_perception",
                namespace=given["namespace"],
                # bond_timeout 0.0: no bond, on a robot without the package bond
                parameters=[{"autostart": True, "node_names": ["robot_node"], "bond_timeout": 4.0}],
                condition=UnlessCondition(given["autostart"]),
                output="screen",
            ),
        ]
    )
