"""Everything mode: one camera frame in, labelled whole-object instances out.

`OnnxSegmenter.segment` reads as the recipe: letterbox the frame, run the file, cut the masks at camera resolution,
measure them in depth.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.config import SaomConfig
from saom_core.depth import Boxes3d, CameraIntrinsics, back_project, clean_depth, inlier_depths, oriented_box
from saom_core.errors import InputError
from saom_core.instances import Instances, MaskCrop
from saom_core.runtime import ModelInfo, OnnxModel
from saom_core.taught import descriptors, match
from saom_core.taxonomy import OTHER

MIN_POINTS_3D = 16
MAX_POINTS_3D = 1000
"""Points of an instance that its 3D box is measured from; more change it by less than the sensor's noise."""


@dataclass(frozen=True)
class Segmentation:
    """The answer for one frame."""

    instances: Instances
    timings_ms: dict[str, float]  # stage -> wall milliseconds: preprocess, network, postprocess


class Segmenter(Protocol):
    """A model in everything mode."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and where it runs."""

    def segment(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
    ) -> Segmentation:
        """All whole objects of one frame.

        Args:
            image_rgb: (H, W, 3) uint8.
            depth_m: (H, W) floating, metres along the optical axis, aligned with the image; 0 or NaN = invalid.
            camera: intrinsics of the image; with depth they give centroids and boxes in metres.

        Raises:
            InputError: an image or depth of another shape or type.
        """


def load_segmenter(config: SaomConfig) -> Segmenter:
    """The segmenter for `config.model`: ONNX, or (where torch is installed) a checkpoint of the SAM family.

    Raises:
        ModelError: the model cannot be loaded.
    """
    if Path(config.model).suffix in (".pth", ".pt", ".safetensors"):
        from saom_core.sam import load_sam  # torch: not on the robot

        return load_sam(config)
    return OnnxSegmenter(config)


class EverythingModel(Protocol):
    """The network of everything mode: an exported file, or what has the inputs and outputs of one."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and where it runs."""

    def run(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.float32],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """See `OnnxModel.run`."""


class OnnxSegmenter:
    """Everything mode with a saom-*.onnx file.

    Args:
        config: which file, where it runs, thresholds.
        model: another network in the place of the file.
    """

    def __init__(self, config: SaomConfig, model: EverythingModel | None = None) -> None:
        self.config = config
        self.model: EverythingModel = model or OnnxModel(config.model, config.provider, config.threads)
        self.info = self.model.info

    def segment(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
    ) -> Segmentation:
        """See `Segmenter.segment`."""
        started = time.perf_counter()
        depth = check_frame(image_rgb, depth_m, self.config)
        box = Letterbox.fit(image_rgb.shape[:2], self.info.input_size_hw)
        image_in = box.image(image_rgb)
        depth_in = box.depth(depth if self.config.use_depth else None)
        prepared = time.perf_counter()
        thresholds = {
            "score_threshold": self.config.score_threshold,
            "stability_threshold": self.config.stability_threshold,
            "nms_iou": self.config.nms_iou,
        }
        outputs = self.model.run(image_in, depth_in, thresholds)
        answered = time.perf_counter()
        instances = self._instances(outputs, box, image_in)
        if depth is not None:
            instances = measure(instances, depth, camera)
        finished = time.perf_counter()
        timings = {"preprocess": prepared - started, "network": answered - prepared, "postprocess": finished - answered}
        return Segmentation(instances, {stage: 1000 * seconds for stage, seconds in timings.items()})

    def _instances(
        self, outputs: dict[str, npt.NDArray[Any]], box: Letterbox, image_in: npt.NDArray[np.uint8]
    ) -> Instances:
        """Masks at camera resolution from the file's low-resolution logits; small ones and padding dropped."""
        kept: list[int] = []
        masks: list[MaskCrop] = []
        boxes = box.to_source(outputs["boxes"].astype(np.float64))
        for k in np.flatnonzero(outputs["scores"] > 0):
            mask = box.cut_mask(outputs["masks"][k].astype(np.float32, copy=False), boxes[k])
            if mask is not None and mask.area >= self.config.min_area_px:
                kept.append(int(k))
                masks.append(mask)
            if len(kept) == self.config.max_instances:  # the file's rows come by falling score
                break
        ids, names, class_scores = self._named(outputs, kept, image_in)
        return Instances.from_masks(
            box.source_hw,
            masks,
            outputs["scores"][kept].astype(np.float32),
            stability=outputs["stability"][kept].astype(np.float32),
            class_ids=ids,
            class_names=names,
            class_scores=class_scores,
            points_xy=box.to_source(outputs["points"][kept].astype(np.float64)).astype(np.float32),
        )

    def _named(
        self, outputs: dict[str, npt.NDArray[Any]], kept: list[int], image_in: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.int32], list[str], npt.NDArray[np.float32]]:
        """Class ids, names and scores of the kept rows: the model's, or those of the taught class that they match."""
        model, scores = self.info, outputs["class_scores"][kept].astype(np.float32)
        ids, names = named(outputs["class_ids"][kept], scores, model.class_names, self.config.class_score_threshold)
        if model.taught:
            described = descriptors(image_in, outputs["masks"][kept], outputs["embeddings"][kept])
            matched, similarity = match(described, model.taught)
            first = len(model.class_names) - len(model.taught)
            for k in np.flatnonzero(matched >= 0).tolist():
                ids[k], scores[k] = first + matched[k], similarity[k]
                names[k] = model.class_names[ids[k]]
        return ids, names, scores


