"""Track ids: the same object keeps its number from frame to frame, by the overlap of its masks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances, MaskCrop

LEAST_IOU = 0.2
"""Masks of one object in two frames overlap at least so much; low, as a moving camera shifts small objects far."""

LOST_IOU = 0.5
"""The same for an object that the frame before did not show: another one may have come to its place."""

MOST_LOST = 200
"""Lost objects that are remembered, the last seen ones: time may stand still in the stamps, memory must not fill."""

_LAST_ID = 2**31 - 1
"""Ids are int32 in the messages."""


@dataclass(frozen=True)
class _Track:
    id: int
    mask: MaskCrop  # where it was seen last
    seen_s: float
    lost: bool = False  # the last frame did not show it


class Tracker:
    """Gives the instances of a stream of frames their track ids.

    Pairs of a known object and an instance are taken by falling IoU of their masks, each at most once; what is left
    gets the next number. A number is never given again: not after a loss, not after time jumped back.

    Args:
        memory_s: how long an object that is not seen keeps its number.
    """

    def __init__(self, memory_s: float = 1.0) -> None:
        self.memory_s = memory_s
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._now_s = -math.inf
        self._size_hw = (0, 0)

    def update(self, instances: Instances, stamp_s: float) -> Instances:
        """The instances of the next frame with their track ids, from 1 on.

        Args:
            instances: N instances of the frame.
            stamp_s: when it was taken, seconds. Where that is further before the last frame than objects are remembered
                (a recording begins again), or the image has another size, all that was known is forgotten. Smaller
                steps back happen when a clock is set or frames overtake each other.
        """
        if stamp_s < self._now_s - self.memory_s or instances.size_hw != self._size_hw:
            self._tracks = []
        self._now_s, self._size_hw = stamp_s, instances.size_hw
        known = [track for track in self._tracks if stamp_s - track.seen_s <= self.memory_s]
        ious = mask_ious([track.mask for track in known], instances.masks)
        lost = np.array([track.lost for track in known], np.bool_)
        ious[lost[:, None] & (ious < LOST_IOU)] = 0.0
        pairs = match(ious)
        ids = [known[pairs[k]].id if k in pairs else self._new_id() for k in range(len(instances))]
        found = set(pairs.values())
        unseen = [dataclasses.replace(track, lost=True) for k, track in enumerate(known) if k not in found]
        self._tracks = sorted(unseen, key=lambda track: track.seen_s)[-MOST_LOST:]
        self._tracks += [_Track(number, mask, stamp_s) for number, mask in zip(ids, instances.masks, strict=True)]
        return dataclasses.replace(instances, track_ids=np.array(ids, np.int32))

    def _new_id(self) -> int:
        self._last_id = self._last_id % _LAST_ID + 1
        return self._last_id


def mask_ious(
    ones: Sequence[MaskCrop], others: Sequence[MaskCrop], least: float = LEAST_IOU
) -> npt.NDArray[np.float64]:
    """IoU of each of A masks with each of B masks of the same image, (A, B); 0 where it is below `least`.

    Most pairs are settled by their boxes and areas, which bound the intersection; pixels are counted for the rest.
    """
    ious = np.zeros((len(ones), len(others)))
    if not ious.size:
        return ious
    boxes_a, boxes_b = (np.array([mask.box_xyxy for mask in masks], float) for masks in (ones, others))
    areas_a, areas_b = (np.array([mask.area for mask in masks], float) for masks in (ones, others))
    low = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    high = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    most = np.minimum(shared, np.minimum(areas_a[:, None], areas_b[None, :]))
    total = areas_a[:, None] + areas_b[None, :]
    for a, b in np.argwhere((most > 0) & (most >= least * (total - most))).tolist():
        (left, top), (right, bottom) = low[a, b].astype(int).tolist(), high[a, b].astype(int).tolist()
        parts = [
            mask.crop[top - mask.y : bottom - mask.y, left - mask.x : right - mask.x] for mask in (ones[a], others[b])
        ]
        both = np.count_nonzero(parts[0] & parts[1])
        iou = both / (total[a, b] - both)
        ious[a, b] = iou if iou >= least else 0.0
    return ious


def match(ious: npt.NDArray[np.float64]) -> dict[int, int]:
    """Column -> row of pairs with an IoU above 0, the best first, each row and column at most once."""
    pairs: dict[int, int] = {}
    rows, columns = np.nonzero(ious)
    for index in np.argsort(-ious[rows, columns], kind="stable").tolist():
        row, column = int(rows[index]), int(columns[index])
        if column not in pairs and row not in pairs.values():
            pairs[column] = row
    return pairs
