"""SAOM core: whole-object everything mode, its result type and its runtime. No ROS, no training."""
