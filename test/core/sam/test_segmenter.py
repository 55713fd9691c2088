"""Everything mode with the SAM family against segment-anything itself, on a small network."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sam_scenes import one_thread, photo  # noqa: F401

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from segment_anything import SamAutomaticMaskGenerator, SamPredictor  # noqa: E402
from segment_anything.utils.amg import calculate_stability_score  # noqa: E402

from saom_core.camera import CameraIntrinsics  # noqa: E402
from saom_core.config import SaomConfig  # noqa: E402
from saom_core.errors import ConfigError, InputError, ModelError  # noqa: E402
from saom_core.instances import Instances  # noqa: E402
from saom_core.loading import Models, load_segmenter  # noqa: E402
from saom_core.prompting.grid import grid_points  # noqa: E402
from saom_core.prompting.prompts import Prompts  # noqa: E402
from saom_core.sam.checkpoints import write_checkpoint  # noqa: E402
from saom_core.sam.network import SamModel  # noqa: E402
from saom_core.sam.options import SamEverythingOptions  # noqa: E402
from saom_core.sam.segmenter import SamSegmenter, load_sam  # noqa: E402
from saom_core.segmenter import Segmentation  # noqa: E402

CONFIG = SaomConfig(provider="cpu", class_score_threshold=0.0)
LET_THROUGH = {"points_per_side": 8, "pred_iou_thresh": 0.4, "stability_score_thresh": 0.8, "box_nms_thresh": 0.7}


@pytest.fixture(scope="module")
def model(small_sam: SamModel) -> SamModel:
    return copy.deepcopy(small_sam)


@pytest.fixture(scope="module")
def checkpoint(model: SamModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam") / "small.safetensors"
    write_checkpoint(model, path)
    return path


def segmenter(checkpoint: Path, **options: Any) -> SamSegmenter:
    return load_sam(CONFIG.replace(model=str(checkpoint)), SamEverythingOptions(**{**LET_THROUGH, **options}))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def assert_same_masks(instances: Instances, reference: list[dict[str, Any]]) -> None:
    """Both ways: at least 99 % found at IoU >= 0.99, and what goes with the mask is equal."""
    reference = [record for record in reference if record["area"] > 0]
    assert reference, "the thresholds let nothing through: the comparison would be empty"
    ours = instances.dense_masks()
    overlaps = np.array([[iou(record["segmentation"], mask) for mask in ours] for record in reference])
    assert np.mean(overlaps.max(axis=1) >= 0.99) >= 0.99
    assert np.mean(overlaps.max(axis=0) >= 0.99) >= 0.99
    for record, row in zip(reference, overlaps, strict=True):
        # several prompts may give the very same mask: the twin is the one with the same point and score
        twins = [
            k
            for k in np.flatnonzero(row >= 0.99)
            if np.allclose(instances.points_xy[k], record["point_coords"][0], atol=1e-2)
            and abs(instances.scores[k] - record["predicted_iou"]) < 1e-4
        ]
        assert twins or row.max() < 0.99
        if twins:
            assert abs(instances.stability[twins[0]] - record["stability_score"]) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("size_hw", [(96, 128), (150, 70), (9, 7), (1, 40), (300, 401)])
def test_same_masks_as_segment_anything(checkpoint: Path, model: SamModel, size_hw: tuple[int, int]) -> None:
    image = photo(*size_hw)
    reference = SamAutomaticMaskGenerator(model.sam, **LET_THROUGH).generate(image)
    assert_same_masks(segmenter(checkpoint).segment(image).instances, reference)


@pytest.mark.parametrize(
    "options",
    [
        {"crop_n_layers": 1},
        {"crop_n_layers": 2, "crop_n_points_downscale_factor": 2, "crop_overlap_ratio": 0.2, "crop_nms_thresh": 0.5},
        {"min_mask_region_area": 120, "stability_score_thresh": 0.5},
        {"crop_n_layers": 1, "min_mask_region_area": 60},
        {"stability_score_offset": 0.3, "stability_score_thresh": 0.95},
        {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.9},
        {"pred_iou_thresh": 0.3, "stability_score_thresh": 0.95, "box_nms_thresh": 0.3, "min_mask_region_area": 150},
    ],
    ids=str,
)
def test_same_masks_with_every_option(checkpoint: Path, model: SamModel, options: dict[str, Any]) -> None:
    image = photo(120, 160, seed=1)
    reference = SamAutomaticMaskGenerator(model.sam, **{**LET_THROUGH, **options}).generate(image)
    assert_same_masks(segmenter(checkpoint, **options).segment(image).instances, reference)


def test_same_masks_on_a_rectangular_grid(checkpoint: Path, model: SamModel) -> None:
    image = photo(64, 200, seed=2)
    options = {**LET_THROUGH, "points_per_side": None, "point_grids": [grid_points(13, 4)]}
    reference = SamAutomaticMaskGenerator(model.sam, **options).generate(image)
    assert_same_masks(segmenter(checkpoint, points_per_side=(13, 4)).segment(image).instances, reference)


def test_labels_belong_to_their_masks(checkpoint: Path, model: SamModel) -> None:
    """An independent loop: one prompt at a time, the class from the decoder's own IoU token."""
    image = photo(90, 120, seed=3)
    instances = segmenter(checkpoint, box_nms_thresh=1.0).segment(image).instances
    seen: list[torch.Tensor] = []
    hook = model.sam.mask_decoder.transformer.register_forward_hook(lambda _m, _i, out: seen.append(out[0][:, 0]))
    predictor = SamPredictor(model.sam)
    predictor.set_image(image)
    expected = []
    try:
        for point in grid_points(8, 8) * (120, 90):
            logits, scores, _ = predictor.predict(point[None], np.ones(1), return_logits=True)
            stability = calculate_stability_score(torch.as_tensor(logits), 0.0, 1.0).numpy()
            label = int(model.class_head(seen[-1])[0].argmax())
            for mask, score, stable in zip(logits > 0, scores, stability, strict=True):
                if score > LET_THROUGH["pred_iou_thresh"] and stable >= LET_THROUGH["stability_score_thresh"]:
                    expected.append((mask, score, point, label))
    finally:
        hook.remove()
    assert len(instances) == len(expected) > 20
    assert len({label for *_, label in expected}) > 2, "labels that do not vary prove nothing"
    ours = instances.dense_masks()
    for mask, score, point, label in expected:
        (k,) = np.flatnonzero(
            (np.abs(instances.points_xy - point).max(axis=1) < 1e-2) & (np.abs(instances.scores - score) < 1e-4)
        )
        assert iou(ours[k], mask) >= 0.99
        assert instances.class_ids[k] == label
        assert instances.class_names[k] == model.class_names[label]


