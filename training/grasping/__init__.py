"""Grasps planned on what a model sees and tried with a simulated gripper: how much masks are worth to a robot."""
