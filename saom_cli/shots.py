"""The pictures of a source in their order, with time, depth and camera where it has them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from saom_cli.segment import camera_of
from saom_cli.sources import check_photos, is_bag, is_video, source_of
from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.pictures.depth_files import find_depth, read_depth
from saom_core.pictures.photos import find_photos, read_photo
from saom_core.pictures.videos import Video

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


def shots_of(args: argparse.Namespace) -> tuple[int | None, Iterator[Shot]]:
    """How many pictures the source has, where that is known, and the pictures.

    Args:
        args: parsed `input`, and the options of `add_depth_arguments`.

    Raises:
        InputError: a source that is not there, or depth for one that cannot have it.
    """
    source = source_of(args.input)
    if is_video(source):
        if args.depth is not None:
            raise InputError("expected no --depth with a video, got one: give a folder of pictures and one of depth")
        video = Video(source)
        return video.frame_count, _of_video(video)
    assert isinstance(source, Path)
    if is_bag(source):
        from saom_cli.bags import Bag  # the package rosbags, which the others do without

        bag = Bag(source, args)
        return bag.count, _of_bag(bag)
    check_photos(source)
    photos = find_photos(source)
    return len(photos), _of_photos(args, photos)


def _of_video(video: Video) -> Iterator[Shot]:
    with video:
        for frame in video:
            yield Shot(f"{video.name} {frame.index}", frame.image_rgb, frame.stamp_s)


def _of_bag(bag: Bag) -> Iterator[Shot]:
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


def _of_photos(args: argparse.Namespace, photos: list[Path]) -> Iterator[Shot]:
    for number, photo in enumerate(photos):
        image = read_photo(photo)
        depth = read_depth(find_depth(photo, args.depth), args.depth_scale)
        yield Shot(photo.name, image, number / FOLDER_FPS, depth, camera_of(args.intrinsics, image))
