"""A saom-tiny's encoder by its name in timm, and weights that it learned elsewhere, on photographs, say."""

from __future__ import annotations

import pickle
from pathlib import Path

import safetensors
import safetensors.torch
import timm
import torch
from torch import Tensor

from saom_core.errors import ConfigError, ModelError

from .tiny import SaomTiny

_WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts put the weights beside other things."""


def check_encoder(name: str) -> None:
    """Raises ConfigError unless timm has such a network, with the features that saom-tiny takes."""
    strides: list[int] | str = "nothing"
    if timm.is_model(name):
        try:
            with torch.device("meta"):  # nothing is computed, and no first weights are drawn
                strides = timm.create_model(name, pretrained=False, features_only=True).feature_info.reduction()[-4:]
        except (RuntimeError, AttributeError, NotImplementedError) as error:
            strides = f"none of them ({error})"
    if strides != [4, 8, 16, 32]:
        raise ConfigError(
            f"--encoder: expected a network of timm with features at strides 4, 8, 16 and 32, got {name!r}, of which "
            f"timm has {strides}: `timm.list_models()` names them, most convolutional ones will do"
        )


@torch.no_grad()
def load_pretrained(network: SaomTiny, path: Path) -> None:
    """Gives the encoder the weights of a file; the channels of depth begin with zeros, so RGB counts alone at first.

    The file's names are those of timm's model, or of its `features_only` form, in which some dots are underscores.
    Layers behind the features, such as a classifier, are passed over.

    Args:
        network: whose encoder it is; changed in place.
        path: state dict, `.safetensors` or what `torch.save` writes; nothing but tensors is read from it.

    Raises:
        ModelError: no such file, a file that holds something else, or weights of another network.
    """
    weights = {_plain(name): value for name, value in _read(path).items()}
    state = network.encoder.state_dict()
    missing = [name for name in state if _plain(name) not in weights and not name.endswith("num_batches_tracked")]
    if missing:
        raise ModelError(
            f"{path}: expected the weights of {network.config.encoder}, got none for {len(missing)} of {len(state)} "
            f"({', '.join(missing[:3])}): give a file of that network, or its name with --encoder"
        )
    for name, value in state.items():
        given = weights.get(_plain(name))
        if given is None:
            continue
        if given.ndim == 4 and given.shape[1] == 3 and value.shape[1] > 3 and given.shape[::2] == value.shape[::2]:
            wide = torch.zeros_like(value)
            wide[:, :3] = given  # the first convolution; RGB comes first (`input_channels`)
            given = wide
        if given.shape != value.shape:
            raise ModelError(
                f"{path}: expected {name} of {network.config.encoder} as {tuple(value.shape)}, got "
                f"{tuple(given.shape)}: give a file of that network, or its name with --encoder"
            )
        value.copy_(given)


def _plain(name: str) -> str:
    """A name that is the same for a model, for its features alone, and inside a `DistributedDataParallel`."""
    return name.removeprefix("module.").replace(".", "_")


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"{path}: expected a file of weights, found none: check the path")
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        found = torch.load(path, weights_only=True, map_location="cpu")
        for key in _WRAPPERS:
            found = found[key] if isinstance(found.get(key), dict) else found
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}
    except (
        OSError,
        RuntimeError,
        EOFError,
        AttributeError,
        safetensors.SafetensorError,
        pickle.UnpicklingError,
    ) as error:
        raise ModelError(f"{path}: expected a state dict of tensors, got: {str(error)[:400]}") from error
