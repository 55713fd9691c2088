"""Real pictures as surfaces: what is printed on packages, cloths, pages and walls."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from saom_core.pictures.photos import read_photo

from .textures import Picture

LONGEST_PX = 768
PRINT_RATE = 0.45
"""Share of printed faces that show a piece of a picture."""
SURFACE_RATE = 0.2
"""Share of all other surfaces that do."""


class Pictures:
    """Pieces of the pictures of a folder, cut at random."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        """`paths` are read when they are first needed, and kept at a moderate size."""
        self.paths = paths

    def piece(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> Picture:
        """A piece (height, width, 3) uint8 RGB, turned by quarters, mirrored and recoloured at random."""
        picture = _read(self.paths[int(rng.integers(len(self.paths)))])
        picture = np.rot90(picture, int(rng.integers(4)))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        if rng.random() < 0.3:  # the same print in other inks
            picture = picture[..., rng.permutation(3)]
        height, width = picture.shape[:2]
        aspect = size_wh[0] / size_wh[1]
        largest = min(width, height * aspect)
        wide = float(rng.uniform(0.15, 1.0)) * largest
        tall = wide / aspect
        x, y = int(rng.uniform(0, width - wide)), int(rng.uniform(0, height - tall))
        cut = picture[y : y + max(2, int(tall)), x : x + max(2, int(wide))]
        return np.asarray(cv2.resize(np.ascontiguousarray(cut), size_wh, interpolation=cv2.INTER_AREA), np.uint8)

    def tile(self, rng: np.random.Generator, size: int) -> Picture:
        """A piece (size, size, 3) that repeats without a seam: mirrored to both sides."""
        quarter = self.piece(rng, (size // 2, size // 2))
        half = np.hstack([quarter, quarter[:, ::-1]])
        return np.ascontiguousarray(np.vstack([half, half[::-1]]))


def no_larger(picture: Picture, longest_px: int) -> Picture:
    """The picture itself, or shrunk to this many pixels along its longer edge."""
    scale = longest_px / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


@lru_cache(maxsize=256)
def _read(path: Path) -> Picture:
    return no_larger(read_photo(path), LONGEST_PX)
