"""The training prompts of one image for a SAM-family network: which points, and which object each of them means.

The first point of an object follows the assignment strategy (`PromptConfig.assignment`). After it comes what the paper
leaves out: further points on the object, jitter, points on the background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from saom_core.config import check_options, option_field
from saom_core.errors import ConfigError
from saom_core.masks import innermost_pixel
from saom_core.prompting.grid import grid_points

from ..assign import BACKGROUND, Prompts
from .location_prior import AssignedPoints, nearest_grid_points, nearest_of

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PromptConfig:
    """How the points of training come about; the defaults are the paper's (arXiv 2403.10780).

    Raises:
        ConfigError: a value of the wrong type, out of range, or none of the choices.
    """

    grid: tuple[int, int] = option_field((32, 32), "Columns and rows of everything mode's point grid")
    assignment: str = option_field(
        "nearest",
        "Point of an object: nearest: arg-max of the location prior; centre: the pixel farthest from its edge; "
        "random: any pixel of it",
        choices=("nearest", "centre", "random"),
    )
    snap_to_grid: bool = option_field(True, "Replace the point by its nearest neighbour in the grid")
    on_object: bool = option_field(False, "Prior and grid point are sought on the object alone, where it has any")
    prompts_per_object: int = option_field(1, "The assigned point, and further random ones on the object", minimum=1)
    jitter: float = option_field(
        0.0, "Largest random shift of a point, which stays on its object", unit="grid cells", minimum=0.0, maximum=1.0
    )
    background_prompts: int = option_field(0, "Grid points on no object, whose masks must score low", minimum=0)

    def __post_init__(self) -> None:
        check_options(self)
        if len(self.grid) != 2 or min(self.grid) < 1 or not all(isinstance(side, int) for side in self.grid):
            raise ConfigError(f"grid: expected columns and rows of at least 1, as in 32x32, got {self.grid!r}")


def sam_prompts(
    embedding: Tensor | None,
    masks: BoolArray,
    background: BoolArray,
    input_hw: tuple[int, int],
    config: PromptConfig,
    rng: np.random.Generator,
) -> Prompts:
    """Prompts of one image.

    Args:
        embedding: (C, h, w) of the image; only the "nearest" assignment needs it.
        masks: (N, H, W) bool, none of them empty.
        background: (H, W) bool, pixels that are surely of no object.
        input_hw: how much of the encoder's input the image covers.
        config: strategy and numbers.
        rng: draws what is random.

    Returns:
        The prompts on the background first, then `prompts_per_object` for each object that the strategy keeps.
    """
    if config.assignment == "nearest":
        assert embedding is not None
        grid = config.grid if config.snap_to_grid else None
        first = nearest_grid_points(embedding, masks, input_hw, grid, on_object=config.on_object)
    else:
        pick = {"centre": _centre, "random": _random_pixel}[config.assignment]
        first = _picked(masks, pick, config, rng)
    points = [_background_points(background, config, rng)]
    targets = [np.full(len(points[0]), BACKGROUND, np.int64)]
    for row, point in zip(first.rows, first.points_xy, strict=True):
        further = _grid_points_on(masks[row], config.prompts_per_object - 1, config, rng)
        own = np.vstack([point[None], further])
        points.append(_jittered(own, masks[row], config, rng))
        targets.append(np.full(len(own), row, np.int64))
    return Prompts(np.concatenate(points).astype(np.float32), np.concatenate(targets))


def _picked(
    masks: BoolArray,
    pick: Callable[[BoolArray, np.random.Generator], npt.NDArray[np.float64]],
    config: PromptConfig,
    rng: np.random.Generator,
) -> AssignedPoints:
    """A pixel of each object, or the grid point nearest to it."""
    size = np.array(masks.shape[:0:-1])
    points = np.array([pick(mask, rng) for mask in masks]).reshape(-1, 2)
    if config.snap_to_grid and len(points):
        lattice = grid_points(*config.grid) * size
        for k, mask in enumerate(masks):
            points[k] = nearest_of(lattice, points[k], mask if config.on_object else None)
    return AssignedPoints(points / size, np.arange(len(masks)))


def _centre(mask: BoolArray, _rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The middle of the pixel that is farthest from the object's edge; the image's edge counts as an edge."""
    return np.array(innermost_pixel(mask)) + 0.5


def _random_pixel(mask: BoolArray, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    rows, columns = np.nonzero(mask)
    k = rng.integers(len(rows))
    return np.array([columns[k] + 0.5, rows[k] + 0.5])


def _grid_points_on(
    mask: BoolArray, count: int, config: PromptConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """`count` random grid points on the object, as in everything mode; where none hits it, random pixels."""
    if count == 0:
        return np.zeros((0, 2))
    lattice = grid_points(*config.grid)
    inside = lattice[_at(mask, lattice)]
    if len(inside):
        return inside[rng.integers(len(inside), size=count)]
    return np.array([_random_pixel(mask, rng) for _ in range(count)]) / mask.shape[::-1]


def _background_points(
    background: BoolArray, config: PromptConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    if config.background_prompts == 0:
        return np.zeros((0, 2))
    lattice = grid_points(*config.grid)
    free = lattice[_at(background, lattice)]
    chosen = free[rng.permutation(len(free))[: config.background_prompts]]
    return _jittered(chosen, background, config, rng)


def _jittered(
    points_xy: npt.NDArray[np.float64], mask: BoolArray, config: PromptConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Points (K, 2), 0..1, shifted by up to `jitter` grid cells; none is shifted off the mask."""
    if config.jitter == 0:
        return points_xy
    moved = points_xy + rng.uniform(-config.jitter, config.jitter, points_xy.shape) / config.grid
    stays = np.all((moved >= 0) & (moved < 1), axis=1)
    stays[stays] = _at(mask, moved[stays])
    return np.where(stays[:, None], moved, points_xy)


def _at(mask: BoolArray, points_xy: npt.NDArray[np.float64]) -> BoolArray:
    """(K,) bool: which of K points, 0..1, lie on the mask."""
    height, width = mask.shape
    return mask[(points_xy[:, 1] * height).astype(int), (points_xy[:, 0] * width).astype(int)]
