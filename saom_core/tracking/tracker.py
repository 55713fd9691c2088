"""Track ids and names: the same object keeps its number from frame to frame, hidden, carried or out of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.instances import FloatArray, Instances, MaskCrop
from saom_core.model_file.taught import normalised
from saom_core.tracking.evidence import Evidence, closeness, likeness, overlap, places
from saom_core.tracking.names import NameVotes

ENOUGH = 0.2
"""Least evidence for an instance to be an object of the last frame: where there are only masks, their IoU."""

ENOUGH_LOST = 0.5
"""The same for an object that was not in the last frame, or long ago: another one may have come to its place."""

LOST_LESS = 0.1
"""What has been in sight comes before what was lost, where as much speaks for both."""

LONG_S = 1.0
"""What was seen longer ago than this counts as lost, in a slow stream too; a stamp that is further back than this
begins a recording anew."""

RENEWAL = 0.3
"""Weight of a frame's descriptor beside those before it: an object that is half hidden looks like another one."""

UNKNOWN_M = np.full(3, np.nan, np.float32)

MOST_LOST = 200
"""Most lost objects that are remembered, those seen last: where the stamps stand still, no memory would ever end."""

_LAST_ID = 2**31 - 1
"""Ids are int32 in the messages."""


@dataclass(frozen=True)
class _Track:
    """An object, as it was when it was seen last."""

    id: int
    mask: MaskCrop
    place_m: FloatArray  # (3,) in the fixed frame, or the camera's where no pose was known; NaN: unknown
    extent_m: float
    posed: bool  # whether `place_m` is in the fixed frame
    descriptor: FloatArray  # (D,) of length 1, of all frames; zeros, or D = 0: unknown
    seen_s: float
    names: NameVotes
    unseen: int = 0  # how many frames since then do not show it


@dataclass(frozen=True)
class _Sight:
    """What a frame says of its N instances, beside their masks."""

    places_m: FloatArray  # (N, 3)
    extents_m: FloatArray  # (N,)
    posed: bool
    descriptors: FloatArray  # (N, D)


