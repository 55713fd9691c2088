"""Everything-mode figures on scenes whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.instances import Instances, MaskCrop
from training.metrics import EverythingMetrics, GroundTruth, match

SIZE = (60, 80)
NAMES = ("Mug", "Box", "Other")


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def predictions(*entries: tuple[np.ndarray, float, str]) -> Instances:
    return Instances.from_masks(
        SIZE,
        [MaskCrop.from_dense(mask) for mask, _, _ in entries],
        np.array([score for _, score, _ in entries], np.float32),
        class_names=[name for _, _, name in entries],
        class_scores=np.ones(len(entries), np.float32),
    )


TRUTH = GroundTruth(np.stack([rectangle(0, 0, 20, 20), rectangle(30, 30, 50, 60)]), ("Mug", "Box"))


def figures(instances: Instances, truth: GroundTruth = TRUTH) -> dict[str, float]:
    metrics = EverythingMetrics(NAMES, min_area_px=10)
    metrics.add(instances, truth)
    return metrics.figures()


def test_perfect_answer() -> None:
    found = figures(predictions((TRUTH.masks[0], 0.9, "Mug"), (TRUTH.masks[1], 0.8, "Box")))
    for name in ("AP", "AP50", "AP_class", "recall50", "recall75", "precision50", "pq_class_agnostic"):
        assert found[name] == pytest.approx(1.0), name
    assert found["class_accuracy"] == 1.0 and found["duplicate_rate"] == found["over_segmentation_rate"] == 0


def test_wrong_name_costs_class_figures_only() -> None:
    found = figures(predictions((TRUTH.masks[0], 0.9, "Box"), (TRUTH.masks[1], 0.8, "Box")))
    assert found["AP50"] == pytest.approx(1.0) and found["class_accuracy"] == 0.5
    assert found["AP50_class"] < 0.6


def test_object_in_pieces_is_over_segmented_not_found() -> None:
    pieces = [(rectangle(30, 30 + 8 * k, 50, 38 + 8 * k), 0.9, "Box") for k in range(3)]
    found = figures(predictions((TRUTH.masks[0], 0.95, "Mug"), *pieces))
    assert found["recall50"] == 0.5 and found["over_segmentation_rate"] == 0.5


def test_second_mask_of_an_object_is_a_duplicate() -> None:
    found = figures(predictions((TRUTH.masks[0], 0.9, "Mug"), (rectangle(0, 0, 20, 18), 0.8, "Mug")))
    assert found["duplicate_rate"] == 0.5 and found["recall50"] == 0.5


def test_predictions_below_the_operating_score_count_for_ap_only() -> None:
    found = figures(predictions((TRUTH.masks[0], 0.9, "Mug"), (TRUTH.masks[1], 0.2, "Box")))
    assert found["AP50"] == pytest.approx(1.0) and found["recall50"] == 0.5 and found["predictions"] == 1


def test_small_objects_are_not_asked_for() -> None:
    truth = GroundTruth(np.stack([rectangle(0, 0, 20, 20), rectangle(40, 40, 42, 42)]), ("Mug", "Box"))
    found = figures(predictions((truth.masks[0], 0.9, "Mug")), truth)
    assert found["objects"] == 1 and found["recall50"] == 1.0 and found["AP50"] == pytest.approx(1.0)


def test_nothing_predicted_and_nothing_there() -> None:
    assert figures(Instances.empty(SIZE))["AP50"] == 0.0
    empty = GroundTruth(np.zeros((0, *SIZE), bool), ())
    assert figures(Instances.empty(SIZE), empty)["AP50"] is None


@pytest.mark.parametrize("seed", range(5))
def test_matching_against_naive_search(seed: int) -> None:
    ious = np.random.default_rng(seed).random((6, 5))
    left = {(k, g): ious[k, g] for k in range(6) for g in range(5) if ious[k, g] >= 0.5}
    expected = {}
    while left:
        k, g = max(left, key=lambda pair: left[pair])
        expected[g] = k
        left = {(i, j): value for (i, j), value in left.items() if i != k and j != g}
    assert match(ious) == expected
