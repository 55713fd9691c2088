"""`Inputs`: pictures, depth and cameras as programs give them, made into arrays and checked."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics, CameraLike
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.instances import Instances
from saom_core.pictures.orientation import ExifTurn
from saom_core.pictures.photos import image_rgb_of
from saom_core.pictures.videos import VIDEO_SUFFIXES
from saom_core.places.depth_checks import FARTHEST_SENSOR_M, depth_in_metres, depth_problem, measured_in, size_problem
from saom_core.places.depth_files import DepthFile, read_scaled_depth

log = logging.getLogger("saom")


@dataclass(frozen=True)
class Frame:
    """What a segmenter takes."""

    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    depth_m: npt.NDArray[np.floating] | None  # (H, W)
    camera: CameraIntrinsics | None
    scale: float  # metres per unit of the depth's numbers
    scale_is_certain: bool  # somebody gave it


class Inputs:
    """Takes what `Model.segment` takes; what is doubtful about depth and cameras is told in the log, once."""

    def __init__(self) -> None:
        self._told: set[str] = set()  # kinds of doubt

    def frame(
        self, image: Any, depth: Any, camera: CameraLike | None, config: SaomConfig, depth_scale: float, bgr: bool
    ) -> Frame:
        """What is given, as arrays.

        Args:
            image: see `Model.segment`, as all others but one.
            depth: see there.
            camera: see there.
            config: the options, which have the valid range of depth.
            depth_scale: see there.
            bgr: see there.

        Raises:
            InputError: see there.
        """
        image_rgb = _photo_of(image, bgr)
        turn = ExifTurn(image, image_rgb)
        known = turn.camera(camera)
        if doubt := turn.doubt(camera):
            self._tell("camera", doubt)
        read = _depth_of(depth, depth_scale)
        if read is None:
            return Frame(image_rgb, None, known, scale=1.0, scale_is_certain=True)
        self._check_depth(read, config)
        return Frame(image_rgb, turn.depth(read.depth_m), known, read.scale, scale_is_certain=depth_scale > 0)

    def check_sizes(self, found: Instances, frame: Frame) -> None:
        """Tells of objects that were found in a frame and are too large for its depth to be right."""
        problem = None if frame.scale_is_certain else size_problem(found, frame.scale)
        if problem is not None:
            self._tell(problem.kind, problem.text)

    def _check_depth(self, read: DepthFile, config: SaomConfig) -> None:
        """Tells of depth that cannot be right as a whole.

        Raises:
            InputError: all of it lies where no camera measures, while a thousandth would be in range.
        """
        if read.depth_m.ndim != 2 or not np.issubdtype(read.depth_m.dtype, np.floating):
            return  # the segmenter says what is wrong
        problem = depth_problem(read.depth_m, config.min_depth_m, config.max_depth_m, read.scale)
        if problem is None:
            return
        distances = measured_in(read.depth_m)
        if distances.size and not problem.usable and distances.min() > FARTHEST_SENSOR_M:
            raise InputError(problem.text)
        self._tell(problem.kind, problem.text)

    def _tell(self, kind: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            log.warning("%s", text)


def _photo_of(image: Any, bgr: bool) -> npt.NDArray[np.uint8]:
    """See `image_rgb_of`; a video is told what to do with it."""
    if isinstance(image, (str, os.PathLike)) and Path(image).suffix.lower() in VIDEO_SUFFIXES:
        raise InputError(f"expected a photo, got the video {os.fspath(image)}: go through `video({image!r})`")
    return image_rgb_of(image, bgr=bgr)


def _depth_of(depth: Any, depth_scale: float) -> DepthFile | None:
    """(H, W) floating metres of an array or of a depth picture's path, with the scale of their numbers."""
    if depth is None:
        return None
    if isinstance(depth, np.ndarray):  # whole numbers of an unknown unit are refused where arrays are checked
        return DepthFile(depth_in_metres(depth, depth_scale) if depth_scale else depth, depth_scale or 1.0)
    if isinstance(depth, (str, os.PathLike)):
        return read_scaled_depth(Path(depth), depth_scale)
    raise InputError(f"expected an array in metres or the path of a depth picture, got {type(depth).__name__}")
