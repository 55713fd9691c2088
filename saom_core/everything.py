"""Everything mode: one camera frame in, labelled whole-object instances out.

`OnnxSegmenter.segment` reads as the recipe: turn the frame upright and letterbox it, run the file, cut the masks at
camera resolution and turn them back, measure them in depth.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.instances import Instances, MaskCrop
from saom_core.letterbox import Letterbox, without_islands
from saom_core.model_file.contract import OUTPUTS_OF_THE_IMAGE
from saom_core.model_file.taught import descriptors, match
from saom_core.naming.classifier import PhotoClassifier
from saom_core.naming.photo_names import PhotoNames, asks_photographs, with_vocabulary
from saom_core.places.measure import measure
from saom_core.prompting.asking import Answers, Asking
from saom_core.prompting.grid import grid_points
from saom_core.prompting.prompts import MAX_PROMPTS, OPEN, Prompts
from saom_core.runtime import ModelInfo, OnnxModel
from saom_core.segmenter import Segmentation, check_frame, named, prompt_count_of
from saom_core.turning import Turn

logger = logging.getLogger("saom")


class EverythingModel(Protocol):
    """The network of everything mode: an exported file, or what has the inputs and outputs of one."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and where it runs."""

    def run(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.float32],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None = None,
        further: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """See `OnnxModel.run`."""


LEAST_SCORE = 1e-6
"""Least score threshold of everything mode: 0 tells the file that prompts are asked, each by itself."""
SMALLEST_ISLAND = 0.1
"""Pieces of a mask below this share of its largest one are specks: what others hide in part has large pieces."""


FURTHER_INPUTS: dict[str, Callable[[Letterbox], npt.NDArray[np.float32]]] = {
    "picture": lambda box: np.array(box.inner_hw[::-1], np.float32),
}
"""Optional inputs: name -> its value for a picture that lies in the input so.

picture is (2,) width and height of the picture, which lies at the top left of the input; the rest is padding. A file's
default is the value for a picture without padding.
"""


