"""The endless, seeded stream of training items for a SAM-family network: embedding, prompts, targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saom_core.config import option_field
from saom_core.masks import in_front
from saom_core.sam.encoder import input_size, resized

from ..dataset import Dataset as SimulatedDataset
from ..prompts.training_points import PromptConfig, sam_prompts
from ..running.config import EpochConfig
from .seeded_order import epoch_order, image_of, item_rng
from .views import PastedViewConfig, View, areas, view_of

NO_CLASS = -100
"""Class id of an object whose class the model does not have: torch's cross-entropy ignores this value."""
LOGIT_STRIDE = 4  # pixels of the encoder's input per mask logit, in every network of the family


@dataclass(frozen=True)
class EmbeddedConfig(EpochConfig, PromptConfig, PastedViewConfig):
    """A run on embeddings of pictures: its prompts, its views, and what becomes of the embeddings."""

    train_encoder: bool = option_field(
        False, "Train the image encoder, too (the paper: frozen); the one that training begins with places the prompts"
    )
    cache_embeddings: bool = option_field(False, "Encode each view once and keep it on disk (SAM ViT: 2 MB)")
    cache_dtype: str = option_field(
        "float16", "Number format of kept embeddings", choices=("float16", "bfloat16", "float32")
    )

    @property
    def needs_embeddings(self) -> bool:
        """Whether the encoder that training begins with is asked: for what it trains on, or for where prompts go."""
        return not self.train_encoder or self.assignment == "nearest"

    def __post_init__(self) -> None:
        PromptConfig.__post_init__(self)  # it checks every field, also those of a run
        if not self.cache_embeddings and self.needs_embeddings:
            object.__setattr__(self, "workers", 0)  # the encoder runs in the training process


@dataclass
class SamItem:
    """One picture, N prompts, T objects."""

    image: Tensor  # (C, h, w) embedding; where the encoder is trained too, the pixels (see `pixels_of`)
    input_hw: tuple[int, int]  # how much of the encoder's input the picture covers
    points_xy: Tensor  # (N, 2) float32, pixels of the encoder's input
    targets: Tensor  # (N,) int64 row of masks, or BACKGROUND
    masks: Tensor  # (T, rows, columns), 0..1: share of each mask logit's area that the object covers
    class_ids: Tensor  # (T,) int64, or NO_CLASS


class SamStream(Dataset[SamItem]):
    """Item i of the stream; epochs are permutations of the data set, and item i follows from the seed and i alone.

    Args:
        data: the pictures.
        class_names: of the class head; objects of other classes teach masks only.
        image_size: side of the encoder's square input.
        embed: gives a picture's embedding.
        length: number of items.
        config: views, prompts, seed.
    """

    def __init__(
        self,
        data: SimulatedDataset,
        class_names: Sequence[str],
        image_size: int,
        embed: Callable[[npt.NDArray[np.uint8]], Tensor],
        length: int,
        config: EmbeddedConfig,
    ) -> None:
        self._data, self._embed, self._length, self._config = data, embed, length, config
        self._class_of = {name: k for k, name in enumerate(class_names)}
        self._image_size = image_size

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> SamItem:
        config = self._config
        rng = item_rng(config.seed, i)
        view = self.view(image_of(config.seed, i, len(self._data)), int(rng.integers(config.views)))
        input_hw = input_size(view.ignore.shape, self._image_size)
        embedding = self._embed(view.image_rgb) if config.needs_embeddings else None
        image = pixels_of(view.image_rgb, input_hw) if config.train_encoder else embedding
        assert image is not None
        prompts = sam_prompts(embedding, in_front(view.masks), view.background, input_hw, config, rng)
        return SamItem(
            image,
            input_hw,
            torch.from_numpy(prompts.points_xy * np.array(input_hw[::-1], np.float32)),
            torch.from_numpy(prompts.targets),
            coverage(view.masks, input_hw),
            torch.from_numpy(view.class_ids),
        )

    def views_to_come(self) -> list[tuple[int, int]]:
        """(image, number) of every view that the stream's items show, each once, sorted."""
        images, views, seed = len(self._data), self._config.views, self._config.seed
        seen: set[tuple[int, int]] = set()
        for begin in range(0, len(self), images):
            order = epoch_order(seed, begin // images, images).tolist()
            drawn = zip(order, range(begin, len(self)), strict=False)  # the last epoch may be cut short
            seen.update((image, int(item_rng(seed, i).integers(views))) for image, i in drawn)
            if len(seen) == images * views:
                break
        return sorted(seen)

    def view(self, image: int, number: int) -> View:
        """View `number` of a picture, its class ids those of the class head.

        An object that smaller ones cover wholly is left out: no point in the picture means it.
        """
        sample = self._data[image]
        rng = np.random.default_rng([self._config.seed, 3, image, number])
        ids = [self._class_of.get(name, NO_CLASS) for name in sample.class_names]
        sample.class_ids[:] = ids
        view = view_of(sample, self._config, number, rng)
        return view.select(areas(in_front(view.masks)) > 0)


def pixels_of(image_rgb: npt.NDArray[np.uint8], input_hw: tuple[int, int]) -> Tensor:
    """(3, rows, columns) uint8: a picture (H, W, 3) as it lies in the encoder's input."""
    return torch.from_numpy(resized(image_rgb, input_hw)).permute(2, 0, 1).contiguous()


def coverage(masks: npt.NDArray[np.bool_], input_hw: tuple[int, int]) -> Tensor:
    """Share of each mask logit's area that the objects cover: the target of the logits.

    A soft target tells where an edge lies to a fraction of a logit, and keeps objects that are smaller than a logit.

    Args:
        masks: (N, H, W) bool, at the image's resolution.
        input_hw: how much of the encoder's input the image covers.

    Returns:
        (N, rows, columns) float32, the logits that lie at least partly on the image.
    """
    rows, columns = (_lengths(side, length) for side, length in zip(input_hw, masks.shape[1:], strict=True))
    shares = np.zeros((len(masks), len(rows), len(columns)), np.float32)
    for mask, share in zip(masks, shares, strict=True):
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))  # outside this window every mask is 0
        window = mask[y : y + height, x : x + width].astype(np.float32)
        share[:] = rows[:, y : y + height] @ window @ columns[:, x : x + width].T
    return torch.from_numpy(shares)


def _lengths(input_pixels: int, image_pixels: int) -> npt.NDArray[np.float32]:
    """(logits, image pixels): share of each logit's length that each image pixel takes up."""
    logits = -(-input_pixels // LOGIT_STRIDE)
    edges = np.arange(logits + 1) * LOGIT_STRIDE * image_pixels / input_pixels
    pixels = np.arange(image_pixels)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (overlap.clip(0) / np.diff(edges)[:, None]).astype(np.float32)
