"""Everything mode with a checkpoint of the SAM family, in torch (on a workstation, not on the robot).

Given a `SaomConfig` alone it answers as the file does that `saom export` makes of the checkpoint: the same engine runs
`SamNetwork` in the place of the file. Given `SamEverythingOptions` the masks are those of segment-anything's
`SamAutomaticMaskGenerator` at the same options, up to rounding, and come faster. Either way, with a class head each
mask has the class of its prompt.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from segment_anything.utils.amg import generate_crop_boxes
from torch import Tensor

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import ModelError
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances
from saom_core.naming.classifier import PhotoClassifier
from saom_core.naming.photo_names import with_vocabulary
from saom_core.places.measure import measure
from saom_core.prompting.grid import grid_points
from saom_core.prompting.prompts import ObjectPrompt, Prompts
from saom_core.runtime import ModelInfo
from saom_core.sam.asking import AskedImage, ObjectAnswer
from saom_core.sam.candidates import Candidates, ImageCrop, PromptLabels, filtered, without_small_regions
from saom_core.sam.checkpoints import read_checkpoint
from saom_core.sam.decoder import DecodedPrompts, PointDecoder
from saom_core.sam.encoder import encode, network_input
from saom_core.sam.everything import SamNetwork
from saom_core.sam.masks import MaskEnlarger
from saom_core.sam.memory import DECODED_BYTES, DRAWN_BYTES, at_once
from saom_core.sam.network import SamModel
from saom_core.sam.options import SamEverythingOptions
from saom_core.segmenter import Segmentation, check_frame, named
from saom_core.turning import Turn

logger = logging.getLogger("saom")


def load_sam(source: str | Path | SaomConfig, options: SamEverythingOptions | None = None) -> SamSegmenter:
    """Everything mode with the checkpoint of a file, or of `config.model` on `config.provider`.

    Args:
        source: a checkpoint (kinds: see `saom_core.sam.checkpoints`), or the configuration that names one.
        options: everything mode's options in full; None: what the configuration says.

    Raises:
        ModelError: the checkpoint cannot be used, or the provider is not there.
    """
    config = source if isinstance(source, SaomConfig) else SaomConfig(model=str(source))
    return segmenter_of(read_checkpoint(Path(config.model).expanduser()), config, options)


def segmenter_of(
    model: SamModel,
    config: SaomConfig,
    options: SamEverythingOptions | None = None,
    classifier: Callable[[], PhotoClassifier] | None = None,
) -> SamSegmenter:
    """Everything mode with a network that is already there; it is moved to where `config.provider` says.

    Args:
        model: the network.
        config: see `SamSegmenter`, as the further arguments.
        options: of segment-anything's generator.
        classifier: of photographs.

    Raises:
        ModelError: the provider is not there.
    """
    device, reason = _device(config.provider)
    if config.threads:
        torch.set_num_threads(config.threads)
    size = model.sizes.image_size
    info = ModelInfo(
        name=model.metadata.get("name", f"{Path(config.model).stem} ({model.sizes.name})"),
        path=config.model,
        class_names=model.class_names,
        provider=device.type,
        provider_requested=config.provider,
        fallback_reason=reason,
        input_size_hw=(size, size),
        uses_depth=False,
        metadata=dict(model.metadata),
    )
    return SamSegmenter(model.to(device), config, info, options, classifier)


def names_config(config: SaomConfig) -> SaomConfig:
    """The options with which photographs are classified: onnxruntime may lack the GPU that torch has."""
    return config.replace(provider="auto") if config.provider == "cuda" else config


def everything_options(
    model: SamModel, config: SaomConfig, grid: tuple[int, int] | None = None
) -> SamEverythingOptions:
    """What a configuration says; how many masks a prompt gives is the model's own, and the grid unless one is given."""
    return SamEverythingOptions.from_config(config, grid or model.grid, one_mask_per_prompt=model.one_mask_per_prompt)


