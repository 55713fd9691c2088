"""Depth pictures in files: PNG and TIFF, OpenEXR, NumPy arrays; in whole units or in metres."""

from __future__ import annotations

import re
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


_WORDS_OF_PHOTOS = re.compile(r"^(image|colou?r|rgb)[_-]|[_-](image|colou?r|rgb)$", re.IGNORECASE)
"""What programs that write colour and depth add to the names of the photos."""


def find_depth(photo: Path, place: Path | None) -> Path | None:
    """The depth file of a photo: the given file, or the one in the given folder that belongs to the photo by its name.

    Of `X.jpg` that is `X.png`, else `X_depth.png`, `X-depth.png`, `depth_X.png` or `depth-X.png`. X may also be what is
    left of the photo's name without `image`, `color` or `rgb` and the `_` or `-` beside it.

    Raises:
        InputError: the folder has none for this photo, or several.
    """
    if place is None or not place.is_dir():
        return place
    own = _depth_of_stem(place, photo.stem, photo)
    if own is not None:
        return own
    named = _named_beside(photo, place)
    if len(named) == 1:
        return named[0]
    bare = _WORDS_OF_PHOTOS.sub("", photo.stem)
    if named:
        raise InputError(
            f"expected one depth file of {photo.name} in {place}, got {', '.join(one.name for one in named)}: move all "
            "but one to another folder"
        )
    raise InputError(
        f"expected the depth of {photo.name} in {place} as {photo.stem}, {bare}_depth or depth_{bare} with one of "
        f"{' '.join(DEPTH_SUFFIXES)}, got none: give the file such a name, or give one photo with the file as its depth"
    )


def _named_beside(photo: Path, place: Path) -> list[Path]:
    """The depth files of a photo whose names say that they are depth."""
    stems = dict.fromkeys((photo.stem, _WORDS_OF_PHOTOS.sub("", photo.stem)))
    names = [name for stem in stems for name in (f"{stem}_depth", f"{stem}-depth", f"depth_{stem}", f"depth-{stem}")]
    return [found for name in names if (found := _depth_of_stem(place, name, photo)) is not None]


def _depth_of_stem(place: Path, stem: str, photo: Path) -> Path | None:
    for suffix in DEPTH_SUFFIXES:
        for path in (place / f"{stem}{suffix}", place / f"{stem}{suffix.upper()}"):
            if path.is_file() and path.resolve() != photo.resolve():
                return path
    return None


def check_depth_place(photos: Sequence[Path], place: Path | None) -> None:
    """Refuses a place of depth before the work begins.

    Raises:
        InputError: nothing is there, or several photos would get the depth of one file, which is that of one of them.
    """
    if place is None:
        return
    if not place.exists():
        raise InputError(f"expected depth at {place}, got nothing: check the path")
    if len(photos) > 1 and not place.is_dir():
        raise InputError(
            f"expected a folder with the depth of each of the {len(photos)} photos, got {place}: give the folder"
        )
    owners: dict[Path, Path] = {}
    for photo in photos if place.is_dir() else ():
        if _depth_of_stem(place, photo.stem, photo) is None:
            for depth in _named_beside(photo, place):
                other = owners.setdefault(depth, photo)
                if other != photo:
                    raise InputError(
                        f"expected one photo for the depth {depth}, got {other.name} and {photo.name}: give the depth "
                        "of each the photo's own name, in a folder of its own"
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
        raise InputError(f"expected an OpenEXR file at {path}, got none: check the path")
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
