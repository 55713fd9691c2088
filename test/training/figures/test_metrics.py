"""Everything-mode figures on scenes whose figures are known, and against naive counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from saom_core.instances import Instances, MaskCrop
from saom_core.masks import match
from saom_training.figures.comparison import Comparison, GroundTruth
from saom_training.figures.metrics import EverythingMetrics

SIZE = (60, 80)
NAMES = ("Mug", "Box", "Other")
NOWHERE = np.zeros(SIZE, bool)


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


def objects(*entries: tuple[np.ndarray, str], ignore: np.ndarray = NOWHERE) -> GroundTruth:
    masks = np.array([mask for mask, _ in entries]).reshape(-1, *SIZE).astype(bool)
    return GroundTruth(masks, tuple(name for _, name in entries), ignore)


TRUTH = objects((rectangle(0, 0, 20, 20), "Mug"), (rectangle(30, 30, 50, 60), "Box"))
RIGHT = (TRUTH.masks[0], 0.9, "Mug"), (TRUTH.masks[1], 0.8, "Box")


def figures(instances: Instances, truth: GroundTruth = TRUTH, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    metrics = EverythingMetrics(names)
    metrics.add(instances, truth)
    return metrics.figures()


def test_perfect_answer() -> None:
    found = figures(predictions(*RIGHT))
    ones = "AP AP50 AP_class recall50 recall75 precision50 pq_class_agnostic pq mIoU mAcc class_accuracy"
    for name in [*ones.split(), "overlap_f", "boundary_f", "found_f75"]:
        assert found[name] == pytest.approx(1.0), name
    assert found["duplicate_rate"] == found["over_segmentation_rate"] == 0
    assert found["per_class"]["Mug"] == {
        "objects": 1, "iou": 1.0, "acc": 1.0, "recall50": 1.0, "recall75": 1.0, "named_right": 1.0, "pq": 1.0,
        "AP50": pytest.approx(1.0),
    }  # fmt: skip


def test_wrong_name_costs_class_figures_only() -> None:
    found = figures(predictions((TRUTH.masks[0], 0.9, "Box"), (TRUTH.masks[1], 0.8, "Box")))
    assert found["AP50"] == pytest.approx(1.0) and found["mIoU"] == 1.0 and found["class_accuracy"] == 0.5
    assert found["AP50_class"] < 0.6
    # Box: one match and one false alarm, 1 / 1.5; Mug: one miss, 0
    assert found["pq"] == pytest.approx((1 / 1.5 + 0) / 2)


def test_object_in_pieces_is_over_segmented_not_found() -> None:
    pieces = [(rectangle(30, 30 + 8 * k, 50, 38 + 8 * k), 0.9, "Box") for k in range(3)]
    found = figures(predictions((TRUTH.masks[0], 0.95, "Mug"), *pieces))
    assert found["recall50"] == 0.5 and found["over_segmentation_rate"] == 0.5
    assert found["mIoU"] == pytest.approx((1 + 160 / 600) / 2), "the best piece is the object's mask"


def test_pieces_in_front_cost_in_the_label_image_alone() -> None:
    lid = rectangle(0, 0, 20, 8)
    found = figures(predictions((TRUTH.masks[0], 0.9, "Mug"), (lid, 0.8, "Mug"), (TRUTH.masks[1], 0.9, "Box")))
    assert found["mIoU"] == 1.0
    covered = (lid & TRUTH.masks[0]).sum() / TRUTH.masks[0].sum()
    assert 0 < covered < 0.5
    assert found["mIoU_label_image"] == found["mAcc_label_image"] == pytest.approx((1 + 1 - covered) / 2)


def test_second_mask_of_an_object_is_a_duplicate() -> None:
    found = figures(predictions((TRUTH.masks[0], 0.9, "Mug"), (rectangle(0, 0, 20, 18), 0.8, "Mug")))
    assert found["duplicate_rate"] == 0.5 and found["recall50"] == 0.5


def test_predictions_below_the_operating_score_count_for_ap_only() -> None:
    found = figures(predictions(RIGHT[0], (TRUTH.masks[1], 0.2, "Box")))
    assert found["AP50"] == pytest.approx(1.0) and found["recall50"] == 0.5 and found["predictions"] == 1
    assert found["mIoU"] == 0.5 and found["pq"] == 0.5


def test_small_objects_are_not_asked_for_and_cost_nothing_when_found() -> None:
    truth = objects((rectangle(0, 0, 20, 20), "Mug"), (rectangle(40, 40, 42, 42), "Box"))
    for answer in (predictions(RIGHT[0]), predictions(RIGHT[0], (truth.masks[1], 0.8, "Box"))):
        found = figures(answer, truth)
        assert found["objects"] == found["predictions"] == 1 and found["recall50"] == found["pq"] == 1.0
        assert found["AP50"] == found["AP50_class"] == pytest.approx(1.0) and found["overlap_f"] == 1.0


def test_what_lies_on_ignored_pixels_costs_nothing() -> None:
    ignore = rectangle(5, 40, 25, 70)
    answer = predictions(*RIGHT, (rectangle(5, 40, 25, 60), 0.95, "Mug"))
    strict, lenient = figures(answer), figures(answer, GroundTruth(TRUTH.masks, TRUTH.class_names, ignore))
    for name in ("AP", "AP_class", "precision50", "pq", "pq_class_agnostic", "overlap_precision"):
        assert strict[name] < 0.9 and lenient[name] == pytest.approx(1.0), name


def test_objects_of_classes_that_the_model_does_not_know_are_objects_only() -> None:
    truth = objects((TRUTH.masks[0], "Mug"), (TRUTH.masks[1], "Anvil"))
    found = figures(predictions(RIGHT[0], (TRUTH.masks[1], 0.95, "Mug")), truth)
    assert found["recall50"] == found["AP50"] == 1.0 and found["mIoU"] == 1.0
    assert found["class_accuracy"] == found["pq"] == 1.0 and found["AP50_class"] == pytest.approx(1.0)
    assert found["per_class"]["Anvil"]["named_right"] is None


def test_a_model_that_names_nothing_has_no_class_figures() -> None:
    found = figures(predictions(*((mask, score, "") for mask, score, _ in RIGHT)), names=())
    assert found["AP"] == pytest.approx(1.0) and found["mIoU"] == 1.0
    assert all(found[name] is None for name in ("AP_class", "AP50_class", "pq", "class_accuracy"))


def test_a_mask_that_hardly_touches_an_object_is_not_its_mask() -> None:
    found = figures(predictions((rectangle(0, 18, 60, 80), 0.9, "Box")), objects((TRUTH.masks[0], "Mug")))
    assert found["mIoU"] == found["mAcc"] == 0


def test_nothing_predicted_and_nothing_there() -> None:
    assert figures(Instances.empty(SIZE))["AP50"] == 0.0
    found = figures(Instances.empty(SIZE), objects())
    assert found["AP50"] is found["mIoU"] is found["pq"] is found["pq_class_agnostic"] is None
    assert found["overlap_f"] == 1.0 and found["per_class"] == {}
    assert EverythingMetrics(NAMES).figures()["overlap_f"] is None, "no image at all"


@pytest.mark.parametrize("seed", range(5))
def test_matching_against_naive_search(seed: int) -> None:
    ious = np.random.default_rng(seed).random((6, 5))
    assert match(ious, 0.5) == naive_match(ious, 0.5)
    assert match(np.zeros((3, 2)), 0.0) == match(np.zeros((0, 2)), 0.5) == match(np.zeros((3, 0)), 0.5) == {}


def naive_match(ious: np.ndarray, threshold: float) -> dict[int, int]:
    left = {(k, g): ious[k, g] for k in range(len(ious)) for g in range(ious.shape[1]) if ious[k, g] >= threshold}
    found = {}
    while left:
        k, g = max(left, key=lambda pair: left[pair])
        found[g] = k
        left = {(i, j): value for (i, j), value in left.items() if i != k and j != g}
    return found


@pytest.mark.parametrize("seed", range(4))
def test_figures_of_several_images_against_naive_counting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    metrics = EverythingMetrics(NAMES)
    images = [random_image(rng) for _ in range(4)]
    for instances, truth in images:
        metrics.add(instances, truth)
    found, expected = metrics.figures(), naive_figures(images)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name


def random_image(rng: np.random.Generator) -> tuple[Instances, GroundTruth]:
    """Objects, most of them predicted as moved or cut, some named wrongly, and predictions of nothing."""

    def box() -> list[int]:
        top, left = rng.integers(0, 40), rng.integers(0, 60)
        return [top, left, top + rng.integers(4, 20), left + rng.integers(4, 20)]

    boxes = [box() for _ in range(6)]
    truth = objects(*((rectangle(*b), str(rng.choice([*NAMES, "Anvil"]))) for b in boxes), ignore=rectangle(*box()))
    moved = [np.array(b) + rng.integers(-3, 4, 4) for b in boxes if rng.random() < 0.8] + [box(), box()]
    masks = [rectangle(*np.clip(b, 0, 80)) for b in moved]
    entries = [(mask, rng.uniform(0.3, 1), str(rng.choice(NAMES))) for mask in masks if mask.any()]
    return predictions(*entries), truth


def naive_figures(images: list[tuple[Instances, GroundTruth]]) -> dict[str, float]:
    """With sets of pixels, one image and one class at a time."""
    classes: dict[str, list[int]] = {}
    in_front: dict[str, list[int]] = {}
    whole, named = [0.0, 0, 0, 0], {name: [0.0, 0, 0, 0] for name in NAMES}
    for instances, truth in images:
        shown = [k for k in range(len(instances)) if instances.scores[k] >= 0.5]
        mine = [pixels(instances.masks[k].dense(SIZE)) for k in shown]
        called = [instances.class_names[k] for k in shown]
        theirs, names = [pixels(mask) for mask in truth.masks], truth.class_names
        large = [len(p) >= 100 for p in theirs]
        ious = np.array([[len(p & t) / len(p | t) for t in theirs] for p in mine]).reshape(len(mine), len(theirs))
        by_size = sorted(range(len(mine)), key=lambda k: (len(mine[k]), -k))
        visible = [mine[k] - set().union(*(mine[j] for j in by_size[: by_size.index(k)])) for k in range(len(mine))]
        for sums, masks, asked_for in ((classes, mine, theirs), (in_front, visible, naive_front(theirs))):
            own = np.array([[len(p & t) / max(1, len(p | t)) for t in asked_for] for p in masks])
            own = own.reshape(len(masks), len(asked_for))
            for g, k in [(g, naive_match(own, 0.1).get(g)) for g in range(len(asked_for)) if len(asked_for[g]) >= 100]:
                shared, both = (0, len(asked_for[g])) if k is None else (
                    len(masks[k] & asked_for[g]), len(masks[k] | asked_for[g])
                )  # fmt: skip
                before = sums.setdefault(names[g], [0, 0, 0])
                sums[names[g]] = [before[0] + shared, before[1] + both, before[2] + len(asked_for[g])]
        panoptic(whole, mine, theirs, ious, large, pixels(truth.ignore))
        for name in NAMES:
            rows, columns = [k for k, c in enumerate(called) if c == name], list(range(len(theirs)))
            of_class = np.array([[ious[k, g] if names[g] == name else 0.0 for g in columns] for k in rows])
            asked = [large[g] and names[g] in NAMES for g in columns]
            missable = [asked[g] and names[g] == name for g in columns]
            own = [mine[k] for k in rows]
            panoptic(
                named[name],
                own,
                theirs,
                of_class.reshape(len(rows), len(columns)),
                asked,
                pixels(truth.ignore),
                missable,
            )
    quality = {name: s / (tp + fp / 2 + fn / 2) for name, (s, tp, fp, fn) in named.items() if tp + fp + fn}
    s, tp, fp, fn = whole
    return {
        "mIoU": float(np.mean([i / u for i, u, _ in classes.values()])),
        "mAcc": float(np.mean([i / t for i, _, t in classes.values()])),
        "mIoU_label_image": float(np.mean([i / u for i, u, _ in in_front.values()])),
        "mAcc_label_image": float(np.mean([i / t for i, _, t in in_front.values()])),
        "pq_class_agnostic": s / (tp + fp / 2 + fn / 2),
        "pq": float(np.mean(list(quality.values()))),
        "recall50": tp / (tp + fn),
        "precision50": tp / (tp + fp),
    }


def naive_front(masks: list[set]) -> list[set]:
    """What each mask keeps when smaller ones (of equal ones the later) lie in front of it."""
    order = {g: (len(mask), -g) for g, mask in enumerate(masks)}
    return [
        mask - set().union(*(other for h, other in enumerate(masks) if order[h] < order[g]))
        for g, mask in enumerate(masks)
    ]


def panoptic(
    sums: list[float],
    mine: list[set],
    theirs: list[set],
    ious: np.ndarray,
    asked: list[bool],
    ignore: set,
    missable: list[bool] | None = None,
) -> None:
    pairs = {g: k for g, k in naive_match(ious, 0.5).items() if asked[g]}
    free = ignore.union(*(t for t, is_asked in zip(theirs, asked, strict=True) if not is_asked))
    sums[0] += sum(ious[k, g] for g, k in pairs.items())
    sums[1] += len(pairs)
    sums[2] += sum(k not in pairs.values() and len(p & free) < len(p) / 2 for k, p in enumerate(mine))
    sums[3] += sum(missable or asked) - len(pairs)


def pixels(mask: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(*np.nonzero(mask), strict=True))


def test_comparison_counts_pixels() -> None:
    truth = objects((rectangle(0, 0, 20, 20), "Mug"), (rectangle(0, 20, 5, 30), "Box"))
    compared = Comparison.of(predictions((rectangle(0, 10, 10, 30), 0.9, "Mug")), truth)
    assert compared.intersections.tolist() == [[100, 50]] and compared.unions.tolist() == [[500, 200]]
    assert truth.asked.tolist() == [True, False]


def test_an_object_with_its_lid_is_whole_and_the_lid_is_another() -> None:
    """Overlapping truth: a pot's mask holds its lid's pixels. Where each pixel has one mask, the lid is in front."""
    pot, lid = rectangle(10, 10, 50, 50), rectangle(10, 10, 24, 50)
    truth = objects((pot, "Box"), (lid, "Mug"))
    found = figures(predictions((pot, 0.9, "Box"), (lid, 0.8, "Mug")), truth)
    for name in ("recall75", "mIoU", "mIoU_label_image", "AP", "pq", "overlap_f", "class_accuracy"):
        assert found[name] == pytest.approx(1.0), name
    cut = figures(predictions((pot & ~lid, 0.9, "Box"), (lid, 0.8, "Mug")), truth)
    assert cut["mIoU"] == pytest.approx((26 / 40 + 1) / 2), "a pot without its lid is not the whole pot"
    assert cut["recall75"] == 0.5


@pytest.mark.parametrize("count", [0, 1, 300])
def test_images_of_no_one_and_300_objects(count: int) -> None:
    size = (15 * 12, 20 * 12)
    masks = np.zeros((count, *size), bool)
    for k in range(count):
        row, column = divmod(k, 20)
        masks[k, 12 * row : 12 * row + 11, 12 * column : 12 * column + 11] = True
    truth = GroundTruth(masks, ("Mug",) * count, np.zeros(size, bool))
    crops = [MaskCrop.from_dense(mask) for mask in masks]
    scores = np.linspace(0.9, 0.6, count).astype(np.float32)
    right = Instances.from_masks(size, crops, scores, class_names=["Mug"] * count, class_scores=np.ones_like(scores))
    wanted = 1.0 if count else None
    found = {}
    for name, answer in (("all", right), ("none", Instances.empty(size)), ("half", right.select(scores > 0.75))):
        metrics = EverythingMetrics(NAMES)
        metrics.add(answer, truth)
        found[name] = metrics.figures()
        assert found[name]["objects"] == count
    for key in ("AP", "AP50", "AP_class", "pq", "mIoU", "mIoU_label_image"):
        assert found["all"][key] == (wanted if wanted is None else pytest.approx(wanted)), key
    if count == 300:
        assert found["half"]["recall50"] == 0.5 and found["half"]["AP50"] == pytest.approx(0.5, abs=0.01)
        assert found["none"]["AP50"] == 0.0
