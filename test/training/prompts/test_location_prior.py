"""The nearest-neighbour assignment against a naive one made of loops, and its edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sam_scenes import tiny_model
from torch.nn import functional as F

from saom_training.prompts.location_prior import at_embedding_size, location_prior, nearest_grid_points

IMAGE_HW, INPUT_HW, SIDE = (30, 40), (48, 64), 4  # an input of 64 x 64, the lower quarter of it padding


def naive_resize(plane: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Bilinear, pixel by pixel, half-pixel centres, edges held."""
    out = np.zeros(size_hw)
    for r in range(size_hw[0]):
        for c in range(size_hw[1]):
            y = (r + 0.5) * plane.shape[0] / size_hw[0] - 0.5
            x = (c + 0.5) * plane.shape[1] / size_hw[1] - 0.5
            y0, x0 = math.floor(y), math.floor(x)
            for yy, wy in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
                for xx, wx in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
                    yc = min(max(yy, 0), plane.shape[0] - 1)
                    xc = min(max(xx, 0), plane.shape[1] - 1)
                    out[r, c] += wy * wx * plane[yc, xc]
    return out


def naive_tokens(mask: np.ndarray) -> np.ndarray:
    square = np.zeros((64, 64))
    square[: INPUT_HW[0], : INPUT_HW[1]] = naive_resize(mask.astype(float), INPUT_HW)
    return naive_resize(square, (SIDE, SIDE)) > 0


def naive_prior(embedding: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    channels = len(embedding)
    own = [embedding[:, r, c] for r in range(SIDE) for c in range(SIDE) if tokens[r, c]]
    target = np.zeros(channels)
    for channel in range(channels):
        values = [feature[channel] for feature in own]
        target[channel] = (max(values) + sum(values) / len(values)) / 2
    target /= math.sqrt(sum(v * v for v in target))
    similarity = np.zeros((SIDE, SIDE))
    for r in range(SIDE):
        for c in range(SIDE):
            feature = embedding[:, r, c]
            similarity[r, c] = sum(target * feature) / math.sqrt(sum(feature * feature))
    padded = naive_resize(naive_resize(similarity, (4 * SIDE, 4 * SIDE)), (64, 64))
    return naive_resize(padded[: INPUT_HW[0], : INPUT_HW[1]], IMAGE_HW)


def naive_points(prior: np.ndarray, grid: tuple[int, int], allowed: np.ndarray) -> list[tuple[float, float]]:
    """Arg-max, then the nearest of the grid's points, all of them tried; several where pixels are equal up to rounding.

    (They often are: beyond the outermost tokens the prior is flat.)
    """
    height, width = prior.shape
    pixels = [(r, c) for r in range(height) for c in range(width) if allowed[r, c]]
    highest = max(prior[pixel] for pixel in pixels)
    points = [
        ((x + 0.5) / grid[0] * width, (y + 0.5) / grid[1] * height) for y in range(grid[1]) for x in range(grid[0])
    ]
    points = [(x, y) for x, y in points if allowed[int(y), int(x)]]
    nearest = []
    for row, column in pixels:
        if prior[row, column] > highest - 1e-6:
            x, y = min(points, key=lambda p: (p[0] - column - 0.5) ** 2 + (p[1] - row - 0.5) ** 2)  # noqa: B023
            nearest.append((x / width, y / height))
    return nearest


@pytest.fixture
def embedding() -> torch.Tensor:
    return torch.randn(8, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def masks() -> np.ndarray:
    masks = np.zeros((4, *IMAGE_HW), bool)
    masks[0, 5:20, 3:17] = True
    masks[1, 12:29, 22:39] = True
    masks[2, 0, 0] = True  # one pixel, far from the places where tokens look
    masks[3] = True
    return masks


def test_tokens_and_prior_against_loops(embedding: torch.Tensor, masks: np.ndarray) -> None:
    tokens = at_embedding_size(masks, INPUT_HW, SIDE)
    for mask, found in zip(masks, tokens.numpy(), strict=True):
        np.testing.assert_array_equal(found, naive_tokens(mask))
    assert tokens.flatten(1).any(1).tolist() == [True, True, False, True]
    for row in (0, 1, 3):
        found = location_prior(embedding, F.normalize(embedding, dim=0), tokens[row], INPUT_HW, IMAGE_HW).numpy()
        np.testing.assert_allclose(found, naive_prior(embedding.double().numpy(), tokens[row].numpy()), atol=1e-5)


@pytest.mark.parametrize("grid", [(32, 32), (64, 64), (320, 64), (5, 3)])
@pytest.mark.parametrize("on_object", [False, True])
def test_points_against_loops(
    embedding: torch.Tensor, masks: np.ndarray, grid: tuple[int, int], on_object: bool
) -> None:
    assigned = nearest_grid_points(embedding, masks, INPUT_HW, grid, on_object=on_object)
    assert assigned.rows.tolist() == [0, 1, 3]  # what vanishes is dropped
    for row, point in zip(assigned.rows, assigned.points_xy, strict=True):
        prior = naive_prior(embedding.double().numpy(), naive_tokens(masks[row]))
        expected = naive_points(prior, grid, masks[row] if on_object else np.ones(IMAGE_HW, bool))
        assert any(np.allclose(point, one, atol=1e-9) for one in expected), (point, expected)


def test_without_grid_the_point_is_the_prior_s_maximum(embedding: torch.Tensor, masks: np.ndarray) -> None:
    assigned = nearest_grid_points(embedding, masks[:1], INPUT_HW, None)
    prior = naive_prior(embedding.double().numpy(), naive_tokens(masks[0]))
    x, y = assigned.points_xy[0] * (40, 30) - 0.5
    assert prior[round(y), round(x)] == pytest.approx(prior.max(), abs=1e-6)


def test_object_that_no_grid_point_hits_takes_the_nearest_one(embedding: torch.Tensor) -> None:
    mask = np.zeros((1, *IMAGE_HW), bool)
    mask[0, 11:15, 5:9] = True  # between the points of a grid of 2 x 2
    assigned = nearest_grid_points(embedding, mask, INPUT_HW, (2, 2), on_object=True)
    assert assigned.points_xy.tolist() == [[0.25, 0.25]]


def test_no_masks(embedding: torch.Tensor) -> None:
    assigned = nearest_grid_points(embedding, np.zeros((0, *IMAGE_HW), bool), INPUT_HW, (8, 8))
    assert assigned.points_xy.shape == (0, 2) and len(assigned.rows) == 0


def test_the_prior_is_unpadded_as_sam_unpads_masks(embedding: torch.Tensor) -> None:
    """segment-anything's own code on the same map, at the size of a network."""
    tokens = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    tokens[1, 2] = True
    target = F.normalize(embedding[:, 1, 2], dim=0)
    directions = F.normalize(embedding, dim=0)
    similarity = torch.einsum("c,chw->hw", target, directions)
    fine = F.interpolate(similarity[None, None], scale_factor=4, mode="bilinear")
    expected = tiny_model().sam.postprocess_masks(fine, INPUT_HW, IMAGE_HW)[0, 0]
    torch.testing.assert_close(location_prior(embedding, directions, tokens, INPUT_HW, IMAGE_HW), expected)
