"""Every change of size keeps every modality in its place: ramps whose value is the place are sent through it.

A ramp of one per pixel says, wherever it is read, from which source pixel the value comes. A resize that floors where
it should round, or that takes corners for centres, shows as a constant offset.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from saom_cli.bench import _frame
from saom_core.instances import MaskCrop
from saom_core.letterbox import Letterbox

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("saom_core", "saom_ros", "saom_cli", "training", "tools")
INPUT_HW = (288, 384)
SOURCES_HW = [(480, 640), (1080, 1920), (375, 500), (240, 320), (200, 97), (288, 384)]


def true_sources(length: int, inner: int) -> npt.NDArray[np.float64]:
    """Source coordinate, in pixel centres, that the centre of each of `inner` target pixels lies on."""
    return (np.arange(inner) + 0.5) * length / inner - 0.5


def ramps(size_hw: tuple[int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Row and column number of each pixel, each (H, W)."""
    rows, columns = np.indices(size_hw, np.float32)
    return np.ascontiguousarray(rows), np.ascontiguousarray(columns)


@pytest.mark.parametrize("source_hw", SOURCES_HW)
def test_depth_is_taken_at_the_nearest_pixel(source_hw: tuple[int, int]) -> None:
    box = Letterbox.fit(source_hw, INPUT_HW)
    height, width = box.inner_hw
    rows, columns = (box.depth(ramp)[:height, :width] for ramp in ramps(source_hw))
    # half a source pixel is the most that rounding to a pixel can cost
    assert np.abs(rows - true_sources(source_hw[0], height)[:, None]).max() <= 0.5 + 1e-6
    assert np.abs(columns - true_sources(source_hw[1], width)[None]).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("target_hw", [(288, 384), (30, 40), (37, 50)])
@pytest.mark.parametrize("source_hw", [(48, 64), (60, 41)])
def test_the_picture_is_taken_where_depth_is(source_hw: tuple[int, int], target_hw: tuple[int, int]) -> None:
    box = Letterbox.fit(source_hw, target_hw)
    height, width = box.inner_hw
    for axis, ramp in enumerate(ramps(source_hw)):
        picture = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8) * 4  # so that a grey value is a quarter pixel
        got = box.image(picture)[:height, :width, 0] / 4.0
        wanted = true_sources(source_hw[axis], (height, width)[axis])
        wanted = wanted[:, None] if axis == 0 else wanted[None]
        inside = (wanted > 0.5) & (wanted < source_hw[axis] - 1.5)  # the border repeats its last value
        off = (got - wanted)[np.broadcast_to(inside, got.shape)]
        assert np.abs(off).max() <= 0.25 and abs(off.mean()) < 0.1, (axis, np.abs(off).max(), off.mean())


@pytest.mark.parametrize("source_hw", SOURCES_HW)
def test_a_mask_edge_lies_where_the_logits_cross_zero(source_hw: tuple[int, int]) -> None:
    box = Letterbox.fit(source_hw, INPUT_HW)
    logits_hw = INPUT_HW[0] // 4, INPUT_HW[1] // 4
    for axis in (0, 1):
        edge = 0.4 * box.inner_hw[axis]  # of the network's input, in pixels from its border
        centres = (np.arange(logits_hw[axis]) + 0.5) * 4
        ramp = np.broadcast_to(centres - edge if axis == 1 else (centres - edge)[:, None], logits_hw)
        whole = np.array([0, 0, source_hw[1], source_hw[0]], np.float64)
        mask = box.cut_mask(np.ascontiguousarray(ramp, np.float32), whole)
        assert mask is not None
        # the first source pixel whose centre lies beyond the crossing
        true_edge = 0.4 * source_hw[axis]
        begin = mask.y if axis == 0 else mask.x
        assert begin == pytest.approx(np.ceil(true_edge - 0.5), abs=0.51 if source_hw[axis] < 400 else 1.01)


def test_points_and_boxes_come_back_where_they_were() -> None:
    for source_hw in SOURCES_HW:
        box = Letterbox.fit(source_hw, INPUT_HW)
        corners = np.array([[0.0, 0.0], [source_hw[1], source_hw[0]], [12.5, 7.25]])
        np.testing.assert_allclose(box.to_source(box.to_target(corners)), corners, atol=1e-9)
        np.testing.assert_allclose(box.to_target(corners[1]), box.inner_hw[::-1], atol=1e-9)


def test_saom_bench_takes_photo_and_depth_at_the_same_place(tmp_path: Path) -> None:
    height, width = 120, 201
    columns = np.broadcast_to(np.arange(width), (height, width))
    cv2.imwrite(str(tmp_path / "photo.png"), np.repeat(columns[..., None], 3, axis=2).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "depth.png"), (columns + 1000).astype(np.uint16))
    photo, metres = _frame(tmp_path / "photo.png", tmp_path / "depth.png", (60, 77))
    assert metres is not None
    off = (metres * 1000 - 1000) - photo[..., 0].astype(float)
    assert abs(off[:, 1:-1].mean()) < 0.1 and np.abs(off).max() <= 1.01


def test_a_mask_keeps_its_pixels() -> None:
    """The crop of a mask is no resize at all: what goes in comes out."""
    dense = np.zeros((9, 11), bool)
    dense[2:5, 3:9] = True
    np.testing.assert_array_equal(MaskCrop.from_dense(dense).dense((9, 11)), dense)


def test_no_resize_rounds_down() -> None:
    """cv2.resize with INTER_NEAREST takes the pixel above and to the left; INTER_NEAREST_EXACT takes the nearest."""
    call = re.compile(r"cv2\.resize\((?:[^()]|\([^()]*\))*INTER_NEAREST\b(?!_EXACT)")
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    assert not [str(path) for path in sources if call.search(path.read_text(encoding="utf-8"))]
    assert call.search("cv2.resize(depth, (w, h), interpolation=cv2.INTER_NEAREST)"), "what is looked for is found"
