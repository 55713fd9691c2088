"""Classes that were taught to a trained model from examples: a prototype each, kept inside the model's own file.

`saom teach` makes them (see `saom_core/teach/teaching.py`), everything mode names instances by them. A prototype is a
direction in the space of descriptors (Snell et al. 2017, arXiv 1703.05175, with the cosine as similarity): the file's
embedding of an object, which tells kinds of objects apart, and its colour, which tells a blue mug from a red one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import ModelError

TAUGHT_KEY = "saom_taught"
"""Key of the ONNX metadata under which the taught classes stand, as JSON."""

COLOUR = (50.0, 0.0, 0.0), (0.01, 0.04, 0.04)
"""CIE L*a*b* of mid grey, and the scales that put colour beside an embedding of length 1; lightness counts less."""


@dataclass(frozen=True)
class TaughtClass:
    """One taught class.

    Attributes:
        name: as it is published.
        prototype: (D,) float32 descriptor of length 1.
        threshold: least cosine with the prototype of an instance that gets the name.
        record: how it was learned: examples, similarities, date; JSON types.
    """

    name: str
    prototype: npt.NDArray[np.float32]
    threshold: float
    record: dict[str, Any]


def normalised(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Embeddings (..., E) scaled to length 1; zeros stay zeros."""
    values = np.asarray(embeddings, np.float32)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, 1e-12), np.float32)


def descriptors(
    image_rgb: npt.NDArray[np.uint8], masks: npt.NDArray[np.floating], embeddings: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """What N instances are like: direction of the embedding, and mean colour under the mask.

    Args:
        image_rgb: (H, W, 3) uint8, the network's input.
        masks: (N, h, w) logits that cover it.
        embeddings: (N, E).

    Returns:
        (N, D) of length 1, D = `descriptor_size` of E.
    """
    height, width = masks.shape[1:]
    small = cv2.resize(image_rgb, (width, height), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    inside = (masks > 0).reshape(len(masks), height * width).astype(np.float32)
    colours = inside @ lab / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    middle, scale = np.array(COLOUR, np.float32)
    colours = (colours - middle) * scale
    strength = np.linalg.norm(colours, axis=1, keepdims=True)
    # always shorter than 1, so that no colour outweighs the kind of object
    colours = colours / np.maximum(strength, 1e-6) * np.tanh(strength)
    return normalised(np.concatenate([normalised(embeddings), colours], axis=1))


def descriptor_size(embedding_size: int) -> int:
    """D for a file whose embeddings have that size."""
    return embedding_size + len(COLOUR[1])


def match(
    described: npt.NDArray[np.floating],
    classes: Sequence[TaughtClass],
    reference: npt.NDArray[np.float32] | None = None,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The taught class of each of N instances: the most similar one of those whose threshold is passed.

    What is more like an object of a trained class than like the taught class keeps its name, or many taught classes
    would together rename many objects of the trained ones.

    Args:
        described: (N, D) descriptors.
        classes: T taught classes.
        reference: (R, D) descriptors, of length 1, of objects of the trained classes.

    Returns:
        (N,) int32 row of `classes`, -1 for none, and (N,) float32 cosine with its prototype (of none: 0).
    """
    count = len(described)
    if not classes or not count:
        return np.full(count, -1, np.int32), np.zeros(count, np.float32)
    prototypes = np.stack([one.prototype for one in classes])
    thresholds = np.array([one.threshold for one in classes], np.float32)
    directions = normalised(described)
    cosines = directions @ prototypes.T  # (N, T)
    passes = cosines >= thresholds
    if reference is not None:
        passes &= cosines >= (directions @ reference.T).max(axis=1, initial=-1, keepdims=True)
    passing = np.where(passes, cosines, -np.inf)
    best = passing.argmax(axis=1)
    passed = np.isfinite(passing.max(axis=1))
    similarity = np.where(passed, cosines[np.arange(count), best], 0)
    return np.where(passed, best, -1).astype(np.int32), similarity.astype(np.float32)


def to_json(classes: Sequence[TaughtClass], model_sha256: str) -> str:
    """The entry of the file's metadata.

    Args:
        classes: in the order of their class ids.
        model_sha256: of the file without this entry; ties the prototypes to the network that made them.
    """
    listed = [
        {
            "name": one.name,
            "prototype": base64.b64encode(one.prototype.astype("<f4").tobytes()).decode("ascii"),
            "threshold": one.threshold,
            "record": one.record,
        }
        for one in classes
    ]
    return json.dumps({"model_sha256": model_sha256, "sha256": _digest(listed), "classes": listed})


def from_json(text: str, model_sha256: str, size: int) -> tuple[TaughtClass, ...]:
    """The taught classes of a file.

    Args:
        text: the entry of its metadata.
        model_sha256: of the file without this entry.
        size: D of the file's descriptors.

    Raises:
        ModelError: the entry is damaged, or was made for another file.
    """
    try:
        entry = json.loads(text)
        listed, of_model = entry["classes"], entry["model_sha256"]
        if _digest(listed) != entry["sha256"]:
            raise ValueError("their checksum differs")
        classes = tuple(_class_of(one) for one in listed)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise ModelError(
            f"expected the taught classes that `saom teach` wrote, got damaged ones ({error}): teach them anew"
        ) from error
    if of_model != model_sha256:
        raise ModelError(
            f"expected classes taught to this model (SHA-256 {model_sha256[:12]}...), got classes of the model "
            f"{str(of_model)[:12]}...: the file was changed or damaged after `saom teach`: teach them anew"
        )
    sizes = {one.prototype.shape for one in classes} - {(size,)}
    if sizes:
        raise ModelError(f"expected prototypes of size {size}, got {sorted(sizes)}: teach the classes anew")
    return classes


def _class_of(entry: dict[str, Any]) -> TaughtClass:
    prototype = np.frombuffer(base64.b64decode(entry["prototype"], validate=True), "<f4").astype(np.float32)
    return TaughtClass(str(entry["name"]), prototype, float(entry["threshold"]), dict(entry["record"]))


def _digest(listed: Any) -> str:
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
