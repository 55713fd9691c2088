"""`CameraIntrinsics`: which way each pixel of an image looks, for pinhole pictures and for those of a real lens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError

FloatArray = npt.NDArray[np.float32]

COEFFICIENTS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (4, 5, 8, 12, 14),
    "rational_polynomial": (4, 5, 8, 12, 14),
    "equidistant": (4,),
}
"""Distortion models that sensor_msgs names, with the numbers of coefficients that OpenCV takes for each.

Plumb bob (k1 k2 p1 p2 k3) and the rational polynomial (k1 k2 p1 p2 k3 k4 k5 k6, with the thin prism s1-s4 and the tilt
of the sensor after them) are one formula in OpenCV; equidistant (k1 k2 k3 k4) is its fisheye lens.
"""

_STEP_PX = 4
"""A ray is computed every so many pixels, and interpolated between: hundredths of a pixel off, ten times as fast."""

LARGEST_MISS_PX = 0.5
"""A ray whose own pixel, computed forwards through the lens, is farther off than this is no ray of that pixel."""

OFF_AXIS = 0.15
"""Of a picture's edge: the axis of a whole picture is nearer to its middle; that of one of half the size is not."""
BEYOND = 1.02
"""So much farther out than its outermost pixels a lens is still believed: things reach over the edge of a picture."""


