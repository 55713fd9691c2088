"""Meshes of the catalogue: light, closed, with texture coordinates.

Frame and units: metres, z up. Faces run counter-clockwise seen from outside. Texture coordinates lie in 0..1, u to the
right as seen from outside and v upwards (as in OBJ files), so that a print goes once around a can. Vertices are doubled
where the texture has a seam; welded by position every mesh is a closed surface of positive volume.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .polygons import Point2, prism
from .triangles import Mesh, Point3, arc_lengths, cleaned, euler_of, grid_faces, merged, rotation

__all__ = [
    "Mesh",
    "arc",
    "circle_section",
    "euler_of",
    "hollow",
    "lathe",
    "loft",
    "lump",
    "merged",
    "prism",
    "rectangle_section",
    "ring",
    "rotation",
    "rounded_box",
    "sheet",
    "smooth_profile",
    "torus",
    "tube",
]


def lathe(profile_rz: Sequence[Point2] | np.ndarray, segments: int = 20) -> Mesh:
    """Revolves a profile about the z axis.

    Args:
        profile_rz: (P, 2) radius and height; from the bottom on the axis outwards, up, and back to the axis (radius 0
            at both ends, else the ends are closed by discs).
        segments: sides of the polygon that stands for the circle.
    """
    profile = np.maximum(np.asarray(profile_rz, float), [0.0, -np.inf])
    if profile[0, 0] > 0:
        profile = np.vstack([[0.0, profile[0, 1]], profile])
    if profile[-1, 0] > 0:
        profile = np.vstack([profile, [0.0, profile[-1, 1]]])
    angle = np.linspace(0.0, 2 * np.pi, segments + 1)
    angle[-1] = 0.0  # the very same place as the first column, so that the seam is closed
    radius, height = profile[:, :1], profile[:, 1:]
    grid = np.stack([radius * np.cos(angle), radius * np.sin(angle), height + 0 * angle], axis=-1)
    u = np.broadcast_to(np.linspace(0, 1, segments + 1), grid.shape[:2])
    v = np.broadcast_to(arc_lengths(profile)[:, None], grid.shape[:2])
    uv = np.stack([u, v], axis=-1).reshape(-1, 2)
    return cleaned(grid.reshape(-1, 3), grid_faces(len(profile), segments + 1), uv)


def hollow(outer_rz: Sequence[Point2], wall: float, segments: int = 20) -> Mesh:
    """A vessel: revolves the outer profile (bottom to rim) and an inner one that lies `wall` metres inside it."""
    outer = np.asarray(outer_rz, float)
    floor = outer[0, 1] + wall
    inner = outer[(outer[:, 1] > floor * 1.001) & (outer[:, 0] > 1.5 * wall)][::-1] - [wall, 0.0]
    if not len(inner):
        raise ValueError(f"expected a profile higher than its wall of {wall} m, got {outer_rz}; use a thinner wall")
    bottom = np.array([max(float(np.interp(floor, outer[:, 1], outer[:, 0])) - wall, 0.2 * inner[-1, 0]), floor])
    return lathe(np.vstack([[0.0, outer[0, 1]], outer, inner, bottom, [0.0, floor]]), segments)


def smooth_profile(points_rz: Sequence[Point2], samples: int = 10) -> list[Point2]:
    """A Catmull-Rom curve through (radius, height) points, `samples` + 1 points long."""
    points = np.asarray(points_rz, float)
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    curve = []
    for t in np.linspace(0, len(points) - 1, samples + 1):
        k = min(int(t), len(points) - 2)
        p0, p1, p2, p3 = padded[k : k + 4]
        s = t - k
        curve.append(
            0.5 * (2 * p1 + (p2 - p0) * s + (2 * p0 - 5 * p1 + 4 * p2 - p3) * s**2 + (3 * p1 - p0 - 3 * p2 + p3) * s**3)
        )
    return [(max(float(r), 1e-4), float(z)) for r, z in curve]


def loft(rings: Sequence[np.ndarray] | np.ndarray, closed: bool = False) -> Mesh:
    """A surface through rings of points, all of the same length.

    Args:
        rings: (K, S, 3) rings one after another; a ring may shrink to one point.
        closed: joins the last ring to the first (a torus); otherwise both ends get a cap.
    """
    grid = np.asarray(rings, float)
    if closed:
        grid = np.concatenate([grid, grid[:1]])
    grid = np.concatenate([grid, grid[:, :1]], axis=1)
    rows, columns = grid.shape[:2]
    along = arc_lengths(grid.mean(axis=1))
    u = np.broadcast_to(np.linspace(0, 1, columns), (rows, columns))
    uv: np.ndarray = np.stack([u, np.broadcast_to(along[:, None], (rows, columns))], axis=-1).reshape(-1, 2)
    vertices: np.ndarray = grid.reshape(-1, 3)
    faces: np.ndarray = grid_faces(rows, columns)
    if not closed:
        for row, turned in ((0, True), (rows - 1, False)):
            ring = grid[row, :-1]
            start = len(vertices)
            fan = np.arange(columns - 1)
            disc = np.stack([fan, np.roll(fan, -1), np.full_like(fan, columns - 1)], axis=1) + start
            across = -0.5 if turned else 0.5  # seen from below x runs to the left
            circle = 0.5 + np.stack(
                [across * np.cos(2 * np.pi * u[0, :-1]), 0.5 * np.sin(2 * np.pi * u[0, :-1])], axis=1
            )
            vertices = np.vstack([vertices, ring, ring.mean(axis=0)])
            faces = np.vstack([faces, disc[:, ::-1] if turned else disc])
            uv = np.vstack([uv, circle, [0.5, 0.5]])
    return cleaned(vertices, faces, uv)


def ring(x: float, y: float, z: float, exponent: float = 2.0, points: int = 16, at: Point2 = (0.0, 0.0)) -> np.ndarray:
    """(points, 3) superellipse of half axes x, y at height z: exponent 2 an ellipse, 8 almost a rectangle."""
    # half a step off the axes: the corners of a near-rectangle are hit
    angle = 2 * np.pi * (np.arange(points) + 0.5) / points
    cos, sin = np.cos(angle), np.sin(angle)
    bow = 2.0 / exponent
    return np.stack(
        [
            at[0] + x * np.sign(cos) * np.abs(cos) ** bow,
            at[1] + y * np.sign(sin) * np.abs(sin) ** bow,
            np.full(points, z),
        ],
        axis=1,
    )


def circle_section(radius: float, points: int = 8) -> np.ndarray:
    """(points, 2) circle, counter-clockwise."""
    angle = 2 * np.pi * np.arange(points) / points
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def rectangle_section(width: float, height: float) -> np.ndarray:
    """(4, 2) rectangle, counter-clockwise."""
    return np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2


def tube(path: Sequence[Point3] | np.ndarray, section: np.ndarray, scale: Sequence[float] | None = None) -> Mesh:
    """Sweeps a section along a path: handles, spouts, wires, bananas.

    Args:
        path: (N, 3) points; a path that ends where it began is closed without caps.
        section: (S, 2) outline across the path, counter-clockwise; its first axis stays as level as the path lets it.
        scale: N factors of the section (a taper).
    """
    points = np.asarray(path, float)
    closed = bool(np.allclose(points[0], points[-1]))
    tangents = np.gradient(points, axis=0)
    if closed:
        tangents[0] = tangents[-1] = points[1] - points[-2]
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    # a first axis that does not lie along the path, then carried on without twist
    start = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    rings = []
    side = np.cross(tangents[0], start)
    for k, tangent in enumerate(tangents):
        side = side - tangent * (side @ tangent)
        side /= np.linalg.norm(side)
        across = section * (1.0 if scale is None else scale[k])
        rings.append(points[k] + across[:, :1] * side + across[:, 1:] * np.cross(tangent, side))
    return loft(rings[:-1] if closed else rings, closed)


def arc(radius: float, start: float, stop: float, points: int = 9, plane: str = "xz") -> np.ndarray:
    """(points, 3) of a circle about the origin between two angles (radians) in the plane xy, xz or yz."""
    angle = np.linspace(start, stop, points)
    path = np.zeros((points, 3))
    path[:, "xyz".index(plane[0])] = radius * np.cos(angle)
    path[:, "xyz".index(plane[1])] = radius * np.sin(angle)
    if np.isclose(abs(stop - start), 2 * np.pi):
        path[-1] = path[0]
    return path


def torus(radius: float, thickness: float, segments: int = 20, sides: int = 8) -> Mesh:
    """A ring about the z axis; `radius` to the middle of the material, `thickness` the diameter of the material."""
    return tube(arc(radius, 0, 2 * np.pi, segments + 1, "xy"), circle_section(thickness / 2, sides))


def rounded_box(size: Point3, radius: float, steps: int = 2) -> Mesh:
    """A box with rounded edges, centred on the origin; each of its faces has its own sixth of the texture."""
    half = np.asarray(size, float) / 2
    radius = min(radius, float(half.min()) * 0.999)
    bend = np.tan(np.linspace(-np.pi / 4, 0, steps + 1))  # even steps around the edge
    meshes = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            i, j = [(1, 2), (0, 2), (0, 1)][axis]
            lines = [
                np.concatenate([radius * bend - (half[k] - radius), (half[k] - radius) - radius * bend[::-1]])
                for k in (i, j)
            ]
            a, b = np.meshgrid(*lines)
            points = np.zeros((*a.shape, 3))
            points[..., axis], points[..., i], points[..., j] = sign * half[axis], a, b
            core = np.clip(points, -(half - radius), half - radius)
            out = points - core
            out /= np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-9)
            points = core + radius * out
            mirrored = (sign < 0) != (axis == 1)  # so that u runs to the right seen from outside
            u = (0.5 - a / (2 * half[i])) if mirrored else (0.5 + a / (2 * half[i]))
            cell = np.stack([(axis + u) / 3, ((sign > 0) + 0.5 + b / (2 * half[j])) / 2], axis=-1)
            faces = grid_faces(*a.shape)
            if mirrored:
                faces = faces[:, ::-1]
            meshes.append(Mesh(points.reshape(-1, 3), faces, np.clip(cell, 0, 1).reshape(-1, 2)))
    whole = merged(*meshes)
    return cleaned(whole.vertices, whole.faces, whole.uv)


def sheet(grid: np.ndarray, thickness: float) -> Mesh:
    """A bent or crumpled sheet (newspaper, towel): a (rows, columns, 3) grid of points, thickened along z.

    The grid is the lower side, seen from above its columns run to the right of its rows (x by columns, y by rows).
    """
    points = np.asarray(grid, float)
    rows, columns = points.shape[:2]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    uv = np.stack([u, v], axis=-1).reshape(-1, 2)
    lower = points.reshape(-1, 3)
    faces = grid_faces(rows, columns)
    index = np.arange(rows * columns).reshape(rows, columns)
    border = np.concatenate([index[0, :-1], index[:-1, -1], index[-1, :0:-1], index[:0:-1, 0]])
    after, top = np.roll(border, -1), rows * columns
    walls = np.vstack(
        [np.stack([border, after, after + top], axis=1), np.stack([border, after + top, border + top], 1)]
    )
    vertices = np.vstack([lower, lower + [0.0, 0.0, thickness]])
    uv_below = uv * [-1.0, 1.0] + [1.0, 0.0]  # seen from below x runs to the left
    return cleaned(vertices, np.vstack([faces[:, ::-1], faces + top, walls]), np.vstack([uv_below, uv]))


def lump(rng: np.random.Generator, size: Point3, roughness: float = 0.25, rows: int = 9, segments: int = 14) -> Mesh:
    """An irregular closed body (stone, fruit, crumpled thing) with the given bounding box, standing on z = 0."""
    latitude = np.linspace(0, np.pi, rows)
    longitude = 2 * np.pi * np.arange(segments) / segments
    theta, phi = np.meshgrid(latitude, longitude, indexing="ij")
    unit = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), -np.cos(theta)], axis=-1)
    radius = np.ones(theta.shape)
    for frequency in (1.5, 2.5, 4.0):
        for direction in rng.normal(size=(2, 3)):
            wave = np.sin(frequency * (unit @ direction) + rng.uniform(0, 2 * np.pi))
            radius += roughness * rng.uniform(0.2, 0.6) / frequency * wave
    mesh = loft(unit * radius[..., None])
    low, span = mesh.vertices.min(axis=0), np.ptp(mesh.vertices, axis=0)
    vertices = (mesh.vertices - low - span * [0.5, 0.5, 0.0]) / span * np.asarray(size)
    return Mesh(vertices, mesh.faces, mesh.uv)
