"""What a SAM-like base is trained on: pictures, points on wholes, parts, sub-parts, and every mask that holds each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saom_core.sam_encoder import network_input
from saom_core.sam_network import SamModel
from training.dataset import Dataset as SimulatedDataset
from training.sam_base_config import SamBaseConfig
from training.sam_stream import SamItem, coverage
from training.sam_views import view_of
from training.seeded_order import image_of, item_rng
from training.sub_parts import regions, sub_parts


@dataclass
class BaseItem(SamItem):
    """One picture: pixels, N prompts, T masks that may lie on each other; `targets` and `class_ids` are not asked."""

    holds: Tensor  # (N, T) bool: which masks hold which points: all of them are right answers


class BaseStream(Dataset[BaseItem]):
    """Item i of an endless, seeded stream; it follows from the seed and i alone."""

    def __init__(self, data: SimulatedDataset, model: SamModel, length: int, config: SamBaseConfig) -> None:
        self._data, self._sam, self._length, self._config = data, model.sam, length, config

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> BaseItem:
        config = self._config
        rng = item_rng(config.seed, i)
        sample = self._data[image_of(config.seed, i, len(self._data))]
        for part, whole in enumerate(sample.part_of):  # drawers and basins are cut out of their wholes: put them back
            if whole >= 0:
                sample.masks[whole] |= sample.masks[part]
        view = view_of(sample, config, int(rng.integers(config.views)), rng)
        pixels, input_hw = network_input(self._sam, view.image_rgb)
        masks = np.concatenate([view.masks, regions(view.background)])
        masks = np.concatenate([masks, sub_parts(view.image_rgb, masks)])
        points, rows = points_on(masks, config.prompts, rng)
        height, width = view.ignore.shape
        scaled = (points + 0.5) * np.array([input_hw[1] / width, input_hw[0] / height])
        return BaseItem(
            image=pixels[0],
            input_hw=input_hw,
            points_xy=torch.from_numpy(scaled.astype(np.float32)),
            targets=torch.from_numpy(rows),
            masks=coverage(masks, input_hw),
            class_ids=torch.zeros(len(masks), dtype=torch.int64),
            holds=torch.from_numpy(masks[:, points[:, 1], points[:, 0]].T),
        )


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
