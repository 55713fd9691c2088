"""What grasp planners and pose estimators read, made of `Instances`: masks, label maps, clouds; docs/grasping.md.

All of them get each pixel once: where masks overlap, the smaller object is in front, as in `Instances.label_image`. So
a table's cloud has no points of the mug that stands on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraLike, intrinsics_of
from saom_core.errors import InputError
from saom_core.geometry.depth import back_project
from saom_core.instances import Instances

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cloud:
    """Points of the pixels that have depth, row by row.

    Attributes:
        points_m: (P, 3) float32, the camera's optical frame.
        colors_rgb: (P, 3) uint8.
        pixels: (P,) int64, their places in an organised cloud of the image: row * width + column.
    """

    points_m: FloatArray
    colors_rgb: npt.NDArray[np.uint8]
    pixels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)


def binary_mask(instances: Instances, k: int) -> npt.NDArray[np.uint8]:
    """Instance k as FoundationPose, GQ-CNN and Dex-Net read it: (H, W) uint8, 255 on the object, else 0.

    Raises:
        InputError: there is no instance k.
    """
    return np.where(instances.label_image() == _label(instances, k), np.uint8(255), np.uint8(0))


def paired_segmap(instances: Instances) -> npt.NDArray[np.uint16]:
    """A label map whose numbers hold class and instance, (H, W) uint16, 0 = background: contact_graspnet's ROS wrapper.

    The two numbers are class id + 1 (0: no class known) and k + 1, joined by Cantor's pairing function
    (a + b) (a + b + 1) / 2 + b.

    Raises:
        InputError: numbers that do not fit into 16 bits, from about 300 instances or classes on.
    """
    classes, labels = instances.class_ids.astype(np.int64) + 1, np.arange(1, len(instances) + 1)
    paired = (classes + labels) * (classes + labels + 1) // 2 + labels
    if paired.size and paired.max() > np.iinfo(np.uint16).max:
        raise InputError(
            f"expected paired ids up to {np.iinfo(np.uint16).max}, got {paired.max()}: use `label_image`, or fewer "
            "instances (max_instances)"
        )
    of_label = np.concatenate([np.zeros(1, np.uint16), paired.astype(np.uint16)])
    return np.asarray(of_label[instances.label_image()], np.uint16)


def scene_cloud(depth_m: FloatArray, camera: CameraLike, image_rgb: npt.NDArray[np.uint8]) -> Cloud:
    """All points of a picture, as AnyGrasp reads a scene (its colours are `colors_rgb / 255`).

    Args:
        depth_m: (H, W) float32, metres; 0, NaN and infinities = invalid.
        camera: of the picture; see `CameraLike`.
        image_rgb: (H, W, 3) uint8.

    Raises:
        InputError: depth or picture of another size than the camera's.
    """
    return _cloud(np.ones(depth_m.shape, np.bool_), depth_m, camera, image_rgb)


def object_cloud(
    instances: Instances, k: int, depth_m: FloatArray, camera: CameraLike, image_rgb: npt.NDArray[np.uint8]
) -> Cloud:
    """The points of instance k alone; arguments as `scene_cloud`.

    Raises:
        InputError: as `scene_cloud`, and there is no instance k.
    """
    return _cloud(instances.label_image() == _label(instances, k), depth_m, camera, image_rgb)


def indices_in(scene: Cloud, part: Cloud) -> npt.NDArray[np.int64]:
    """Where a part's points stand in a scene's cloud, (P,): GPD's cloud with indices.

    Args:
        scene: of a picture; see `scene_cloud`.
        part: of the same picture; see `object_cloud`.
    """
    return np.asarray(np.searchsorted(scene.pixels, part.pixels), np.int64)


def _label(instances: Instances, k: int) -> int:
    if not 0 <= k < len(instances):
        raise InputError(f"expected an instance from 0 to {len(instances) - 1}, got {k}: there are {len(instances)}")
    return k + 1


def _cloud(
    wanted: npt.NDArray[np.bool_], depth_m: FloatArray, camera: CameraLike, image_rgb: npt.NDArray[np.uint8]
) -> Cloud:
    known = intrinsics_of(camera, image_rgb.shape[:2])
    size_hw = known.height, known.width
    if not np.issubdtype(depth_m.dtype, np.floating):
        raise InputError(f"expected depth as floats in metres, got {depth_m.dtype}: divide millimetres by 1000")
    if not wanted.shape == depth_m.shape == image_rgb.shape[:2] == size_hw:
        raise InputError(
            f"expected masks, depth and picture of the camera's size {size_hw}, got {wanted.shape}, {depth_m.shape} "
            f"and {image_rgb.shape[:2]}: give those of one moment"
        )
    with np.errstate(invalid="ignore"):
        pixels = np.flatnonzero(wanted & (depth_m > 0) & (depth_m < np.inf))
    rows, columns = np.divmod(pixels, known.width)
    points = back_project(depth_m.ravel()[pixels], rows, columns, known)
    seen = np.isfinite(points[:, 0])  # a wide lens has pixels without a ray
    pixels, points = pixels[seen], points[seen]
    return Cloud(points, image_rgb.reshape(-1, 3)[pixels], pixels.astype(np.int64))
