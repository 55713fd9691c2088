"""Opinions on what things are: against naive loops, and who has the last word."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.instances import Instances, MaskCrop
from saom_core.naming import fusion
from saom_core.naming.vocabulary import MEANINGS
from saom_core.taxonomy import CLASSES, OTHER

NAMES = [*(meaning.name for meaning in MEANINGS), OTHER]


def row_of(opinion: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, opinion[0].tolist(), strict=True))


def look(**likely: float) -> np.ndarray:
    """A classifier's answer that has some names and is flat beyond."""
    rest = (1 - sum(likely.values())) / len(NAMES)
    return np.array([[likely.get(name, 0.0) + rest for name in NAMES]], np.float32)


def things(*boxes_wh: tuple[int, int], distance_m: float = math.nan) -> Instances:
    masks = [MaskCrop(10 * k, 5, np.ones((height, width), np.bool_)) for k, (width, height) in enumerate(boxes_wh)]
    found = Instances.from_masks((480, 640), masks, np.linspace(1, 0.5, len(masks)).astype(np.float32))
    return dataclasses.replace(found, distances_m=np.full(len(masks), distance_m, np.float32))


def test_the_product_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    opinions = [rng.uniform(0.01, 1, (4, 9)) for _ in range(3)]
    expected = np.ones((4, 9))
    for opinion in opinions:
        expected *= opinion
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fusion.joined(*opinions), expected, rtol=1e-5)
    assert fusion.joined(*(opinion[:0] for opinion in opinions)).shape == (0, 9)


def test_the_models_opinion_sums_to_one_and_trusts_it_in_part() -> None:
    opinion = fusion.opinion_of_model(["Mug", OTHER, "Gadget"], np.array([0.8, 0.6, 0.9]))
    np.testing.assert_allclose(opinion.sum(axis=1), 1, rtol=1e-5)
    mug = row_of(opinion)
    assert mug["Mug"] == pytest.approx(fusion.TRUST * 0.8 + (1 - fusion.TRUST * 0.8) / len(NAMES))
    other = row_of(opinion[1:])
    trusted, beyond = fusion.TRUST * 0.6, sum(name not in CLASSES for name in NAMES)
    assert other["Mug"] == pytest.approx((1 - trusted) / len(NAMES))
    assert other["Banana"] == pytest.approx(other["Mug"] + trusted / beyond)  # no banana of theirs
    assert other["Banana"] == pytest.approx(other[OTHER])
    np.testing.assert_allclose(opinion[2], 1 / len(NAMES))  # a name that is not in the table says nothing


def test_size_against_a_loop() -> None:
    lengths, measured = np.array([0.09, 1.5, 0.3]), np.array([True, True, False])
    found = fusion.opinion_of_size(lengths, measured)
    for k, (length, known) in enumerate(zip(lengths, measured, strict=True)):
        spread = fusion.SPREAD_KNOWN if known else fusion.SPREAD_GUESSED
        for column in (0, 9, 20, 36, len(CLASSES), len(MEANINGS) - 1):
            low, high = (math.log(edge / 100) for edge in MEANINGS[column].size_cm)
            away = max(low - math.log(length), math.log(length) - high, 0)
            height = 1 / (high - low + spread * math.sqrt(2 * math.pi))
            expected = height * math.exp(-0.5 * (away / spread) ** 2) + fusion.LEAST_DENSITY
            assert found[k, column] == pytest.approx(expected, rel=1e-4)


def test_the_density_of_size_is_one() -> None:
    logs = np.linspace(math.log(1e-3), math.log(60), 4000)
    density = fusion.opinion_of_size(np.exp(logs), np.ones(len(logs), np.bool_)) - fusion.LEAST_DENSITY
    np.testing.assert_allclose(density[:, :-1].sum(axis=0) * (logs[1] - logs[0]), 1, atol=0.02)


def test_a_small_box_is_no_dresser_and_a_large_one_may_be() -> None:
    doubtful = look(Dresser=0.4, Box=0.3)
    measured = np.array([True])
    for length_m, right, wrong in ((0.09, "Box", "Dresser"), (1.1, "Dresser", "Box")):
        size = fusion.opinion_of_size(np.array([length_m]), measured)
        answer = row_of(fusion.joined(fusion.opinion_of_photographs(doubtful), size))
        assert answer[right] > 3 * answer[wrong]


def test_what_is_small_in_a_picture_without_depth_is_no_furniture() -> None:
    lengths, measured = fusion.lengths_of(things((60, 60)), None)
    assert not measured[0] and 0.05 < lengths[0] < 0.2
    doubtful = fusion.opinion_of_photographs(look(Sofa=0.3, Box=0.3))
    answer = row_of(fusion.joined(doubtful, fusion.opinion_of_size(lengths, measured)))
    assert answer["Box"] > 10 * answer["Sofa"]


def test_who_is_sure_has_the_last_word() -> None:
    bread = fusion.opinion_of_model(["Bread"], np.array([0.9]))
    banana = row_of(fusion.joined(fusion.opinion_of_photographs(look(Banana=0.95)), bread))
    assert banana["Banana"] > 0.5 > banana["Bread"]
    unsure = row_of(fusion.joined(fusion.opinion_of_photographs(look(Banana=0.02)), bread))
    assert unsure["Bread"] > 5 * unsure["Banana"]


def test_calibrated_scores_rise_with_the_probability() -> None:
    likely = np.linspace(0, 1, 101)
    scores = fusion.calibrated(likely)
    assert (np.diff(scores) > 0).all() and scores[-1] == 1
    np.testing.assert_array_equal(scores[:51], likely[:51])
    odds = likely[51:-1] / (1 - likely[51:-1])
    np.testing.assert_allclose(scores[51:-1] / (1 - scores[51:-1]), odds**fusion.SURENESS)
    assert fusion.calibrated(np.array([1 + 1e-7], np.float32)) == 1


def test_photographs_against_a_loop() -> None:
    likely = np.random.default_rng(1).dirichlet(np.ones(len(NAMES)), 3)
    for nameless in (0.0, fusion.NAMELESS):
        found = fusion.opinion_of_photographs(likely, nameless)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
        for column in (0, len(CLASSES), len(NAMES) - 1):
            spread = (1 - fusion.LEAST_SHARE) * likely[1, column] + fusion.LEAST_SHARE / len(NAMES)
            expected = (1 - nameless) * spread + (nameless if NAMES[column] == OTHER else 0)
            assert found[1, column] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("camera", [None, CameraIntrinsics(600, 600, 320, 240, 640, 480)])
def test_lengths_in_metres(camera: CameraIntrinsics | None) -> None:
    lengths, measured = fusion.lengths_of(things((100, 20), (10, 40), distance_m=0.8), camera)
    focal = 600 if camera else fusion.GUESSED_FOCAL_LENGTH * 640
    np.testing.assert_allclose(lengths, np.array([100, 40]) * 0.8 / focal, rtol=1e-3)
    assert measured.all()


def test_the_length_of_a_thing_that_lies_across() -> None:
    bar = np.eye(100, dtype=np.bool_) | np.eye(100, k=1, dtype=np.bool_)
    found = Instances.from_masks((480, 640), [MaskCrop(0, 0, bar)], np.ones(1, np.float32))
    lengths, _ = fusion.lengths_of(found, CameraIntrinsics(1, 1, 0, 0, 640, 480))
    assert lengths[0] / fusion.GUESSED_DISTANCE_M == pytest.approx(100 * math.sqrt(2), rel=0.02)
