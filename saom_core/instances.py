"""`Instances`: the one result type of SAOM, from the engine to the ROS message, COCO JSON or supervision."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.geometry.depth import BOX_ARRAYS, Boxes3d
from saom_core.geometry.support import SUPPORT_ARRAYS, Support, rounded
from saom_core.masks import box_of_mask, rle_counts
from saom_core.overlay import draw_overlay
from saom_core.pictures.photos import image_rgb_of

if TYPE_CHECKING:
    import supervision

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MaskCrop:
    """One mask, kept as its tight crop: pixel (x + j, y + i) of the image is `crop[i, j]`."""

    x: int
    y: int
    crop: BoolArray  # (h, w), at least one pixel true in each border row and column

    @staticmethod
    def from_dense(mask: BoolArray, offset_xy: tuple[int, int] = (0, 0)) -> MaskCrop:
        """The tight crop of a mask of shape (h, w) that begins at `offset_xy` of the image.

        Raises:
            InputError: not a two-dimensional bool array, or no pixel is true.
        """
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise InputError(f"expected a mask of shape (H, W) bool, got {mask.shape} {mask.dtype}")
        box = box_of_mask(mask)
        if box is None:
            raise InputError("expected a mask with at least one pixel, got an empty one: drop it before")
        left, top, right, bottom = box
        crop = np.ascontiguousarray(mask[top:bottom, left:right])
        return MaskCrop(left + offset_xy[0], top + offset_xy[1], crop)

    @cached_property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(np.count_nonzero(self.crop))

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; right and bottom are exclusive."""
        return self.x, self.y, self.x + self.crop.shape[1], self.y + self.crop.shape[0]

    @property
    def window(self) -> tuple[slice, slice]:
        """Where the crop lies in the image, to index an (H, W, ...) array."""
        left, top, right, bottom = self.box_xyxy
        return slice(top, bottom), slice(left, right)

    def dense(self, size_hw: tuple[int, int]) -> BoolArray:
        """The mask in an image of the given size, (H, W) bool."""
        mask = np.zeros(size_hw, np.bool_)
        mask[self.window] = self.crop
        return mask


def _empty(shape: tuple[int, ...], dtype: type) -> Any:
    return field(default_factory=lambda: np.empty(shape, dtype))


