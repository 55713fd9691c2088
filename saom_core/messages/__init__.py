"""What stands in the fields of ROS messages, for the node and for recordings alike; ROS itself is not needed."""
