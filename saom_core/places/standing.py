"""What one instance stands on, how high it reaches, and whether it is a table or the like itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.geometry.scene_planes import (
    SMALLEST_FURTHER_M2,
    Matrix,
    SeenPlanes,
    coarse_cloud,
    noise_m,
    scene_normals,
    scene_planes,
    support_planes,
    surface_cells,
)
from saom_core.geometry.support import Plane
from saom_core.geometry.upright import Upwards, image_direction
from saom_core.instances import MaskCrop

FloatArray = npt.NDArray[np.float32]

SURFACE_SHARE = 0.5
"""Of an instance's points lie on a plane: then it may be that plane."""
SURFACE_COVER = 0.3
"""Of a plane's pixels belong to an instance: then it is the plane. What lies flat on it, as a newspaper, is less of it:
on the real photographs that were tried tables had .68 and more, flat things .07 and less."""
SMALLEST_TABLE_M2 = 0.12
"""A plane that is smaller, whole in the picture and higher than what is around it is the top of a thing: of a carton
before a camera in the hand."""
STILL_SURFACE = 0.5
"""What was a surface in the frame before stays one down to this part of both limits."""

LIFTED_M = 0.02
"""An instance whose lowest point is higher, and the noise of depth, does not touch the plane where one sees it."""
BESIDE_M = 0.05
"""An instance that is so far beside what is seen of a plane may still stand on it: its depth hides the plane's edge."""
TOUCHES_M = 0.03
"""What lies so close beneath an instance's lower edge, or farther back, carries it; what is nearer to the camera hides
its foot."""
MOST_HIDDEN_M = 0.3
"""So much of a thing may be hidden beneath what is seen of it, no more."""
FLOATS = 0.6
"""An instance floats where the plane that is seen beneath its edge lies farther back than this times its height, as it
does in views from less than 60 degrees above. In steeper ones a thing hides its own foot."""
_EDGE_PX = 3  # the depth of the very edge is mixed
_MOST_COLUMNS = 48
_MOST_AROUND = 500
_SAME = float(np.cos(np.radians(3)))  # directions that are less than this apart are one


@dataclass(frozen=True)
class Standing:
    """How one instance stands; see `Support`."""

    supported_by: int = -1
    bottom_m: float = np.nan
    top_m: float = np.nan
    surface: int = -1  # the plane that it is itself


