"""Photos that EXIF turns, and their depth and cameras with them."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics, CameraLike, camera_doubt, intrinsics_of
from saom_core.errors import InputError
from saom_core.pictures.photos import read_picture

ORIENTATION = 0x0112
"""EXIF's tag: how the stored pixels are to be turned or mirrored, 1 to 8; 1: not at all."""
_MIRRORED = (2, 4, 5, 7)


class ExifTurn:
    """How a photo was turned to be shown. Depth and camera are of its pixels as they are stored: EXIF turns no depth.

    Args:
        image: path of the photo, or a PIL image; anything else is not turned.
        shown_rgb: (H, W, 3) what `photos.image_rgb_of` made of it.
    """

    def __init__(self, image: Any, shown_rgb: npt.NDArray[np.uint8]) -> None:
        self._image, self._shown_rgb = image, shown_rgb

    @cached_property
    def orientation(self) -> int:
        """EXIF's, 1 to 8. It is read when it is wanted first: a photo without depth and camera needs none."""
        if isinstance(self._image, (str, os.PathLike)):
            return _orientation_of_file(Path(self._image), self._shown_rgb)
        told = self._image.getexif().get(ORIENTATION, 1) if hasattr(self._image, "getexif") else 1
        return told if told in range(1, 9) else 1

    @property
    def stored_hw(self) -> tuple[int, int]:
        """Height and width of the pixels as they are stored."""
        height, width = self._shown_rgb.shape[:2]
        return (width, height) if self.orientation >= 5 else (height, width)

    def depth(self, depth_m: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
        """Depth of the photo as it is shown, (H, W).

        Args:
            depth_m: of its stored pixels; None for none.

        Raises:
            InputError: EXIF turns the photo, and the depth is of another size than its stored pixels.
        """
        if depth_m is None or self.orientation == 1:
            return depth_m
        if depth_m.shape != self.stored_hw:
            self._refuse("depth", "x".join(map(str, depth_m.shape[::-1])))
        return upright(depth_m, self.orientation)

    def camera(self, camera: CameraLike | None) -> CameraIntrinsics | None:
        """The camera of the photo as it is shown.

        Args:
            camera: of its stored pixels; None for none.

        Raises:
            InputError: no camera, or EXIF turns the photo, and the camera is of another size or has a lens with
                distortion, or EXIF mirrors it, which no camera does.
        """
        if camera is None:
            return None
        known = intrinsics_of(camera, self.stored_hw)
        if self.orientation == 1:
            return known
        if (known.height, known.width) != self.stored_hw:
            self._refuse("the camera", f"{known.width}x{known.height}")
        if not known.is_pinhole or self.orientation in _MIRRORED:
            found = "a photo that it mirrors" if known.is_pinhole else "a lens with distortion"
            raise InputError(
                f"expected a pinhole camera and a photo that its EXIF orientation (here {self.orientation}) turns, got "
                f"{found}: save the photo as it is shown, without EXIF orientation, and give the camera of that"
            )
        return upright_camera(known, self.orientation)

    def doubt(self, camera: CameraLike | None) -> str:
        """See `camera_doubt`; "" where there is no camera. Arguments and errors as `camera`."""
        if camera is None:
            return ""
        doubt = camera_doubt(intrinsics_of(camera, self.stored_hw))
        if doubt and self.orientation > 1:
            doubt += f", the pixels as they are stored, which the photo's EXIF orientation {self.orientation} turns"
        return doubt

    def _refuse(self, what: str, found: str) -> None:
        height, width = self.stored_hw
        raise InputError(
            f"expected {what} of the photo's pixels as they are stored, {width}x{height}, since its EXIF orientation "
            f"{self.orientation} turns both, got {found}: give it as the camera stored it, or save the photo as it is "
            "shown, without EXIF orientation"
        )


def upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Stored pixels (h, w, ...) turned and mirrored as EXIF's orientation says; contiguous."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def upright_camera(camera: CameraIntrinsics, orientation: int) -> CameraIntrinsics:
    """The pinhole camera of a picture that `upright` turned and mirrored, by that of its stored pixels."""
    fx, fy, cx, cy, width, height = camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height
    if orientation in (5, 6, 7, 8):
        fx, fy, cx, cy, width, height = fy, fx, cy, cx, height, width
    if orientation in (3, 4, 7, 8):
        cy = height - 1 - cy
    if orientation in (2, 3, 6, 7):
        cx = width - 1 - cx
    return CameraIntrinsics(fx, fy, cx, cy, width, height)


def _orientation_of_file(path: Path, shown_rgb: npt.NDArray[np.uint8]) -> int:
    """How OpenCV turned a file's pixels; it does not say, so they are compared with those that it did not turn."""
    stored = read_picture(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[..., ::-1]
    return next((k for k in range(1, 9) if np.array_equal(upright(stored, k), shown_rgb)), 1)