class SamSegmenter:
    """A `Segmenter` with a network of the SAM family.

    Args:
        model: the network, on the device where it is to run.
        config: thresholds and depth range; may be exchanged between frames.
        info: what the model is and where it runs.
        options: those of segment-anything's generator, which is followed to the pixel; None: the thresholds of
            `config`, with masks measured, mended and named as an exported file's are.
        classifier: gives the classifier of photographs, where one is needed; None: it is loaded.
    """

    def __init__(
        self,
        model: SamModel,
        config: SaomConfig,
        info: ModelInfo,
        options: SamEverythingOptions | None = None,
        classifier: Callable[[], PhotoClassifier] | None = None,
    ) -> None:
        self.config = config
        self.options = options
        self.model = model
        self._sam = model.sam
        self._decoder = PointDecoder(model.sam)
        known = {**info.metadata, "grid": model.grid}
        columns, rows = model.grid
        as_file = dataclasses.replace(info, metadata=known, prompt_count=columns * rows)
        own = names_config(config)
        if options is not None:
            own = own.replace(photo_names=False)  # names are the network's alone
        self._own_engine = OnnxSegmenter(own, SamNetwork(model, as_file, model.grid), classifier)
        self.photo_names = self._own_engine.photo_names
        self.info = with_vocabulary(info, own)

    def segment(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
        located: bool = True,
    ) -> Segmentation:
        """See `Segmenter.segment`; with options the stages are preprocess, encoder, decoder, postprocess."""
        if self.options is None:
            return self._engine().segment(image_rgb, depth_m, camera, located)
        depth, options = check_frame(image_rgb, depth_m, self.config), self.options
        clock = _Clock(self._sam.device)
        turn = Turn.upright(self.config.camera_up, (image_rgb.shape[0], image_rgb.shape[1]))
        image_rgb, size_hw = turn.picture(image_rgb), turn.turned_hw
        boxes, layers = generate_crop_boxes(size_hw, options.crop_n_layers, options.crop_overlap_ratio)
        with torch.inference_mode():
            parts = [
                self._segment_crop(image_rgb, box, _grid_xy(box, options.grid_of_layer(layer)), options, clock)
                for box, layer in zip(boxes, layers, strict=True)
            ]
        with clock.stage("postprocess"), torch.inference_mode():
            found = Candidates.join(parts)
            if len(boxes) > 1:  # where masks of two crops overlap, the one from the smaller crop stays
                found = found.without_duplicates(1 / found.crop_area, options.crop_nms_thresh)
            instances = turn.back.instances(self._instances(found, size_hw, options))
            if depth is not None:
                instances = measure(instances, depth, camera if located else None, self.config.camera_up)
            if self.config.drop_surfaces:
                instances = instances.without_surfaces()
        return Segmentation(instances, clock.timings_ms)

    def ask(
        self,
        image_rgb: npt.NDArray[np.uint8],
        prompts: Prompts,
        depth_m: npt.NDArray[np.floating] | None = None,
        camera: CameraIntrinsics | None = None,
        between: Callable[[], object] = lambda: None,
        located: bool = True,
    ) -> Segmentation:
        """See `Segmenter.ask`; the image is encoded once, and each prompt decoded by itself (`sam/asking.py`)."""
        depth = check_frame(image_rgb, depth_m, self.config)
        size_hw = (image_rgb.shape[0], image_rgb.shape[1])
        prompts.check(size_hw)
        clock = _Clock(self._sam.device)
        if not len(prompts):
            return Segmentation(Instances(size_hw), clock.timings_ms)
        turn = Turn.upright(self.config.camera_up, size_hw)
        asked = turn.prompts(prompts).each()
        with torch.inference_mode():
            with clock.stage("encoder"):
                image = AskedImage(self.model, turn.picture(image_rgb))
            with clock.stage("decoder"):
                answers = [(k, answer) for k, one in enumerate(asked) if (answer := image.answer(one)) is not None]
            with clock.stage("postprocess"):
                answers.sort(key=lambda item: -item[1].score)
                upright = [answer for _, answer in answers], [asked[k] for k, _ in answers]
                instances = turn.back.instances(self._answered(turn.turned_hw, *upright))
                if depth is not None:
                    instances = measure(instances, depth, camera if located else None, self.config.camera_up)
                instances = self._engine().second_opinion(image_rgb, instances, camera)
        return Segmentation(instances, clock.timings_ms, tuple(k for k, _ in answers))

    def _engine(self) -> OnnxSegmenter:
        """The engine with today's options; a copy, since other threads may use it with others meanwhile."""
        engine = copy.copy(self._own_engine)
        engine.config = self.config
        return engine

    def _answered(
        self, size_hw: tuple[int, int], answers: list[ObjectAnswer], prompts: list[ObjectPrompt]
    ) -> Instances:
        """The instances of some answers, in their order, and of the prompts that they answer."""
        if not answers:
            return Instances(size_hw)
        ids, scores = self._classes(torch.stack([answer.class_token for answer in answers]))
        class_scores = scores.numpy().astype(np.float32)
        class_ids, class_names = named(
            ids.numpy(), class_scores, self.info.class_names, self._engine().first_threshold()
        )
        return Instances.from_masks(
            size_hw,
            [answer.mask for answer in answers],
            np.array([answer.score for answer in answers], np.float32),
            stability=np.array([answer.stability for answer in answers], np.float32),
            class_ids=class_ids,
            class_names=class_names,
            class_scores=class_scores,
            points_xy=np.array([prompt.place_xy for prompt in prompts], np.float32),
        )

    def _segment_crop(
        self,
        image_rgb: npt.NDArray[np.uint8],
        box: list[int],
        prompts_xy: npt.NDArray[np.float64],
        options: SamEverythingOptions,
        clock: _Clock,
    ) -> Candidates:
        """Encodes one crop, decodes points (N, 2) in its pixels, filters, drops duplicates."""
        x0, y0, x1, y1 = box
        height, width = y1 - y0, x1 - x0
        size_hw = image_rgb.shape[0], image_rgb.shape[1]
        device = self._sam.device
        with clock.stage("preprocess"):
            batch, input_hw = network_input(self._sam, image_rgb[y0:y1, x0:x1])
            grid_size = self.model.sizes.image_size // self.model.sizes.patch_size
            tokens_hw = (_used_tokens(input_hw[0], grid_size), _used_tokens(input_hw[1], grid_size))
            enlarger = MaskEnlarger((4 * tokens_hw[0], 4 * tokens_hw[1]), input_hw, (height, width), device)
            crop = ImageCrop((x0, y0, x1, y1), size_hw, enlarger, self._sam.mask_threshold)
            points_xy = torch.from_numpy(prompts_xy)
            inputs_xy = (points_xy * torch.tensor([input_hw[1] / width, input_hw[0] / height]).double()).to(device)
        with clock.stage("encoder"):
            image = self._decoder.image_tokens(encode(self._sam.image_encoder, batch))
        parts: list[Candidates] = []
        per_batch = options.points_per_batch or at_once(DECODED_BYTES, image.tokens)
        for begin in range(0, len(points_xy), per_batch):
            chosen = slice(begin, begin + per_batch)
            with clock.stage("decoder"):
                prompts = self._decoder.decode(image, inputs_xy[chosen])
            parts += self._masks(prompts, points_xy[chosen], tokens_hw, crop, options, clock)
        with clock.stage("postprocess"):
            found = Candidates.join(parts)
            return found.without_duplicates(found.predicted_iou, options.box_nms_thresh)

    def _masks(
        self,
        prompts: DecodedPrompts,
        points_xy: Tensor,
        tokens_hw: tuple[int, int],
        crop: ImageCrop,
        options: SamEverythingOptions,
        clock: _Clock,
    ) -> Iterator[Candidates]:
        """Draws and filters the masks whose predicted quality passes; the others are never drawn."""
        with clock.stage("decoder"):
            quality = prompts.predicted_iou
            passes = quality > (options.pred_iou_thresh if options.pred_iou_thresh > 0 else -torch.inf)
            if options.one_mask_per_prompt:
                passes &= quality == quality.amax(dim=1, keepdim=True)
            drawn = passes.any(dim=1).nonzero()[:, 0]
            class_ids, class_scores = self._classes(prompts.class_token)
        # `split` makes one empty piece of nothing, so the parts of a crop can be joined whatever was found.
        for some in drawn.split(at_once(DRAWN_BYTES, prompts.image_tokens[0])):
            with clock.stage("decoder"):
                chosen = passes[some]
                logits = self._decoder.mask_logits(prompts, some, tokens_hw)[chosen]
            with clock.stage("postprocess"):
                # A prompt has several masks and one class: each mask takes the class of its own prompt.
                own = some[chosen.nonzero()[:, 0]].cpu()
                labels = PromptLabels(quality[some][chosen].cpu(), points_xy[own], class_ids[own], class_scores[own])
                yield filtered(logits, labels, crop, options)

    def _classes(self, class_token: Tensor) -> tuple[Tensor, Tensor]:
        """Class ids (B,) int64 and probabilities (B,) on the CPU; -1 and 0 without class head."""
        if self.model.class_head is None:
            return torch.full((len(class_token),), -1), torch.zeros(len(class_token))
        scores, ids = self.model.class_head(class_token).softmax(dim=1).max(dim=1)
        return ids.cpu(), scores.cpu()

    def _instances(self, found: Candidates, size_hw: tuple[int, int], options: SamEverythingOptions) -> Instances:
        kept, masks = list(range(len(found))), [mask.pixels() for mask in found.masks]
        if options.min_mask_region_area > 0:
            box_iou = max(options.box_nms_thresh, options.crop_nms_thresh)
            kept, masks = without_small_regions(masks, size_hw, options.min_mask_region_area, box_iou)
        large = [k for k, mask in enumerate(masks) if mask.area >= options.min_area]
        found = found.select(torch.tensor([kept[k] for k in large], dtype=torch.int64))
        class_scores = found.class_scores.numpy()
        class_ids, class_names = named(
            found.class_ids.numpy(), class_scores, self.info.class_names, self.config.class_score_threshold
        )
        instances = Instances.from_masks(
            size_hw,
            [masks[k] for k in large],
            found.predicted_iou.numpy(),
            stability=found.stability.numpy(),
            class_ids=class_ids,
            class_names=class_names,
            class_scores=class_scores,
            points_xy=found.points_xy.float().numpy(),
        )
        if options.max_instances and len(instances) > options.max_instances:
            instances = instances.select(np.arange(options.max_instances))
        return instances