@dataclass(frozen=True)
class Instances:
    """N whole-object instances of one image, in order of falling score.

    All arrays have N entries. `centroids_m`, `boxes3d` and `support` are there when depth and intrinsics were; an
    instance with too little valid depth has NaN in them. `descriptors` are there when the model's file embeds what it
    finds.

    Raises:
        InputError: at construction, when an array has another length, shape or dtype, a mask leaves the image, or the
            scores are not in falling order.
    """

    size_hw: tuple[int, int]
    masks: tuple[MaskCrop, ...] = ()
    boxes_xyxy: FloatArray = _empty((0, 4), np.float32)  # pixels; right and bottom exclusive
    scores: FloatArray = _empty((0,), np.float32)  # predicted mask quality (IoU), 0..1
    stability: FloatArray = _empty((0,), np.float32)  # 0..1, as in segment-anything
    class_ids: IntArray = _empty((0,), np.int32)  # index in the model's class list; -1: the model names nothing
    class_names: tuple[str, ...] = ()
    class_scores: FloatArray = _empty((0,), np.float32)  # 0..1
    points_xy: FloatArray = _empty((0, 2), np.float32)  # the prompt, pixels
    track_ids: IntArray = _empty((0,), np.int32)  # -1: not tracked
    touches_border: BoolArray = _empty((0,), np.bool_)  # cut by the image's edge
    valid_depth_ratio: FloatArray = _empty((0,), np.float32)  # 0..1 of the mask's pixels; NaN without depth
    distances_m: FloatArray = _empty((0,), np.float32)  # median depth; NaN without depth
    centroids_m: FloatArray | None = None  # (N, 3), optical frame
    boxes3d: Boxes3d | None = None
    support: Support | None = None  # what they stand on
    descriptors: FloatArray | None = None  # (N, D) of length 1, what each is like; see `taught.descriptors`

    def __post_init__(self) -> None:
        n = len(self.masks)
        for name, (tail, dtype) in _ARRAYS.items():
            _check_array(name, getattr(self, name), (n, *tail), dtype)
        if self.centroids_m is not None:
            _check_array("centroids_m", self.centroids_m, (n, 3), np.float32)
        if self.descriptors is not None:
            _check_array("descriptors", self.descriptors, (n, *self.descriptors.shape[-1:]), np.float32)
        if self.boxes3d is not None:
            for name, width in BOX_ARRAYS.items():
                _check_array(f"boxes3d.{name}", getattr(self.boxes3d, name), (n, width), np.float32)
        if self.support is not None:
            for name, dtype in SUPPORT_ARRAYS.items():
                _check_array(f"support.{name}", getattr(self.support, name), (n,), dtype)
        if len(self.class_names) != n:
            raise InputError(f"class_names: expected {n} names, got {len(self.class_names)}")
        if n > 1 and np.any(np.diff(self.scores) > 0):
            raise InputError("scores: expected falling order, got a rising step: sort the instances by score before")
        height, width = self.size_hw
        for k, mask in enumerate(self.masks):
            left, top, right, bottom = mask.box_xyxy
            if left < 0 or top < 0 or right > width or bottom > height:
                raise InputError(f"masks[{k}]: expected a crop inside {width}x{height}, got {mask.box_xyxy}")

    def __len__(self) -> int:
        return len(self.masks)

    @staticmethod
    def empty(size_hw: tuple[int, int]) -> Instances:
        """No instance in an image of that size."""
        return Instances(size_hw)

    @staticmethod
    def from_masks(
        size_hw: tuple[int, int],
        masks: Sequence[MaskCrop],
        scores: FloatArray,
        *,
        stability: FloatArray | None = None,
        class_ids: IntArray | None = None,
        class_names: Sequence[str] | None = None,
        class_scores: FloatArray | None = None,
        points_xy: FloatArray | None = None,
        descriptors: FloatArray | None = None,
    ) -> Instances:
        """Instances from masks and what is known of them, sorted by score; the rest follows from the masks.

        Args:
            size_hw: the image's height and width, pixels.
            masks: N crops.
            scores: (N,) predicted quality, any order.
            stability: (N,); NaN when not given.
            class_ids: (N,); -1 when not given.
            class_names: N names; "" when not given.
            class_scores: (N,); 0 when not given.
            points_xy: (N, 2) prompts in pixels; NaN when not given.
            descriptors: (N, D), or None.
        """
        n = len(masks)
        unknown = np.full(n, np.nan, np.float32)
        boxes = np.array([mask.box_xyxy for mask in masks], np.float32).reshape(n, 4)
        height, width = size_hw
        border = (boxes[:, 0] <= 0) | (boxes[:, 1] <= 0) | (boxes[:, 2] >= width) | (boxes[:, 3] >= height)
        unsorted: dict[str, Any] = {
            "boxes_xyxy": boxes,
            "scores": scores,
            "stability": unknown if stability is None else stability,
            "class_ids": np.full(n, -1, np.int32) if class_ids is None else class_ids,
            "class_scores": np.zeros(n, np.float32) if class_scores is None else class_scores,
            "points_xy": np.full((n, 2), np.nan, np.float32) if points_xy is None else points_xy,
            "track_ids": np.full(n, -1, np.int32),
            "touches_border": border,
            "valid_depth_ratio": unknown,
            "distances_m": unknown,
        }
        order = np.argsort(-scores, kind="stable")
        names = [""] * n if class_names is None else class_names
        return Instances(
            size_hw,
            tuple(masks[k] for k in order),
            class_names=tuple(names[k] for k in order),
            descriptors=None if descriptors is None else descriptors[order],
            **{name: array[order] for name, array in unsorted.items()},
        )

    def select(self, indices: npt.ArrayLike) -> Instances:
        """Some of the instances: indices in rising order, or a bool array of N."""
        chosen = np.asarray(indices)
        chosen = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.intp).reshape(-1)
        boxes3d = self.boxes3d
        if boxes3d is not None:
            boxes3d = Boxes3d(boxes3d.centers_m[chosen], boxes3d.quaternions_xyzw[chosen], boxes3d.sizes_m[chosen])
        return dataclasses.replace(
            self,
            masks=tuple(self.masks[k] for k in chosen),
            class_names=tuple(self.class_names[k] for k in chosen),
            centroids_m=None if self.centroids_m is None else self.centroids_m[chosen],
            boxes3d=boxes3d,
            support=None if self.support is None else self.support.select(chosen),
            descriptors=None if self.descriptors is None else self.descriptors[chosen],
            **{name: getattr(self, name)[chosen] for name in _ARRAYS},
        )

    def without_surfaces(self) -> Instances:
        """Those that are no table, worktop or floor; all of them where depth or intrinsics are missing."""
        return self if self.support is None else self.select(~self.support.is_surface)

    def dense_masks(self) -> BoolArray:
        """All masks, (N, H, W) bool."""
        dense = np.zeros((len(self), *self.size_hw), np.bool_)
        for k, mask in enumerate(self.masks):
            rows, columns = mask.window
            dense[k, rows, columns] = mask.crop
        return dense

    def label_image(self) -> npt.NDArray[np.uint16]:
        """Which instance each pixel belongs to, (H, W) uint16: 0 background, k + 1 instance k.

        Where masks overlap, the smaller one is in front: a mug lies on the table, not the table on the mug.
        """
        return self._painted(np.arange(1, len(self) + 1), np.dtype(np.uint16))

    def class_image(self, classes: int = 0) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
        """Which class each pixel belongs to, (H, W): 0 background, class id + 1, the largest value where none is known.

        Args:
            classes: of the model. Up to 254 of them fit into uint8, with 255 for the unknown; more need uint16.
        """
        dtype = np.uint8 if classes < 255 else np.uint16
        unknown = np.iinfo(dtype).max
        return self._painted(np.where(self.class_ids < 0, unknown, self.class_ids + 1), np.dtype(dtype))

    def _painted(self, values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        image = np.zeros(self.size_hw, dtype)
        for k in sorted(range(len(self)), key=lambda k: -self.masks[k].area):
            mask = self.masks[k]
            image[mask.window][mask.crop] = values[k]
        return image

    def plot(
        self, image_rgb: Any, *, alpha: float = 0.45, labels: bool | Sequence[str] = True
    ) -> npt.NDArray[np.uint8]:
        """The image with its instances drawn over it, (H, W, 3) uint8 RGB.

        Args:
            image_rgb: (H, W, 3) uint8 RGB, the path of a photo, or a PIL image.
            alpha: as `overlay.draw_overlay`.
            labels: as `overlay.draw_overlay`.

        Raises:
            InputError: an image that cannot be read, or of another size.
        """
        image_rgb = image_rgb_of(image_rgb)
        if image_rgb.shape != (*self.size_hw, 3):
            raise InputError(f"expected the image of the instances, {(*self.size_hw, 3)}, got {image_rgb.shape}")
        return draw_overlay(image_rgb, self, alpha=alpha, labels=labels)

    def to_coco(self, image_id: int = 0) -> list[dict[str, Any]]:
        """COCO results: one dict per instance with an uncompressed RLE (column-major, as COCO defines it).

        With depth each says where it is, too: `distance_m` and `valid_depth_ratio`. With intrinsics as well,
        `centroid_m` (x, y, z), `box3d` with `centers_m`, `quaternions_xyzw` and `sizes_m` (see `Boxes3d`), and what it
        stands on: `supported_by`, the `plane` (a, b, c, d of a x + b y + c z + d = 0; None for none),
        `bottom_above_plane_m`, `top_above_plane_m` and `is_surface` (see `Support`). All are metres in the optical
        frame, and None where an instance has too little depth.
        """
        return [{"image_id": image_id} | self.result_of(k) for k in range(len(self))]

    def result_of(self, k: int) -> dict[str, Any]:
        """What `to_coco` says of instance k, without the picture's number."""
        mask = self.masks[k]
        left, top, right, bottom = mask.box_xyxy
        return {
            "category_id": int(self.class_ids[k]),
            "category_name": self.class_names[k],
            "category_score": round(float(self.class_scores[k]), 4),
            "score": round(float(self.scores[k]), 4),
            "bbox": [left, top, right - left, bottom - top],
            "area": mask.area,
            "segmentation": {"size": list(self.size_hw), "counts": rle_counts(mask.dense(self.size_hw))},
        } | self._metres_of(k)

    def _metres_of(self, k: int) -> dict[str, Any]:
        """What is known of one instance in metres, for JSON."""
        known: dict[str, Any] = {}
        if np.isfinite(self.valid_depth_ratio[k]):  # the picture had depth
            known |= {
                "distance_m": rounded(self.distances_m[k]),
                "valid_depth_ratio": rounded(self.valid_depth_ratio[k]),
            }
        if self.centroids_m is not None:
            known["centroid_m"] = [rounded(value) for value in self.centroids_m[k]]
        if self.boxes3d is not None:
            known["box3d"] = self.boxes3d.as_dict(k)
        if self.support is not None:
            known |= self.support.as_dict(k)
        return known

    def to_supervision(self) -> supervision.Detections:
        """The same as `supervision.Detections` (needs the package supervision)."""
        import supervision as sv

        return sv.Detections(
            xyxy=self.boxes_xyxy.astype(np.float64).reshape(-1, 4),
            mask=self.dense_masks() if len(self) else None,
            confidence=self.scores.astype(np.float64),
            class_id=self.class_ids.astype(int),
            data={"class_name": np.array(self.class_names, dtype=str)},
        )


_ARRAYS: dict[str, tuple[tuple[int, ...], type]] = {
    "boxes_xyxy": ((4,), np.float32),
    "scores": ((), np.float32),
    "stability": ((), np.float32),
    "class_ids": ((), np.int32),
    "class_scores": ((), np.float32),
    "points_xy": ((2,), np.float32),
    "track_ids": ((), np.int32),
    "touches_border": ((), np.bool_),
    "valid_depth_ratio": ((), np.float32),
    "distances_m": ((), np.float32),
}


def _check_array(name: str, array: npt.NDArray[Any], shape: tuple[int, ...], dtype: type) -> None:
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        actual = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"{name}: expected an array of shape {shape} {np.dtype(dtype)}, got {actual}")
