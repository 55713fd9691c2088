"""The paper's protocol (arXiv 2403.10780, after PerSAM's): each object's own mask chooses the point that asks for it.

The point is the nearest-neighbour assignment's, the answer is the prompt's best mask by predicted quality, and figures
are per class: IoU = sum of intersections / sum of unions over all objects of the class, Acc = sum of intersections /
sum of object pixels. It tells how well a well-placed prompt is answered, not what a robot gets, who has no masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.nn import functional as F

from saom_core.prompting.grid import grid_points

from ..prompts.location_prior import nearest_grid_points
from .class_figures import ClassRegions, resampled_regions
from .comparison import GroundTruth
from .prompted_models import EncodedImage
from .resampling import Draws, FloatArray

BoolArray = npt.NDArray[np.bool_]
_ENLARGE = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class PromptedAnswers:
    """What is found of the objects of one image that are asked for."""

    rows: npt.NDArray[np.int64]  # (T,) which objects
    points_xy: npt.NDArray[np.float64]  # (T, 2) pixels of the image
    masks: BoolArray  # (T, H, W), may be empty
    ious: npt.NDArray[np.float64]  # (T,)


class PaperMetrics:
    """Collects images, then gives the figures.

    Args:
        grid: columns and rows of the points that an object may be asked by.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        self._grid = grid
        self._regions = ClassRegions()
        self._pictures: list[ClassRegions] = []
        self._vanishing = 0

    def add(self, image: EncodedImage, truth: GroundTruth) -> PromptedAnswers:
        """One image and its objects."""
        rows = np.flatnonzero(truth.asked)
        objects = truth.masks[rows]
        points, vanishing = assigned_points(image, objects, self._grid)
        masks = image.best_masks(points)
        shared = np.count_nonzero(masks & objects, axis=(1, 2))
        unions = np.count_nonzero(masks | objects, axis=(1, 2))
        own = ClassRegions()
        for row, intersection, union in zip(rows, shared, unions, strict=True):
            own.add(truth.class_names[row], int(intersection), int(union), int(truth.areas[row]))
        self._regions.merge(own)
        self._pictures.append(own)
        self._vanishing += vanishing
        return PromptedAnswers(rows, points * image.canvas_hw[::-1], masks, shared / np.maximum(unions, 1))

    def figures(self) -> dict[str, Any]:
        """The figures by name; `per_class` by class of the objects."""
        return {
            "images": len(self._pictures),
            "objects": sum(row.objects for row in self._regions.rows.values()),
            "objects_below_embedding": self._vanishing,
            "grid": list(self._grid),
            "mIoU": self._regions.mean_iou,
            "mAcc": self._regions.mean_accuracy,
            "per_class": {
                name: {"objects": row.objects, "iou": row.iou, "acc": row.accuracy}
                for name, row in sorted(self._regions.rows.items())
            },
        }

    def resampled(self, drawn: Draws) -> dict[str, FloatArray]:
        """Figure -> its values (B,) of sets of the pictures, drawn (B, P)."""
        mean_iou, mean_accuracy = resampled_regions(self._pictures, drawn)
        return {"mIoU": mean_iou, "mAcc": mean_accuracy}


def assigned_points(
    image: EncodedImage, objects: BoolArray, grid: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], int]:
    """The grid point of each object.

    Objects that vanish at the embedding's resolution, which training drops, are looked for in the embedding enlarged:
    else each model would be asked for other objects, and a coarse one for the easy ones alone.

    Args:
        image: the image as the model sees it.
        objects: (T, H, W) masks.
        grid: columns and rows.

    Returns:
        (T, 2) in 0..1 of the image's canvas, and how many objects vanish.
    """
    height, width = objects.shape[1:]
    padding = (0, image.canvas_hw[1] - width, 0, image.canvas_hw[0] - height)
    masks = np.pad(objects, ((0, 0), padding[2:], padding[:2]))
    points = np.full((len(objects), 2), np.nan)
    left = np.arange(len(objects))
    vanishing = 0
    for factor in _ENLARGE:
        if not len(left):
            break
        embedding = image.embedding
        if factor > 1:
            embedding = F.interpolate(embedding[None], scale_factor=factor, mode="bilinear")[0]
        found = nearest_grid_points(embedding, masks[left], image.input_hw, grid)
        points[left[found.rows]] = found.points_xy
        left = np.delete(left, found.rows)
        vanishing = len(left) if factor == 1 else vanishing
    # an object that vanishes in the enlarged embedding, too, gets the grid point nearest to its middle
    for row in left:
        middle, lattice = (np.argwhere(masks[row]).mean(0) + 0.5)[::-1], grid_points(*grid)
        away = lattice * masks.shape[:0:-1] - middle
        points[row] = lattice[np.square(away).sum(1).argmin()]
    return points, vanishing
