"""One training in several processes, as `torchrun` starts them: which one this is, its device, and sums over all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")
_PATIENCE = timedelta(days=1)  # all wait while one prepares pictures, encodes or validates


@dataclass(frozen=True)
class Processes:
    """The processes of a run; one alone by default."""

    rank: int
    count: int
    device: torch.device

    @staticmethod
    def join() -> Processes:
        """Meets the others, if `torchrun` started this process (it sets WORLD_SIZE)."""
        rank, count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        cuda = torch.cuda.is_available()
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        if count > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
        return Processes(rank, count, device)

    @staticmethod
    def alone() -> Processes:
        """A run in this process."""
        return Processes(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    @property
    def first(self) -> bool:
        """Whether this one writes logs and checkpoints."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.count > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values

    def gathered(self, values: Sequence[T]) -> list[T]:
        """All processes' values (pickled), one process after the other."""
        if self.count == 1:
            return list(values)
        parts: list[Any] = [None] * self.count
        distributed.all_gather_object(parts, list(values))
        return [value for part in parts for value in part]

    def wait(self) -> None:
        """Returns when all processes have called this."""
        if self.count > 1:
            distributed.barrier()

    def leave(self) -> None:
        """Ends the run, when all processes have called this."""
        self.wait()
        if self.count > 1:
            distributed.destroy_process_group()
