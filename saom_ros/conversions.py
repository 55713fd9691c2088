"""Messages of rclpy, made of the fields that `saom_core.messages` fills."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from saom_core.messages import answers
from saom_ros.msg import Instance, InstanceArray, Mask, Plane

_PACKAGES = {
    "geometry_msgs": (Point, Pose, Quaternion, Vector3),
    "saom_ros": (Instance, InstanceArray, Mask, Plane),
    "sensor_msgs": (Image,),
}
_TYPES = {f"{package}/msg/{one.__name__}": one for package, types in _PACKAGES.items() for one in types}
_SEQUENCES = {np.dtype(np.uint8): "B", np.dtype(np.uint32): "I"}
"""Types of sequences, whose elements rclpy checks one by one unless they come as an `array.array`."""


def ros_message(type_name: str, /, **fields: Any) -> Any:
    """See `saom_core.messages.answers.Make`."""
    return _TYPES[type_name](**{name: _as_rclpy_takes_it(value) for name, value in fields.items()})


def _as_rclpy_takes_it(value: Any) -> Any:
    code = _SEQUENCES.get(value.dtype) if isinstance(value, np.ndarray) else None
    return value if code is None else _array(code, value)


def _array(code: str, contiguous: npt.NDArray[Any]) -> array.array[int]:
    data: array.array[int] = array.array(code)
    data.frombytes(contiguous.data.cast("B") if contiguous.size else b"")
    return data


def image_message(pixels: npt.NDArray[Any], encoding: str, header: Header) -> Image:
    """See `saom_core.messages.answers.image_message`."""
    return answers.image_message(ros_message, pixels, encoding, header)


def byte_array(contiguous: npt.NDArray[Any]) -> array.array[int]:
    """The bytes of a C-contiguous array in the one type that rclpy takes without checking each element."""
    return _array("B", contiguous)
