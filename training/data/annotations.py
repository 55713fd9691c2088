"""From a frame to COCO annotations: which objects are listed, whole or as parts, and their masks as RLE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from saom_core.errors import InputError
from saom_core.masks import box_of_mask
from saom_core.taxonomy import CLASSES_AND_OTHER

from .categories import index_of
from .frames import Frame, MaskedFrame

MIN_AREA_SHARE = 40 / (400 * 300)  # of the picture: smaller instances are not annotated, their pixels are `ignore`
MIN_VISIBLE = 0.1
MOST_IN_A_PICTURE = 10_000
"""Annotations of a picture have their numbers from this many times the picture's number on."""


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
    # mask by mask, which is twice as fast as numpy on all of them
    for mask, columns in zip(masks, columns_first, strict=True):
        cv2.transpose(columns, dst=mask)
    return masks.view(bool)


def is_too_small(area_px: int, size_hw: tuple[int, ...]) -> bool:
    """Whether an instance of so many pixels is left out of the annotations of a picture (H, W)."""
    return area_px < MIN_AREA_SHARE * size_hw[0] * size_hw[1]


def annotate(
    frame: Frame | MaskedFrame, image_id: int, class_names: Sequence[str] = CLASSES_AND_OTHER
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], np.ndarray]:
    """COCO annotations of a frame; a category is an index in `class_names`.

    Whole objects have `part_of` null; sub-objects with a class of their own (Drawer, SinkBasin) follow with `part_of` =
    the whole's id, their pixels being the whole's too. Other parts (handle, lid) are listed apart, with a name and no
    category. Objects smaller than `MIN_AREA_SHARE` or seen by less than `MIN_VISIBLE` are left out.

    Returns:
        Annotations, parts, and the (H, W) bool pixels of objects that are left out.

    Raises:
        InputError: If an object's class has no name in the list, or there are more than `MOST_IN_A_PICTURE`.
    """
    ids = _numbers(image_id)
    return _annotate_masks(frame, image_id, class_names, ids) if isinstance(frame, MaskedFrame) else (
        _annotate_ids(frame, image_id, class_names, ids)
    )  # fmt: skip


def _numbers(image_id: int) -> Iterator[int]:
    yield from range(image_id * MOST_IN_A_PICTURE, (image_id + 1) * MOST_IN_A_PICTURE)
    raise InputError(
        f"expected at most {MOST_IN_A_PICTURE} objects and parts in a picture, got more: divide the picture"
    )


def _annotate_masks(
    frame: MaskedFrame, image_id: int, class_names: Sequence[str], ids: Iterator[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], np.ndarray]:
    """See `annotate`. Every object keeps all pixels of its mask, and gets those of its parts."""
    annotations: list[dict[str, Any]] = []
    ignore, covered = frame.ignore.copy(), np.zeros(frame.ignore.shape, bool)
    for number, item in enumerate(frame.objects):
        if item.part_of is not None:
            continue
        own_parts = [part for part in frame.objects if part.part_of == number]
        mask = item.mask.dense(ignore.shape)
        for part in own_parts:
            mask[part.mask.window] |= part.mask.crop
        if is_too_small(int(mask.sum()), mask.shape) or item.visible < MIN_VISIBLE:
            ignore |= mask
            continue
        covered |= mask
        whole_id = next(ids)
        for one, dense, whole in ((item, mask, None), *((part, None, whole_id) for part in own_parts)):
            if whole is not None and is_too_small(one.mask.area, mask.shape):
                continue  # its pixels belong to its whole anyhow
            entry = {
                "id": whole_id if whole is None else next(ids),
                "image_id": image_id,
                "style": one.style,
                "iscrowd": 0,
                "category_id": index_of(one.class_name, class_names),
                "part_of": whole,
                "visible": round(float(one.visible), 3),
            }
            annotations.append({**entry, **_shape(one.mask.dense(ignore.shape) if dense is None else dense)})
    return annotations, [], ignore & ~covered


def _annotate_ids(
    frame: Frame, image_id: int, class_names: Sequence[str], ids: Iterator[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], np.ndarray]:
    """See `annotate`. Each pixel belongs to one object and one of its parts."""
    annotations: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    # RLE counts column by column: in this order of memory the masks below are encoded without a copy
    object_ids, part_ids = np.asfortranarray(frame.object_ids), np.asfortranarray(frame.part_ids)
    ignore = np.zeros(object_ids.shape, bool, order="F")
    for index in np.unique(object_ids[object_ids >= 0]).tolist():
        item = frame.objects[index]
        mask = object_ids == index
        if is_too_small(int(mask.sum()), mask.shape) or item.visible < MIN_VISIBLE:
            ignore |= mask
            continue
        common = {"image_id": image_id, "style": item.style, "iscrowd": 0}
        whole = {"id": next(ids), **common, "category_id": index_of(item.class_name, class_names), "part_of": None}
        if item.thing:
            whole["thing"] = item.thing
        annotations.append({**whole, "visible": round(float(item.visible), 3), **_shape(mask)})
        seen = np.unique(part_ids[mask]).tolist()
        for part in seen:
            name = item.parts[part]
            part_mask = mask & (part_ids == part)
            alone = len(seen) == 1 and name not in item.sub_objects
            if is_too_small(int(part_mask.sum()), mask.shape) or alone:
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
    box = box_of_mask(mask)
    assert box is not None, "an empty mask is no instance"
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]


def _shape(mask: np.ndarray) -> dict[str, Any]:
    return {"segmentation": encode_mask(mask), "bbox": box_of(mask), "area": int(mask.sum())}
