"""What things bump into: the convex pieces of a mesh."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from saom_core.files import user_cache, write_atomically

CONVEX_SHARE = 0.7
"""A mesh that fills this much of its convex hull collides as the hull; others are split into convex pieces."""
HULLS = 12
RESOLUTION = 20_000
"""Of convex pieces: at most so many, found on so many voxels."""


def colliders(corners: Sequence[np.ndarray], faces: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Convex pieces, (V, 3) metres each, that things bump into, and the volume of the whole's convex hull, m3."""
    import trimesh

    offsets = np.cumsum([0, *(len(points) for points in corners[:-1])])
    whole = trimesh.Trimesh(
        np.concatenate(corners), np.concatenate([f + o for f, o in zip(faces, offsets, strict=True)]), process=True
    )
    hull = whole.convex_hull
    if whole.is_watertight and abs(whole.volume) > CONVEX_SHARE * hull.volume:
        return [np.asarray(hull.vertices)], float(hull.volume)
    return _pieces(whole) or [np.asarray(hull.vertices)], float(hull.volume)


def _pieces(mesh: Any) -> list[np.ndarray]:
    """The convex pieces (V, 3) of a mesh; kept in the user's cache, since every process would take a while for them."""
    shape = hashlib.sha256(f"{HULLS} {RESOLUTION}".encode())
    shape.update(np.asarray(mesh.vertices, np.float32).tobytes())
    shape.update(np.asarray(mesh.faces, np.int32).tobytes())
    kept = user_cache() / "hulls" / f"{shape.hexdigest()[:32]}.npz"
    with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile), np.load(kept) as file:
        return list(file.values())
    pieces = [
        np.asarray(piece.vertices) for piece in mesh.convex_decomposition(maxConvexHulls=HULLS, resolution=RESOLUTION)
    ]
    with contextlib.suppress(OSError):  # a full or read-only disk costs time alone
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, lambda file: np.savez(file, *pieces))
    return pieces
