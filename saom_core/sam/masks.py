"""From SAM's low-resolution mask logits to masks of the image, computed only where a mask can be.

segment-anything enlarges every mask twice (to the network's input size, then to the image) and keeps it at full size.
Both steps are linear and work on rows and columns apart, so together they are one matrix on either side of the logits.
A pixel of the result is a weighted mean of logits, so it lies above a threshold only near logits above it: the product
is taken in that window alone. Counts (for stability) and boxes come first; pixels are made of the masks that stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from saom_core.instances import MaskCrop

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in image pixels; x1 and y1 exclusive."""

_COLUMNS_AT_ONCE = 256
"""Image columns per matrix product: a block needs only the few logit columns that it lies on."""

_PIXELS_AT_ONCE = {"cpu": 2**18, "cuda": 2**27}
"""Image pixels of masks measured in one product."""


@dataclass(frozen=True)
class MaskMeasures:
    """What is known of K masks at image resolution; tensors on the CPU."""

    above_high: Tensor  # (K,) int64, pixels above threshold + offset
    above_low: Tensor  # (K,) int64, pixels above threshold - offset
    boxes_xyxy: Tensor  # (K, 4) int64, right and bottom inclusive, as in segment-anything; zeros for no pixel
    empty: Tensor  # (K,) bool, no pixel above the threshold
    windows: list[Window | None]  # window outside of which no logit is above threshold - offset


