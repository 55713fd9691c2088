"""A model and the classifier of photographs that answer what they were asked before from memory.

A bench that teaches one object after the other segments the same pictures with each. Only the names differ.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.model_file.taught import TaughtClass
from saom_core.naming.classifier import PhotoClassifier
from saom_core.runtime import ModelInfo, OnnxModel


def _digest(asked: Iterable[npt.NDArray[Any] | None]) -> bytes:
    digest = hashlib.sha1(usedforsecurity=False)
    for array in asked:
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.digest()


class RememberingClassifier(PhotoClassifier):
    """Sees each crop once."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self._seen: dict[bytes, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}

    def see(
        self, crops: npt.NDArray[np.uint8], cells: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """See `PhotoClassifier.see`."""
        if not len(crops):
            return super().see(crops, cells)
        keys = [_digest([crop, cell]) for crop, cell in zip(crops, cells, strict=True)]
        new = [k for k, key in enumerate(keys) if key not in self._seen]
        for k, logits, features in zip(new, *super().see(crops[new], cells[new]), strict=True):
            self._seen[keys[k]] = logits, features
        return np.stack([self._seen[key][0] for key in keys]), np.stack([self._seen[key][1] for key in keys])


class RememberingModel:
    """Runs on each picture once.

    Args:
        model: that runs.
        info: what it says that it is.
        answers: what was asked before; shared by models that differ in nothing but `info`.
    """

    def __init__(self, model: OnnxModel, info: ModelInfo, answers: dict[bytes, dict[str, npt.NDArray[Any]]]) -> None:
        self._model, self.info, self._answers = model, info, answers

    def run(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.float32],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None = None,
        further: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """See `OnnxModel.run`."""
        values = np.array(list(thresholds.values()))
        key = _digest((image_rgb, depth_m, values, prompts_xy, *(further or {}).values()))
        if key not in self._answers:
            self._answers[key] = self._model.run(image_rgb, depth_m, thresholds, prompts_xy, further)
        return self._answers[key]


class Remembered:
    """Segmenters of one model to which different classes were taught, and which share what they saw.

    Args:
        model: its own taught classes are left out.
        classifier: of photographs.
    """

    def __init__(self, model: OnnxModel, classifier: PhotoClassifier) -> None:
        self._model, self._classifier = model, classifier
        self._answers: dict[bytes, dict[str, npt.NDArray[Any]]] = {}

    def segmenter(self, classes: Sequence[TaughtClass]) -> OnnxSegmenter:
        """Everything mode, with these classes taught."""
        info = self._model.info
        trained = info.class_names[: len(info.class_names) - len(info.taught)]
        named = (*trained, *(one.name for one in classes))
        info = dataclasses.replace(info, class_names=named, taught=tuple(classes))
        model = RememberingModel(self._model, info, self._answers)
        return OnnxSegmenter(SaomConfig(provider="cpu"), model, lambda: self._classifier)
