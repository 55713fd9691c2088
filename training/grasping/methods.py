"""Five ways to tell which pixels belong to the object that was chosen; each sees the camera's picture and nothing else.

The object is chosen by one pixel, as by a click. A method answers with the mask of it that covers the pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances

from .clusters import cluster_labels
from .scenes import TableScene

Method = Callable[[TableScene], "np.ndarray | None"]
"""The mask (H, W) bool of the object at `scene.pixel_xy`; None if there is none."""


@dataclass(frozen=True)
class Known:
    """A method by name."""

    name: str
    title: str
    make: Callable[[MethodOptions], Method]


@dataclass(frozen=True)
class MethodOptions:
    """What the methods with a network need."""

    model: str = ""  # a saom-*.onnx file; empty: bundled saom-tiny
    sam: str = "training/models/sam-like-base.safetensors"
    sam_grid: int = 16
    threads: int = 1


def _true_mask(options: MethodOptions) -> Method:
    return lambda scene: scene.object_ids == scene.target


def _saom(options: MethodOptions, *, use_depth: bool) -> Method:
    config = SaomConfig(model=options.model, provider="cpu", threads=options.threads, use_depth=use_depth)
    segmenter = OnnxSegmenter(config)

    def method(scene: TableScene) -> np.ndarray | None:
        found = segmenter.segment(scene.image_rgb, scene.depth_m if use_depth else None, scene.view.camera)
        return _at_pixel(found.instances, scene.pixel_xy)

    return method


def _sam(options: MethodOptions) -> Method:
    from pathlib import Path

    from saom_core.sam.checkpoints import read_checkpoint
    from saom_core.sam.segmenter import everything_options, segmenter_of

    config = SaomConfig(model=options.sam, provider="cpu", threads=options.threads)
    network = read_checkpoint(Path(options.sam))
    grid = (options.sam_grid, options.sam_grid)
    segmenter = segmenter_of(network, config, everything_options(network, config, grid))
    return lambda scene: _at_pixel(segmenter.segment(scene.image_rgb).instances, scene.pixel_xy)


def _clusters(options: MethodOptions) -> Method:
    def method(scene: TableScene) -> np.ndarray | None:
        labels = cluster_labels(scene.depth_m, scene.view.camera)
        label = labels[scene.pixel_xy[::-1]] or _nearest_label(labels, scene.pixel_xy)
        return labels == label if label else None

    return method


def _nearest_label(labels: np.ndarray, pixel_xy: tuple[int, int], reach_px: int = 4) -> int:
    """The most frequent label around a pixel, 0 if there is none: depth has holes, and a click may fall into one."""
    column, row = pixel_xy
    around = labels[max(0, row - reach_px) : row + reach_px + 1, max(0, column - reach_px) : column + reach_px + 1]
    counts = np.bincount(around[around > 0], minlength=1)
    return int(counts.argmax()) if counts.any() else 0


def _at_pixel(instances: Instances, pixel_xy: tuple[int, int]) -> np.ndarray | None:
    """The whole mask of the instance that is in front at a pixel, by the rule of `/saom/label_image`."""
    label = int(instances.label_image()[pixel_xy[::-1]])
    return instances.masks[label - 1].dense(instances.size_hw) if label else None


METHODS = (
    Known("truth", "(a) true masks", _true_mask),
    Known("saom_rgbd", "(b) saom-tiny, RGB-D", lambda options: _saom(options, use_depth=True)),
    Known("saom_rgb", "(c) saom-tiny, RGB alone", lambda options: _saom(options, use_depth=False)),
    Known("sam", "(d) SAM-like base", _sam),
    Known("clusters", "(e) planes, clusters", _clusters),
)
