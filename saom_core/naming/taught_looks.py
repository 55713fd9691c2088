"""`TaughtLooks`: the names of classes that were taught by their looks (`saom teach`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from saom_core.errors import ModelError
from saom_core.instances import Instances
from saom_core.model_file.taught import TaughtClass, match
from saom_core.naming.classifier import PhotoClassifier
from saom_core.runtime import ModelInfo


class TaughtLooks:
    """Gives taught names to what looks like the examples.

    Args:
        info: the model; of its taught classes those count that are told by looks.
        classifier: that describes things.

    Raises:
        ModelError: classes were taught by the looks of another classifier.
    """

    def __init__(self, info: ModelInfo, classifier: PhotoClassifier) -> None:
        rows = [row for row, one in enumerate(info.taught) if one.looks_sha256]
        self._classes = [info.taught[row] for row in rows]
        self._ids = np.array(rows, np.int32) + len(info.class_names) - len(info.taught)
        self._reference = classifier.reference.described if classifier.reference else None
        check_same(info.taught, classifier)

    def __bool__(self) -> bool:
        """Whether any class is told by looks."""
        return bool(self._classes)

    def named(self, instances: Instances, described: npt.NDArray[np.float32]) -> Instances:
        """N instances, of which those that look like a taught class have its name, and the cosine as its score.

        Args:
            instances: with the names that they have otherwise.
            described: (N, D) what they look like; zeros: not known.
        """
        if not self._classes or not len(instances):
            return instances
        matched, similarity = match(described, self._classes, self._reference)
        found = (matched >= 0) & described.any(axis=1)
        names = [self._classes[row].name for row in matched]
        return dataclasses.replace(
            instances,
            class_ids=np.where(found, self._ids[matched], instances.class_ids).astype(np.int32),
            class_names=tuple(
                new if is_taught else old
                for new, old, is_taught in zip(names, instances.class_names, found, strict=True)
            ),
            class_scores=np.where(found, similarity, instances.class_scores).astype(np.float32),
        )


def check_same(classes: Sequence[TaughtClass], classifier: PhotoClassifier) -> None:
    """Checks that classes taught by looks were taught by those of this classifier.

    Raises:
        ModelError: another one; what it saw cannot be compared.
    """
    for one in classes:
        if one.looks_sha256 not in ("", classifier.sha256):
            raise ModelError(
                f"expected {one.name} to be taught by the looks of this classifier of photographs (SHA-256 "
                f"{classifier.sha256[:12]}...), got those of {one.looks_sha256[:12]}...: teach it anew"
            )
