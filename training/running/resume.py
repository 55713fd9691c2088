"""What a killed run goes on from: its step, weights, averaged weights, optimizer and losses in one file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from saom_core.errors import ConfigError, ModelError
from saom_core.files import write_atomically

RESUME = "resume.pt"
_DAMAGE = (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError)


def save_resume(
    out: Path,
    step: int,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    sums: Mapping[str, float],
) -> None:
    """Everything that a resumed run needs, in one file that is there whole or not at all.

    Args:
        out: the run's folder.
        step: that comes next.
        model: with the weights of the last step.
        average: the moving average of the weights.
        optimizer: of the model's weights.
        sums: of the losses since the last line of the log.
    """
    state = {
        "step": step,
        "network": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "losses": dict(sums),
    }
    write_atomically(out / RESUME, lambda file: torch.save(state, file))


def load_resume(
    out: Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, dict[str, float]]:
    """Loads the last resume file, if there is one.

    Returns:
        The step to go on with (0: from the start), and the sums of losses that `save_resume` was given.

    Raises:
        ModelError: the file is damaged or of another network.
    """
    path = out / RESUME
    if not path.is_file():
        return 0, {}
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        model.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"]), dict(state["losses"])
    except _DAMAGE as error:
        raise ModelError(
            f"{path}: expected the state of this run, got: {str(error)[:400]}: use another --out"
        ) from error


def check_same_start(out: Path, starts: Sequence[int]) -> None:
    """Raises ConfigError unless all processes go on from the same step: on several machines they must share `out`."""
    if len(set(starts)) > 1:
        raise ConfigError(
            f"{out}: expected all processes to go on from the same step, got {', '.join(map(str, starts))}: give them "
            "a folder that all machines share"
        )


def steps_done(out: Path) -> int:
    """How many steps the run in a folder has taken, as far as its last resume file knows; 0 without one.

    Raises:
        ModelError: the file is damaged.
    """
    path = out / RESUME
    if not path.is_file():
        return 0
    try:
        return int(torch.load(path, weights_only=True, map_location="cpu", mmap=True)["step"])
    except _DAMAGE as error:
        raise ModelError(f"{path}: expected the state of a run, got: {str(error)[:400]}: use another --out") from error
