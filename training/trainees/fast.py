"""A fast head as it is trained: on kept embeddings of the frozen encoder, and what it answers to a batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..assign import BACKGROUND
from ..networks.fast_head import ENCODER, SamFast, used_tokens
from ..samples.embedded_pictures import SamItem


@dataclass(frozen=True)
class FastAnswers:
    """What a network answers to the N prompts of one image, P of which are on objects."""

    quality_logits: Tensor  # (N,)
    mask_logits: Tensor  # (P, H/4, W/4): of the part of the encoder's input that the image covers, in whole patches
    boxes: Tensor  # (P, 4) xyxy, 0..1 of that part
    class_logits: Tensor  # (P, C)
    semantics: Tensor  # (C + 1, H/8, W/8)


class FastTrainee(nn.Module):
    """A fast head on kept embeddings, image by image: images may differ in size."""

    def __init__(self, network: SamFast) -> None:
        super().__init__()
        assert network.image_encoder is None, "the frozen encoder is not trained: it would be copied and averaged"
        self.network = network

    def forward(self, items: list[SamItem]) -> list[FastAnswers]:
        """The answers to each item's prompts."""
        return [self._answers(item) for item in items]

    def _answers(self, item: SamItem) -> FastAnswers:
        network = self.network
        embedding = used_tokens(item.image.float()[None], item.input_hw, network.config.sam)
        features = network.prepare(network.pyramid_of(embedding))
        patch = network.config.sam.patch_size
        size = item.points_xy.new_tensor([embedding.shape[3] * patch, embedding.shape[2] * patch])
        answers = network.decode(features, (item.points_xy / size)[None])
        on_object = item.targets != BACKGROUND
        logits = network.masks(features, answers.mask_embeddings[:, on_object])[0]
        embeddings = network.embed_masks(features, logits)
        return FastAnswers(
            answers.quality_logits[0],
            logits,
            answers.boxes[0, on_object],
            network.classify(embeddings),
            network.semantics(features)[0],
        )


def copy_head(source: SamFast, target: SamFast) -> None:
    """Gives one fast head the weights of another; the encoder of either stays as it is."""
    missing, unknown = target.load_state_dict(source.state_dict(), strict=False)
    assert not unknown and all(name.startswith(ENCODER) for name in missing)
