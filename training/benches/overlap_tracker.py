"""Track ids by the overlap of masks alone: what SAOM's tracker was until 0.1, kept to compare with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from saom_core.instances import Instances, MaskCrop
from saom_core.masks import match
from saom_core.tracking.evidence import mask_ious

LEAST_IOU, LOST_IOU = 0.2, 0.5
"""Least IoU of a track with an instance; the same where the last frame does not show the track."""
MEMORY_S, MEMORY_FRAMES = 1.0, 5
"""A track is remembered for that time or for so many frames without it, whichever is longer."""


@dataclass(frozen=True)
class _Track:
    id: int
    mask: MaskCrop
    seen_s: float
    unseen: int = 0


class OverlapTracker:
    """Pairs of a known object and an instance are taken by falling IoU, each at most once; what is left is new."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._last_id = 0

    def update(self, instances: Instances, stamp_s: float) -> Instances:
        """The instances of the next frame with their track ids."""
        known = [track for track in self._tracks if _remembered(track, stamp_s)]
        ious = mask_ious([track.mask for track in known], instances.masks, LEAST_IOU)
        doubtful = np.array([track.unseen > 0 or stamp_s - track.seen_s > MEMORY_S for track in known], np.bool_)
        ious[doubtful[:, None] & (ious < LOST_IOU)] = 0.0
        pairs = match(ious)
        self._tracks = [
            dataclasses.replace(track, unseen=track.unseen + 1)
            for row, track in enumerate(known)
            if row not in pairs.values()
        ]
        ids = []
        for k, mask in enumerate(instances.masks):
            if k not in pairs:
                self._last_id += 1
            ids.append(known[pairs[k]].id if k in pairs else self._last_id)
            self._tracks.append(_Track(ids[-1], mask, stamp_s))
        return dataclasses.replace(instances, track_ids=np.array(ids, np.int32))


def _remembered(track: _Track, now_s: float) -> bool:
    return now_s - track.seen_s <= MEMORY_S or track.unseen <= MEMORY_FRAMES
