"""Answers a SAM checkpoint's own prompts: points on and off the object, a box, a mask, in any combination.

The masks are those of segment-anything's `SamPredictor`, whose prompt encoder and mask decoder run here as they are.
Of a single point, which may mean a part or the whole, SAM gives three masks, and the one that it thinks best is the
answer. Any other prompt tells more, and SAM was trained to answer it with one mask (arXiv 2304.02643, appendix A). A
network that was fine-tuned as SAOM is has not trained that single mask; it gives the best of the three throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from segment_anything.utils.amg import calculate_stability_score
from torch import Tensor
from torch.nn import functional as F

from saom_core.errors import InputError
from saom_core.instances import MaskCrop
from saom_core.prompting.prompts import ObjectPrompt
from saom_core.sam.encoder import encode, network_input
from saom_core.sam.network import SamModel

MASK_LOGIT = 8.0
"""What a pixel of a bool mask is to the prompt encoder: a sure one, of the size of the logits that SAM draws."""


@dataclass(frozen=True)
class ObjectAnswer:
    """What a network answers to one prompt."""

    mask: MaskCrop
    score: float  # predicted IoU
    stability: float
    class_token: Tensor  # (C,): the IoU token, which the class head reads


class AskedImage:
    """An image that is encoded once and then asked about.

    Args:
        model: the network.
        image_rgb: (H, W, 3) uint8.
    """

    def __init__(self, model: SamModel, image_rgb: npt.NDArray[np.uint8]) -> None:
        self._model, self._sam = model, model.sam
        self._size_hw = (image_rgb.shape[0], image_rgb.shape[1])
        pixels, self._input_hw = network_input(self._sam, image_rgb)
        self._embedding = encode(self._sam.image_encoder, pixels)

    def answer(self, prompt: ObjectPrompt) -> ObjectAnswer | None:
        """The object of one prompt; None where the network draws nothing.

        Raises:
            InputError: mask logits of another size than the network's.
        """
        sparse, dense = self._sam.prompt_encoder(self._points(prompt), self._box(prompt), self._mask(prompt))
        low, quality, token = self._decoded(sparse, dense, three=self._gives_three(prompt))
        best = int(quality[0].argmax())
        logits = self._sam.postprocess_masks(low[:, best : best + 1], self._input_hw, self._size_hw)[0, 0]
        inside = (logits > self._sam.mask_threshold).cpu().numpy()
        if not inside.any():
            return None
        stability = calculate_stability_score(logits[None], self._sam.mask_threshold, 1.0)
        return ObjectAnswer(MaskCrop.from_dense(inside), float(quality[0, best]), float(stability), token[0])

    def _decoded(self, sparse: Tensor, dense: Tensor, *, three: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Mask logits (1, M, S, S), their predicted IoU (1, M) and the IoU token (1, C) of one prompt's embeddings.

        As segment-anything's `MaskDecoder.forward`, which keeps the IoU token to itself. A hook on its transformer
        would see the tokens of other threads that ask the same network.
        """
        decoder = self._sam.mask_decoder
        outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])[None]
        position = self._sam.prompt_encoder.get_dense_pe()
        tokens, image = decoder.transformer(self._embedding + dense, position, torch.cat([outputs, sparse], dim=1))
        fine = decoder.output_upscaling(image.mT.reshape(self._embedding.shape))
        mlps = decoder.output_hypernetworks_mlps
        hyper = torch.stack([mlp(tokens[:, 1 + k]) for k, mlp in enumerate(mlps)], dim=1)
        low = (hyper @ fine.flatten(2)).unflatten(2, fine.shape[2:])
        given = slice(1, None) if three else slice(0, 1)
        return low[:, given], decoder.iou_prediction_head(tokens[:, 0])[:, given], tokens[:, 0]

    def _gives_three(self, prompt: ObjectPrompt) -> bool:
        fine_tuned = self._model.class_head is not None or "training" in self._model.metadata
        return fine_tuned or (prompt.kinds() == ["points"] and len(prompt.points_xy) == 1)

    def _points(self, prompt: ObjectPrompt) -> tuple[Tensor, Tensor] | None:
        """Points (1, n, 2) in pixels of the input, and which of them are on the object (1, n)."""
        points = np.concatenate([prompt.points_xy, prompt.negative_xy])
        if not len(points):
            return None
        labels = [1] * len(prompt.points_xy) + [0] * len(prompt.negative_xy)
        return self._to_input(points)[None], torch.tensor([labels], device=self._sam.device)

    def _box(self, prompt: ObjectPrompt) -> Tensor | None:
        """(1, 4) pixels of the input."""
        return None if prompt.box_xyxy is None else self._to_input(prompt.box_xyxy.reshape(2, 2)).reshape(1, 4)

    def _to_input(self, xy: npt.NDArray[np.float64]) -> Tensor:
        (height, width), (rows, columns) = self._size_hw, self._input_hw
        return torch.from_numpy((xy * (columns / width, rows / height)).astype(np.float32)).to(self._sam.device)

    def _mask(self, prompt: ObjectPrompt) -> Tensor | None:
        """(1, 1, S, S) logits of a mask at the resolution of the network's own."""
        if prompt.mask is None:
            return None
        wanted = self._sam.prompt_encoder.mask_input_size
        mask = torch.from_numpy(prompt.mask).to(self._sam.device)[None, None]
        if prompt.mask.dtype == np.float32:
            if prompt.mask.shape != wanted:
                raise InputError(f"mask: expected logits of shape {wanted} of this network, got {prompt.mask.shape}")
            return mask
        # as the picture itself: resized to the input, padded, then resized to the resolution of masks
        share = F.interpolate(mask.float(), self._input_hw, mode="bilinear", antialias=True)
        side = self._sam.image_encoder.img_size
        share = F.pad(share, (0, side - self._input_hw[1], 0, side - self._input_hw[0]))
        return MASK_LOGIT * (2 * F.interpolate(share, wanted, mode="area") - 1)
