"""Photos in files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.files import write_atomically

# fmt: off
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".avif", ".gif", ".jp2", ".jxl",
    ".heic", ".heif", ".ppm", ".pgm", ".pnm",
)
# fmt: on
"""What a folder is searched for. No OpenCV reads all of them: one that it cannot read is told, not passed over."""
_FOUND_ONLY = (".heic", ".heif")
"""Of those what no OpenCV reads."""

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
_JPEG = b"\xff\xd8"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""A marker of a JPEG: FF 00 is a byte FF of the picture, FF D0 to FF D7 only part its data."""


def find_photos(path: Path) -> list[Path]:
    """The photo, or the photos of a folder by name, without depth and label maps; see `without_maps`.

    Raises:
        InputError: nothing there.
    """
    return photos_and_maps(path)[0]


def photos_and_maps(path: Path) -> tuple[list[Path], list[Path]]:
    """What `find_photos` gives, and the depth and label maps of the folder that it leaves out. Errors as there."""
    if path.is_file():
        return [path], []
    pictures = sorted(one for one in path.glob("*") if one.suffix.lower() in SUFFIXES and not one.name.startswith("."))
    photos = without_maps(pictures)
    if not photos:
        if not path.exists():
            where = "" if path.is_absolute() else f" (looked in {Path.cwd()})"
            raise InputError(f"expected a photo or a folder with photos at {path}, got nothing{where}: check the path")
        if not path.is_dir():
            raise InputError(
                f"expected a photo or a folder with photos at {path}, got neither: give a file or a folder"
            )
        found = "none" if any(path.iterdir()) else "an empty one"
        known = " ".join(suffix for suffix in SUFFIXES if suffix not in _FOUND_ONLY)
        raise InputError(f"expected a folder with photos ({known}) at {path}, got {found}: give the folder they are in")
    return photos, sorted(set(pictures) - set(photos))


def without_maps(pictures: Sequence[Path]) -> list[Path]:
    """Those that are photos: a PNG or TIFF of one channel with 16 bits or more is no photo, unless all are such."""
    photos = [picture for picture in pictures if not _is_map(picture)]
    return photos or list(pictures)


def _is_map(path: Path) -> bool:
    """Whether a file has one channel of more than 8 bits: depth or labels.

    A PNG is known by its header (RFC 2083, 4.1.1): depth 16, colour type 0. A TIFF has that anywhere, so it is read.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        return stored is not None and stored.ndim == 2 and stored.dtype != np.uint8
    try:
        with path.open("rb") as file:
            head = file.read(26)
    except OSError:
        return False  # told where it is read
    return head.startswith(b"\x89PNG\r\n\x1a\n") and head[24:] == b"\x10\x00"


def image_rgb_of(image: Any, *, bgr: bool = False) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of whatever shows a picture; an array is taken as it is.

    Args:
        image: an RGB array, the path of a photo, or a PIL image, which is turned by its EXIF data as a file is.
        bgr: an array has its channels in OpenCV's order, blue first.

    Raises:
        InputError: something else, or a picture that cannot be read.
    """
    if isinstance(image, (str, os.PathLike)):
        return read_photo(Path(image))
    if isinstance(image, np.ndarray):
        return np.ascontiguousarray(image[..., ::-1]) if bgr else image
    if hasattr(image, "convert"):  # a picture of PIL, whose package is there only if it is used
        from PIL import ImageOps

        return np.asarray(eight_bits(ImageOps.exif_transpose(image)).convert("RGB"), np.uint8)
    raise InputError(f"expected an array, the path of a photo or a PIL image, got {type(image).__name__}")


def eight_bits(picture: Any) -> Any:
    """A PIL image whose values have 8 bits: of 16 bits of grey the upper eight, as OpenCV reads a file of them.

    PIL itself cuts them off at 255, which leaves a white picture.

    Raises:
        InputError: values of 32 bits, whose range nobody tells.
    """
    if picture.mode in ("I", "F"):
        raise InputError(
            f"expected a picture of 8 or 16 bits, got a PIL image of mode {picture.mode}, with values of 32 bits: "
            "scale them to 0..255 and give them as a uint8 array"
        )
    if not picture.mode.startswith("I;16"):
        return picture
    from PIL import Image

    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))


