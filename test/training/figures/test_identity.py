"""IDF1 and id switches against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from saom_training.figures.identity import FOUND_IOU, IdentityFigures, TrackedFrame, identity_figures

SAME, NOTHING = 0.9, 0.1


def film(*tracks_of_objects: dict[int, int]) -> list[TrackedFrame]:
    """Frames of objects 1, 2, ... that are found with these tracks; 0: not found."""
    frames = []
    for found in tracks_of_objects:
        tracks = [track for track in found.values() if track]
        ious = [[SAME if found[one] == track else NOTHING for track in tracks] for one in found]
        frames.append(TrackedFrame(list(found), tracks, np.array(ious).reshape(len(found), len(tracks))))
    return frames


def test_known_films() -> None:
    perfect = identity_figures(film({1: 7, 2: 8}, {1: 7, 2: 8}))
    assert (perfect.idf1, perfect.switches) == (1.0, 0)
    lost = identity_figures(film({1: 7}, {1: 0}, {1: 9}, {1: 9}))
    assert (lost.objects, lost.tracked, lost.agreeing, lost.found, lost.switches) == (4, 3, 2, 3, 1)
    assert lost.idf1 == pytest.approx(4 / 7) and lost.best_idf1 == pytest.approx(6 / 7)
    assert lost.idf1_of_found == pytest.approx(2 / 3)
    swapped = identity_figures(film({1: 7, 2: 8}, {1: 8, 2: 7}))
    assert (swapped.idf1, swapped.switches) == (0.5, 2)
    assert identity_figures([]).idf1 == identity_figures(film({}, {})).idf1 == 1.0
    assert identity_figures(film({1: 0})).idf1 == 0.0


def test_sums_of_films_keep_objects_of_the_same_number_apart() -> None:
    one, other = identity_figures(film({1: 7})), identity_figures(film({1: 8}, {1: 8}))
    both = one + other
    assert both == IdentityFigures(3, 3, 3, 3, 0) and both.idf1 == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_against_every_way_to_pair_objects_with_tracks(seed: int) -> None:
    """IDF1 is the best over all injections of objects into tracks (those below 0 stand for none)."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(12):
        objects = rng.permutation(4)[: rng.integers(0, 5)].tolist()
        tracks = (rng.permutation(5)[: rng.integers(0, 6)] + 10).tolist()
        ious = np.zeros((len(objects), len(tracks)))
        partners = rng.permutation(len(tracks))[: len(objects)]
        ious[np.arange(len(partners)), partners] = rng.choice([0.2, FOUND_IOU, 0.8], len(partners))
        frames.append(TrackedFrame(objects, tracks, ious))
    figures = identity_figures(frames)

    def agreeing(pairs: dict[int, int]) -> int:
        return sum(
            int(pairs[one] in f.track_ids and f.ious[row, f.track_ids.index(pairs[one])] >= FOUND_IOU)
            for f in frames
            for row, one in enumerate(f.object_ids)
        )

    best = max(
        agreeing(dict(enumerate(order))) for order in itertools.permutations([10, 11, 12, 13, 14, -1, -2, -3, -4], 4)
    )
    assert figures.agreeing == best
    last, switches, found = {}, 0, 0
    for f in frames:
        for row, column in np.argwhere(f.ious >= FOUND_IOU).tolist():
            one, track = f.object_ids[row], f.track_ids[column]
            found += 1
            switches += one in last and last[one] != track
            last[one] = track
    assert (figures.switches, figures.found) == (switches, found)


def test_an_object_found_twice_stays_with_the_track_it_had() -> None:
    both = TrackedFrame([1], [7, 8], np.array([[0.6, 0.9]]))
    figures = identity_figures([*film({1: 7}), both, *film({1: 7})])
    assert figures.switches == 0 and figures.found == 3 and figures.tracked == 4
