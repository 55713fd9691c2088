"""Everything mode with the bundled model: geometry of the letterbox, odd images, odd depth, thresholds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.everything import EverythingModel, OnnxSegmenter
from saom_core.instances import Instances
from saom_core.letterbox import Letterbox, without_islands
from saom_core.prompting.prompts import Prompts


@pytest.fixture(scope="module")
def segmenter() -> OnnxSegmenter:
    return OnnxSegmenter(SaomConfig(threads=1, score_threshold=0.1, stability_threshold=0.1))


def table_scene(height: int = 480, width: int = 640) -> tuple[np.ndarray, np.ndarray]:
    """Boxes on a table: RGB and depth in metres."""
    rng = np.random.default_rng(0)
    depth = np.repeat(np.linspace(1.4, 0.7, height, dtype=np.float32)[:, None], width, axis=1)
    image = np.full((height, width, 3), (170, 150, 120), np.uint8)
    for k in range(6):
        top, left = int(height * (0.2 + 0.3 * (k // 3))), int(width * (0.1 + 0.3 * (k % 3)))
        window = np.s_[top : top + height // 5, left : left + width // 7]
        image[window], depth[window] = rng.integers(0, 255, 3), depth[window].min() - 0.15
    return image, depth


@pytest.mark.parametrize("source", [(480, 640), (720, 1280), (100, 30), (1, 1), (3, 4000)])
def test_letterbox_keeps_the_aspect_and_stays_inside(source: tuple[int, int]) -> None:
    box = Letterbox.fit(source, (288, 384))
    height, width = box.inner_hw
    assert 1 <= height <= 288 and 1 <= width <= 384 and (height == 288 or width == 384)
    assert box.image(np.zeros((*source, 3), np.uint8)).shape == (288, 384, 3)
    corners = box.to_source(np.array([[0.0, 0.0], [width, height]]))
    np.testing.assert_allclose(corners, [[0, 0], [source[1], source[0]]])


def test_cut_mask_against_per_pixel_bilinear_oracle() -> None:
    box = Letterbox.fit((60, 100), (96, 128))
    logits = np.random.default_rng(0).normal(size=(24, 32)).astype(np.float32)
    mask = box.cut_mask(logits, np.array([10.0, 5.0, 90.0, 55.0]))
    assert mask is not None
    dense = mask.dense((60, 100))
    inner_height, inner_width = box.inner_hw
    for y, x in ((7, 12), (30, 50), (54, 88), (20, 70), (41, 33)):
        u = (x + 0.5) * inner_width / 100 / 4 - 0.5
        v = (y + 0.5) * inner_height / 60 / 4 - 0.5
        u0, v0 = int(np.floor(u)), int(np.floor(v))
        a, b = u - u0, v - v0
        rows, columns = np.clip([v0, v0 + 1], 0, 23), np.clip([u0, u0 + 1], 0, 31)
        value = np.array([1 - b, b]) @ logits[np.ix_(rows, columns)] @ np.array([1 - a, a])
        if abs(value) > 0.1:  # OpenCV interpolates with 5 fractional bits
            assert dense[y, x] == (value > 0)


def test_answer_is_whole_and_in_order(segmenter: OnnxSegmenter) -> None:
    image, depth = table_scene()
    answer = segmenter.segment(image, depth, CameraIntrinsics(525, 525, 320, 240, 640, 480))
    instances = answer.instances
    assert len(instances) > 0 and instances.size_hw == (480, 640)
    assert set(answer.timings_ms) == {"preprocess", "network", "postprocess"}
    assert all(mask.area >= segmenter.config.min_area_px for mask in instances.masks)
    assert instances.boxes3d is not None and np.isfinite(instances.distances_m).any()
    assert all(name in (*segmenter.info.class_names, "") for name in instances.class_names)


def test_same_frame_same_answer(segmenter: OnnxSegmenter) -> None:
    image, depth = table_scene()
    one, two = (segmenter.segment(image, depth).instances for _ in range(2))
    np.testing.assert_array_equal(one.label_image(), two.label_image())


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 3), (37, 501), (720, 1280), pytest.param((4320, 7680), marks=pytest.mark.slow)]
)
def test_any_size(segmenter: OnnxSegmenter, size: tuple[int, int]) -> None:
    instances = segmenter.segment(np.full((*size, 3), 90, np.uint8)).instances
    assert instances.size_hw == size and instances.label_image().shape == size


@pytest.mark.parametrize("asked", [False, True])
def test_a_camera_tells_names_also_where_places_are_left_to_the_caller(segmenter: OnnxSegmenter, asked: bool) -> None:
    image, depth = table_scene()
    camera = CameraIntrinsics(1100.0, 1100.0, 319.5, 239.5, 640, 480)  # half as wide as the one that is guessed

    def answer(camera: CameraIntrinsics | None, located: bool) -> Instances:
        if asked:
            points = Prompts(np.array([[120.0, 140.0], [300.0, 140.0]]))
            return segmenter.ask(image, points, depth, camera, located=located).instances
        return segmenter.segment(image, depth, camera, located).instances

    segmenter.config = segmenter.config.replace(drop_surfaces=False)
    try:
        placed, unplaced, unknown = answer(camera, True), answer(camera, False), answer(None, True)
    finally:
        segmenter.config = segmenter.config.replace(drop_surfaces=True)
    assert placed.boxes3d is not None and unplaced.boxes3d is None and unplaced.centroids_m is None
    np.testing.assert_array_equal(unplaced.distances_m, placed.distances_m)
    np.testing.assert_array_equal(unplaced.class_scores, placed.class_scores)
    assert unplaced.class_names == placed.class_names
    assert not np.array_equal(unplaced.class_scores, unknown.class_scores)


@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e9])
def test_depth_without_any_measurement_equals_no_depth(segmenter: OnnxSegmenter, fill: float) -> None:
    image, _ = table_scene()
    alone = segmenter.segment(image).instances
    filled = segmenter.segment(image, np.full((480, 640), fill, np.float32)).instances
    np.testing.assert_array_equal(alone.label_image(), filled.label_image())
    assert np.isnan(filled.distances_m).all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
)
def test_wrong_images_are_refused(segmenter: OnnxSegmenter, image: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected an image"):
        segmenter.segment(image)


def test_depth_of_another_size_is_refused(segmenter: OnnxSegmenter) -> None:
    image, depth = table_scene()
    with pytest.raises(InputError, match="align depth"):
        segmenter.segment(image, depth[::2, ::2])


def test_thresholds_act_without_a_new_model(segmenter: OnnxSegmenter) -> None:
    image, depth = table_scene()
    before = segmenter.config
    few = before.replace(max_instances=1, score_threshold=0.2)
    try:
        segmenter.config = few
        assert len(segmenter.segment(image, depth).instances) <= 1
        segmenter.config = before.replace(score_threshold=1.0)
        assert len(segmenter.segment(image, depth).instances) == 0
    finally:
        segmenter.config = before


def test_unsure_classes_become_other(segmenter: OnnxSegmenter) -> None:
    image, depth = table_scene()
    before = segmenter.config
    try:
        segmenter.config = before.replace(class_score_threshold=1.0)
        instances = segmenter.segment(image, depth).instances
        assert set(instances.class_names) <= {"Other"}
    finally:
        segmenter.config = before


def flooded(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Connected pieces, 8 neighbours, one pixel after the other."""
    left, pieces = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        edge = [left.pop()]
        piece = set(edge)
        while edge:
            y, x = edge.pop()
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            piece |= near
            edge += near
        pieces.append(piece)
    return pieces


