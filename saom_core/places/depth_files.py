"""Depth pictures in files: PNG and TIFF, OpenEXR, NumPy arrays; in whole units or in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.instances import Instances
from saom_core.pictures.photos import read_picture
from saom_core.places.depth_checks import depth_in_metres, depth_problem, depth_scale_of, size_problem

DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".exr", ".npy")
"""Files that depth is read from; in a folder the first of them that there is belongs to a photo."""

_DEPTH_CHANNELS = ("Z", "depth", "depth.V", "Depth", "Depth.V", "depth.Z", "Depth.Z", "Y", "V")
"""What programs call the depth channel of an OpenEXR file."""


def find_depth(photo: Path, place: Path | None) -> Path | None:
    """The depth file of a photo: the given file, or the one of the photo's name in the given folder.

    Raises:
        InputError: the folder has none for this photo.
    """
    if place is None or not place.is_dir():
        return place
    for suffix in DEPTH_SUFFIXES:
        for name in (f"{photo.stem}{suffix}", f"{photo.stem}{suffix.upper()}"):
            if (place / name).is_file():
                return place / name
    raise InputError(
        f"expected the depth of {photo.name} at {place / photo.stem} with one of {' '.join(DEPTH_SUFFIXES)}, got none"
    )


def check_depth_place(photos: Sequence[Path], place: Path | None) -> None:
    """Raises InputError where several photos would get the depth of one file, which is that of one of them."""
    if place is not None and len(photos) > 1 and not place.is_dir():
        raise InputError(
            f"expected a folder with the depth of each of the {len(photos)} photos, got {place}: give the folder"
        )


@dataclass(frozen=True)
class DepthFile:
    """Depth of a file, with what is doubtful about it."""

    depth_m: npt.NDArray[np.float32]  # (H, W); what is invalid stays 0, NaN or infinite
    scale: float  # metres per unit of the file's numbers
    doubt: str = ""  # why its unit may be wrong

    def doubts(self, instances: Instances, *, certain: bool) -> list[str]:
        """What is doubtful about its metres, given the instances that were measured with it.

        Args:
            instances: measured.
            certain: the scale was given by a person, so that large objects are no reason to doubt it.
        """
        sizes = None if certain else size_problem(instances, self.scale)
        return [text for text in (self.doubt, sizes.text if sizes is not None else "") if text]


def read_depth(path: Path | None, depth_scale: float = 0.0) -> npt.NDArray[np.float32] | None:
    """The depth of a file.

    Args:
        path: None for no depth.
        depth_scale: metres per unit of its numbers; 0: integers are millimetres, floats are metres.

    Returns:
        (H, W) float32 metres; what is invalid stays 0, NaN or infinite. None for no path.

    Raises:
        InputError: it cannot be read, or it is no depth picture.
    """
    return None if path is None else read_scaled_depth(path, depth_scale).depth_m


def read_scaled_depth(path: Path, depth_scale: float = 0.0) -> DepthFile:
    """The depth of a file, and the scale that it was read with; arguments and errors as `read_depth`."""
    numbers = _numbers_of(path)
    return DepthFile(depth_in_metres(numbers, depth_scale), depth_scale_of(numbers.dtype, depth_scale))


def read_checked_depth(path: Path, depth_scale: float, min_m: float, max_m: float) -> DepthFile:
    """The depth of a file that has distances in the valid range.

    Args:
        path: the file.
        depth_scale: as in `read_depth`.
        min_m: nearer is invalid.
        max_m: farther is invalid.

    Raises:
        InputError: it cannot be read, it is no depth picture, or nothing in it is valid.
    """
    read = read_scaled_depth(path, depth_scale)
    problem = depth_problem(read.depth_m, min_m, max_m, read.scale)
    if problem is not None and not problem.usable:
        raise InputError(f"{path}: {problem.text}")
    return replace(read, doubt="" if problem is None else problem.text)


def _numbers_of(path: Path) -> npt.NDArray[Any]:
    """The numbers of a file, (H, W), integers of at least 16 bits or floats."""
    kind = path.suffix.lower()
    numbers = _of_npy(path) if kind == ".npy" else _of_exr(path) if kind == ".exr" else _of_picture(path)
    if numbers.ndim == 3 and numbers.shape[2] == 1:
        numbers = numbers[..., 0]
    whole = np.issubdtype(numbers.dtype, np.integer) and numbers.dtype.itemsize > 1
    if numbers.ndim != 2 or numbers.size == 0 or not (whole or np.issubdtype(numbers.dtype, np.floating)):
        raise InputError(
            f"expected depth of shape (H, W) at {path}, as integers of at least 16 bits or as floats, got "
            f"{numbers.shape} {numbers.dtype}: a picture that shows depth in colours or in 8 bits has lost it"
        )
    return numbers


def _of_picture(path: Path) -> npt.NDArray[Any]:
    return np.asarray(read_picture(path, cv2.IMREAD_UNCHANGED))


def _of_npy(path: Path) -> npt.NDArray[Any]:
    try:
        numbers = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"expected a NumPy array at {path}, got: {error}") from error
    return np.asarray(numbers)


def _of_exr(path: Path) -> npt.NDArray[Any]:
    """The depth channel of an OpenEXR file; OpenCV's own reader is switched off in most of its packages."""
    try:
        import OpenEXR
    except ImportError as error:
        raise InputError(f"{path}: reading OpenEXR needs a package that is not here: pip install OpenEXR") from error
    if not path.is_file():
        raise InputError(f"expected an OpenEXR file at {path}, got none")
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: np.asarray(channel.pixels) for name, channel in file.channels().items()}
    except Exception as error:  # the library raises bare RuntimeErrors and worse on broken files
        raise InputError(f"expected an OpenEXR file at {path}, got: {error}") from error
    for name in _DEPTH_CHANNELS:
        if name in channels:
            return channels[name]
    values = list(channels.values())
    if values and all(np.array_equal(values[0], other, equal_nan=True) for other in values[1:]):
        return values[0]  # a single channel of any name, or a grey picture that is written three times
    raise InputError(
        f"expected a depth channel ({', '.join(_DEPTH_CHANNELS)}) in {path}, got {', '.join(channels)}: export depth "
        "alone"
    )