class Tracker:
    """Gives the instances of a stream of frames their track ids, and each track one name.

    For each pair of a known object and an instance there is evidence: how much their masks overlap or, where depth and
    camera are known, how near their places are, whichever is more; and how alike their descriptors are, for or against.
    Of all ways to pair them up the one with the largest sum is taken; pairs with too little evidence stay apart. What
    is left gets the next number. A number is never given again: not after a loss, not after time jumped back.

    An object is remembered for a time and for a number of frames, whichever is longer. The time serves fast streams,
    in which an object is often hidden for many frames; the number serves slow ones, where a second has no frame at all.

    Args:
        memory_s: how long an object that is not seen keeps its number.
        memory_frames: how many frames that do not show an object leave it its number, however much time they take.
    """

    def __init__(self, memory_s: float = 10.0, memory_frames: int = 5) -> None:
        self.memory_s, self.memory_frames = memory_s, memory_frames
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._now_s = -math.inf
        self._size_hw = (0, 0)

    def update(
        self,
        instances: Instances,
        stamp_s: float,
        camera: CameraIntrinsics | None = None,
        camera_to_world: npt.NDArray[np.float64] | None = None,
    ) -> Instances:
        """The instances of the next frame with their track ids, from 1 on, and the names of their tracks.

        Args:
            instances: N instances of the frame; those with `descriptors` are told apart by what they are like, too.
            stamp_s: when it was taken, seconds. Where that is further before the last frame than a second, or than
                objects are remembered (a recording begins again), or the image has another size, all that was known is
                forgotten. Smaller steps back happen when a clock is set or frames overtake each other.
            camera: of the picture; with it, instances that have distances are told apart by their places, too.
            camera_to_world: (4, 4) pose of the optical frame in a frame that stands still, metres; None: unknown, as if
                the camera stood still.

        Raises:
            InputError: the pose is no finite (4, 4) matrix, or the camera is that of pictures of another size.
        """
        sight = _sight(instances, camera, camera_to_world)
        if stamp_s < self._now_s - min(self.memory_s, LONG_S) or instances.size_hw != self._size_hw:
            self.forget()
        self._now_s, self._size_hw = stamp_s, instances.size_hw
        known = [track for track in self._tracks if self._remembered(track)]
        pairs = self._pairs(known, instances, sight)
        seen = [self._seen(instances, sight, k, known[pairs[k]] if k in pairs else None) for k in range(len(instances))]
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

    def _pairs(self, known: list[_Track], instances: Instances, sight: _Sight) -> dict[int, int]:
        """Instance -> row of `known`."""
        if not known or not len(instances):
            return {}
        lost = np.array([track.unseen > 0 or self._now_s - track.seen_s > LONG_S for track in known])
        places_m = np.array([track.place_m if track.posed == sight.posed else UNKNOWN_M for track in known])
        extents_m = np.array([track.extent_m for track in known], np.float32)
        overlaps = overlap([track.mask for track in known], instances.masks)
        if (
            sight.posed
        ):  # the camera may have turned since: a place in the fixed frame says more than one in the picture
            placed = np.isfinite(places_m).all(axis=1)[:, None] & np.isfinite(sight.places_m).all(axis=1)
            overlaps[lost[:, None] & placed] = 0.0
        near = np.maximum(overlaps, closeness(places_m, extents_m, sight.places_m))
        evidence = near + _alike(known, sight)
        enough = evidence >= np.where(lost, ENOUGH_LOST, ENOUGH)[:, None]
        evidence = np.where(enough, evidence - LOST_LESS * lost[:, None], 0.0)
        rows, columns = linear_sum_assignment(evidence, maximize=True)
        return {
            column: row
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if evidence[row, column] > 0
        }

    def _seen(self, instances: Instances, sight: _Sight, k: int, before: _Track | None) -> _Track:
        """The track of instance k, which continues another one or begins."""
        names, descriptor = NameVotes(), sight.descriptors[k]
        if before is not None:
            names = before.names
            if before.descriptor.shape == descriptor.shape and before.descriptor.any():
                descriptor = normalised((1 - RENEWAL) * before.descriptor + RENEWAL * descriptor)
        names.add(int(instances.class_ids[k]), instances.class_names[k], float(instances.class_scores[k]))
        return _Track(
            id=self._new_id() if before is None else before.id,
            mask=instances.masks[k],
            place_m=sight.places_m[k],
            extent_m=float(sight.extents_m[k]),
            posed=sight.posed,
            descriptor=descriptor,
            seen_s=self._now_s,
            names=names,
        )

    def _new_id(self) -> int:
        self._last_id = self._last_id % _LAST_ID + 1
        return self._last_id


def _sight(
    instances: Instances, camera: CameraIntrinsics | None, camera_to_world: npt.NDArray[np.float64] | None
) -> _Sight:
    count = len(instances)
    places_m, extents_m = np.full((count, 3), np.nan, np.float32), np.zeros(count, np.float32)
    if camera is not None:
        places_m, extents_m = places(instances, camera)
    if camera_to_world is not None:
        pose = np.asarray(camera_to_world, np.float64)
        if pose.shape != (4, 4) or not np.isfinite(pose).all():
            raise InputError(f"expected a finite camera_to_world of shape (4, 4), got {camera_to_world!r}")
        places_m = (places_m @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
    descriptors = np.zeros((count, 0), np.float32) if instances.descriptors is None else instances.descriptors
    # zeros mean unknown: one bad number would go on in a track for good
    descriptors = np.where(np.isfinite(descriptors).all(axis=1, keepdims=True), descriptors, np.float32(0))
    return _Sight(places_m, extents_m, camera_to_world is not None, descriptors)


def _alike(known: list[_Track], sight: _Sight) -> Evidence:
    """See `likeness`; descriptors of another size are another model's, so they are unknown."""
    size = sight.descriptors.shape[1]
    nothing = np.zeros(size, np.float32)
    return likeness(
        np.stack([track.descriptor if track.descriptor.size == size else nothing for track in known]), sight.descriptors
    )
