"""Which pixels of a mask show the thing itself: masks spill over its border, and depth cameras mix near and far there.

Depth alone does not tell a thing's own far end from what is behind it: of a carton that lies along the view more than
half of the pixels may be its front, and its top recedes from there for as far as it is long. But a surface recedes
without a gap, and what is behind shows at the mask's border.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.geometry.depth import median
from saom_core.geometry.scene_planes import noise_m

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

GAP_M = 0.02
"""Depths of one thing may be so far apart at the least."""
STEEP = 8.0
"""A surface that is seen from 7 degrees recedes by so many times the distance between neighbouring pixels."""
BORDER_STEEP = 4.0
"""The same where it ends at the mask's border, beside which a table is hardly farther: it is seen from 15 degrees."""
FEW = 1 / 250
"""Fewer of the points in a gap do not fill it: strays lie everywhere."""
SPREAD = 3.0
"""So many robust spreads about the median are kept in any case: things have gaps of their own, as a chair has."""
BORDER_PX = 2
"""Pixels that a mask may spill over its border, at a resolution at which a thing has a few thousand of them."""
CORE_SHARE = 0.5
"""Of the mask is left at least where its border is taken off."""

_NEIGHBOURS, _NEAR = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)


def own_pixels(mask: BoolArray, depths_m: FloatArray, pitch: float, border_px: int = BORDER_PX) -> BoolArray:
    """Those pixels (h, w) of a mask that show the thing itself, without strays.

    Inside, all that hangs together in depth is kept. A pixel of the border is kept where the thing goes on there.

    Args:
        mask: (h, w) bool.
        depths_m: (h, w) float32, metres, 0 = invalid.
        pitch: distance between neighbouring pixels at a depth of 1 m, metres.
        border_px: how far the mask may spill over the thing's border.
    """
    seen = mask & (depths_m > 0)
    inner, border = _without_border(mask, border_px)
    if not (inner & seen).any():
        inner, border = mask, 0
    core = inner & seen
    if not core.any():
        return core
    gap_m = max(GAP_M, STEEP * pitch * median(depths_m[core]))
    low, high = depth_range(depths_m[core], gap_m)
    in_range = (depths_m >= low) & (depths_m <= high)
    core &= in_range
    if not border:
        return core
    # a part thinner than its border, such as a handle, has no inside
    thin = in_range & (cv2.dilate(inner.view(np.uint8), np.ones((2 * border + 1,) * 2, np.uint8)) == 0)
    own: BoolArray = core | (seen & thin)
    at_border = seen & ~inner
    noise, steep_m = noise_m(depths_m), BORDER_STEEP * pitch * depths_m
    for _ in range(border):
        nearest = cv2.erode(np.where(own, depths_m, np.float32(1e6)), _NEAR)
        farthest = cv2.dilate(np.where(own, depths_m, np.float32(0)), _NEAR)
        slack = noise + np.maximum(steep_m, np.minimum(farthest - nearest, gap_m))  # a slope goes on
        own |= at_border & (depths_m >= nearest - slack) & (depths_m <= farthest + slack)
    return own


def depth_range(depths_m: npt.NDArray[np.floating], gap_m: float) -> tuple[float, float]:
    """The least and the largest depth of what hangs together with the median of P >= 1 depths.

    Args:
        depths_m: (P,), metres.
        gap_m: depths that are farther apart do not hang together; the noise of depth is allowed for besides.
    """
    ordered = np.sort(depths_m)
    middle = median(ordered)
    gap_m = max(gap_m, 2 * float(noise_m(np.array(middle))))
    spread = SPREAD * max(1.4826 * median(np.abs(ordered - middle)), 0.01)
    few = int(len(ordered) * FEW) + 1
    first, last = np.searchsorted(ordered, (middle - spread, middle + spread + 1e-9))
    return -_reaches(-ordered[::-1], len(ordered) - 1 - first, few, gap_m), _reaches(ordered, last - 1, few, gap_m)


def _reaches(ordered: npt.NDArray[np.floating], start: int, few: int, gap_m: float) -> float:
    """How far ascending numbers (P,) go on from the one at `start`, with fewer than so many of them in a gap."""
    ahead = np.append(ordered, np.full(few, np.inf))[few:]
    end = ordered[start + int((ahead - ordered > gap_m)[start:].argmax())]
    return float(ordered[np.searchsorted(ordered, end + gap_m, side="right") - 1])


def _without_border(mask: BoolArray, border_px: int) -> tuple[BoolArray, int]:
    """A mask without its border, and how wide that is: narrower, or nothing, where hardly anything would be left."""
    left: npt.NDArray[np.uint8] = mask.astype(np.uint8)
    least = CORE_SHARE * np.count_nonzero(mask)
    for width in range(border_px):
        fewer = np.asarray(cv2.erode(left, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=0), np.uint8)
        if np.count_nonzero(fewer) < least:
            return left.astype(np.bool_), width
        left = fewer
    return left.astype(np.bool_), border_px
