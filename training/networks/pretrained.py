"""A saom-tiny's encoder by its name in timm, and weights that it learned elsewhere, on photographs, say."""

from __future__ import annotations

import pickle
from pathlib import Path

import safetensors
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from saom_core.errors import ConfigError, ModelError

from .encoder import IMAGE_MEAN, IMAGE_STD
from .tiny import SaomTiny

_WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts put the weights beside other things."""
TIMM, TENSORFLOW = "timm", "tensorflow"
SOURCES = (TIMM, TENSORFLOW)
"""Conventions that a file of weights may follow: timm's, or those of EfficientNet-Lite's authors, for TensorFlow."""
PIXEL_MEAN, PIXEL_STD = 127.0, 128.0
"""What TensorFlow's EfficientNet-Lite subtracts from pixels, and divides them by."""
TENSORFLOW_EPSILON = 1e-3
"""What TensorFlow's batch norms add to the variance before its root is taken."""


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
def load_pretrained(network: SaomTiny, path: Path, source: str = TIMM) -> None:
    """Gives the encoder the weights of a file; the channels of depth begin with zeros, so RGB counts alone at first.

    The file's names are those of timm's model, or of its `features_only` form, in which some dots are underscores.
    Layers behind the features, such as a classifier, are passed over.

    Args:
        network: whose encoder it is; changed in place.
        path: state dict, `.safetensors` or what `torch.save` writes; nothing but tensors is read from it.
        source: one of SOURCES. Of TensorFlow's weights the order counts, not the names, and their pixels and batch
            norms are made those of the encoder.

    Raises:
        ModelError: no such file, a file that holds something else, or weights of another network.
    """
    given_weights, state = _read(path), network.encoder.state_dict()
    if source == TENSORFLOW:
        given_weights = _from_tensorflow(given_weights, network, path)
    weights = {_plain(name): value for name, value in given_weights.items()}
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
        if _widens(given, value):
            wide = torch.zeros_like(value)
            wide[:, :3] = given  # the first convolution; RGB comes first (`input_channels`)
            given = wide
        if given.shape != value.shape:
            raise ModelError(
                f"{path}: expected {name} of {network.config.encoder} as {tuple(value.shape)}, got "
                f"{tuple(given.shape)}: give a file of that network, or its name with --encoder"
            )
        value.copy_(given)


def _widens(given: Tensor, value: Tensor) -> bool:
    """Whether a first convolution of RGB is given for one with more channels."""
    return (
        given.ndim == value.ndim == 4 and given.shape[1] == 3 < value.shape[1] and given.shape[::2] == value.shape[::2]
    )


def _from_tensorflow(weights: dict[str, Tensor], network: SaomTiny, path: Path) -> dict[str, Tensor]:
    """Weights under the encoder's names, for its batch norms and for pixels (x - IMAGE_MEAN) / IMAGE_STD.

    The tensors of both stand in the same order; what names ImageNet's classes comes last and is left out.
    """
    encoder, state = network.encoder, network.encoder.state_dict()
    found = {name: value.clone() for name, value in zip(state, weights.values(), strict=False)}
    fit = [name for name, value in found.items() if value.shape == state[name].shape or _widens(value, state[name])]
    if len(fit) < len(state):
        raise ModelError(
            f"{path}: expected the {len(state)} tensors of {network.config.encoder} in its order, got {len(fit)} that "
            "fit: give a file of that network, or its name with --encoder"
        )
    norms = [(name, module) for name, module in encoder.named_modules() if isinstance(module, nn.BatchNorm2d)]
    for name, module in norms:
        found[f"{name}.running_var"] += TENSORFLOW_EPSILON - module.eps
    stem = next(name for name, module in encoder.named_modules() if isinstance(module, nn.Conv2d)) + ".weight"
    std, mean = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGE_STD, IMAGE_MEAN))
    found[f"{norms[0][0]}.running_mean"] -= (found[stem] * (mean - PIXEL_MEAN) / PIXEL_STD).sum(dim=(1, 2, 3))
    found[stem] *= std / PIXEL_STD
    return found


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
