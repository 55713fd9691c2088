"""`Instances`: checked at construction, compact, and the same in every form it is given out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from saom_core.errors import InputError
from saom_core.instances import Instances, MaskCrop
from saom_core.masks import rle_counts

SIZE = (40, 60)


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def two_instances() -> Instances:
    """A table and a mug on it; the mug has the lower score."""
    masks = [MaskCrop.from_dense(rectangle(10, 0, 40, 60)), MaskCrop.from_dense(rectangle(15, 20, 25, 30))]
    return Instances.from_masks(
        SIZE,
        masks,
        np.array([0.9, 0.8], np.float32),
        class_ids=np.array([17, 26], np.int32),
        class_names=["DiningTable", "Mug"],
    )


def test_crop_is_tight_and_dense_again() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random(SIZE) < 0.01
        mask[rng.integers(SIZE[0]), rng.integers(SIZE[1])] = True
        crop = MaskCrop.from_dense(mask)
        assert crop.crop[0].any() and crop.crop[-1].any() and crop.crop[:, 0].any() and crop.crop[:, -1].any()
        np.testing.assert_array_equal(crop.dense(SIZE), mask)
        assert crop.area == mask.sum()


def test_one_pixel_mask() -> None:
    mask = np.zeros(SIZE, bool)
    mask[39, 59] = True
    crop = MaskCrop.from_dense(mask)
    assert crop.box_xyxy == (59, 39, 60, 40)
    instances = Instances.from_masks(SIZE, [crop], np.ones(1, np.float32))
    assert instances.touches_border[0] and instances.label_image()[39, 59] == 1


def test_empty_mask_is_refused() -> None:
    with pytest.raises(InputError, match="at least one pixel"):
        MaskCrop.from_dense(np.zeros(SIZE, bool))


def test_sorted_by_score_with_everything_that_belongs() -> None:
    masks = [MaskCrop.from_dense(rectangle(k, k, k + 2, k + 3)) for k in range(5)]
    scores = np.array([0.1, 0.9, 0.5, 0.7, 0.3], np.float32)
    looks = np.eye(5, 6, dtype=np.float32)
    instances = Instances.from_masks(SIZE, masks, scores, class_names=[str(k) for k in range(5)], descriptors=looks)
    np.testing.assert_array_equal(instances.descriptors, looks[[1, 3, 2, 4, 0]])
    np.testing.assert_array_equal(instances.select([1, 4]).descriptors, looks[[3, 0]])
    assert instances.class_names == ("1", "3", "2", "4", "0")
    assert [m.x for m in instances.masks] == [1, 3, 2, 4, 0]
    np.testing.assert_array_equal(instances.boxes_xyxy[0], [1, 1, 4, 3])


def test_smaller_object_stands_in_front_in_label_image() -> None:
    labels = two_instances().label_image()
    assert labels.dtype == np.uint16
    assert labels[20, 25] == 2 and labels[12, 25] == 1 and labels[0, 0] == 0


def test_class_image_of_many_classes_has_more_bits() -> None:
    instances = two_instances()
    many = dataclasses.replace(instances, class_ids=np.array([300, -1], np.int32))
    assert many.class_image(254).dtype == np.uint8 and many.class_image(255).dtype == np.uint16
    assert set(np.unique(many.class_image(400))) == {0, 301, 65535}
    np.testing.assert_array_equal(instances.class_image(400), instances.class_image(56).astype(np.uint16))


def test_class_image_marks_the_unknown() -> None:
    instances = Instances.from_masks(SIZE, [MaskCrop.from_dense(rectangle(0, 0, 2, 2))], np.ones(1, np.float32))
    assert instances.class_image()[0, 0] == 255 and instances.class_image()[5, 5] == 0
    assert two_instances().class_image()[20, 25] == 27


def test_dense_masks_against_naive_loop() -> None:
    instances = two_instances()
    dense = instances.dense_masks()
    for k in range(len(instances)):
        np.testing.assert_array_equal(dense[k], instances.masks[k].dense(SIZE))


def test_rle_against_naive_decoder() -> None:
    rng = np.random.default_rng(1)
    for density in (0.0, 0.3, 1.0):
        mask = rng.random((7, 9)) < density
        counts = rle_counts(mask)
        decoded = np.concatenate([np.full(n, i % 2 == 1) for i, n in enumerate(counts)]).reshape(9, 7).T
        np.testing.assert_array_equal(decoded, mask)


def test_coco_entries() -> None:
    table, mug = two_instances().to_coco(image_id=3)
    assert mug["bbox"] == [20, 15, 10, 10] and mug["area"] == 100 and mug["category_name"] == "Mug"
    assert table["image_id"] == 3 and sum(mug["segmentation"]["counts"]) == SIZE[0] * SIZE[1]
    assert {"image_id": 3} | two_instances().result_of(1) == mug and list(mug)[0] == "image_id"


def test_select_keeps_rows_together() -> None:
    mug = two_instances().select(np.array([False, True]))
    assert len(mug) == 1 and mug.class_names == ("Mug",) and mug.masks[0].x == 20


def test_empty() -> None:
    empty = Instances.empty(SIZE)
    assert len(empty) == 0 and empty.dense_masks().shape == (0, *SIZE)
    assert not empty.label_image().any() and empty.to_coco() == []
    assert len(Instances.from_masks(SIZE, [], np.empty(0, np.float32))) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([0.8, 0.9], np.float32)}, "falling order"),
        ({"scores": np.array([0.9], np.float32)}, r"shape \(2,\)"),
        ({"boxes_xyxy": np.zeros((2, 4))}, "float32"),
        ({"class_names": ("Mug",)}, "2 names"),
        ({"centroids_m": np.zeros((2, 2), np.float32)}, "centroids_m"),
        ({"descriptors": np.zeros((1, 5), np.float32)}, "descriptors"),
        ({"descriptors": np.zeros(2, np.float32)}, "descriptors"),
        ({"size_hw": (20, 20)}, "inside 20x20"),
    ],
)
def test_wrong_arrays_are_refused(change: dict[str, object], message: str) -> None:
    import dataclasses

    with pytest.raises(InputError, match=message):
        dataclasses.replace(two_instances(), **change)
