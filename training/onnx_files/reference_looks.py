"""What objects of the trained classes look like to the classifier of photographs, kept in its file.

saom export-names "$WEIGHTS" saom_core/models/saom-names.onnx --reference data/rooms

`saom teach` tells new classes from them, and what looks more like one of them than like a taught class keeps its name.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.errors import InputError
from saom_core.files import write_atomically
from saom_core.instances import MaskCrop
from saom_core.model_file.metadata import with_entry
from saom_core.model_file.reference import REFERENCE_KEY, ReferenceObjects
from saom_core.naming.classifier import PhotoClassifier
from saom_core.naming.looks import describe

from ..dataset import Dataset
from .file import write_sha256

PER_CLASS = 6
"""Each takes 1.7 kB of a file of 5 MB."""
LEAST_PX = 400
"""Smaller objects look like nothing in particular."""


def add_reference_looks(path: Path, data: Dataset, seed: int = 0) -> dict[str, int]:
    """Adds reference objects to a classifier's file, and renews its line in SHA256SUMS.

    Args:
        path: of the file; its network stays as it is.
        data: training split: figures on other splits then say what they said.
        seed: draws the pictures.

    Returns:
        Number of objects by class name.

    Raises:
        InputError: no picture shows an object large enough.
    """
    described, names = drawn_objects(PhotoClassifier("cpu", file=path), data, seed)
    if not names:
        raise InputError(f"expected {data.path} to show objects of {LEAST_PX} pixels and more, got none")
    reference = ReferenceObjects(described, tuple(names))
    write_atomically(path, with_entry(path.read_bytes(), REFERENCE_KEY, reference.to_json()))
    write_sha256(path)
    return dict(Counter(names))


def drawn_objects(classifier: PhotoClassifier, data: Dataset, seed: int) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Up to `PER_CLASS` objects of each class, from pictures in a random order, one of a class from each.

    Returns:
        (R, D) what they look like, and their R class names.
    """
    found: list[npt.NDArray[np.float32]] = []
    names: list[str] = []
    kept: Counter[str] = Counter()
    order = np.random.default_rng(seed).permutation(len(data)).tolist()
    for index in tqdm(order, unit="image", desc="reference", dynamic_ncols=True):
        if len(kept) == len(data.class_names) and min(kept.values()) == PER_CLASS:
            break
        wanted = {data.class_names[entry["category_id"]] for entry in data.entries(index) if entry["part_of"] is None}
        if all(kept[name] >= PER_CLASS for name in wanted):
            continue
        sample = data[index]
        chosen = {
            name: mask
            for mask, name in zip(sample.masks, sample.class_names, strict=True)
            if kept[name] < PER_CLASS and np.count_nonzero(mask) >= LEAST_PX
        }
        masks = [MaskCrop.from_dense(np.asarray(mask, np.bool_)) for mask in chosen.values()]
        found.extend(describe(classifier, sample.image_rgb, masks))
        names.extend(chosen)
        kept.update(list(chosen))
    return np.array(found, np.float32), names