def test_a_saom_gives_the_best_mask_of_each_prompt(checkpoint: Path, model: SamModel, tmp_path: Path) -> None:
    """What was taught that a prompt has one object to give is asked for one, by its checkpoint alone."""
    image = photo(80, 100, seed=4)
    config = CONFIG.replace(nms_iou=1.0, stability_threshold=0.0, min_area_px=1, max_instances=1000)
    record = json.dumps({"config": {"suppress_duplicates": True, "grid": [8, 8]}})
    write_checkpoint(dataclasses.replace(model, metadata={"training": record}), tmp_path / "saom.safetensors")
    ours = load_sam(config.replace(model=str(tmp_path / "saom.safetensors"))).segment(image).instances
    everything = SamEverythingOptions.from_config(config, (8, 8))
    theirs = load_sam(config.replace(model=str(checkpoint)), everything).segment(image).instances
    points = {tuple(point) for point in ours.points_xy.tolist()}
    assert len(ours) == len(points) < len(theirs) and len(points) > 5
    best = {point: theirs.scores[(theirs.points_xy == point).all(axis=1)].max() for point in points}
    for point, score, mask in zip(ours.points_xy.tolist(), ours.scores, ours.dense_masks(), strict=True):
        # The picture is enlarged by OpenCV here and by PIL there, which round differently. Islands are left out here.
        assert score == pytest.approx(best[tuple(point)], abs=2e-3)
        row = np.flatnonzero((theirs.points_xy == point).all(axis=1) & (np.abs(theirs.scores - score) < 2e-3))
        assert any(iou(mask, theirs.masks[k].dense(theirs.size_hw)) > 0.9 for k in row)


def test_batch_size_changes_nothing(checkpoint: Path) -> None:
    image = photo(80, 100, seed=4)
    together = segmenter(checkpoint).segment(image).instances
    single = segmenter(checkpoint, points_per_batch=1).segment(image).instances
    assert len(together) == len(single) > 5
    np.testing.assert_allclose(together.scores, single.scores, atol=1e-5)
    np.testing.assert_array_equal(together.class_ids, single.class_ids)
    assert all(iou(a, b) > 0.99 for a, b in zip(together.dense_masks(), single.dense_masks(), strict=True))


def test_nothing_found(checkpoint: Path) -> None:
    answer = segmenter(checkpoint, pred_iou_thresh=0.9999).segment(photo(60, 80))
    assert len(answer.instances) == 0 and answer.instances.size_hw == (60, 80)
    assert set(answer.timings_ms) == {"preprocess", "encoder", "decoder", "postprocess"}


def test_a_network_without_class_head_names_nothing(model: SamModel, tmp_path: Path) -> None:
    write_checkpoint(dataclasses.replace(model, class_head=None, class_names=()), tmp_path / "bare.safetensors")
    instances = segmenter(tmp_path / "bare.safetensors").segment(photo(60, 80)).instances
    assert len(instances) and set(instances.class_ids) == {-1} and set(instances.class_names) == {""}


