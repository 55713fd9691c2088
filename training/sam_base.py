"""A small SAM-like network from nothing, promptable on parts and wholes alike, as SAM is (arXiv 2304.02643).

    saom finetune --recipe base --data data/rooms --out runs/base

Each prompt lies on an object, and mostly on one of its parts too; nothing tells which of them is meant. Every mask that
holds the point is a right answer: of the three masks that a prompt gives, the one with the least loss learns it (SAM,
section 3), and the IoU head learns how good each mask is as one of them. It is what `make reproduce` fine-tunes, in the
place of Meta's weights, which cannot be trained here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from saom_core.config import option_field
from saom_core.errors import ConfigError
from saom_core.sam_checkpoints import SamModel, SamSizes, build_sam
from saom_core.sam_encoder import network_input
from saom_core.taxonomy import CLASSES_AND_OTHER
from training.dataset import Dataset as SimulatedDataset
from training.processes import Processes
from training.sam_config import SamRunConfig
from training.sam_finetune import WEIGHTS, check_data, write_model
from training.sam_loop import begin, train
from training.sam_losses import Term, mask_losses, soft_iou
from training.sam_stream import LOGIT_STRIDE, SamItem, coverage
from training.sam_trainee import SamAnswers, SamTrainee
from training.sam_views import areas, view_of

_LEAST_REGION = 0.02  # of the picture: smaller pieces of background are no region


@dataclass(frozen=True)
class SamBaseConfig(SamRunConfig):
    """One training of a base from nothing; errors as `SamRunConfig`."""

    epochs: int = option_field(8, "Passes over the training images", minimum=1)
    batch: int = option_field(8, "Images per step and process", minimum=1)
    learning_rate: float = option_field(1e-3, "Of AdamW, at its highest", minimum=0.0)
    adam_epsilon: float = option_field(1e-8, "Of AdamW", minimum=0.0)
    weight_decay: float = option_field(0.05, "Of AdamW", minimum=0.0)
    warmup_steps: int = option_field(200, "Steps of linear warm-up before the cosine", minimum=0)
    clip_norm: float = option_field(1.0, "Largest norm of the gradient; 0: not clipped", minimum=0.0)
    ema_decay: float = option_field(0.998, "Of the averaged weights that are saved; 0: the last ones", maximum=1.0)
    workers: int = option_field(1, "Processes that prepare images", minimum=0, maximum=256)
    views: int = option_field(1000, "Fixed views of each image; the first is the image itself", minimum=1)
    mirror: bool = option_field(True, "Half of the further views are mirrored")
    crop: float = option_field(0.5, "Smallest side of a further view, in the image's", minimum=0.1, maximum=1.0)
    recolour: float = option_field(0.7, "Strength of the change of colours in further views", minimum=0.0, maximum=1.0)
    # --- the network
    image_size: int = option_field(256, "Side of the encoder's input", unit="px", minimum=64, maximum=1024)
    encoder_dim: int = option_field(192, "Width of the encoder", minimum=32)
    encoder_depth: int = option_field(6, "Blocks of the encoder", minimum=1)
    encoder_heads: int = option_field(3, "Attention heads of the encoder", minimum=1)
    dim: int = option_field(128, "Width of embedding and decoder", minimum=64)
    decoder_heads: int = option_field(4, "Attention heads of the decoder", minimum=1)
    # --- what it learns
    prompts: int = option_field(32, "Points per image", minimum=1)
    focal_weight: float = option_field(20.0, "Of the focal loss (SAM: 20)", minimum=0.0)
    focal_alpha: float = option_field(0.25, "Weight of the object's pixels", minimum=0.0, maximum=1.0)
    focal_gamma: float = option_field(2.0, "How little easy pixels count", minimum=0.0)
    dice_weight: float = option_field(1.0, "Of the dice loss (SAM: 1)", minimum=0.0)
    quality_weight: float = option_field(1.0, "Of the error of the predicted IoU (SAM: 1)", minimum=0.0)
    token_weight: float = option_field(
        1.0, "Of telling the classes under each image token, in the place of SAM's pre-trained encoder", minimum=0.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_size % 16 or self.dim % 16 or self.encoder_dim % self.encoder_heads:
            raise ConfigError(
                f"expected image_size and dim divisible by 16 and encoder_dim by encoder_heads, got {self.image_size}, "
                f"{self.dim}, {self.encoder_dim} and {self.encoder_heads}"
            )

    def sizes(self) -> SamSizes:
        """The network: as SAM's, but every block of the encoder attends globally, since the tokens are few."""
        return SamSizes(
            image_size=self.image_size,
            patch_size=16,
            encoder_dim=self.encoder_dim,
            encoder_depth=self.encoder_depth,
            encoder_heads=self.encoder_heads,
            encoder_mlp_dim=4 * self.encoder_dim,
            window_size=0,
            global_blocks=tuple(range(self.encoder_depth)),
            dim=self.dim,
            mask_prompt_channels=16,
            masks=3,
            decoder_depth=2,
            decoder_mlp_dim=4 * self.dim,
            attention_downsample=2,
            iou_depth=3,
            iou_dim=self.dim,
            decoder_heads=self.decoder_heads,
        )


