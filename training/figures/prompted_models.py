"""Models that answer single points, behind one small interface: what the paper's protocol asks of them.

`PromptedSam` is a network of the SAM family in torch; `PromptedFile` is an exported file, or a checkpoint folder.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from saom_core.config import SaomConfig
from saom_core.everything import EverythingModel, run_on_picture
from saom_core.letterbox import Letterbox
from saom_core.prompting.prompts import OPEN
from saom_core.sam.decoder import PointDecoder
from saom_core.sam.encoder import encode, network_input
from saom_core.sam.masks import MaskEnlarger
from saom_core.sam.network import SamModel
from saom_core.segmenter import check_frame

BoolArray = npt.NDArray[np.bool_]
_SAM_PROMPTS = 8
_FILE_PROMPTS = 50
"""How many prompts are answered at once. It bounds SAM's memory, and is less than the rows of a file's answer."""


class EncodedImage(Protocol):
    """One image as a model sees it. Points are 0..1 of the canvas: the image, and below or beside it the padding."""

    @property
    def embedding(self) -> Tensor:
        """(C, S, S) float32 on the CPU, padded to a square at the right or below."""

    @property
    def input_hw(self) -> tuple[int, int]:
        """How much of the network's input the canvas covers; the longer side is the side of the square."""

    @property
    def canvas_hw(self) -> tuple[int, int]:
        """Size of the canvas in pixels of the image; the grid that prompts are assigned to lies on it."""

    def best_masks(self, points_xy: npt.NDArray[np.floating]) -> BoolArray:
        """The mask of best predicted quality at each point (N, 2): (N, H, W) bool, some of them perhaps empty."""


class PromptedModel(Protocol):
    """A model that answers single points."""

    def encode(self, image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.float32] | None) -> EncodedImage:
        """Look at an image (H, W, 3), with depth (H, W) in metres where the model can use it."""


class PromptedSam:
    """A network of the SAM family; without depth."""

    def __init__(self, model: SamModel) -> None:
        self.sam = model.sam
        self.decoder = PointDecoder(model.sam)

    def encode(self, image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.float32] | None) -> EncodedImage:
        """See `PromptedModel.encode`."""
        with torch.inference_mode():
            pixels, input_hw = network_input(self.sam, image_rgb)
            size_hw = image_rgb.shape[0], image_rgb.shape[1]
            return _SamImage(self, encode(self.sam.image_encoder, pixels), input_hw, size_hw)


class _SamImage:
    def __init__(
        self, model: PromptedSam, embedding: Tensor, input_hw: tuple[int, int], image_hw: tuple[int, int]
    ) -> None:
        self.input_hw, self.canvas_hw = input_hw, image_hw  # SAM's grid lies on the image alone
        self.embedding = embedding[0].float().cpu()
        self._model, self._tokens = model, model.decoder.image_tokens(embedding)
        height, width = embedding.shape[2:]
        self._enlarger = MaskEnlarger((4 * height, 4 * width), input_hw, image_hw, embedding.device)

    @torch.inference_mode()
    def best_masks(self, points_xy: npt.NDArray[np.floating]) -> BoolArray:
        """See `EncodedImage.best_masks`."""
        masks = np.zeros((len(points_xy), *self.canvas_hw), np.bool_)
        scaled = torch.from_numpy(np.asarray(points_xy) * self.input_hw[::-1])
        for begin in range(0, len(scaled), _SAM_PROMPTS):
            points = scaled[begin : begin + _SAM_PROMPTS].to(self._model.sam.device)
            prompts = self._model.decoder.decode(self._tokens, points)
            every = torch.arange(len(points), device=points.device)
            logits = self._model.decoder.mask_logits(prompts, every, self._tokens.size_hw)
            best = logits[every, prompts.predicted_iou.argmax(1)]  # (P, h, w)
            threshold = self._model.sam.mask_threshold
            measures = self._enlarger.measure(best, threshold, 0.0)
            for k, window in enumerate(measures.windows):
                if window is not None and not measures.empty[k]:
                    crop = self._enlarger.pixels(self._enlarger.cut(best[k], window), window, threshold)
                    masks[begin + k][crop.window] = crop.crop
        return masks


