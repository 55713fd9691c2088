"""One annotated RGB-D picture on its way into a data set: a simulator's `Frame`, or a `MaskedFrame` drawn by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.instances import MaskCrop

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class FrameObject:
    """An object that a frame may show. Its number is its place in `Frame.objects`."""

    class_name: str  # one of the data set's classes: of the taxonomy or OTHER, where it names no others
    style: str  # the simulator's name for what it looks like
    parts: tuple[str, ...] = ("body",)  # names, by the ids in `Frame.part_ids`
    sub_objects: Mapping[str, str] = field(default_factory=dict)  # part name -> class of its own, e.g. Drawer
    visible: float = 1.0  # share of its surface inside the picture that nothing else hides
    thing: str = ""  # names the very thing where it may stand in several scenes


@dataclass(frozen=True)
class Frame:
    """One picture of an episode.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        depth_m: (H, W) float32 along the optical axis as a sensor gives it, 0 = invalid.
        object_ids: (H, W) int32, index into `objects`, -1 = background (floors, walls, ceilings).
        part_ids: (H, W) int32, index into the object's `parts`, 0 on background.
        objects: All objects of the scene, seen or not.
        camera: Intrinsics.
        pose: (4, 4) float64, optical frame to world.
        scene: Name of the scene; a data set is split by it.
        split: The scene's split.
    """

    image_rgb: np.ndarray
    depth_m: np.ndarray
    object_ids: np.ndarray
    part_ids: np.ndarray
    objects: tuple[FrameObject, ...]
    camera: CameraIntrinsics
    pose: np.ndarray
    scene: str
    split: Split

    def __post_init__(self) -> None:
        _check_arrays(self, object_ids=np.int32, part_ids=np.int32)


@dataclass(frozen=True)
class MaskedObject:
    """An object, or a part of one, that somebody has drawn a mask of. Its number is its place in the frame's list."""

    class_name: str
    style: str
    mask: MaskCrop
    part_of: int | None = None  # number of the whole; it must not be a part itself
    visible: float = 1.0  # share of its surface inside the picture that nothing else hides


@dataclass(frozen=True)
class MaskedFrame:
    """One picture whose objects may overlap: a pot's mask holds the pixels of the lid that lies on it.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        depth_m: (H, W) float32 along the optical axis, 0 = invalid.
        objects: Those that the picture shows.
        ignore: (H, W) bool, pixels that must not be asked about (crowds).
        camera: Intrinsics.
        pose: (4, 4) float64, optical frame to world.
        scene: Name of the scene; a data set is split by it.
        split: The scene's split.
    """

    image_rgb: np.ndarray
    depth_m: np.ndarray
    objects: tuple[MaskedObject, ...]
    ignore: np.ndarray
    camera: CameraIntrinsics
    pose: np.ndarray
    scene: str
    split: Split

    def __post_init__(self) -> None:
        _check_arrays(self, ignore=np.bool_)


def _check_arrays(frame: Frame | MaskedFrame, **per_pixel: type) -> None:
    """Raises InputError unless all arrays of a frame are of the camera's size and of the right type."""
    size_hw = (frame.camera.height, frame.camera.width)
    wanted: dict[str, tuple[tuple[int, ...], Any]] = {
        "image_rgb": ((*size_hw, 3), np.uint8),
        "depth_m": (size_hw, np.float32),
        "pose": ((4, 4), np.float64),
        **{name: (size_hw, dtype) for name, dtype in per_pixel.items()},
    }
    for name, (shape, dtype) in wanted.items():
        array: np.ndarray = getattr(frame, name)
        if array.shape != shape or array.dtype != dtype:
            raise InputError(
                f"expected {name} of shape {shape} and {np.dtype(dtype)}, got {array.shape} {array.dtype}: "
                "all pictures of a frame must have the camera's size"
            )
