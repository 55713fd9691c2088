"""What things look like: the features that the classifier of photographs has of them, and their colour.

The features are of RGB alone, so a thing looks the same to a robot with depth and to a phone without. They are the mean
over the cells of the crop that the mask covers: what surrounds a thing is no part of it. Colour stands beside them,
since the classifier was taught to call a mug a mug in any colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.instances import MaskCrop
from saom_core.model_file.taught import colour_vectors, normalised
from saom_core.naming.classifier import CELLS, LOOK_SIZE, SIDE_PX, PhotoClassifier
from saom_core.naming.crops import square_crops, square_masks

COLOUR_WEIGHT = 0.5
"""Of colour beside the features, which have length 1."""
_CELL_PX = 8
"""Side of a cell in the small crops in which masks and colours are taken."""


@dataclass(frozen=True)
class Looks:
    """What N things look like.

    Attributes:
        likely: (N, K + 1) float32 probabilities of the names of `MEANINGS` and of Other.
        described: (N, D) float32 descriptors of length 1, D = `LOOK_SIZE`; zeros: never looked at.
    """

    likely: npt.NDArray[np.float32]
    described: npt.NDArray[np.float32]

    @staticmethod
    def unknown(count: int, width: int) -> Looks:
        """Of things that were never looked at; `width` is K + 1."""
        return Looks(np.full((count, width), 1 / width, np.float32), np.zeros((count, LOOK_SIZE), np.float32))


def look_at(
    classifier: PhotoClassifier, image_rgb: npt.NDArray[np.uint8], masks: Sequence[MaskCrop], temperature: float
) -> Looks:
    """What things in a picture look like.

    Args:
        classifier: that is asked.
        image_rgb: (H, W, 3) uint8.
        masks: N things.
        temperature: see `PhotoClassifier.names`.
    """
    crops = square_crops(image_rgb, masks, SIDE_PX)
    shares = square_masks(masks, CELLS * _CELL_PX)
    cells = shares.reshape(len(masks), CELLS, _CELL_PX, CELLS, _CELL_PX).mean(axis=(2, 4))
    logits, features = classifier.see(crops, cells)
    colours = COLOUR_WEIGHT * colour_vectors(mean_lab(crops, shares))
    described = normalised(np.concatenate([normalised(features), colours], axis=1))
    return Looks(classifier.names(logits, temperature), described)


def mean_lab(crops: npt.NDArray[np.uint8], shares: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Mean colours of things.

    Args:
        crops: (N, S, S, 3) uint8 RGB.
        shares: (N, s, s) what part of each pixel is the thing, s a divisor of S.

    Returns:
        (N, 3) CIE L*a*b*; of a thing without a pixel, black.
    """
    found = np.zeros((len(crops), 3), np.float32)
    for k, (crop, share) in enumerate(zip(crops, shares, strict=True)):
        small = cv2.resize(crop, share.shape[::-1], interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        found[k] = np.tensordot(share, lab, axes=2) / max(float(share.sum()), 1e-6)
    return found
