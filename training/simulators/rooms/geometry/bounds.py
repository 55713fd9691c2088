"""How much room a solid takes."""

from __future__ import annotations

import numpy as np

from .model import Solid
from .shapes import rotation


def solid_bounds(solid: Solid) -> tuple[np.ndarray, np.ndarray]:
    """Exact axis-aligned bounds of one solid: (3,) low and (3,) high, metres."""
    turn, pos = rotation(solid.euler), np.asarray(solid.pos, float)
    if solid.kind == "mesh":
        if solid.vertices is None:
            raise ValueError(
                f"expected vertices in the mesh of part {solid.part!r}, got none; give the mesh its arrays"
            )
        points = solid.vertices @ turn.T + pos
        return points.min(0), points.max(0)
    if solid.kind == "box":
        half = np.abs(turn) @ (np.asarray(solid.size) / 2)
    elif solid.kind == "ellipsoid":
        half = np.linalg.norm(turn * (np.asarray(solid.size) / 2), axis=1)
    elif solid.kind == "sphere":
        half = np.full(3, solid.size[0])
    else:
        radius, height = solid.size
        along = np.abs(turn[:, 2])
        across = np.ones(3) if solid.kind == "capsule" else np.sqrt(np.maximum(0.0, 1 - along**2))
        half = along * height / 2 + radius * across
    return pos - half, pos + half