def _grid_xy(box: list[int], grid: tuple[int, int]) -> npt.NDArray[np.float64]:
    """The point grid (columns, rows) on a crop, in its pixels: (columns * rows, 2)."""
    x0, y0, x1, y1 = box
    return grid_points(*grid) * (x1 - x0, y1 - y0)


def _used_tokens(input_pixels: int, tokens: int) -> int:
    """How many image tokens along an axis the masks of the image depend on; the rest are padding.

    One token makes 4 logits, and one logit covers 4 input pixels; the last pixel leans on the logit beyond its own.
    """
    last_logit = int((input_pixels - 0.5) / 4 - 0.5) + 1
    return min(last_logit // 4 + 1, tokens)


@dataclass
class _Clock:
    """Wall time per stage."""

    device: torch.device
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to the stage's."""
        begin = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.timings_ms[name] = self.timings_ms.get(name, 0.0) + 1000 * (time.perf_counter() - begin)


def _device(provider: str) -> tuple[torch.device, str]:
    """The device for a provider, and why it fell back to the CPU ("" if it did not)."""
    if provider == "tensorrt":
        raise ModelError("provider tensorrt: expected cpu or cuda for a torch checkpoint: export it to ONNX first")
    if provider != "cpu" and torch.cuda.is_available():
        return torch.device("cuda"), ""
    if provider == "cuda":
        raise ModelError(
            f"provider cuda: torch {torch.__version__} finds no usable GPU: mend the driver, or set provider to cpu"
        )
    if provider == "cpu":
        return torch.device("cpu"), ""
    reason = f"cuda: torch {torch.__version__} finds no usable GPU"
    logger.warning("RUNNING ON THE CPU, a SAM checkpoint expects a GPU: %s", reason)
    return torch.device("cpu"), reason