@dataclass(frozen=True)
class Letterbox:
    """A frame scaled into the network's input without distortion, padded on the right and at the bottom."""

    source_hw: tuple[int, int]
    target_hw: tuple[int, int]
    scale: float  # target pixels per source pixel

    @staticmethod
    def fit(source_hw: tuple[int, int], target_hw: tuple[int, int]) -> Letterbox:
        """The largest scale at which a source of that size fits the target."""
        scale = min(target_hw[0] / source_hw[0], target_hw[1] / source_hw[1])
        return Letterbox((source_hw[0], source_hw[1]), target_hw, scale)

    @property
    def inner_hw(self) -> tuple[int, int]:
        """The part of the target that the frame covers."""
        height, width = self.source_hw
        return (
            min(self.target_hw[0], max(1, round(height * self.scale))),
            min(self.target_hw[1], max(1, round(width * self.scale))),
        )

    def image(self, image_rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 -> (target height, target width, 3) uint8, grey padding."""
        height, width = self.inner_hw
        interpolation = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(image_rgb, (width, height), interpolation=interpolation)
        if (height, width) == self.target_hw:
            return np.ascontiguousarray(scaled, np.uint8)
        padded = np.full((*self.target_hw, 3), 114, np.uint8)
        padded[:height, :width] = scaled
        return padded

    def depth(self, depth_m: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
        """(H, W) float32 -> (target height, target width) float32; zeros (invalid) for padding and without depth."""
        padded = np.zeros(self.target_hw, np.float32)
        if depth_m is not None:
            height, width = self.inner_hw
            # nearest: a mean of near and far is a depth where nothing is
            padded[:height, :width] = cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_NEAREST)
        return padded

    def to_source(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Pixel coordinates (..., 2 or 4) of the target -> of the source, clipped to it."""
        (height, width), (inner_height, inner_width) = self.source_hw, self.inner_hw
        pairs = xy.reshape(-1, 2) * (width / inner_width, height / inner_height)
        return np.clip(pairs, 0, (width, height)).reshape(xy.shape)

    def cut_mask(self, logits: npt.NDArray[np.float32], box_xyxy: npt.NDArray[np.float64]) -> MaskCrop | None:
        """A mask at source resolution, bilinear from logits (h, w) that cover the target; None where it is empty.

        Args:
            logits: (h, w) float32, positive inside.
            box_xyxy: (4,) source pixels; the mask is computed inside it only.
        """
        left, top = np.floor(box_xyxy[:2]).astype(int)
        right, bottom = np.ceil(box_xyxy[2:]).astype(int)
        if right <= left or bottom <= top:
            return None
        # source pixel centre X + 0.5 -> logit coordinate: two half-pixel conventions in one affine map
        sx = self.inner_hw[1] / self.source_hw[1] * logits.shape[1] / self.target_hw[1]
        sy = self.inner_hw[0] / self.source_hw[0] * logits.shape[0] / self.target_hw[0]
        to_logits = np.array([[sx, 0, (left + 0.5) * sx - 0.5], [0, sy, (top + 0.5) * sy - 0.5]])
        upsampled = cv2.warpAffine(
            logits,
            to_logits,
            (int(right - left), int(bottom - top)),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask = upsampled > 0
        return MaskCrop.from_dense(mask, (int(left), int(top))) if mask.any() else None


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


def measure(instances: Instances, depth_m: npt.NDArray[np.float32], camera: CameraIntrinsics | None) -> Instances:
    """Instances with their depth: valid ratio, distance, and with intrinsics centroid and oriented box.

    Args:
        instances: N instances of the image.
        depth_m: (H, W) float32, metres, 0 = invalid.
        camera: intrinsics of the image, or None.
    """
    n = len(instances)
    ratio, distance = np.zeros(n, np.float32), np.full(n, np.nan, np.float32)
    centroids = np.full((n, 3), np.nan, np.float32)
    boxes = Boxes3d(np.full((n, 3), np.nan, np.float32), np.full((n, 4), np.nan, np.float32), centroids.copy())
    for k, mask in enumerate(instances.masks):
        depths = depth_m[mask.window].ravel()
        valid = np.flatnonzero(mask.crop.ravel() & (depths > 0))  # one index a pixel: half the work of rows and columns
        ratio[k] = valid.size / mask.area
        if valid.size:
            distance[k] = np.median(depths[valid])
        if camera is None or valid.size < MIN_POINTS_3D:
            continue
        if valid.size > MAX_POINTS_3D:
            # a whole-numbered step could fall in with the row length and sample one side of every row
            valid = valid[np.linspace(0, valid.size - 1, MAX_POINTS_3D).astype(np.intp)]
        rows, columns = np.divmod(valid, mask.crop.shape[1])
        points = inlier_depths(back_project(depths[valid], rows + mask.y, columns + mask.x, camera))
        centroids[k] = points.mean(axis=0)
        boxes.centers_m[k], boxes.quaternions_xyzw[k], boxes.sizes_m[k] = oriented_box(points)
    return dataclasses.replace(
        instances,
        valid_depth_ratio=ratio,
        distances_m=distance,
        centroids_m=None if camera is None else centroids,
        boxes3d=None if camera is None else boxes,
    )
