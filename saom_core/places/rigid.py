"""`RigidTransform`: from one coordinate frame into another, as tf gives it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.geometry.depth import Boxes3d, rotations_of
from saom_core.instances import Instances

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RigidTransform:
    """Brings points of one frame into another.

    Attributes:
        quaternion_xyzw: (4,), unit length.
        translation_m: (3,).

    Raises:
        InputError: at construction, when it is no rotation or not finite.
    """

    quaternion_xyzw: Matrix
    translation_m: Matrix

    def __post_init__(self) -> None:
        length = float(np.linalg.norm(self.quaternion_xyzw))
        if not abs(length - 1) < 1e-3 or not np.isfinite(self.translation_m).all():
            raise InputError(
                f"expected a unit quaternion and a finite translation, got {self.quaternion_xyzw} and "
                f"{self.translation_m}: does the sender of this transform work?"
            )
        object.__setattr__(self, "quaternion_xyzw", self.quaternion_xyzw / length)

    @property
    def key(self) -> tuple[float, ...]:
        """Its numbers, to compare with those of another one."""
        return *self.quaternion_xyzw.tolist(), *self.translation_m.tolist()

    @property
    def rotation(self) -> Matrix:
        """(3, 3)."""
        return np.asarray(rotations_of(self.quaternion_xyzw[None])[0])

    @property
    def matrix(self) -> Matrix:
        """(4, 4), for points with a 1 as their fourth number."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.translation_m
        return matrix

    def points(self, points_m: npt.NDArray[np.floating]) -> FloatArray:
        """Points (..., 3) in the other frame, float32."""
        return np.asarray(points_m @ self.rotation.T + self.translation_m, np.float32)

    def quaternions(self, quaternions_xyzw: npt.NDArray[np.floating]) -> FloatArray:
        """Turns (N, 4) in the other frame, float32, w >= 0."""
        x, y, z, w = self.quaternion_xyzw
        left = np.array([[w, -z, y, x], [z, w, -x, y], [-y, x, w, z], [-x, -y, -z, w]])
        turned = quaternions_xyzw.astype(np.float64) @ left.T
        return np.asarray(np.where(turned[:, 3:] < 0, -turned, turned), np.float32)

    def instances(self, instances: Instances) -> Instances:
        """Instances with all their positions in the other frame; distances stay those along the camera's axis."""
        centroids, boxes, support = instances.centroids_m, instances.boxes3d, instances.support
        if boxes is not None:
            boxes = Boxes3d(self.points(boxes.centers_m), self.quaternions(boxes.quaternions_xyzw), boxes.sizes_m)
        if support is not None:
            rotation = self.rotation
            planes = tuple(plane.moved(rotation, self.translation_m) for plane in support.planes)
            support = dataclasses.replace(support, planes=planes)
        return dataclasses.replace(
            instances,
            centroids_m=None if centroids is None else self.points(centroids),
            boxes3d=boxes,
            support=support,
        )


IDENTITY = RigidTransform(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))
"""Between two frames that are one."""
