"""One simple planner: from the points of a target, and of what is around it, to the pose of a parallel jaw.

It completes the side that was not seen, takes pairs of contacts that hold by friction, and of the ways in which the jaw
can come to such a pair the best one that touches neither the rest of the scene nor the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .antipodal import antipodal_pairs
from .clouds import normals_of, support_height_m, thinned, without_strays
from .completion import Surface, completed
from .jaw import Jaw, lowest_m, points_in_the_way

FRICTION = 0.5  # of the planned contacts; less than the pads have, since normals of a noisy cloud are off by degrees
MOST_POINTS = 600
MOST_PAIRS = 300
LEAST_POINTS = 25
LEAST_WIDTH_M = 0.004
AIR_M = 0.008  # between each pad and the object while the jaw comes
ABOVE_SUPPORT_M = 0.004
MOST_TILT = np.radians(75)
TURNS = 12  # ways to come to a pair, around the line between its contacts
AT_ONCE = 100  # poses that are checked for collisions together
ALLOWED_POINTS = 2  # of noise, in the jaw's way
_TARGETS_OWN_M = 0.008  # points of the rest so near to the target's are the border of the mask, which is never exact


@dataclass(frozen=True)
class Grasp:
    """Where the jaw closes: `pose` (4, 4) maps the jaw's frame (z approach, y closing line) into the world."""

    pose: np.ndarray
    opening_m: float  # of the pads while it approaches
    quality: float


@dataclass(frozen=True)
class _Poses:
    turns: np.ndarray  # (G, 3, 3)
    origins: np.ndarray  # (G, 3)
    openings_m: np.ndarray  # (G,)
    quality: np.ndarray  # (G,)


def plan(
    target: np.ndarray, rest: np.ndarray, eye: np.ndarray, rng: np.random.Generator, jaw: Jaw | None = None
) -> Grasp | None:
    """The best grasp of the target that the planner finds, or None.

    Args:
        target: (N, 3) points of the object, metres, world, z up.
        rest: (M, 3) of everything else that the camera sees.
        eye: (3,) where the camera is.
        rng: Chooses among pairs and points where there are too many.
        jaw: The gripper; None: the Panda's.
    """
    jaw = jaw or Jaw()
    seen = without_strays(thinned(target))
    if len(seen) < LEAST_POINTS:
        return None
    support_m = support_height_m(seen, rest)
    seen = seen[seen[:, 2] > support_m + ABOVE_SUPPORT_M]
    if len(seen) < LEAST_POINTS:
        return None
    surface = completed(Surface(seen, normals_of(seen, eye)), support_m)
    obstacles = _obstacles(seen, rest, surface)
    chosen = surface.select(_some(len(surface.points), MOST_POINTS, rng))
    pairs, met = antipodal_pairs(chosen, FRICTION, (LEAST_WIDTH_M, jaw.opening_m - AIR_M))
    if not len(pairs):
        return None
    some = _some(len(pairs), MOST_PAIRS, rng)
    poses = _poses(chosen.points[pairs[some]], met[some], surface.points, support_m, jaw)
    return _first_free(poses, obstacles, support_m, jaw)


def _some(count: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.arange(count) if count <= most else rng.choice(count, most, replace=False)


def _obstacles(seen: np.ndarray, rest: np.ndarray, surface: Surface) -> np.ndarray:
    """What the jaw must not touch: the thinned rest near the target, and the target itself."""
    low, high = surface.points.min(axis=0) - 0.25, surface.points.max(axis=0) + 0.25
    near = thinned(rest[np.all((rest > low) & (rest < high), axis=1)], 0.008)
    if len(near):
        near = near[cKDTree(seen).query(near)[0] > _TARGETS_OWN_M]
    return np.concatenate([near, thinned(surface.points, 0.006)])


def _poses(ends: np.ndarray, met: np.ndarray, surface: np.ndarray, support_m: float, jaw: Jaw) -> _Poses:
    """Ways to come to each pair of contacts, the best first.

    Args:
        ends: (P, 2, 3) the contacts.
        met: (P,) see `antipodal_pairs`.
        surface: (N, 3) the completed object.
        support_m: Height of what it stands on.
        jaw: The gripper.
    """
    lines = ends[:, 1] - ends[:, 0]
    widths = np.linalg.norm(lines, axis=1)
    closing = lines / widths[:, None]
    # from straight down, or as near to it as is possible across the line, around the line
    down = np.array([0.0, 0.0, -1.0])
    level = np.cross(closing, down)
    length = np.linalg.norm(level, axis=1, keepdims=True)
    level = np.where(length > 1e-6, level / np.maximum(length, 1e-6), (1.0, 0.0, 0.0))
    steepest = np.cross(level, closing)
    angles = np.linspace(-MOST_TILT, MOST_TILT, TURNS + 1)[None, :, None]
    approach = np.cos(angles) * steepest[:, None] + np.sin(angles) * level[:, None]  # (P, A, 3)
    y = np.broadcast_to(closing[:, None], approach.shape)
    turns = np.stack([np.cross(y, approach), y, approach], axis=-1).reshape(-1, 3, 3)
    ways = approach.shape[1]
    openings = np.repeat(np.minimum(widths + 2 * AIR_M, jaw.opening_m), ways)
    origins = np.repeat(ends.mean(axis=1), ways, axis=0)
    # where the fingers would touch the table the whole jaw stays higher
    lift = np.maximum(0.0, support_m + ABOVE_SUPPORT_M - lowest_m(jaw, turns, origins, openings))
    steep = -turns[:, 2, 2]
    origins = origins + np.array([0.0, 0.0, 1.0]) * lift[:, None]
    middle = (surface.min(axis=0) + surface.max(axis=0)) / 2
    extent = max(float(np.linalg.norm(np.ptp(surface, axis=0))), 1e-6)
    off_middle = np.linalg.norm(origins - middle, axis=1) / extent
    quality = np.repeat(met, ways) + 0.5 * steep - 1.0 * off_middle - 20 * lift
    good = np.flatnonzero((steep >= np.cos(MOST_TILT)) & (lift < jaw.tip_m + 0.004))
    order = good[np.argsort(-quality[good], kind="stable")]
    return _Poses(turns[order], origins[order], openings[order], quality[order])


def _first_free(poses: _Poses, obstacles: np.ndarray, support_m: float, jaw: Jaw) -> Grasp | None:
    for begin in range(0, len(poses.quality), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        turns, origins, openings = poses.turns[some], poses.origins[some], poses.openings_m[some]
        free = points_in_the_way(jaw, turns, origins, openings, obstacles) <= ALLOWED_POINTS
        free &= lowest_m(jaw, turns, origins, openings) >= support_m + ABOVE_SUPPORT_M - 1e-6
        if free.any():
            best = begin + int(np.flatnonzero(free)[0])
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = poses.turns[best], poses.origins[best]
            return Grasp(pose, float(poses.openings_m[best]), float(poses.quality[best]))
    return None
