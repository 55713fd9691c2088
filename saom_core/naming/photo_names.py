"""`PhotoNames`: names of what a model finds that hold on photographs, too."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.instances import Instances
from saom_core.naming.classifier import PhotoClassifier
from saom_core.naming.fusion import (
    NAMELESS,
    calibrated,
    joined,
    lengths_of,
    opinion_of_model,
    opinion_of_photographs,
    opinion_of_size,
)
from saom_core.naming.looks import Looks, describe, likely_names
from saom_core.naming.taught_looks import TaughtLooks
from saom_core.naming.vocabulary import MEANINGS
from saom_core.runtime import ModelInfo
from saom_core.taxonomy import CLASSES, OTHER
from saom_core.turning import Turn

TEMPERATURE = 0.6
"""Of the classifier's logits: it was trained with smoothed labels, and is surer than it says."""
HOUSEHOLD = "household"


def with_vocabulary(info: ModelInfo, config: SaomConfig) -> ModelInfo:
    """A model that gives the further names of `vocabulary`, too: behind those it was trained on, before taught ones."""
    if config.vocabulary != HOUSEHOLD or not knows_names(info, config):
        return info
    trained, taught = _trained(info), tuple(one.name for one in info.taught)
    further = tuple(one.name for one in MEANINGS if one.name not in (*trained, *taught))
    return dataclasses.replace(info, class_names=(*trained, *further, *taught))


def knows_names(info: ModelInfo, config: SaomConfig) -> bool:
    """Whether photographs have a say in a model's names: where they are wanted, and its classes are the simulators'."""
    return config.photo_names and set(_trained(info)) == {*CLASSES, OTHER}


def asks_photographs(info: ModelInfo, config: SaomConfig) -> bool:
    """Whether the classifier of photographs is needed: for the names of a model, or for what was taught by looks."""
    return knows_names(info, config) or (config.photo_names and any(one.looks_sha256 for one in info.taught))


def _trained(info: ModelInfo) -> tuple[str, ...]:
    """The classes that the model's head knows; those behind them are taught, or of the vocabulary."""
    return info.class_names[: info.class_names.index(OTHER) + 1] if OTHER in info.class_names else ()


class PhotoNames:
    """A second opinion on names, and the names of what was taught by looks.

    Args:
        info: the model whose instances are named; see `asks_photographs` and `with_vocabulary`.
        config: where the classifier runs.
        classifier: another one in the place of the bundled one.

    Raises:
        ModelError: the classifier's file is missing or damaged, or classes were taught by the looks of another one.
    """

    def __init__(self, info: ModelInfo, config: SaomConfig, classifier: PhotoClassifier | None = None) -> None:
        self._classifier = classifier or PhotoClassifier(config.provider, config.threads)
        self._taught = TaughtLooks(info, self._classifier)
        self.renames = knows_names(info, config)
        """Whether photographs have a say in the names that the model was trained on."""
        self._first_taught = len(info.class_names) - len(info.taught)
        given = {name: k for k, name in enumerate(info.class_names)}
        self._other_id = given.get(OTHER, -1)
        self._names = info.class_names
        self._household = config.vocabulary == HOUSEHOLD
        self._ids = np.array([given.get(one.name, self._other_id) for one in MEANINGS] + [self._other_id], np.int32)

    def look(self, image_rgb: npt.NDArray[np.uint8], instances: Instances, camera_up: str = "auto") -> Looks:
        """What N instances look like, as far as it is needed: each costs a look of its own.

        Args:
            image_rgb: (H, W, 3) uint8, the picture as the camera gives it.
            instances: of that picture.
            camera_up: the option of `SaomConfig`: they are looked at upright.
        """
        looks = Looks.unknown(len(instances))
        turn = Turn.upright(camera_up, instances.size_hw)
        upright_rgb, masks = turn.picture(image_rgb), turn.masks(instances.masks)
        if self.renames:
            looks.likely[:] = likely_names(self._classifier, upright_rgb, masks, TEMPERATURE)
        if self._taught:
            looks.described[:] = describe(self._classifier, upright_rgb, masks)
        return looks

    def taught(self, instances: Instances, looks: Looks) -> Instances:
        """N instances, of which those that look like a class that was taught by looks have its name."""
        return self._taught.named(instances, looks.described)

    def probabilities(
        self, instances: Instances, looks: npt.NDArray[np.floating], camera: CameraIntrinsics | None = None
    ) -> npt.NDArray[np.float32]:
        """How likely each class of the model is for N instances.

        Args:
            instances: with the names and scores that the model gives them.
            looks: (N, K + 1), see `look`; a flat row says nothing.
            camera: of the picture, which tells sizes; None: a usual one.

        Returns:
            (N, C), C class names of the model; names that it does not give count as Other.
        """
        fine = joined(
            opinion_of_photographs(looks, NAMELESS if self._household else 0.0),
            opinion_of_model(instances.class_names, instances.class_scores),
            opinion_of_size(*lengths_of(instances, camera)),
        )
        coarse = np.zeros((len(instances), len(self._names)), np.float32)
        np.add.at(coarse.T, self._ids, fine.T)
        return coarse

    def scores(self, likely: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Scores of names with such probabilities (...); how often those of the household are right is not known."""
        return likely if self._household else calibrated(likely)

    def renamed(
        self,
        instances: Instances,
        looks: Looks,
        threshold: float,
        camera: CameraIntrinsics | None = None,
    ) -> Instances:
        """Instances with the names that all three opinions give together; taught names have the last word.

        Args:
            instances: see `probabilities`, as `camera`.
            looks: what they look like.
            threshold: least score of a name that is given; below it stands Other.
            camera: of the picture.
        """
        if self.renames and len(instances):
            instances = self.given(instances, self.probabilities(instances, looks.likely, camera), threshold)
        return self.taught(instances, looks)

    def given(
        self,
        instances: Instances,
        likely: npt.NDArray[np.floating],
        threshold: float,
        held: npt.NDArray[np.integer] | None = None,
    ) -> Instances:
        """N instances with the likeliest class each, or Other where its score is below the threshold.

        Args:
            instances: what is named; taught names stay.
            likely: (N, C) see `probabilities`; of the simulators' names the scores are `calibrated`.
            threshold: least score of a name that is given.
            held: (N,) class ids that are given whatever else is likely; -1: none.
        """
        free = np.full(len(instances), -1) if held is None else held
        best = np.where(free >= 0, free, likely.argmax(axis=1))
        own = likely[np.arange(len(instances)), best]
        scores = np.where(best == self._other_id, own, self.scores(own))
        ids = np.where((free >= 0) | (scores >= threshold), best, self._other_id)
        taught = instances.class_ids >= self._first_taught
        ids = np.where(taught, instances.class_ids, ids).astype(np.int32)
        return dataclasses.replace(
            instances,
            class_ids=ids,
            class_names=tuple(self._names[k] for k in ids),
            class_scores=np.where(taught, instances.class_scores, scores).astype(np.float32),
        )

    def named(
        self,
        image_rgb: npt.NDArray[np.uint8],
        instances: Instances,
        threshold: float,
        camera: CameraIntrinsics | None = None,
        camera_up: str = "auto",
    ) -> Instances:
        """Instances of one picture, each looked at; see `look` and `renamed`."""
        return self.renamed(instances, self.look(image_rgb, instances, camera_up), threshold, camera)
