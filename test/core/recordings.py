"""Recordings of a camera over the demo's table, as Foxglove's own writer of MCAP makes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mcap_ros2.writer import Writer
from rosbags.typesys import Stores, get_typestore

ROOT = Path(__file__).resolve().parents[2]
SEQUENCE = ROOT / "demo" / "sequence"
COLOR, DEPTH, INFO = "/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw", "/camera/color/camera_info"
FRAME = "camera_color_optical_frame"
BEGIN_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000


def definition(name: str) -> str:
    """The text of a ROS 2 message, with the messages inside it."""
    store = get_typestore(Stores.ROS2_JAZZY)
    return str(store.generate_msgdef(f"{name.split('/', maxsplit=1)[0]}/msg/{name.split('/')[1]}", ros_version=2)[0])


def stamp_of(ns: int) -> dict[str, int]:
    return {"sec": ns // 1_000_000_000, "nanosec": ns % 1_000_000_000}


def image(pixels: np.ndarray, encoding: str, ns: int, frame: str = FRAME) -> dict[str, Any]:
    """A sensor_msgs/Image whose rows have 3 bytes more than they need."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(pixels.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, 4)))
    return {
        "header": {"stamp": stamp_of(ns), "frame_id": frame},
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": padded.shape[1],
        "data": padded.tobytes(),
    }


def camera_info(ns: int, frame: str = FRAME) -> dict[str, Any]:
    """Of the demo's camera."""
    told = json.loads((SEQUENCE / "camera.json").read_text())
    fx, fy, cx, cy = (float(told[name]) for name in ("fx", "fy", "cx", "cy"))
    roi = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
    return {
        "header": {"stamp": stamp_of(ns), "frame_id": frame},
        "height": 480,
        "width": 640,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }


def picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """RGB and depth in millimetres of a camera that turns a little from frame to frame."""
    rgb = cv2.imread(str(SEQUENCE / "image_008.jpg"))[..., ::-1]
    depth = cv2.imread(str(SEQUENCE / "depth_008.png"), cv2.IMREAD_UNCHANGED)
    return np.roll(rgb, -4 * number, 1), np.roll(depth, -4 * number, 1)


def record(
    path: Path,
    frames: int = 3,
    *,
    broken: Sequence[int] = (),
    compressed: bool = False,
    depth: bool = True,
    per_millimetre: int = 1,
    depth_frame: str = FRAME,
    info_frame: str = FRAME,
) -> Path:
    """Writes a recording: colour, depth 10 ms before or after it, camera_info once, and text that nobody asked for.

    Args:
        path: the .mcap file.
        frames: pictures.
        broken: numbers of pictures whose data is too short.
        compressed: JPEG beside the raw pictures.
        depth: whether there is depth.
        per_millimetre: units of the depth in a millimetre.
        depth_frame: frame_id of the depth.
        info_frame: frame_id of the camera_info.
    """
    with path.open("wb") as file:
        writer = Writer(file)
        names = ["sensor_msgs/Image", "sensor_msgs/CameraInfo", "sensor_msgs/CompressedImage", "std_msgs/String"]
        schemas = {name: writer.register_msgdef(name.replace("/", "/msg/"), definition(name)) for name in names}
        for number in range(frames):
            ns = BEGIN_NS + number * STEP_NS
            rgb, metres = picture(number)
            told = image(rgb[..., ::-1], "bgr8", ns)
            if number in broken:
                told["data"] = told["data"][:-1]
            send: list[tuple[str, str, dict[str, Any], int]] = [(COLOR, names[0], told, ns + 5_000_000)]
            if compressed:
                packed = cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes()
                small = {"header": told["header"], "format": "jpeg", "data": packed}
                send.append((f"{COLOR}/compressed", names[2], small, ns + 6_000_000))
            if depth:
                late = 10_000_000 if number % 2 else -10_000_000
                send.append(
                    (
                        DEPTH,
                        names[0],
                        image(metres * np.uint16(per_millimetre), "16UC1", ns + late, depth_frame),
                        ns + 30_000_000,
                    )
                )
            if number == 1 or frames == 1:
                send.append((INFO, names[1], camera_info(ns, info_frame), ns + 40_000_000))
            send.append(("/chatter", names[3], {"data": "hello"}, ns + 50_000_000))
            for topic, name, message, log_ns in send:
                writer.write_message(
                    topic, schemas[name], message, log_time=log_ns, publish_time=log_ns, sequence=number
                )
        writer.finish()
    return path
