#!/bin/bash
# Sources ROS and camf_ros, then runs the command.
# shellcheck disable=SC1090,SC1091 # there in the container alone
source "/opt/ros/$ROS_DISTRO/setup.bash"
# shellcheck disable=SC1091
source /ws/install/setup.bash
exec "$@"