@dataclass
class BaseItem(SamItem):
    """One picture: pixels, N prompts, T masks that may lie on each other; `targets` and `class_ids` are not asked."""

    holds: Tensor  # (N, T) bool: which masks hold which points: all of them are right answers
    tokens: Tensor  # (classes + 1, h, w) float32: share of each image token's area, the last is the background's


class BaseStream(Dataset[BaseItem]):
    """Item i of an endless, seeded stream; it follows from the seed and i alone."""

    def __init__(self, data: SimulatedDataset, model: SamModel, length: int, config: SamBaseConfig) -> None:
        self._data, self._sam, self._length, self._config = data, model.sam, length, config

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> BaseItem:
        config = self._config
        epoch, position = divmod(i, len(self._data))
        order = np.random.default_rng([config.seed, 1, epoch]).permutation(len(self._data))
        rng = np.random.default_rng([config.seed, 2, i])
        sample = self._data[int(order[position])]
        for part, whole in enumerate(sample.part_of):  # drawers and basins are cut out of their wholes: put them back
            if whole >= 0:
                sample.masks[whole] |= sample.masks[part]
        view = view_of(sample, config, int(rng.integers(config.views)), rng)
        pixels, input_hw = network_input(self._sam, view.image_rgb)
        background = view.background
        masks = np.concatenate([view.masks, regions(background)])
        points, rows = points_on(masks, config.prompts, rng)
        height, width = view.ignore.shape
        scaled = (points + 0.5) * np.array([input_hw[1] / width, input_hw[0] / height])
        shares = coverage(np.concatenate([masks, background[None]]), input_hw)
        wholes = np.flatnonzero(view.part_of < 0)
        labels = np.append(view.class_ids[wholes], len(CLASSES_AND_OTHER))
        return BaseItem(
            image=pixels[0],
            input_hw=input_hw,
            points_xy=torch.from_numpy(scaled.astype(np.float32)),
            targets=torch.from_numpy(rows),
            masks=shares[:-1],
            class_ids=torch.zeros(len(masks), dtype=torch.int64),
            holds=torch.from_numpy(masks[:, points[:, 1], points[:, 0]].T),
            tokens=token_shares(shares[[*wholes, -1]], labels, self._sam.image_encoder.img_size),
        )