class Scene:
    """The planes of one frame and what stands on them; nothing is computed before it is asked for.

    Args:
        depth_m: (H, W) float32, metres, 0 = invalid.
        camera: of the image.
        up: which way is up for the camera.
        before: `seen` of the frame before, where this is the next one of a stream.
    """

    def __init__(
        self, depth_m: FloatArray, camera: CameraIntrinsics, up: Upwards, before: SeenPlanes | None = None
    ) -> None:
        self._depth_m, self._camera, self._up, self._before = depth_m, camera, up, before
        self._cells = surface_cells(coarse_cloud(depth_m, camera.ray_maps))

    def normals(self, standing: Standing) -> list[Matrix]:
        """Directions that may be upright for a thing, the likeliest first.

        That of the plane that it stands on, or that it is; for other things those of all planes, then of all that is
        flat.
        """
        if max(standing.supported_by, standing.surface) >= 0:
            return [self.planes[max(standing.supported_by, standing.surface)].normal]
        upright = [plane.normal for plane in self.planes]
        others = [one for one in self._directions if all(abs(one @ normal) < _SAME for normal in upright)]
        return upright + others

    @cached_property
    def _directions(self) -> list[Matrix]:
        return list(scene_normals(self._cells))

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The planes that things can stand on, the largest first."""
        return self.seen.planes

    @cached_property
    def seen(self) -> SeenPlanes:
        """The same, with what is remembered of them for the next frame."""
        again = None if self._before is None else self._before.again(self._cells)
        return again or SeenPlanes.of(support_planes(self._found, self._up), self._cells)

    @cached_property
    def _found(self) -> list[Plane]:
        return scene_planes(self._cells, self._directions)

    @property
    def table_in_doubt(self) -> bool:
        """Whether nothing is upright, or hardly anything, and a large plane would be if the camera hung otherwise."""
        if self.planes:
            return self._up.outdone(self.planes[0], lambda: self._found)
        return any(plane.area_m2 >= SMALLEST_FURTHER_M2 and self._up.doubtful(plane) for plane in self._found)

    def standing(self, mask: MaskCrop, points_m: FloatArray, pixels: int, *, was_surface: bool = False) -> Standing:
        """How an instance stands.

        Args:
            mask: of the instance.
            points_m: (P, 3), P >= 1, some points of its surface.
            pixels: of the mask that have depth.
            was_surface: whether it was a surface a moment ago.
        """
        if not self.planes:
            return Standing()
        count, tolerance = len(points_m), noise_m(points_m[:, 2])
        heights = np.stack([plane.heights_m(points_m) for plane in self.planes])
        eased = STILL_SURFACE if was_surface else 1.0
        for k, on in enumerate((np.count_nonzero(np.abs(heights) < tolerance, axis=1) / count).tolist()):
            if on >= SURFACE_SHARE * eased and on * pixels >= SURFACE_COVER * eased * self.planes[k].pixels:
                small = self.planes[k].area_m2 < SMALLEST_TABLE_M2
                return Standing() if small and self._is_a_top(mask, self.planes[k]) else Standing(surface=k)
        middle, lifted = points_m.mean(axis=0, keepdims=True), LIFTED_M + float(tolerance.mean())
        heights.sort(axis=1)
        cut = count // 50  # strays
        under = [
            (bottom, top, k)
            for k, (bottom, top) in enumerate(heights[:, [cut, count - 1 - cut]].tolist())
            if bottom > -lifted and self.planes[k].covers(middle, BESIDE_M)[0]
        ]
        if not under:
            return Standing()
        bottom, top, k = min(under)
        hidden = lifted < bottom <= MOST_HIDDEN_M
        stands = bottom <= lifted or (hidden and self._reaches_down(mask, self.planes[k], bottom, lifted))
        return Standing(k if stands else -1, bottom, top)

    def _is_a_top(self, mask: MaskCrop, plane: Plane) -> bool:
        """Whether a plane that a mask lies on is whole in the picture, and what is around it is lower."""
        (height, width), (rows, columns) = self._depth_m.shape, mask.crop.shape
        if min(mask.x, mask.y, width - mask.x - columns, height - mask.y - rows) <= _EDGE_PX:
            return False
        pad = 3 * _EDGE_PX
        within = np.pad(mask.crop, pad).astype(np.uint8)
        near, far = (cv2.dilate(within, np.ones((2 * reach + 1,) * 2, np.uint8)) for reach in (_EDGE_PX, pad))
        around = np.argwhere(far > near) + (mask.y - pad, mask.x - pad)
        around = around[(around >= 0).all(axis=1) & (around < (height, width)).all(axis=1)]
        row, column = around[:: max(1, len(around) // _MOST_AROUND)].T
        depths = self._depth_m[row, column]
        row, column, depths = row[depths > 0], column[depths > 0], depths[depths > 0]
        if not depths.size:
            return False
        heights = plane.heights_m(self._camera.rays(row, column) * depths[:, None])
        return bool(np.mean(heights < -noise_m(depths)) > 0.5)

    def _reaches_down(self, mask: MaskCrop, plane: Plane, bottom_m: float, lifted_m: float) -> bool:
        """Whether an instance whose lowest visible point is above a plane stands on it where one does not see it.

        It does when something nearer to the camera hides its foot, or its own upper part does. It does not when what is
        beneath its lower edge is another thing, which touches it or recedes under it, or the plane far behind it.
        """
        edge, beneath = self._lower_edge(mask, plane.normal)
        if not len(edge):
            return True  # cut by the image's edge, or without depth around: things do not float
        height, height_beneath = plane.heights_m(edge), plane.heights_m(beneath)
        lowest = height <= bottom_m + lifted_m
        step = beneath - edge
        aside = np.linalg.norm(step - (step @ plane.normal)[:, None] * plane.normal, axis=1)
        behind = np.linalg.norm(beneath, axis=1) > np.linalg.norm(edge, axis=1)
        carried = (height_beneath > lifted_m) & ((aside < TOUCHES_M) | behind)
        floating = (np.abs(height_beneath) < lifted_m) & (aside > FLOATS * bottom_m)
        return bool(np.mean((carried | floating)[lowest]) < 0.5) if lowest.any() else True

    def _lower_edge(self, mask: MaskCrop, normal: Matrix) -> tuple[Matrix, Matrix]:
        """Points (C, 3) at the lower edge of a mask in some of its columns, and those just beneath them.

        What is lower in the image, the normal (3,) of the plane tells: on its side a camera has rows for columns.
        """
        up = image_direction(normal)
        on_its_side, step = up in ("left", "right"), _EDGE_PX if up in ("up", "left") else -_EDGE_PX
        crop, first, across = (mask.crop.T, mask.x, mask.y) if on_its_side else (mask.crop, mask.y, mask.x)
        columns = np.flatnonzero(crop.any(axis=0))
        columns = columns[np.linspace(0, len(columns) - 1, min(len(columns), _MOST_COLUMNS)).astype(np.intp)]
        last = crop[:, columns].argmax(axis=0) if step < 0 else len(crop) - 1 - crop[::-1, columns].argmax(axis=0)
        inside, outside = last - step, last + step
        end = self._depth_m.shape[on_its_side] - first
        seen = (inside >= 0) & (inside < len(crop)) & (outside >= -first) & (outside < end)
        inside, outside, columns = inside[seen] + first, outside[seen] + first, columns[seen] + across
        inner, outer = (inside, columns), (outside, columns)  # rows and columns of the image
        if on_its_side:
            inner, outer = inner[::-1], outer[::-1]
        near, far = self._depth_m[inner], self._depth_m[outer]
        both = (near > 0) & (far > 0)
        edge, beneath = (
            self._camera.rays(rows[both], columns[both]).astype(np.float64) * depths[both, None]
            for (rows, columns), depths in ((inner, near), (outer, far))
        )
        finite = np.isfinite(edge[:, 0]) & np.isfinite(beneath[:, 0])
        return edge[finite], beneath[finite]
