"""TensorBoard's log of a run, and where its plot is."""

from __future__ import annotations

import shutil
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

LOG, PLOT = "tensorboard", "losses.png"  # in the run's folder


def open_log(folder: Path, start: int) -> SummaryWriter:
    """The log of a run that goes on at step `start`; what an attempt before it wrote from there on does not count."""
    if start == 0:  # killed before its first checkpoint: purge_step=0 would purge in whichever order files are read
        shutil.rmtree(folder, ignore_errors=True)
    return SummaryWriter(str(folder), purge_step=start or None)
