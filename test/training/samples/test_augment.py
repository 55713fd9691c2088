"""Training images: of pictures with no, one and 300 objects, of overlapping ones, and of nothing to ask about."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from saom_core.camera import CameraIntrinsics
from saom_training.assign import BACKGROUND
from saom_training.dataset import Sample
from saom_training.recipes.sam import SamTuneConfig
from saom_training.samples.augment import IGNORED, AugmentConfig, TrainingItem, training_item
from saom_training.samples.embedded_pictures import SamItem, SamStream
from saom_training.samples.mask_targets import semantic_labels
from saom_training.samples.object_crops import objects_of
from saom_training.samples.pieces import points_on

SIZE_HW = (120, 160)
CONFIG = AugmentConfig(size_hw=(96, 128), prompts=24, min_visible_px=1, grid=(16, 12), scale=(0.95, 1.0))


def sample_of(masks: np.ndarray, ignore: np.ndarray | None = None) -> Sample:
    count = len(masks)
    rng = np.random.default_rng(0)
    return Sample(
        image_rgb=rng.integers(0, 256, (*SIZE_HW, 3), np.uint8),
        depth_m=np.full(SIZE_HW, 1.5, np.float32),
        masks=masks,
        class_ids=np.arange(count, dtype=np.int32) % 7,
        class_names=tuple(f"class {k % 7}" for k in range(count)),
        part_of=np.full(count, -1, np.int32),
        visible=np.ones(count, np.float32),
        ignore=np.zeros(SIZE_HW, bool) if ignore is None else ignore,
        camera=CameraIntrinsics(100.0, 100.0, 79.5, 59.5, 160, 120),
        image_id=0,
        scene="a",
    )


def squares(count: int) -> np.ndarray:
    """Up to 300 squares of 6 x 6 pixels side by side, the first one in the middle."""
    masks = np.zeros((count, *SIZE_HW), bool)
    for k in range(count):
        row, column = divmod((k + 149) % 300, 20)
        masks[k, 8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = True
    return masks


def pot_and_lid() -> tuple[np.ndarray, np.ndarray]:
    pot, lid = np.zeros(SIZE_HW, bool), np.zeros(SIZE_HW, bool)
    pot[30:100, 40:120] = True
    lid[30:60, 40:120] = True
    return pot, lid


def items(sample: Sample, config: AugmentConfig = CONFIG, count: int = 6) -> list[TrainingItem]:
    return [training_item(sample, config, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("count", [0, 1, 300])
def test_pictures_of_no_one_and_300_objects(count: int) -> None:
    for item in items(sample_of(squares(count))):
        assert item.points.shape == (24, 2) and item.targets.shape == (24,)
        assert len(item.masks) == len(item.boxes) == len(item.class_ids) <= min(count, 24)
        assert ((item.targets == BACKGROUND) | (item.targets < len(item.masks))).all()
        assert bool((item.targets != BACKGROUND).any()) == (count > 0)
        assert torch.isfinite(item.boxes).all()


def test_a_picture_that_must_not_be_asked_about_is_an_empty_canvas() -> None:
    zoomed = dataclasses.replace(CONFIG, scale=(1.6, 1.7))  # nothing of the canvas around the picture shows
    for item in items(sample_of(squares(0), np.ones(SIZE_HW, bool)), zoomed):
        assert (item.targets == BACKGROUND).all() and not item.depth.any()
        assert (item.semantic == BACKGROUND).all()


def test_a_prompt_on_the_lid_means_the_lid_and_one_on_the_pot_the_whole_pot() -> None:
    pot, lid = pot_and_lid()
    seen = set()
    for item in items(sample_of(np.stack([pot, lid]))):
        for row, class_id in enumerate(item.class_ids.tolist()):
            seen.add(class_id)
            left, top, right, bottom = (item.boxes[row] * torch.tensor([128, 96, 128, 96])).tolist()
            height_to_width = (bottom - top) / (right - left)
            # 70 x 80 pixels of the whole pot, 30 x 80 of its lid; a small roll makes both boxes higher
            assert height_to_width > 0.8 if class_id == 0 else height_to_width < 0.75
        covered = item.masks.sum((1, 2))
        if len(covered) == 2:
            assert covered[0] > 2 * covered[1], "the pot's mask holds its lid's pixels"
            inside = (item.masks[1] > 0.5) & (item.masks[0] > 0.5)
            assert inside.sum() == (item.masks[1] > 0.5).sum()
        for (x, y), target in zip(item.points.tolist(), item.targets.tolist(), strict=True):
            if target != BACKGROUND:
                on_lid = item.masks[-1][min(23, int(y * 24)), min(31, int(x * 32))]
                assert on_lid > 0 if item.class_ids[target] == 1 else on_lid < 1
    assert seen == {0, 1}


def test_of_equal_masks_one_is_asked_for_and_none_breaks() -> None:
    pot, _ = pot_and_lid()
    for item in items(sample_of(np.stack([pot, pot]))):
        assert len(item.masks) == 1 and (item.targets != BACKGROUND).any()


def test_the_pixel_of_two_objects_has_the_class_of_the_smaller() -> None:
    pot, lid = (torch.from_numpy(mask[::4, ::4].astype(np.float32)) for mask in pot_and_lid())
    for masks, ids in (((pot, lid), [3, 5]), ((lid, pot), [5, 3])):
        labels = semantic_labels(torch.stack(masks), torch.tensor(ids))
        assert labels[4, 10] == 5 and labels[10, 10] == 3 and labels[0, 0] == IGNORED


class _Pictures:
    """A data set of one sample."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        copied = {name: getattr(self._sample, name).copy() for name in ("masks", "class_ids", "part_of", "ignore")}
        return dataclasses.replace(self._sample, **copied)


