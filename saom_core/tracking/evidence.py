"""How much speaks for an instance being a known object: its place in picture and space, and what it is like."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.geometry.depth import back_project
from saom_core.instances import FloatArray, Instances, MaskCrop

Evidence = npt.NDArray[np.float64]

LEAST_IOU = 0.2
"""Masks of one object in two frames overlap at least so much; low, as a moving camera shifts small objects far."""

ALIKE, UNLIKE = 1.0, 0.55
"""Cosines of two descriptors that speak wholly for one object, and neither for nor against it."""

REACH, LEAST_REACH_M = 0.5, 0.07
"""How far the measured place of a thing shifts from frame to frame: a share of its extent, at least so many metres."""


def places(instances: Instances, camera: CameraIntrinsics) -> tuple[FloatArray, FloatArray]:
    """Where instances are, roughly, and how large they look: no more than it takes to tell them apart.

    Args:
        instances: N instances, with their distances.
        camera: of the picture.

    Returns:
        (N, 3) float32 metres in the optical frame: the middle of the mask at the median depth; NaN where the distance
        is not known. (N,) float32 metres: the edge of a square as large as the mask; 0 where it is not known.

    Raises:
        InputError: the camera is that of pictures of another size.
    """
    if (camera.height, camera.width) != instances.size_hw:
        height, width = instances.size_hw
        raise InputError(f"expected the camera of pictures of {width}x{height}, got {camera.width}x{camera.height}")
    middles = np.zeros((len(instances), 2))
    areas = np.zeros(len(instances))
    for k, mask in enumerate(instances.masks):
        moments = cv2.moments(mask.crop.view(np.uint8), binaryImage=True)
        areas[k] = moments["m00"]
        middles[k] = mask.y + moments["m01"] / areas[k], mask.x + moments["m10"] / areas[k]
    rows, columns = np.rint(middles).astype(np.intp).T
    distances_m = instances.distances_m
    places_m = back_project(distances_m, rows, columns, camera)
    extents_m = np.nan_to_num(distances_m) * np.sqrt(areas / (camera.fx * camera.fy))
    return places_m.astype(np.float32), extents_m.astype(np.float32)


def overlap(known: Sequence[MaskCrop], masks: Sequence[MaskCrop]) -> Evidence:
    """IoU of A masks of known objects with B masks of instances, (A, B)."""
    return mask_ious(known, masks, LEAST_IOU)


def closeness(known_m: FloatArray, extents_m: FloatArray, places_m: FloatArray) -> Evidence:
    """From 0 (far away) to 1 (the same place).

    Args:
        known_m: (A, 3) where objects were seen last, metres, in a fixed frame; NaN: unknown.
        extents_m: (A,) how large they looked there, metres.
        places_m: (B, 3) of instances.

    Returns:
        (A, B); 0 where a place is unknown.
    """
    distances_m = np.linalg.norm(known_m[:, None].astype(np.float64) - places_m[None], axis=2)
    reach_m = np.maximum(LEAST_REACH_M, REACH * extents_m)[:, None]
    return np.asarray(np.nan_to_num(np.exp(-0.5 * (distances_m / reach_m) ** 2), nan=0.0), np.float64)


def likeness(known: FloatArray, descriptors: FloatArray) -> Evidence:
    """From -1 (another object for sure) to 1 (nothing tells them apart).

    Args:
        known: (A, D) descriptors of objects, of length 1; zeros: unknown.
        descriptors: (B, D) of instances.

    Returns:
        (A, B); 0 where a descriptor is unknown.
    """
    cosines = known.astype(np.float64) @ descriptors.T
    told, tells = np.any(known, axis=1, keepdims=True), np.any(descriptors, axis=1)
    return np.where(told & tells, np.clip((cosines - UNLIKE) / (ALIKE - UNLIKE), -1.0, 1.0), 0.0)


def mask_ious(
    ones: Sequence[MaskCrop], others: Sequence[MaskCrop], least: float = LEAST_IOU
) -> npt.NDArray[np.float64]:
    """IoU of each of A masks with each of B masks of the same image, (A, B); 0 where it is below `least`.

    Most pairs are settled by their boxes and areas, which bound the intersection; pixels are counted for the rest.
    """
    ious = np.zeros((len(ones), len(others)))
    if not ious.size:
        return ious
    boxes_a, boxes_b = (np.array([mask.box_xyxy for mask in masks], float) for masks in (ones, others))
    areas_a, areas_b = (np.array([mask.area for mask in masks], float) for masks in (ones, others))
    low = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    high = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    most = np.minimum(shared, np.minimum(areas_a[:, None], areas_b[None, :]))
    total = areas_a[:, None] + areas_b[None, :]
    for a, b in np.argwhere((most > 0) & (most >= least * (total - most))).tolist():
        (left, top), (right, bottom) = low[a, b].astype(int).tolist(), high[a, b].astype(int).tolist()
        parts = [
            mask.crop[top - mask.y : bottom - mask.y, left - mask.x : right - mask.x] for mask in (ones[a], others[b])
        ]
        both = np.count_nonzero(parts[0] & parts[1])
        iou = both / (total[a, b] - both)
        ious[a, b] = iou if iou >= least else 0.0
    return ious
