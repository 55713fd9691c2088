"""The paper's nearest-neighbour assignment (arXiv 2403.10780): which grid point prompts an object in training.

The place whose features are most like the object's own is where everything mode will most likely find the object. The
grid point nearest to that place becomes the prompt. `nearest_grid_points` reads as the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from saom_core.prompting.grid import grid_points

BoolArray = npt.NDArray[np.bool_]
_PRIOR_STEP = 4  # the similarity map is enlarged by it before it is un-padded (as SAM's masks are finer than tokens)


@dataclass(frozen=True)
class AssignedPoints:
    """The points of those K of N objects that do not vanish at the embedding's resolution."""

    points_xy: npt.NDArray[np.float64]  # (K, 2), 0..1 of the image
    rows: npt.NDArray[np.int64]  # (K,), increasing: which objects they are


def nearest_grid_points(
    embedding: Tensor,
    masks: BoolArray,
    input_hw: tuple[int, int],
    grid: tuple[int, int] | None,
    *,
    on_object: bool = False,
) -> AssignedPoints:
    """The prompt of each object: the grid point nearest to the arg-max of its location prior.

    Args:
        embedding: (C, h, w) of the image, padded to a square input as SAM does.
        masks: (N, H, W) bool, at the image's resolution.
        input_hw: how much of the encoder's input the image covers.
        grid: columns and rows of the point grid; None: the arg-max itself.
        on_object: look for the arg-max, and the grid point, on the object itself, where it has any pixel or point.

    Returns:
        Points of the objects; those that vanish at the embedding's resolution are dropped, as in the paper.
    """
    small = at_embedding_size(masks, input_hw, embedding.shape[1])
    rows = np.flatnonzero(small.flatten(1).any(1).numpy())
    height, width = masks.shape[1:]
    size = np.array([width, height])
    lattice = None if grid is None else grid_points(*grid) * size
    features = embedding.float()
    directions = F.normalize(features, dim=0)  # once for all objects
    points = np.zeros((len(rows), 2))
    for k, row in enumerate(rows):
        prior = location_prior(features, directions, small[row], input_hw, (height, width)).numpy()
        if on_object:
            prior = np.where(masks[row], prior, -np.inf)
        y, x = np.unravel_index(prior.argmax(), prior.shape)
        points[k] = x + 0.5, y + 0.5
        if lattice is not None:
            points[k] = nearest_of(lattice, points[k], masks[row] if on_object else None)
    return AssignedPoints(points / size, rows)


def nearest_of(
    lattice: npt.NDArray[np.float64], point_xy: npt.NDArray[np.float64], mask: BoolArray | None
) -> npt.NDArray[np.float64]:
    """The point of a lattice (K, 2) that is nearest to one (2,), in pixels; of those on the mask, if it holds any."""
    if mask is not None:
        inside = lattice[mask[tuple(lattice.astype(int).T[::-1])]]
        lattice = inside if len(inside) else lattice
    return lattice[np.square(lattice - point_xy).sum(1).argmin()]


def at_embedding_size(masks: BoolArray, input_hw: tuple[int, int], side: int) -> Tensor:
    """(N, side, side) bool: which image tokens the objects have a part in.

    Masks go the image's way (enlarged to the input, padded to a square) and are then taken at the tokens' places,
    bilinearly; above 0 counts.
    """
    tokens_at = []
    for mask in masks:  # one by one: at SAM's full input a mask has 4 MB
        resized = F.interpolate(torch.from_numpy(mask)[None, None].float(), input_hw, mode="bilinear")
        edge = max(input_hw)
        square = F.pad(resized, (0, edge - input_hw[1], 0, edge - input_hw[0]))
        tokens_at.append(F.interpolate(square, (side, side), mode="bilinear")[0, 0] > 0)
    return torch.stack(tokens_at) if tokens_at else torch.zeros((0, side, side), dtype=torch.bool)


def location_prior(
    features: Tensor, directions: Tensor, object_tokens: Tensor, input_hw: tuple[int, int], image_hw: tuple[int, int]
) -> Tensor:
    """How like an object each place of the image is.

    Args:
        features: (C, h, w) float32 embedding.
        directions: (C, h, w) the same, as unit vectors.
        object_tokens: (h, w) bool, at least one of them true.
        input_hw: how much of the encoder's input the image covers.
        image_hw: the image's size.

    Returns:
        (H, W) float32, cosine similarity to the object's target feature.
    """
    return _to_image(_similarity(features, directions, object_tokens), input_hw, image_hw)


def _similarity(features: Tensor, directions: Tensor, object_tokens: Tensor) -> Tensor:
    """(h, w) cosine similarity of (C, h, w) features, whose unit vectors are given, to an object's target feature."""
    own = features[:, object_tokens]  # (C, n)
    target = F.normalize((own.amax(1) + own.mean(1)) / 2, dim=0)
    return torch.einsum("c,chw->hw", target, directions)


def _to_image(similarity: Tensor, input_hw: tuple[int, int], image_hw: tuple[int, int]) -> Tensor:
    """A map over the padded input, enlarged by four, then as in `Sam.postprocess_masks`: to input, un-pad, to image."""
    side, edge = len(similarity), max(input_hw)
    fine = F.interpolate(similarity[None, None], (_PRIOR_STEP * side,) * 2, mode="bilinear")
    padded = F.interpolate(fine, (edge, edge), mode="bilinear")
    return F.interpolate(padded[..., : input_hw[0], : input_hw[1]], image_hw, mode="bilinear")[0, 0]
