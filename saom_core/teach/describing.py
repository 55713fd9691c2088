"""How teaching describes objects: by what they look like to the classifier of photographs, or by the model's embedding.

Looks come from RGB alone, so that a thing taught from pictures without depth is known to a robot with depth, and the
other way round. The embedding changes with depth; it serves where there is no classifier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from saom_core.instances import BoolArray, MaskCrop
from saom_core.model_file.reference import ReferenceObjects
from saom_core.model_file.taught import TaughtClass
from saom_core.naming.classifier import NAMES_MODEL, PhotoClassifier
from saom_core.naming.looks import describe
from saom_core.naming.taught_looks import check_same
from saom_core.runtime import ModelInfo

KINDS = ("looks", "embedding")


class Describer:
    """Describes objects in one of the two ways.

    Args:
        classifier: whose looks describe them; None: the model's embedding does.
    """

    def __init__(self, classifier: PhotoClassifier | None = None) -> None:
        self._classifier = classifier
        self.looks_sha256 = classifier.sha256 if classifier else ""
        """As in `TaughtClass`."""

    @staticmethod
    def of_kind(kind: str = "", threads: int = 0) -> Describer:
        """By looks or by embedding.

        Args:
            kind: of `KINDS`; empty: by looks where the classifier's file is there.
            threads: on the CPU; 0: one per core.

        Raises:
            ModelError: looks are wanted, and the classifier's file is missing or damaged.
        """
        by_looks = kind == "looks" or (not kind and NAMES_MODEL.is_file())
        return Describer(PhotoClassifier("cpu", threads) if by_looks else None)

    def __call__(
        self, image_rgb: npt.NDArray[np.uint8], masks: Sequence[BoolArray], embedded: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Descriptors (K, D) of objects in a picture.

        Args:
            image_rgb: (H, W, 3) uint8.
            masks: K of (H, W), not empty.
            embedded: (K, E) what the model itself says of them.
        """
        if self._classifier is None:
            return embedded
        return describe(self._classifier, image_rgb, [MaskCrop.from_dense(mask) for mask in masks])

    def reference(self, info: ModelInfo) -> ReferenceObjects | None:
        """Objects of the trained classes, described in this way."""
        return self._classifier.reference if self._classifier else info.reference

    def comparable(self, classes: Sequence[TaughtClass]) -> list[TaughtClass]:
        """Those taught classes that were described in this way.

        Raises:
            ModelError: some were taught by the looks of another classifier, so that no program can use both.
        """
        if self._classifier:
            check_same(classes, self._classifier)
        return [one for one in classes if one.looks_sha256 == self.looks_sha256]
