"""Sub-parts: what of a mask has another colour, whatever lies around it; shading and noise make none."""

from __future__ import annotations

import numpy as np
import pytest
from sam_scenes import frame

from saom_training.samples.sub_parts import regions, sub_parts
from saom_training.samples.views import areas

GREEN, CREAM = (30, 120, 60), (230, 220, 190)


def picture(noise: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A green jar with a cream label before a cream wall, and the jar's mask."""
    image, jar = np.full((60, 80, 3), CREAM, np.uint8), np.zeros((60, 80), bool)
    jar[10:50, 20:60] = True
    image[jar] = GREEN
    image[20:40, 30:50] = CREAM
    shift = np.random.default_rng(seed).integers(-noise, noise + 1, image.shape)
    return np.clip(image.astype(int) + shift, 0, 255).astype(np.uint8), jar


@pytest.mark.parametrize("noise", [0, 12])
def test_a_label_and_what_is_left_of_its_jar(noise: int) -> None:
    image, jar = picture(noise)
    label = np.zeros_like(jar)
    label[20:40, 30:50] = True
    found = sub_parts(image, jar[None])
    assert len(found) == 2
    for piece, truth in zip(sorted(found, key=np.count_nonzero), (label, jar & ~label), strict=True):
        assert (piece & truth).sum() / (piece | truth).sum() > 0.95
        assert not (piece & ~jar).any()


def test_no_piece_of_one_colour_of_shading_or_of_specks() -> None:
    image, jar = picture()
    plain = np.full_like(image, 90)
    assert sub_parts(plain, jar[None]).shape == (0, 60, 80)
    noisy = plain + np.random.default_rng(0).integers(0, 20, plain.shape).astype(np.uint8)
    assert len(sub_parts(noisy, jar[None])) == 0
    shaded = plain + np.linspace(0, 30, 80).astype(np.uint8)[None, :, None]
    assert len(sub_parts(shaded, jar[None])) == 0
    speck = plain.copy()
    speck[30:34, 40:44] = 255  # a hundredth of the jar
    assert len(sub_parts(speck, jar[None])) == 0
    assert sub_parts(image, jar[None][:0]).shape == (0, 60, 80)
    assert sub_parts(image, np.zeros((1, 60, 80), bool)).shape == (0, 60, 80)


def test_two_patches_of_one_colour_are_two_pieces() -> None:
    image, jar = picture()
    image[20:40, 38:42] = GREEN  # the label is torn in two
    pieces = sorted(areas(sub_parts(image, jar[None])).tolist())
    assert pieces == pytest.approx([160, 160, 1280], abs=16)  # the median filter rounds corners


def test_pieces_follow_from_colours_alone() -> None:
    """On rendered-like scenes with a darker part each, the pieces are those parts, found without their masks."""
    for seed in range(5):
        scene = frame(seed, size_hw=(96, 128))
        masks = np.stack([scene.object_ids == k for k in range(2)])
        lids = [mask & (scene.part_ids == 1) for mask in masks]
        found = sub_parts(scene.image_rgb, masks)
        for lid in lids:
            assert max((piece & lid).sum() / (piece | lid).sum() for piece in found) > 0.9


def test_regions_are_connected_pieces_of_background() -> None:
    background = np.zeros((20, 30), bool)
    background[:, :8], background[:, 12:] = True, True
    background[0, 10] = True  # a speck
    assert sorted(areas(regions(background)).tolist()) == [160, 360]
    assert regions(np.zeros((20, 30), bool)).shape == (0, 20, 30)
    assert areas(regions(np.ones((20, 30), bool))).tolist() == [600]
