"""Messages of recordings, without ROS: how ours are made, and what those of ROS 1 call otherwise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

INSTANCES = "saom_ros/msg/InstanceArray"
IMAGE, COMPRESSED, CAMERA_INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))


def stamp_ns(message: Any) -> int:
    """A message's stamp in nanoseconds."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def camera_info_of(message: Any) -> Any:
    """A CameraInfo with the names of ROS 2; ROS 1 calls its matrices K, D, R and P."""
    if hasattr(message, "k"):
        return message
    return SimpleNamespace(**{name.lower(): value for name, value in vars(message).items()})


def answer_types() -> Typestore:
    """The types of ROS 2, and ours, whose definitions stand in msg/."""
    store = get_typestore(Stores.ROS2_JAZZY)
    here = Path(__file__).resolve().parent
    folder = next(one for one in (here / "msg", here.parent / "msg") if one.is_dir())
    types: dict[str, Any] = {}
    for file in sorted(folder.glob("*.msg")):
        types.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"saom_ros/msg/{file.stem}"))
    store.register(types)
    return store


def made(store: Typestore, name: str, /, **values: Any) -> Any:
    """A message of a type with these values; what else it has is zero or empty.

    Raises:
        KeyError: a field of ours has no value: one that was added to msg/ must be filled here, too.
    """
    ours = name.startswith("saom_ros/")
    fields = store.fielddefs[name][1]
    return store.types[name](
        **{field: values[field] if ours or field in values else _zero(store, kind) for field, kind in fields}
    )


def _zero(store: Typestore, kind: Any) -> Any:
    """The empty value of a field of that type."""
    node, told = kind
    if node.name == "NAME":
        return made(store, told)
    if node.name == "BASE":
        return "" if told[0] == "string" else False if told[0] == "bool" else 0
    (inner, of), length = told
    if inner.name == "BASE" and of[0] != "string":
        return np.zeros(length, np.dtype("bool" if of[0] == "bool" else of[0]))
    return [_zero(store, told[0]) for _ in range(length)] if node.name == "ARRAY" else []
