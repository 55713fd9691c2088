"""Which prompts a training image gets, and which object each prompt means.

For saom-tiny the rule is the grid's own: in everything mode each grid point is a prompt, so in training each
(jittered) grid point that lies on an object means that whole object, and one that lies on none means background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.prompting.grid import grid_points

BACKGROUND = -1


@dataclass(frozen=True)
class Prompts:
    """N prompts of one image."""

    points_xy: npt.NDArray[np.float32]  # (N, 2), 0..1
    targets: npt.NDArray[np.int64]  # (N,) index of the object, or BACKGROUND


def grid_prompts(
    object_ids: npt.NDArray[np.integer],
    count: int,
    background_share: float,
    grid: tuple[int, int],
    rng: np.random.Generator,
) -> Prompts:
    """Prompts drawn from the jittered grid, spread evenly over the objects.

    Args:
        object_ids: (H, W) which object a pixel belongs to, 0..K-1; BACKGROUND for none, below it for "do not ask".
        count: N.
        background_share: least share of background prompts, where there is background.
        grid: columns and rows of the point grid.
        rng: draws jitter (within a grid cell), objects and points.

    Returns:
        N prompts. An object that no grid point hits is prompted at one of its own pixels, so small objects are learned.
    """
    height, width = object_ids.shape
    jitter = (rng.random((grid[0] * grid[1], 2)) - 0.5) / np.array(grid)
    points = np.clip(grid_points(*grid) + jitter, 0.0, 1.0 - 1e-6)
    at_points = object_ids[(points[:, 1] * height).astype(int), (points[:, 0] * width).astype(int)]
    objects = np.unique(object_ids[object_ids >= 0])
    background = np.flatnonzero(at_points == BACKGROUND)
    n_background = count if objects.size == 0 else min(round(count * background_share), background.size)
    chosen = [points[rng.choice(background, n_background)]] if background.size and n_background else []
    targets = [np.full(len(part), BACKGROUND, np.int64) for part in chosen]
    n_objects = count - sum(map(len, chosen))
    if objects.size == 0 and n_objects:  # the whole image is "do not ask": neither object nor background
        raise ValueError("expected an image with objects or background, got one without either: drop it before")
    for position, k in enumerate(rng.permutation(objects)):
        share = n_objects // objects.size + (position < n_objects % objects.size)
        if share:
            chosen.append(_points_on(object_ids, at_points, points, k, share, rng))
            targets.append(np.full(share, k, np.int64))
    return Prompts(np.concatenate(chosen).astype(np.float32), np.concatenate(targets))


def _points_on(
    object_ids: npt.NDArray[np.integer],
    at_points: npt.NDArray[np.integer],
    points: npt.NDArray[np.float64],
    k: int,
    count: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """`count` points on object k: grid points where some hit the object, else pixels of it."""
    hits = np.flatnonzero(at_points == k)
    if hits.size:
        return points[rng.choice(hits, count)]
    rows, columns = np.nonzero(object_ids == k)
    picked = rng.integers(0, rows.size, count)
    height, width = object_ids.shape
    return np.stack([(columns[picked] + 0.5) / width, (rows[picked] + 0.5) / height], axis=1)
