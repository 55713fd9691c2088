"""Films: who moves in them, who does not, and that they are the same from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from saom_training.data.frames import Frame
from saom_training.simulators.rooms.sequences import BOARD, HAND, film

SIZE_HW = (96, 128)


def frames_of(kind: str, frames: int = 9) -> list[Frame]:
    return film(kind, 3, SIZE_HW, frames)


def seen(frame: Frame, style: str) -> int:
    numbers = [k for k, one in enumerate(frame.objects) if one.style == style]
    return int(np.isin(frame.object_ids, numbers).sum())


def moved(one: Frame, other: Frame) -> set[int]:
    """Objects whose pixels are others."""
    return {
        k
        for k in range(len(one.objects))
        if not np.array_equal(one.object_ids == k, other.object_ids == k) and one.objects[k].style not in (HAND, BOARD)
    }


@pytest.mark.slow
def test_the_same_seed_makes_the_same_film_and_only_noise_changes_in_a_still_one() -> None:
    one, again = frames_of("still", 3), frames_of("still", 3)
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a.image_rgb, b.image_rgb)
        np.testing.assert_array_equal(a.depth_m, b.depth_m)
    assert not moved(one[0], one[2]) and not np.array_equal(one[0].image_rgb, one[2].image_rgb)
    assert np.abs(one[0].image_rgb.astype(int) - one[2].image_rgb).mean() < 10
    assert not any(seen(frame, style) for frame in one for style in (HAND, BOARD))


def test_the_board_hides_things_and_leaves_them_where_they_were() -> None:
    frames = frames_of("hidden")
    areas = [seen(frame, BOARD) for frame in frames]
    assert areas[0] == areas[-1] == 0 and max(areas) > 0.1 * np.prod(SIZE_HW)
    hidden = [k for k in np.unique(frames[0].object_ids) if k >= 0 and not (frames[4].object_ids == k).any()]
    assert len(hidden) >= 2
    np.testing.assert_array_equal(frames[0].object_ids, frames[-1].object_ids)


def test_the_camera_looks_away_and_back_and_knows_its_pose() -> None:
    frames = frames_of("camera")
    first = set(np.unique(frames[0].object_ids).tolist())
    assert first - set(np.unique(frames[5].object_ids).tolist())
    assert len(first & set(np.unique(frames[-1].object_ids).tolist())) > len(first) / 2
    poses = np.array([frame.pose for frame in frames])
    np.testing.assert_allclose(
        poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1), np.broadcast_to(np.eye(3), (9, 3, 3)), atol=1e-9
    )
    eyes = poses[:, :3, 3]
    assert np.linalg.norm(eyes[-1] - eyes[0]) > 0.2 and np.ptp(eyes[:, 2]) < 1e-9


@pytest.mark.parametrize("kind", ["carried", "returns"])
def test_a_hand_comes_and_puts_things_elsewhere(kind: str) -> None:
    frames = frames_of(kind, 25)
    hands = [seen(frame, HAND) for frame in frames]
    assert hands[0] == hands[-1] == 0 and max(hands) > 0
    assert 1 <= len(moved(frames[0], frames[-1])) <= 6  # the carried ones, what they hid and what they hide now
    gone = [k for k in moved(frames[0], frames[-1]) if any(not (f.object_ids == k).any() for f in frames)]
    assert (kind == "returns") <= bool(gone)
