"""Pictures of instances for people: masks, outlines, names, scores and distances over the image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances

Image = npt.NDArray[np.uint8]


def instance_color(key: int) -> tuple[int, int, int]:
    """A strong RGB colour; neighbouring keys get hues far apart (golden-ratio steps)."""
    red, green, blue = colorsys.hsv_to_rgb((key * 0.61803398875 + 0.05) % 1.0, 0.85, 1.0)
    return int(red * 255), int(green * 255), int(blue * 255)


def draw_overlay(
    image_rgb: Image, instances: Instances, *, alpha: float = 0.45, labels: bool | Sequence[str] = True
) -> Image:
    """The image with its instances drawn over it.

    Args:
        image_rgb: (H, W, 3) uint8.
        instances: of an image of the same size.
        alpha: opacity of the masks, 0..1.
        labels: write class, score and, where known, distance beside each instance; or a text for each.

    Returns:
        (H, W, 3) uint8, a copy.
    """
    picture: Image = image_rgb.copy()
    by_area = sorted(range(len(instances)), key=lambda k: -instances.masks[k].area)
    thickness = max(1, round(max(instances.size_hw) / 640))
    for k in by_area:
        mask, color = instances.masks[k], instance_color(_color_key(instances, k))
        region = picture[mask.window]
        region[mask.crop] = (region[mask.crop] * (1 - alpha) + np.array(color) * alpha).astype(np.uint8)
        padded = np.pad(mask.crop.astype(np.uint8), 1)  # so that outlines close at the crop's edge
        contours, _ = cv2.findContours(padded, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(mask.x - 1, mask.y - 1))
        cv2.drawContours(picture, contours, -1, color, thickness, cv2.LINE_AA)
    if labels:
        for k in by_area:
            _draw_label(picture, instances, k, _label(instances, k) if labels is True else labels[k])
    return picture


def _color_key(instances: Instances, k: int) -> int:
    """Tracked objects keep their colour from frame to frame."""
    track_id = int(instances.track_ids[k])
    return track_id if track_id >= 0 else k


def _label(instances: Instances, k: int) -> str:
    text = f"{instances.class_names[k] or 'object'} {instances.scores[k]:.2f}"
    return text + f" {instances.distances_m[k]:.2f}m" if np.isfinite(instances.distances_m[k]) else text


def _draw_label(picture: Image, instances: Instances, k: int, text: str) -> None:
    scale = max(0.35, max(instances.size_hw) / 640 * 0.38)
    (width, height), baseline = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    mask = instances.masks[k]
    rows, columns = np.nonzero(mask.crop)
    # the mask's pixel nearest to its middle: the centre of a bowl's rim may lie outside the rim
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    x = int(np.clip(mask.x + columns[middle] - width // 2, 0, max(0, picture.shape[1] - width)))
    y = int(np.clip(mask.y + rows[middle] + height // 2, height + 1, max(height + 1, picture.shape[0] - baseline - 1)))
    cv2.rectangle(picture, (x - 1, y - height - 2), (x + width + 1, y + baseline), (20, 20, 20), cv2.FILLED)
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
