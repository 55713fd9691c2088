"""`TrackLooks`: names of tracked things, of which only new ones, and now and then known ones, are looked at."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.instances import Instances
from saom_core.model_file.taught import normalised
from saom_core.naming.looks import Looks
from saom_core.naming.photo_names import PhotoNames
from saom_core.places.stream import StreamPlaces
from saom_core.segmenter import Segmenter
from saom_core.tracking.tracker import Tracker

LOOKS_A_FRAME = 3
"""Most crops of a frame, which bounds the time; new things come first, the largest of them first."""
LOOK_AGAIN = 15
"""Frames after which a known thing is looked at again."""
MOST_LOOKS = 8
"""After so many looks, from as many sides, a thing is known."""
FORGOTTEN_AFTER = 300
"""Frames without a thing after which its looks are remembered no more."""
KEEPS = 0.8
"""A name that a thing has is given until its score falls below this share of the threshold."""
SWITCH = 1.25
"""Another name must be likelier by this factor: two names that are level do not alternate."""


@dataclass
class _Known:
    """What is known of a track."""

    likely: npt.NDArray[np.float32]  # (K + 1,) sum of the probabilities that the looks gave
    described: npt.NDArray[np.float32]  # (D,) sum of the descriptors
    looks: int
    looked: int  # the frame of the last look
    seen: int  # the last frame with the thing
    class_id: int = -1  # the name that it has; -1: none yet


class TrackLooks:
    """Names the tracked instances of a stream; what a thing looked like in several frames is averaged.

    Args:
        names: of the model.
        looks_a_frame: most crops of a frame; None: as many as there are new things.
    """

    def __init__(self, names: PhotoNames, looks_a_frame: int | None = LOOKS_A_FRAME) -> None:
        self._names, self._looks_a_frame = names, looks_a_frame
        self._known: dict[int, _Known] = {}  # by track id
        self._frame = 0

    def named(
        self,
        image_rgb: npt.NDArray[np.uint8],
        instances: Instances,
        threshold: float,
        camera: CameraIntrinsics | None = None,
        camera_up: str = "auto",
    ) -> Instances:
        """The instances of the next frame with names; until a thing was looked at, model and size alone name it.

        Args:
            image_rgb: (H, W, 3) uint8.
            instances: N tracked ones, with the names that the model itself gives their tracks.
            threshold: least score of a name that is given.
            camera: of the picture.
            camera_up: see `PhotoNames.look`.
        """
        self._frame += 1
        self._look(image_rgb, instances, camera_up)
        looks = Looks.unknown(len(instances))
        for k, track_id in enumerate(instances.track_ids.tolist()):
            known = self._known.get(track_id)
            if known is not None:
                known.seen = self._frame
                looks.likely[k] = known.likely / known.looks
                looks.described[k] = normalised(known.described)
        self._forget()
        if self._names.renames:
            instances = self._steady(instances, looks.likely, threshold, camera)
        return self._names.taught(instances, looks)

    def _look(self, image_rgb: npt.NDArray[np.uint8], instances: Instances, camera_up: str) -> None:
        """Looks at those things of which least is known."""
        waiting = []
        for k, track_id in enumerate(instances.track_ids.tolist()):
            known = self._known.get(track_id)
            if track_id < 0:
                continue
            if known is None:
                waiting.append((0, -instances.masks[k].area, k))
            elif known.looks < MOST_LOOKS and self._frame - known.looked >= LOOK_AGAIN:
                waiting.append((known.looks, known.looked, k))
        chosen = sorted(k for _, _, k in sorted(waiting)[: self._looks_a_frame])
        if not chosen:
            return
        seen = self._names.look(image_rgb, instances.select(chosen), camera_up)
        for k, likely, described in zip(chosen, seen.likely, seen.described, strict=True):
            new = _Known(np.zeros_like(likely), np.zeros_like(described), looks=0, looked=0, seen=self._frame)
            known = self._known.setdefault(int(instances.track_ids[k]), new)
            known.likely, known.described = known.likely + likely, known.described + described
            known.looks, known.looked = known.looks + 1, self._frame

    def _steady(
        self,
        instances: Instances,
        looks: npt.NDArray[np.floating],
        threshold: float,
        camera: CameraIntrinsics | None,
    ) -> Instances:
        """Instances with names that do not flicker."""
        if not len(instances):
            return instances
        likely = self._names.probabilities(instances, looks, camera)
        held = np.array([self._held(track_id) for track_id in instances.track_ids.tolist()])
        rows = np.arange(len(instances))
        own = np.where(held >= 0, likely[rows, held], 0)
        stays = (self._names.scores(own) >= KEEPS * threshold) & (SWITCH * own >= likely.max(axis=1))
        named = self._names.given(instances, likely, threshold, np.where(stays, held, -1))
        for track_id, class_id in zip(instances.track_ids.tolist(), named.class_ids.tolist(), strict=True):
            if track_id in self._known:
                self._known[track_id].class_id = class_id
        return named

    def _held(self, track_id: int) -> int:
        known = self._known.get(track_id)
        return -1 if known is None else known.class_id

    def _forget(self) -> None:
        self._known = {k: one for k, one in self._known.items() if self._frame - one.seen <= FORGOTTEN_AFTER}


class StreamNames:
    """Leaves the names of a stream's things to their tracks, where photographs have a say in names.

    Args:
        segmenter: of the stream.
        looks_a_frame: see `TrackLooks`.
    """

    def __init__(self, segmenter: Segmenter, looks_a_frame: int | None = LOOKS_A_FRAME) -> None:
        names = getattr(segmenter, "photo_names", None)  # models of other kinds have none
        self._looks = TrackLooks(names, looks_a_frame) if isinstance(names, PhotoNames) else None
        self._renames = isinstance(names, PhotoNames) and names.renames

    def config(self, config: SaomConfig) -> SaomConfig:
        """The options with which the segmenter answers a frame: names come later, from all that the model says."""
        if self._looks is None or not config.photo_names:
            return config
        threshold = 0.0 if self._renames else config.class_score_threshold
        return config.replace(photo_names=False, class_score_threshold=threshold)

    def named(
        self,
        image_rgb: npt.NDArray[np.uint8],
        instances: Instances,
        config: SaomConfig,
        camera: CameraIntrinsics | None = None,
    ) -> Instances:
        """See `TrackLooks.named`; `config` has the stream's own options."""
        if self._looks is None or not config.photo_names:
            return instances
        return self._looks.named(image_rgb, instances, config.class_score_threshold, camera, config.camera_up)


