"""What a trained model sees in the example pictures of a new class: the object, and what is around it.

The object is looked at in several views (the whole picture, crops, mirrored, darker, brighter), each time by prompting
the model on points inside the example's mask, so that what is described is the model's own mask, as on the robot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.everything import EverythingModel, run_on_picture
from saom_core.instances import BoolArray
from saom_core.letterbox import Letterbox
from saom_core.masks import dense_ious
from saom_core.model_file.taught import descriptors
from saom_core.prompting.prompts import OPEN
from saom_core.segmenter import check_frame, prompt_count_of
from saom_core.teach.describing import Describer

AGREES_IOU = 0.5
"""Least IoU of the model's mask with the example's."""
APART = 0.2
"""An instance that shares at most this part of the smaller one's pixels with the object is another object."""
INSIDE = 0.8
"""An instance with at least this part of its pixels in the example's mask is covered by it."""
SAME_IOU = 0.75
"""An instance with at least this IoU with the mask is the object itself; what else lies in it is its parts."""
CROPS = (2.5, 1.6)
"""Sizes of the crops about the object, relative to its box."""
GAINS = (0.7, 1.3)
"""Brightness of the darker and the brighter view."""
POINTS = 16
"""Prompts on the object; the model's best mask of them counts."""
CENTRAL_AREA = (0.005, 0.6)
"""Share of the picture that an object without a mask may cover."""


@dataclass(frozen=True)
class Example:
    """One picture of the object.

    Attributes:
        name: for messages.
        image_rgb: (H, W, 3) uint8.
        mask: (H, W) bool, the whole object; None: the object in the middle of the picture, as the model finds it.
        depth_m: (H, W) floating, metres, 0 or NaN = invalid; or None.
    """

    name: str
    image_rgb: npt.NDArray[np.uint8]
    mask: BoolArray | None = None
    depth_m: npt.NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Sight:
    """What the model sees in one example.

    Attributes:
        name: of the example.
        own: (V, D) float32 descriptors of the object, one per view, length 1; the first is of the picture as it is.
        others: (M, D) float32 descriptors of the other objects in the picture, length 1.
        iou: of the model's mask with the example's.
        covered: how many objects of everything mode the example's mask covers; more than one: it may be two things.
    """

    name: str
    own: npt.NDArray[np.float32]
    others: npt.NDArray[np.float32]
    iou: float
    covered: int = 1


