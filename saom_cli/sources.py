"""What a person may name as the source of pictures (a photo, a folder, a video, a camera), and what goes with it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics, intrinsics_of
from saom_core.errors import InputError
from saom_core.pictures.photos import SUFFIXES
from saom_core.pictures.videos import VIDEO_SUFFIXES

ROS_SCHEME = "ros:"
"""Begins the name of a topic that is being published: ros:/camera/color/image_raw."""
BAG_SUFFIXES = (".mcap", ".db3", ".bag")
"""Recordings of ROS."""


def source_of(word: str) -> Path | int:
    """The source that a word of the command line names: the number of a camera, or a path.

    Raises:
        InputError: what this program does not read, such as an address or `-`.
    """
    if word.isascii() and word.isdecimal():
        return int(word)
    if re.fullmatch(r"/dev/video\d+", word):
        number = word.removeprefix("/dev/video")
        raise InputError(f"expected a file, a folder or the number of a camera, got {word}: give its number, {number}")
    if word == "-":
        raise InputError("expected a file, a folder or the number of a camera, got `-`: write it to a file first")
    if word.startswith(ROS_SCHEME):
        topic = word.removeprefix(ROS_SCHEME)
        raise InputError(
            f"expected a file, a folder or the number of a camera, got the topic {topic}: `saom view {word}` shows it; "
            f"or record it first, as with `ros2 bag record {topic}`"
        )
    if "://" in word:
        scheme = word.partition("://")[0].lower()
        remedy = (
            f"download it first, as with `curl -LO {word}`"
            if scheme in ("http", "https", "ftp", "file")
            else f"record some of it first, as with `ffmpeg -i {word} -t 10 clip.mp4`"
        )
        raise InputError(f"expected a file, a folder or the number of a camera, got the address {word}: {remedy}")
    return Path(word)


def is_video(source: Path | int) -> bool:
    """Whether it gives frames that follow each other."""
    return isinstance(source, int) or (source.suffix.lower() in VIDEO_SUFFIXES and not source.is_dir())


def is_bag(path: Path) -> bool:
    """Whether it is a recording of ROS."""
    return path.suffix.lower() in BAG_SUFFIXES or (path / "metadata.yaml").is_file()


def check_photos(path: Path) -> None:
    """Refuses, with what would work, a path that somebody gives for photos and that holds something else.

    Raises:
        InputError: a recording of ROS, or a folder with videos and no photo.
    """
    if is_bag(path):
        raise InputError(
            f"expected photos or a video, got a recording of ROS at {path}: `saom replay {path} -o out.mcap` takes it"
        )
    if path.is_dir() and not any(one.suffix.lower() in SUFFIXES for one in path.iterdir()):
        videos = sorted(one for one in path.iterdir() if one.suffix.lower() in VIDEO_SUFFIXES)
        if videos:
            raise InputError(f"expected photos in {path}, got {len(videos)} videos: give one of them, as {videos[0]}")
        folders = sorted(
            one
            for one in path.iterdir()
            if one.is_dir() and any(inner.suffix.lower() in SUFFIXES for inner in one.iterdir())
        )
        if folders:
            raise InputError(f"expected photos in {path}, got none, but in folders below it: give one, as {folders[0]}")


def camera_of(intrinsics: list[float] | None, image_rgb: npt.NDArray[np.uint8]) -> CameraIntrinsics | None:
    """The camera that `--intrinsics` tells of."""
    return intrinsics_of(intrinsics, image_rgb.shape[:2]) if intrinsics else None


def add_depth_arguments(parser: argparse.ArgumentParser) -> None:
    """The options by which a photo has depth."""
    parser.add_argument(
        "--depth", type=Path, help="its depth; of a folder the folder with X.png, X_depth.png or depth_X.png"
    )
    add_depth_scale_argument(parser)
    parser.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the camera, in pixels; with depth they give 3D boxes",
    )


def add_depth_scale_argument(parser: argparse.ArgumentParser) -> None:
    """The option by which depth has another unit."""
    parser.add_argument(
        "--depth-scale",
        type=float,
        default=0.0,
        metavar="METRES",
        help="metres per unit of the depth's numbers; 0: integers are millimetres, floats are metres (default: 0)",
    )


def add_topic_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what of a recording, or of live topics, is taken."""
    group = parser.add_argument_group("recordings and topics of ROS")
    group.add_argument("--image-topic", default="", help="its pictures, raw or compressed (default: the only ones)")
    group.add_argument(
        "--depth-topic",
        default="",
        help="depth aligned to them (default: the only one of a recording, none of live topics; none: no depth)",
    )
    group.add_argument("--camera-info-topic", default="", help="their camera (default: that beside the pictures)")
    group.add_argument(
        "--rectified",
        choices=("auto", "true", "false"),
        default="auto",
        help="whether the pictures are rectified; auto: as the topic's name says (default: auto)",
    )
    group.add_argument(
        "--check-frames",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="leave out depth and camera_info whose frame_id is not the pictures'",
    )
