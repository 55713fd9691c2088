"""The masks that a network draws in everything mode, and how well they fit: what its `MaskIouHead` learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from saom_core.config import SaomConfig

from ..dataset import Dataset
from ..networks.everything import EverythingGraph, grid_prompts_xy
from ..networks.mask_scores import REACH, seen_by_head
from ..networks.tiny import SaomTiny
from ..running.processes import Processes
from ..running.workers import shared_out
from ..samples.augment import IGNORED, AugmentConfig, AugmentedStream

_LEAST_SCORE = 0.5 * REACH * SaomConfig().score_threshold
"""First score from which masks are kept: below what is looked at by default, for users who ask for more."""
_Columns = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass
class JudgedMasks:
    """N drawn masks."""

    seen: Tensor  # (N, E + FACTS) float32, what the head sees
    ious: Tensor  # (N,) float32 IoU with the object that fits best, 0..1
    scores: Tensor  # (N,) float32 first scores

    def __len__(self) -> int:
        return len(self.ious)


def read_drawn(
    data: Dataset,
    network: SaomTiny,
    augment: AugmentConfig,
    seed: int,
    pictures: int,
    workers: int = 0,
    processes: Processes | None = None,
) -> JudgedMasks:
    """What a network draws on some pictures, each seen once, varied as in the training of masks.

    Args:
        data: the pictures.
        network: in eval mode, on the CPU.
        augment: how pictures are varied.
        seed: of which pictures, and how they are varied.
        pictures: number of them.
        workers: processes that read and draw.
        processes: that train together: each draws on its share of the pictures, and has all masks in the end.
    """
    answers = _AnswersToPictures(data, network, augment, seed, pictures)
    parts = shared_out(answers, pictures, workers, processes, unit="image", desc="masks")
    return JudgedMasks(*(torch.from_numpy(np.concatenate(column)) for column in zip(*parts, strict=True)))


class _AnswersToPictures(TorchDataset[_Columns]):
    """The columns of `JudgedMasks` for each picture of a stream.

    As NumPy arrays: torch gives each tensor of another process a file of its own, and there are thousands of pictures.
    """

    def __init__(self, data: Dataset, network: SaomTiny, augment: AugmentConfig, seed: int, pictures: int) -> None:
        self._stream = AugmentedStream(data, augment, seed, pictures, every_object=True)
        self._graph = EverythingGraph(network).eval()
        self._prompts = grid_prompts_xy(*augment.grid, augment.size_hw)
        limits = SaomConfig()
        self._limits = [torch.tensor(v) for v in (_LEAST_SCORE, limits.stability_threshold, limits.nms_iou)]

    def __len__(self) -> int:
        return len(self._stream)

    @torch.no_grad()
    def __getitem__(self, i: int) -> _Columns:
        item = self._stream[i]
        drawn, _ = self._graph.draw(item.image, item.depth, self._prompts, *self._limits)
        inside = drawn.logits > 0
        ious = best_ious(inside, item.masks > 0.5)
        # what lies on pixels that must not be asked about is neither right nor wrong
        unasked = (item.semantic == IGNORED).repeat_interleave(2, 0).repeat_interleave(2, 1)
        real = (drawn.scores > 0) & ((inside & unasked).sum((1, 2)) <= 0.5 * inside.sum((1, 2)))
        return seen_by_head(drawn)[real].numpy(), ious[real].numpy(), drawn.scores[real].numpy()


def best_ious(drawn: Tensor, true: Tensor) -> Tensor:
    """IoU of each drawn mask (N, h, w) bool with the true one (T, h, w) bool that fits it best, (N,); 0 without any."""
    flat, others = drawn.flatten(1).float(), true.flatten(1).float()
    shared = flat @ others.T
    union = flat.sum(1)[:, None] + others.sum(1)[None] - shared
    ious = torch.cat([shared / union.clamp(min=1), torch.zeros(len(flat), 1)], dim=1)
    return ious.amax(1)
