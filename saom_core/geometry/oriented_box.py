"""Oriented boxes about the visible points of things: a fit that is steady, and axes whose order and signs are fixed.

Things stand on planes, so a box that stands on the same plane is tried first: its upright axis is the normal of a
plane that thousands of pixels agree on, while the few pixels of a mug leave its own axes to the noise. Upright, the box
turns until its footprint is small and the points lie on its sides, and it reaches down to the plane, whose edge with
the thing may be hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import permutations, product

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.geometry.attitude import shortest_turn
from saom_core.geometry.footprint import NOISE_M, footprint_turn

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

BETTER = 0.9
"""A later candidate wins only when its box is so much smaller, or two equal ones would alternate with the noise."""

KEPT_WHILE = 1.05
"""A track keeps the axes of its box while that box, fitted anew, is at most so much larger than the best one."""

TURNED_DEG = 15.0
"""Up to here a new box is the old one, turned; beyond, it is another way to see the same points."""

SEEN_OTHERWISE = 1.1
"""Another way to see the points is taken when the old box is so much larger than the new one, on average."""

CLEARLY = 1.3
"""It is taken at once when the old box is so much larger than the new one, and the new one as large as the old one was:
then the thing has turned by a jump, while a mask that flickers gives boxes of other sizes."""

AS_LARGE = 1.15
"""Up to this ratio of their sizes, two boxes are of one thing that has turned."""

LONGER = 1.25
"""The edges of a track's box change their order when a later one is so much longer than an earlier, on average."""

SHARE_OF_FRAME = 0.05
"""Of one frame in these averages: what lasts for some twenty frames counts, what flickers does not."""

MOST_OF_FOOTPRINT = 300
"""Points that the turn of an upright box is found from."""

UPRIGHT = float(np.cos(np.radians(10)))
"""An axis whose cosine with a plane's normal is larger is the upright one, which ends on the plane."""

LEANS = float(np.cos(np.radians(TURNED_DEG)))
"""An axis whose cosine is smaller leans; to set it upright would be a jump."""

EXACT = float(np.cos(np.radians(0.1)))
"""One whose cosine is larger is so upright that to set it right would change nothing."""


