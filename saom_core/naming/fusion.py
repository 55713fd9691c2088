"""Three opinions on what a thing is, joined in one probability.

A product of experts (Hinton 2002, "Training products of experts by minimizing contrastive divergence"): each opinion is
a distribution over all names, their product is normalised. What one opinion is sure of has the last word, because
another one that is unsure is nearly flat. How sure each may be is set by one number: the temperature of the classifier
of photographs, the trust in the model's head, and the spread of sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.instances import Instances, MaskCrop
from saom_core.naming.vocabulary import MEANINGS, Meaning
from saom_core.taxonomy import CLASSES, OTHER

FloatArray = npt.NDArray[np.float32]

LEAST_SHARE = 0.02
"""Of a classifier's answer that is spread over all names: many of them it has never heard."""
NAMELESS = 0.5
"""Share of things that no name of the household fits, before anything is seen of them.

The classifier knows no such thing: it calls each by one of its words, for want of another one. Where the simulators'
names alone are given, the words of the further names speak for Other, and this share is 0. It is the least one (in
tenths) with which a name is right as often as there, measured on simulated rooms (docs/saom-tiny.md)."""
TRUST = 0.2
"""Of the model's class scores on photographs, where it is wrong far more often than its scores say."""
SPREAD_KNOWN, SPREAD_GUESSED = 0.35, 0.7
"""Of the logarithm of a size: with depth it is off by pose and a guessed lens, without depth by the distance, too."""
GUESSED_DISTANCE_M = 0.9
"""Of a thing whose distance is not known: an arm's length, from where a robot that grasps looks."""
GUESSED_FOCAL_LENGTH = 0.85
"""In longer edges of the picture, where the camera is not known: 61 degrees, as depth cameras have."""
SIZE_OF_ANYTHING = 0.3
"""Density of the logarithm of size of things that have no name: from a centimetre to some metres."""
LEAST_DENSITY = 1e-3
"""What a size may say against a name at most; masks may show a part."""
SURENESS = 0.3
"""Of names that are likelier than not: the power of their odds that fits how often they are right.

The opinions err together, so their product is too sure of itself, as classifiers are (Guo et al. 2017, "On calibration
of modern neural networks"). Fitted on the 142 names given on photographs (docs/saom-tiny.md)."""


def opinion_of_photographs(likely: npt.NDArray[np.floating], nameless: float = 0.0) -> FloatArray:
    """The classifier's probabilities (N, K + 1), none of them zero; a share `nameless` of all things is Other."""
    opinion = (1 - nameless) * ((1 - LEAST_SHARE) * likely + LEAST_SHARE / likely.shape[1])
    opinion[:, -1] += nameless
    return np.asarray(opinion, np.float32)


def opinion_of_model(
    names: Sequence[str], scores: npt.NDArray[np.floating], meanings: Sequence[Meaning] = MEANINGS
) -> FloatArray:
    """What the model's own head says of each name.

    It knows the simulators' classes. `Other` from it means none of these, so it speaks for all other names alike.

    Args:
        names: N classes that it gives.
        scores: (N,) their probabilities.
        meanings: K names.

    Returns:
        (N, K + 1), rows that sum to 1, Other last.
    """
    known = [meaning.name for meaning in meanings]
    beyond = np.array([name not in CLASSES for name in (*known, OTHER)])
    opinion = np.empty((len(names), len(beyond)), np.float32)
    for k, (name, score) in enumerate(zip(names, scores, strict=True)):
        trusted = TRUST * float(score) if name == OTHER or name in known else 0.0
        opinion[k] = (1 - trusted) / len(beyond)
        if name == OTHER:
            opinion[k, beyond] += trusted / np.count_nonzero(beyond)
        elif trusted:
            opinion[k, known.index(name)] += trusted
    return opinion


def opinion_of_size(
    lengths_m: npt.NDArray[np.floating], measured: npt.NDArray[np.bool_], meanings: Sequence[Meaning] = MEANINGS
) -> FloatArray:
    """How dense things of each name are at the sizes seen, by the logarithm of size.

    Args:
        lengths_m: (N,) longest edges as seen.
        measured: (N,) whether the distance was measured; else it was guessed.
        meanings: K names, each with its range of sizes, in which all are alike; beyond, a bell falls off.

    Returns:
        (N, K + 1) densities, Other last.
    """
    low, high = np.log(np.array([meaning.size_cm for meaning in meanings]).T / 100)
    logs = np.log(np.maximum(lengths_m, 1e-4))[:, None]
    spread = np.where(measured, SPREAD_KNOWN, SPREAD_GUESSED)[:, None]
    beyond = np.maximum(np.maximum(low - logs, logs - high), 0)
    density = np.exp(-0.5 * (beyond / spread) ** 2) / (high - low + spread * np.sqrt(2 * np.pi))
    anything = np.full((len(lengths_m), 1), SIZE_OF_ANYTHING)
    return np.asarray(np.concatenate([density, anything], axis=1) + LEAST_DENSITY, np.float32)


def joined(*opinions: npt.NDArray[np.floating]) -> FloatArray:
    """The normalised product of opinions (N, K + 1)."""
    logs = np.sum([np.log(opinion) for opinion in opinions], axis=0)
    return softmax(logs)


def calibrated(likely: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Scores of names of such probabilities (...), see SURENESS; those up to 0.5 stay as they are."""
    raised, against = np.power(likely, SURENESS), np.power(1 - np.minimum(likely, 1), SURENESS)
    return np.where(likely > 0.5, raised / (raised + against), likely)


def softmax(logits: npt.NDArray[np.floating]) -> FloatArray:
    """Over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)


def lengths_of(instances: Instances, camera: CameraIntrinsics | None) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The longest edge of each instance as seen, (N,) metres, and whether its distance was measured, (N,).

    Args:
        instances: N; their `distances_m` are NaN where there is no depth.
        camera: of the picture; None: one of a usual angle.
    """
    focal_px = GUESSED_FOCAL_LENGTH * max(instances.size_hw) if camera is None else camera.fx
    measured = np.isfinite(instances.distances_m)
    distances_m = np.where(measured, instances.distances_m, GUESSED_DISTANCE_M)
    edges_px = np.array([_longest_edge_px(mask) for mask in instances.masks], np.float32)
    return np.asarray(edges_px * distances_m / focal_px, np.float32), measured


def _longest_edge_px(mask: MaskCrop) -> float:
    """Of the smallest rectangle round the mask, whichever way it is turned."""
    outline = cv2.findNonZero(mask.crop.astype(np.uint8))
    return float(max(cv2.minAreaRect(outline)[1])) + 1  # it reaches from middle to middle of the outermost pixels
