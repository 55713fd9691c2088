"""Squares of a picture round its things, as a classifier of photographs wants to see them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.instances import MaskCrop


def square_crops(image_rgb: npt.NDArray[np.uint8], masks: Sequence[MaskCrop], side_px: int) -> npt.NDArray[np.uint8]:
    """Squares round each mask's box, as wide as its longer edge: on a table the surroundings are other things.

    Beyond the picture's edge its outermost pixels go on.

    Args:
        image_rgb: (H, W, 3) uint8.
        masks: N.
        side_px: S.

    Returns:
        (N, S, S, 3) uint8.
    """
    crops = np.empty((len(masks), side_px, side_px, 3), np.uint8)
    for k, mask in enumerate(masks):
        crops[k] = _resized(_cut(image_rgb, *_square(mask)), side_px)
    return crops


def square_masks(masks: Sequence[MaskCrop], side_px: int) -> npt.NDArray[np.float32]:
    """What part of each pixel of the squares that `square_crops` cuts out is in the mask.

    Returns:
        (N, S, S) float32, 0 to 1.
    """
    shares = np.empty((len(masks), side_px, side_px), np.float32)
    for k, mask in enumerate(masks):
        left, top, side = _square(mask)
        inside = np.zeros((side, side), np.float32)
        height, width = mask.crop.shape
        inside[mask.y - top : mask.y - top + height, mask.x - left : mask.x - left + width] = mask.crop
        how = cv2.INTER_AREA if side > side_px else cv2.INTER_LINEAR
        shares[k] = cv2.resize(inside, (side_px, side_px), interpolation=how)
    return shares


def _square(mask: MaskCrop) -> tuple[int, int, int]:
    """Left, top and side of the square round the middle of the mask's box; it may reach beyond the picture."""
    left, top, right, bottom = mask.box_xyxy
    side = max(2, right - left, bottom - top)
    return (left + right - side) // 2, (top + bottom - side) // 2, side


def _cut(image_rgb: npt.NDArray[np.uint8], left: int, top: int, side: int) -> npt.NDArray[np.uint8]:
    """The square of the picture that begins there, which may reach beyond the edges."""
    height, width = image_rgb.shape[:2]
    inside = image_rgb[max(top, 0) : top + side, max(left, 0) : left + side]
    missing = max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)
    if not any(missing):
        return inside
    return np.asarray(cv2.copyMakeBorder(inside, *missing, cv2.BORDER_REPLICATE), np.uint8)


def _resized(picture_rgb: npt.NDArray[np.uint8], side_px: int) -> npt.NDArray[np.uint8]:
    how = cv2.INTER_AREA if picture_rgb.shape[0] > side_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture_rgb, (side_px, side_px), interpolation=how), np.uint8)
