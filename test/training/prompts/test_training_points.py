"""Prompts, views, targets and kept embeddings of SAM fine-tuning."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sam_scenes import COLOURS, frame, open_data, tiny_model

from saom_core.errors import ConfigError
from saom_core.prompting.grid import grid_points
from saom_core.sam.encoder import encode, network_input
from saom_training.assign import BACKGROUND
from saom_training.networks.checkpoint import encoder_hash
from saom_training.prompts.training_points import sam_prompts
from saom_training.recipes.sam import PAPER, RECIPES, SAOM, SamTuneConfig
from saom_training.samples.embedded_pictures import NO_CLASS, SamStream, coverage, input_size
from saom_training.samples.embedding_cache import EmbeddingCache, FrozenEncoder
from saom_training.samples.views import View, view_of

INPUT_HW = (48, 64)
NO_EMBEDDING = torch.zeros(0)  # strategies but the nearest do not look at it


@pytest.fixture
def masks() -> np.ndarray:
    masks = np.zeros((3, 30, 40), bool)
    masks[0, 3:21, 2:17] = True
    masks[0, 5:9, 2:10] = False
    masks[1, 20:30, 30:40] = True
    masks[2, 1, 38] = True  # one pixel
    return masks


def on(mask: np.ndarray, point: np.ndarray) -> bool:
    return bool(mask[int(point[1] * mask.shape[0]), int(point[0] * mask.shape[1])])


def prompts_of(masks: np.ndarray, seed: int = 0, **changes: object) -> tuple[np.ndarray, np.ndarray]:
    config = dataclasses.replace(PAPER, quality_weight=1.0, **changes)  # type: ignore[arg-type]
    prompts = sam_prompts(NO_EMBEDDING, masks, ~masks.any(0), INPUT_HW, config, np.random.default_rng(seed))
    return prompts.points_xy.astype(np.float64), prompts.targets


def test_centre_is_the_pixel_farthest_from_the_edge(masks: np.ndarray) -> None:
    points, targets = prompts_of(masks, assignment="centre", snap_to_grid=False)
    assert targets.tolist() == [0, 1, 2]
    for mask, point in zip(masks, points, strict=True):
        outside = [
            (r, c) for r in range(-1, 31) for c in range(-1, 41) if not (0 <= r < 30 and 0 <= c < 40 and mask[r, c])
        ]
        reach = {
            (r, c): min(math.hypot(r - y, c - x) for y, x in outside) for r, c in zip(*np.nonzero(mask), strict=True)
        }
        pixel = (int(point[1] * 30), int(point[0] * 40))
        assert reach[pixel] == pytest.approx(max(reach.values()))


def test_random_pixels_lie_on_their_objects_and_differ(masks: np.ndarray) -> None:
    drawn = [prompts_of(masks, seed, assignment="random", snap_to_grid=False)[0] for seed in range(20)]
    for points in drawn:
        assert all(on(mask, point) for mask, point in zip(masks, points, strict=True))
    assert len({tuple(points[0]) for points in drawn}) > 10


@pytest.mark.parametrize("assignment", ["centre", "random"])
def test_snapped_points_are_of_the_grid_and_the_nearest(masks: np.ndarray, assignment: str) -> None:
    grid = grid_points(8, 6)
    points, _ = prompts_of(masks, assignment=assignment, grid=(8, 6))
    free, _ = prompts_of(masks, assignment=assignment, snap_to_grid=False)
    for point, wanted in zip(points, free, strict=True):
        distances = np.hypot(*((grid - wanted) * (40, 30)).T)
        np.testing.assert_allclose(point, grid[distances.argmin()], atol=1e-6)
    on_object, _ = prompts_of(masks, assignment=assignment, grid=(8, 6), on_object=True)
    assert all(on(mask, point) for mask, point in zip(masks[:2], on_object[:2], strict=True))


def test_further_points_and_jitter_stay_on_the_object_and_near_the_grid(masks: np.ndarray) -> None:
    changes = {"assignment": "centre", "on_object": True, "prompts_per_object": 5, "jitter": 0.5, "grid": (20, 15)}
    points, targets = prompts_of(masks, **changes)
    assert targets.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    grid = grid_points(20, 15)
    for point, target in zip(points[:10], targets[:10], strict=True):
        assert on(masks[target], point)
        assert (np.abs(point - grid) <= 0.5 / np.array([20, 15]) + 1e-6).all(1).any()
    unmoved = sum(bool((np.abs(point - grid) < 1e-6).all(1).any()) for point in points[:5])
    assert unmoved <= 2  # a point near the edge may have to stay
    # further points of an object that the grid misses are its own pixels
    assert all(on(masks[2], point) for point in points[11:])


def test_background_prompts_lie_on_no_object(masks: np.ndarray) -> None:
    for seed in range(5):
        points, targets = prompts_of(masks, seed, assignment="centre", background_prompts=12, jitter=1.0)
        background = points[targets == BACKGROUND]
        assert len(background) == 12
        assert not any(on(masks.any(0), point) for point in background)
    everything = np.ones((1, 30, 40), bool)
    assert BACKGROUND not in prompts_of(everything, assignment="centre", background_prompts=12)[1]


def test_an_image_without_objects_has_background_prompts_alone() -> None:
    nothing = np.zeros((0, 30, 40), bool)
    for assignment in ("nearest", "centre", "random"):
        config = dataclasses.replace(SAOM, assignment=assignment)
        embedding = torch.zeros(8, 4, 4)
        prompts = sam_prompts(embedding, nothing, np.ones((30, 40), bool), INPUT_HW, config, np.random.default_rng(0))
        assert prompts.targets.tolist() == [BACKGROUND] * SAOM.background_prompts


def test_options_that_contradict_each_other_are_refused() -> None:
    assert RECIPES["paper"] == SamTuneConfig()
    wrong = [
        ({"grid": (0, 4)}, "grid"),
        ({"assignment": "middle"}, "assignment"),
        ({"suppress_duplicates": True}, "quality_weight"),
        ({"background_prompts": 3}, "quality_weight"),
        ({"epochs": 0}, "epochs"),
    ]
    for changes, message in wrong:
        with pytest.raises(ConfigError, match=message):
            dataclasses.replace(PAPER, **changes)  # type: ignore[arg-type]
    assert dataclasses.replace(PAPER, workers=2).workers == 0  # the encoder runs in the training process
    assert dataclasses.replace(PAPER, workers=2, cache_embeddings=True).workers == 2


def test_coverage_against_loops() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((3, 7, 10)) > 0.6
    masks[1] = False
    input_hw = (45, 64)  # the last row of logits covers but one row of the input
    found = coverage(masks, input_hw).numpy()
    assert found.shape == (3, 12, 16)
    for k in range(3):
        for r in range(12):
            for c in range(16):
                y0, y1 = r * 4 * 7 / 45, (r + 1) * 4 * 7 / 45
                x0, x1 = c * 4 * 10 / 64, (c + 1) * 4 * 10 / 64
                area = sum(
                    max(0, min(y1, y + 1) - max(y0, y)) * max(0, min(x1, x + 1) - max(x0, x)) * masks[k, y, x]
                    for y in range(7)
                    for x in range(10)
                )
                assert found[k, r, c] == pytest.approx(area / ((y1 - y0) * (x1 - x0)), abs=1e-6)
    assert coverage(masks[:0], input_hw).shape == (0, 12, 16)


def test_input_size_is_the_network_s() -> None:
    sam = tiny_model().sam
    for size_hw in ((48, 64), (30, 41), (64, 64), (100, 7)):
        _, expected = network_input(sam, np.zeros((*size_hw, 3), np.uint8))
        assert input_size(size_hw, 64) == expected


def test_views_move_picture_and_masks_alike(tmp_path: Path) -> None:
    data = open_data(tmp_path / "data", frames=2, size_hw=(96, 128))
    sample = data[0]
    config = dataclasses.replace(SAOM, recolour=0.0, occlude=0.7)
    colours = {k: np.array(COLOURS[name]) for k, name in zip(sample.class_ids, sample.class_names, strict=True)}
    first = view_of(sample, config, 0, np.random.default_rng(0))
    assert np.array_equal(first.image_rgb, sample.image_rgb) and np.array_equal(first.masks, sample.masks)
    pasted = 0
    for seed in range(30):
        view = view_of(sample, config, 1, np.random.default_rng(seed))
        again = view_of(sample, config, 1, np.random.default_rng(seed))
        assert np.array_equal(view.image_rgb, again.image_rgb) and np.array_equal(view.masks, again.masks)
        assert view.masks.sum(0).max() <= 1 and view.masks.any((1, 2)).all()
        pasted += len(view.masks) > len(sample.masks)
        for mask, class_id in zip(view.masks, view.class_ids, strict=True):
            hue = view.image_rgb[mask].astype(float)
            near = np.minimum(np.abs(hue - colours[class_id]).max(1), np.abs(hue - colours[class_id] // 2).max(1)) < 45
            assert near.mean() > 0.85, "the mask lies elsewhere than its object"
        rest = view.image_rgb[view.background].astype(float)
        assert (np.abs(rest - 120).max(1) < 45).mean() > 0.9, "an object has no mask"
    assert pasted > 5


def test_half_of_the_views_are_mirrored(tmp_path: Path) -> None:
    sample = open_data(tmp_path / "data", frames=1)[0]
    config = dataclasses.replace(PAPER, views=2, mirror=True)
    mirrored = 0
    for seed in range(20):
        view = view_of(sample, config, 1, np.random.default_rng(seed))
        flips = np.array_equal(view.image_rgb, sample.image_rgb[:, ::-1])
        step = -1 if flips else 1
        assert np.array_equal(view.image_rgb, sample.image_rgb[:, ::step])
        assert np.array_equal(view.masks, sample.masks[:, :, ::step])
        mirrored += flips
    assert 3 < mirrored < 17


def test_recoloured_views_differ_in_colours_alone(tmp_path: Path) -> None:
    sample = open_data(tmp_path / "data", frames=1)[0]
    config = dataclasses.replace(SAOM, crop=1.0, mirror=False, occlude=0.0)
    view = view_of(sample, config, 1, np.random.default_rng(1))
    assert np.array_equal(view.masks, sample.masks) and view.image_rgb.dtype == np.uint8
    difference = np.abs(view.image_rgb.astype(int) - sample.image_rgb).mean()
    assert 2 < difference < 100


def test_items_follow_from_seed_and_number_alone(tmp_path: Path) -> None:
    data = open_data(tmp_path / "data")
    encoder = FrozenEncoder(tiny_model().sam)
    names = ("Mug", "Book")  # Bowl is none of them
    one, other = (SamStream(data, names, 64, encoder, 12, SAOM) for _ in range(2))
    labels = set()
    for i in (0, 5, 11):
        item, again = one[i], other[i]
        assert torch.equal(item.points_xy, again.points_xy) and torch.equal(item.image, again.image)
        assert item.image.shape == (32, 4, 4) and item.input_hw == (48, 64)
        for (x, y), target in zip(item.points_xy, item.targets, strict=True):
            if target != BACKGROUND:
                assert item.masks[target, int(y) // 4, int(x) // 4] > 0
        labels |= set(item.class_ids.tolist())
    assert labels <= {0, 1, NO_CLASS}
    images = {tuple(one[i].image.flatten()[:5].tolist()) for i in range(4)}
    assert len(images) == 4, "the first epoch shows every picture"


@pytest.mark.parametrize(("length", "views"), [(3, 1), (9, 3), (200, 2)])
def test_the_views_to_come_are_those_that_items_show(tmp_path: Path, length: int, views: int) -> None:
    shown = []
    config = dataclasses.replace(SAOM, views=views)

    class Watched(SamStream):
        def view(self, image: int, number: int) -> View:
            shown.append((image, number))
            return super().view(image, number)

    stream = Watched(open_data(tmp_path / "data"), ("Mug",), 64, FrozenEncoder(tiny_model().sam), length, config)
    for i in range(length):
        stream[i]
    assert stream.views_to_come() == sorted(set(shown))


def test_kept_embeddings(tmp_path: Path) -> None:
    model = tiny_model()
    image = frame(0).image_rgb
    made = []

    class Counted(FrozenEncoder):
        def __call__(self, image_rgb: np.ndarray) -> torch.Tensor:
            made.append(image_rgb.shape)
            return super().__call__(image_rgb)

    cache = EmbeddingCache(tmp_path, Counted(model.sam))
    with torch.no_grad():
        expected = encode(model.sam.image_encoder, network_input(model.sam, image)[0])[0]
    assert torch.equal(cache(image), expected.half()) and torch.equal(cache(image), expected.half())
    assert len(made) == 1
    path = cache.path(image)
    path.write_bytes(path.read_bytes()[:-7])  # a full disk, say
    assert torch.equal(cache(image), expected.half()) and len(made) == 2
    other_image = image.copy()
    other_image[0, 0, 0] ^= 1
    assert cache.path(other_image) != path
    other = tiny_model(seed=1).sam
    assert encoder_hash(other) != encoder_hash(model.sam)
    assert not EmbeddingCache(tmp_path, FrozenEncoder(other)).path(image).exists()
    with torch.no_grad():
        model.sam.mask_decoder.iou_token.weight += 1  # a tuned decoder leaves the embeddings as they are
    assert EmbeddingCache(tmp_path, FrozenEncoder(model.sam)).path(image).exists()
