"""sensor_msgs/CameraInfo -> `CameraIntrinsics`: which of its matrices belong to a picture (REP 104).

A camera_info message describes two pictures. The raw one has the matrix K and the lens distortion D; the rectified one,
which image_proc or the camera itself makes of it, has no distortion and intrinsics of its own, in P. Both come with the
same message, so what kind of picture a topic carries is told by its name, or by the parameter `rectified`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError

_RECTIFIED_NAME = re.compile(r"(?:^|[/_])(?:rect|rectified|undist|undistorted)(?:[/_]|$)", re.IGNORECASE)
_RAW_NAME = re.compile(r"(?:^|[/_])raw(?:[/_]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class PictureKind:
    """Whether a topic's pictures are rectified, and why that is in doubt ("" where it is not)."""

    rectified: bool
    doubt: str = ""


def kind_of_picture(setting: str, topic: str, info: Any) -> PictureKind:
    """Whether the pictures of a topic are rectified.

    Args:
        setting: `rectified`: "true", "false", or "auto", which goes by the topic's name. By the habit of
            ROS drivers that is image_rect, image_rect_color or image_raw; image_rect_raw is rectified.
        topic: resolved name of the image topic.
        info: of its camera.

    Returns:
        Raw and a doubt where nothing tells and the two pictures would differ.
    """
    if setting != "auto":
        return PictureKind(setting == "true")
    if _RECTIFIED_NAME.search(topic):
        return PictureKind(True)
    if _RAW_NAME.search(topic) or _same_picture(info):
        return PictureKind(False)
    return PictureKind(
        False,
        f"camera_info: cannot tell whether the pictures on {topic} are rectified, because its name has neither 'rect' "
        "nor 'raw' and K with D describes another picture than P does; taken as raw, which moves positions in metres "
        "if it is wrong: set `rectified` to true or false",
    )


def info_topic_beside(image_topic: str) -> str:
    """The topic where, by the habit of ROS drivers, the camera_info of pictures comes: `camera_info` beside them."""
    return f"{image_topic.removesuffix('/compressed').rpartition('/')[0]}/camera_info"


def camera_from_info(info: Any, size_hw: tuple[int, int], *, rectified: bool = False) -> CameraIntrinsics:
    """The camera of an image that belongs to a camera_info message.

    Positions come out in the frame of the rectified picture, as image_geometry's do, so that raw and rectified pictures
    of one camera agree. The translation in P's last column is left out: points are seen from this camera, not from the
    first one of a stereo pair.

    Args:
        info: of the full sensor; region of interest and binning are applied, as image_geometry does it.
        size_hw: (height, width) of the image, pixels.
        rectified: whether P or K with D describes it.

    Raises:
        InputError: an uncalibrated camera, another image size, an unknown lens, or no P for a rectified picture.
    """
    fx, fy, cx, cy = _matrix_of(info, rectified)
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    # a region of interest of size 0 means the whole sensor (sensor_msgs/CameraInfo)
    width = (info.roi.width or info.width) // bin_x
    height = (info.roi.height or info.height) // bin_y
    if (height, width) != tuple(size_hw):
        raise InputError(
            f"camera_info: expected the image's size {size_hw[1]}x{size_hw[0]}, got {width}x{height}: "
            "take the camera_info of the same stream"
        )
    turned = not rectified and any(info.r) and not _is_identity(info)
    rows = np.asarray(info.r, np.float64).reshape(3, 3).tolist()
    try:
        return CameraIntrinsics(
            fx=fx / bin_x,
            fy=fy / bin_y,
            cx=(cx - info.roi.x_offset) / bin_x,
            cy=(cy - info.roi.y_offset) / bin_y,
            width=width,
            height=height,
            distortion_model="" if rectified else info.distortion_model,
            distortion=() if rectified else tuple(float(value) for value in info.d),
            rotation=tuple((row[0], row[1], row[2]) for row in rows) if turned else None,
        )
    except InputError as error:
        raise InputError(f"camera_info: {error}") from error


class CameraOfStream:
    """The camera of a stream of camera_info messages, made anew only when one says something new.

    A camera keeps the ray of each of its pixels, which is costly to compute for a lens with distortion.
    """

    def __init__(self) -> None:
        # in one piece, as the worker and a service may ask at the same time
        self._kept: tuple[object, CameraIntrinsics] | None = None

    def of(self, info: Any, size_hw: tuple[int, int], *, rectified: bool) -> CameraIntrinsics:
        """See `camera_from_info`."""
        roi = info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height
        sizes = *size_hw, info.height, info.width, info.binning_x, info.binning_y, *roi
        numbers = *np.asarray(info.k).tolist(), *info.d, *np.asarray(info.r).tolist(), *np.asarray(info.p).tolist()
        key = rectified, info.distortion_model, sizes, numbers
        kept = self._kept
        if kept is None or kept[0] != key:
            kept = self._kept = key, camera_from_info(info, size_hw, rectified=rectified)
        return kept[1]


def _matrix_of(info: Any, rectified: bool) -> tuple[float, float, float, float]:
    """Focal lengths and principal point at full resolution: of P, or of K."""
    of_p = float(info.p[0]), float(info.p[5]), float(info.p[2]), float(info.p[6])
    of_k = float(info.k[0]), float(info.k[4]), float(info.k[2]), float(info.k[5])
    if of_k[0] <= 0 or of_k[1] <= 0:
        raise InputError(f"camera_info: expected focal lengths > 0, got {of_k[0]} and {of_k[1]}: calibrate the camera")
    if not rectified:
        return of_k
    if of_p[0] > 0 and of_p[1] > 0:
        return of_p
    if any(info.d):
        raise InputError(
            "camera_info: expected the intrinsics of rectified pictures in P, got P with focal lengths "
            f"{of_p[0]} and {of_p[1]}: calibrate the camera, or use its raw pictures (`rectified: false`)"
        )
    return of_k  # simulators without a lens fill K alone, and then both pictures are the same


def _same_picture(info: Any) -> bool:
    """Whether K with D describes the picture that P does, or P is empty, so that only a raw picture can be meant."""
    if info.p[0] <= 0:
        return True
    of_p = np.asarray(info.p, np.float64).reshape(3, 4)[:, :3].ravel()
    same = np.allclose(np.asarray(info.k, np.float64), of_p, rtol=1e-4, atol=1e-3)
    return bool(same) and not any(info.d) and (not any(info.r) or _is_identity(info))


def _is_identity(info: Any) -> bool:
    return bool(np.allclose(np.asarray(info.r, np.float64), np.eye(3).ravel(), atol=1e-6))
