"""What is asked of masks everywhere: their bounding box, overlap and middle, their run lengths as COCO writes them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


def box_of_mask(mask: BoolArray) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the pixels that are true, right and bottom exclusive; None if there are none.

    Args:
        mask: (H, W) bool, or any other dtype of which every value but 0 counts.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def rle_counts(mask: BoolArray) -> list[int]:
    """COCO's uncompressed run lengths of a mask of shape (H, W): column-major, the first run counts zeros."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def in_front(masks: BoolArray) -> BoolArray:
    """Masks that share no pixel: where several of them overlap, the smallest one keeps the pixel.

    A lid lies on its pot, so a click on the lid means the lid, although the pot's whole mask holds that pixel too.

    Args:
        masks: (N, H, W) bool.

    Returns:
        (N, H, W) bool; of equal masks the last one keeps the pixels. The same array where nothing overlaps.
    """
    if not np.any(np.count_nonzero(masks, axis=0) > 1):
        return masks
    owner = np.full(masks.shape[1:], -1, np.int32)
    for row in sorted(range(len(masks)), key=lambda row: -int(np.count_nonzero(masks[row]))):
        owner[masks[row]] = row
    return np.asarray(owner == np.arange(len(masks))[:, None, None])


def dense_ious(mask: BoolArray, others: Sequence[BoolArray] | BoolArray) -> npt.NDArray[np.float64]:
    """IoU of a mask (H, W) with each of N others of its size, (N,); one of them must have a pixel."""
    return np.array([np.count_nonzero(mask & other) / np.count_nonzero(mask | other) for other in others], np.float64)


def innermost_pixel(mask: BoolArray) -> tuple[int, int]:
    """Column and row of a mask's (H, W) pixel that is farthest from its edge; the picture's border is an edge, too."""
    framed = np.pad(mask, 1).astype(np.uint8)
    inside = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(column), int(row)


def match(ious: npt.NDArray[np.float64], least: float = 0.0) -> dict[int, int]:
    """One-to-one pairs, the highest IoU first; of equal ones the first row, then the first column.

    Args:
        ious: (rows, columns) of masks with masks.
        least: smallest IoU of a pair; pairs that share nothing are none, whatever it is.

    Returns:
        Column -> row.
    """
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    rows, columns = np.nonzero((ious >= least) & (ious > 0))
    for index in np.argsort(-ious[rows, columns], kind="stable").tolist():
        row, column = int(rows[index]), int(columns[index])
        if column not in pairs and row not in taken:
            pairs[column] = row
            taken.add(row)
    return pairs
