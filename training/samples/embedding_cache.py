"""The frozen encoder's embeddings, kept on disk: each picture is encoded once, epochs only cost the decoder.

    <folder>/<hash of the encoder's weights>/<hash of the pixels>.safetensors

A file is named by the hash of its content's origin. So runs, data sets and views can share a folder, a changed picture
or encoder is never mistaken for another, and a killed process can go on where it stopped. Files appear whole or not at
all.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError
from segment_anything.modeling import Sam
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from saom_core.errors import ConfigError
from saom_core.files import write_atomically
from saom_core.sam.encoder import encode, network_input
from saom_core.sam.network import SamModel

from ..dataset import Dataset as SimulatedDataset
from ..networks.checkpoint import encoder_hash
from ..running.processes import Processes
from ..running.workers import workers_of
from .embedded_pictures import EmbeddedConfig, SamStream

_HASH_CHARACTERS = 32
FILLED = "embeddings.json"
"""File in a run's folder that lists its embeddings once all are made, so that a resumed run need not look for them."""


class FrozenEncoder:
    """Embeddings of images, made anew each time.

    Args:
        sam: the network, on the device where it is to run.
        dtype: of the embeddings; the same as with a cache, so that a cache changes nothing.
    """

    def __init__(self, sam: Sam, dtype: torch.dtype = torch.float16) -> None:
        self.sam, self.dtype = sam, dtype

    def __call__(self, image_rgb: npt.NDArray[np.uint8]) -> Tensor:
        """(C, h, w) on the CPU."""
        with torch.no_grad():  # inference_mode would make tensors that autograd refuses
            pixels, _ = network_input(self.sam, image_rgb)
            return encode(self.sam.image_encoder, pixels)[0].to(self.dtype).cpu()


class EmbeddingCache:
    """Embeddings of images, each of them made once.

    Args:
        folder: where they are kept; may be shared by runs and by processes.
        encoder: makes those that are missing.
    """

    def __init__(self, folder: Path, encoder: FrozenEncoder) -> None:
        self._encoder = encoder
        self.folder = folder / encoder_hash(encoder.sam)
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, image_rgb: npt.NDArray[np.uint8]) -> Tensor:
        """(C, h, w) on the CPU; a file that is damaged is made anew."""
        path = self.path(image_rgb)
        with suppress(FileNotFoundError, SafetensorError, KeyError):
            return safetensors.torch.load(path.read_bytes())["embedding"]
        embedding = self._encoder(image_rgb)
        write_atomically(path, safetensors.torch.save({"embedding": embedding.contiguous()}))
        return embedding

    def path(self, image_rgb: npt.NDArray[np.uint8]) -> Path:
        """Where the embedding of an image is, or would be."""
        content = hashlib.blake2b(f"{image_rgb.shape} {self._encoder.dtype}".encode())
        content.update(np.ascontiguousarray(image_rgb).data)
        return self.folder / f"{content.hexdigest()[:_HASH_CHARACTERS]}.safetensors"


def embedded_stream(
    model: SamModel,
    data: SimulatedDataset,
    class_names: tuple[str, ...],
    config: EmbeddedConfig,
    *,
    out: Path,
    cache: Path | None,
    processes: Processes,
) -> SamStream:
    """The items of a run; where embeddings are kept, those that the run will need are made first.

    Args:
        model: whose encoder makes them, as it is now.
        data: the training split.
        class_names: of the class head.
        config: the run.
        out: its folder.
        cache: folder of kept embeddings; None: "embeddings" beside `out`.
        processes: that train together, and share the work.

    Raises:
        ConfigError: a folder for embeddings that are not to be kept.
    """
    if cache is not None and not config.cache_embeddings:
        raise ConfigError(f"cache {cache}: expected cache_embeddings with it, got a run that keeps none: set both")
    sam = copy.deepcopy(model.sam) if config.train_encoder else model.sam
    encoder = FrozenEncoder(sam.to(processes.device).eval(), getattr(torch, config.cache_dtype))
    length = config.total_steps(len(data), processes.count) * config.batch * processes.count
    if not config.cache_embeddings or not config.needs_embeddings:
        return SamStream(data, class_names, model.sizes.image_size, encoder, length, config)
    kept = EmbeddingCache(cache or out.parent / "embeddings", encoder)
    stream = SamStream(data, class_names, model.sizes.image_size, kept, length, config)
    _fill(stream, kept, out / FILLED, config.workers, processes)
    return stream


def _fill(stream: SamStream, kept: EmbeddingCache, done: Path, workers: int, processes: Processes) -> None:
    """Encodes every view that the run will see, shared among the processes; what is kept already is passed over."""
    filled = _is_filled(stream, kept, done)
    processes.wait()  # no process may write the file `done` before all have looked for it, or they would not agree
    if filled:
        return
    mine = stream.views_to_come()[processes.rank :: processes.count]
    pictures = workers_of(_Pictures(stream, mine), workers)
    files = []
    for image_rgb in tqdm(pictures, total=len(mine), unit="view", desc="embeddings", disable=not processes.first):
        kept(image_rgb)
        files.append(kept.path(image_rgb).name)
    everyone = processes.gathered(files)
    if processes.first:
        write_atomically(done, json.dumps({"items": len(stream), "files": everyone}).encode())


class _Pictures(Dataset[npt.NDArray[np.uint8]]):
    """The pictures of some views of a stream, without prompts and targets."""

    def __init__(self, stream: SamStream, views: Sequence[tuple[int, int]]) -> None:
        self._stream, self._views = stream, views

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, k: int) -> npt.NDArray[np.uint8]:
        return self._stream.view(*self._views[k]).image_rgb


def _is_filled(stream: SamStream, kept: EmbeddingCache, done: Path) -> bool:
    """Whether an earlier attempt made all embeddings of a run of this length, and none is gone."""
    if not done.exists():
        return False
    made = json.loads(done.read_text(encoding="utf-8"))
    return made["items"] == len(stream) and all((kept.folder / name).exists() for name in made["files"])