def read_photo(path: Path) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, turned as its EXIF orientation says; of a moving picture the first one.

    Raises:
        InputError: no picture that OpenCV can read, or only the beginning of one.
    """
    image = read_picture(path, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def read_picture(path: Path, flags: int, what: str = "picture") -> np.ndarray:
    """A picture as OpenCV decodes it.

    Args:
        path: of any format that OpenCV reads.
        flags: of `cv2.imdecode`.
        what: it is, for messages.

    Raises:
        InputError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "check the path" if isinstance(error, FileNotFoundError) else "give a file that can be read"
        raise InputError(f"expected a {what} at {path}, got: {error.strerror}: {remedy}") from error
    if content.startswith(_JPEG) and not jpeg_is_whole(content):
        raise InputError(
            f"expected a whole JPEG at {path}, got one that ends after {len(content)} bytes in the middle of the "
            "picture: copy or download it again"
        )
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error as error:
        raise InputError(f"expected a {what} at {path} that OpenCV can read, got: {error.err or error}") from error
    if image is None:
        found = f"{len(content)} bytes that OpenCV {cv2.__version__} cannot read" if content else "an empty file"
        raise InputError(f"expected a {what} at {path}, got {found}: convert it to PNG, or copy it again")
    return image


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """(H, W) bool: where a picture shows an object, by its colour or, where it is see-through, by its alpha channel.

    Whatever is not black is on the object; in a JPEG, which has no sharp edges, what is at least half white.

    Raises:
        InputError: it cannot be read.
    """
    jpeg = path.suffix.lower() in JPEG_SUFFIXES
    stored = read_picture(path, cv2.IMREAD_COLOR if jpeg else cv2.IMREAD_UNCHANGED, "mask")
    channels = stored.reshape(*stored.shape[:2], -1)
    coloured: npt.NDArray[np.bool_] = np.any(channels[..., :3] > (127 if jpeg else 0), axis=2)
    opaque: npt.NDArray[np.bool_] = channels[..., -1] > channels[..., -1].max() // 2
    if channels.shape[2] < 4 or not opaque.any():
        return coloured
    seen: npt.NDArray[np.bool_] = coloured & opaque
    return seen if seen.any() or opaque.all() else opaque  # a black shape on nothing


def write_photo(path: Path, image_rgb: npt.NDArray[np.uint8], jpeg_quality: int = 95) -> None:
    """Writes a picture, whole or not at all, in the format that the name says.

    Args:
        path: the file; its folder must exist.
        image_rgb: (H, W, 3) uint8.
        jpeg_quality: 0 to 100, of a JPEG.

    Raises:
        InputError: the format cannot hold it.
        OSError: the place cannot be written.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    try:
        packed, content = cv2.imencode(path.suffix, image_rgb[:, :, ::-1], options)
    except cv2.error:
        packed = False
    if not packed:
        height, width = image_rgb.shape[:2]
        raise InputError(f"{path}: expected a format for {width}x{height} pixels, as out.png, got {path.suffix}")
    write_atomically(path, content.tobytes())


def jpeg_is_whole(content: bytes) -> bool:
    """Whether a JPEG has its end. OpenCV decodes one without, and makes up the missing rest in grey.

    The end is looked for from segment to segment, since an embedded preview has one of its own; what cameras append
    behind it (a second picture, a film) does not matter.
    """
    at = len(_JPEG)
    while found := _MARKER.search(content, at):
        marker, at = found[1][0], found.end()
        if marker == 0xD9:
            return True
        # every other marker begins a segment, whose length follows and which may hold anything
        if marker not in (0x01, 0xD8):
            at += int.from_bytes(content[at : at + 2], "big")
    return False
