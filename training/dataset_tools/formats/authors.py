"""`saom dataset import`: the metadata format that the paper's authors published, as a data set of ours.

Their JSON holds `entity classes` and, for each split, `image_name`, `entity_masks` (paths of mask pictures called
scene-index-Class-object.png, the first channel > 0 inside the object) and `entity_indices` into the classes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.instances import MaskCrop
from saom_core.pictures.photos import read_picture
from saom_core.taxonomy import CLASSES, OTHER

from ...data.frames import SPLITS, MaskedFrame, MaskedObject, Split
from ...data.paths import inside, quick_digest_of
from ...data.shards import MAX_FRAMES_PER_EPISODE, checked_info
from ...dataset import DatasetWriter, only_writer

Entry = Mapping[str, Any]
OF_MASK = re.compile(r"(?P<scene>.+?)-\d+-(?P<name>[A-Za-z][^-]*)-")
"""scene-index-Class-object; scenes of ProcTHOR have hyphens (procthor-10k-train-1), and so have objects."""
OF_PICTURE = re.compile(r"(?P<scene>.+)-\d+")
log = logging.getLogger(__name__)


def import_authors(metadata: Path, images: Path, out: Path, quiet: bool = False) -> int:
    """Convert the authors' published metadata to a data set; returns the number of pictures.

    Classes: see `class_of`; those that are not in the taxonomy become `OTHER`, with their name as style. There is no
    depth, and no camera: AI2-THOR's 90 degrees are assumed. An import that was killed goes on when asked for again.

    Raises:
        InputError: If the file is not of that format, or a picture or mask is missing.
    """
    names, listed = _read_metadata(metadata)
    episodes = [
        (split, of_scene[start : start + MAX_FRAMES_PER_EPISODE])
        for split in SPLITS
        for _, group in groupby(sorted(listed[split], key=scene_of), key=scene_of)
        for of_scene in [list(group)]
        for start in range(0, len(of_scene), MAX_FRAMES_PER_EPISODE)
    ]
    _warn_of_doubts(names, episodes)
    content = hashlib.sha256(metadata.read_bytes()).hexdigest()
    files = [_existing(inside(images, name)) for _, entries in episodes for entry in entries for name in _names(entry)]
    told = quick_digest_of((path.relative_to(images).as_posix(), path) for path in files)
    info = {"simulator": "authors", "metadata": metadata.name, "sha256": content, "overlaps": True, "files": told}
    checked_info(out, info)
    count = sum(len(entries) for _, entries in episodes)
    with only_writer(out), tqdm(total=count, unit="picture", desc="import", disable=quiet) as bar:
        writer = DatasetWriter(out, info)
        done = writer.done()
        for index, (split, entries) in enumerate(episodes):
            if index not in done:
                writer.write_episode(index, [_frame(entry, names, images, split) for entry in entries])
            bar.update(len(entries))
    return count


def _warn_of_doubts(names: Sequence[str], episodes: Sequence[tuple[Split, Sequence[Entry]]]) -> None:
    splits_of: dict[str, set[Split]] = {}
    other_class = 0
    for split, entries in episodes:
        splits_of.setdefault(scene_of(entries[0]), set()).add(split)
        for entry in entries:
            pairs = zip(entry["entity_masks"], entry["entity_indices"], strict=True)
            other_class += sum(class_of(mask, index, names) != names[index] for mask, index in pairs)
    if other_class:
        log.warning("%d masks have another class in their name than by their index: the name's is taken", other_class)
    torn = sorted(scene for scene, splits in splits_of.items() if len(splits) > 1)
    if torn:
        log.warning("%d scenes are in more than one split, as %s: figures on them flatter", len(torn), torn[0])


def _read_metadata(path: Path) -> tuple[list[str], dict[Split, list[Entry]]]:
    """The class names in the order of their indices, and the entries of each split."""
    try:
        content = json.loads(path.read_text())
        names = content["entity classes"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"no list of names: {str(names)[:80]}")
        listed = {split: list(content.get(f"{split}_data") or []) for split in SPLITS}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected the authors' metadata (JSON with 'entity classes' and 'train_data') in {path}, got {error!r}"
        ) from None
    for split, entries in listed.items():
        for number, entry in enumerate(entries):
            what = _fault(entry, names)
            if what:
                raise InputError(f"expected {what} in entry {number} of {split}_data in {path}, got {str(entry)[:200]}")
    return names, listed


def _fault(entry: Any, names: Sequence[str]) -> str:
    """What an entry lacks; empty if it is sound."""
    wanted = {"image_name": str, "entity_masks": list, "entity_indices": list}
    if not isinstance(entry, Mapping) or not all(isinstance(entry.get(key), kind) for key, kind in wanted.items()):
        return "image_name (text), entity_masks and entity_indices (lists)"
    masks, indices = entry["entity_masks"], entry["entity_indices"]
    if len(masks) != len(indices):
        return f"as many masks as indices, not {len(masks)} and {len(indices)},"
    for mask, index in zip(masks, indices, strict=True):
        if not isinstance(mask, str):
            return f"paths of masks and not {mask!r}"
        if type(index) is not int or not 0 <= index < len(names):
            return f"an index of one of {len(names)} classes and not {index!r}"
    return ""


def class_of(mask: str, index: int, names: Sequence[str]) -> str:
    """The class of a mask: the one in its file's name, letter by letter, if that is a class at all, else by its index.

    The authors' code finds classes by substring ("Box" in "TissueBox"), so that an index may be another class's.
    """
    parts = OF_MASK.match(Path(mask).stem)
    told = parts["name"] if parts else ""
    return told if told in names or told in CLASSES else names[index]


def scene_of(entry: Entry) -> str:
    """The scene of a picture: masks are called scene-index-Class-object.png."""
    masks = entry["entity_masks"] or [entry["image_name"]]
    stem = Path(masks[0]).stem
    parts = OF_MASK.match(stem) or OF_PICTURE.fullmatch(stem)
    return parts["scene"] if parts else stem.split("-")[0]


def _names(entry: Entry) -> Sequence[str]:
    """Its picture and its masks."""
    return [entry["image_name"], *entry["entity_masks"]]


def _frame(entry: Entry, names: Sequence[str], images: Path, split: Split) -> MaskedFrame:
    image_rgb = _picture(inside(images, entry["image_name"]), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[
        ..., ::-1
    ].copy()
    height, width = image_rgb.shape[:2]
    # a mask that the authors list under two classes is one object
    class_names = {
        path: class_of(path, index, names)
        for path, index in zip(entry["entity_masks"], entry["entity_indices"], strict=True)
    }
    masks = [_mask(inside(images, path), (height, width)) for path in class_names]
    return MaskedFrame(
        image_rgb=image_rgb,
        depth_m=np.zeros((height, width), np.float32),
        objects=tuple(
            MaskedObject(name if name in CLASSES else OTHER, name, MaskCrop.from_dense(mask))
            for name, mask in zip(class_names.values(), masks, strict=True)
            if mask.any()
        ),
        ignore=np.zeros((height, width), bool),
        camera=CameraIntrinsics(width / 2, width / 2, (width - 1) / 2, (height - 1) / 2, width, height),
        pose=np.eye(4),
        scene=scene_of(entry),
        split=split,
    )


def _mask(path: Path, size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: where the first channel (red, as the file has it) is not 0."""
    picture = _picture(path, cv2.IMREAD_UNCHANGED)  # 16-bit masks keep their small values
    if picture.shape[:2] != size_hw:
        raise InputError(f"expected a mask of {size_hw} at {path}, got {picture.shape[:2]}: it is not of this picture")
    first: np.ndarray = picture if picture.ndim == 2 else picture[..., 2 if picture.shape[2] >= 3 else 0]
    return first > 0


def _picture(path: Path, mode: int) -> np.ndarray:
    """(H, W) or (H, W, C), blue first."""
    return read_picture(_existing(path), mode)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"expected a picture at {path}, found none: is --images the folder that the paths start from?")
    return path
