"""Views of a picture for training a SAM-family network: mirrored, cropped, recoloured, an object pasted over others.

View 0 is the picture itself. Each further view follows from the seed, the picture and its number alone, so that its
embedding can be kept on disk.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.config import option_field

from ..dataset import Sample
from .colours import recoloured

BoolArray = npt.NDArray[np.bool_]
LEAST_LEFT = 0.2
"""Least share of an object that must be left in a view; of what has less no mask is asked."""
_PASTED_AREA = (0.002, 0.15)  # of the picture: objects that are pasted over others


@dataclass(frozen=True)
class ViewConfig:
    """How the views of a picture differ from it; the defaults vary nothing."""

    views: int = option_field(1, "Fixed views of each image; the first is itself: with 1 nothing is varied", minimum=1)
    mirror: bool = option_field(False, "Half of the further views are mirrored")
    crop: float = option_field(1.0, "Smallest side of a further view, in the image's", minimum=0.1, maximum=1.0)
    recolour: float = option_field(0.0, "Strength of the change of colours in further views", minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class PastedViewConfig(ViewConfig):
    """Views in which objects of the picture may lie once more on others."""

    occlude: float = option_field(
        0.0, "Share of further views with an object pasted over others", minimum=0.0, maximum=1.0
    )


@dataclass(frozen=True)
class View:
    """A picture with its N objects (and, in a data set with parts, their parts)."""

    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    masks: BoolArray  # (N, H, W), none empty
    class_ids: npt.NDArray[np.int64]  # (N,)
    part_of: npt.NDArray[np.int64]  # (N,) row of the whole, -1 for whole objects
    ignore: BoolArray  # (H, W) bool: neither an object nor surely background

    @property
    def background(self) -> BoolArray:
        """(H, W) bool, pixels that are surely of no object."""
        return ~(self.masks.any(0) | self.ignore)

    def select(self, keep: BoolArray) -> View:
        """The view with some of its rows. A part whose whole is left out is left out, too."""
        keep = keep & ((self.part_of < 0) | keep[self.part_of])
        new_row = np.cumsum(keep) - 1
        part_of = np.where(self.part_of[keep] < 0, -1, new_row[self.part_of[keep]])
        return View(self.image_rgb, self.masks[keep], self.class_ids[keep], part_of, self.ignore)


def view_of(sample: Sample, config: PastedViewConfig, number: int, rng: np.random.Generator) -> View:
    """View `number` of a picture.

    Args:
        sample: of the data set.
        config: how further views are varied.
        number: 0: the picture itself.
        rng: source of every random choice.
    """
    view = View(
        sample.image_rgb,
        sample.masks,
        sample.class_ids.astype(np.int64),
        sample.part_of.astype(np.int64),
        sample.ignore,
    )
    view = view.select(areas(view.masks) > 0)
    if number == 0:
        return view
    if rng.random() < config.occlude:
        view = _with_pasted_object(view, rng)
    view = _placed(view, rng.uniform(config.crop, 1.0), config.mirror and rng.random() < 0.5, rng)
    if config.recolour:
        image = recoloured(view.image_rgb, config.recolour, rng)
        view = View(image, view.masks, view.class_ids, view.part_of, view.ignore)
    return view


def _with_pasted_object(view: View, rng: np.random.Generator) -> View:
    """Pastes a copy of one of the picture's whole objects elsewhere, in front of the others."""
    shares, border = areas(view.masks) / view.ignore.size, np.ones(view.ignore.shape, bool)
    border[1:-1, 1:-1] = False
    fits = (view.part_of < 0) & (shares >= _PASTED_AREA[0]) & (shares <= _PASTED_AREA[1])
    fits &= ~(view.masks & border).any((1, 2))  # an object that the picture's edge cuts is not whole
    if not fits.any():
        return view
    row = int(rng.choice(np.flatnonzero(fits)))
    others = np.delete(view.masks, row, axis=0).any(0)
    height, width = others.shape
    places = np.argwhere(others if others.any() else ~border)
    goal = places[rng.integers(len(places))][::-1]
    centre = np.argwhere(view.masks[row]).mean(0)[::-1]
    scale = rng.uniform(0.7, 1.3)
    matrix = np.array([[scale, 0, goal[0] - scale * centre[0]], [0, scale, goal[1] - scale * centre[1]]])
    rows = np.flatnonzero((np.arange(len(fits)) == row) | (view.part_of == row))
    pasted = np.array(
        [cv2.warpAffine(m.astype(np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST) for m in view.masks[rows]]
    ).astype(bool)
    whole = pasted[rows == row][0]
    moved = cv2.warpAffine(view.image_rgb, matrix, (width, height), flags=cv2.INTER_LINEAR)
    masks = view.masks & ~whole
    hidden = areas(masks) < LEAST_LEFT * areas(view.masks)
    ignore = (view.ignore & ~whole) | masks[hidden & (view.part_of < 0)].any(0)
    part_of = np.where(rows == row, -1, len(masks) + np.flatnonzero(rows == row)[0])
    joined = View(
        np.where(whole[..., None], moved, view.image_rgb),
        np.concatenate([masks, pasted]),
        np.concatenate([view.class_ids, view.class_ids[rows]]),
        np.concatenate([view.part_of, part_of]),
        ignore,
    )
    return joined.select(np.concatenate([~hidden, areas(pasted) > 0]))


def _placed(view: View, side: float, mirror: bool, rng: np.random.Generator) -> View:
    """A window of `side` times width and height, enlarged to the picture's size, and mirrored or not."""
    height, width = view.ignore.shape
    window = window_of((height, width), side, rng)
    (y, x), (rows, columns) = (window[0].start, window[1].start), view.image_rgb[window].shape[:2]
    left = areas(view.masks[:, window[0], window[1]]) >= LEAST_LEFT * areas(view.masks)
    cut = view.masks[~left & (view.part_of < 0)].any(0)
    kept = view.select(left)
    image = np.asarray(cv2.resize(view.image_rgb[window], (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    # nearest pixels, for all masks at once
    from_y = (y + (np.arange(height) + 0.5) * rows / height).astype(int)
    from_x = (x + (np.arange(width) + 0.5) * columns / width).astype(int)
    if mirror:
        image, from_x = np.ascontiguousarray(image[:, ::-1]), from_x[::-1]
    masks = kept.masks[:, from_y[:, None], from_x]
    ignore = (view.ignore | cut)[from_y[:, None], from_x]
    return View(image, masks, kept.class_ids, kept.part_of, ignore).select(areas(masks) > 0)


def window_of(size_hw: tuple[int, ...], side: float, rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a window, at a random place, of `side` times a picture's height and width."""
    rows, columns = (max(1, round(length * side)) for length in size_hw)
    y, x = int(rng.integers(size_hw[0] - rows + 1)), int(rng.integers(size_hw[1] - columns + 1))
    return slice(y, y + rows), slice(x, x + columns)


def areas(masks: BoolArray) -> npt.NDArray[np.int64]:
    """(N,) pixels of (N, H, W) masks; many times faster than `masks.sum((1, 2))`."""
    return np.array([np.count_nonzero(mask) for mask in masks], np.int64)
