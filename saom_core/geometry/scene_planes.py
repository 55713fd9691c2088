"""The planes of a scene, from its depth: what things stand on, and which way is upright for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.geometry.support import Plane, plane_axes
from saom_core.geometry.upright import Upwards

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MOST_NORMALS = 1000
_MOST_CELLS = 2500
_HYPOTHESES = 64
_AGREES_DEG = 10.0
_APART_DEG = 50.0  # two planes of a scene are at least so far from parallel
_BEND = 0.02  # of the distance; where two steps of depth differ by more, there is an edge
_LEAST_SHARE = 0.05  # of the surface belongs to a plane that counts

CELL_PX = 8
"""Edge of the squares of pixels that surface is looked for in."""
LEAST_OF_CELL, LEAST_OF_STRIP = 0.5, 0.25
"""So much of such a square, and of each two rows and columns of it, has depth: cameras leave out pixels here and there,
all over the picture, while at the edge of a surface one side of a square has none."""
SMALLEST_PLANE_M2 = 0.03
"""Of what is seen of a plane: a larger one carries things, a smaller one is the top of a thing."""
SMALLEST_FURTHER_M2 = 0.25
"""Of a plane beside the largest one, such as a shelf or the floor; the top of a carton is smaller."""
MOST_PLANES = 4

SEARCH_EVERY = 15
"""Frames after which planes are looked for anew, whatever is seen of the known ones."""
CHANGED = 0.1
"""A known plane that has won or lost more of its pixels is looked for anew."""
_SAME = float(np.cos(np.radians(5)))
_FEWEST = 30  # pieces of surface that make a plane


@dataclass(frozen=True)
class Cells:
    """Pieces of a scene's surface.

    Attributes:
        points_m: (M, 3), optical frame.
        normals: (M, 3), unit length, towards the camera.
        areas_m2: (M,), of the surface that each piece stands for.
        pixels: of the image that each piece stands for.
    """

    points_m: Matrix
    normals: Matrix
    areas_m2: Matrix
    pixels: float = float(CELL_PX**2)

    def some(self, most: int) -> Cells:
        """At most so many of them, evenly spread."""
        chosen = np.linspace(0, len(self.points_m) - 1, min(len(self.points_m), most)).astype(np.intp)
        each = len(self.points_m) / max(1, len(chosen))
        return Cells(self.points_m[chosen], self.normals[chosen], self.areas_m2[chosen] * each, self.pixels * each)


def surface_cells(points_m: FloatArray) -> Cells:
    """The smooth pieces of an organised cloud (h, w, 3), NaN where there is no point."""
    across = points_m[1:-1, 2:] - points_m[1:-1, :-2]
    down = points_m[2:, 1:-1] - points_m[:-2, 1:-1]
    z = points_m[..., 2]
    middle = z[1:-1, 1:-1]
    with np.errstate(invalid="ignore"):
        # a slope goes on, an edge does not; on a table seen from low down the slope itself is steep
        bends = np.abs(z[1:-1, 2:] + z[1:-1, :-2] - 2 * middle), np.abs(z[2:, 1:-1] + z[:-2, 1:-1] - 2 * middle)
        smooth = np.maximum(*bends) < _BEND * middle
    points = points_m[1:-1, 1:-1][smooth].astype(np.float64)
    normals = np.cross(across[smooth], down[smooth]).astype(np.float64)
    lengths = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(lengths, 1e-12)[:, None]
    normals[np.einsum("ij,ij->i", normals, points) > 0] *= -1
    return Cells(points, normals, lengths / 4)  # the two differences span four cells


def scene_normals(cells: Cells) -> Sequence[Matrix]:
    """Normals of the planes that most of a scene's surface belongs to, the largest first, at most three."""
    normals = cells.some(_MOST_NORMALS).normals
    found: list[Matrix] = []
    left, total = normals, len(normals)
    while len(left) >= max(_LEAST_SHARE * total, _FEWEST) and len(found) < 3:
        tried = left[np.linspace(0, len(left) - 1, _HYPOTHESES).astype(np.intp)]
        agrees = np.abs(left @ tried.T) > np.cos(np.radians(_AGREES_DEG))
        best = int(agrees.sum(axis=0).argmax())
        members = left[agrees[:, best]]
        if len(members) < _LEAST_SHARE * total:
            break
        # the direction that is nearest to all of them, whichever way each of them points
        normal = np.linalg.eigh(members.T @ members)[1][:, 2]
        found.append(normal)
        left = left[np.abs(left @ normal) < np.cos(np.radians(_APART_DEG))]
    return found


