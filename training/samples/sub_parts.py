"""Sub-parts: prints, faces, lids of another colour, of which SAM gives masks beside those of wholes and parts.

A simulator does not list them. They are found in the picture, as pieces of one mask that differ in colour.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_LEAST_REGION = 0.02  # of the picture: smaller pieces of background are no region
_SHARE = (0.05, 0.85)  # share of its mask: a smaller piece is a speck, a larger one is the mask itself
_LEAST_PIXELS = 60
_CONTRAST = 25.0  # least distance between the two mean colours, of 255: below it the difference is shading
_SPECKS = 5  # pixels of the median filter that takes noise and fine texture away


def regions(background: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(R, H, W) bool: the connected pieces of the background, which SAM gives as masks too."""
    return _connected(background, _LEAST_REGION * background.size, background.size)


def sub_parts(image_rgb: npt.NDArray[np.uint8], masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pieces into which colour divides each mask.

    Its pixels are split in two along the axis on which their colours (CIELAB) differ most, where Otsu's threshold says;
    connected pieces of either half are sub-parts.

    Args:
        image_rgb: (H, W, 3) uint8.
        masks: (N, H, W) bool.

    Returns:
        (K, H, W) bool; a mask of one colour has none.
    """
    lab = cv2.cvtColor(cv2.medianBlur(image_rgb, _SPECKS), cv2.COLOR_RGB2LAB)
    found = [np.zeros((0, *masks.shape[1:]), bool)]
    for mask in masks:
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        window = np.s_[y : y + height, x : x + width]
        inside, pixels = mask[window], np.count_nonzero(mask)
        least, most = max(_LEAST_PIXELS, _SHARE[0] * pixels), _SHARE[1] * pixels
        bright = _brighter_half(lab[window][inside]) if pixels >= 2 * least else None
        if bright is None:
            continue
        half = np.zeros_like(inside)
        half[inside] = bright
        pieces = np.concatenate([_connected(half, least, most), _connected(inside & ~half, least, most)])
        whole = np.zeros((len(pieces), *mask.shape), bool)
        whole[:, window[0], window[1]] = pieces
        found.append(whole)
    return np.concatenate(found)


def _brighter_half(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_] | None:
    """(P,) bool of (P, 3) colours: which belong to the first of two groups; None where all are alike."""
    mean, axes = cv2.PCACompute(colours.astype(np.float32), np.empty(0), maxComponents=1)
    along = (colours - mean) @ axes[0]
    low, high = along.min(), along.max()
    scaled = ((along - low) * (255 / max(high - low, 1.0))).astype(np.uint8)
    threshold, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_OTSU)
    upper = scaled > threshold
    if upper.all() or not upper.any() or along[upper].mean() - along[~upper].mean() < _CONTRAST:
        return None
    return upper


def _connected(mask: npt.NDArray[np.bool_], least: float, most: float) -> npt.NDArray[np.bool_]:
    """(K, H, W) bool: connected pieces of a mask of `least` to `most` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    pixels = stats[:, cv2.CC_STAT_AREA]
    kept = np.flatnonzero((pixels >= least) & (pixels <= most))
    return labels == kept[kept > 0, None, None]
