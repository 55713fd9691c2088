"""The triangle mesh of the catalogue, how to turn it, and what all shape helpers build it with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Point3 = tuple[float, float, float]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh: `vertices` (V, 3) float64 metres, `faces` (F, 3) int32, `uv` (V, 2) float64 in 0..1."""

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray

    @property
    def volume(self) -> float:
        """Enclosed volume in cubic metres, negative if the faces are wound the wrong way."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    def moved(self, offset: Point3 = (0.0, 0.0, 0.0), euler: Point3 = (0.0, 0.0, 0.0)) -> Mesh:
        """The mesh turned by intrinsic xyz angles (radians), then shifted (metres)."""
        return Mesh(self.vertices @ rotation(euler).T + np.asarray(offset), self.faces, self.uv)

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """The mesh stretched along the axes by positive factors."""
        return Mesh(self.vertices * np.array([x, y, z]), self.faces, self.uv)


def rotation(euler: Point3) -> np.ndarray:
    """(3, 3) matrix of intrinsic xyz angles in radians."""
    (ca, cb, cc), (sa, sb, sc) = np.cos(euler), np.sin(euler)
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    about_z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def euler_of(matrix: np.ndarray) -> Point3:
    """Intrinsic xyz angles (radians) of a (3, 3) rotation matrix."""
    middle = np.arcsin(np.clip(matrix[0, 2], -1.0, 1.0))
    first, last = np.arctan2(-matrix[1, 2], matrix[2, 2]), np.arctan2(-matrix[0, 1], matrix[0, 0])
    return float(first), float(middle), float(last)


def merged(*meshes: Mesh) -> Mesh:
    """All meshes as one."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)])
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    return Mesh(vertices, faces.astype(np.int32), np.concatenate([mesh.uv for mesh in meshes]))


def _outwards(mesh: Mesh) -> Mesh:
    return mesh if mesh.volume >= 0 else Mesh(mesh.vertices, np.ascontiguousarray(mesh.faces[:, ::-1]), mesh.uv)


def cleaned(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> Mesh:
    """The mesh, turned outwards, without faces that have no area (at poles and pinched rings)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    has_area = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12
    used, index = np.unique(faces[has_area], return_inverse=True)
    return _outwards(Mesh(vertices[used], index.reshape(-1, 3).astype(np.int32), np.clip(uv[used], 0.0, 1.0)))


def grid_faces(rows: int, columns: int) -> np.ndarray:
    """Triangles (2 (rows - 1) (columns - 1), 3) of a row-major grid of vertices."""
    row, column = (index.ravel() for index in np.mgrid[: rows - 1, : columns - 1])
    corner = row * columns + column
    first = np.stack([corner, corner + 1, corner + columns + 1], axis=1)
    second = np.stack([corner, corner + columns + 1, corner + columns], axis=1)
    return np.concatenate([first, second])


def arc_lengths(points: np.ndarray) -> np.ndarray:
    """Position along a polyline (N, D), 0 at its start and 1 at its end."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)]) / max(float(steps.sum()), 1e-9)
