"""Pictures that people annotated: read whole or refused, and turned upright together with their outlines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from saom_core.errors import InputError
from saom_core.pictures.orientation import ORIENTATION
from saom_core.pictures.photos import eight_bits

ASPECT_TOLERANCE = 0.01
"""Share by which scale in width and height may differ: sizes are rounded to pixels."""


@dataclass(frozen=True)
class Photo:
    """A picture as it is stored, and how it is to be turned."""

    stored_rgb: npt.NDArray[np.uint8]  # (h, w, 3)
    orientation: int
    deep: bool = False  # 16 bits of grey, of which the upper eight are here

    @property
    def stored_hw(self) -> tuple[int, int]:
        """Height and width of the pixels as they are stored."""
        return self.stored_rgb.shape[0], self.stored_rgb.shape[1]

    @property
    def upright_hw(self) -> tuple[int, int]:
        """Height and width of the picture as every viewer shows it."""
        height, width = self.stored_hw
        return (width, height) if self.orientation >= 5 else (height, width)


def read_whole(path: Path) -> Photo:
    """A picture.

    Raises:
        InputError: It is missing, broken, or only its beginning is there.
    """
    try:
        with Image.open(path) as picture:
            orientation = picture.getexif().get(ORIENTATION, 1)
            deep = picture.mode.startswith("I;16")
            pixels = np.array(eight_bits(picture).convert("RGB"))  # decodes it all: half a picture raises
    except FileNotFoundError:
        raise InputError(f"expected a picture at {path}, found none") from None
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them stumble over
        raise InputError(f"expected a whole picture at {path}, got {error or type(error).__name__}") from None
    return Photo(pixels, orientation if orientation in range(1, 9) else 1, deep)


def drawn_upright(photo: Photo, told_hw: tuple[float, float]) -> bool:
    """Whether outlines were drawn on the picture as it is shown, or on its pixels as they are stored.

    The size that the annotation file tells decides. Where both have that shape (a picture that is upside down, or
    square), outlines are taken as drawn on what every viewer and nearly every annotation tool shows.

    Raises:
        InputError: The file tells of a picture of another shape.
    """
    for size_hw, is_upright in ((photo.upright_hw, True), (photo.stored_hw, False)):
        scales = size_hw[0] / told_hw[0], size_hw[1] / told_hw[1]
        if abs(scales[0] - scales[1]) <= ASPECT_TOLERANCE * max(scales) or _is_rounding(size_hw, told_hw):
            return is_upright
    told, found = (f"{width:g}x{height:g}" for height, width in (told_hw, photo.upright_hw))
    raise InputError(f"expected a picture of the shape that the file tells, {told}, got {found}")


def _is_rounding(size_hw: tuple[int, int], told_hw: tuple[float, float]) -> bool:
    """Whether the sizes differ by a pixel alone, as after somebody's scaling."""
    return all(abs(edge - told) <= 1 for edge, told in zip(size_hw, told_hw, strict=True))
