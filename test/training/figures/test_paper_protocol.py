"""The paper's protocol: prompted answers against the networks' own, points on the right canvas, figures by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sam_scenes import TINY, frame, one_thread, tiny_model  # noqa: F401
from segment_anything import SamPredictor

from saom_core.config import SaomConfig
from saom_core.errors import ConfigError, ModelError
from saom_core.letterbox import Letterbox
from saom_core.prompting.grid import grid_points
from saom_core.runtime import BUNDLED_MODEL, ModelInfo
from saom_core.sam.checkpoints import write_checkpoint
from saom_training.figures.comparison import GroundTruth
from saom_training.figures.models import EvaluatedModel, load_model
from saom_training.figures.paper_protocol import PaperMetrics, assigned_points
from saom_training.figures.prompted_models import PromptedFile, PromptedSam
from saom_training.networks.checkpoint import encoder_hash, load_network_and_record, save_network
from saom_training.networks.fast_head import fast_on
from saom_training.networks.onnx_weights import network_from_onnx
from saom_training.networks.prompt_decoder import SharedKeysNetwork
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.prompts.location_prior import nearest_grid_points

SIZE = (64, 96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saom-tiny checkpoint with random weights, of input 96x64."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("runs") / "last"
    save_network(SaomTiny(TinyConfig(("Mug", "Box"))), folder, {"config": {"augment": {"size_hw": list(SIZE)}}})
    return folder


def picture(size_hw: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    one = frame(seed, size_hw=size_hw)
    return one.image_rgb, one.depth_m


@pytest.mark.parametrize("size_hw", [(96, 128), (110, 70)])
def test_sam_answers_as_segment_anything_does(size_hw: tuple[int, int]) -> None:
    model = tiny_model()
    image, _ = picture(size_hw)
    points = np.random.default_rng(0).random((11, 2))  # more than are answered at once
    predictor = SamPredictor(model.sam)
    predictor.set_image(image)
    logits = predictor.predict(points[:1] * size_hw[::-1], np.ones(1), return_logits=True)[0]
    model.sam.mask_threshold = float(np.median(logits))  # random weights draw no edge at 0
    encoded = PromptedSam(model).encode(image, None)
    torch.testing.assert_close(encoded.embedding, predictor.get_image_embedding()[0], atol=1e-4, rtol=1e-4)
    assert encoded.canvas_hw == size_hw and encoded.input_hw == predictor.input_size
    for point, mask in zip(points, encoded.best_masks(points), strict=True):
        masks, scores, _ = predictor.predict(point[None] * size_hw[::-1], np.ones(1))
        expected = masks[scores.argmax()]
        assert 0.02 < expected.mean() < 0.98
        assert np.count_nonzero(mask != expected) <= 2, "pixels where rounding decides"


def test_a_sam_mask_without_pixels_is_empty() -> None:
    model = tiny_model(sizes=TINY)
    model.sam.mask_threshold = 1e9
    encoded = PromptedSam(model).encode(*picture((80, 90)))
    assert not encoded.best_masks(np.full((2, 2), 0.5)).any() and encoded.best_masks(np.zeros((0, 2))).shape[0] == 0


@pytest.mark.parametrize("size_hw", [pytest.param((128, 192), marks=pytest.mark.slow), (90, 100)])
def test_saom_tiny_answers_each_point_by_itself(folder: Path, size_hw: tuple[int, int]) -> None:
    model = load_model(SaomConfig(model=str(folder)), grid=(6, 4))
    # more points than the grid has, some of them answered alike
    points = np.concatenate([np.random.default_rng(1).random((30, 2)), [[0.3, 0.4], [0.3, 0.4], [0.301, 0.4]]])
    check_answers(model, load_network_and_record(folder)[0], points, size_hw)


def test_a_fast_head_answers_each_point_by_itself(tmp_path: Path) -> None:
    base = tiny_model()
    network = fast_on(base, ("Mug", "Box"), dim=32, mask_dim=16, layers=1).eval()
    save_network(network, tmp_path / "last", {"base": {"encoder": encoder_hash(network)}})
    model = load_model(SaomConfig(model=str(tmp_path / "last")), grid=(6, 4))
    assert not model.info.uses_depth and model.info.input_size_hw == (48, 64)
    check_answers(model, network, np.random.default_rng(1).random((30, 2)), (96, 128))


def test_the_bundled_file_answers_each_point_by_itself() -> None:
    network, _ = network_from_onnx(BUNDLED_MODEL)
    points = np.random.default_rng(2).random((5, 2))
    check_answers(load_model(SaomConfig(threads=1)), network, points, (300, 400))


@torch.no_grad()
def check_answers(
    model: EvaluatedModel, network: SharedKeysNetwork, points: np.ndarray, size_hw: tuple[int, int]
) -> None:
    """Whether the model answers as its network does, asked for each point by itself."""
    image, depth = picture(size_hw)
    beyond = np.where(
        np.arange(size_hw[1]) % 9 == 0, 50.0, depth
    )  # farther than depth is believed: as if there were none
    depth = np.where(beyond > 10, 0, beyond).astype(np.float32)
    encoded = model.prompted.encode(image, beyond.astype(np.float32))
    found = encoded.best_masks(points)
    input_hw = model.info.input_size_hw
    box = Letterbox.fit(size_hw, input_hw)
    depth_in = torch.from_numpy(box.depth(depth))[None] if model.info.uses_depth else None
    features = network.encode(torch.from_numpy(box.image(image))[None], depth_in)
    answers = network.decode(features, torch.from_numpy(points).float()[None])
    logits = network.masks(features, answers.mask_embeddings)[0].numpy()
    expected = [box.cut_mask(low, np.array([0.0, 0.0, size_hw[1], size_hw[0]])) for low in logits]
    assert sum(crop is not None for crop in expected) > len(points) / 2
    for mask, crop in zip(found, expected, strict=True):
        dense = np.zeros(size_hw, bool) if crop is None else crop.dense(size_hw)
        assert np.count_nonzero(mask != dense) <= 2 + 0.01 * dense.sum(), "pixels where rounding decides"
    rows = input_hw[0] // 16
    torch.testing.assert_close(encoded.embedding[:, :rows], features.coarse[0], atol=1e-2, rtol=1e-2)
    assert encoded.embedding.shape[1] == encoded.embedding.shape[2] and not encoded.embedding[:, rows:].any()


class Nested:
    """A file that answers each point with two squares around it, of which the last point's outer ones win."""

    info = ModelInfo("nested", "", (), "cpu", "cpu", "", (64, 64), False, {"grid": [2, 2]})

    def run(
        self,
        image_rgb: np.ndarray,
        depth_m: np.ndarray,
        thresholds: dict[str, float],
        prompts_xy: np.ndarray | None = None,
        further: object = None,
    ) -> dict[str, np.ndarray]:
        points = (grid_points(2, 2) * 64 if prompts_xy is None else prompts_xy).astype(np.float32)
        candidates = [(0.5 + k / 100, p, 4.0) for k, p in enumerate(points)]
        candidates += [(0.6 + k / 100, p, 20.0) for k, p in enumerate(points)]
        kept: list[tuple[float, np.ndarray, float]] = []
        for one in sorted(candidates, key=lambda entry: -entry[0]):
            if all(one[2] != other[2] or np.abs(one[1] - other[1]).max() > one[2] / 10 for other in kept):
                kept.append(one)
        y, x = np.mgrid[:16, :16] * 4 + 2
        masks = [np.where(np.maximum(abs(x - p[0]), abs(y - p[1])) < r, 1.0, -1.0) for _, p, r in kept]
        points = np.array([p for _, p, _ in kept], np.float32)
        return {
            "masks": np.array(masks, np.float32),
            "boxes": np.tile(np.array([0, 0, 64, 64], np.float32), (len(kept), 1)),
            "scores": np.array([score for score, _, _ in kept], np.float32),
            "points": points,
            "image_embedding": np.zeros((8, 4, 4), np.float32),
        }


