"""The pictures of a source in their order, with time, depth and camera where it has them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_cli.sources import ROS_SCHEME, check_photos, is_bag, is_video, source_of
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.pictures.orientation import ExifTurn
from saom_core.pictures.photos import find_photos, read_photo
from saom_core.pictures.videos import Video
from saom_core.places.depth_files import check_depth_place, find_depth, read_checked_depth

if TYPE_CHECKING:
    from saom_cli.bags import Bag

FOLDER_FPS = 10.0
"""Photos of a folder are shown as if so many were taken in a second."""


@dataclass(frozen=True)
class Shot:
    """One picture of a source."""

    name: str
    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    stamp_s: float  # seconds since the first one
    depth_m: npt.NDArray[np.float32] | None = None  # (H, W)
    camera: CameraIntrinsics | None = None


@dataclass(frozen=True)
class Shots:
    """A source's pictures."""

    each: Generator[Shot, None, None]
    count: int | None = None  # where it is known
    live: bool = False  # a camera, which does not wait

    def __iter__(self) -> Iterator[Shot]:
        return self.each


def shots_of(args: argparse.Namespace, config: Callable[[], SaomConfig]) -> Shots:
    """The pictures of a source.

    Args:
        args: parsed `input`, and the options of `add_depth_arguments` and `add_topic_arguments`.
        config: gives the options of now; depth is judged by its range.

    Raises:
        InputError: a source that is not there, or depth for one that cannot have it.
        ModuleNotFoundError: ROS, for a topic.
    """
    if args.input.startswith(ROS_SCHEME):
        return Shots(_of_topics(args, config), live=True)
    source = source_of(args.input)
    if is_video(source):
        _refuse(args, "a video", "give a folder of pictures and one of depth")
        video = Video(source)
        return Shots(_of_video(video), video.frame_count, live=isinstance(source, int))
    assert isinstance(source, Path)
    if is_bag(source):
        from saom_cli.bags import Bag  # the package rosbags, which the others do without

        _refuse(args, "a recording", "name topics of it, with --depth-topic and --camera-info-topic")
        bag = Bag(source, args, config)
        return Shots(_of_bag(bag), bag.count)
    check_photos(source)
    photos = find_photos(source)
    check_depth_place(photos, args.depth)
    return Shots(_of_photos(args, config, photos), len(photos))


def _of_topics(args: argparse.Namespace, config: Callable[[], SaomConfig]) -> Generator[Shot, None, None]:
    topic = args.input.removeprefix(ROS_SCHEME)
    if not topic or args.image_topic:
        raise InputError(
            f"expected a topic of pictures as ros:/camera/color/image_raw, and no --image-topic, got {args.input} and "
            f"{args.image_topic or 'none'}: `ros2 topic list -t` shows topics with their types"
        )
    _refuse(args, "a topic", "name topics, with --depth-topic and --camera-info-topic")
    watching = importlib.import_module("saom_ros.watch")  # by its name: this package runs where there is no ROS, too
    depth = None if args.depth_topic == "none" else args.depth_topic
    topics = watching.Topics(topic, depth, args.camera_info_topic)
    settings = watching.NodeConfig(
        rectified=args.rectified, depth_scale=args.depth_scale, check_frames=args.check_frames
    )

    def shots() -> Generator[Shot, None, None]:
        begun_s = None
        with watching.Watch(topics, config, settings, _tell) as watch:
            for number, seen in enumerate(watch):
                begun_s = seen.received_s if begun_s is None else begun_s
                yield Shot(f"{topic} {number}", seen.image_rgb, seen.received_s - begun_s, seen.depth_m, seen.camera)

    return shots()


def _refuse(args: argparse.Namespace, source: str, remedy: str) -> None:
    """Refuses the options that say the depth and the camera of photos beside another source.

    Raises:
        InputError: one of them is given.
    """
    given = [f"--{name}" for name in ("depth", "intrinsics") if getattr(args, name) is not None]
    if given:
        raise InputError(
            f"expected neither --depth nor --intrinsics with {source}, got {' and '.join(given)}: {remedy}"
        )


def _tell(text: str) -> None:
    tqdm.write(f"WARNING: {text}", file=sys.stderr)


def _of_video(video: Video) -> Generator[Shot, None, None]:
    with video:
        for frame in video:
            yield Shot(f"{video.name} {frame.index}", frame.image_rgb, frame.stamp_s)


def _of_bag(bag: Bag) -> Generator[Shot, None, None]:
    begun_ns = None
    with bag:
        for frame in bag.frames():
            begun_ns = frame.log_ns if begun_ns is None else begun_ns
            seen = frame.decode()
            yield Shot(
                f"{bag.image} {frame.number}",
                seen.image_rgb,
                (frame.log_ns - begun_ns) / 1e9,
                seen.depth_m,
                seen.camera,
            )


def _of_photos(
    args: argparse.Namespace, config: Callable[[], SaomConfig], photos: list[Path]
) -> Generator[Shot, None, None]:
    for number, photo in enumerate(photos):
        image = read_photo(photo)
        depth_path, options, depth_m = find_depth(photo, args.depth), config(), None
        if depth_path is not None:
            depth = read_checked_depth(depth_path, args.depth_scale, options.min_depth_m, options.max_depth_m)
            depth_m = depth.depth_m
            if depth.doubt:
                _tell(f"{depth_path}: {depth.doubt}")
        turn = ExifTurn(photo, image)
        yield Shot(photo.name, image, number / FOLDER_FPS, turn.depth(depth_m), turn.camera(args.intrinsics))
