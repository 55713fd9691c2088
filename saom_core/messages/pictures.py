"""Pictures and depth of messages of sensor_msgs as NumPy arrays, without cv_bridge.

cv_bridge is compiled against one NumPy and one OpenCV, and decodes big-endian images and odd row steps wrongly. Here
every size a message claims is checked before a byte is read, so that a lying message gives an `InputError` that says
what is wrong, never a crash or a skewed picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.places.depth_checks import depth_in_metres

MAX_SIDE_PX = 32_767
"""OpenCV's own limit for the functions used here."""


@dataclass(frozen=True)
class _Layout:
    """How an encoding lies in memory and how it becomes RGB."""

    kind: str  # numpy type without byte order: u1, u2, f4
    channels: int
    to_rgb: int | None = None  # OpenCV colour code; None: the channels are red, green, blue already


_COLOR = {
    "rgb8": _Layout("u1", 3),
    "rgb16": _Layout("u2", 3),
    "bgr8": _Layout("u1", 3, cv2.COLOR_BGR2RGB),
    "bgr16": _Layout("u2", 3, cv2.COLOR_BGR2RGB),
    "8UC3": _Layout("u1", 3, cv2.COLOR_BGR2RGB),  # OpenCV's order, as in cv_bridge
    "rgba8": _Layout("u1", 4, cv2.COLOR_RGBA2RGB),
    "rgba16": _Layout("u2", 4, cv2.COLOR_RGBA2RGB),
    "bgra8": _Layout("u1", 4, cv2.COLOR_BGRA2RGB),
    "bgra16": _Layout("u2", 4, cv2.COLOR_BGRA2RGB),
    "8UC4": _Layout("u1", 4, cv2.COLOR_BGRA2RGB),
    "mono8": _Layout("u1", 1, cv2.COLOR_GRAY2RGB),
    "8UC1": _Layout("u1", 1, cv2.COLOR_GRAY2RGB),
    "mono16": _Layout("u2", 1, cv2.COLOR_GRAY2RGB),
    "16UC1": _Layout("u2", 1, cv2.COLOR_GRAY2RGB),  # as infrared cameras send it
    # half the rows more: after the luma come the colours of 2 x 2 pixels each
    "nv12": _Layout("u1", 1, cv2.COLOR_YUV2RGB_NV12),
    "nv21": _Layout("u1", 1, cv2.COLOR_YUV2RGB_NV21),
    "yuv422": _Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _Layout("u1", 2, cv2.COLOR_YUV2RGB_YUYV),
    "yuyv": _Layout("u1", 2, cv2.COLOR_YUV2RGB_YUYV),
    # OpenCV names a Bayer pattern by the second row's second and third pixel: its BG is what cameras call RGGB
    "bayer_rggb8": _Layout("u1", 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _Layout("u1", 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _Layout("u1", 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _Layout("u1", 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": _Layout("u2", 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": _Layout("u2", 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": _Layout("u2", 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": _Layout("u2", 1, cv2.COLOR_BayerGB2RGB),
}
_PLANAR = ("nv12", "nv21")
_DEPTH = {
    "16UC1": _Layout("u2", 1),
    "mono16": _Layout("u2", 1),
    "32FC1": _Layout("f4", 1),
    "64FC1": _Layout("f8", 1),
}


def rgb_from_image(message: Any) -> npt.NDArray[np.uint8]:
    """The picture of an image message.

    Args:
        message: an Image in one of the encodings of REP 118 and sensor_msgs/image_encodings.hpp that cameras send, or a
            CompressedImage (JPEG, PNG; PNG and TIFF also of a raw Bayer mosaic).

    Returns:
        (H, W, 3) uint8 RGB; 65535 of a 16-bit encoding becomes 255, as in cv_bridge.

    Raises:
        InputError: unknown encoding, or sizes that do not fit the data.
    """
    if not hasattr(message, "encoding"):
        return _decompressed(message)
    layout = _color_layout(message.encoding)
    if message.encoding in _PLANAR:
        return _from_planes(message, layout)
    return _from_pixels(_pixels(message, layout, "image"), message.encoding)


def depth_from_image(message: Any, depth_scale: float = 0.0) -> npt.NDArray[np.float32]:
    """The depth of a depth image message (REP 118).

    Args:
        message: 16UC1 or mono16 with 0 = invalid, or 32FC1 or 64FC1 with NaN = invalid.
        depth_scale: metres per unit of its numbers; 0: integers are millimetres, floats are metres.

    Returns:
        (H, W) float32 metres; what is invalid stays 0, NaN or infinite.

    Raises:
        InputError: unknown encoding, or sizes that do not fit the data.
    """
    pixels = _pixels(message, _depth_layout(message), "depth")
    return depth_in_metres(pixels, depth_scale)


def depth_type(message: Any) -> np.dtype[np.generic]:
    """The type of a depth image message's numbers.

    Raises:
        InputError: unknown encoding.
    """
    return np.dtype(_depth_layout(message).kind)


def _color_layout(encoding: str) -> _Layout:
    layout = _COLOR.get(encoding)
    if layout is None:
        raise InputError(
            f"image: expected one of the encodings {', '.join(_COLOR)}, got {encoding!r}: "
            "is a depth topic connected to the image input?"
        )
    return layout


def _depth_layout(message: Any) -> _Layout:
    layout = _DEPTH.get(message.encoding)
    if layout is None:
        raise InputError(
            f"depth: expected one of the encodings {', '.join(_DEPTH)}, got {message.encoding!r}: "
            "is a colour topic connected to the depth input?"
        )
    return layout


def _from_pixels(pixels: npt.NDArray[Any], encoding: str) -> npt.NDArray[np.uint8]:
    """The RGB picture of pixels (H, W) or (H, W, C), 8 or 16 bits, in a colour encoding that is not planar."""
    layout = _color_layout(encoding)
    if pixels.dtype.itemsize == 2:
        pixels = cv2.convertScaleAbs(np.ascontiguousarray(pixels, np.uint16), alpha=255 / 65535)
    height, width = pixels.shape[:2]
    if layout.channels == 2 and width % 2:
        raise InputError(f"image: expected an even width with {encoding}, got {width}: two pixels share a colour")
    if "bayer" in encoding and (height < 2 or width < 2):
        raise InputError(f"image: expected at least 2x2 pixels with {encoding}, got {width}x{height}")
    pixels = np.ascontiguousarray(pixels)
    return pixels if layout.to_rgb is None else np.asarray(cv2.cvtColor(pixels, layout.to_rgb), np.uint8)


def _from_planes(message: Any, layout: _Layout) -> npt.NDArray[np.uint8]:
    """The RGB picture of a message whose colours follow all of its luma."""
    if message.height % 2 or message.width % 2:
        raise InputError(
            f"image: expected an even size with {message.encoding}, got {message.width}x{message.height}: four pixels "
            "share a colour"
        )
    planes = np.ascontiguousarray(_pixels(message, layout, "image", rows=message.height * 3 // 2))
    return np.asarray(cv2.cvtColor(planes, layout.to_rgb or 0), np.uint8)


def _pixels(message: Any, layout: _Layout, name: str, rows: int | None = None) -> npt.NDArray[Any]:
    """A view (H, W) or (H, W, C) of a message's data in its own byte order, once its sizes are known to be true.

    Args:
        message: the image.
        layout: how it lies in memory.
        name: of the input, for errors.
        rows: that its data have; None: its height.
    """
    height, width, step = message.height if rows is None else rows, message.width, message.step
    if not (1 <= height <= MAX_SIDE_PX and 1 <= width <= MAX_SIDE_PX):
        raise InputError(f"{name}: expected 1 to {MAX_SIDE_PX} pixels a side, got {width}x{height}")
    kind = np.dtype(layout.kind)
    row_bytes = width * layout.channels * kind.itemsize
    if step < row_bytes:
        raise InputError(
            f"{name}: expected a step of at least {row_bytes} bytes for {width} pixels of {message.encoding}, "
            f"got {step}: the sender fills the message wrongly"
        )
    if len(message.data) != step * height:
        raise InputError(
            f"{name}: expected {step * height} bytes (step {step} x height {height}), got {len(message.data)}: "
            "the sender fills the message wrongly"
        )
    shape = (height, width) if layout.channels == 1 else (height, width, layout.channels)
    strides = (step, layout.channels * kind.itemsize, kind.itemsize)[: len(shape)]
    order = kind.newbyteorder(">" if message.is_bigendian else "<")
    view: npt.NDArray[Any] = np.ndarray(shape, order, memoryview(message.data), strides=strides)
    return view


def _decompressed(message: Any) -> npt.NDArray[np.uint8]:
    encoding = _mosaic_in(message.format)
    if encoding:
        pixels = _decoded(message, cv2.IMREAD_UNCHANGED)
        if pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16):
            return _from_pixels(pixels, encoding)
    # the camera's intrinsics hold for the pixels as stored, so an EXIF orientation must not turn them
    bgr = _decoded(message, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _mosaic_in(compressed_format: str) -> str:
    """The Bayer encoding whose raw mosaic a compressed picture holds; "" for a picture of another kind.

    image_transport's format is "bayer_rggb8; png compressed ". Before it makes a JPEG it turns the mosaic to grey.
    """
    encoding = compressed_format.partition(";")[0].strip()
    return encoding if encoding.startswith("bayer_") and not re.search("jpe?g", compressed_format) else ""


def _decoded(message: Any, flags: int) -> npt.NDArray[Any]:
    data = np.frombuffer(message.data, np.uint8)
    try:
        pixels = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:  # a size that OpenCV refuses
        raise InputError(f"image: expected a compressed picture, got one that OpenCV refuses: {error}") from error
    if pixels is None:
        raise InputError(
            f"image: expected JPEG or PNG data, got {data.size} bytes of format {message.format!r} that do not decode"
        )
    return pixels
