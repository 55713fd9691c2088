"""Track ids: stable while objects move, new after a loss, never given twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances, MaskCrop
from saom_core.masks import match
from saom_core.tracking.names import KEEP, SWITCH, NameVotes
from saom_core.tracking.tracker import MOST_LOST, Tracker

SIZE = (60, 80)
RNG = np.random.default_rng(11)
SEQUENCE = Path(__file__).resolve().parents[3] / "test" / "sequence"


def blob(top: int, left: int, height: int = 12, width: int = 16) -> MaskCrop:
    mask = np.zeros(SIZE, bool)
    mask[max(0, top) : top + height, max(0, left) : left + width] = True
    return MaskCrop.from_dense(mask)


def frame(*masks: MaskCrop) -> Instances:
    return Instances.from_masks(SIZE, masks, np.linspace(0.9, 0.5, len(masks)).astype(np.float32))


def ids(tracker: Tracker, stamp_s: float, *masks: MaskCrop) -> list[int]:
    return tracker.update(frame(*masks), stamp_s).track_ids.tolist()


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


CAMERA = CameraIntrinsics(80.0, 80.0, 39.5, 29.5, 80, 60)
LIKE = np.eye(3, 4, dtype=np.float32)
"""What three kinds of objects are like."""


def described(masks: list[MaskCrop], like: list[int], distances_m: list[float] | None = None) -> Instances:
    """Instances of some kinds, rows of `LIKE` (-1: unknown), and, with depth, some metres away."""
    looks = np.array([LIKE[k] if k >= 0 else np.zeros(4) for k in like], np.float32).reshape(-1, 4)
    seen = replace(frame(*masks), descriptors=looks)
    return seen if distances_m is None else replace(seen, distances_m=np.array(distances_m, np.float32))


def test_what_an_object_is_like_brings_its_id_back_anywhere() -> None:
    tracker = Tracker(memory_s=3.0, memory_frames=0)
    assert tracker.update(described([blob(5, 5), blob(40, 60)], [0, 1]), 0.0).track_ids.tolist() == [1, 2]
    for k in range(1, 20):
        assert tracker.update(described([blob(40, 60)], [1]), k / 10).track_ids.tolist() == [2]
    back = tracker.update(described([blob(40, 60), blob(20, 30)], [1, 0]), 2.0)
    assert back.track_ids.tolist() == [2, 1]
    other = tracker.update(described([blob(5, 5)], [2]), 2.1)
    assert other.track_ids.tolist() == [3]
    assert tracker.update(described([blob(5, 5)], [1]), 9.0).track_ids.tolist() == [4]  # longer away than remembered


def test_two_that_change_places_keep_their_ids() -> None:
    tracker = Tracker()
    assert tracker.update(described([blob(5, 5), blob(40, 60)], [0, 1]), 0.0).track_ids.tolist() == [1, 2]
    assert tracker.update(described([blob(5, 5), blob(40, 60)], [1, 0]), 0.1).track_ids.tolist() == [2, 1]
    # those that look the same, or like nothing that is known, are told by their places
    assert tracker.update(described([blob(5, 6), blob(40, 59)], [-1, -1]), 0.2).track_ids.tolist() == [2, 1]
    assert tracker.update(described([blob(5, 5), blob(40, 60)], [1, 0]), 0.3).track_ids.tolist() == [2, 1]


def test_another_object_on_the_very_place_of_a_lost_one_is_new() -> None:
    tracker = Tracker()
    assert tracker.update(described([blob(5, 5)], [0]), 0.0).track_ids.tolist() == [1]
    assert tracker.update(described([], []), 0.1).track_ids.tolist() == []
    assert tracker.update(described([blob(5, 5)], [1]), 0.2).track_ids.tolist() == [2]
    assert tracker.update(described([blob(5, 5)], [0]), 0.3).track_ids.tolist() == [1]


def test_a_hidden_object_is_found_by_its_depth_where_its_mask_is_cut() -> None:
    tracker, whole = Tracker(), blob(20, 20, 20, 30)
    seen = described([whole], [-1], [1.0])
    assert tracker.update(seen, 0.0, CAMERA).track_ids.tolist() == [1]
    assert tracker.update(frame(), 0.1, CAMERA).track_ids.tolist() == []
    cut = blob(20, 20, 20, 14)  # IoU 0.47
    assert tracker.update(described([cut], [-1], [1.0]), 2.0, CAMERA).track_ids.tolist() == [1]
    assert tracker.update(frame(), 2.1, CAMERA).track_ids.tolist() == []
    assert tracker.update(described([blob(45, 65)], [-1], [1.0]), 4.0, CAMERA).track_ids.tolist() == [2]


def pose(x_m: float) -> np.ndarray:
    """Of a camera that has moved to the right."""
    moved = np.eye(4)
    moved[0, 3] = x_m
    return moved


def test_a_camera_that_looks_away_and_back_from_elsewhere_knows_objects_by_their_places() -> None:
    tracker = Tracker()
    left, right = blob(20, 10), blob(20, 50)  # 0.5 m apart at 1 m
    both = described([left, right], [-1, -1], [1.0, 1.0])
    assert tracker.update(both, 0.0, CAMERA, pose(0)).track_ids.tolist() == [1, 2]
    assert tracker.update(frame(), 0.5, CAMERA, pose(9)).track_ids.tolist() == []
    # half a metre farther right the right one is where the left one was
    again = tracker.update(described([left], [-1], [1.0]), 3.0, CAMERA, pose(0.5))
    assert again.track_ids.tolist() == [2]
    # tf is silent for a frame: what is known of places cannot be used, that of masks can
    assert tracker.update(described([left], [-1], [1.0]), 3.1, CAMERA).track_ids.tolist() == [2]
    assert tracker.update(described([left], [-1], [1.0]), 3.2, CAMERA, pose(0.5)).track_ids.tolist() == [2]


def test_a_pose_that_is_none_is_refused_and_changes_nothing() -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, blob(5, 5)) == [1]
    for wrong in (np.eye(3), np.full((4, 4), np.nan)):
        with pytest.raises(InputError, match="camera_to_world"):
            tracker.update(frame(blob(5, 5)), 0.1, CAMERA, wrong)
    with pytest.raises(InputError, match="40x30"):
        tracker.update(Instances.empty((30, 40)), 0.1, CAMERA)
    assert ids(tracker, 0.2, blob(5, 5)) == [1]


def test_numbers_that_are_none_do_no_harm() -> None:
    tracker = Tracker()
    bad = replace(described([blob(5, 5)], [0], [np.nan]), descriptors=np.full((1, 4), np.nan, np.float32))
    assert tracker.update(bad, 0.0, CAMERA, pose(0)).track_ids.tolist() == [1]
    assert tracker.update(bad, 0.1, CAMERA, pose(0)).track_ids.tolist() == [1]
    good = described([blob(5, 5), blob(40, 60)], [0, 1], [1.0, 1.0])
    assert tracker.update(good, 0.2, CAMERA, pose(0)).track_ids.tolist() == [1, 2]
    far = tracker.update(described([blob(40, 60), blob(20, 20)], [1, 0], [1.0, 1.0]), 0.3, CAMERA, pose(0))
    assert far.track_ids.tolist() == [2, 1]
    # another model's descriptors have another size
    other = replace(frame(blob(40, 60)), descriptors=np.ones((1, 7), np.float32))
    assert tracker.update(other, 0.4).track_ids.tolist() == [2]


def test_the_same_stream_gets_the_same_ids() -> None:
    rng = np.random.default_rng(3)
    stream = []
    for _ in range(60):
        count = int(rng.integers(0, 8))
        masks = [blob(int(rng.integers(0, 50)), int(rng.integers(0, 70))) for _ in range(count)]
        stream.append(described(masks, rng.integers(-1, 3, count).tolist(), rng.uniform(0.5, 2, count).tolist()))
    trackers = Tracker(), Tracker()
    for k, seen in enumerate(stream):
        one, other = (tracker.update(seen, k / 10, CAMERA, pose(k / 50)) for tracker in trackers)
        np.testing.assert_array_equal(one.track_ids, other.track_ids)


def test_memory_stays_bounded_with_ever_new_objects() -> None:
    tracker, rng = Tracker(memory_s=3600.0, memory_frames=10_000), np.random.default_rng(4)
    for k in range(120):
        looks = rng.normal(size=(10, 64)).astype(np.float32)
        looks /= np.linalg.norm(looks, axis=1, keepdims=True)
        masks = [blob(int(rng.integers(0, 50)), int(rng.integers(0, 70)), 3, 3) for _ in range(10)]
        tracker.update(replace(frame(*masks), descriptors=looks), k / 10)
    known = [number for number in range(1, 1201) if tracker.state(number) in ("seen", "lost")]
    assert MOST_LOST <= len(known) <= MOST_LOST + 10


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


@pytest.mark.slow
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
