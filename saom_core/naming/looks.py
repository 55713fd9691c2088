"""What things look like: the features that the classifier of photographs has of them, and their colour.

The features are of RGB alone, so a thing looks the same to a robot with depth and to a phone without. They are the mean
over the cells of the crop that the mask covers, of a crop in which all else is grey: the classifier looks far around
each cell, and in another room other things surround the same one. Colour stands beside them, since the classifier was
taught to call a mug a mug in any colour. Names come from the crop as it is: they are better with the surroundings.
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
from saom_core.naming.vocabulary import MEANINGS

COLOUR_WEIGHT = 1.0
"""Of colour beside the features, which have length 1."""
GREY = 127
"""Of what surrounds a thing when it is described; to the classifier it is zero."""
_CELL_PX = 8
"""Side of a cell in the small crops in which masks and colours are taken."""


@dataclass(frozen=True)
class Looks:
    """What N things look like.

    Attributes:
        likely: (N, K + 1) float32 probabilities of the names of `MEANINGS` and of Other; equal ones: never asked.
        described: (N, D) float32 descriptors of length 1, D = `LOOK_SIZE`; zeros: never looked at.
    """

    likely: npt.NDArray[np.float32]
    described: npt.NDArray[np.float32]

    @staticmethod
    def unknown(count: int) -> Looks:
        """Of things that were never looked at."""
        width = len(MEANINGS) + 1
        return Looks(np.full((count, width), 1 / width, np.float32), np.zeros((count, LOOK_SIZE), np.float32))


def likely_names(
    classifier: PhotoClassifier, image_rgb: npt.NDArray[np.uint8], masks: Sequence[MaskCrop], temperature: float
) -> npt.NDArray[np.float32]:
    """How likely each name is for things in a picture, as `Looks.likely`.

    Args:
        classifier: that is asked.
        image_rgb: (H, W, 3) uint8.
        masks: N things.
        temperature: see `PhotoClassifier.names`.
    """
    logits, _ = classifier.see(square_crops(image_rgb, masks, SIDE_PX), np.ones((len(masks), CELLS, CELLS), np.float32))
    return classifier.names(logits, temperature)


def describe(
    classifier: PhotoClassifier, image_rgb: npt.NDArray[np.uint8], masks: Sequence[MaskCrop]
) -> npt.NDArray[np.float32]:
    """What things in a picture look like, as `Looks.described`; arguments as of `likely_names`."""
    crops = square_crops(image_rgb, masks, SIDE_PX)
    shares = square_masks(masks, CELLS * _CELL_PX)
    cells = shares.reshape(len(masks), CELLS, _CELL_PX, CELLS, _CELL_PX).mean(axis=(2, 4))
    inside = square_masks(masks, SIDE_PX)[..., None]
    alone = np.rint(crops * inside + GREY * (1 - inside)).astype(np.uint8)
    _, features = classifier.see(alone, cells)
    colours = COLOUR_WEIGHT * colour_vectors(mean_lab(crops, shares))
    return normalised(np.concatenate([normalised(features), colours], axis=1))


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
