"""Train a fast head on the frozen image encoder of a SAM checkpoint.

    saom finetune --model sam_vit_b_01ec64.pth --head fast --data data/rooms --out runs/fast

Prompts, views and kept embeddings are those of fine-tuning SAM's own decoder (`sam.py`); the losses are saom-tiny's.
Embeddings are made once and kept (`--cache`), so that an epoch costs the head alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saom_core.config import option_field
from saom_core.errors import ConfigError
from saom_core.sam.network import SamModel

from ..assign import BACKGROUND
from ..dataset import Dataset
from ..networks.checkpoint import save_network
from ..networks.fast_head import ENCODER, SamFast, fast_on, used_tokens
from ..running.loop import train
from ..running.step import Term, Terms, sums_of
from ..running.validation import Validation
from ..running.workers import StreamBatches
from ..samples.augment import IGNORED
from ..samples.embedded_pictures import LOGIT_STRIDE, NO_CLASS, SamItem
from ..samples.embedding_cache import embedded_stream
from .mask_losses import box_losses, mask_iou, mask_losses
from .sam import SAOM, SamTuneConfig, begin_on

assert LOGIT_STRIDE == 4, "masks of the fast head have a quarter of the input's size"


@dataclass(frozen=True)
class FastTuneConfig(SamTuneConfig):
    """One training of a fast head. Errors as `RunConfig`."""

    dim: int = option_field(256, "Channels of tokens, keys and values", minimum=8)
    mask_dim: int = option_field(64, "Channels of the features that masks are drawn from", minimum=4)
    heads: int = option_field(8, "Of attention", minimum=1)
    layers: int = option_field(3, "Attention layers that a prompt goes through", minimum=1)
    box_weight: float = option_field(2.0, "Of the boxes' L1 and generalised IoU", minimum=0.0)
    semantic_weight: float = option_field(1.0, "Of the cross-entropy of every pixel that an object covers", minimum=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim % self.heads:
            raise ConfigError(f"dim: expected a multiple of the {self.heads} heads, got {self.dim}")
        if self.train_encoder:
            raise ConfigError("train_encoder: expected False, the fast head is for a frozen encoder: leave it out")
        if self.supervised != "predicted" or self.suppress_duplicates:
            raise ConfigError(
                "supervised, suppress_duplicates: the fast head has one mask per prompt, there is nothing to choose: "
                "leave them out"
            )


FAST = FastTuneConfig(
    **{
        **vars(SAOM),
        "supervised": "predicted",
        "suppress_duplicates": False,
        "epochs": 60,  # it begins from nothing
        "class_weight": 1.0,
    }
)


def finetune(
    model: SamModel,
    data: Dataset,
    out: Path,
    config: FastTuneConfig,
    *,
    class_names: Sequence[str] | None = None,
    cache: Path | None = None,
    record: dict[str, Any] | None = None,
    validation: Dataset | None = None,
) -> Path:
    """Trains a fast head, from the start or on from the last checkpoint in `out`.

    Args:
        model: whose encoder it is for; not changed.
        data: the training split.
        out: folder of checkpoints and logs.
        config: every choice.
        class_names: that are told apart; each must have objects in the data. None: the data set's.
        cache: folder of kept embeddings; None: "embeddings" beside `out`.
        record: what else is to be known of the run, JSON types; stored with it.
        validation: split on which checkpoints are measured; None: they are not.

    Returns:
        The checkpoint folder, for `saom evaluate --model` and `saom export`.

    Raises:
        TrainingError: no objects to train on, a class without objects, or a loss that is not finite.
        ConfigError: `out` holds a run with other options.
    """
    names, processes, facts = begin_on(model, data, out, config, class_names, record or {})
    stream = embedded_stream(model, data, names, config, out=out, cache=cache, processes=processes)
    whole = fast_on(model, names, dim=config.dim, mask_dim=config.mask_dim, heads=config.heads, layers=config.layers)

    def save(trained: nn.Module, step: int) -> Path:
        assert isinstance(trained, FastTrainee)
        _copy_head(trained.network, whole)
        save_network(whole, out / "last", {"steps": step, **facts})
        return out / "last"

    def terms_of(answers: list[FastAnswers], items: list[SamItem]) -> Terms:
        return sums_of([fast_terms(one, item, config) for one, item in zip(answers, items, strict=True)])

    trainee = FastTrainee(SamFast(whole.config))
    batches = StreamBatches(stream, config, config.total_steps(len(data), processes.count), processes)
    measured = Validation.of(validation, out, config)
    train(trainee, terms_of, batches, config, out=out, save=save, processes=processes, validation=measured)
    processes.leave()
    return out / "last"


def _copy_head(source: SamFast, target: SamFast) -> None:
    """Weights of all but the encoder."""
    missing, unknown = target.load_state_dict(source.state_dict(), strict=False)
    assert not unknown and all(name.startswith(ENCODER) for name in missing)


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


def fast_terms(answers: FastAnswers, item: SamItem, config: FastTuneConfig) -> Terms:
    """The terms of the loss of one image, by name.

    Args:
        answers: of the network.
        item: prompts and targets.
        config: weights.
    """
    on_object = item.targets != BACKGROUND
    rows = item.targets[on_object]
    height, width = answers.mask_logits.shape[1:]
    masks = F.pad(item.masks, (0, width - item.masks.shape[2], 0, height - item.masks.shape[1]))  # to whole patches
    truth, logits = masks[rows], answers.mask_logits.float()
    focal, dice = mask_losses(logits, truth, config.focal_alpha, config.focal_gamma)
    iou = mask_iou(logits.detach() > 0, truth)
    quality = torch.zeros_like(answers.quality_logits, dtype=torch.float32)
    quality[on_object] = iou
    labels = item.class_ids[rows]
    names = F.cross_entropy(answers.class_logits.float(), labels, reduction="sum", ignore_index=NO_CLASS)
    pixels = semantic_labels(masks, item.class_ids)
    semantic = F.cross_entropy(answers.semantics.float()[None], pixels[None], reduction="sum", ignore_index=IGNORED)
    asked = F.binary_cross_entropy_with_logits(answers.quality_logits.float(), quality, reduction="sum")
    return {
        "dice": Term(dice.sum(), len(rows), config.dice_weight),
        "focal": Term(focal.sum(), len(rows), config.focal_weight),
        "iou": Term(iou.sum(), len(rows), 0.0),  # to look at
        "quality": Term(asked, len(quality), config.quality_weight),
        "class": Term(names, int((labels != NO_CLASS).sum()), config.class_weight),
        "box": Term(box_losses(answers.boxes.float(), mask_edges(masks)[rows]), len(rows), config.box_weight),
        "semantic": Term(semantic, int((pixels != IGNORED).sum()), config.semantic_weight),
    }


def mask_edges(masks: Tensor) -> Tensor:
    """Boxes (T, 4) xyxy, 0..1, of masks (T, h, w) of which every one covers something."""
    edges = []
    for size, covered in ((masks.shape[2], (masks > 0).any(1)), (masks.shape[1], (masks > 0).any(2))):
        index = torch.arange(size, device=masks.device)
        first = torch.where(covered, index, size).amin(1)
        last = torch.where(covered, index + 1, 0).amax(1)
        edges.append(torch.stack([first, last]) / size)
    return torch.stack([edges[0][0], edges[1][0], edges[0][1], edges[1][1]], dim=1)


def semantic_labels(masks: Tensor, class_ids: Tensor) -> Tensor:
    """Class of each pixel at half the masks' resolution that one object covers by more than half, else IGNORED.

    Where objects overlap, the pixel has the class of the smallest one, which lies in front.

    Args:
        masks: (T, h, w) share of each mask pixel that the object covers.
        class_ids: (T,), NO_CLASS where the model does not have it.

    Returns:
        (h/2, w/2) int64.
    """
    if not len(masks):
        return torch.full((masks.shape[1] // 2, masks.shape[2] // 2), IGNORED, device=masks.device)
    smallest_first = masks.sum((1, 2)).argsort(stable=True)
    covered, which = F.avg_pool2d(masks[smallest_first, None], 2)[:, 0].max(0)  # of equal shares the first one
    labels = torch.where(class_ids == NO_CLASS, IGNORED, class_ids)[smallest_first][which]
    return torch.where(covered > 0.5, labels, IGNORED)
