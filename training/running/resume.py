"""What a killed run goes on from: its step, weights, averaged weights and optimizer in one file."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from saom_core.errors import ModelError
from saom_core.files import write_atomically

RESUME = "resume.pt"


def save_resume(out: Path, step: int, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Everything that a resumed run needs, in one atomic file."""
    state = {
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    write_atomically(out / RESUME, lambda file: torch.save(state, file))


def load_resume(out: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load the last resume file, if there is one; the step to go on with (0: from the start).

    Raises:
        ModelError: the file is damaged or of another network.
    """
    path = out / RESUME
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{path}: expected the state of this run, got: {str(error)[:400]}: use another --out"
        ) from error
    return int(state["step"])