def regions(background: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(R, H, W) bool: the connected pieces of the background, which SAM gives as masks too."""
    count, labels = cv2.connectedComponents(background.astype(np.uint8), connectivity=4)
    pieces = labels == np.arange(1, count)[:, None, None]
    return pieces[areas(pieces) >= _LEAST_REGION * background.size]


def points_on(
    masks: npt.NDArray[np.bool_], count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Random pixels (N, 2) xy, as many on each mask as on any other, and the masks' rows (N,); none without masks."""
    if not len(masks):
        return np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    rows = rng.permutation(np.resize(rng.permutation(len(masks)), count)).astype(np.int64)
    points = np.zeros((count, 2), np.int64)
    for row in np.unique(rows):
        pixels = np.flatnonzero(masks[row])
        mine = np.flatnonzero(rows == row)
        y, x = np.divmod(pixels[rng.integers(len(pixels), size=len(mine))], masks.shape[2])
        points[mine] = np.stack([x, y], axis=1)
    return points, rows


def token_shares(shares: Tensor, labels: npt.NDArray[np.int64], image_size: int) -> Tensor:
    """What share of each image token's area is of each class.

    Args:
        shares: (K, rows, columns) shares of the mask logits' area, of whole objects and background.
        labels: (K,) class, the last one the background's.
        image_size: side of the encoder's input.

    Returns:
        (classes + 1, h, w) float32.
    """
    side = image_size // LOGIT_STRIDE
    padded = F.pad(shares, (0, side - shares.shape[2], 0, side - shares.shape[1]))
    coarse = F.avg_pool2d(padded, 4)
    return torch.zeros(len(CLASSES_AND_OTHER) + 1, *coarse.shape[1:]).index_add_(0, torch.from_numpy(labels), coarse)


@dataclass(frozen=True)
class BaseAnswers:
    """Answers of the decoder, and class logits of the image tokens."""

    prompts: SamAnswers
    token_logits: Tensor  # (classes + 1, h, w)


class BaseTrainee(SamTrainee):
    """A whole network in training; `tokens` is dropped afterwards."""

    def __init__(self, model: SamModel) -> None:
        super().__init__(model, with_encoder=True)
        self.tokens = nn.Conv2d(model.sizes.dim, len(CLASSES_AND_OTHER) + 1, 1)

    def forward(self, items: list[BaseItem]) -> list[BaseAnswers]:  # type: ignore[override]
        """The answers to each item's prompts."""
        embeddings = self.image_encoder(torch.stack([item.image for item in items]))
        logits = self.tokens(embeddings)
        return [
            BaseAnswers(self.answers(embedding, item), of_image)
            for embedding, item, of_image in zip(embeddings, items, logits, strict=True)
        ]


def base_terms(answers: BaseAnswers, item: BaseItem, config: SamBaseConfig) -> dict[str, Term]:
    """The terms of one image, by name."""
    logits, scores = answers.prompts.mask_logits.float(), answers.prompts.predicted_iou.float()
    prompt, mask = item.holds.nonzero(as_tuple=True)  # Q pairs of a point and a mask that holds it
    truth = item.masks[mask]
    focal, dice = mask_losses(logits[prompt], truth, config.focal_alpha, config.focal_gamma)  # (Q, M)
    chosen = (config.focal_weight * focal + config.dice_weight * dice).detach().argmin(1, keepdim=True)
    with torch.no_grad():
        iou = soft_iou(logits[prompt] > 0, truth[:, None])
        best = torch.zeros_like(scores).scatter_reduce(0, prompt[:, None].expand_as(iou), iou, "amax")
    token_loss = -(item.tokens * answers.token_logits.float().log_softmax(0)).sum()
    return {
        "focal": Term(focal.gather(1, chosen).sum(), len(truth), config.focal_weight),
        "dice": Term(dice.gather(1, chosen).sum(), len(truth), config.dice_weight),
        "quality": Term(F.mse_loss(scores, best, reduction="sum"), scores.numel(), config.quality_weight),
        "tokens": Term(token_loss, int(item.tokens.sum().round()), config.token_weight),
        "iou": Term(iou.gather(1, chosen).sum(), len(truth), 0.0),  # to look at
    }


def train_base(data: SimulatedDataset, out: Path, config: SamBaseConfig) -> Path:
    """Trains a base from nothing, or on from the last checkpoint in `out`.

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
    sizes = config.sizes()
    model = SamModel(build_sam(sizes), sizes)
    with torch.no_grad():  # image tokens know their places from the first step, in the code that the prompts have
        code = model.sam.prompt_encoder.get_dense_pe()[0]
        shared = min(len(code), sizes.encoder_dim)
        model.sam.image_encoder.pos_embed[0, ..., :shared] = code[:shared].permute(1, 2, 0)
    begin(out, config, {"recipe": "base", "images": len(data)}, processes)
    steps = config.total_steps(len(data), processes.count)
    stream = BaseStream(data, model, steps * config.batch * processes.count, config)
    trainee = BaseTrainee(model)
    trainee.freeze_unused(quality=config.quality_weight > 0, classes=False)

    def save(trained: nn.Module, step: int) -> None:
        facts = {"recipe": "base", "steps": step, "data": data.info, "config": vars(config)}
        write_model(model, trained, out, f"SAM-like base ({sizes.name})", facts)

    train(trainee, stream, partial(base_terms, config=config), save, out, config, steps, processes)
    processes.leave()
    return out / WEIGHTS
