"""Depth pictures of an import: where that of each picture lies, and whether it can be right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.pictures.orientation import upright
from saom_core.places.depth_files import read_depth

from ..data.paths import inside
from ..data.shards import FARTHEST_M, NEAREST_M, unusable_depth
from .photos import Photo

WITHOUT = "picture without depth"
UNUSABLE = "depth that cannot be right is left out (if its unit is another one: --depth-scale)"


class DepthFiles:
    """The depth pictures of an import.

    Args:
        folder: where they are; None: pictures that tell of depth have it in the folder of the pictures.
        images: folder of the pictures.
        listed: name of each picture, and the name of its depth picture where the file of annotations tells it.
        scale: metres per unit of their numbers; 0: integers are millimetres, floats are metres.

    Raises:
        InputError: there is no such scale.
    """

    def __init__(self, folder: Path | None, images: Path, listed: Iterable[tuple[str, str]], scale: float) -> None:
        if not 0 <= scale < math.inf:
            raise InputError(f"expected --depth-scale to be metres per unit, 0.001 for millimetres, got {scale:g}")
        self._folder, self._images, self._scale = folder, images, scale
        self._stems = Counter(Path(name).stem for name, _ in listed)

    def path(self, file_name: str, told: str) -> Path | None:
        """Where a picture's depth is, or should be; None: there is none.

        In `folder` it has the name that is told of it, or that of the picture; without the folders in its name only if
        no other picture is called so.

        Raises:
            InputError: the name leads out of the folder.
        """
        if self._folder is None:
            return inside(self._images, told) if told else None
        same = Path(file_name).with_suffix(".png")
        names = [*([told] if told else []), str(same), *([same.name] if self._stems[same.stem] == 1 else [])]
        paths = [inside(self._folder, name) for name in names]
        return next((path for path in paths if path.is_file()), paths[0])

    def read(self, file_name: str, told: str, photo: Photo) -> tuple[npt.NDArray[np.float32], tuple[str, str] | None]:
        """Depth of a picture, turned as it is.

        Returns:
            (H, W) metres, zeros where there is none; reason and details where there is none although there should be.
        """
        none = np.zeros(photo.upright_hw, np.float32)
        try:
            path = self.path(file_name, told)
            depth_m = read_depth(path, self._scale)
        except InputError as error:
            return none, (WITHOUT, str(error))
        if depth_m is None:
            return none, None
        if depth_m.shape != photo.upright_hw and depth_m.shape == photo.stored_hw:
            depth_m = upright(depth_m, photo.orientation)
        if depth_m.shape != photo.upright_hw:
            wanted, found = (f"{width}x{height}" for height, width in (photo.upright_hw, depth_m.shape))
            return none, (WITHOUT, f"expected depth of its size {wanted} at {path}, got {found}")
        fault = unusable_depth(depth_m)
        if fault:
            wanted = f"expected distances of {NEAREST_M:g} to {FARTHEST_M:g} m at {path}"
            return none, (UNUSABLE, f"{wanted}, got {fault}")
        return depth_m, None
