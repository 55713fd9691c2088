"""Track ids and names: the same object keeps its number from frame to frame, by the overlap of its masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances, MaskCrop
from saom_core.masks import match
from saom_core.track_names import NameVotes

LEAST_IOU = 0.2
"""Masks of one object in two frames overlap at least so much; low, as a moving camera shifts small objects far."""

LOST_IOU = 0.5
"""The same for an object that was not in the last frame, or long ago: another one may have come to its place."""

MOST_LOST = 200
"""Most lost objects that are remembered, those seen last: where the stamps stand still, no memory would ever end."""

_LAST_ID = 2**31 - 1
"""Ids are int32 in the messages."""


@dataclass(frozen=True)
class _Track:
    id: int
    mask: MaskCrop  # where it was seen last
    seen_s: float
    names: NameVotes
    unseen: int = 0  # how many frames since then do not show it


class Tracker:
    """Gives the instances of a stream of frames their track ids, and each track one name.

    Pairs of a known object and an instance are taken by falling IoU of their masks, each at most once; what is left
    gets the next number. A number is never given again: not after a loss, not after time jumped back.

    An object is remembered for a time and for a number of frames, whichever is longer. The time serves fast streams,
    in which an object is often hidden for many frames; the number serves slow ones, where a second has no frame at all.

    Args:
        memory_s: how long an object that is not seen keeps its number.
        memory_frames: how many frames that do not show an object leave it its number, however much time they take.
    """

    def __init__(self, memory_s: float = 1.0, memory_frames: int = 5) -> None:
        self.memory_s, self.memory_frames = memory_s, memory_frames
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._now_s = -math.inf
        self._size_hw = (0, 0)

    def update(self, instances: Instances, stamp_s: float) -> Instances:
        """The instances of the next frame with their track ids, from 1 on, and the names of their tracks.

        Args:
            instances: N instances of the frame.
            stamp_s: when it was taken, seconds. Where that is further before the last frame than objects are remembered
                (a recording begins again), or the image has another size, all that was known is forgotten. Smaller
                steps back happen when a clock is set or frames overtake each other.
        """
        if stamp_s < self._now_s - self.memory_s or instances.size_hw != self._size_hw:
            self.forget()
        self._now_s, self._size_hw = stamp_s, instances.size_hw
        known = [track for track in self._tracks if self._remembered(track)]
        ious = mask_ious([track.mask for track in known], instances.masks)
        doubtful = np.array([track.unseen > 0 or stamp_s - track.seen_s > self.memory_s for track in known], np.bool_)
        ious[doubtful[:, None] & (ious < LOST_IOU)] = 0.0
        pairs = match(ious)
        seen = [self._seen(instances, k, known[pairs[k]] if k in pairs else None) for k in range(len(instances))]
        found = set(pairs.values())
        unseen = [replace(track, unseen=track.unseen + 1) for k, track in enumerate(known) if k not in found]
        unseen = [track for track in unseen if self._remembered(track)]
        self._tracks = sorted(unseen, key=lambda track: track.seen_s)[-MOST_LOST:] + seen
        return replace(
            instances,
            track_ids=np.array([track.id for track in seen], np.int32),
            class_ids=np.array([track.names.class_id for track in seen], np.int32),
            class_names=tuple(track.names.name for track in seen),
            class_scores=np.array([track.names.score for track in seen], np.float32),
        )

    def forget(self) -> None:
        """Forgets all objects, so that each that is seen gets a new number."""
        self._tracks = []

    def state(self, track_id: int) -> str:
        """What is known of a number: "seen" in the last frame, "lost" but remembered, "gone" for good, or "never"."""
        if not 1 <= track_id <= self._last_id:
            return "never"
        track = next((track for track in self._tracks if track.id == track_id), None)
        return "gone" if track is None else "lost" if track.unseen else "seen"

    def _remembered(self, track: _Track) -> bool:
        return self._now_s - track.seen_s <= self.memory_s or track.unseen <= self.memory_frames

    def _seen(self, instances: Instances, k: int, before: _Track | None) -> _Track:
        """The track of instance k, which continues another one or begins."""
        names = NameVotes() if before is None else before.names
        names.add(int(instances.class_ids[k]), instances.class_names[k], float(instances.class_scores[k]))
        return _Track(self._new_id() if before is None else before.id, instances.masks[k], self._now_s, names)

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
