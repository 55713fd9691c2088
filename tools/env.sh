# To be sourced by bash or sh in the root of the checkout. Afterwards ROS 2 is the one in .venv, with the package that is
# built in install/; another ROS on this machine is not seen.
# shellcheck shell=sh
SAOM_ROOT=$(pwd)
SAOM_SITE=$(echo "$SAOM_ROOT"/.venv/lib/python3.*/site-packages)
SAOM_INSTALLED=$(echo "$SAOM_ROOT"/install/saom_ros/lib/python3.*/site-packages)

export PATH="$SAOM_ROOT/.venv/bin:$PATH"
export AMENT_PREFIX_PATH="$SAOM_ROOT/install/saom_ros:$SAOM_ROOT/.venv"
export PYTHONPATH="$SAOM_INSTALLED"
# the wheels keep libraries in lib/ and beside the packages; rclpy loads those of message types by their name
LD_LIBRARY_PATH="$SAOM_ROOT/install/saom_ros/lib:$SAOM_ROOT/.venv/lib"
for folder in "$SAOM_SITE"/ros_*.libs; do LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$folder"; done
export LD_LIBRARY_PATH
# the wheels' start-up hook sets these paths and executes Python again; here they are set already
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1

export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export FASTDDS_DEFAULT_PROFILES_FILE="$SAOM_ROOT/config/fastdds.xml"
