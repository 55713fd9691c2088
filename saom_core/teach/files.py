"""Files of teaching: example pictures with their masks and depths, and the model file that knows the class."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from saom_core.errors import InputError
from saom_core.files import write_atomically
from saom_core.instances import BoolArray
from saom_core.model_file.metadata import sha256_without_entry, with_entry
from saom_core.model_file.taught import TAUGHT_KEY, TaughtClass, to_json
from saom_core.pictures.orientation import ExifTurn
from saom_core.pictures.photos import SUFFIXES, find_photos, read_mask, read_photo
from saom_core.places.depth_files import DEPTH_SUFFIXES, read_depth
from saom_core.runtime import OnnxModel
from saom_core.teach.describing import Describer
from saom_core.teach.examples import Example, Sight, surroundings
from saom_core.teach.teaching import OtherObjects

GREY = 114
"""Behind cut-out objects, as in the padding of the network's input."""


MASK, DEPTH = "_mask", "_depth"


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """The pictures at some paths, without their masks and depths.

    Raises:
        InputError: nothing there.
    """
    pictures = [picture for path in paths for picture in find_photos(path)]
    return [picture for picture in pictures if not picture.stem.endswith((MASK, DEPTH))]


def read_example(path: Path) -> Example:
    """A picture with the mask and the depth that belong to it, by its name with `MASK` and `DEPTH`.

    Raises:
        InputError: a file that cannot be read.
    """
    image, mask_at = read_photo(path), _beside(path, MASK, SUFFIXES)
    depth = ExifTurn(path, image).depth(read_depth(_beside(path, DEPTH, DEPTH_SUFFIXES)))
    name = f"{path.parent.name}/{path.name}"
    if mask_at is not None:
        return Example(name, image, read_mask(mask_at), depth)
    mask: BoolArray | None = None
    alpha = _alpha(path)
    if alpha is not None:
        mask = alpha > 0.5
        image = np.rint(alpha[..., None] * image + (1 - alpha[..., None]) * GREY).astype(np.uint8)
    return Example(name, image, mask, depth)


def write(model: Path, output: Path, classes: Sequence[TaughtClass]) -> None:
    """Writes a copy of a model file with these taught classes in the place of its own, whole or not at all.

    Raises:
        OSError: the place cannot be written.
    """
    entry = to_json(classes, sha256_without_entry(model, TAUGHT_KEY))
    write_atomically(output, with_entry(model.read_bytes(), TAUGHT_KEY, entry))


def others_of(
    model: OnnxModel,
    sights: Sequence[Sight],
    before: Sequence[TaughtClass],
    pictures: Sequence[Path],
    describe: Describer | None = None,
) -> OtherObjects:
    """What must not get the name: in the examples, in other pictures, of the trained and the taught classes.

    Classes that were taught in another way than `describe` cannot be compared, so they are left out.

    Raises:
        InputError: a picture that cannot be read.
    """
    describe = describe or Describer()
    parts = [OtherObjects.in_picture(sight.others, sight.name) for sight in sights]
    for picture in tqdm(pictures, unit="picture", disable=len(pictures) < 3, dynamic_ncols=True):
        parts.append(OtherObjects.in_picture(surroundings(model, read_example(picture), describe), str(picture)))
    reference = describe.reference(model.info)
    if reference is not None:
        parts.append(OtherObjects.trained(reference))
    return OtherObjects.join([*parts, OtherObjects.taught(describe.comparable(before))])


def _beside(path: Path, ending: str, suffixes: Sequence[str]) -> Path | None:
    """The file that belongs to a picture, of any of these suffixes; None without one.

    Raises:
        InputError: it has another suffix, or there are several: none of them may be passed over in silence.
    """
    found = sorted(path.parent.glob(f"{glob.escape(path.stem + ending)}.*"))
    if not found:
        return None
    if len(found) > 1 or found[0].suffix.lower() not in suffixes:
        raise InputError(
            f"expected one file {path.stem}{ending} with one of {' '.join(suffixes)}, got "
            f"{', '.join(one.name for one in found)}"
        )
    return found[0]


def _alpha(path: Path) -> np.ndarray | None:
    """(H, W) float32 opacity 0..1; None for a picture that is opaque everywhere."""
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4 or stored.dtype.kind != "u":
        return None
    alpha = (stored[..., 3] / np.iinfo(stored.dtype.name).max).astype(np.float32)
    return None if (alpha > 0.5).all() else alpha
