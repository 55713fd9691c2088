#!/usr/bin/env python3
"""A camera on real ROS topics: plays a folder of photos, or an RGB-D sequence with camera.json, at a steady rate.

    python -m tools.demo_camera demo/sequence --rate 30

Topics: /camera/image_raw; with depth /camera/depth/image_raw and /camera/camera_info; and /camera/shown, a header
with the image's stamp and the file's name as frame_id, so that a listener knows which picture an answer is about.

The depth of `image_X.jpg` is `depth_X.png`, of the same size, 16 bits, millimetres, 0 = none. `camera.json` holds
{"fx": ..., "fy": ..., "cx": ..., "cy": ...} in pixels; "back_and_forth": true plays the sequence back and forth.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_core.pictures.photos import without_maps
from saom_ros.conversions import image_message
from saom_ros.inputs import LATCHED

FRAME_ID = "camera_color_optical_frame"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Picture:
    """One picture of the folder."""

    name: str
    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    depth_mm: npt.NDArray[np.uint16] | None  # (H, W)


def read_pictures(folder: Path, max_side_px: int) -> list[Picture]:
    """All pictures of a folder, in order of name; `depth_X.png` belongs to `image_X.*`.

    Args:
        folder: what to read.
        max_side_px: larger photos are scaled down, as no camera on a robot sends 12 megapixels at 30 Hz.

    Raises:
        SystemExit: no picture there, or depth of another kind, with a message.
    """
    pictures = []
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    for file in without_maps([file for file in files if not file.name.startswith("depth_")]):
        # where there is depth, as the camera's driver would send it: EXIF turns neither depth nor intrinsics
        as_stored = 0 if depth_file_of(file) is None else cv2.IMREAD_IGNORE_ORIENTATION
        image_bgr = cv2.imread(str(file), cv2.IMREAD_COLOR | as_stored)
        if image_bgr is None:
            print(f"{file} is no picture that OpenCV can read; left out", file=sys.stderr)
            continue
        depth = read_depth_of(file, image_bgr.shape[:2])
        scale = max_side_px / max(image_bgr.shape[:2])
        if scale < 1 and depth is None:
            image_bgr = cv2.resize(image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image_rgb = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
        pictures.append(Picture(file.name, image_rgb, depth))
    if not pictures:
        sys.exit(f"expected pictures ({', '.join(SUFFIXES)}) in {folder}, found none: give IMAGES=<folder of photos>")
    return pictures


def depth_file_of(image: Path) -> Path | None:
    """`depth_X.png` beside `image_X.jpg`, where there is one."""
    file = image.with_name(image.name.replace("image_", "depth_")).with_suffix(".png")
    return file if image.name.startswith("image_") and file.is_file() else None


def read_depth_of(image: Path, size_hw: tuple[int, ...]) -> npt.NDArray[np.uint16] | None:
    """(H, W) millimetres of `depth_X.png` beside `image_X.jpg`; None where there is none.

    Raises:
        SystemExit: it is no depth of that picture, with a message.
    """
    file = depth_file_of(image)
    if file is None:
        return None
    depth = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.dtype != np.uint16 or depth.shape != size_hw:
        found = "something OpenCV cannot read" if depth is None else f"{depth.shape} {depth.dtype}"
        sys.exit(f"expected depth as 16-bit millimetres of the size of {image.name}, {size_hw}, got {found}: {file}")
    return depth


def read_camera(folder: Path, size_hw: tuple[int, ...]) -> tuple[CameraInfo | None, bool]:
    """What `camera.json` of a folder says: the intrinsics of pictures of that size, and whether to play back and forth.

    Raises:
        SystemExit: it does not say it, with a message.
    """
    file = folder / "camera.json"
    if not file.is_file():
        return None, False
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        fx, fy, cx, cy = (float(facts[name]) for name in ("fx", "fy", "cx", "cy"))
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(
            f'expected {{"fx": ..., "fy": ..., "cx": ..., "cy": ...}} in pixels at {file}, got '
            f"{type(error).__name__} {error}: write these four numbers, or take the file away"
        )
    height, width = size_hw
    k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    info = CameraInfo(width=int(facts.get("width", width)), height=int(facts.get("height", height)), k=k)
    return info, bool(facts.get("back_and_forth"))


class Camera(Node):
    """Publishes the pictures in turn, each for some frames."""

    def __init__(self, folder: Path, rate_hz: float, hold: int, max_side_px: int) -> None:
        super().__init__("camera")
        self._pictures = read_pictures(folder, max_side_px)
        self._hold, self._count = hold, 0
        measured = [picture for picture in self._pictures if picture.depth_mm is not None]
        self._info, back_and_forth = read_camera(folder, (measured or self._pictures)[0].image_rgb.shape[:2])
        if back_and_forth:  # so that the last picture is followed by its neighbour, as a camera's would be
            self._pictures += self._pictures[-2:0:-1]
        self._image = self.create_publisher(Image, "/camera/image_raw", qos_profile_sensor_data)
        if measured:
            self._depth = self.create_publisher(Image, "/camera/depth/image_raw", qos_profile_sensor_data)
        if self._info is not None:
            # kept for late listeners, so that it fits both ways in which the node asks for it
            self._camera_info = self.create_publisher(CameraInfo, "/camera/camera_info", LATCHED)
        self._shown = self.create_publisher(Header, "/camera/shown", 100)
        self.create_timer(1.0 / rate_hz, self._publish)

    def _publish(self) -> None:
        picture = self._pictures[self._count // self._hold % len(self._pictures)]
        self._count += 1
        header = Header(frame_id=FRAME_ID, stamp=self.get_clock().now().to_msg())
        self._shown.publish(Header(frame_id=picture.name, stamp=header.stamp))
        if self._info is not None and picture.depth_mm is not None:
            self._info.header = header
            self._camera_info.publish(self._info)
        if picture.depth_mm is not None:
            self._depth.publish(image_message(picture.depth_mm, "16UC1", header))
        self._image.publish(image_message(picture.image_rgb, "rgb8", header))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=30.0, help="frames per second")
    parser.add_argument("--hold", type=int, default=10, help="frames that show the same picture")
    parser.add_argument("--max-side", type=int, default=1280, help="larger photos are scaled down to this, px")
    arguments = parser.parse_args()
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Camera(arguments.folder, arguments.rate, arguments.hold, arguments.max_side))


if __name__ == "__main__":
    main()
