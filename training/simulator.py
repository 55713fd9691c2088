"""The small interface that all simulators share: an episode number goes in, annotated RGB-D frames come out."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from saom_core.depth import CameraIntrinsics
from saom_core.errors import InputError, SaomError

SIMULATORS = {"rooms": "training.rooms.rooms_simulator", "ai2thor": "training.ai2thor_simulator"}
"""Name -> module with `VERSION`, and `create(options: CollectOptions) -> Simulator`. Imported only when asked for."""

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class FrameObject:
    """An object that a frame may show. Its number is its place in `Frame.objects`."""

    class_name: str  # of the taxonomy, or OTHER
    style: str  # the simulator's name for what it looks like
    parts: tuple[str, ...] = ("body",)  # names, by the ids in `Frame.part_ids`
    sub_objects: Mapping[str, str] = field(default_factory=dict)  # part name -> class of its own, e.g. Drawer
    visible: float = 1.0  # share of its surface inside the picture that nothing else hides


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
        size_hw = (self.camera.height, self.camera.width)
        wanted: dict[str, tuple[tuple[int, ...], Any]] = {
            "image_rgb": ((*size_hw, 3), np.uint8),
            "depth_m": (size_hw, np.float32),
            "object_ids": (size_hw, np.int32),
            "part_ids": (size_hw, np.int32),
            "pose": ((4, 4), np.float64),
        }
        for name, (shape, dtype) in wanted.items():
            array: np.ndarray = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise InputError(
                    f"expected {name} of shape {shape} and {np.dtype(dtype)}, got {array.shape} {array.dtype}: "
                    "the simulator must deliver all pictures of a frame at the camera's size"
                )


@dataclass(frozen=True)
class CollectOptions:
    """What a data set is made with: everything that decides its pictures. Stored in `dataset.json`.

    `extra` are options of one simulator alone; their values must be fit for JSON. `machine` are options of one
    simulator that change no picture (paths, time-outs): not stored, and a data set may be continued with other ones.
    """

    simulator: str
    seed: int
    size_hw: tuple[int, int]
    frames_per_scene: int
    extra: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)

    def info(self) -> dict[str, Any]:
        """For `dataset.json`."""
        decisive = {key: value for key, value in asdict(self).items() if key != "machine"}
        return {**decisive, "version": _module(self.simulator).VERSION}


def _module(name: str) -> Any:
    try:
        return importlib.import_module(SIMULATORS[name])
    except (KeyError, ModuleNotFoundError) as error:
        raise InputError(
            f"expected a simulator of {available_simulators()}, got {name!r} ({error}): run "
            "pip install '.[train]' in a checkout of the repository"
        ) from None


def available_simulators() -> tuple[str, ...]:
    """Names of the simulators whose module is there."""
    return tuple(name for name, module in SIMULATORS.items() if importlib.util.find_spec(module))


def make_simulator(options: CollectOptions) -> Simulator:
    """Start the simulator that the options name."""
    made: Simulator = _module(options.simulator).create(options)
    return made


class EpisodeFailed(SaomError):
    """This episode could not be made, others can: it is not stored, and the same command tries it again."""


class Simulator(Protocol):
    """Makes episodes. The same simulator, version, seed, options and number give the same frames."""

    name: str
    version: str

    def episode(self, index: int) -> list[Frame]:
        """All frames of one episode, which lies in one scene; empty if nothing good was found.

        A simulator that skips views counts them, by reason, in an attribute `skipped` (a Counter).

        Raises:
            EpisodeFailed: If this one cannot be made now.
        """
        ...

    def close(self) -> None:
        """Free processes, windows and contexts."""
        ...
