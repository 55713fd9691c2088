"""What every model in everything mode is to its user: one frame in, labelled whole-object instances out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError, ModelError
from saom_core.geometry.depth import clean_depth
from saom_core.instances import Instances
from saom_core.prompting.prompts import Prompts
from saom_core.runtime import ModelInfo
from saom_core.taxonomy import OTHER


@dataclass(frozen=True)
class Segmentation:
    """The answer for one frame."""

    instances: Instances
    timings_ms: dict[str, float]  # stage -> wall milliseconds: preprocess, network, postprocess
    prompts: tuple[int, ...] = ()  # of `ask`: which prompt each of the instances answers


class Segmenter(Protocol):
    """A model in everything mode."""

    config: SaomConfig
    """The options of the next frame. Those that are `read_only` are taken when the model is loaded, and never again."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and where it runs."""

    def segment(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
        located: bool = True,
    ) -> Segmentation:
        """All whole objects of one frame.

        Args:
            image_rgb: (H, W, 3) uint8.
            depth_m: (H, W) floating, metres along the optical axis, aligned with the image; 0 or NaN = invalid.
            camera: intrinsics of the image; with depth they give centroids and boxes in metres and tell what things
                stand on, and tables are left out where the option `drop_surfaces` is set. Also without depth they tell
                sizes, which have a say in names.
            located: whether instances get what takes intrinsics and depth together; False: the caller will do that.

        Raises:
            InputError: an image or depth of another shape or type, or a camera of another size.
        """

    def ask(
        self,
        image_rgb: npt.NDArray[np.uint8],
        prompts: Prompts,
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
        between: Callable[[], object] = lambda: None,
        located: bool = True,
    ) -> Segmentation:
        """The object that each prompt asks for, by falling score; thresholds leave nothing out.

        Each prompt gets the answer that it would get alone. One that gets an empty mask has no instance.

        Args:
            image_rgb: see `segment`, as all arguments but one.
            prompts: in pixels of the image.
            depth_m: see `segment`.
            camera: see `segment`.
            between: called between two runs of the network, when another frame may be segmented.
            located: see `segment`.

        Raises:
            InputError: as `segment`, and a prompt outside the image, or one that this model cannot be asked.
            ModelError: the model answers its built-in grid only.
        """


def prompt_count_of(info: ModelInfo) -> int:
    """How many prompts the model wants, no fewer and no more.

    Raises:
        ModelError: it has no input for prompts.
    """
    if not info.prompt_count:
        raise ModelError(
            f"{info.name}: expected a file with the input `prompts`, got one that answers its grid only: export it "
            "anew with `saom export`"
        )
    return info.prompt_count


def named(
    class_ids: npt.NDArray[np.integer],
    class_scores: npt.NDArray[np.floating],
    class_names: tuple[str, ...],
    threshold: float,
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Ids and names that are given out; an unsure class becomes Other (-1 and "" where the model has no Other).

    Args:
        class_ids: (N,) the likeliest class of each instance.
        class_scores: (N,) its probability, 0..1.
        class_names: of the model.
        threshold: least probability of a class that is named.
    """
    fallback = class_names.index(OTHER) if OTHER in class_names else -1
    ids = np.where(class_scores >= threshold, class_ids, fallback).astype(np.int32)
    return ids, [class_names[k] if k >= 0 else "" for k in ids]


def check_frame(
    image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.floating] | None, config: SaomConfig
) -> npt.NDArray[np.float32] | None:
    """The cleaned depth of a frame whose shapes and types are right.

    Raises:
        InputError: no (H, W, 3) uint8 image with at least one pixel, or depth of another size.
    """
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8 or image_rgb.size == 0:
        raise InputError(f"expected an image of shape (H, W, 3) uint8, got {image_rgb.shape} {image_rgb.dtype}")
    if depth_m is None:
        return None
    if depth_m.shape != image_rgb.shape[:2]:
        raise InputError(
            f"expected depth of the image's size {image_rgb.shape[:2]}, got {depth_m.shape}: align depth to colour"
        )
    return clean_depth(depth_m, config.min_depth_m, config.max_depth_m)
