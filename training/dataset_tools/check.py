"""`saom dataset check`: everything that is wrong with a data set, as lines of text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from saom_core.errors import InputError

from ..data.annotations import box_of, decode_masks, encode_mask
from ..data.categories import names_by_id
from ..data.frames import SPLITS
from ..data.paths import inside
from ..data.shards import check_entries, read_info, read_shard, shard_paths


def problems(path: Path, quiet: bool = False) -> Iterator[str]:
    """Broken files, bad masks, and leaks between splits: a scene, or the very same picture, in two of them."""
    seen = _Seen()
    try:
        read_info(path / "dataset.json")
    except InputError as error:
        yield f"dataset.json: {error}"
    if not shard_paths(path):
        yield "there is no shard in it: collecting has not begun, or the folder `shards` was lost"
    for shard_path in tqdm(shard_paths(path), unit="scene", desc="check", disable=quiet):
        try:
            shard = read_shard(shard_path)
            check_entries(shard, shard_path)
            seen.categories = set(names_by_id(shard))
            seen.may_overlap = bool(shard.get("info", {}).get("overlaps"))
            entries_of: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in shard["images"]}
            for entry in (*shard["annotations"], *shard["parts"]):
                if entry["image_id"] in entries_of:
                    entries_of[entry["image_id"]].append(entry)
                else:
                    yield f"{shard_path.name}: annotation {entry['id']} is of picture {entry['image_id']}, not there"
            for image in shard["images"]:
                where = f"picture {image['id']}"
                yield from (f"{where}: {text}" for text in _picture_problems(path, image, seen))
                size_hw = (image["height"], image["width"])
                yield from (f"{where}: {text}" for text in _mask_problems(entries_of[image["id"]], size_hw, seen))
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            yield f"{shard_path.name}: {_brief(error)}"


def _brief(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"broken: {type(error).__name__} {error}"


class _Seen:
    """What the whole data set has shown so far."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.annotations: set[int] = set()
        self.categories: set[int] = set()  # of the shard at hand
        self.may_overlap = False  # its masks: of simulators each pixel shows one object
        self.split_of_scene: dict[str, str] = {}
        self.split_of_content: dict[bytes, str] = {}


def _picture_problems(path: Path, image: dict[str, Any], seen: _Seen) -> Iterator[str]:
    if image["id"] in seen.ids:
        yield "the id is used twice"
    seen.ids.add(image["id"])
    if image["split"] not in SPLITS:
        yield f"its split is {image['split']!r}, none of {SPLITS}"
    first = seen.split_of_scene.setdefault(image["scene"], image["split"])
    if first != image["split"]:
        yield f"scene {image['scene']} is in two splits, {first} and {image['split']}"
    size_hw = (image["height"], image["width"])
    if _mask(image["ignore"], size_hw) is None:
        yield f"no mask of size {list(size_hw)} can be read of the pixels to ignore"
    if set(image["camera"]) != {"fx", "fy", "cx", "cy"}:
        yield f"its camera has {', '.join(image['camera'])}, not fx, fy, cx, cy"
    for key, dtype, channels in (("file_name", np.uint8, (3,)), ("depth_file_name", np.uint16, ())):
        content = _content(path, image[key])
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
        if picture is None:
            yield f"{image[key]} is missing or broken"
        elif picture.shape != (*size_hw, *channels) or picture.dtype != dtype:
            yield f"{image[key]} is {picture.shape} {picture.dtype}, not {(*size_hw, *channels)} {np.dtype(dtype)}"
        elif key == "file_name":
            digest = hashlib.sha256(picture.tobytes()).digest()
            first = seen.split_of_content.setdefault(digest, image["split"])
            if first != image["split"]:
                yield f"the same picture is in two splits, {first} and {image['split']}"


def _content(path: Path, name: Any) -> bytes:
    try:
        return inside(path, name).read_bytes()
    except OSError:
        return b""


def _mask_problems(entries: Sequence[dict[str, Any]], size_hw: tuple[int, int], seen: _Seen) -> Iterator[str]:
    covered = np.zeros(size_hw, np.int32)
    ids = {entry["id"] for entry in entries}
    for entry in entries:
        name = f"annotation {entry['id']}"
        if entry["id"] in seen.annotations:
            yield f"{name}: the id is used twice"
        seen.annotations.add(entry["id"])
        if "category_id" in entry and entry["category_id"] not in seen.categories:
            yield f"{name}: unknown category {entry['category_id']}"
        if entry["part_of"] is not None and entry["part_of"] not in ids:
            yield f"{name}: part of {entry['part_of']}, which is not there"
        mask = _mask(entry["segmentation"], size_hw)
        if mask is None:
            yield f"{name}: no mask of size {list(size_hw)} can be read"
        elif not mask.any():
            yield f"{name}: empty mask"
        else:
            if mask.sum() != entry["area"]:
                yield f"{name}: area {entry['area']}, but {mask.sum()} pixels"
            if box_of(mask) != entry["bbox"]:
                yield f"{name}: box {entry['bbox']}, but the mask's is {box_of(mask)}"
            if entry["part_of"] is None:
                covered += mask
    if covered.max(initial=0) > 1 and not seen.may_overlap:
        yield f"whole objects overlap on {(covered > 1).sum()} pixels"


def _mask(rle: dict[str, Any], size_hw: tuple[int, int]) -> np.ndarray | None:
    """The (H, W) bool mask, or None if the RLE is broken or of another size."""
    try:
        mask: np.ndarray = decode_masks([rle], size_hw)[0]
    except (InputError, ValueError):
        return None
    # Of a code that ends too early the decoder makes up the rest; the mask written anew then has another code.
    return mask if encode_mask(mask)["counts"] == rle["counts"] else None
