"""The bootstrap over pictures, against the figures of data sets in which pictures really stand several times."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saom_core.instances import Instances, MaskCrop
from saom_training.figures.class_figures import ClassRegions, resampled_regions
from saom_training.figures.comparison import GroundTruth
from saom_training.figures.metrics import EverythingMetrics
from saom_training.figures.resampling import draws, gain_intervals, interval, intervals

SIZE = (48, 64)
NAMES = ("Mug", "Box", "Bowl")


def picture(rng: np.random.Generator, objects: int, predictions: int) -> tuple[Instances, GroundTruth]:
    """Rectangles; most predictions are an object moved a little, named right or wrong, in part or twice."""
    masks = np.zeros((objects, *SIZE), bool)
    for mask in masks:
        top, left = rng.integers(0, 30), rng.integers(0, 40)
        mask[top : top + rng.integers(9, 18), left : left + rng.integers(9, 24)] = True
    names = tuple(str(rng.choice([*NAMES, "Anvil"])) for _ in range(objects))
    answers = []
    for _ in range(predictions):
        source = masks[rng.integers(objects)] if objects and rng.random() < 0.8 else np.zeros(SIZE, bool)
        answer = np.roll(source, rng.integers(-4, 5, 2), (0, 1))
        if not answer.any():
            answer[rng.integers(0, 30) :, rng.integers(0, 40) :] = True
        answers.append(MaskCrop.from_dense(answer))
    instances = Instances.from_masks(
        SIZE,
        answers,
        rng.random(predictions).astype(np.float32),
        class_names=[str(rng.choice(NAMES)) for _ in answers],
        class_scores=np.ones(predictions, np.float32),
    )
    return instances, GroundTruth(masks, names, np.zeros(SIZE, bool))


def pictures(seed: int) -> list[tuple[Instances, GroundTruth]]:
    rng = np.random.default_rng(seed)
    return [picture(rng, *counts) for counts in ((4, 7), (0, 2), (3, 0), (1, 4), (5, 9), (0, 0))]


def metrics_of(shown: list[tuple[Instances, GroundTruth]]) -> EverythingMetrics:
    metrics = EverythingMetrics(NAMES, operating_score=0.3)
    for one in shown:
        metrics.add(*one)
    return metrics


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_set_has_the_figures_of_a_data_set_that_holds_these_pictures(seed: int) -> None:
    shown = pictures(seed)
    hard = [[1] * 6, [0, 0, 0, 0, 0, 6], [0, 6, 0, 0, 0, 0], [0, 0, 6, 0, 0, 0]]
    drawn = np.concatenate([draws(len(shown), 6), hard])
    found = metrics_of(shown).resampled(drawn)
    for b, row in enumerate(drawn):
        held = metrics_of([one for one, times in zip(shown, row, strict=True) for _ in range(times)]).figures()
        for name, values in found.items():
            wanted = math.nan if held[name] is None else held[name]
            assert values[b] == pytest.approx(wanted, nan_ok=True), (name, row)
    assert set(held) - set(found) == {"images", "objects", "predictions", "per_class", "AP_class", "AP50_class"}


def test_predictions_where_nothing_is_asked_and_pictures_without_any() -> None:
    nothing = picture(np.random.default_rng(0), 0, 0)
    found = metrics_of([nothing, nothing]).resampled(draws(2, 5))
    assert np.isnan(found["AP50"]).all() and np.isnan(found["mIoU"]).all() and (found["overlap_f"] == 1).all()
    assert intervals(found)["AP50"] is None and intervals(found)["overlap_f"] == (1.0, 1.0)


def test_the_interval_is_that_of_sets_drawn_one_by_one() -> None:
    """The paper's mIoU of one class: sums drawn in a plain loop give the same interval but for chance."""
    rng = np.random.default_rng(7)
    unions = rng.integers(50, 400, 40)
    shared = (unions * rng.beta(4, 2, 40)).astype(int)
    regions = []
    for intersection, union in zip(shared, unions, strict=True):
        regions.append(ClassRegions())
        regions[-1].add("Mug", int(intersection), int(union), int(union))
    low, high = interval(resampled_regions(regions, draws(40, 4000))[0]) or (0.0, 0.0)
    naive = []
    for _ in range(4000):
        picked = rng.integers(0, 40, 40)
        naive.append(sum(shared[k] for k in picked) / sum(unions[k] for k in picked))
    assert (low, high) == pytest.approx(np.percentile(naive, (2.5, 97.5)), abs=0.01)
    assert low < shared.sum() / unions.sum() < high and high - low > 0.03


def test_models_are_compared_on_the_same_draws() -> None:
    shown = pictures(1)
    assert (draws(6) == draws(6)).all() and (draws(6).sum(1) == 6).all()
    figures = metrics_of(shown).resampled(draws(6))
    better = {name: values + 0.1 for name, values in figures.items()}
    for name, found in gain_intervals(figures, better).items():
        assert found is not None and found == pytest.approx((0.1, 0.1)), name