class MaskEnlarger:
    """Enlarges low-resolution logits of one image (or crop) to its pixels.

    Args:
        logits_hw: rows and columns of the logits, padding left out.
        input_hw: size of the resized image that the encoder saw; 4 of its pixels make one logit.
        image_hw: size of the image.
        device: where the logits are.
    """

    def __init__(
        self, logits_hw: tuple[int, int], input_hw: tuple[int, int], image_hw: tuple[int, int], device: torch.device
    ) -> None:
        self._rows = _Axis(logits_hw[0], input_hw[0], image_hw[0], device)
        self._columns = _Axis(logits_hw[1], input_hw[1], image_hw[1], device)

    def measure(self, logits: Tensor, threshold: float, offset: float) -> MaskMeasures:
        """Counts and boxes of K masks with logits (K, h, w)."""
        windows = self._windows(logits, threshold - offset)
        rows = torch.zeros((len(logits), 6), dtype=torch.int64)
        rows[:, 2:4] = 1  # left and top beyond right and bottom mean that there is no pixel
        there = [k for k, window in enumerate(windows) if window is not None]
        # One product for many masks where calls cost more than pixels (a GPU, small images), else each in its window.
        together = max(1, _PIXELS_AT_ONCE[logits.device.type] // (len(self._rows.weights) * len(self._columns.weights)))
        for begin in range(0, len(there), together):
            group = there[begin : begin + together]
            window = _union([windows[k] for k in group])
            rows[group] = self._measure_window(logits[group], window, threshold, offset).cpu()
        empty = rows[:, 4] < rows[:, 2]
        rows[empty, 2:] = 0
        return MaskMeasures(rows[:, 0], rows[:, 1], rows[:, 2:], empty, windows)

    def cut(self, logits: Tensor, window: Window) -> Tensor:
        """The part of logits (..., h, w) that the pixels of a window are made of."""
        x0, y0, x1, y1 = window
        return logits[..., slice(*self._rows.logits(y0, y1)), slice(*self._columns.logits(x0, x1))]

    def pixels(self, cut: Tensor, window: Window, threshold: float) -> MaskCrop:
        """One mask, not empty, from the part of its logits (r, c) that `cut` gave for the window."""
        inside = torch.cat([values[0] > threshold for values in self._blocks(cut[None], window)], dim=1)
        return MaskCrop.from_dense(inside.cpu().numpy(), window[:2])

    def _measure_window(self, logits: Tensor, window: Window, threshold: float, offset: float) -> Tensor:
        """(K, 6): pixels above the high and the low threshold, box."""
        high, low, tops, sides = [], [], [], []
        for values in self._blocks(self.cut(logits, window), window):
            high.append(_count(values > threshold + offset))
            low.append(_count(values > threshold - offset))
            tops.append(values.amax(2))  # a maximum is many times faster than any() of a comparison
            sides.append(values.amax(1))
        top, bottom = _span(torch.stack(tops).amax(0) > threshold)
        left, right = _span(torch.cat(sides, dim=1) > threshold)
        x0, y0 = window[:2]
        return torch.stack([sum(high), sum(low), left + x0, top + y0, right + x0, bottom + y0], dim=1)

    def _windows(self, logits: Tensor, threshold: float) -> list[Window | None]:
        above = logits > threshold
        spans = torch.stack([*_span(above.any(2)), *_span(above.any(1))], dim=1).tolist()
        return [self._window(*span) for span in spans]

    def _window(self, top: int, bottom: int, left: int, right: int) -> Window | None:
        if bottom < top:
            return None
        (y0, y1), (x0, x1) = self._rows.pixels(top, bottom), self._columns.pixels(left, right)
        # an image that is smaller than its logits skips some of them
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def _blocks(self, cut: Tensor, window: Window) -> Iterator[Tensor]:
        """Logits at image resolution, (K, height, columns of the block) each, from (K, r, c)."""
        x0, y0, x1, y1 = window
        top, bottom = self._rows.logits(y0, y1)
        left = self._columns.logits(x0, x1)[0]
        tall = self._rows.weights[y0:y1, top:bottom] @ cut
        for begin in range(x0, x1, _COLUMNS_AT_ONCE):
            end = min(begin + _COLUMNS_AT_ONCE, x1)
            first, last = self._columns.logits(begin, end)
            yield tall[..., first - left : last - left] @ self._columns.weights[begin:end, first:last].T


class _Axis:
    """How one axis of the image mixes the logits along it: `weights` (image pixels, logits), a band matrix."""

    def __init__(self, logits: int, input_pixels: int, image_pixels: int, device: torch.device) -> None:
        # The two calls of Sam.postprocess_masks, along one axis, on the identity.
        fine = F.interpolate(torch.eye(logits)[None, None], (4 * logits, logits), mode="bilinear")
        weights = F.interpolate(fine[:, :, :input_pixels], (image_pixels, logits), mode="bilinear")[0, 0]
        used = weights > 0
        self.weights = weights.to(device)
        self._first_logit, self._last_logit = (side.tolist() for side in _span(used))
        first, last = _span(used.T)  # where small images skip a logit, its neighbours bound the range
        self._first_pixel = first.flip(0).cummin(0).values.flip(0).tolist()
        self._last_pixel = last.cummax(0).values.tolist()

    def pixels(self, first: int, last: int) -> tuple[int, int]:
        """The image pixels (begin, end) in which logits first..last have a part; none: begin >= end."""
        return self._first_pixel[first], self._last_pixel[last] + 1

    def logits(self, begin: int, end: int) -> tuple[int, int]:
        """The logits (begin, end) that image pixels begin..end - 1 are made of."""
        return self._first_logit[begin], self._last_logit[end - 1] + 1


def _count(used: Tensor) -> Tensor:
    """True elements of each (h, w) of (K, h, w); a row of a block is short, so int16 holds its count (and is fast)."""
    return used.sum(2, dtype=torch.int16).sum(1)


def _span(used: Tensor) -> tuple[Tensor, Tensor]:
    """First and last true of each row of (K, n) bool; last < first where a row has none."""
    index = torch.arange(used.shape[1], device=used.device)
    return torch.where(used, index, used.shape[1]).amin(1), torch.where(used, index, -1).amax(1)


def _union(windows: list[Window | None]) -> Window:
    x0, y0, x1, y1 = zip(*(window for window in windows if window is not None), strict=True)
    return min(x0), min(y0), max(x1), max(y1)