class NamedStream:
    """A stream of frames, segmented, tracked, located and named.

    Args:
        segmenter: whose options are those of the stream, also when they change; it may be used for other pictures
            meanwhile, and by other streams.
        live: nothing waits for the frames of a file, so that all new things in them are looked at at once; those of a
            camera (true) must be done in time, see `LOOKS_A_FRAME`.
    """

    def __init__(self, segmenter: Segmenter, live: bool = False) -> None:
        # a copy, whose options change while it works: another thread may use the segmenter meanwhile
        self._source, self._segmenter, self._tracker = segmenter, copy.copy(segmenter), Tracker()
        self._names = StreamNames(segmenter, LOOKS_A_FRAME if live else None)
        self._places = StreamPlaces()

    def update(
        self,
        image_rgb: npt.NDArray[np.uint8],
        stamp_s: float,
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
    ) -> Instances:
        """The tracked instances of the next frame; arguments as of `Segmenter.segment` and `Tracker.update`.

        Raises:
            InputError: see there.
        """
        config = self._source.config
        self._segmenter.config = self._names.config(config)
        found = self._segmenter.segment(image_rgb, depth_m, camera, located=False).instances
        tracked = self._tracker.update(found, stamp_s, camera)
        # what is left out as a surface needs no look
        return self._names.named(image_rgb, self._places.located(tracked, depth_m, camera, config), config, camera)