def sam_items(sample: Sample, assignment: str) -> list[SamItem]:
    config = SamTuneConfig(assignment=assignment, views=4)
    names = tuple(f"class {k}" for k in range(7))

    def embed(image_rgb: np.ndarray) -> torch.Tensor:
        return torch.randn(8, 64, 64, generator=torch.Generator().manual_seed(0))

    stream = SamStream(_Pictures(sample), names, 1024, embed, 4, config)  # type: ignore[arg-type]
    return [stream[i] for i in range(4)]


@pytest.mark.parametrize("count", [0, 1, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("assignment", ["nearest", "centre", "random"])
def test_items_of_the_sam_family_with_no_one_and_300_objects(count: int, assignment: str) -> None:
    for item in sam_items(sample_of(squares(count)), assignment):
        assert len(item.points_xy) == len(item.targets)
        assert len(item.masks) == len(item.class_ids) <= count + 1  # one may be pasted once more
        assert bool((item.targets >= 0).any()) == (count > 0)


def test_points_of_the_sam_family_lie_where_their_object_is_in_front() -> None:
    pot, lid = pot_and_lid()
    for item in sam_items(sample_of(np.stack([pot, lid])), "random"):
        for (x, y), target in zip(item.points_xy.tolist(), item.targets.tolist(), strict=True):
            if target < 0:
                continue
            areas = item.masks.sum((1, 2))
            under = [
                k
                for k in range(len(areas))
                if item.masks[k][min(int(y / 4), item.masks.shape[1] - 1), int(x / 4)] > 0.99
            ]
            assert not under or target == min(under, key=lambda k: float(areas[k]))


@pytest.mark.parametrize("count", [0, 1, 300])
def test_crops_and_points_of_no_one_and_300_objects(count: int) -> None:
    sample = sample_of(squares(count))
    assert len(objects_of(sample)) == count
    points, rows = points_on(sample.masks, 20, np.random.default_rng(0))
    assert len(points) == len(rows) == (20 if count else 0)
    assert all(sample.masks[row, y, x] for (x, y), row in zip(points, rows, strict=True))
