"""A training that is killed between the files it writes, and the weights that it is to have in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import safetensors.torch
import torch

from saom_training.running import loop


@contextmanager
def killed_after(monkeypatch: pytest.MonkeyPatch, module: ModuleType, written: int) -> Iterator[None]:
    """Inside, the module's training is interrupted once `written` files of its checkpoints are there."""
    calls = []

    def killed_at(write: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*given: Any) -> None:
            calls.append(write)
            if len(calls) > written:
                raise KeyboardInterrupt
            write(*given)

        return wrapped

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "save_network", killed_at(module.save_network))
        patch.setattr(loop, "save_resume", killed_at(loop.save_resume))
        yield


def assert_same_weights(expected: Path, actual: Path) -> None:
    """Of two checkpoint folders."""
    wanted, got = (safetensors.torch.load_file(folder / "weights.safetensors") for folder in (expected, actual))
    assert wanted.keys() == got.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(got[name], tensor, msg=name)