def test_islands_go_and_large_pieces_stay() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.1, 0.5, 1.0):
        for density in (0.02, 0.3, 0.45):
            mask = rng.random((19, 23)) < density
            mask[9, 11] = True
            pieces = flooded(mask)
            wanted = np.zeros_like(mask)
            for piece in pieces:
                if len(piece) >= share * max(map(len, pieces)):
                    wanted[tuple(zip(*piece, strict=True))] = True
            logits = np.where(mask, 1, -1) * rng.uniform(0.1, 9, mask.shape).astype(np.float32)
            cleaned = without_islands(logits, share)
            assert np.array_equal(cleaned > 0, wanted)
            assert np.array_equal(cleaned[mask == wanted], logits[mask == wanted])
    empty = np.full((3, 4), -1, np.float32)
    assert without_islands(empty, 0.1) is empty


class Recorder:
    """A model that remembers what it was asked."""

    def __init__(self, model: EverythingModel, **info: Any) -> None:
        self.model, self.info = model, dataclasses.replace(model.info, **info)
        self.prompts_xy: Any = None
        self.further: Any = None

    def run(
        self, image_rgb: Any, depth_m: Any, thresholds: Any, prompts_xy: Any = None, further: Any = None
    ) -> dict[str, Any]:
        self.prompts_xy, self.further = prompts_xy, further
        return self.model.run(image_rgb, depth_m, thresholds, prompts_xy, further)


@pytest.mark.parametrize("size_hw", [(640, 480), (1000, 200), (360, 640)])
def test_all_points_lie_on_the_picture(segmenter: OnnxSegmenter, size_hw: tuple[int, int]) -> None:
    """An upright photo has all 1024 points, not those of the built-in grid that miss the padding."""
    recorder = Recorder(segmenter.model)
    image, _ = table_scene(*size_hw)
    answer = OnnxSegmenter(segmenter.config, recorder).segment(image)
    scale = min(288 / size_hw[0], 384 / size_hw[1])
    height, width = round(size_hw[0] * scale), round(size_hw[1] * scale)
    naive = [((i + 0.5) * width / 32, (j + 0.5) * height / 32) for j in range(32) for i in range(32)]
    np.testing.assert_allclose(recorder.prompts_xy, naive, rtol=1e-5)
    assert recorder.further["picture"].tolist() == [width, height]
    points = answer.instances.points_xy
    assert len(points) and (points >= 0).all() and (points < size_hw[::-1]).all()


def test_a_picture_that_fills_the_input_has_the_built_in_points(segmenter: OnnxSegmenter) -> None:
    recorder = Recorder(segmenter.model)
    OnnxSegmenter(segmenter.config, recorder).segment(table_scene()[0])
    assert recorder.prompts_xy is None


def test_a_full_answer_is_told_once(segmenter: OnnxSegmenter, caplog: pytest.LogCaptureFixture) -> None:
    """More instances are wanted than the file has rows, and all of its rows are filled."""
    image, _ = table_scene()
    rows = len(segmenter.segment(image).instances)

    class Full(Recorder):
        def run(self, *args: Any, **given: Any) -> dict[str, Any]:
            outputs = super().run(*args, **given)
            filled = int(np.count_nonzero(outputs["scores"] > 0))
            return {name: v if name == "image_embedding" else v[:filled] for name, v in outputs.items()}

    full = OnnxSegmenter(segmenter.config, Full(segmenter.model, most_instances=rows))
    for _ in range(2):
        full.segment(image)
    (record,) = [record for record in caplog.records if "instances at most" in record.message]
    assert "saom export --max-instances" in record.message
    caplog.clear()
    full = OnnxSegmenter(segmenter.config.replace(max_instances=rows), Full(segmenter.model, most_instances=rows))
    full.segment(image)
    assert not caplog.records
