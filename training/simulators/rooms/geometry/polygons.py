"""Flat outlines: a simple polygon, convex or not, as triangles, and extruded to a prism."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .triangles import Mesh, arc_lengths, cleaned, grid_faces

Point2 = tuple[float, float]


def prism(outline_xy: Sequence[Point2] | np.ndarray, height: float) -> Mesh:
    """Extrudes a simple polygon (N, 2), convex or not, from z = 0 to `height`."""
    outline = np.asarray(outline_xy, float)
    following = np.roll(outline, -1, axis=0)
    if float(np.sum(outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0])) < 0:
        outline = outline[::-1]
    count = len(outline)
    low, span = outline.min(axis=0), np.ptp(outline, axis=0)
    caps_uv = (outline - low) / span
    cap = np.array(_ears(outline))
    flat = np.zeros((count, 1))
    loop = np.vstack([outline, outline[:1]])
    side = np.concatenate([np.column_stack([loop, np.full(count + 1, z)]) for z in (0.0, height)])
    along = arc_lengths(loop)
    side_uv = np.concatenate([np.column_stack([along, np.full(count + 1, v)]) for v in (0.0, 1.0)])
    vertices = np.vstack([np.hstack([outline, flat]), np.hstack([outline, flat + height]), side])
    faces = np.vstack([cap[:, ::-1], cap + count, grid_faces(2, count + 1) + 2 * count])
    uv_below = caps_uv * [-1.0, 1.0] + [1.0, 0.0]  # seen from below x runs to the left
    return cleaned(vertices, faces, np.vstack([uv_below, caps_uv, side_uv]))


def _crosses_itself(outline: np.ndarray) -> bool:
    """Whether two sides of a closed polygon (N, 2) that are no neighbours cut each other."""
    start, stop = outline, np.roll(outline, -1, axis=0)

    def side_of(points: np.ndarray) -> np.ndarray:
        """(N, N) on which side of the line through edge i point j lies."""
        along, to = (stop - start)[:, None], points[None] - start[:, None]
        return np.sign(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])

    parted = side_of(start) * side_of(stop) < 0
    return bool(np.any(parted & parted.T))


def _ears(outline: np.ndarray) -> list[tuple[int, int, int]]:
    """Triangles of a simple counter-clockwise polygon (N, 2): a fan if it is convex, else by cutting ears."""
    before, after = outline - np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0) - outline
    if np.all(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] >= 0) and _turns(before, after) < 1.5:
        return [(0, k, k + 1) for k in range(1, len(outline) - 1)]
    if _crosses_itself(outline):
        raise ValueError("expected a simple polygon, got one that crosses itself; mend the outline")
    places: list[tuple[float, float]] = [(float(x), float(y)) for x, y in outline]
    rest, triangles = list(range(len(places))), []

    def cross(i: int, j: int, k: int) -> float:
        (px, py), (qx, qy), (rx, ry) = places[i], places[j], places[k]
        return (qx - px) * (ry - py) - (qy - py) * (rx - px)

    while len(rest) > 3:
        for n in range(len(rest)):
            i, j, k = rest[n - 1], rest[n], rest[(n + 1) % len(rest)]
            inside = (
                cross(i, j, p) >= 0 and cross(j, k, p) >= 0 and cross(k, i, p) >= 0 for p in rest if p not in (i, j, k)
            )
            if cross(i, j, k) > 0 and not any(inside):
                triangles.append((i, j, k))
                del rest[n]
                break
        else:
            raise ValueError("expected a simple polygon, got one that touches itself; mend the outline")
    return [*triangles, (rest[0], rest[1], rest[2])]


def _turns(before: np.ndarray, after: np.ndarray) -> float:
    """How often a closed polygon goes around, from its edges (N, 2) before and after each corner; 1 if it is simple."""
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return float(np.abs(np.arctan2(cross, np.sum(before * after, axis=1))).sum() / (2 * np.pi))
