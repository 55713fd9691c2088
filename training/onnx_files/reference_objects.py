"""Objects of every trained class as an exported file sees them, kept in it: what `saom teach` tells new classes from.

saom export runs/full/last saom-tiny.onnx --reference data/rooms
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.errors import InputError
from saom_core.files import write_atomically
from saom_core.masks import dense_ious
from saom_core.model_file.metadata import with_entry
from saom_core.model_file.reference import REFERENCE_KEY, ReferenceObjects
from saom_core.model_file.taught import normalised
from saom_core.runtime import OnnxModel
from saom_core.teach.examples import AGREES_IOU, answers

from ..dataset import Dataset, evenly_spread

PER_CLASS = 16
IMAGES = 1000


def add_reference(path: Path, data: Dataset, images: int = IMAGES, seed: int = 0) -> dict[str, int]:
    """Adds reference objects to an exported file.

    Args:
        path: of the file; its network stays as it is.
        data: training split: figures on other splits then say what they said.
        images: at most so many are looked at, evenly spread.
        seed: draws which objects of a class are kept.

    Returns:
        Number of objects by class name; a class whose objects were not found is missing.

    Raises:
        InputError: the file finds none of the objects.
    """
    model = OnnxModel(str(path), "cpu")
    described, names = found_objects(model, data, images)
    if not names:
        raise InputError(
            f"expected {path} to find objects (IoU >= {AGREES_IOU}) in {data.path}, got none: is it trained enough?"
        )
    rng = np.random.default_rng(seed)
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row in rng.permutation(len(names)).tolist():
        rows_of[names[row]].append(row)
    kept = [row for name in sorted(rows_of) for row in rows_of[name][:PER_CLASS]]
    reference = ReferenceObjects(normalised(described[kept]), tuple(names[row] for row in kept))
    write_atomically(path, with_entry(path.read_bytes(), REFERENCE_KEY, reference.to_json()))
    return {name: min(len(rows), PER_CLASS) for name, rows in sorted(rows_of.items())}


def found_objects(model: OnnxModel, data: Dataset, images: int) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Objects that everything mode finds (IoU >= AGREES_IOU), with and without depth in turn.

    Returns:
        (R, D) descriptors, and the R class names of the objects.
    """
    found: list[npt.NDArray[np.float32]] = []
    names: list[str] = []
    chosen = evenly_spread(len(data), images)
    for turn, index in enumerate(tqdm(chosen, unit="image", desc="reference", dynamic_ncols=True)):
        sample = data[index]
        masks, described = answers(model, sample.image_rgb, None if turn % 2 else sample.depth_m)
        for mask, name in zip(sample.masks, sample.class_names, strict=True):
            ious = dense_ious(mask, masks)
            if ious.size and ious.max() >= AGREES_IOU:
                found.append(described[int(np.argmax(ious))])
                names.append(name)
    return np.array(found, np.float32), names
