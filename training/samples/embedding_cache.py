"""The frozen encoder's embeddings, kept on disk: each picture is encoded once, epochs only cost the decoder.

    <folder>/<hash of the encoder's weights>/<hash of the pixels>.safetensors

A file is named by the hash of its content's origin. So runs, data sets and views can share a folder, a changed picture
or encoder is never mistaken for another, and a killed process can go on where it stopped. Files appear whole or not at
all.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError
from segment_anything.modeling import Sam
from torch import Tensor

from saom_core.files import write_atomically
from saom_core.sam.encoder import encode, network_input

from ..networks.fingerprints import encoder_hash

_HASH_CHARACTERS = 32


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
        with torch.no_grad():  # not inference_mode: autograd refuses the tensors that it makes
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
