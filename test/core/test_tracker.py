"""Track ids: stable while objects move, new after a loss, never given twice."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances, MaskCrop
from saom_core.masks import match
from saom_core.track_names import KEEP, SWITCH, NameVotes
from saom_core.tracker import LEAST_IOU, MOST_LOST, Tracker, mask_ious

SIZE = (60, 80)
RNG = np.random.default_rng(11)
SEQUENCE = Path(__file__).resolve().parents[2] / "demo" / "sequence"


def blob(top: int, left: int, height: int = 12, width: int = 16) -> MaskCrop:
    mask = np.zeros(SIZE, bool)
    mask[max(0, top) : top + height, max(0, left) : left + width] = True
    return MaskCrop.from_dense(mask)


def frame(*masks: MaskCrop) -> Instances:
    return Instances.from_masks(SIZE, masks, np.linspace(0.9, 0.5, len(masks)).astype(np.float32))


def ids(tracker: Tracker, stamp_s: float, *masks: MaskCrop) -> list[int]:
    return tracker.update(frame(*masks), stamp_s).track_ids.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_ious_against_dense_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def random_mask() -> MaskCrop:
        mask = np.zeros(SIZE, bool)
        top, left = rng.integers(0, 40), rng.integers(0, 60)
        mask[top : top + rng.integers(1, 20), left : left + rng.integers(1, 20)] = True
        mask &= rng.random(SIZE) < rng.choice([0.5, 1.0])
        mask[top, left] = True
        return MaskCrop.from_dense(mask)

    ones, others = ([random_mask() for _ in range(12)] for _ in range(2))
    others[3] = ones[5]
    for least in (0.0, LEAST_IOU, 0.5):
        ious = mask_ious(ones, others, least)
        for (a, one), (b, other) in itertools.product(enumerate(ones), enumerate(others)):
            dense, other_dense = one.dense(SIZE), other.dense(SIZE)
            iou = (dense & other_dense).sum() / (dense | other_dense).sum()
            assert ious[a, b] == pytest.approx(iou if iou >= least else 0.0)
        assert ious[5, 3] == 1.0


def test_ious_of_nothing_and_of_one_pixel() -> None:
    assert mask_ious([], []).shape == (0, 0) and mask_ious([blob(0, 0)], []).shape == (1, 0)
    pixel = blob(59, 79, 1, 1)
    np.testing.assert_array_equal(mask_ious([pixel], [pixel, blob(58, 79, 1, 1)]), [[1.0, 0.0]])


def test_matching_takes_the_best_pair_first() -> None:
    assert match(np.array([[0.6, 0.9], [0.5, 0.8]])) == {1: 0, 0: 1}
    assert match(np.array([[0.0, 0.9], [0.0, 0.8]])) == {1: 0}
    for _ in range(20):
        ious = RNG.random((5, 7)) * (RNG.random((5, 7)) < 0.6)
        pairs, left = match(ious), ious.copy()
        while left.max() > 0:  # the definition, step by step
            row, column = np.unravel_index(left.argmax(), left.shape)
            assert pairs[int(column)] == row
            left[row], left[:, column] = 0, 0
        assert len(set(pairs.values())) == len(pairs)


def test_moving_objects_keep_their_ids_whatever_their_order() -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, blob(5, 0), blob(40, 60)) == [1, 2]
    for k in range(1, 12):
        right, left = blob(5, 4 * k), blob(40, 60 - 4 * k)
        assert ids(tracker, k / 30, *((right, left) if k % 2 else (left, right))) == ([1, 2] if k % 2 else [2, 1])


def test_a_whole_and_its_part_keep_apart() -> None:
    tracker = Tracker()
    table, mug = blob(0, 0, 60, 80), blob(20, 20)
    assert ids(tracker, 0.0, table, mug) == [1, 2]
    assert ids(tracker, 0.1, mug) == [2]
    assert ids(tracker, 0.2, mug, table) == [2, 1]


def test_an_object_that_flickers_keeps_its_id_for_the_memory() -> None:
    tracker = Tracker(memory_s=1.0, memory_frames=1)
    assert ids(tracker, 0.0, blob(5, 5)) == [1]
    assert ids(tracker, 0.5) == []
    assert ids(tracker, 1.0, blob(5, 5)) == [1]
    assert ids(tracker, 1.5) == ids(tracker, 2.0) == ids(tracker, 2.5) == []
    assert ids(tracker, 3.0, blob(5, 5)) == [2]  # too late, and the number is not given again


@pytest.mark.parametrize("pause_s", [1.0, 2.0, 60.0])
def test_a_slow_stream_is_tracked_by_its_frames(pause_s: float) -> None:
    tracker = Tracker(memory_s=1.0, memory_frames=2)
    for k in range(5):
        assert ids(tracker, k * pause_s, blob(5, 5 + 2 * k), blob(40, 60)) == [1, 2]
    for k in range(5, 7):
        assert ids(tracker, k * pause_s, blob(40, 60)) == [2]
    assert ids(tracker, 7 * pause_s, blob(5, 13), blob(40, 60)) == [1, 2]
    for k in range(8, 11):
        assert ids(tracker, k * pause_s, blob(40, 60)) == [2]
    assert ids(tracker, 11 * pause_s, blob(5, 13), blob(40, 60)) == [3, 2]


def test_after_a_long_pause_an_object_must_lie_where_it_was() -> None:
    tracker = Tracker(memory_s=1.0)
    assert ids(tracker, 0.0, blob(5, 5), blob(40, 60)) == [1, 2]
    assert ids(tracker, 30.0, blob(11, 5), blob(40, 61)) == [3, 2]  # IoU 0.33 and 0.88


def test_what_is_known_of_a_number() -> None:
    tracker = Tracker(memory_s=0.5, memory_frames=1)
    assert [tracker.state(number) for number in (-1, 0, 1)] == ["never"] * 3
    ids(tracker, 0.0, blob(5, 5), blob(40, 60))
    ids(tracker, 0.1, blob(40, 60))
    assert [tracker.state(number) for number in (1, 2, 3)] == ["lost", "seen", "never"]
    for k in range(3):
        ids(tracker, 1.0 + k, blob(40, 60))
    assert [tracker.state(number) for number in (1, 2, 3)] == ["gone", "seen", "never"]


def named(votes: NameVotes, class_id: int, probability: float) -> str:
    votes.add(class_id, f"class {class_id}", probability)
    return votes.name


def test_two_classes_that_are_level_do_not_alternate() -> None:
    votes = NameVotes()
    given = [named(votes, k % 2, 0.4 + 0.02 * (k // 3 % 2)) for k in range(100)]
    assert set(given) == {"class 0"}


def test_a_wrong_beginning_is_outvoted_and_a_single_error_is_not() -> None:
    votes = NameVotes()
    beginning = [named(votes, 3, 0.9) for _ in range(5)]
    then = [named(votes, 7, 0.6) for _ in range(30)]
    assert set(beginning) == {"class 3"} and then[0] == "class 3" and then[-1] == "class 7"
    assert then == sorted(then)  # one change, not back and forth
    assert named(votes, 3, 0.9) == "class 7"


@pytest.mark.parametrize("seed", range(5))
def test_votes_against_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, frames, name = NameVotes(), [], -1
    for _ in range(60):
        frames.append((int(rng.integers(-1, 4)), float(rng.uniform(0, 1))))
        votes.add(frames[-1][0], str(frames[-1][0]), frames[-1][1])
        totals = {}
        for age, (class_id, probability) in enumerate(reversed(frames)):
            totals[class_id] = totals.get(class_id, 0.0) + probability * KEEP**age
        leader = max(totals, key=totals.__getitem__)
        if len(frames) == 1 or name not in totals or totals[leader] > SWITCH * totals[name]:
            name = leader
        own = [(KEEP**age, p) for age, (c, p) in enumerate(reversed(frames)) if c == name]
        mean = sum(weight * p for weight, p in own) / sum(weight for weight, _ in own)
        assert (votes.class_id, votes.name) == (name, str(name)) and votes.score == pytest.approx(mean)


def test_an_object_is_called_what_its_track_is_called() -> None:
    tracker, given = Tracker(), []
    for k in range(40):
        # the frames say Book, Newspaper, Book, ...; beside it stands an object of the other class
        one = Instances.from_masks(
            SIZE,
            [blob(5, 5), blob(40, 60)],
            np.array([0.9, 0.8], np.float32),
            class_ids=np.array([k % 2, 1], np.int32),
            class_names=[("Book", "Newspaper")[k % 2], "Newspaper"],
            class_scores=np.array([0.42, 0.7], np.float32),
        )
        tracked = tracker.update(one, k / 10)
        given.append((tracked.class_names, tracked.class_ids.tolist()))
        np.testing.assert_allclose(tracked.class_scores, [0.42, 0.7], rtol=1e-6)
    assert all(one == (("Book", "Newspaper"), [0, 1]) for one in given)


def test_another_object_in_the_place_of_a_lost_one_is_new() -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, blob(5, 5)) == [1]
    assert ids(tracker, 0.1) == []
    assert ids(tracker, 0.2, blob(11, 5)) == [2]  # IoU 0.33: enough from frame to frame, not after a loss


def test_time_that_jumps_back_and_another_image_size_begin_anew_without_old_ids() -> None:
    tracker = Tracker()
    assert ids(tracker, 10.0, blob(5, 5)) == [1]
    assert ids(tracker, 10.0, blob(5, 5)) == [1]  # the same moment again is no jump
    assert ids(tracker, 8.9, blob(5, 5)) == [2]
    assert ids(tracker, 8.95, blob(5, 5)) == [2]
    other = Instances.from_masks((600, 800), [blob(5, 5)], np.ones(1, np.float32))
    assert tracker.update(other, 10.0).track_ids.tolist() == [3]


def test_a_small_step_back_in_time_is_the_same_stream() -> None:
    tracker = Tracker(memory_s=1.0)
    assert ids(tracker, 10.0, blob(5, 5), blob(40, 60)) == [1, 2]
    assert ids(tracker, 9.6, blob(5, 6)) == [1]  # the clock was set, or a frame was overtaken
    assert ids(tracker, 9.7, blob(11, 6), blob(40, 60)) == [1, 2]
    assert ids(tracker, 9.8, blob(11, 6)) == [1]
    assert ids(tracker, 9.9, blob(11, 6), blob(46, 60)) == [1, 3]  # IoU 0.33 after a loss


def test_a_recording_that_begins_again_gets_as_many_new_ids_as_it_has_objects() -> None:
    tracker, given = Tracker(), set()
    for _ in range(5):
        for k in range(90):  # 3 s
            given |= set(ids(tracker, 100 + k / 30, blob(5, k // 2), blob(40, 50 - k // 2)))
    assert given == set(range(1, 11))


@pytest.mark.parametrize("step_s", [0.0, 1e-7])
def test_memory_stays_bounded_when_time_stands_still(step_s: float) -> None:
    tracker = Tracker()
    pixels = [blob(row, column, 1, 1) for row in range(0, 60, 2) for column in range(0, 80, 2)]
    for k, pixel in enumerate(pixels):
        assert ids(tracker, 5.0 + k * step_s, pixel) == [k + 1]
    last = len(pixels) - 1
    assert ids(tracker, 6.0, pixels[last - MOST_LOST]) == [last - MOST_LOST + 1]
    assert ids(tracker, 6.0, pixels[last - MOST_LOST - 2]) == [len(pixels) + 1]  # out of the memory


def test_random_streams_never_give_an_id_twice() -> None:
    tracker, last_seen, now = Tracker(memory_s=0.3, memory_frames=2), {}, 0.0
    for number_of_frame in range(300):
        now += RNG.uniform(0.02, 0.2)
        masks = [blob(int(RNG.integers(-5, 55)), int(RNG.integers(-5, 75))) for _ in range(RNG.integers(0, 6))]
        given = ids(tracker, now, *masks)
        assert len(set(given)) == len(given) and min(given, default=1) >= 1
        for number in given:
            seen_s, seen_frame = last_seen.get(number, (now, number_of_frame))
            assert now - seen_s <= 0.3 or number_of_frame - seen_frame - 1 <= 2
            last_seen[number] = now, number_of_frame


def test_the_demo_sequence() -> None:
    """The camera goes about a table, far from picture to picture: large objects keep their ids all the same."""
    segmenter, tracker = OnnxSegmenter(SaomConfig(threads=1)), Tracker()
    table: list[int] = []
    for k in range(6):
        image_rgb = cv2.cvtColor(cv2.imread(str(SEQUENCE / f"image_{k:03d}.jpg")), cv2.COLOR_BGR2RGB)
        depth_mm = cv2.imread(str(SEQUENCE / f"depth_{k:03d}.png"), cv2.IMREAD_UNCHANGED)
        found = segmenter.segment(image_rgb, depth_mm.astype(np.float32) / 1000).instances
        tracked = tracker.update(found, k / 3)
        held = tracker.update(found, k / 3 + 0.1)  # the same picture again
        np.testing.assert_array_equal(held.track_ids, tracked.track_ids)
        largest = int(np.argmax([mask.area for mask in tracked.masks]))
        table.append(int(tracked.track_ids[largest]))
    assert len(set(table)) == 1
