"""`Letterbox`: pixels of a frame to pixels of the network's input and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.instances import MaskCrop


@dataclass(frozen=True)
class Letterbox:
    """A frame scaled into the network's input without distortion, padded on the right and at the bottom."""

    source_hw: tuple[int, int]
    target_hw: tuple[int, int]
    scale: float  # target pixels per source pixel

    @staticmethod
    def fit(source_hw: tuple[int, int], target_hw: tuple[int, int]) -> Letterbox:
        """The largest scale at which a source of that size fits the target."""
        scale = min(target_hw[0] / source_hw[0], target_hw[1] / source_hw[1])
        return Letterbox((source_hw[0], source_hw[1]), target_hw, scale)

    @property
    def inner_hw(self) -> tuple[int, int]:
        """The part of the target that the frame covers."""
        height, width = self.source_hw
        return (
            min(self.target_hw[0], max(1, round(height * self.scale))),
            min(self.target_hw[1], max(1, round(width * self.scale))),
        )

    def image(self, image_rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 -> (target height, target width, 3) uint8, grey padding."""
        height, width = self.inner_hw
        interpolation = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(image_rgb, (width, height), interpolation=interpolation)
        if (height, width) == self.target_hw:
            return np.ascontiguousarray(scaled, np.uint8)
        padded = np.full((*self.target_hw, 3), 114, np.uint8)
        padded[:height, :width] = scaled
        return padded

    def depth(self, depth_m: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
        """(H, W) float32 -> (target height, target width) float32; zeros (invalid) for padding and without depth."""
        padded = np.zeros(self.target_hw, np.float32)
        if depth_m is not None:
            height, width = self.inner_hw
            # The nearest value, because the mean of a near and a far one is a depth where nothing is. INTER_NEAREST
            # would round down instead and move depth by up to a pixel and more against the picture.
            padded[:height, :width] = cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        return padded

    def to_target(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Pixel coordinates (..., 2 or 4) of the source -> of the target."""
        (height, width), (inner_height, inner_width) = self.source_hw, self.inner_hw
        return (xy.reshape(-1, 2) * (inner_width / width, inner_height / height)).reshape(xy.shape)

    def to_source(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Pixel coordinates (..., 2 or 4) of the target -> of the source, clipped to it."""
        (height, width), (inner_height, inner_width) = self.source_hw, self.inner_hw
        pairs = xy.reshape(-1, 2) * (width / inner_width, height / inner_height)
        return np.clip(pairs, 0, (width, height)).reshape(xy.shape)

    def cut_mask(self, logits: npt.NDArray[np.float32], box_xyxy: npt.NDArray[np.float64]) -> MaskCrop | None:
        """A mask at source resolution, bilinear from logits (h, w) that cover the target; None where it is empty.

        Args:
            logits: (h, w) float32, positive inside.
            box_xyxy: (4,) source pixels; the mask is computed inside it only.
        """
        left, top = np.floor(box_xyxy[:2]).astype(int)
        right, bottom = np.ceil(box_xyxy[2:]).astype(int)
        if right <= left or bottom <= top:
            return None
        # OpenCV counts pixels from their centres, so the centre of source pixel X lies at X + 0.5 of the image's width.
        # The map scales that place to the logits and takes half a logit off again.
        sx = self.inner_hw[1] / self.source_hw[1] * logits.shape[1] / self.target_hw[1]
        sy = self.inner_hw[0] / self.source_hw[0] * logits.shape[0] / self.target_hw[0]
        to_logits = np.array([[sx, 0, (left + 0.5) * sx - 0.5], [0, sy, (top + 0.5) * sy - 0.5]])
        upsampled = cv2.warpAffine(
            logits,
            to_logits,
            (int(right - left), int(bottom - top)),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask = upsampled > 0
        return MaskCrop.from_dense(mask, (int(left), int(top))) if mask.any() else None


def without_islands(logits: npt.NDArray[np.float32], least_share: float) -> npt.NDArray[np.float32]:
    """Mask logits (h, w) without the connected pieces (8 neighbours) smaller than a share of the largest one.

    On the network's few pixels it costs a tenth of what it would on the camera's.
    """
    count, labels, facts, _ = cv2.connectedComponentsWithStats((logits > 0).view(np.uint8), connectivity=8)
    if count <= 2:  # background and one piece
        return logits
    areas = facts[:, cv2.CC_STAT_AREA]
    dropped = areas < least_share * areas[1:].max()
    dropped[0] = False
    return np.where(dropped[labels], -np.abs(logits), logits)
