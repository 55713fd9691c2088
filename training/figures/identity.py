"""Whether tracked objects keep their ids: IDF1 and id switches.

IDF1 (Ristani et al. 2016, arXiv 1609.01775, section 3.2): over a whole film each true object is paired with at most one
track id so that they agree in as many frames as possible; IDF1 is the F1 of these agreements. Id switches are those of
CLEAR MOT (Bernardin and Stiefelhagen 2008, section 2.1.3): how often an object has another track id than when it was
found before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

FOUND_IOU = 0.5
"""Least IoU of an object with the mask of a track that agrees with it in a frame."""


@dataclass(frozen=True)
class TrackedFrame:
    """What one frame holds.

    Attributes:
        object_ids: T true objects, no two of them equal.
        track_ids: P tracks, no two of them equal.
        ious: (T, P) of their masks.
    """

    object_ids: Sequence[int]
    track_ids: Sequence[int]
    ious: npt.NDArray[np.float64]


@dataclass(frozen=True)
class IdentityFigures:
    """Of one film, or of several (`+`)."""

    objects: int = 0  # true ones, once for each frame
    tracked: int = 0  # masks with a track id, once for each frame
    agreeing: int = 0  # of these, of the one object that their track stands for
    found: int = 0  # of these, of any object: `agreeing` of a tracker that makes no mistake
    switches: int = 0

    def __add__(self, other: IdentityFigures) -> IdentityFigures:
        return IdentityFigures(
            self.objects + other.objects,
            self.tracked + other.tracked,
            self.agreeing + other.agreeing,
            self.found + other.found,
            self.switches + other.switches,
        )

    @property
    def idf1(self) -> float:
        """0..1; 1 where there is nothing to track and nothing was."""
        return _f1(self.agreeing, self.objects + self.tracked)

    @property
    def best_idf1(self) -> float:
        """IDF1 of a tracker that makes no mistake, with the same masks: objects that are not found cost it, too."""
        return _f1(self.found, self.objects + self.tracked)

    @property
    def idf1_of_found(self) -> float:
        """IDF1 of the objects that are found and the masks that find them alone: what the tracker answers for."""
        return self.agreeing / self.found if self.found else 1.0


def identity_figures(frames: Iterable[TrackedFrame]) -> IdentityFigures:
    """The figures of one film."""
    together: dict[tuple[int, int], int] = {}  # (object, track) -> frames in which they agree
    last: dict[int, int] = {}  # object -> the track that it was found with last
    objects = tracked = found = switches = 0
    for frame in frames:
        objects += len(frame.object_ids)
        tracked += len(frame.track_ids)
        agrees = np.asarray(frame.ious) >= FOUND_IOU
        for row, column in np.argwhere(agrees).tolist():
            pair = frame.object_ids[row], frame.track_ids[column]
            together[pair] = together.get(pair, 0) + 1
        pairs = _pairs(frame, agrees, last)
        found += len(pairs)
        switches += sum(last.get(one, track) != track for one, track in pairs.items())
        last |= pairs
    return IdentityFigures(objects, tracked, _most_agreeing(together), found, switches)


def _pairs(frame: TrackedFrame, agrees: npt.NDArray[np.bool_], last: dict[int, int]) -> dict[int, int]:
    """Object -> track of one frame: as many as can be, of these those as in the frames before, then by IoU."""
    if not agrees.size:
        return {}
    same = np.array([[last.get(one) == track for track in frame.track_ids] for one in frame.object_ids])
    size = 1 + min(agrees.shape)
    worth = agrees * (size * size + size * same + np.asarray(frame.ious))
    rows, columns = linear_sum_assignment(worth, maximize=True)
    chosen = zip(rows.tolist(), columns.tolist(), strict=True)
    return {frame.object_ids[row]: frame.track_ids[column] for row, column in chosen if agrees[row, column]}


def _most_agreeing(together: dict[tuple[int, int], int]) -> int:
    objects = {one: row for row, one in enumerate(dict.fromkeys(one for one, _ in together))}
    tracks = {track: column for column, track in enumerate(dict.fromkeys(track for _, track in together))}
    counts = np.zeros((len(objects), len(tracks)), np.int64)
    for (one, track), count in together.items():
        counts[objects[one], tracks[track]] = count
    return int(counts[linear_sum_assignment(counts, maximize=True)].sum())


def _f1(agreeing: int, of_both: int) -> float:
    return 2 * agreeing / of_both if of_both else 1.0
