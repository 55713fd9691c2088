"""Depth images of image_transport's plugin compressedDepth, without that plugin.

The format of a message says the encoding of the depth and how it is compressed: "16UC1; compressedDepth png", or rvl;
older senders leave the last word out and mean PNG. The data begin with a header of 12 bytes, a number and two floats.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image

from saom_core.errors import InputError
from saom_core.messages.pictures import MAX_SIDE_PX
from saom_ros.conversions import image_message

HEADER_BYTES = 12
MOST_PIXELS = 2**25
"""Of an RVL image, whose few bytes may claim to be 32767 x 32767 pixels and would take 10 GB of memory; no depth camera
comes near it."""


def raw_depth(message: CompressedImage) -> Image:
    """The depth image that was compressed, with the same header.

    Args:
        message: of the plugin compressedDepth (PNG or RVL, 16UC1 or 32FC1), or a 16-bit PNG.

    Raises:
        InputError: another format, a compression that loses precision, or damaged data.
    """
    data = np.frombuffer(message.data, np.uint8)
    encoding, _, how = (part.strip() for part in message.format.partition(";"))
    if "compressedDepth" not in how:
        return image_message(_png(data, message.format), "16UC1", message.header)
    if encoding not in ("16UC1", "32FC1") or data.size <= HEADER_BYTES:
        raise InputError(
            f"depth: expected 16UC1 or 32FC1 of compressedDepth, got {message.format!r} with {data.size} bytes"
        )
    factor, offset = data[4:HEADER_BYTES].view("<f4").tolist()  # floats after the number of the format
    packed = data[HEADER_BYTES:]
    pixels = _rvl(packed) if how.split()[-1] == "rvl" else _png(packed, message.format)
    if encoding == "16UC1":
        return image_message(pixels, "16UC1", message.header)
    # 32FC1 is sent as whole numbers of its inverse, so that near depth is more precise than far one; 0: invalid
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = np.where(pixels > 0, factor / (pixels.astype(np.float32) - offset), np.nan).astype(np.float32)
    return image_message(metres, "32FC1", message.header)


def _png(data: npt.NDArray[np.uint8], told: str) -> npt.NDArray[np.uint16]:
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except cv2.error:  # a size that OpenCV refuses
        pixels = None
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 2:
        got = "nothing that decodes" if pixels is None else f"{pixels.dtype} of shape {pixels.shape}"
        raise InputError(
            f"depth: expected a PNG with one channel of 16 bits, got {got} ({data.size} bytes of format {told!r}): "
            "connect the transport compressedDepth, or the raw depth topic"
        )
    return np.asarray(pixels, np.uint16)


def _rvl(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """Decodes run lengths and variable-length differences (Wilson, "Fast Lossless Depth Image Compression", 2017).

    After columns and rows (int32) come 4-bit digits, eight in each 32-bit word, the first in its highest bits. A number
    is 3 bits a digit, the lowest first; the digit's highest bit says that another one follows. The numbers are: how
    many pixels are invalid, how many are valid, then of each valid one the difference to the valid pixel before (its
    sign in the lowest bit), and so on.
    """
    damaged = InputError(f"depth: expected RVL data, got {data.size} bytes that do not decode: the message is damaged")
    if data.size < 8:
        raise damaged
    columns, rows = data[:8].view("<i4").tolist()
    if not (1 <= columns <= MAX_SIDE_PX and 1 <= rows <= MAX_SIDE_PX) or rows * columns > MOST_PIXELS:
        raise damaged
    words = data[8 : 8 + (data.size - 8) // 4 * 4].view("<u4")
    digits = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).astype(np.uint8).ravel()
    numbers = _numbers(digits)
    differences = (numbers >> 1) ^ -(numbers & 1)
    pixels = np.zeros(rows * columns, np.int64)
    at, filled, before = 0, 0, 0
    while filled < pixels.size:
        if at + 2 > numbers.size:
            raise damaged
        invalid, valid = int(numbers[at]), int(numbers[at + 1])
        at, filled = at + 2, filled + invalid
        if filled + valid > pixels.size or at + valid > numbers.size or invalid + valid == 0:
            raise damaged
        if valid:
            values = before + np.cumsum(differences[at : at + valid])
            pixels[filled : filled + valid], before = values, int(values[-1])
        at, filled = at + valid, filled + valid
    return pixels.reshape(rows, columns).astype(np.uint16)


def _numbers(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """The numbers that 4-bit digits spell; digits at the end that spell no whole number are left out."""
    ends = np.flatnonzero(digits < 8)
    if not ends.size:
        return np.empty(0, np.int64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(ends[-1] + 1) - np.repeat(starts, ends - starts + 1)
    # more digits than a 32-bit number has are no sender's; they must not overflow
    parts = (digits[: ends[-1] + 1] & 7).astype(np.int64) << (3 * np.minimum(place, 12))
    return np.asarray(np.add.reduceat(parts, starts), np.int64)
