"""Photos and depth pictures in files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def find_photos(path: Path) -> list[Path]:
    """The photo, or the photos of a folder by name.

    Raises:
        InputError: nothing there.
    """
    photos = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix.lower() in SUFFIXES)
    if not photos:
        raise InputError(f"expected a photo or a folder with photos ({' '.join(SUFFIXES)}) at {path}, got none")
    return photos


def read_photo(path: Path) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB.

    Raises:
        InputError: no picture that OpenCV can read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"expected a picture at {path}, got something OpenCV cannot read")
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def read_depth(path: Path | None) -> npt.NDArray[np.float32] | None:
    """(H, W) float32 metres of a 16-bit PNG in millimetres; None for no path.

    Raises:
        InputError: no 16-bit single-channel picture.
    """
    if path is None:
        return None
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.dtype != np.uint16 or depth.ndim != 2:
        actual = "nothing readable" if depth is None else f"{depth.shape} {depth.dtype}"
        raise InputError(f"expected a 16-bit depth PNG in millimetres at {path}, got {actual}")
    return np.asarray(depth, np.float32) / np.float32(1000)
