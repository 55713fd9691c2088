"""Photos as phones write them: pixels as the sensor has them, and EXIF data that say how they are to be turned."""

from __future__ import annotations

import cv2
import numpy as np


def jpeg_with(orientation: int, pixels: np.ndarray) -> bytes:
    """A JPEG file.

    Args:
        orientation: EXIF's, 1 to 8; 6: the picture is shown a quarter clockwise of what is stored.
        pixels: (H, W) grey or (H, W, 3) RGB uint8, as they are stored.
    """
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    content = cv2.imencode(".jpg", np.ascontiguousarray(bgr), (cv2.IMWRITE_JPEG_QUALITY, 100))[1].tobytes()
    data = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    return b"\xff\xd8\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data + content[2:]
