"""ObjectModel -> visible triangle meshes with texture coordinates, one per part and surface.

MuJoCo lays 2-D textures over primitives in one projection that streaks on the sides, so every visible solid becomes a
mesh here; the primitives themselves stay as invisible colliders.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .geometry.model import Look, ObjectModel, Solid, Vec3
from .geometry.triangles import rotation
from .looks.materials import Layout, layout_of

SEGMENTS = 24


@dataclass(frozen=True)
class Mesh:
    """Triangle corners: `points` (3T, 3), `normals` (3T, 3), `uv` (3T, 2) float64; corner 3k+i is triangle k's."""

    points: np.ndarray
    normals: np.ndarray
    uv: np.ndarray


@dataclass(frozen=True)
class Visual:
    """What is drawn of one part with one look."""

    part: str
    look: str
    layout: Layout
    size: Vec3  # of the first box, for the aspect of printed faces
    mesh: Mesh


def object_visuals(model: ObjectModel, looks: dict[str, Look], tile_m: dict[tuple[str, Layout], float]) -> list[Visual]:
    """The visible meshes of an object in its own frame.

    Args:
        model: The object.
        looks: Its looks after domain randomisation.
        tile_m: Length of a texture's repeat for every (look, layout) in metres; 1 where missing.
    """
    groups: dict[tuple[str, str, Layout], list[Mesh]] = {}
    sizes: dict[tuple[str, str, Layout], Vec3] = {}
    for solid in model.solids:
        if not solid.visible:
            continue
        layout = layout_of(looks[solid.look], solid.kind == "box")
        key = (solid.part, solid.look, layout)
        mesh = solid_mesh(solid, layout, tile_m.get((solid.look, layout), 1.0))
        groups.setdefault(key, []).append(mesh)
        if key not in sizes:
            sizes[key] = solid.size if solid.kind == "box" else (1.0, 1.0, 1.0)  # type: ignore[assignment]
    return [Visual(*key, sizes[key], _joined(meshes)) for key, meshes in groups.items()]


def solid_mesh(solid: Solid, layout: Layout, tile_m: float) -> Mesh:
    """One solid as triangles in the object's frame."""
    if solid.kind == "mesh":
        points, normals, uv = _given_mesh(solid)
    elif solid.kind == "box":
        points, normals, uv = _box(solid.size, layout, tile_m)
    else:
        points, normals, uv = _round(solid)
    if layout == "tile" and solid.kind != "box":
        uv = uv * _metres_per_uv(points, uv) / tile_m
    turn = rotation(solid.euler)
    return Mesh(points @ turn.T + np.asarray(solid.pos), normals @ turn.T, uv)


def _joined(meshes: list[Mesh]) -> Mesh:
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
    )


def _metres_per_uv(points: np.ndarray, uv: np.ndarray) -> float:
    """Mean length of one unit of texture coordinate on the surface, so that textures keep their scale."""
    edges = points.reshape(-1, 3, 3)
    flat = uv.reshape(-1, 3, 2)
    area = np.linalg.norm(np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0]), axis=1).sum()
    first, second = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    area_uv = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum()
    return float(np.sqrt(area / area_uv)) if area_uv > 1e-9 else 1.0


_CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)], float)
# right and up axes of each face as seen from outside: +x -x +y -y +z -z
_RIGHT = np.repeat(np.array([(0, 1, 0), (0, -1, 0), (-1, 0, 0), (1, 0, 0), (1, 0, 0), (-1, 0, 0)], float), 6, 0)
_UP = np.repeat(np.array([(0, 0, 1), (0, 0, 1), (0, 0, 1), (0, 0, 1), (0, 1, 0), (0, 1, 0)], float), 6, 0)
_NORMAL = np.cross(_RIGHT, _UP)
_AROUND = np.tile(_CORNERS, (6, 1))
_FACE = np.repeat(np.arange(6), 6)
_BOX = _NORMAL + _AROUND[:, :1] * _RIGHT + _AROUND[:, 1:] * _UP  # (36, 3) corners of a box of edge 2
_UNIT_UV = (_AROUND + 1) / 2
_INSET_UV = 0.01 + 0.98 * _UNIT_UV  # keeps mip-mapping off the neighbouring cell
_ATLAS_UV = np.stack([(_FACE % 3 + _INSET_UV[:, 0]) / 3, (1 - _FACE // 3 + _INSET_UV[:, 1]) / 2], 1)


def _box(size: tuple[float, ...], layout: Layout, tile_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    edges = np.asarray(size)
    if layout == "tile":
        lengths = np.stack([np.abs(_RIGHT) @ edges, np.abs(_UP) @ edges], 1)
        return _BOX * (edges / 2), _NORMAL, (_UNIT_UV - 0.5) * lengths / tile_m + 0.37 * _FACE[:, None]
    return _BOX * (edges / 2), _NORMAL, _ATLAS_UV if layout == "atlas" else _UNIT_UV


@lru_cache(maxsize=64)
def _profile(kind: str, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """(radius, z) outline from bottom to top for radius 1; `ratio` = height / radius of the straight part."""
    if kind == "cylinder":
        return np.array([0.0, 1.0, 1.0, 0.0]), np.array([-ratio / 2, -ratio / 2, ratio / 2, ratio / 2])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    if kind != "capsule":
        return np.cos(angle), np.sin(angle)
    angle = np.concatenate([angle[:7], angle[6:]])
    return np.cos(angle), np.sin(angle) + np.repeat([-ratio / 2, ratio / 2], 7)


def _round(solid: Solid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cylinder, capsule, sphere or ellipsoid as a lathe: u runs around, v from bottom to top."""
    if solid.kind == "ellipsoid":
        scale = np.asarray(solid.size) / 2
        radius, height = _profile("sphere", 0.0)
    else:
        scale = np.full(3, solid.size[0])
        ratio = solid.size[1] / solid.size[0] if len(solid.size) > 1 else 0.0
        radius, height = _profile("sphere" if solid.kind == "sphere" else solid.kind, ratio)
    turn = np.linspace(0, 2 * np.pi, SEGMENTS + 1)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(radius), np.diff(height)))])
    along = length / length[-1]
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    grid = np.concatenate(
        [radius[:, None, None] * ring[None], np.broadcast_to(height[:, None, None], (len(radius), len(turn), 1))], 2
    )
    grid_uv = np.stack(np.broadcast_arrays(turn[None] / (2 * np.pi), along[:, None]), 2)
    rows, columns = np.meshgrid(np.arange(len(radius) - 1), np.arange(SEGMENTS), indexing="ij")
    quads = np.stack([rows, columns, rows, columns + 1, rows + 1, columns + 1, rows + 1, columns], -1).reshape(-1, 4, 2)
    corners = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 2)
    points = grid[corners[:, 0], corners[:, 1]] * scale
    uv = grid_uv[corners[:, 0], corners[:, 1]]
    return _without_slivers(points, smooth_normals(points), uv)


def _given_mesh(solid: Solid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if solid.vertices is None or solid.faces is None:
        raise ValueError("expected vertices and faces in a solid of kind 'mesh', got none; give both")
    corners = np.asarray(solid.faces).reshape(-1)
    points = np.asarray(solid.vertices, float)[corners]
    uv = np.zeros((len(points), 2)) if solid.uv is None else np.asarray(solid.uv, float)[corners]
    return _without_slivers(points, smooth_normals(points), uv)


def _without_slivers(
    points: np.ndarray, normals: np.ndarray, uv: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    edges = points.reshape(-1, 3, 3)
    area = np.linalg.norm(np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0]), axis=1)
    keep = np.repeat(area > 1e-10, 3)
    return points[keep], normals[keep], uv[keep]


def smooth_normals(points: np.ndarray, crease_cos: float = 0.6) -> np.ndarray:
    """Normals (3T, 3) averaged over triangles that share a place, but not across sharp edges.

    Args:
        points: (3T, 3) triangle corners.
        crease_cos: Corners whose face differs more than this from the average keep their face's normal.
    """
    edges = points.reshape(-1, 3, 3)
    weighted = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    flat = weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-12)
    flat = np.repeat(flat, 3, 0)
    steps = np.rint((points - points.min(0)) / 1e-5).astype(np.int64)  # a key of 21 bits per axis: fine up to 20 m
    _, place = np.unique((steps[:, 0] << 42) | (steps[:, 1] << 21) | steps[:, 2], return_inverse=True)
    total = np.zeros((place.max() + 1, 3))
    for axis in range(3):
        total[:, axis] = np.bincount(place, np.repeat(weighted[:, axis], 3), len(total))
    mean = total[place]
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    smooth = (mean * flat).sum(1) > crease_cos
    return np.where(smooth[:, None], mean, flat)
