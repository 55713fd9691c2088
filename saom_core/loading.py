"""The segmenter for a model file, whichever kind of file it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from saom_core.config import SaomConfig
from saom_core.errors import ModelError
from saom_core.everything import OnnxSegmenter
from saom_core.naming.classifier import NAMES_MODEL, PhotoClassifier
from saom_core.runtime import BUNDLED_MODEL, OnnxModel
from saom_core.segmenter import Segmenter

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
"""Usual names of files that hold a network of the SAM family for torch."""
_Network = TypeVar("_Network")


def load_segmenter(config: SaomConfig) -> Segmenter:
    """The segmenter for `config.model`: ONNX, or (where torch is installed) a checkpoint of the SAM family.

    Raises:
        ModelError: the model cannot be loaded.
    """
    return Models().segmenter(config)


def is_checkpoint(file: Path) -> bool:
    """Whether a file is for torch: by its first bytes, and where these say nothing or there are none, by its name."""
    if file.is_file():
        with file.open("rb") as opened:
            head = opened.read(9)
        # zip or pickle, as torch.save writes; safetensors: the length of a header of JSON, and the header
        if head.startswith((b"PK", b"\x80")):
            return True
        if head[8:] == b"{" and int.from_bytes(head[:8], "little") < file.stat().st_size:
            return True
    return file.suffix.lower() in CHECKPOINT_SUFFIXES


class Models:
    """Loads each network once for all the segmenters that use it; it leaves the memory with the last of them.

    Segmenters of one network may differ in all options but `model`, `provider` and `threads`. Which of them runs when
    is up to the caller.
    """

    def __init__(self) -> None:
        self._networks: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._lock = threading.Lock()

    def segmenter(self, config: SaomConfig) -> Segmenter:
        """See `load_segmenter`."""
        file = Path(config.model).expanduser() if config.model else BUNDLED_MODEL
        where = config.provider, config.threads
        with self._lock:
            if is_checkpoint(file):
                try:
                    from saom_core.sam.checkpoints import read_checkpoint  # torch: not on the robot
                    from saom_core.sam.segmenter import names_config, segmenter_of
                except ModuleNotFoundError as error:
                    raise ModelError(
                        f"{file}: a checkpoint needs the package {error.name}, which is not there: run pip install "
                        "'.[train]' in a checkout of the repository, or give the .onnx file that `saom export` makes"
                    ) from error

                network = self._once(file, where, lambda: read_checkpoint(file))
                return segmenter_of(network, config, classifier=lambda: self._classifier(names_config(config)))
            model = self._once(file, where, lambda: OnnxModel(config.model, *where))
            return OnnxSegmenter(config, model, lambda: self._classifier(config))

    def _classifier(self, config: SaomConfig) -> PhotoClassifier:
        where = config.provider, config.threads
        return self._once(NAMES_MODEL, where, lambda: PhotoClassifier(*where))

    def _once(self, file: Path, where: tuple[str, int], load: Callable[[], _Network]) -> _Network:
        """The network of a file, loaded where it is not in memory yet, or where the file has changed since."""
        state = file.stat() if file.is_file() else None  # where there is none, `load` says so
        key = file.resolve(), where, state and (state.st_mtime_ns, state.st_size)
        network: _Network | None = self._networks.get(key)
        if network is None:
            network = self._networks[key] = load()
        return network
