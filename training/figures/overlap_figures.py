"""Overlap and boundary precision, recall and F of segmented objects, as published for OCID.

Dave et al. (arXiv 1902.03715) define them, Xie et al. (UOIS, arXiv 2007.08073, section V.B) use them on tabletops:
predictions and objects are paired so that the sum of their F is largest; precision counts the pixels that a pair shares
among all predicted pixels, recall among all object pixels. Boundaries likewise, with a tolerance. Figures are means
over images.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

BoolArray = npt.NDArray[np.bool_]
LabelImage = npt.NDArray[np.integer]
TOLERANCE = 0.003
"""How far apart boundaries may lie, of the image's diagonal (Perazzi et al., DAVIS, 2016); rounded up to pixels."""
F_FOUND = 0.75


@dataclass(frozen=True)
class OverlapFigures:
    """The figures of one image, each 0..1."""

    overlap_precision: float
    overlap_recall: float
    overlap_f: float
    boundary_precision: float
    boundary_recall: float
    boundary_f: float
    found_f75: float  # share of the objects whose partner has F above .75


def overlap_figures(predicted: LabelImage, truth: LabelImage) -> OverlapFigures:
    """The figures of one image.

    Args:
        predicted: (H, W), 0 background, other numbers one prediction each.
        truth: (H, W), the same of objects.

    Returns:
        Without objects and predictions all figures are 1; without predictions alone precision is 1 and the rest 0,
        without objects alone recall is 1 and the rest 0 (as in UOIS).
    """
    predicted_ids, truth_ids = np.unique(predicted[predicted > 0]), np.unique(truth[truth > 0])
    if not len(predicted_ids) or not len(truth_ids):
        right = float(len(predicted_ids) == len(truth_ids))
        precision, recall = float(not len(predicted_ids)), float(not len(truth_ids))
        return OverlapFigures(precision, recall, right, precision, recall, right, right)
    shared = _shared_pixels(predicted, truth, predicted_ids, truth_ids)
    predicted_areas = np.array([np.count_nonzero(predicted == i) for i in predicted_ids])
    truth_areas = np.array([np.count_nonzero(truth == i) for i in truth_ids])
    f = 2 * shared / (predicted_areas[:, None] + truth_areas[None])  # F of each pair is 2 P R / (P + R)
    pairs = list(zip(*linear_sum_assignment(f, maximize=True), strict=True))
    common = sum(int(shared[pair]) for pair in pairs)
    overlap = _precision_recall_f(common, predicted_areas.sum(), common, truth_areas.sum())
    predicted_edges = [boundary(predicted == i) for i in predicted_ids]
    truth_edges = [boundary(truth == i) for i in truth_ids]
    disk = _disk(int(np.ceil(TOLERANCE * np.hypot(truth.shape[0], truth.shape[1]))))
    hits = [_boundary_hits(predicted_edges[k], truth_edges[g], disk) for k, g in pairs]
    edges = _precision_recall_f(
        sum(hit for hit, _ in hits),
        sum(int(np.count_nonzero(edge)) for edge in predicted_edges),
        sum(hit for _, hit in hits),
        sum(int(np.count_nonzero(edge)) for edge in truth_edges),
    )
    return OverlapFigures(*overlap, *edges, sum(f[pair] > F_FOUND for pair in pairs) / len(truth_ids))


def boundary(mask: BoolArray) -> BoolArray:
    """Pixels (H, W) that differ from the neighbour to the right, below, or diagonally below, inside the image."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask != padded[1:, :-1]) | (mask != padded[:-1, 1:]) | (mask != padded[1:, 1:])


def _shared_pixels(
    predicted: LabelImage, truth: LabelImage, predicted_ids: npt.NDArray[np.integer], truth_ids: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """(K, N) pixels that a prediction and an object share."""
    both = (predicted > 0) & (truth > 0)
    shared = np.zeros((len(predicted_ids), len(truth_ids)), np.int64)
    where = np.searchsorted(predicted_ids, predicted[both]), np.searchsorted(truth_ids, truth[both])
    np.add.at(shared, where, 1)
    return shared


def _boundary_hits(predicted: BoolArray, truth: BoolArray, disk: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Predicted boundary pixels near the true boundary, and the other way round."""
    near_truth = cv2.dilate(truth.astype(np.uint8), disk) > 0
    near_predicted = cv2.dilate(predicted.astype(np.uint8), disk) > 0
    return int(np.count_nonzero(predicted & near_truth)), int(np.count_nonzero(truth & near_predicted))


def _disk(radius: int) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x**2 + y**2 <= radius**2).astype(np.uint8)


def _precision_recall_f(hits: int, predicted: int, found: int, there: int) -> tuple[float, float, float]:
    """Shares of predicted pixels that hit and of true pixels found, and their harmonic mean."""
    precision, recall = float(hits / max(1, predicted)), float(found / max(1, there))
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0
