"""Checkpoints: weights as safetensors beside a config.json, written atomically; plus what a resumed run needs."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from saom_core.errors import ModelError
from training.network import SaomTiny, TinyConfig

WEIGHTS, CONFIG, RESUME = "weights.safetensors", "network.json", "resume.pt"


def save_network(network: SaomTiny, folder: Path, record: dict[str, Any]) -> None:
    """Write weights, shape and training record to `folder`.

    The config is written into the weights file as well as beside it: one atomic rename makes the pair whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps({"network": network.config.to_dict(), "training": record}, indent=1)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    temporary = folder / (WEIGHTS + ".part")
    safetensors.torch.save_file(state, temporary, metadata={"config": config})
    os.replace(temporary, folder / WEIGHTS)
    (folder / CONFIG).write_text(config, encoding="utf-8")


def load_network(folder: Path) -> SaomTiny:
    """The network of a checkpoint folder, in eval mode on the CPU.

    Raises:
        ModelError: no checkpoint, a damaged one, or one of another shape.
    """
    network, _ = load_network_and_record(folder)
    return network


def load_network_and_record(folder: Path) -> tuple[SaomTiny, dict[str, Any]]:
    """The network and its training record; errors as `load_network`."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"expected a checkpoint folder with {WEIGHTS} at {folder}, got none: run `saom finetune`")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            config = json.loads(file.metadata()["config"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        shape = config["network"]
        network = SaomTiny(TinyConfig(**{**shape, "class_names": tuple(shape["class_names"])}))
        network.load_state_dict(state)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: expected a saom-tiny checkpoint, got: {str(error)[:400]}") from error
    return network.eval(), dict(config["training"])


def save_resume(out: Path, step: int, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Everything that a resumed run needs, in one atomic file."""
    temporary = out / (RESUME + ".part")
    state = {
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(state, temporary)
    os.replace(temporary, out / RESUME)


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