@dataclass(frozen=True)
class CameraIntrinsics:
    """A camera at the resolution of its images, in the optical frame of REP 103: x right, y down, z forward.

    Lengths are in pixels, and pixels are counted from the centre of the first one, as OpenCV and ROS do.

    Attributes:
        fx: focal length along the rows.
        fy: focal length along the columns.
        cx: column of the principal point.
        cy: row of the principal point.
        width: of the image.
        height: of the image.
        distortion_model: one of `COEFFICIENTS`; "" for a picture without distortion.
        distortion: coefficients in OpenCV's order; none, or zeros, for a picture without distortion.
        rotation: rows of R of sensor_msgs/CameraInfo, which turns the camera's own axes into those of the rectified
            image; None for none.

    Raises:
        InputError: at construction, when a number is impossible or the lens is of an unknown model.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion_model: str = ""
    distortion: tuple[float, ...] = ()
    rotation: tuple[tuple[float, float, float], ...] | None = None

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not np.all(np.isfinite(numbers)) or self.fx <= 0 or self.fy <= 0 or self.width < 1 or self.height < 1:
            raise InputError(
                f"expected finite intrinsics with fx, fy > 0 and a size, got {self}: is the camera calibrated?"
            )
        if any(self.distortion):
            _check_lens(self.distortion_model, self.distortion)
        if self.rotation is not None and not _is_rotation(np.array(self.rotation, np.float64)):
            raise InputError(f"expected a rotation matrix (3, 3), got {self.rotation}: is the camera calibrated?")

    @property
    def is_pinhole(self) -> bool:
        """Whether straight lines stay straight and no rotation is asked for, so that rays follow from four numbers."""
        return not any(self.distortion) and self.rotation is None

    @cached_property
    def ray_maps(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The point that each pixel sees at a depth of 1 m: maps of x, y and z that broadcast to (H, W), metres.

        They are computed once for a camera, and a frame only multiplies them by its depth. Pixels that no ray reaches,
        such as the far corners of a fisheye picture, hold NaN.
        """
        if self.is_pinhole:
            x = ((np.arange(self.width) - self.cx) / self.fx).astype(np.float32)[None, :]
            y = ((np.arange(self.height) - self.cy) / self.fy).astype(np.float32)[:, None]
            return x, y, np.ones((1, 1), np.float32)
        columns = np.arange(0, self.width + _STEP_PX - 1, _STEP_PX, dtype=np.float64)
        rows = np.arange(0, self.height + _STEP_PX - 1, _STEP_PX, dtype=np.float64)
        pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        points = np.column_stack([self._undistorted(pixels), np.ones(len(pixels))])
        points[np.isnan(points[:, 0])] = np.nan
        if self.rotation is not None:
            points = points @ np.array(self.rotation, np.float64).T
        coarse = points.astype(np.float32).reshape(len(rows), len(columns), 3)
        at = np.meshgrid(np.arange(self.width, dtype=np.float32), np.arange(self.height, dtype=np.float32))
        # cv2.remap places its samples on 1/32 of a pixel, and quarters are such
        fine = np.asarray(cv2.remap(coarse, at[0] / _STEP_PX, at[1] / _STEP_PX, cv2.INTER_LINEAR), np.float32)
        x, y, z = (np.ascontiguousarray(fine[..., axis]) for axis in range(3))
        return x, y, z

    def rays(self, rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer]) -> FloatArray:
        """The points that some pixels see at a depth of 1 m.

        Args:
            rows: (P,) integer.
            columns: (P,) integer.

        Returns:
            (P, 3) float32, metres; NaN where no ray reaches the pixel.
        """
        if self.is_pinhole:
            x, y = (columns - self.cx) / self.fx, (rows - self.cy) / self.fy
            return np.stack([x, y, np.ones(len(x))], axis=-1).astype(np.float32)
        return np.stack([np.asarray(a[rows, columns], np.float32) for a in self.ray_maps], axis=-1)

    def project(self, points_m: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """The pixels that see some points.

        Args:
            points_m: (P, 3), in the frame that `rays` gives.

        Returns:
            (P, 2) x and y, pixels counted from the middle of the first one; also outside the picture. NaN for points
            behind the camera, and for those that a lens sees farther out than any pixel: its formula holds no more
            there, and may fold them back into the picture.
        """
        points = np.asarray(points_m, np.float64)
        if self.rotation is not None:
            points = points @ np.array(self.rotation, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = np.where(points[:, 2:] > 0, points[:, :2] / points[:, 2:], np.nan)
        if any(self.distortion) and len(flat):
            with np.errstate(invalid="ignore"):
                flat = np.where(np.hypot(flat[:, :1], flat[:, 1:]) <= self._outermost, flat, np.nan)
            return self._distorted(np.asarray(flat, np.float64))
        return flat * (self.fx, self.fy) + (self.cx, self.cy)

    @cached_property
    def _outermost(self) -> float:
        """How far from the axis, at a depth of 1 m, points are that the outermost pixels see, and a little beyond."""
        columns, rows = np.arange(-0.5, self.width), np.arange(-0.5, self.height)
        left_right = np.array([[x, y] for x in (-0.5, self.width - 0.5) for y in rows])
        top_bottom = np.array([[x, y] for y in (-0.5, self.height - 0.5) for x in columns])
        seen = np.hypot(*self._undistorted(np.vstack([left_right, top_bottom])).T)
        seen = seen[np.isfinite(seen)]
        return BEYOND * float(seen.max()) if seen.size else np.inf

    def _distorted(self, rays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(P, 2) x / z and y / z -> (P, 2) pixels, through the lens, by OpenCV's functions."""
        matrix = np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)
        lens, still = np.array(self.distortion, np.float64), np.zeros(3)
        ahead = np.column_stack([rays, np.ones(len(rays))]).reshape(-1, 1, 3)
        project = cv2.fisheye.projectPoints if self.distortion_model == "equidistant" else cv2.projectPoints
        return np.asarray(project(ahead, still, still, matrix, lens)[0].reshape(-1, 2), np.float64)

    def _undistorted(self, pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(P, 2) pixels -> (P, 2) x / z and y / z of their rays, by OpenCV's functions; NaN where there is none."""
        if not any(self.distortion):
            return (pixels - (self.cx, self.cy)) / (self.fx, self.fy)
        matrix = np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)
        lens = np.array(self.distortion, np.float64)
        given = np.ascontiguousarray(pixels).reshape(-1, 1, 2)
        if self.distortion_model == "equidistant":
            rays = cv2.fisheye.undistortPoints(given, matrix, lens).reshape(-1, 2)
        else:
            rays = _undistort_points(given, matrix, lens).reshape(-1, 2)
        seen = self._distorted(np.asarray(rays, np.float64))
        with np.errstate(invalid="ignore", over="ignore"):
            missed = ~(np.abs(seen - pixels).max(axis=1) <= LARGEST_MISS_PX)
        return np.asarray(np.where(missed[:, None], np.nan, rays), np.float64)


CameraLike: TypeAlias = "CameraIntrinsics | Sequence[float] | npt.NDArray[np.floating]"
"""A camera, as programs tell of one: `CameraIntrinsics`, (fx, fy, cx, cy) in pixels, or the matrix K (3, 3)."""


def intrinsics_of(camera: CameraLike, size_hw: tuple[int, ...]) -> CameraIntrinsics:
    """The camera of a picture; numbers without a size are of a picture without distortion, and of its own size.

    Args:
        camera: see `CameraLike`.
        size_hw: of the picture, pixels.

    Raises:
        InputError: none of these forms, or impossible numbers.
    """
    if isinstance(camera, CameraIntrinsics):
        return camera
    try:
        numbers = np.asarray(camera, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape == (3, 3) and numbers[2, 2] == 1 and not numbers[[0, 1, 2, 2], [1, 0, 0, 1]].any():
        numbers = numbers[[0, 1, 0, 1], [0, 1, 2, 2]]
    if numbers.shape != (4,):
        raise InputError(
            "expected a camera as CameraIntrinsics, (fx, fy, cx, cy) in pixels, or K (3, 3) of the form "
            f"[[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {camera!r}: CameraIntrinsics takes a lens with distortion, too"
        )
    fx, fy, cx, cy = numbers.tolist()
    return CameraIntrinsics(fx, fy, cx, cy, width=size_hw[1], height=size_hw[0])


def camera_doubt(camera: CameraIntrinsics) -> str:
    """Why intrinsics may be those of another resolution than the picture's, or "" where nothing says so.

    It is a doubt and no fault: a picture that was cut out of a larger one has its axis anywhere.
    """
    width, height = camera.width, camera.height
    if abs(camera.cx - width / 2) <= OFF_AXIS * width and abs(camera.cy - height / 2) <= OFF_AXIS * height:
        return ""
    return (
        f"camera: expected its axis near the middle of the picture of {width}x{height} pixels, got cx {camera.cx:g} "
        f"and cy {camera.cy:g}: unless the picture was cut out of a larger one, these numbers are of another "
        f"resolution, and all places in metres are wrong; scale fx, fy, cx and cy to {width}x{height}"
    )


def _undistort_points(
    pixels: npt.NDArray[np.float64], matrix: npt.NDArray[np.float64], lens: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """OpenCV's iteration to a thousandth of a pixel: its usual five steps miss by pixels near the border of a lens."""
    enough = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-3)
    if hasattr(cv2, "undistortPointsIter"):  # OpenCV 4; since OpenCV 5 the function itself takes a criterion
        return np.asarray(cv2.undistortPointsIter(pixels, matrix, lens, np.eye(3), np.eye(3), enough), np.float64)
    return np.asarray(cv2.undistortPoints(pixels, matrix, lens, criteria=enough), np.float64)


def _check_lens(model: str, coefficients: tuple[float, ...]) -> None:
    if model not in COEFFICIENTS:
        raise InputError(
            f"expected one of the distortion models {', '.join(COEFFICIENTS)}, got {model!r} with coefficients that "
            "are not zero: rectify the pictures (image_proc), or calibrate with one of these models"
        )
    if len(coefficients) not in COEFFICIENTS[model]:
        wanted = " or ".join(map(str, COEFFICIENTS[model]))
        raise InputError(f"{model}: expected {wanted} coefficients, got {len(coefficients)}: calibrate the camera anew")


def _is_rotation(matrix: npt.NDArray[np.float64]) -> bool:
    return matrix.shape == (3, 3) and bool(np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3))