def test_unsure_classes_are_not_named(checkpoint: Path) -> None:
    sam = segmenter(checkpoint)
    sam.config = sam.config.replace(class_score_threshold=1.0)
    instances = sam.segment(photo(60, 80)).instances
    assert len(instances)
    unsure = instances.class_scores < 1
    assert [name == "" for name in instances.class_names] == unsure.tolist()


def test_the_configuration_rules(checkpoint: Path) -> None:
    config = CONFIG.replace(model=str(checkpoint), stability_threshold=0.8, score_threshold=0.4, max_instances=3)
    sam = load_segmenter(config)
    assert isinstance(sam, SamSegmenter)
    assert sam.info.provider == "cpu" and len(sam.info.class_names) == 55 and not sam.info.uses_depth
    few = sam.segment(photo(60, 80)).instances
    sam.config = config.replace(max_instances=1000, min_area_px=700)
    many = sam.segment(photo(60, 80)).instances
    assert len(few) == 3 < len(many)
    assert min(mask.area for mask in many.masks) >= 700
    assert many.scores.min() > 0.4 and many.stability.min() >= 0.8


def test_depth_gives_metres(checkpoint: Path) -> None:
    camera = CameraIntrinsics(80.0, 80.0, 40.0, 30.0, 80, 60)
    depth_m = np.full((60, 80), 1.5, np.float32)
    instances = segmenter(checkpoint).segment(photo(60, 80), depth_m, camera).instances
    assert instances.centroids_m is not None and len(instances)
    np.testing.assert_allclose(instances.distances_m, 1.5)
    np.testing.assert_allclose(instances.centroids_m[:, 2], 1.5, atol=1e-5)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_a_wrong_image_is_refused(checkpoint: Path, image: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected an image of shape"):
        segmenter(checkpoint).segment(image)


@pytest.mark.parametrize(
    "wrong",
    [{"points_per_side": 0}, {"points_per_side": (3, 0)}, {"crop_overlap_ratio": 1.0}, {"points_per_batch": -1}],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SamEverythingOptions(**wrong)


def test_the_papers_options() -> None:
    paper = SamEverythingOptions.paper((64, 64))
    values = (paper.pred_iou_thresh, paper.stability_score_thresh, paper.box_nms_thresh, paper.min_mask_region_area)
    assert values == (0.3, 0.95, 0.3, 150) and paper.grid == (64, 64) and paper.crop_n_layers == 0


def test_a_provider_that_is_not_there_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="tensorrt"):
        load_sam(CONFIG.replace(model=str(checkpoint), provider="tensorrt"))
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no usable GPU"):
            load_sam(CONFIG.replace(model=str(checkpoint), provider="cuda"))
        automatic = load_sam(CONFIG.replace(model=str(checkpoint), provider="auto"))
        assert automatic.info.provider == "cpu" and "no usable GPU" in automatic.info.fallback_reason


def test_segmenters_of_one_checkpoint_share_its_network(checkpoint: Path) -> None:
    models, config = Models(), CONFIG.replace(model=str(checkpoint))
    first, second = (models.segmenter(config.replace(score_threshold=threshold)) for threshold in (0.5, 0.9))
    assert isinstance(first, SamSegmenter) and isinstance(second, SamSegmenter)
    assert first.model.sam is second.model.sam
    assert (first.config.score_threshold, second.config.score_threshold) == (0.5, 0.9)


@pytest.mark.parametrize("kind", ["generator", "as the file", "asked"])
def test_a_camera_on_its_side_sees_what_an_upright_one_sees(checkpoint: Path, kind: str) -> None:
    on_its_side = segmenter(checkpoint) if kind == "generator" else load_sam(CONFIG.replace(model=str(checkpoint)))
    image = photo(96, 128)

    def seen(image: np.ndarray, prompts: Prompts, up: str) -> Segmentation:
        on_its_side.config = on_its_side.config.replace(camera_up=up)
        return on_its_side.ask(image, prompts) if kind == "asked" else on_its_side.segment(image)

    upright = seen(image, Prompts(np.array([[40.0, 30.0]]), np.array([[20.0, 10.0, 90.0, 70.0]])), "up")
    turned = Prompts(np.array([[30.0, 88.0]]), np.array([[10.0, 38.0, 70.0, 108.0]]))  # x' = y, y' = 128 - x
    found = seen(np.rot90(image), turned, "left")
    assert len(found.instances) > 1 and found.prompts == upright.prompts
    np.testing.assert_array_equal(found.instances.dense_masks(), np.rot90(upright.instances.dense_masks(), 1, (1, 2)))
    assert found.instances.class_names == upright.instances.class_names
    np.testing.assert_array_equal(found.instances.scores, upright.instances.scores)
