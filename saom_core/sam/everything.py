"""Everything mode of a checkpoint in torch, with the inputs and outputs of the file that is exported from it.

So `saom segment x.pth` and `saom segment x.onnx` answer the same: one engine (`saom_core/everything.py`) feeds both and
makes their answers into instances. `training/networks/sam_everything.py` says the same thing for the exporter; here
masks are drawn for those prompts only whose predicted quality passes, and as many rows come as there are answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import nms

from saom_core.config import SaomConfig
from saom_core.model_file.contract import OUTPUTS, THRESHOLDS
from saom_core.prompting.grid import grid_points
from saom_core.runtime import ModelInfo
from saom_core.sam.decoder import DecodedPrompts, ImageTokens, PointDecoder
from saom_core.sam.encoder import encode
from saom_core.sam.low_masks import MOST_BOX_IOU, boxes_px, on_picture, stability_score
from saom_core.sam.memory import DECODED_BYTES, DRAWN_BYTES, at_once
from saom_core.sam.network import SamModel

_LOGITS, _BOX = "logits", "boxes"


class SamNetwork:
    """An `EverythingModel` (saom_core/everything.py) of the SAM family.

    Args:
        model: the network, on the device where it runs.
        info: what it is; its input is the square that the encoder sees.
        grid: columns and rows of the points.
    """

    def __init__(self, model: SamModel, info: ModelInfo, grid: tuple[int, int]) -> None:
        self.info, self.model = info, model
        self._decoder = PointDecoder(model.sam)
        self._grid_xy = grid_points(*grid) * info.input_size_hw[::-1]

    def run(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.float32],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None = None,
        further: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """See `OnnxModel.run`; any number of prompts, and K is the number of answers."""
        with torch.inference_mode():
            return self._outputs(image_rgb, thresholds, prompts_xy, (further or {}).get("picture"))

    def _outputs(
        self,
        image_rgb: npt.NDArray[np.uint8],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None,
        picture_wh: npt.NDArray[np.float32] | None,
    ) -> dict[str, npt.NDArray[Any]]:
        device = self.model.sam.device
        whole = np.array(image_rgb.shape[1::-1], np.float32)
        picture = torch.from_numpy(whole if picture_wh is None else picture_wh).to(device)
        embedding = encode(self.model.sam.image_encoder, self._pixels(image_rgb, picture))
        tokens = self._decoder.image_tokens(embedding)
        points = torch.from_numpy(np.asarray(self._grid_xy if prompts_xy is None else prompts_xy, np.float32))
        defaults = SaomConfig()
        limits = {name: float(thresholds.get(name, getattr(defaults, name))) for name in THRESHOLDS}
        parts = list(self._answers(tokens, points.to(device), picture, limits))
        rows = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        kept = nms(rows[_BOX], rows["scores"], min(limits["nms_iou"], MOST_BOX_IOU))
        outputs = {name: value[kept.to(value.device)].cpu().numpy() for name, value in rows.items()}
        outputs["masks"] = outputs.pop(_LOGITS).astype(np.float32)
        outputs["image_embedding"] = embedding[0].float().cpu().numpy()
        return {name: outputs[name] for name in OUTPUTS}

    def _pixels(self, image_rgb: npt.NDArray[np.uint8], picture_wh: Tensor) -> Tensor:
        """What the encoder sees, (1, 3, S, S): normalised, zeros beside the picture."""
        sam = self.model.sam
        image = torch.from_numpy(image_rgb).to(sam.device).permute(2, 0, 1)
        pixels = (image - sam.pixel_mean) / sam.pixel_std
        rows, columns = (torch.arange(side, device=sam.device) for side in image.shape[1:])
        pixels = pixels * ((rows < picture_wh[1])[:, None] & (columns < picture_wh[0])[None, :])
        side = self.model.sizes.image_size
        return F.pad(pixels, (0, side - image.shape[2], 0, side - image.shape[1]))[None]

    def _answers(
        self, tokens: ImageTokens, points: Tensor, picture_wh: Tensor, limits: dict[str, float]
    ) -> Iterator[dict[str, Tensor]]:
        """The masks that pass the thresholds of quality and stability, some prompts at a time."""
        for some in points.split(at_once(DECODED_BYTES, tokens.tokens)):
            prompts = self._decoder.decode(tokens, some)
            quality = prompts.predicted_iou.float()
            passes = (quality > 0) & (quality >= limits["score_threshold"])
            if self.model.one_mask_per_prompt:
                passes &= quality == quality.amax(dim=1, keepdim=True)
            # `split` makes one empty piece of nothing, so that there is always something to join.
            for drawn in passes.any(dim=1).nonzero()[:, 0].split(at_once(DRAWN_BYTES, tokens.tokens)):
                yield self._drawn(prompts, drawn, passes[drawn], some, picture_wh, limits["stability_threshold"])

    def _drawn(
        self, prompts: DecodedPrompts, drawn: Tensor, passes: Tensor, points: Tensor, picture_wh: Tensor, stable: float
    ) -> dict[str, Tensor]:
        """The rows of some prompts: of each the masks that pass and are stable."""
        logits = self._decoder.mask_logits(prompts, drawn, prompts.size_hw)[passes].float()
        logits = on_picture(logits, picture_wh)
        owner = drawn[passes.nonzero()[:, 0]]  # a prompt has several masks, and one class
        stability = stability_score(logits)
        boxes = boxes_px(logits, picture_wh)
        keep = ((stability >= stable) & (logits > 0).any(2).any(1)).nonzero()[:, 0]
        owner = owner[keep]
        class_ids, class_scores = self._classes(prompts.class_token[owner])
        return {
            # before duplicates are removed, a crowded picture has a gigabyte of logits
            _LOGITS: logits[keep].half().cpu(),
            _BOX: boxes[keep],
            "scores": prompts.predicted_iou[drawn].float()[passes][keep],
            "stability": stability[keep],
            "class_ids": class_ids,
            "class_scores": class_scores,
            "points": points[owner],
            "embeddings": prompts.class_token[owner].float(),
        }

    def _classes(self, class_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Class ids and probabilities (K,); -1 and 0 without class head."""
        if self.model.class_head is None:
            nothing = torch.zeros(len(class_tokens), device=class_tokens.device)
            return nothing.long() - 1, nothing
        scores, ids = self.model.class_head(class_tokens).softmax(-1).max(-1)
        return ids, scores
