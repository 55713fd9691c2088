"""Classes that were taught to a trained model from examples: a prototype each, kept inside the model's own file.

`saom teach` makes them (see `saom_core/teach/teaching.py`), everything mode names instances by them. A prototype is a
direction in the space of descriptors (Snell et al. 2017, arXiv 1703.05175, with the cosine as similarity). There are
two kinds of descriptors. One is what the classifier of photographs sees (`saom_core/naming/looks.py`); the classifier
is a file of its own. The other one is the model's own embedding of an object and its colour; it serves where there is
no classifier, and in files that were taught before there was one.
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
FORMAT = 3
"""Of the entry: 1 has prototypes of embeddings alone, and no number; in 2 some may be of looks, of things with what
surrounded them, which are compared with no other looks; in 3 of things alone."""

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
        looks_sha256: of the classifier whose looks the prototype is made of; empty: it is of the model's embedding.
    """

    name: str
    prototype: npt.NDArray[np.float32]
    threshold: float
    record: dict[str, Any]
    looks_sha256: str = ""


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
    colours = colour_vectors(inside @ lab / np.maximum(inside.sum(axis=1, keepdims=True), 1))
    return normalised(np.concatenate([normalised(embeddings), colours], axis=1))


def colour_vectors(lab: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Colours (N, 3) in CIE L*a*b* as vectors that stand beside a direction; all are shorter than 1."""
    middle, scale = np.array(COLOUR, np.float32)
    colours = (lab - middle) * scale
    strength = np.linalg.norm(colours, axis=1, keepdims=True)
    # so that no colour outweighs the kind of object
    return np.asarray(colours / np.maximum(strength, 1e-6) * np.tanh(strength), np.float32)


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
            **({"looks_sha256": one.looks_sha256} if one.looks_sha256 else {}),
        }
        for one in classes
    ]
    entry = {"format": FORMAT, "model_sha256": model_sha256, "sha256": _digest(listed), "classes": listed}
    return json.dumps(entry)


def from_json(text: str, model_sha256: str, size: int) -> tuple[TaughtClass, ...]:
    """The taught classes of a file.

    Args:
        text: the entry of its metadata.
        model_sha256: of the file without this entry.
        size: D of the file's own descriptors, which the prototypes of looks do not have; 0: it has no embeddings.

    Raises:
        ModelError: the entry is damaged, was made for another file, or is of a newer format.
    """
    try:
        entry = json.loads(text)
        number = entry.get("format", 1)
        listed, of_model = entry["classes"], entry["model_sha256"]
        if type(number) is int and number > FORMAT:
            raise ModelError(f"expected taught classes of format {FORMAT} or older, got {number}: install a newer saom")
        if _digest(listed) != entry["sha256"]:
            raise ValueError("their checksum differs")
        classes = tuple(_class_of(one) for one in listed)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ModelError(
            f"expected the taught classes that `saom teach` wrote, got damaged ones ({error}): teach them anew"
        ) from error
    if of_model != model_sha256:
        raise ModelError(
            f"expected classes taught to this model (SHA-256 {model_sha256[:12]}...), got classes of the model "
            f"{str(of_model)[:12]}...: the file was changed or damaged after `saom teach`: teach them anew"
        )
    if number == 2 and any(one.looks_sha256 for one in classes):
        raise ModelError(f"expected looks of things alone (format {FORMAT}), got older ones: teach the classes anew")
    sizes = {one.prototype.shape for one in classes if not one.looks_sha256} - {(size,)}
    if sizes and not size:
        raise ModelError(
            "expected the output embeddings, by which some of the taught classes are told, got a file without it: "
            "teach them to a file that has it"
        )
    if sizes:
        raise ModelError(f"expected prototypes of size {size}, got {sorted(sizes)}: teach the classes anew")
    return classes


def _class_of(entry: dict[str, Any]) -> TaughtClass:
    prototype = np.frombuffer(base64.b64decode(entry["prototype"], validate=True), "<f4").astype(np.float32)
    looks = str(entry.get("looks_sha256", ""))
    return TaughtClass(str(entry["name"]), prototype, float(entry["threshold"]), dict(entry["record"]), looks)


def _digest(listed: Any) -> str:
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