@dataclass(frozen=True)
class View:
    """One way to look at an example."""

    window: tuple[slice, slice]  # of the picture
    mirrored: bool = False
    gain: float = 1.0

    def of(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The view of a picture, a mask or a depth map (H, W, ...)."""
        seen = array[self.window]
        return np.ascontiguousarray(seen[:, ::-1] if self.mirrored else seen)


def look(model: EverythingModel, example: Example, describe: Describer | None = None) -> Sight:
    """What the model sees in one example.

    Args:
        model: whose masks are described.
        example: a picture of the object.
        describe: how; None: by the model's embedding.

    Raises:
        InputError: the picture, mask or depth is not what it must be, or the model does not see the object; where a
            mask is given, and looks describe it, it need not.
        ModelError: the model has no input for prompts.
    """
    describe = describe or Describer()
    depth = check_frame(example.image_rgb, example.depth_m, SaomConfig())
    found, embedded = answers(model, example.image_rgb, depth)
    mask = _central(example, found) if example.mask is None else _checked(example)
    apart = [_apart(mask, other) for other in found]
    other_masks = [other for other, is_apart in zip(found, apart, strict=True) if is_apart]
    others = describe(example.image_rgb, other_masks, embedded[apart])
    seen = []
    for number, view in enumerate(views(mask)):
        image = np.clip(view.of(example.image_rgb) * np.float32(view.gain), 0, 255).astype(np.uint8)
        iou, best, embedding = _prompted(model, image, view.of(mask), None if depth is None else view.of(depth))
        if iou < AGREES_IOU and describe.looks_sha256 and example.mask is not None:
            best = view.of(mask)  # a look needs no answer of the model, which may see more with the robot's depth
        if iou >= AGREES_IOU or (describe.looks_sha256 and example.mask is not None):
            seen.append((iou, describe(image, [best], embedding[None])[0]))
        elif number == 0:
            raise InputError(
                f"expected the model to see the object as the mask shows it (IoU >= {AGREES_IOU}), got {iou:.2f}: "
                "is the whole object masked, and nothing else? Else take the picture from nearer"
            )
    own = np.array([descriptor for _, descriptor in seen])
    return Sight(example.name, own, others, seen[0][0], objects_under(mask, found))


def surroundings(
    model: EverythingModel, example: Example, describe: Describer | None = None
) -> npt.NDArray[np.float32]:
    """Descriptors (M, D) of all objects that everything mode finds in a picture; arguments as of `look`.

    Raises:
        InputError: the picture or depth is not what it must be.
    """
    depth = check_frame(example.image_rgb, example.depth_m, SaomConfig())
    return (describe or Describer())(example.image_rgb, *answers(model, example.image_rgb, depth))


def views(mask: BoolArray) -> Iterator[View]:
    """The views of an object with that mask (H, W): as it is, mirrored, darker, brighter, two crops, these mirrored."""
    height, width = mask.shape
    whole = (slice(0, height), slice(0, width))
    yield View(whole)
    yield View(whole, mirrored=True)
    for gain in GAINS:
        yield View(whole, gain=gain)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    for size in CROPS:
        # of the picture's own shape: the robot's frames have it, and it fills the network's input
        share = min(1.0, size * max((rows[-1] + 1 - rows[0]) / height, (columns[-1] + 1 - columns[0]) / width))
        window = (_centred(rows, share, height), _centred(columns, share, width))
        if window != whole:
            yield View(window)
            yield View(window, mirrored=True)


def _centred(occupied: npt.NDArray[np.intp], share: float, length: int) -> slice:
    """A stretch of `share` of the length about the occupied rows or columns, pushed inside."""
    size = max(1, round(share * length))
    begin = (int(occupied[0]) + int(occupied[-1]) + 1 - size) // 2
    begin = min(max(begin, 0), length - size)
    return slice(begin, begin + size)


def _checked(example: Example) -> BoolArray:
    mask = example.mask
    assert mask is not None
    size_hw = example.image_rgb.shape[:2]
    if mask.shape != size_hw or mask.dtype != np.bool_:
        raise InputError(f"expected a mask of the picture's size {size_hw} bool, got {mask.shape} {mask.dtype}")
    if not mask.any():
        raise InputError("expected a mask with the object's pixels set, got an empty one")
    return mask


def _central(example: Example, masks: list[BoolArray]) -> BoolArray:
    """The smallest instance on the picture's middle that looks like one clear object."""
    height, width = example.image_rgb.shape[:2]
    low, high = (share * height * width for share in CENTRAL_AREA)
    at_middle = [mask for mask in masks if mask[height // 2, width // 2] and low <= mask.sum() <= high]
    clear = [mask for mask in at_middle if not (mask[[0, -1]].any() or mask[:, [0, -1]].any())]
    if not clear:
        raise InputError(
            f"expected one clear object in the middle of the picture, got {len(at_middle)} that touch its border"
            if at_middle
            else "expected one clear object in the middle of the picture, got none: give its mask"
        )
    return min(clear, key=np.count_nonzero)


def objects_under(mask: BoolArray, found: list[BoolArray]) -> int:
    """How many objects that the model tells apart a mask (H, W) covers.

    Args:
        mask: of an example.
        found: (H, W) each, of everything mode.

    Returns:
        0 or 1 where the mask shows one thing: an instance like the mask is that thing, and what lies inside another
        instance is its part.
    """
    if any(np.count_nonzero(mask & one) >= SAME_IOU * np.count_nonzero(mask | one) for one in found):
        return 1
    covered: list[BoolArray] = []
    for one in sorted(found, key=np.count_nonzero, reverse=True):
        inside = np.count_nonzero(mask & one) >= INSIDE * np.count_nonzero(one)
        if inside and all(_apart(one, other) for other in covered):
            covered.append(one)
    return len(covered)


def _apart(mask: BoolArray, other: BoolArray) -> bool:
    smaller = min(np.count_nonzero(mask), np.count_nonzero(other))
    return bool(np.count_nonzero(mask & other) <= APART * smaller)


def _prompted(
    model: EverythingModel,
    image_rgb: npt.NDArray[np.uint8],
    mask: BoolArray,
    depth_m: npt.NDArray[np.float32] | None,
) -> tuple[float, BoolArray, npt.NDArray[np.float32]]:
    """IoU with the mask, mask and embedding (E,) of the best answer to prompts inside it; of none 0 and nothing."""
    box = Letterbox.fit((mask.shape[0], mask.shape[1]), model.info.input_size_hw)
    points = box.to_target(points_inside(mask))
    prompts = np.resize(points, (prompt_count_of(model.info), 2)).astype(np.float32)  # over and over
    found, described = answers(model, image_rgb, depth_m, OPEN, prompts)
    ious = dense_ious(mask, found)
    if not ious.size:
        return 0.0, np.zeros_like(mask), np.zeros(0, np.float32)
    best = int(np.argmax(ious))
    return float(ious[best]), found[best], described[best]


def points_inside(mask: BoolArray, count: int = POINTS) -> npt.NDArray[np.float64]:
    """Points in the inner half of a mask that is not empty, spread over it: (up to `count`, 2) xy, pixels."""
    framed = np.pad(mask, 1).astype(np.uint8)  # the picture's border is an edge of the object, too
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    rows, columns = np.nonzero(depth >= depth.max() / 2)
    some = np.unique(np.linspace(0, len(rows) - 1, count).astype(np.intp))
    return np.asarray(np.column_stack([columns[some], rows[some]]) + 0.5, np.float64)


def answers(
    model: EverythingModel,
    image_rgb: npt.NDArray[np.uint8],
    depth_m: npt.NDArray[np.float32] | None,
    thresholds: dict[str, float] | None = None,
    prompts_xy: npt.NDArray[np.float32] | None = None,
) -> tuple[list[BoolArray], npt.NDArray[np.float32]]:
    """K masks (H, W) that are not empty, and their descriptors (K, D); of everything mode unless prompts are given."""
    model.info.check_output("embeddings", "teaching")
    size_hw = (image_rgb.shape[0], image_rgb.shape[1])
    box = Letterbox.fit(size_hw, model.info.input_size_hw)
    image_in = box.image(image_rgb)
    outputs = run_on_picture(model, box, image_in, box.depth(depth_m), thresholds or {}, prompts_xy)
    boxes = box.to_source(outputs["boxes"].astype(np.float64))
    rows, masks = [], []
    for k in np.flatnonzero(outputs["scores"] > 0).tolist():
        mask = box.cut_mask(outputs["masks"][k].astype(np.float32, copy=False), boxes[k])
        if mask is not None:
            rows.append(k)
            masks.append(mask.dense(size_hw))
    return masks, descriptors(image_in, outputs["masks"][rows], outputs["embeddings"][rows])
