"""A small SAM-like network, promptable on parts, sub-parts and wholes alike, as SAM is (arXiv 2304.02643).

    saom finetune --recipe base --data data/rooms --out runs/base

Each prompt lies on an object or a piece of background, and mostly on a part and a sub-part of it too; nothing tells
which of them is meant. Every mask that holds the point is a right answer: of the three masks that a prompt gives, the
one with the least loss learns it (SAM, section 3), and the IoU head learns of that mask alone how good it is. So good
pieces score higher than difficult wholes, and everything mode returns both. It is what `make reproduce` fine-tunes, in
the place of Meta's weights, which cannot be trained here.

SAM's ViT begins with weights from masked auto-encoding; here the encoder is convolutional and begins with the bundled
saom-tiny's (depth left out), and decoder and neck begin from nothing. All of it is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saom_core.runtime import BUNDLED_MODEL
from saom_core.sam.network import SamModel, build_sam

from ..dataset import Dataset as SimulatedDataset
from ..networks.onnx_weights import network_from_onnx
from ..running.checks import check_data
from ..running.processes import Processes
from ..running.sam_loop import Terms, begin_together, sums_of, train
from ..samples.pieces import BaseItem, BaseStream, pieces_of
from .base_config import SamBaseConfig
from .losses import mask_iou, mask_losses
from .sam import WEIGHTS, write_model
from .sam_losses import Term
from .sam_trainee import SamAnswers, SamTrainee, at_once

PIECES = "pieces.json"
_STEM = "encoder.stem.conv.weight"
_SHARPER = 2.0  # than torch's start: of the scores of equal places


def base_terms(answers: Sequence[SamAnswers], items: Sequence[BaseItem], config: SamBaseConfig) -> Terms:
    """The terms of some pictures, by name."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for k, item in enumerate(items):
        sizes.setdefault(tuple(item.masks.shape[1:]), []).append(k)
    groups = [some for alike in sizes.values() for some in at_once(alike, items[0].masks.device)]
    return sums_of([_terms([answers[k] for k in some], [items[k] for k in some], config) for some in groups])


def _terms(answers: Sequence[SamAnswers], items: Sequence[BaseItem], config: SamBaseConfig) -> Terms:
    prompt, mask = _joined_pairs(items)  # Q pairs of a point and a mask that holds it
    truth = torch.cat([item.masks for item in items])[mask].float()
    logits = torch.cat([one.mask_logits for one in answers])[prompt].float()
    focal, dice = mask_losses(logits, truth[:, None], config.focal_alpha, config.focal_gamma)  # (Q, M)
    chosen = (config.focal_weight * focal + config.dice_weight * dice).detach().argmin(1, keepdim=True)
    with torch.no_grad():
        iou = mask_iou(logits > 0, truth[:, None]).gather(1, chosen)
    said = torch.cat([one.predicted_iou for one in answers])[prompt].float().gather(1, chosen)
    return {
        "focal": Term(focal.gather(1, chosen).sum(), len(truth), config.focal_weight),
        "dice": Term(dice.gather(1, chosen).sum(), len(truth), config.dice_weight),
        "quality": Term(F.mse_loss(said, iou, reduction="sum"), len(truth), config.quality_weight),
        "iou": Term(iou.sum(), len(truth), 0.0),  # to look at
    }


def _joined_pairs(items: Sequence[BaseItem]) -> Tensor:
    """(2, Q): the pairs of all items, as rows of their points and masks one after the other."""
    first = torch.zeros((2, 1), dtype=torch.int64)
    joined = []
    for item in items:
        joined.append(item.pairs + first.to(item.pairs.device))
        first = first + torch.tensor([[len(item.points_xy)], [len(item.masks)]])
    return torch.cat(joined, dim=1)


@torch.no_grad()
def new_base(config: SamBaseConfig) -> SamModel:
    """A network with saom-tiny's encoder, in which a prompt looks at its own place from the first step.

    What it would else spend hundreds of steps on: where tokens and image attend to each other, queries and keys start
    with the same projection of the positional code, so that equal places match.
    """
    tiny, _ = network_from_onnx(BUNDLED_MODEL)
    sizes = config.sizes(tiny.config.encoder)
    sam = build_sam(sizes)
    learned = tiny.state_dict()
    learned[_STEM] = learned[_STEM][:, :3]  # of RGB
    encoder = sam.image_encoder.state_dict()
    sam.image_encoder.load_state_dict({name: learned.get(name, value) for name, value in encoder.items()})
    transformer = sam.mask_decoder.transformer
    to_image = [block.cross_attn_token_to_image for block in transformer.layers]
    for attention in (*to_image, transformer.final_attn_token_to_image):
        attention.q_proj.weight.mul_(_SHARPER)
        attention.k_proj.weight.copy_(attention.q_proj.weight)
    for block in transformer.layers:
        block.cross_attn_image_to_token.q_proj.weight.copy_(block.cross_attn_image_to_token.k_proj.weight)
    return SamModel(sam, sizes)


def train_base(data: SimulatedDataset, out: Path, config: SamBaseConfig) -> Path:
    """Trains a base from the start, or on from the last checkpoint in `out`.

    Args:
        data: the training split, opened with parts, sub-objects apart.
        out: folder of checkpoints and logs.
        config: the run.

    Returns:
        The checkpoint.

    Raises:
        TrainingError: no objects to train on, or a loss that is not finite.
        ConfigError: `out` holds a run with other options.
    """
    check_data(data, None)
    processes = Processes.join()
    torch.manual_seed(config.seed)
    model = new_base(config)
    begin_together(out, config, {"recipe": "base", "images": len(data), "data": data.fingerprint()}, processes)
    steps = config.total_steps(len(data), processes.count)
    if processes.first:
        pieces_of(data, out / PIECES, config.workers)
    processes.wait()
    pieces = pieces_of(data, out / PIECES, config.workers)
    stream = BaseStream(data, pieces, config.image_size, steps * config.batch * processes.count, config)
    trainee = SamTrainee(model, with_encoder=True)
    trainee.freeze_unused(quality=config.quality_weight > 0, classes=False)

    def save(trained: nn.Module, step: int) -> None:
        facts = {"recipe": "base", "steps": step, "data": data.info, "config": vars(config)}
        write_model(model, trained, out, f"SAM-like base ({model.sizes.name})", facts)

    train(trainee, stream, partial(base_terms, config=config), save, out, config, steps, processes)
    processes.leave()
    return out / WEIGHTS
