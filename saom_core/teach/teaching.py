"""From what the model sees in the examples to a taught class: prototype, threshold, and when to refuse.

The prototype is the mean of the object's descriptors (arXiv 1703.05175, equation 1), on the unit sphere. The threshold
lies between what the examples reach and what other objects reach: those in the same pictures, and the reference objects
of every trained class that `saom export-names --reference` and `saom export --reference` keep in their files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from saom_core.errors import ModelError, SaomError
from saom_core.model_file.reference import ReferenceObjects
from saom_core.model_file.taught import TaughtClass, normalised
from saom_core.teach.examples import Sight

MIN_EXAMPLES = 3
"""Fewer examples do not show how much they differ from each other."""
MIN_OTHERS = 5
"""Fewer other objects do not show which scores they reach."""
PASSED = 0.995
"""Share of the reference objects that the threshold keeps out; of the objects in the pictures it keeps out all."""
CAUTION, CAUTION_BY_LOOKS = 0.75, 0.5
"""Where the threshold lies between what other objects reach (0) and what the examples reach (1); looks, of things alone
and of RGB alone, tell things further apart than embeddings do."""
STRANGE = 0.75
"""An example must be more like the other examples than this share of all other objects is."""


class TeachingError(SaomError):
    """The examples do not make a class that could be told from others."""


@dataclass(frozen=True)
class OtherObjects:
    """M objects that are not of the new class.

    Attributes:
        described: (M, D) float32 descriptors.
        names: of each: its class, or where it was seen.
        seen: (M,) bool: seen in the user's pictures, so surely in the robot's way.
    """

    described: npt.NDArray[np.float32]
    names: tuple[str, ...]
    seen: npt.NDArray[np.bool_]

    @staticmethod
    def join(parts: Sequence[OtherObjects]) -> OtherObjects:
        """All of them.

        Raises:
            ModelError: their descriptors have several sizes.
        """
        some = [part for part in parts if part.names]
        sizes = sorted({part.described.shape[1] for part in some})
        if len(sizes) > 1:
            raise ModelError(f"expected descriptors of one size, got {sizes}: export the model anew")
        return OtherObjects(
            np.concatenate([part.described for part in some]) if some else np.zeros((0, 0), np.float32),
            tuple(name for part in some for name in part.names),
            np.concatenate([np.zeros(0, np.bool_), *(part.seen for part in some)]),
        )

    @staticmethod
    def trained(reference: ReferenceObjects) -> OtherObjects:
        """The objects of trained classes that the model's file keeps."""
        names = tuple(f"a {name}" for name in reference.class_names)
        return OtherObjects(reference.described, names, np.zeros(len(names), np.bool_))

    @staticmethod
    def taught(classes: Sequence[TaughtClass]) -> OtherObjects:
        """The prototypes of what was taught before."""
        names = tuple(f"the taught {one.name}" for one in classes)
        return OtherObjects(np.array([one.prototype for one in classes]), names, np.ones(len(classes), np.bool_))

    @staticmethod
    def in_picture(described: npt.NDArray[np.float32], picture: str) -> OtherObjects:
        """Objects (M, D) that were seen in a picture."""
        count = len(described)
        return OtherObjects(described, (f"an object in {picture}",) * count, np.ones(count, np.bool_))


def learn(name: str, sights: Sequence[Sight], others: OtherObjects, looks_sha256: str = "") -> TaughtClass:
    """The class that the examples show.

    Args:
        name: of the class.
        sights: what the model sees in each example.
        others: what is not of the class.
        looks_sha256: how all of them are described, see `TaughtClass`.

    Raises:
        TeachingError: too few examples or other objects, examples that disagree, or a class that other objects pass
            for.
    """
    if len(sights) < MIN_EXAMPLES:
        raise TeachingError(
            f"expected at least {MIN_EXAMPLES} examples that the model sees, got {len(sights)}: add pictures"
        )
    if len(others.names) < MIN_OTHERS:
        raise TeachingError(
            f"expected at least {MIN_OTHERS} other objects to tell the class from, got {len(others.names)}: give "
            "pictures of the robot's surroundings without the object (--others), or a model exported with --reference"
        )
    agreement, strange = agreements(sights, others)
    if strange.any():
        raise TeachingError(
            "expected examples of one kind of object, got some that are less like the rest than other objects are: "
            + ", ".join(f"{sights[k].name} (cosine {agreement[k]:.2f})" for k in np.flatnonzero(strange).tolist())
            + f"; the others agree by {np.median(agreement):.2f}: check the masks, or leave these pictures out"
        )
    prototype = prototype_of(sights)
    reached = others.described @ prototype
    low, high = float(np.median(agreement)), highest(reached, others.seen)
    if low <= high:
        nearest = np.argsort(-reached)[:3]
        raise TeachingError(
            f"expected examples that are more like each other (cosine {low:.2f}) than other objects are like them, got "
            + ", ".join(f"{others.names[k]} ({reached[k]:.2f})" for k in nearest)
            + ": the model cannot tell them apart: train it with this class (docs/classes.md)"
        )
    record = {
        "made_of": "looks" if looks_sha256 else "embedding",
        "examples": [sight.name for sight in sights],
        "views": sum(len(sight.own) for sight in sights),
        "agreement": round(low, 4),
        "others": len(others.names),
        "others_reach": round(high, 4),
        "date": date.today().isoformat(),
    }
    caution = CAUTION_BY_LOOKS if looks_sha256 else CAUTION
    return TaughtClass(name, prototype, high + caution * (low - high), record, looks_sha256)


def prototype_of(sights: Iterable[Sight]) -> npt.NDArray[np.float32]:
    """The (D,) prototype of examples; each counts as much, however many of its views the model saw."""
    return normalised(np.mean([normalised(sight.own.mean(axis=0)) for sight in sights], axis=0))


def agreements(sights: Sequence[Sight], others: OtherObjects) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """How much each example is like the rest: mean cosine of its views with the prototype of all the others.

    Views count, not the picture as it is alone: nearly equal pictures would ask too much of the robot's.

    Returns:
        (N,) cosines, and (N,) whether more than a share 1 - `STRANGE` of other objects is as much like the rest.
    """
    cosines, strange = np.zeros(len(sights)), np.zeros(len(sights), np.bool_)
    for k, sight in enumerate(sights):
        rest = prototype_of(other for j, other in enumerate(sights) if j != k)
        cosines[k] = np.mean(sight.own @ rest)
        strange[k] = np.mean(others.described @ rest < cosines[k]) < STRANGE
    return cosines, strange


def highest(reached: npt.NDArray[np.floating], seen: npt.NDArray[np.bool_]) -> float:
    """What other objects reach: the best of those seen, and all but a share 1 - `PASSED` of the reference.

    Args:
        reached: (M,) cosines with the prototype.
        seen: (M,) as in `OtherObjects`.
    """
    best = float(reached[seen].max(initial=-1.0))
    return best if seen.all() else max(best, float(np.quantile(reached[~seen], PASSED)))
