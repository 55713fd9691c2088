"""Hashes of weights: which encoder a head was trained on, and what places its prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from segment_anything.modeling import Sam
from torch import Tensor, nn

from saom_core.sam.network import SamModel

_HASH_CHARACTERS = 32


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
