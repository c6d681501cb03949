# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start the edge: on the computer that runs back-ends for robots."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

PARAMS_FILE = Path(get_package_share_directory("neurosurgeon_ros")) / "config/edge.yaml"

# Arguments that are parameters: one that is given comes before the parameter file, an empty one does not count.
PARAMETERS = {
    "model": ("network that is served", str),
    "weights": ("its weights file", str),
    "edge_namespace": ("where robot and edge meet; the same on both", str),
    "autostart": ("configure and activate without a lifecycle manager", lambda text: text.lower() == "true"),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, and start the node."""
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
        DeclareLaunchArgument("params_file", default_value=str(PARAMS_FILE), description="parameters of the node"),
        DeclareLaunchArgument("respawn", default_value="false", description="start the node again when it has died"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
        *(
            DeclareLaunchArgument(name, default_value="", description=f"{meaning}; empty: as in params_file")
            for name, (meaning, _) in PARAMETERS.items()
        ),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Start the node with the parameters that were given."""
    texts = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    given = {name: PARAMETERS[name][1](text) for name, text in texts.items() if text}
    return [
        LifecycleNode(
            package="neurosurgeon_ros",
            executable="edge_node",
            name="edge_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), given],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            respawn=LaunchConfiguration("respawn"),
            output="screen",
        )
    ]