def run_on_picture(
    model: EverythingModel,
    box: Letterbox,
    image_in: npt.NDArray[np.uint8],
    depth_in: npt.NDArray[np.float32],
    thresholds: dict[str, float],
    prompts_xy: npt.NDArray[np.float32] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Runs a model on a picture that may cover a part of its input only; the model is told which.

    Args:
        model: the network.
        box: how the picture lies in the input.
        image_in: the letterboxed picture.
        depth_in: the letterboxed depth.
        thresholds: see `OnnxModel.run`, as the result.
        prompts_xy: points to ask about; None: everything mode, its grid spread over the picture.
    """
    if prompts_xy is None:
        prompts_xy = picture_grid(model.info, box)
    further = {name: value_for(box) for name, value_for in FURTHER_INPUTS.items()}
    return model.run(image_in, depth_in, thresholds, prompts_xy, further)


def picture_grid(info: ModelInfo, box: Letterbox) -> npt.NDArray[np.float32] | None:
    """Everything mode's points where the picture is, (N, 2) pixels of the input; None: those that are built in.

    The built-in grid lies on the whole input. Half of it would be spent on the padding beside an upright photo.
    """
    columns, rows = info.metadata.get("grid", (0, 0))
    if box.inner_hw == box.target_hw or columns * rows != info.prompt_count or not info.prompt_count:
        return None
    return (grid_points(columns, rows) * box.inner_hw[::-1]).astype(np.float32)


class OnnxSegmenter:
    """Everything mode with a saom-*.onnx file.

    Args:
        config: which file, where it runs, thresholds.
        model: another network in the place of the file, or the file's own that is loaded already.
        classifier: gives the classifier of photographs, where one is needed; None: it is loaded.
    """

    def __init__(
        self,
        config: SaomConfig,
        model: EverythingModel | None = None,
        classifier: Callable[[], PhotoClassifier] | None = None,
    ) -> None:
        self.config = config
        self.model: EverythingModel = model or OnnxModel(config.model, config.provider, config.threads)
        self.info = with_vocabulary(self.model.info, config)
        self.photo_names: PhotoNames | None = None
        if asks_photographs(self.info, config):
            self.photo_names = PhotoNames(self.info, config, classifier() if classifier else None)
        self._tell_of_the_unnamed()
        self._told = False  # whether it was told that the file has fewer rows than are wanted

    def segment(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
        located: bool = True,
    ) -> Segmentation:
        """See `Segmenter.segment`."""
        started = time.perf_counter()
        turn, box, image_in, depth_in, depth = self._prepare(image_rgb, depth_m)
        prepared = time.perf_counter()
        thresholds = {
            "score_threshold": max(self.config.score_threshold, LEAST_SCORE),
            "stability_threshold": self.config.stability_threshold,
            "nms_iou": self.config.nms_iou,
        }
        outputs = run_on_picture(self.model, box, image_in, depth_in, thresholds)
        answered = time.perf_counter()
        self._tell_if_full(outputs)
        instances, _ = self._instances(outputs, box, image_in, self.config)
        instances = turn.back.instances(instances)
        if depth is not None:
            instances = measure(instances, depth, camera if located else None, self.config.camera_up)
        if self.config.drop_surfaces:
            instances = instances.without_surfaces()
        instances = self.second_opinion(image_rgb, instances, camera)
        return Segmentation(instances, _timings_ms(started, prepared, answered))

    def ask(
        self,
        image_rgb: npt.NDArray[np.uint8],
        prompts: Prompts,
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
        between: Callable[[], object] = lambda: None,
        located: bool = True,
    ) -> Segmentation:
        """See `Segmenter.ask`; the network runs once, and again for prompts whose answer another prompt took."""
        started = time.perf_counter()
        config = self.config.replace(min_area_px=1, max_instances=MAX_PROMPTS)
        turn, box, image_in, depth_in, depth = self._prepare(image_rgb, depth_m)
        prompts.check_single(self.info.name)
        prompts.check(turn.size_hw)
        prompts = turn.prompts(prompts)
        count = prompt_count_of(self.info)
        prepared = time.perf_counter()
        runs: list[dict[str, npt.NDArray[Any]]] = []

        def run(points_in: npt.NDArray[np.float32]) -> Answers:
            if runs:
                between()
            outputs = run_on_picture(self.model, box, image_in, depth_in, OPEN, np.resize(points_in, (count, 2)))
            filled = int(np.count_nonzero(outputs["scores"] > 0))  # the rest is padding
            runs.append({name: rows[:filled] for name, rows in outputs.items() if name not in OUTPUTS_OF_THE_IMAGE})
            boxes = box.to_source(runs[-1]["boxes"].astype(np.float64))
            return Answers(runs[-1]["points"].astype(np.float32, copy=False), boxes, runs[-1]["scores"])

        points_in = [box.to_target(prompts.asked_xy(k, count)).astype(np.float32) for k in range(len(prompts))]
        several = self.info.metadata.get("network", {}).get("decoder") == "two-way"
        rows = Asking(prompts, points_in, run, count, several=several).rows()
        found = [(k, runs[number], row) for number, of_run in enumerate(rows) for k, row in of_run.items()]
        answered = time.perf_counter()
        if not found:
            return Segmentation(Instances(turn.size_hw), _timings_ms(started, prepared, answered))
        found.sort(key=lambda item: (-item[1]["scores"][item[2]], item[0]))
        chosen = {name: np.stack([outputs[name][row] for _, outputs, row in found]) for name in runs[0]}
        instances, kept = self._instances(chosen, box, image_in, config)
        instances = turn.back.instances(instances)
        if depth is not None:
            instances = measure(instances, depth, camera if located else None, self.config.camera_up)
        instances = self.second_opinion(image_rgb, instances, camera)
        return Segmentation(instances, _timings_ms(started, prepared, answered), tuple(found[k][0] for k in kept))

    def _tell_of_the_unnamed(self) -> None:
        """Warns of taught classes that nothing will get the name of."""
        unnamed = [one.name for one in self.info.taught if one.looks_sha256]
        if unnamed and self.photo_names is None:
            logger.warning(
                "%s was taught %s by looks, and photo_names is off: nothing gets these names; set it to true",
                self.info.name,
                ", ".join(unnamed),
            )

    def _tell_if_full(self, outputs: dict[str, npt.NDArray[Any]]) -> None:
        """Warns, once, when a file fills all its rows though `max_instances` allows more."""
        rows = self.info.most_instances
        if rows and not self._told and rows < self.config.max_instances and bool(np.all(outputs["scores"] > 0)):
            self._told = True
            logger.warning(
                "%s answers with %d instances at most, and max_instances is %d: some may be missing; give a higher "
                "score_threshold, or export the file with more rows (saom export --max-instances)",
                self.info.name,
                rows,
                self.config.max_instances,
            )

    def _prepare(
        self, image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.floating] | None
    ) -> tuple[Turn, Letterbox, npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        """How the frame is turned and lies in the input, the network's image and depth, the frame's cleaned depth."""
        depth = check_frame(image_rgb, depth_m, self.config)
        turn = Turn.upright(self.config.camera_up, (image_rgb.shape[0], image_rgb.shape[1]))
        box = Letterbox.fit(turn.turned_hw, self.info.input_size_hw)
        seen_m = turn.picture(depth) if depth is not None and self.config.use_depth else None
        return turn, box, box.image(turn.picture(image_rgb)), box.depth(seen_m), depth

    def _instances(
        self,
        outputs: dict[str, npt.NDArray[Any]],
        box: Letterbox,
        image_in: npt.NDArray[np.uint8],
        config: SaomConfig,
    ) -> tuple[Instances, list[int]]:
        """Masks of the upright frame from the file's low-resolution logits, and whose rows; small ones are dropped."""
        kept: list[int] = []
        masks: list[MaskCrop] = []
        boxes = box.to_source(outputs["boxes"].astype(np.float64))
        for k in np.flatnonzero(outputs["scores"] > 0):
            logits = without_islands(outputs["masks"][k].astype(np.float32, copy=False), SMALLEST_ISLAND)
            mask = box.cut_mask(logits, boxes[k])
            if mask is not None and mask.area >= config.min_area_px:
                kept.append(int(k))
                masks.append(mask)
            if len(kept) == config.max_instances:  # the file's rows come by falling score
                break
        described = None
        if "embeddings" in outputs:  # optional in a file
            described = descriptors(image_in, outputs["masks"][kept], outputs["embeddings"][kept])
        ids, names, class_scores = self._named(outputs, kept, described)
        instances = Instances.from_masks(
            box.source_hw,
            masks,
            outputs["scores"][kept].astype(np.float32),
            stability=outputs["stability"][kept].astype(np.float32),
            class_ids=ids,
            class_names=names,
            class_scores=class_scores,
            points_xy=box.to_source(outputs["points"][kept].astype(np.float64)).astype(np.float32),
            descriptors=described,
        )
        return instances, kept

    def first_threshold(self) -> float:
        """Least score of a name before `second_opinion`, which has a say in those that the model is unsure of, too."""
        asked = self.photo_names is not None and self.photo_names.renames and self.config.photo_names
        return 0.0 if asked else self.config.class_score_threshold

    def second_opinion(
        self, image_rgb: npt.NDArray[np.uint8], instances: Instances, camera: CameraIntrinsics | None
    ) -> Instances:
        """Instances with names that hold on photographs, where they are wanted and can be had."""
        if self.photo_names is None or not self.config.photo_names:
            return instances
        threshold, camera_up = self.config.class_score_threshold, self.config.camera_up
        return self.photo_names.named(image_rgb, instances, threshold, camera, camera_up)

    def _named(
        self, outputs: dict[str, npt.NDArray[Any]], kept: list[int], described: npt.NDArray[np.float32] | None
    ) -> tuple[npt.NDArray[np.int32], list[str], npt.NDArray[np.float32]]:
        """Class ids, names and scores of the kept rows: the model's, or those of the taught class that they match."""
        model, scores = self.info, outputs["class_scores"][kept].astype(np.float32)
        ids, names = named(outputs["class_ids"][kept], scores, model.class_names, self.first_threshold())
        rows = [row for row, one in enumerate(model.taught) if not one.looks_sha256]
        if rows and described is not None:
            reference = model.reference.described if model.reference else None
            matched, similarity = match(described, [model.taught[row] for row in rows], reference)
            first = len(model.class_names) - len(model.taught)
            for k in np.flatnonzero(matched >= 0).tolist():
                ids[k], scores[k] = first + rows[matched[k]], similarity[k]
                names[k] = model.class_names[ids[k]]
        return ids, names, scores


def _timings_ms(started: float, prepared: float, answered: float) -> dict[str, float]:
    """Stage -> milliseconds, of `time.perf_counter` at the stages' ends; the last one ends now."""
    spent = prepared - started, answered - prepared, time.perf_counter() - answered
    return dict(zip(("preprocess", "network", "postprocess"), (1000 * seconds for seconds in spent), strict=True))