@dataclass(frozen=True)
class OrientedBox:
    """A box about points.

    Attributes:
        center_m: (3,) float64.
        axes: (3, 3) float64, right-handed; its columns are the directions of the edges.
        sizes_m: (3,) float64, full edges along the axes.
    """

    center_m: Matrix
    axes: Matrix
    sizes_m: Matrix

    @property
    def quaternion_xyzw(self) -> FloatArray:
        """(4,) float32, turns the box's axes into the camera's; w >= 0."""
        (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = self.axes.tolist()
        # Scalars, as arrays cost more on nine numbers. A row is four times the products of one component with all of
        # them; that with the largest square is exact.
        rows = (
            (1 + xx - yy - zz, yx + xy, xz + zx, zy - yz),
            (yx + xy, 1 - xx + yy - zz, zy + yz, xz - zx),
            (xz + zx, zy + yz, 1 - xx - yy + zz, yx - xy),
            (zy - yz, xz - zx, yx - xy, 1 + xx + yy + zz),
        )
        row = rows[max(range(4), key=lambda k: rows[k][k])]
        scale = math.copysign(1 / math.hypot(*row), row[3])
        return np.array([scale * value for value in row], np.float32)

    @property
    def bulk(self) -> float:
        """How large it is, for comparisons."""
        return float(np.prod(self.sizes_m + NOISE_M))


@dataclass(frozen=True)
class LastBox:
    """What is remembered of a thing's box, to see it the same way a moment later."""

    axes: Matrix  # (3, 3)
    sizes_m: Matrix  # (3,), on average
    bulk: float  # of what is seen, when its box was last found to be as good as the best one
    strain: float = 1.0  # how much larger than the best box it is, on average, where the best one is another

    def turned(self, turn: Matrix) -> LastBox:
        """The same box in another frame, into which a rotation (3, 3) brings directions."""
        return replace(self, axes=turn @ self.axes)


def fit_box(
    points_m: FloatArray,
    normals: Callable[[], Iterable[npt.NDArray[np.floating]]] = tuple,
    before: LastBox | None = None,
    floor: tuple[float, float, float, float] | None = None,
) -> tuple[OrientedBox, LastBox]:
    """The box about the visible points of a thing, and what to remember of it.

    Only the side towards the camera is seen, so the box bounds the visible surface, not the whole object. One percent
    of the points on each side of each axis is left out, since depth has outliers. An upright box ends on the plane that
    the thing stands on.

    The longest edge comes first. The third axis points towards the camera, the first to the right in the image, and the
    second follows from them. A thing that had a box a moment ago keeps the axes, their order and their signs as long as
    they describe its points; one of them is the normal of the plane that it stands on, unless it clearly leans.

    Args:
        points_m: (P, 3), P >= 4, optical frame.
        normals: gives directions (3,), unit length, that may be upright for this thing, the likeliest first; called
            only where a box must be looked for.
        before: what was remembered of the thing's last box, turned as the camera has turned since.
        floor: a, b, c, d of the plane a x + b y + c z + d = 0 that the thing stands on, (a, b, c) upwards and of unit
            length; None for none.
    """
    mean = points_m.mean(axis=0, dtype=np.float64)
    centered = points_m - mean
    # the floor, about the same origin
    plane = None if floor is None else np.append(floor[:3], floor[3] + np.dot(floor[:3], mean))
    if before is None:
        seen = _best(centered, normals())
        box = _ruled(_standing(seen, plane), mean)
        last = LastBox(box.axes, box.sizes_m, seen.bulk)
    else:
        box, last = _continued(centered, plane, normals, before)
    return OrientedBox(box.center_m + mean, box.axes, box.sizes_m), last


def _best(centered: Matrix, normals: Iterable[npt.NDArray[np.floating]]) -> OrientedBox:
    """The smallest box about points (P, 3), among those that stand on a plane with one of the normals."""
    # the principal axis of least extent last: it serves what stands on no plane, and leans or lies
    own = np.linalg.eigh(centered.T @ centered)[1][:, 0]
    boxes = [_bounds(centered, _upright_axes(centered, np.asarray(normal, np.float64))) for normal in (*normals, own)]
    best = boxes[0]
    for box in boxes[1:]:
        if box.bulk < BETTER * best.bulk:
            best = box
    return best


def nearest_axes(axes: Matrix, goal: Matrix) -> Matrix:
    """The same box's axes in the order and with the signs that bring them nearest to others; all (3, 3)."""
    # the sum of the products of (axes @ symmetry) with the goal is that of the symmetry with (axes.T @ goal)
    nearest = int((_SYMMETRIES.reshape(-1, 9) @ (axes.T @ goal).ravel()).argmax())
    return np.asarray(axes @ _SYMMETRIES[nearest])


def angle_between(one: Matrix, other: Matrix) -> float:
    """By how many degrees one (3, 3) rotation is turned against another."""
    return float(np.degrees(np.arccos(np.clip((np.sum(one * other) - 1) / 2, -1, 1))))


def _symmetries() -> Matrix:
    """The 24 rotations (24, 3, 3) that bring a box's axes onto each other."""
    found = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[list(order), range(3)] = signs
        if np.linalg.det(matrix) > 0:
            found.append(matrix)
    return np.array(found)


_SYMMETRIES = _symmetries()


def _bounds(centered: Matrix, axes: Matrix) -> OrientedBox:
    """The box with these axes about points (P, 3), without the outermost percent on each side."""
    # a sort, because numpy's percentile costs several times the arithmetic on so few points
    local = np.sort(centered @ axes, axis=0)
    cut = len(local) // 100
    low, high = local[cut], local[len(local) - 1 - cut]
    return OrientedBox(axes @ ((low + high) / 2), axes, high - low)


def _standing(box: OrientedBox, floor: Matrix | None) -> OrientedBox:
    """A box about what is seen of a thing, whose upright axis, if it has one, ends on the floor (4,).

    Boxes are compared before: only upright ones are drawn down, which would make them larger than others.
    """
    if floor is None:
        return box
    cosines = floor[:3] @ box.axes
    k = int(np.abs(cosines).argmax())
    if abs(cosines[k]) < UPRIGHT:
        return box
    upwards = box.axes[:, k] * np.sign(cosines[k])
    middle, half = box.center_m, box.sizes_m[k] / 2
    # where the line through the box's middle along its upright axis meets the floor, from the middle on
    end = -(floor[:3] @ middle + floor[3]) / abs(cosines[k])
    if end >= half:
        return box
    sizes = box.sizes_m.copy()
    sizes[k] = half - end
    return OrientedBox(middle + upwards * (half + end) / 2, box.axes, sizes)


def _upright_axes(centered: Matrix, normal: Matrix) -> Matrix:
    """Axes (3, 3) of the box about points (P, 3) that stands on a plane with that normal."""
    right = np.array([1.0, 0, 0]) if abs(normal[0]) < 0.9 else np.array([0, 1.0, 0])
    right -= normal * (normal @ right)
    right /= np.linalg.norm(right)
    down = _cross(normal, right)
    some = (centered[:: max(1, len(centered) // MOST_OF_FOOTPRINT)] @ np.column_stack([right, down])).astype(np.float32)
    turn = footprint_turn(some)
    first = np.cos(turn) * right + np.sin(turn) * down
    return np.column_stack([first, _cross(normal, first), normal])


def _cross(a: Matrix, b: Matrix) -> Matrix:
    """The cross product of two vectors (3,): numpy's own takes longer than all else for so few numbers."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _ruled(box: OrientedBox, mean: Matrix) -> OrientedBox:
    """The same box with the longest edge first, the third axis towards the camera and the first one to the right."""
    order = np.argsort(-box.sizes_m, kind="stable")
    first, third = box.axes[:, order[0]], box.axes[:, order[2]]
    if third @ (mean + box.center_m) > 0:
        third = -third
    if first[0] < 0 or (first[0] == 0 and first[1] < 0):
        first = -first
    return OrientedBox(box.center_m, np.column_stack([first, _cross(third, first), third]), box.sizes_m[order])


def _continued(
    centered: Matrix,
    floor: Matrix | None,
    normals: Callable[[], Iterable[npt.NDArray[np.floating]]],
    before: LastBox,
) -> tuple[OrientedBox, LastBox]:
    """The box of a thing that had one before.

    A thing that turns is followed at once, and another box that is clearly better is taken at once. What else would be
    a jump, to other axes or another order of them, waits until it is right on average: masks and strays flicker, and
    one frame with a few pixels more proves nothing.
    """
    seen, bulk, strain, jumps = _kept(centered, floor, before.axes), before.bulk, 1.0, False
    average = before.strain
    if not 1 / KEPT_WHILE <= seen.bulk / bulk <= KEPT_WHILE:
        best = _best(centered, normals())
        near, strain = nearest_axes(best.axes, seen.axes), seen.bulk / best.bulk
        if strain <= KEPT_WHILE:
            bulk = seen.bulk
        elif strain > CLEARLY and 1 / AS_LARGE <= best.bulk / bulk <= AS_LARGE:
            jumps = True
        elif angle_between(near, seen.axes) < TURNED_DEG:
            seen = _bounds(centered, _halfway(seen.axes, near))
            bulk, strain = seen.bulk, 1.0
        else:
            jumps = average + SHARE_OF_FRAME * (strain - average) > SEEN_OTHERWISE
    average += SHARE_OF_FRAME * (strain - average)
    if jumps:
        seen, average = _bounds(centered, near), 1.0
        bulk = seen.bulk
    box = _standing(seen, floor)
    sizes = box.sizes_m if jumps else before.sizes_m + SHARE_OF_FRAME * (box.sizes_m - before.sizes_m)
    if max(sizes[1] / sizes[0], sizes[2] / sizes[1], sizes[2] / sizes[0]) > LONGER:
        order = np.argsort(-sizes, kind="stable")
        axes = box.axes[:, order]
        if np.linalg.det(axes) < 0:
            axes[:, 2] = -axes[:, 2]
        box, sizes = OrientedBox(box.center_m, axes, box.sizes_m[order]), sizes[order]
    return box, LastBox(box.axes, sizes, bulk, average)


def _kept(centered: Matrix, floor: Matrix | None, axes: Matrix) -> OrientedBox:
    """The box with the axes of a moment ago about what is seen, set upright where the thing stands and does not lean.

    Args:
        centered: points (P, 3).
        floor: (4,), that it stands on; None for none.
        axes: (3, 3).
    """
    box = _bounds(centered, axes)
    if floor is None:
        return box
    cosines = floor[:3] @ axes
    k = int(np.abs(cosines).argmax())
    if not LEANS <= abs(cosines[k]) < EXACT:
        return box
    upright = _bounds(centered, shortest_turn(axes[:, k] * np.sign(cosines[k]), floor[:3]) @ axes)
    return upright if upright.bulk <= KEPT_WHILE * box.bulk else box


def _halfway(one: Matrix, other: Matrix) -> Matrix:
    """The rotation (3, 3) in the middle between two."""
    half: Matrix = one @ cv2.Rodrigues(cv2.Rodrigues(one.T @ other)[0] / 2)[0]
    return half
