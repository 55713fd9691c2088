"""`saom dataset import`: any COCO instance JSON, with the class names that it has, as a data set of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from tqdm import tqdm

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError

from ..data.categories import names_by_id
from ..data.frames import SPLITS, Frame, FrameObject, Split
from ..dataset import MAX_FRAMES_PER_EPISODE, DatasetWriter

EVERY = 10
"""Of so many scenes one is for validation and one for the test, where the file does not say."""
Entry = Mapping[str, Any]


def is_coco_file(path: Path) -> bool:
    """Whether a file is COCO instance JSON."""
    try:
        return is_coco(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return False


def is_coco(content: Any) -> bool:
    """Whether parsed JSON is a COCO instance file."""
    return isinstance(content, Mapping) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations", "categories")
    )


def import_coco(path: Path, images: Path, out: Path, depth: Path | None = None, quiet: bool = False) -> int:
    """Convert a COCO instance file to a data set; returns the number of pictures.

    Crowds become pixels that are not asked about. An image may say its `scene` (else each is one of its own), `split`
    and `camera` (fx, fy, cx, cy in pixels; else 60 degrees across are assumed). An import that was killed goes on when
    asked for again.

    Args:
        path: the JSON: polygons or RLE, any category ids.
        images: folder that the `file_name`s start from.
        out: folder of the new data set.
        depth: folder with a 16-bit PNG in millimetres of the same name for each picture; None: no depth.
        quiet: no progress bar.

    Raises:
        InputError: If the file is no COCO instance JSON, or a picture is missing.
    """
    try:
        content = json.loads(path.read_bytes())
        if not is_coco(content):
            raise TypeError("no lists of images, annotations and categories")
        names = names_by_id(content)
        pictures = sorted(content["images"], key=lambda image: (_scene(image), str(image["file_name"])))
        annotations: dict[int, list[Entry]] = {image["id"]: [] for image in pictures}
        for entry in content["annotations"]:
            annotations[entry["image_id"]].append(entry)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"expected COCO instance JSON in {path}, got {error!r}") from None
    writer = DatasetWriter(out, {"simulator": "coco", "source": path.name, "class_names": list(names.values())})
    done = writer.done()
    index = 0
    with tqdm(total=len(pictures), unit="picture", desc="import", disable=quiet) as bar:
        for number, (_, group) in enumerate(groupby(pictures, key=_scene)):
            of_scene = list(group)
            for start in range(0, len(of_scene), MAX_FRAMES_PER_EPISODE):
                chunk = of_scene[start : start + MAX_FRAMES_PER_EPISODE]
                if index not in done:
                    split = _split(number)
                    frames = [_frame(one, annotations[one["id"]], names, images, depth, split) for one in chunk]
                    writer.write_episode(index, frames)
                index += 1
                bar.update(len(chunk))
    return len(pictures)


def _scene(image: Entry) -> str:
    return str(image.get("scene", Path(image["file_name"]).with_suffix("")))


def _split(number: int) -> Split:
    """The split of scene `number`, where the file does not say."""
    return {EVERY - 2: SPLITS[1], EVERY - 1: SPLITS[2]}.get(number % EVERY, SPLITS[0])


def _frame(
    image: Entry, entries: Sequence[Entry], names: Mapping[int, str], images: Path, depth: Path | None, split: Split
) -> Frame:
    bgr = cv2.imread(str(images / image["file_name"]), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(
            f"expected a picture at {images / image['file_name']}, found none: is --images the folder that file_name "
            "starts from?"
        )
    height, width = bgr.shape[:2]
    masks = [_mask(entry, (height, width)) for entry in entries]
    ids = np.full((height, width), -1, np.int32)
    for number in sorted(range(len(masks)), key=lambda k: -int(masks[k].sum())):  # smaller ones lie in front
        ids[masks[number]] = number
    given = image.get("split", split)
    if given not in SPLITS:
        raise InputError(f"expected image {image['id']} to have a split of {SPLITS}, got {given!r}")
    focal = width / (2 * np.tan(np.deg2rad(30)))
    assumed = {"fx": focal, "fy": focal, "cx": (width - 1) / 2, "cy": (height - 1) / 2}
    return Frame(
        image_rgb=bgr[..., ::-1].copy(),
        depth_m=_depth(depth, image, (height, width)),
        object_ids=ids,
        part_ids=np.zeros((height, width), np.int32),
        objects=tuple(_object(entry, names) for entry in entries),
        camera=CameraIntrinsics(**image.get("camera", assumed), width=width, height=height),
        pose=np.eye(4),
        scene=_scene(image),
        split=given,
    )


def _object(entry: Entry, names: Mapping[int, str]) -> FrameObject:
    if entry.get("category_id") not in names:
        raise InputError(
            f"expected annotation {entry.get('id')} to be of the categories {sorted(names)}, got "
            f"{entry.get('category_id')}: add it to the file's categories"
        )
    name = names[entry["category_id"]]
    # a crowd is no instance: as if it were hidden, its pixels are not asked about
    return FrameObject(name, name, visible=0.0 if entry.get("iscrowd") else 1.0)


def _mask(entry: Entry, size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of a polygon, or of compressed or uncompressed RLE."""
    segmentation: Any = entry.get("segmentation")
    try:
        if isinstance(segmentation, list):
            rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, *size_hw))
        elif isinstance(segmentation["counts"], list):
            rle = coco_mask.frPyObjects(segmentation, *size_hw)
        else:
            rle = {**segmentation, "counts": segmentation["counts"].encode("ascii")}
        mask = coco_mask.decode(rle).astype(bool)
    except Exception as error:  # pycocotools raises plain Exception
        raise InputError(f"expected a polygon or RLE in annotation {entry.get('id')}, got {error!r}") from None
    if mask.shape != size_hw:
        raise InputError(f"expected annotation {entry.get('id')} of the picture's size {size_hw}, got {mask.shape}")
    return np.asarray(mask)


def _depth(folder: Path | None, image: Entry, size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 metres; zeros without a folder."""
    if folder is None:
        return np.zeros(size_hw, np.float32)
    path = folder / Path(image["file_name"]).with_suffix(".png")
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16 or stored.shape != size_hw:
        actual = "none" if stored is None else f"{stored.shape} {stored.dtype}"
        raise InputError(f"expected 16-bit depth in millimetres of size {size_hw} at {path}, got {actual}")
    return np.asarray(stored.astype(np.float32) / 1000)
