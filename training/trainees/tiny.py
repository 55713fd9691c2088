"""What is trained of a saom-tiny, and what it answers to a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..networks.encoder import Pyramid
from ..networks.tiny import SaomTiny
from ..samples.augment import TrainingItem
from .distill import FeaturesOnly
from .kept_layers import first_stages, keep_statistics


@dataclass(frozen=True)
class TinyAnswers:
    """What the network answers to N prompts on each of B images."""

    quality_logits: Tensor  # (B, N)
    mask_logits: Tensor  # (B, N, H/4, W/4)
    boxes: Tensor  # (B, N, 4) xyxy, 0..1
    semantics: Tensor  # (B, C + 1, H/8, W/8)
    pyramid: Pyramid


class TinyTrainee(nn.Module):
    """What is trained of a saom-tiny: all but object head and class head, which `names.py` teaches, and `MaskIouHead`.

    Args:
        network: changed in place.
        frozen_stages: the encoder's stem and so many of its first stages stay as they are; 0: all of it is trained.
        keep_norms: batch norms of the encoder keep their statistics.
    """

    def __init__(self, network: SaomTiny, frozen_stages: int = 0, keep_norms: bool = False) -> None:
        super().__init__()
        self.network = network.requires_grad_(True)
        network.object_head.requires_grad_(False)
        network.class_head.requires_grad_(False)
        if network.mask_iou_head is not None:
            network.mask_iou_head.requires_grad_(False)
        self._frozen_stages, self._keep_norms = frozen_stages, keep_norms
        for stage in first_stages(network.encoder, frozen_stages):
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> TinyTrainee:
        """What stays as it is keeps the statistics of its batch norms, too."""
        super().train(mode)
        encoder = self.network.encoder
        keep_statistics([encoder] if self._keep_norms else first_stages(encoder, self._frozen_stages))
        return self

    def forward(self, batch: list[TrainingItem] | FeaturesOnly) -> TinyAnswers | Pyramid:
        """The answers to the items' prompts; of `FeaturesOnly` the features."""
        items = batch.items if isinstance(batch, FeaturesOnly) else batch
        image, depth, points = (torch.stack([getattr(i, name) for i in items]) for name in ("image", "depth", "points"))
        pyramid = self.network.pyramid(image, depth)
        if isinstance(batch, FeaturesOnly):
            return pyramid
        features = self.network.prepare(pyramid)
        answers = self.network.decode(features, points)
        logits = self.network.masks(features, answers.mask_embeddings)
        return TinyAnswers(answers.quality_logits, logits, answers.boxes, self.network.semantics(features), pyramid)
