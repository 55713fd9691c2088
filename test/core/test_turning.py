"""Cameras on their side or upside down: told which way is up, they see what an upright camera sees, turned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances, MaskCrop
from saom_core.naming.track_looks import NamedStream
from saom_core.pictures.photos import image_rgb_of
from saom_core.prompting.prompts import ObjectPrompt, Prompts
from saom_core.segmenter import Segmentation
from saom_core.turning import Turn

SCENE = Path(__file__).resolve().parents[2] / "demo" / "sequence" / "image_000.jpg"
TURNED = [(1, "left"), (2, "down"), (3, "right")]
"""Quarter turns by np.rot90, and where the upper edge of the picture comes to lie by them."""
POINTS = np.array([[300.0, 250.0], [400.5, 200.25], [0.5, 100.0]])
BOXES = np.array([[180.0, 120.0, 330.0, 300.0]])


@pytest.fixture(scope="module")
def segmenter() -> OnnxSegmenter:
    return OnnxSegmenter(SaomConfig(threads=1, score_threshold=0.3, stability_threshold=0.3))


@pytest.fixture(scope="module")
def image_rgb() -> np.ndarray:
    return image_rgb_of(SCENE)


def depth_of(image_rgb: np.ndarray) -> np.ndarray:
    """Some depth in metres that belongs to the picture: nearer towards its lower edge, and where it is bright."""
    near = np.linspace(1.5, 0.7, len(image_rgb), dtype=np.float32)[:, None]
    return np.asarray(near - image_rgb.mean(axis=2) / 1000, np.float32)


def turned_xy(points_xy: np.ndarray, quarters: int, size_hw: tuple[int, int]) -> np.ndarray:
    """Where points of a picture come to lie when np.rot90 turns it: about its middle, y counts downwards."""
    middle = np.array(size_hw[::-1]) / 2
    angle = quarters * np.pi / 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    new_middle = middle if quarters % 2 == 0 else middle[::-1]
    return np.asarray(np.round((points_xy - middle) @ turn.T + new_middle, 6))


def turned_prompts(quarters: int, size_hw: tuple[int, int]) -> Prompts:
    corners = turned_xy(BOXES.reshape(-1, 2, 2), quarters, size_hw)
    points = turned_xy(POINTS, quarters, size_hw)
    return Prompts(points, np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1))


def assert_turned(found: Segmentation, upright: Segmentation, quarters: int) -> None:
    """The same answer but for the turn."""
    ours, theirs = found.instances, upright.instances
    assert len(ours) == len(theirs) > 0 and ours.class_names == theirs.class_names
    assert found.prompts == upright.prompts
    for mask, other in zip(ours.masks, theirs.masks, strict=True):
        dense = np.rot90(other.dense(theirs.size_hw), quarters)
        np.testing.assert_array_equal(mask.dense(ours.size_hw), dense)
        assert mask.box_xyxy == MaskCrop.from_dense(dense).box_xyxy
    np.testing.assert_array_equal(ours.boxes_xyxy, [mask.box_xyxy for mask in ours.masks])
    np.testing.assert_allclose(ours.points_xy, turned_xy(theirs.points_xy, quarters, theirs.size_hw), atol=0.01)
    for name in ("scores", "stability", "class_scores", "distances_m", "valid_depth_ratio"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-4)
    np.testing.assert_array_equal(ours.touches_border, theirs.touches_border)


@pytest.mark.parametrize(("quarters", "up"), TURNED)
@pytest.mark.parametrize("with_depth", [True, False])
def test_everything_of_a_turned_picture(
    segmenter: OnnxSegmenter, image_rgb: np.ndarray, quarters: int, up: str, with_depth: bool
) -> None:
    depth = depth_of(image_rgb) if with_depth else None
    upright = segmenter.segment(image_rgb, depth)
    on_side = OnnxSegmenter(segmenter.config.replace(camera_up=up), segmenter.model)
    found = on_side.segment(np.rot90(image_rgb, quarters), None if depth is None else np.rot90(depth, quarters))
    assert_turned(found, upright, quarters)
    assert len({name for name in upright.instances.class_names if name != "Other"}) > 1


@pytest.mark.parametrize(("quarters", "up"), TURNED)
def test_what_prompts_find_in_a_turned_picture(
    segmenter: OnnxSegmenter, image_rgb: np.ndarray, quarters: int, up: str
) -> None:
    size_hw, depth = image_rgb.shape[:2], depth_of(image_rgb)
    upright = segmenter.ask(image_rgb, Prompts(POINTS, BOXES), depth)
    on_side = OnnxSegmenter(segmenter.config.replace(camera_up=up), segmenter.model)
    prompts = turned_prompts(quarters, size_hw)
    assert_turned(on_side.ask(np.rot90(image_rgb, quarters), prompts, np.rot90(depth, quarters)), upright, quarters)


@pytest.mark.parametrize("up", ["auto", "up"])
def test_a_picture_is_turned_by_nothing_but_a_direction(
    segmenter: OnnxSegmenter, image_rgb: np.ndarray, up: str
) -> None:
    size_hw = image_rgb.shape[:2]
    turn = Turn.upright(up, size_hw)
    prompts, found = Prompts(POINTS), Instances.empty(size_hw)
    assert turn.picture(image_rgb) is image_rgb and turn.prompts(prompts) is prompts and turn.instances(found) is found


def test_names_of_a_stream_are_those_of_the_upright_picture(segmenter: OnnxSegmenter, image_rgb: np.ndarray) -> None:
    upright = NamedStream(segmenter).update(image_rgb, 0.0)
    on_side = OnnxSegmenter(segmenter.config.replace(camera_up="left"), segmenter.model)
    found = NamedStream(on_side).update(np.rot90(image_rgb, 1), 0.0)
    assert sorted(found.class_names) == sorted(upright.class_names) and len(set(found.class_names)) > 2


@pytest.mark.parametrize(("quarters", "up"), TURNED)
@pytest.mark.parametrize("size_hw", [(40, 60), (61, 31), (1, 1)])
def test_turning_upright_and_back(quarters: int, up: str, size_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture, mask = rng.integers(0, 255, (*size_hw, 3), np.uint8), rng.random(size_hw) < 0.2
    mask[0, 0] = True
    on_side = np.ascontiguousarray(np.rot90(picture, quarters))
    turn = Turn.upright(up, on_side.shape[:2])
    np.testing.assert_array_equal(turn.picture(on_side), picture)
    np.testing.assert_array_equal(turn.back.picture(picture), on_side)
    assert turn.turned_hw == size_hw and turn.back.back == turn
    crop = MaskCrop.from_dense(np.rot90(mask, quarters))
    (upright,) = turn.masks([crop])
    np.testing.assert_array_equal(upright.dense(size_hw), mask)
    (again,) = turn.back.masks([upright])
    assert (again.x, again.y) == (crop.x, crop.y) and np.array_equal(again.crop, crop.crop)
    points = rng.uniform(0, 1, (5, 2)) * size_hw[::-1]
    np.testing.assert_allclose(turn.points(turned_xy(points, quarters, size_hw)), points, atol=1e-5)
    one = Instances.from_masks(turn.size_hw, [crop], np.ones(1, np.float32))
    back = turn.back.instances(turn.instances(one))
    for field in dataclasses.fields(one):
        if isinstance(getattr(one, field.name), np.ndarray):
            np.testing.assert_array_equal(getattr(back, field.name), getattr(one, field.name))


@pytest.mark.parametrize(("quarters", "up"), TURNED)
@pytest.mark.parametrize("size_hw", [(120, 160), (160, 90), (64, 64)])
def test_masks_of_one_object_turn_along(quarters: int, up: str, size_hw: tuple[int, int]) -> None:
    def logits_of(mask: np.ndarray) -> np.ndarray:
        """As SAM has them: a quarter of the longer edge here, the picture at the top left, padding beyond."""
        side = max(mask.shape) // 4
        padded = np.full((side, side), -9, np.float32)
        height, width = (round(length / 4) for length in mask.shape)
        padded[:height, :width] = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, axis=1)
        padded[0, 0] = 50
        return padded

    mask = np.zeros(size_hw, bool)
    mask[10:30, 5:50] = True
    logits = logits_of(mask)
    height, width = (round(length / 4) for length in size_hw)
    on_side = np.full_like(logits, -9)
    inner = np.rot90(logits[:height, :width], quarters)
    on_side[: inner.shape[0], : inner.shape[1]] = inner
    turn = Turn.upright(up, np.rot90(mask, quarters).shape)
    wanted = (np.rot90(mask, quarters), on_side)
    for given, expected in zip(wanted, (mask, logits), strict=True):
        (one,) = turn.prompts(Prompts(objects=(ObjectPrompt(mask=np.ascontiguousarray(given)),))).objects
        assert one.mask is not None and one.mask.dtype == expected.dtype
        np.testing.assert_array_equal(one.mask, expected)