def test_of_several_masks_of_a_prompt_the_best_one_answers() -> None:
    encoded = PromptedFile(Nested(), SaomConfig()).encode(np.zeros((64, 64, 3), np.uint8), None)
    found = encoded.best_masks(np.array([[0.5, 0.5], [0.52, 0.5]]))  # asked together, one would lose its better mask
    assert found.sum((1, 2)).min() > 30**2


def test_the_canvas_of_saom_tiny_has_the_shape_of_its_input(folder: Path) -> None:
    model = load_model(SaomConfig(model=str(folder)), grid=(6, 4))
    for size_hw, canvas_hw in {(128, 192): (128, 192), (128, 128): (128, 192), (64, 192): (128, 192)}.items():
        assert model.prompted.encode(*picture(size_hw)).canvas_hw == canvas_hw


class Patches:
    """An image whose embedding has one direction per object, and which answers a point with the object under it."""

    def __init__(self, masks: np.ndarray, side: int, canvas_hw: tuple[int, int]) -> None:
        self.canvas_hw, self.input_hw = canvas_hw, canvas_hw
        self._masks = np.pad(masks, ((0, 0), (0, canvas_hw[0] - masks.shape[1]), (0, canvas_hw[1] - masks.shape[2])))
        square = np.pad(self._masks, ((0, 0), (0, max(canvas_hw) - canvas_hw[0]), (0, max(canvas_hw) - canvas_hw[1])))
        self.embedding = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(square).float()[None], side)[0]
        self.size_hw = masks.shape[1:]

    def best_masks(self, points_xy: np.ndarray) -> np.ndarray:
        answers = np.zeros((len(points_xy), *self.size_hw), bool)
        for k, (x, y) in enumerate(points_xy * self.canvas_hw[::-1]):
            under = np.flatnonzero(self._masks[:, int(y), int(x)])
            if len(under):
                answers[k] = self._masks[under[0], : self.size_hw[0], : self.size_hw[1]]
        return answers


