"""Checkpoints: weights as safetensors with their config, and hashes that tell which encoder a head was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from saom_core.errors import ModelError
from saom_core.files import write_atomically
from saom_core.sam.network import SamModel, build_sam

from .fast_head import ENCODER as FROZEN
from .fast_head import FastConfig, SamFast
from .prompt_decoder import SharedKeysNetwork
from .tiny import SaomTiny, TinyConfig

WEIGHTS, CONFIG = "weights.safetensors", "network.json"
ENCODER = "encoder.safetensors"
_HASH_CHARACTERS = 32


def save_network(network: SharedKeysNetwork, folder: Path, record: dict[str, Any]) -> None:
    """Write weights, shape and training record to `folder`.

    The config stands in the weights file's header, so that both appear at once, and beside it for people to read. A
    frozen encoder goes into a file of its own, once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps({"network": network.config.to_dict(), "training": record}, indent=1)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    frozen = {name: state.pop(name) for name in list(state) if name.startswith(FROZEN)}
    if frozen and not (folder / ENCODER).is_file():
        write_atomically(folder / ENCODER, safetensors.torch.save(frozen))
    write_atomically(folder / WEIGHTS, safetensors.torch.save(state, {"config": config}))
    write_atomically(folder / CONFIG, config.encode())


def load_network_and_record(folder: Path) -> tuple[SaomTiny, dict[str, Any]]:
    """A saom-tiny from its checkpoint folder, in eval mode on the CPU, and its training record.

    Raises:
        ModelError: no checkpoint, a damaged one, or one of another network.
    """
    network, record = load_checkpoint(folder)
    if not isinstance(network, SaomTiny):
        raise ModelError(f"{folder}: expected a saom-tiny checkpoint, got a fast head on {network.config.sam.name}")
    return network, record


def load_checkpoint(folder: Path) -> tuple[SaomTiny | SamFast, dict[str, Any]]:
    """The network of a checkpoint folder, saom-tiny or fast head, in eval mode on the CPU, and its training record.

    Raises:
        ModelError: no checkpoint, a damaged one, or one of another shape.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"expected a checkpoint folder with {WEIGHTS} at {folder}, got none: run `saom finetune`")
    try:
        state, metadata = _load_file(path)
        config = json.loads(metadata["config"])
        shape = config["network"]
        network: SaomTiny | SamFast
        if "sam" in shape:
            fast = FastConfig.from_dict(shape)
            network = SamFast(fast, build_sam(fast.sam).image_encoder)
            state |= _load_file(folder / ENCODER)[0]
        else:
            network = SaomTiny(TinyConfig(**{**shape, "class_names": tuple(shape["class_names"])}))
        network.load_state_dict(state)
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: expected a fast-head or saom-tiny checkpoint, got: {str(error)[:400]}") from error
    record = dict(config["training"])
    if isinstance(network, SamFast) and encoder_hash(network) != record["base"]["encoder"]:
        raise ModelError(f"{folder / ENCODER}: expected the encoder that the head was trained on, got another")
    return network.eval(), record


def _load_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safetensors.safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no mapping


def encoder_hash(sam: Sam) -> str:
    """Hash of the image encoder's weights; checkpoints that differ in the decoder alone share it."""
    return _hash_of(sam.image_encoder.state_dict())


def prompting_hash(model: SamModel) -> str:
    """Hash of all weights but those of the image encoder, which has a hash of its own."""
    parts = nn.ModuleList([model.sam.prompt_encoder, model.sam.mask_decoder])
    if model.class_head is not None:
        parts.append(model.class_head)
    return _hash_of(parts.state_dict())


def _hash_of(weights: Mapping[str, Tensor]) -> str:
    content = hashlib.blake2b()
    for name, value in sorted(weights.items()):
        content.update(f"{name} {tuple(value.shape)}".encode())
        content.update(value.detach().float().cpu().contiguous().numpy())
    return content.hexdigest()[:_HASH_CHARACTERS]
