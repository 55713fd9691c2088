"""What a SAM-like base is trained on: pictures, points on wholes, parts, sub-parts, and every mask that holds each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from saom_core.config import option_field, other_default
from saom_core.files import write_atomically
from saom_core.sam.encoder import input_size

from ..data.annotations import decode_masks, encode_mask
from ..dataset import Dataset as SimulatedDataset
from ..dataset import Sample
from ..running.config import EpochConfig
from ..running.processes import Processes
from ..running.workers import workers_of
from .colours import recoloured
from .embedded_pictures import SamItem, coverage, pixels_of
from .seeded_order import image_of, item_rng
from .sub_parts import regions, sub_parts
from .views import LEAST_LEFT, ViewConfig, areas, window_of

Pieces = list[dict[str, Any]]  # RLEs


@dataclass(frozen=True)
class PiecesConfig(EpochConfig, ViewConfig):
    """A run on pieces of pictures, and how the pictures are varied."""

    views: int = other_default(
        ViewConfig,
        "views",
        1000,
        description="One image in so many is as it is, the others are varied; with 1 nothing is varied",
    )
    mirror: bool = other_default(ViewConfig, "mirror", True)
    crop: float = other_default(ViewConfig, "crop", 0.5)
    recolour: float = other_default(ViewConfig, "recolour", 0.7)
    prompts: int = option_field(32, "Points per image", minimum=1)


@dataclass
class BaseItem(SamItem):
    """One picture, N prompts, T masks that may lie on each other; `targets` and `class_ids` are not used."""

    pairs: Tensor  # (2, Q) int64: pairs of a prompt and a mask that contains its point; each is a right answer


class BaseStream(Dataset[BaseItem]):
    """Item i of an endless, seeded stream; it follows from the seed and i alone.

    Args:
        data: the pictures, with parts, sub-objects apart.
        pieces: of each picture, see `pieces_of`.
        image_size: side of the encoder's square input.
        length: number of items.
        config: views, prompts, seed.
    """

    def __init__(
        self, data: SimulatedDataset, pieces: Sequence[Pieces], image_size: int, length: int, config: PiecesConfig
    ) -> None:
        self._data, self._pieces, self._config = data, pieces, config
        self._image_size, self._length = image_size, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> BaseItem:
        config = self._config
        rng = item_rng(config.seed, i)
        index = image_of(config.seed, i, len(self._data))
        sample = self._data[index]
        image, size_hw = sample.image_rgb, sample.ignore.shape
        masks = np.concatenate([_wholes_and_parts(sample), decode_masks(self._pieces[index], size_hw)])
        input_hw = input_size(size_hw, self._image_size)
        varied = rng.integers(config.views) > 0
        mirror = bool(varied and config.mirror and rng.random() < 0.5)
        if varied:
            window = window_of(size_hw, rng.uniform(config.crop, 1.0), rng)
            inside = np.ascontiguousarray(masks[:, window[0], window[1]])
            masks = inside[areas(inside) >= np.maximum(1, LEAST_LEFT * areas(masks))]
            image = recoloured(image[window], config.recolour, rng)
        else:
            masks = masks[areas(masks) > 0]
        points, rows = points_on(masks, config.prompts, rng)
        holds = masks[:, points[:, 1], points[:, 0]]
        places = (points + 0.5) / image.shape[1::-1]
        pixels, shares = pixels_of(image, input_hw), coverage(masks, input_hw)
        if mirror:
            places[:, 0] = 1 - places[:, 0]
            pixels, shares = pixels.flip(2), shares.flip(2)
        return BaseItem(
            image=pixels,
            input_hw=input_hw,
            points_xy=torch.from_numpy((places * input_hw[::-1]).astype(np.float32)),
            targets=torch.from_numpy(rows),
            masks=shares.half(),  # half the bytes reach a GPU in half the time
            class_ids=torch.zeros(len(masks), dtype=torch.int64),
            pairs=torch.from_numpy(np.stack(np.nonzero(holds.T))),
        )


def pieces_of(data: SimulatedDataset, kept: Path, workers: int, processes: Processes) -> list[Pieces]:
    """Regions of background and sub-parts of all masks, which a simulator does not list; as RLE, per picture.

    They are found once and kept: finding them takes as long as everything else that an item needs.

    Args:
        data: the pictures, with parts, sub-objects apart.
        kept: file to read them from, if it is there, or to keep them in.
        workers: processes that look for them.
        processes: that train together; the first one looks, the others wait for it.
    """
    if processes.first and not kept.exists():
        found = list(tqdm(workers_of(_Pieces(data), workers), total=len(data), unit="picture", desc="sub-parts"))
        write_atomically(kept, json.dumps(found, separators=(",", ":")).encode())
    processes.wait()
    return json.loads(kept.read_bytes())


def joined_pairs(items: Sequence[BaseItem]) -> Tensor:
    """(2, Q): the pairs of all items, as rows of their points and masks one after the other."""
    first = torch.zeros((2, 1), dtype=torch.int64)
    joined = []
    for item in items:
        joined.append(item.pairs + first.to(item.pairs.device))
        first = first + torch.tensor([[len(item.points_xy)], [len(item.masks)]])
    return torch.cat(joined, dim=1)


class _Pieces(Dataset[Pieces]):
    def __init__(self, data: SimulatedDataset) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Pieces:
        sample = self._data[index]
        masks = _wholes_and_parts(sample)
        around = regions(~(masks.any(0) | sample.ignore))
        pieces = sub_parts(sample.image_rgb, np.concatenate([masks, around]))
        return [encode_mask(mask) for mask in (*around, *pieces)]


def _wholes_and_parts(sample: Sample) -> npt.NDArray[np.bool_]:
    """(N, H, W): whole masks; the data set cuts drawers and basins out, here they are put back."""
    for part, whole in enumerate(sample.part_of):
        if whole >= 0:
            sample.masks[whole] |= sample.masks[part]
    return sample.masks


def points_on(
    masks: npt.NDArray[np.bool_], count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Random pixels (N, 2) xy, equally many on each mask, and the rows of these masks (N,); empty without masks."""
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
