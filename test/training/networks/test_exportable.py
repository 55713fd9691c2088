"""Which input a file gets for a camera."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from torch import nn

from saom_core.errors import ConfigError
from saom_training.networks.exportable import Exportable

TINY = Exportable(
    graph=nn.Identity(),
    name="tiny",
    class_names=(),
    network={},
    record={},
    license="",
    uses_depth=True,
    divisor=32,
    longest=None,
    default_size_hw=(288, 384),
    prompts_at_once=0,
    costly=False,
)
SAM = dataclasses.replace(TINY, divisor=16, longest=1024, default_size_hw=(1024, 1024))
CAMERAS = [(480, 640), (640, 480), (720, 1280), (1080, 1920), (375, 1242), (500, 500)]


def covered(camera: tuple[int, int], size: tuple[int, int]) -> float:
    """Pixels of the input on which the picture lies."""
    scale = min(size[0] / camera[0], size[1] / camera[1])
    return camera[0] * camera[1] * scale * scale


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_camera_s_shape_at_the_usual_cost(camera: tuple[int, int]) -> None:
    """No input of as many pixels shows more of the picture, and padding is little."""
    size = TINY.size_for(camera)
    TINY.check_size(size)
    assert size[0] * size[1] <= 288 * 384
    sides = range(32, 3000, 32)
    best = max(covered(camera, (h, w)) for h, w in itertools.product(sides, sides) if h * w <= 288 * 384)
    assert covered(camera, size) == pytest.approx(best, rel=2e-3)
    assert covered(camera, size) / (size[0] * size[1]) > 0.85
    assert camera != (480, 640) or size == (288, 384)


@pytest.mark.parametrize("camera", CAMERAS)
def test_sam_sees_the_picture_at_its_own_scale(camera: tuple[int, int]) -> None:
    size = SAM.size_for(camera)
    SAM.check_size(size)
    assert max(size) == 1024 and min(size) - 1024 * min(camera) / max(camera) < 16
    assert covered(camera, size) == pytest.approx(covered(camera, (1024, 1024)))


def test_without_a_camera_every_shape() -> None:
    assert SAM.size_for(None) == (1024, 1024)
    with pytest.raises(ConfigError, match="give --camera"):
        TINY.size_for(None)
