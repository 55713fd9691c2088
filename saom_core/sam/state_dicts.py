"""Weights out of checkpoint files, whoever wrote them, without running any code that a file may hold.

A `.pth` file is a pickle, which can name any function of Python to be called. torch reads one with `weights_only=True`:
tensors, numbers, texts and containers of them. People's training scripts put more beside the weights: their arguments
(`argparse.Namespace`), paths, the best figure so far as a number of NumPy's. `HARMLESS` names these types one by one;
making an object of any of them runs nothing of the file's. Everything else is refused, and the error names it.
"""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saom_core.errors import ModelError

WEIGHTS_KEYS = ("model", "state_dict")
"""Where a state dict stands in a file that holds more: in the SAOM authors' files, and in Lightning's."""

PREFIXES = ("module.", "model.", "sam.")
"""What is put before segment-anything's names by DistributedDataParallel, the authors' SamWrapper, and others."""

COMPILED = "_orig_mod."
"""What torch.compile puts before the names inside the module that it compiled, wherever that one stands."""

CLASS_HEAD = "classifier."
_NAMES_SHOWN = 4
_BROKEN = (
    zipfile.BadZipFile,
    *(SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError),
    *(TypeError, AttributeError, AssertionError),  # of unpickling nonsense
)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def read_file(path: Path) -> tuple[Any, dict[str, str]]:
    """What a checkpoint file holds, and the header of a `.safetensors` file.

    Raises:
        ModelError: the file is missing, truncated, no checkpoint, or holds an object of a type that may run code.
    """
    if not path.is_file():
        found = "a folder is there" if path.is_dir() else "there is none"
        raise ModelError(f"{path}: expected a checkpoint file, {found}: check the path, or download the model")
    with path.open("rb") as file:
        head = file.read(9)
    try:
        if path.suffix == ".safetensors" or head[8:9] == b"{":
            with safe_open(str(path), framework="pt") as reader:
                return {name: reader.get_tensor(name) for name in list(reader.keys())}, reader.metadata() or {}
        if not head.startswith((b"PK", b"\x80")):
            raise ModelError(
                f"{path}: expected a .pth or .safetensors checkpoint, its first bytes are {head!r}: "
                "download it again; an HTML page or a Git LFS pointer is often saved in its place"
            )
        if _is_torch_script(path):
            raise ModelError(
                f"{path}: expected weights, got a program of TorchScript (torch.jit.save): save the state_dict() of "
                'the network that it was made of, as torch.save({"model": model.state_dict()}, path)'
            )
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True), {}
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: expected plain weights, {_culprit(error)}: it is not loaded, since such a file can run any code; "
            'where it comes from you, save it again as torch.save({"model": model.state_dict()}, path)'
        ) from error
    except _BROKEN as error:
        size_mb = path.stat().st_size / 1e6
        raise ModelError(
            f"{path}: expected a whole checkpoint, the file ({size_mb:.1f} MB) is truncated or damaged "
            f"({_first_line(error)}): download or copy it again"
        ) from error


def _is_torch_script(path: Path) -> bool:
    """By what torch itself goes by."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(PurePosixPath(name).name == "constants.pkl" for name in archive.namelist())


def split_weights(content: Any, path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of a file under segment-anything's names, and those of the class head (`weight`, `bias`).

    Args:
        content: what `read_file` gave.
        path: of the file, for messages.

    Raises:
        ModelError: there is no state dict, or two of its weights have the same name once the prefixes are off.
    """
    if isinstance(content, dict):
        content = next((content[key] for key in WEIGHTS_KEYS if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(
            f"{path}: expected a state dict (name to tensor), by itself or under one of the keys "
            f"{', '.join(map(repr, WEIGHTS_KEYS))}, got {_describe(content)}: save the model's state_dict()"
        )
    named: dict[str, str] = {}
    for name in content:
        other = named.setdefault(bare_name(str(name)), name)
        if other != name:
            raise ModelError(
                f"{path}: expected one network, got two: {other} and {name} are the same weight of it: save one of them"
            )
    weights = {bare: content[name] for bare, name in named.items() if bare not in ("pixel_mean", "pixel_std")}
    head = {name.removeprefix(CLASS_HEAD): v for name, v in weights.items() if name.startswith(CLASS_HEAD)}
    return {name: value for name, value in weights.items() if not name.startswith(CLASS_HEAD)}, head


def bare_name(name: str) -> str:
    """A weight's name without what wrappers of the network put before it."""
    name = name.replace(COMPILED, "")
    while prefix := next((one for one in PREFIXES if name.startswith(one)), ""):
        name = name.removeprefix(prefix)
    return name


def some_of(names: Sequence[object]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(str(name) for name in names[:_NAMES_SHOWN]) + more


def _harmless() -> list[Any]:
    """Types, and the functions that make their objects, with the names that a file may give them.

    A file names a function by the module where the writer's version of Python or NumPy had it. Paths become pure
    ones, which exist on every system.
    """
    number, array = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    kinds = [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
    ]
    allowed: list[Any] = [argparse.Namespace, np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in kinds)]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1, NumPy 2
        allowed += [(number, f"{module}.scalar"), (array, f"{module}._reconstruct")]
    for module in ("pathlib", "pathlib._local"):  # the latter in Python 3.13
        allowed += [(PurePosixPath, f"{module}.{name}") for name in ("PosixPath", "PurePosixPath")]
        allowed += [(PureWindowsPath, f"{module}.{name}") for name in ("WindowsPath", "PureWindowsPath")]
    return allowed


HARMLESS = _harmless()
"""What a file may hold beside weights."""


def _culprit(error: pickle.UnpicklingError) -> str:
    """What torch refused to make, in plain words; torch's own text has terminal codes and advice to trust the file."""
    text = _ANSI.sub("", str(error))
    found = re.search(r"GLOBAL (\S+)", text)
    if found:
        return f"the file holds a {found[1]}"
    reason = text.rpartition("WeightsUnpickler error:")[2].strip().splitlines()
    return f"the file holds other Python objects or is broken ({reason[0] if reason else type(error).__name__})"


def _first_line(error: Exception) -> str:
    return _ANSI.sub("", (str(error).strip().splitlines() or [type(error).__name__])[0])


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dict with keys {some_of(list(content))}"
    return f"a {type(content).__name__}"
