"""Pictures of instances for people: masks, outlines, names, scores and distances over the image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.taxonomy import OTHER

Image = npt.NDArray[np.uint8]


class Mask(Protocol):
    """What is drawn of a mask; see `saom_core.instances.MaskCrop`."""

    x: int
    y: int
    crop: npt.NDArray[np.bool_]

    @property
    def area(self) -> int:
        """Pixels of the mask."""


class Instances(Protocol):
    """What is drawn of `saom_core.instances.Instances`, which offers this module as its method `plot`."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image."""

    @property
    def masks(self) -> Sequence[Any]:
        """The masks, one per instance."""

    @property
    def class_names(self) -> Sequence[str]:
        """One per instance; "" without a name."""

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """(N,) predicted quality, 0..1."""

    @property
    def class_scores(self) -> npt.NDArray[np.float32]:
        """(N,) how likely the name is, 0..1; 0 where that is not known."""

    @property
    def distances_m(self) -> npt.NDArray[np.float32]:
        """(N,), NaN where unknown."""

    @property
    def track_ids(self) -> npt.NDArray[np.int32]:
        """(N,), -1 where not tracked."""

    def label_image(self) -> npt.NDArray[np.uint16]:
        """Which instance each pixel belongs to; the smaller one is in front."""

    def __len__(self) -> int: ...


def instance_color(key: int) -> tuple[int, int, int]:
    """A strong RGB colour; neighbouring keys get hues far apart (golden-ratio steps)."""
    red, green, blue = colorsys.hsv_to_rgb((key * 0.61803398875 + 0.05) % 1.0, 0.85, 1.0)
    return int(red * 255), int(green * 255), int(blue * 255)


def color_of(instances: Instances, k: int) -> tuple[int, int, int]:
    """The colour of an instance; a tracked object keeps it from frame to frame."""
    track_id = int(instances.track_ids[k])
    return instance_color(track_id if track_id >= 0 else k)


def draw_overlay(
    image_rgb: Image, instances: Instances, *, alpha: float = 0.45, labels: bool | Sequence[str] = True
) -> Image:
    """The image with its instances drawn over it.

    Args:
        image_rgb: (H, W, 3) uint8.
        instances: of an image of the same size.
        alpha: opacity of the masks, 0..1.
        labels: write `name_and_score` and, where known, distance beside each instance; or a text for each. A text that
            is larger than its instance's box, or would lie on that of a better instance, is left out.

    Returns:
        (H, W, 3) uint8, a copy.
    """
    colors = [color_of(instances, k) for k in range(len(instances))]
    picture: Image = _tinted(image_rgb, instances, colors, alpha) if colors else image_rgb.copy()
    by_area = sorted(range(len(instances)), key=lambda k: -instances.masks[k].area)
    thickness = max(1, round(max(instances.size_hw) / 640))
    for k in by_area:
        mask = instances.masks[k]
        padded = np.pad(mask.crop.astype(np.uint8), 1)  # so that outlines close at the crop's edge
        contours, _ = cv2.findContours(padded, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(mask.x - 1, mask.y - 1))
        cv2.drawContours(picture, contours, -1, colors[k], thickness, cv2.LINE_AA)
    if labels:
        taken = np.zeros(instances.size_hw, np.bool_)
        for k in range(len(instances)):  # by falling score
            _draw_label(picture, taken, instances.masks[k], _label(instances, k) if labels is True else labels[k])
    return picture


def name_and_score(instances: Instances, k: int) -> str:
    """The name of an instance and how sure that is; of one without a name, how sure its mask is."""
    name, score = instances.class_names[k], instances.class_scores[k]
    return f"{name or 'object'} {instances.scores[k] if name in ('', OTHER) or not score else score:.2f}"


def _tinted(image_rgb: Image, instances: Instances, colors: list[tuple[int, int, int]], alpha: float) -> Image:
    """A copy in which every pixel of an instance is mixed with the colour of the one in front there.

    Whole-image OpenCV calls on bytes: mixing mask by mask in numpy took ten times as long, a third of the network.
    """
    front = instances.label_image()
    rgbx = np.zeros((len(colors) + 1, 4), np.uint8)
    rgbx[1:, :3] = colors
    tint = rgbx.view(np.uint32)[:, 0].take(front).view(np.uint8).reshape(*front.shape, 4)
    mixed = cv2.addWeighted(image_rgb, 1 - alpha, cv2.cvtColor(tint, cv2.COLOR_RGBA2RGB), alpha, 0)
    return np.asarray(cv2.copyTo(image_rgb, (front == 0).view(np.uint8), mixed), np.uint8)


def _label(instances: Instances, k: int) -> str:
    text = name_and_score(instances, k)
    return text + f" {instances.distances_m[k]:.2f}m" if np.isfinite(instances.distances_m[k]) else text


def _draw_label(picture: Image, taken: npt.NDArray[np.bool_], mask: Mask, text: str) -> None:
    """Writes a text on a mask, unless it hides the object; a little higher or lower where another text is.

    Args:
        picture: (H, W, 3), drawn on.
        taken: (H, W) where texts are; this one is added.
        mask: of the instance.
        text: what is written; not at all where others leave no room on the object.
    """
    scale = max(0.35, max(taken.shape) / 640 * 0.38)
    (width, height), baseline = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    line = height + baseline + 3
    if (width + 3) * line > mask.crop.size:
        return
    column, row = _anchor_xy(mask)
    x = int(np.clip(column - width // 2, 0, max(0, picture.shape[1] - width)))
    for middle in (row, row - line, row + line, row - 2 * line, row + 2 * line):
        y = int(np.clip(middle + height // 2, height + 1, max(height + 1, picture.shape[0] - baseline - 1)))
        window = np.s_[max(0, y - height - 2) : y + baseline + 1, max(0, x - 1) : x + width + 2]
        if mask.y <= middle < mask.y + mask.crop.shape[0] and not taken[window].any():
            taken[window] = True
            cv2.rectangle(picture, (x - 1, y - height - 2), (x + width + 1, y + baseline), (20, 20, 20), cv2.FILLED)
            cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
            return


def _anchor_xy(mask: Mask) -> tuple[int, int]:
    """A pixel of the mask near its middle, x and y in the image: the centre of a bowl's rim may lie outside the rim."""
    crop = np.ascontiguousarray(mask.crop)
    moments = cv2.moments(crop.view(np.uint8), binaryImage=True)
    column, row = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    if not crop[int(row), int(column)]:
        step = max(1, min(crop.shape) // 32)  # of a large mask a grid of its pixels is near enough
        pixels = np.argwhere(crop[::step, ::step]) * step
        pixels = pixels if pixels.size else np.argwhere(crop)
        row, column = pixels[np.argmin(((pixels - (row, column)) ** 2).sum(axis=1))]
    return mask.x + int(column), mask.y + int(row)
