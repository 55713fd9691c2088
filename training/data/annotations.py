"""From a frame to COCO annotations: which objects are listed, whole or as parts, and their masks as RLE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from saom_core.errors import InputError
from saom_core.taxonomy import CLASSES_AND_OTHER

from .categories import index_of
from .frames import Frame

MIN_AREA_SHARE = 40 / (400 * 300)  # of the picture: smaller instances are not annotated, their pixels are `ignore`
MIN_VISIBLE = 0.1


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed RLE of an (H, W) bool mask, with text counts."""
    rle = coco_mask.encode(np.asfortranarray(mask).view(np.uint8))
    return {"size": [int(edge) for edge in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_masks(rles: Sequence[Mapping[str, Any]], size_hw: tuple[int, int]) -> np.ndarray:
    """(N, H, W) bool of N RLEs.

    Raises:
        InputError: one is of another size.
    """
    if not rles:
        return np.zeros((0, *size_hw), bool)
    for rle in rles:
        if tuple(rle["size"]) != tuple(size_hw):
            raise InputError(
                f"expected masks of {size_hw[0]} rows and {size_hw[1]} columns, as the picture's, got one of "
                f"{rle['size']}: run `saom dataset check`"
            )
    packed = [{"size": rle["size"], "counts": rle["counts"].encode("ascii")} for rle in rles]
    columns_first = coco_mask.decode(packed).transpose(2, 1, 0)  # contiguous
    masks = np.empty((len(rles), *size_hw), np.uint8)
    for mask, columns in zip(masks, columns_first, strict=True):  # twice as fast as numpy for all at once
        cv2.transpose(columns, dst=mask)
    return masks.view(bool)


def annotate(
    frame: Frame, image_id: int, class_names: Sequence[str] = CLASSES_AND_OTHER
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], np.ndarray]:
    """COCO annotations of a frame; a category is an index in `class_names`.

    Whole objects have `part_of` null; sub-objects with a class of their own (Drawer, SinkBasin) follow with `part_of` =
    the whole's id, their pixels being the whole's too. Other parts (handle, lid) are listed apart, with a name and no
    category. Objects smaller than `MIN_AREA_SHARE` or seen by less than `MIN_VISIBLE` are left out.

    Returns:
        Annotations, parts, and the (H, W) bool pixels of objects that are left out.

    Raises:
        InputError: If an object's class has no name in the list.
    """
    ids = iter(range(image_id * 10000, (image_id + 1) * 10000))
    annotations: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    # columns first, as RLE wants them: the masks below then need no copy
    object_ids, part_ids = np.asfortranarray(frame.object_ids), np.asfortranarray(frame.part_ids)
    ignore = np.zeros(object_ids.shape, bool, order="F")
    min_area = MIN_AREA_SHARE * ignore.size
    for index in np.unique(object_ids[object_ids >= 0]).tolist():
        item = frame.objects[index]
        mask = object_ids == index
        if mask.sum() < min_area or item.visible < MIN_VISIBLE:
            ignore |= mask
            continue
        common = {"image_id": image_id, "style": item.style, "iscrowd": 0}
        whole = {"id": next(ids), **common, "category_id": index_of(item.class_name, class_names), "part_of": None}
        annotations.append({**whole, "visible": round(float(item.visible), 3), **_shape(mask)})
        seen = np.unique(part_ids[mask]).tolist()
        for part in seen:
            name = item.parts[part]
            part_mask = mask & (part_ids == part)
            if part_mask.sum() < min_area or (len(seen) == 1 and name not in item.sub_objects):
                continue
            entry = {"id": next(ids), **common, "name": name, "part_of": whole["id"]}
            if name in item.sub_objects:
                category = index_of(item.sub_objects[name], class_names)
                annotations.append({**entry, "category_id": category, **_shape(part_mask)})
            else:
                parts.append({**entry, **_shape(part_mask)})
    return annotations, parts, ignore


def box_of(mask: np.ndarray) -> list[int]:
    """COCO's [x, y, width, height] in pixels of an (H, W) bool mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]


def _shape(mask: np.ndarray) -> dict[str, Any]:
    return {"segmentation": encode_mask(mask), "bbox": box_of(mask), "area": int(mask.sum())}