def rectangles(*boxes: tuple[int, int, int, int], size_hw: tuple[int, int] = (64, 64)) -> np.ndarray:
    masks = np.zeros((len(boxes), *size_hw), bool)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return masks


def distance_to(mask: np.ndarray, point_xy: np.ndarray) -> float:
    """Pixels from a point to the nearest pixel of a mask."""
    return float(np.hypot(*(np.argwhere(mask) + 0.5 - point_xy[::-1]).T).min())


def test_points_are_the_assignments_own() -> None:
    objects = rectangles((0, 0, 20, 30), (40, 30, 60, 60), (10, 40, 30, 60))
    image = Patches(objects, 16, (64, 64))
    points, vanishing = assigned_points(image, objects, (8, 8))
    expected = nearest_grid_points(image.embedding, objects, (64, 64), (8, 8))
    assert vanishing == 0 and expected.rows.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(points, expected.points_xy)
    lattice = grid_points(8, 8)
    assert all((np.abs(lattice - point).sum(1) < 1e-9).any() for point in points)


def test_points_lie_on_the_padded_canvas() -> None:
    objects = rectangles((0, 0, 20, 20), (30, 30, 60, 60))
    points, _ = assigned_points(Patches(objects, 16, (64, 96)), objects, (48, 32))
    for mask, point in zip(objects, points * (96, 64), strict=True):
        assert distance_to(mask, point) < 3


def test_an_object_finer_than_the_embedding_is_asked_for_all_the_same() -> None:
    objects = rectangles((0, 0, 30, 30), (40, 50, 60, 52))
    image = Patches(objects, 4, (64, 64))
    assert nearest_grid_points(image.embedding, objects, (64, 64), (32, 32)).rows.tolist() == [0]
    points, vanishing = assigned_points(image, objects, (32, 32))
    assert vanishing == 1 and distance_to(objects[1], points[1] * 64) < 20, "a token away at most"


