"""What speaks for an instance being a known object, against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.instances import Instances, MaskCrop
from saom_core.tracking.evidence import (
    ALIKE,
    LEAST_IOU,
    LEAST_REACH_M,
    REACH,
    UNLIKE,
    closeness,
    likeness,
    mask_ious,
    places,
)

SIZE = (60, 80)


def blob(top: int, left: int, height: int = 12, width: int = 16) -> MaskCrop:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return MaskCrop.from_dense(mask)


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


@pytest.mark.parametrize("seed", range(3))
def test_closeness_against_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known, extents = rng.normal(0, 0.1, (6, 3)).astype(np.float32), rng.uniform(0, 0.5, 6).astype(np.float32)
    found = rng.normal(0, 0.1, (5, 3)).astype(np.float32)
    known[2], found[1], found[3] = np.nan, np.nan, known[0]
    close = closeness(known, extents, found)
    for a, b in np.ndindex(6, 5):
        reach = max(LEAST_REACH_M, REACH * float(extents[a]))
        distance = float(np.sqrt(((known[a].astype(float) - found[b]) ** 2).sum()))
        wanted = 0.0 if np.isnan(distance) else np.exp(-0.5 * (distance / reach) ** 2)
        assert close[a, b] == pytest.approx(wanted, abs=1e-6)
    assert close[0, 3] == 1.0
    assert closeness(known[:0], extents[:0], found).shape == (0, 5)


def test_likeness_against_its_definition() -> None:
    rng = np.random.default_rng(0)
    known, found = (rng.normal(size=(n, 3)).astype(np.float32) for n in (6, 5))
    known, found = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (known, found))
    found[1], known[4] = 0, 0
    alike = likeness(known, found)
    for a, b in np.ndindex(6, 5):
        cosine = sum(float(x) * float(y) for x, y in zip(known[a], found[b], strict=True))
        unknown = b == 1 or a == 4
        wanted = 0.0 if unknown else min(1.0, max(-1.0, (cosine - UNLIKE) / (ALIKE - UNLIKE)))
        assert alike[a, b] == pytest.approx(wanted, abs=1e-6)
    assert likeness(known, known)[0, 0] == pytest.approx(1.0, abs=1e-6)
    assert not likeness(np.zeros((2, 0), np.float32), np.zeros((3, 0), np.float32)).any()


def test_places_against_pixels() -> None:
    camera = CameraIntrinsics(70.0, 75.0, 40.0, 31.0, 80, 60)
    rng = np.random.default_rng(1)
    ragged = np.zeros(SIZE, bool)
    ragged[7:40, 30:71] = rng.random((33, 41)) < 0.7
    masks = [MaskCrop.from_dense(ragged), blob(20, 10), blob(59, 79, 1, 1)]
    seen = Instances.from_masks(SIZE, masks, np.array([0.9, 0.8, 0.7], np.float32))
    seen.distances_m[:] = 1.5, np.nan, 2.0
    where, extents = places(seen, camera)
    for k, mask in enumerate(masks):
        rows, columns = np.nonzero(mask.dense(SIZE))
        x, y, z = round(columns.mean()), round(rows.mean()), seen.distances_m[k]
        np.testing.assert_allclose(where[k], [(x - 40) / 70 * z, (y - 31) / 75 * z, z], rtol=1e-5)
        edge = 0.0 if np.isnan(z) else z * np.sqrt(len(rows) / (70 * 75))
        assert extents[k] == pytest.approx(edge, rel=1e-5)
    assert [one.shape for one in places(Instances.empty(SIZE), camera)] == [(0, 3), (0,)]
    with pytest.raises(InputError, match="60x80"):
        places(Instances.empty((80, 60)), camera)