class PromptedFile:
    """An exported file, or a checkpoint with a file's inputs and outputs; `config` says which depth is valid."""

    def __init__(self, model: EverythingModel, config: SaomConfig) -> None:
        self.model, self.config = model, config

    def encode(self, image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.float32] | None) -> EncodedImage:
        """See `PromptedModel.encode`."""
        depth = check_frame(image_rgb, depth_m, self.config)
        box = Letterbox.fit((image_rgb.shape[0], image_rgb.shape[1]), self.model.info.input_size_hw)
        return _FileImage(self.model, box, box.image(image_rgb), box.depth(depth))


class _FileImage:
    def __init__(
        self, model: EverythingModel, box: Letterbox, image: npt.NDArray[np.uint8], depth: npt.NDArray[np.float32]
    ) -> None:
        model.info.check_output("image_embedding", "prompted evaluation")
        self._model, self._box, self._image, self._depth = model, box, image, depth
        everything = run_on_picture(model, box, image, depth, OPEN)
        # duplicate removal may take the best of a SAM prompt's masks for another prompt's, and leave a worse one
        answering = everything["points"][everything["scores"] > 0]
        self._at_once = _FILE_PROMPTS if len(np.unique(answering, axis=0)) == len(answering) else 1
        embedding = torch.from_numpy(everything["image_embedding"]).float()
        side = max(embedding.shape[1:])
        self.embedding = F.pad(embedding, (0, side - embedding.shape[2], 0, side - embedding.shape[1]))
        self.input_hw = box.target_hw
        source, inner = np.array(box.source_hw), np.array(box.inner_hw)
        height, width = np.maximum(source, np.rint(np.array(box.target_hw) * source / inner).astype(int)).tolist()
        self.canvas_hw = (height, width)  # as in training, where the grid lies on the whole input

    def best_masks(self, points_xy: npt.NDArray[np.floating]) -> BoolArray:
        """See `EncodedImage.best_masks`.

        A file answers as many points as its grid has and drops masks whose boxes coincide with a better one's: points
        with one mask each are asked together, and what was dropped once more by itself.
        """
        points = (np.asarray(points_xy) * self._box.target_hw[::-1]).astype(np.float32)
        distinct, which = np.unique(points, axis=0, return_inverse=True)
        masks = np.zeros((len(distinct), *self._box.source_hw), np.bool_)
        left = list(range(len(distinct)))
        for at_once in (self._at_once, 1):
            unanswered = []
            for begin in range(0, len(left), at_once):
                asked = left[begin : begin + at_once]
                answers = self._ask(distinct[asked])
                unanswered += [k for k, mask in zip(asked, answers, strict=True) if mask is None]
                for k, mask in zip(asked, answers, strict=True):
                    masks[k] = False if mask is None else mask
            left = unanswered
        return masks[which.reshape(-1)]

    def _ask(self, points_xy: npt.NDArray[np.float32]) -> list[BoolArray | None]:
        """The masks (H, W) of some points, pixels of the input; None where the file gives no answer."""
        count = self._model.info.metadata["grid"][0] * self._model.info.metadata["grid"][1]
        points = np.resize(points_xy, (count, 2))
        outputs = run_on_picture(self._model, self._box, self._image, self._depth, OPEN, points)
        rows = {tuple(p): k for k, p in reversed(list(enumerate(outputs["points"].tolist()))) if outputs["scores"][k]}
        return [self._mask(outputs, rows[key]) if (key := tuple(p)) in rows else None for p in points_xy.tolist()]

    def _mask(self, outputs: dict[str, npt.NDArray[Any]], row: int) -> BoolArray:
        box = self._box.to_source(outputs["boxes"][row].astype(np.float64))
        crop = self._box.cut_mask(outputs["masks"][row].astype(np.float32), box)
        return np.zeros(self._box.source_hw, np.bool_) if crop is None else crop.dense(self._box.source_hw)