def test_an_object_of_one_pixel_gets_the_grid_point_beside_it() -> None:
    objects = rectangles((20, 32, 21, 33))  # between the tokens at any enlargement of one token to 16 x 16
    points, vanishing = assigned_points(Patches(objects, 1, (64, 64)), objects, (8, 8))
    assert vanishing == 1 and points.tolist() == [[36 / 64, 20 / 64]]


def test_figures_by_hand() -> None:
    masks = rectangles((0, 0, 20, 30), (0, 20, 20, 40), (40, 30, 60, 60), (0, 60, 2, 62))
    masks[1] &= ~masks[0]
    ignore = np.zeros((64, 64), bool)
    truth = GroundTruth(masks, ("Mug", "Mug", "Box", "Box"), ignore)
    image = Patches(masks, 32, (64, 64))
    # the second mug is answered with both mugs, the box with its upper half
    answers = np.stack([masks[0], masks[0] | masks[1], masks[2] & (np.arange(64)[:, None] < 50)])
    image.best_masks = lambda points_xy: answers  # type: ignore[method-assign]
    metrics = PaperMetrics((16, 16))
    found = metrics.add(image, truth)
    assert found.rows.tolist() == [0, 1, 2], "four pixels are no object to ask for"
    np.testing.assert_allclose(found.ious, [1, 200 / 800, 0.5])
    figures = metrics.figures()
    assert figures["per_class"]["Mug"] == {"objects": 2, "iou": (600 + 200) / (600 + 800), "acc": 1.0}
    assert figures["per_class"]["Box"] == {"objects": 1, "iou": 0.5, "acc": 0.5}
    assert figures["mIoU"] == pytest.approx((800 / 1400 + 0.5) / 2) and figures["mAcc"] == 0.75
    assert figures["objects"] == 3 and figures["images"] == 1 and figures["objects_below_embedding"] == 0


def test_no_objects() -> None:
    none = np.zeros((0, 64, 64), bool)
    metrics = PaperMetrics((16, 16))
    answers = metrics.add(Patches(np.zeros((1, 64, 64), bool), 16, (64, 64)), GroundTruth(none, (), none.any(0)))
    assert answers.masks.shape == (0, 64, 64) and metrics.figures()["mIoU"] is None


def test_grids_and_providers_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="export it"):
        load_model(SaomConfig(model=str(folder), provider="cuda"))
    write_checkpoint(tiny_model(), tmp_path / "sam.safetensors")
    sam = load_model(SaomConfig(model=str(tmp_path / "sam.safetensors"), provider="cpu"), (5, 3))
    assert sam.grid == (5, 3) and sam.segmenter.options.grid == (5, 3)  # type: ignore[attr-defined]
    bundled = load_model(SaomConfig())
    assert bundled.grid == tuple(bundled.info.metadata["grid"])
    with pytest.raises(ConfigError, match="built into the file"):
        load_model(SaomConfig(), (5, 3))


def test_masks_of_a_prompt_are_as_the_checkpoint_was_taught_unless_told_otherwise(tmp_path: Path) -> None:
    taught = {"training": json.dumps({"config": {"suppress_duplicates": True}})}
    config = SaomConfig(model=str(tmp_path / "sam.safetensors"), provider="cpu")
    cases = ({}, None, False), (taught, None, True), (taught, "all", False), ({}, "best", True)
    for metadata, masks, expected in cases:
        write_checkpoint(dataclasses.replace(tiny_model(), metadata=metadata), tmp_path / "sam.safetensors")
        options = load_model(config, masks_per_prompt=masks).segmenter.options  # type: ignore[attr-defined]
        assert options.one_mask_per_prompt == expected
    with pytest.raises(ConfigError, match="expected a SAM checkpoint"):
        load_model(SaomConfig(), masks_per_prompt="all")
