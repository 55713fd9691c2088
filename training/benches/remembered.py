"""A model and the classifier of photographs that answer what they were asked before from memory.

A bench that teaches one object after the other segments the same pictures with each. Only the names differ.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.model_file.taught import TaughtClass
from saom_core.naming.classifier import PhotoClassifier
from saom_core.runtime import ModelInfo, OnnxModel

_Answer = TypeVar("_Answer")


class _Memory(dict[str, Any]):
    """Answers by what was asked."""

    def answer(self, asked: Sequence[npt.NDArray[Any] | None], ask: Callable[[], _Answer]) -> _Answer:
        digest = hashlib.sha1(usedforsecurity=False)
        for array in asked:
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        key = digest.hexdigest()
        if key not in self:
            self[key] = ask()
        found: _Answer = self[key]
        return found


class _Classifier(PhotoClassifier):
    def __init__(self) -> None:
        super().__init__("cpu")
        self._memory = _Memory()

    def see(
        self, crops: npt.NDArray[np.uint8], cells: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        see = super().see
        return self._memory.answer((crops, cells), lambda: see(crops, cells))


class _Model:
    def __init__(self, model: OnnxModel, info: ModelInfo, memory: _Memory) -> None:
        self._model, self.info, self._memory = model, info, memory

    def run(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.float32],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None = None,
        further: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        asked = (image_rgb, depth_m, np.array(list(thresholds.values())), prompts_xy, *(further or {}).values())
        return self._memory.answer(asked, lambda: self._model.run(image_rgb, depth_m, thresholds, prompts_xy, further))


class Remembered:
    """Segmenters of one model to which different classes were taught, and which share what they saw.

    Args:
        model: without its own taught classes.
    """

    def __init__(self, model: OnnxModel) -> None:
        self._model, self._memory, self._classifier = model, _Memory(), _Classifier()

    def segmenter(self, classes: Sequence[TaughtClass]) -> OnnxSegmenter:
        """Everything mode, with these classes taught."""
        info = self._model.info
        trained = info.class_names[: len(info.class_names) - len(info.taught)]
        named = (*trained, *(one.name for one in classes))
        info = dataclasses.replace(info, class_names=named, taught=tuple(classes))
        model = _Model(self._model, info, self._memory)
        return OnnxSegmenter(SaomConfig(provider="cpu"), model, lambda: self._classifier)
