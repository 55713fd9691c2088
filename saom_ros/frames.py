"""Coordinate frames through tf2: from the camera of an image into the robot's frame, at the image's stamp.

tf2_ros is in every ROS installation but not on PyPI; the node works without it as long as no `target_frame` is set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from saom_core.errors import InputError, SaomError
from saom_core.places.rigid import RigidTransform

try:
    import tf2_ros
except ImportError:
    tf2_ros = None


BEGUN_AGAIN = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
"""A simulator was reset, a recording begins again, or `use_sim_time` was set."""


class Frames:
    """Listens to tf and knows how frames lie to each other; when the node's time begins again, only from then on.

    Args:
        node: that listens.

    Raises:
        SaomError: tf2_ros is not installed.
    """

    def __init__(self, node: Node) -> None:
        if tf2_ros is None:
            raise SaomError(
                "expected the Python package tf2_ros, which transforms go through, found none: install "
                "ros-$ROS_DISTRO-tf2-ros-py and source ROS"
            )
        self._buffer: Any = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        # A buffer that is given the node does this itself, but not on Humble, and fails in it before geometry2 #711.
        # Static transforms, which are sent only once, outlive `clear`.
        self._jumps = node.get_clock().create_jump_callback(BEGUN_AGAIN, post_callback=lambda _: self._buffer.clear())

    @staticmethod
    def available() -> bool:
        """Whether tf2_ros is installed."""
        return tf2_ros is not None

    def transform(self, target_frame: str, header: Header, timeout_s: float, asker: str) -> RigidTransform:
        """From the frame of a header into another one, at the header's stamp; not to be called by the executor.

        Args:
            target_frame: its name.
            header: with frame_id and stamp; a stamp of 0 means the latest transform.
            timeout_s: how long to wait for transforms of that moment, which may come later than the image.
            asker: the parameter or input that needs it, for the error.

        Raises:
            InputError: there is no transform of that moment.
        """
        source = header.frame_id.lstrip("/")
        try:
            found = self._buffer.lookup_transform(
                target_frame, source, Time.from_msg(header.stamp), Duration(seconds=timeout_s)
            ).transform
        except tf2_ros.TransformException as error:
            raise InputError(
                f"{asker}: expected a transform from {source!r} to {target_frame!r} at the image's stamp, got "
                f"none within {timeout_s:g} s ({error}): is the robot's state published, and its clock the camera's?"
            ) from error
        turn, shift = found.rotation, found.translation
        return RigidTransform(np.array([turn.x, turn.y, turn.z, turn.w]), np.array([shift.x, shift.y, shift.z]))

    def destroy(self) -> None:
        """Stops listening."""
        self._jumps.unregister()
        self._listener.unregister()