def noise_m(depths_m: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """How far a point of a plane may lie off it: depth cameras err by the square of the distance."""
    return 0.005 + 0.004 * depths_m**2


def scene_planes(cells: Cells, normals: Sequence[Matrix]) -> list[Plane]:
    """The planes of a scene, walls included, the largest one first.

    They come from the peaks of the surface's offsets along each of the scene's normals, and are then fitted to their
    points by least squares.

    Args:
        cells: of the scene.
        normals: see `scene_normals`.
    """
    some = cells.some(_MOST_CELLS)
    found = [plane for normal in normals for plane in _planes_along(some, normal) if plane.area_m2 >= SMALLEST_PLANE_M2]
    return sorted(found, key=lambda plane: -plane.pixels)


def support_planes(found: Sequence[Plane], up: Upwards) -> tuple[Plane, ...]:
    """Those planes of a scene that things can stand on, the largest one first.

    Args:
        found: see `scene_planes`.
        up: tells which of them are upright.
    """
    upright = up.upright(found)
    # all that things stand on is parallel to the largest plane
    further = [
        plane
        for plane in upright[1:]
        if plane.area_m2 >= SMALLEST_FURTHER_M2 and plane.normal @ upright[0].normal > np.cos(np.radians(_AGREES_DEG))
    ]
    return (*upright[:1], *further)[:MOST_PLANES]


def _planes_along(cells: Cells, direction: Matrix) -> list[Plane]:
    """The planes with about this normal, whichever way it points."""
    along = np.abs(cells.normals @ direction) > np.cos(np.radians(2 * _AGREES_DEG))
    points, normals, areas = cells.points_m[along], cells.normals[along], cells.areas_m2[along]
    found: list[Plane] = []
    while len(points) >= max(_LEAST_SHARE * len(cells.points_m), _FEWEST) and len(found) < MOST_PLANES:
        normal = direction if np.sum(normals @ direction) > 0 else -direction
        offsets = np.sort(points @ normal)
        window = 2 * float(noise_m(np.median(points[:, 2])))
        ends = np.searchsorted(offsets, offsets + window, side="right")
        most = int((ends - np.arange(len(offsets))).argmax())
        offset = -float(np.median(offsets[most : ends[most]]))
        plane = _fitted(points, areas, normal, offset, cells.pixels)
        if plane is None:
            break
        found.append(plane)
        if plane.pixels < _LEAST_SHARE * len(cells.points_m) * cells.pixels:
            break
        left = np.abs(plane.heights_m(points)) > 2 * noise_m(points[:, 2])
        points, normals, areas = points[left], normals[left], areas[left]
    return [plane for plane in found if plane.pixels >= _LEAST_SHARE * len(cells.points_m) * cells.pixels]


def _fitted(points: Matrix, areas: Matrix, normal: Matrix, offset: float, pixels: float) -> Plane | None:
    """The plane near a first guess through some pieces of surface; None where hardly any of them lie on it.

    Args:
        points: (P, 3).
        areas: (P,), m2.
        normal: (3,), unit length, first guess.
        offset: of the first guess.
        pixels: that each piece stands for.
    """
    inside, noise = np.zeros(len(points), np.bool_), noise_m(points[:, 2])
    for _ in range(3):
        inside = np.abs(points @ normal + offset) < noise
        if np.count_nonzero(inside) < _FEWEST:
            return None
        normal, offset = _least_squares(points[inside], normal)
    a, b, c = normal.tolist()
    on_it = points[inside]
    count = int(len(on_it) * pixels)
    return Plane((a, b, c, offset), _outline(on_it, normal, offset), float(areas[inside].sum()), count)


@dataclass(frozen=True)
class SeenPlanes:
    """The planes of a frame, to be found again in the next one.

    To fit known planes anew takes far less work than to look for some. They are looked for anew when one of them has
    changed its size or direction, when more or less of the surface lies on none of them, and every so many frames in
    any case.

    Attributes:
        planes: of the last frame.
        searched: the same planes when they were looked for.
        elsewhere_px: how many pixels' surface lay on none of them then.
        age: frames since then.
    """

    planes: tuple[Plane, ...]
    searched: tuple[Plane, ...]
    elsewhere_px: float
    age: int = 0

    @staticmethod
    def of(planes: tuple[Plane, ...], cells: Cells) -> SeenPlanes:
        """Planes that were looked for among some pieces of surface."""
        return SeenPlanes(planes, planes, _elsewhere_px(planes, cells))

    def again(self, cells: Cells) -> SeenPlanes | None:
        """The same planes as the next frame shows them; None where they must be looked for."""
        if not self.planes or self.age + 1 >= SEARCH_EVERY:
            return None
        some, found = cells.some(_MOST_CELLS), []
        for before, first in zip(self.planes, self.searched, strict=True):
            along = np.abs(some.normals @ before.normal) > np.cos(np.radians(2 * _AGREES_DEG))
            points, areas = some.points_m[along], some.areas_m2[along]
            now = _fitted(points, areas, before.normal, before.coefficients[3], some.pixels)
            if (
                now is None
                or abs(now.pixels - first.pixels) > CHANGED * first.pixels
                or now.normal @ first.normal < _SAME
            ):
                return None
            found.append(now)
        planes, total_px = tuple(found), len(cells.points_m) * cells.pixels
        grown = abs(_elsewhere_px(planes, cells) - self.elsewhere_px) > CHANGED / 2 * total_px
        swapped = any(one.pixels < other.pixels for one, other in pairwise(planes))
        return None if grown or swapped else replace(self, planes=planes, age=self.age + 1)


def _elsewhere_px(planes: tuple[Plane, ...], cells: Cells) -> float:
    """How many pixels' surface lies on none of some planes, about."""
    return len(cells.points_m) * cells.pixels - sum(plane.pixels for plane in planes)


def _least_squares(points: Matrix, like: Matrix) -> tuple[Matrix, float]:
    """Normal, on the side of another one, and offset of the plane that is nearest to points (P, 3)."""
    mean = points.mean(axis=0)
    centered = points - mean
    normal = np.linalg.eigh(centered.T @ centered)[1][:, 0]
    normal = normal if normal @ like > 0 else -normal
    return normal, -float(normal @ mean)


def _outline(points: Matrix, normal: Matrix, offset: float) -> FloatArray:
    """The convex hull (V, 3) of points (P, 3) that lie on a plane, counterclockwise as seen from its upper side."""
    axes = plane_axes(normal)
    hull = cv2.convexHull((points @ axes).astype(np.float32), clockwise=False).reshape(-1, 2)
    return np.asarray(hull @ axes.T - offset * normal, np.float32)


def cells_with_depth(depth_m: npt.NDArray[np.floating]) -> tuple[FloatArray, BoolArray]:
    """Of each 8 x 8 pixels of a depth picture (H, W): what share of them has depth, and whether these are all over it.

    Returns:
        Two of shape (H // 8, W // 8).
    """
    height, width = depth_m.shape[0] // CELL_PX, depth_m.shape[1] // CELL_PX
    whole = depth_m[: height * CELL_PX, : width * CELL_PX]
    with np.errstate(invalid="ignore"):
        has_depth = ((whole > 0) & (whole < np.inf)).astype(np.float32)
    blocks = cv2.resize(has_depth, (4 * width, 4 * height), interpolation=cv2.INTER_AREA)
    blocks = np.asarray(blocks, np.float32).reshape(height, 4, width, 4)
    rows, columns = blocks.mean(axis=3), blocks.mean(axis=1)
    shares = rows.mean(axis=1)
    strips = np.minimum(rows.min(axis=1), columns.min(axis=2))
    return shares, (shares >= LEAST_OF_CELL) & (strips >= LEAST_OF_STRIP)


def coarse_cloud(depth_m: FloatArray, ray_maps: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
    """An organised cloud of one point for every 8 x 8 pixels that have depth all over, (h, w, 3); NaN for the others.

    Args:
        depth_m: (H, W) float32, metres, 0 = invalid.
        ray_maps: of the camera, see `CameraIntrinsics.ray_maps`.
    """
    height, width = depth_m.shape[0] // CELL_PX, depth_m.shape[1] // CELL_PX
    whole = depth_m[: height * CELL_PX, : width * CELL_PX]
    if height < 3 or width < 3:
        return np.full((3, 3, 3), np.nan, np.float32)
    shares, filled = cells_with_depth(whole)
    means = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    with np.errstate(divide="ignore", invalid="ignore"):
        depths = np.where(filled, means / shares, np.float32(np.nan))
    middle = np.s_[CELL_PX // 2 :: CELL_PX]
    cloud = np.empty((height, width, 3), np.float32)
    for axis, ray_map in enumerate(ray_maps):
        rows = ray_map[middle][:height] if ray_map.shape[0] > 1 else ray_map
        cloud[..., axis] = depths * (rows[:, middle][:, :width] if rows.shape[1] > 1 else rows)
    return cloud
