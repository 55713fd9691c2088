"""`Turn`: pictures of cameras on their side or upside down go upright to the networks, and answers come back.

The networks and the classifier of photographs learned from pictures whose upper edge is up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.instances import Instances, MaskCrop
from saom_core.prompting.prompts import ObjectPrompt, Prompts

QUARTERS = {"right": 1, "down": 2, "left": 3}
"""Direction of the picture that is up -> quarter turns by np.rot90 after which it is on top; others: none."""


@dataclass(frozen=True)
class Turn:
    """A turn of pictures by quarters; without one, everything is given back as it is.

    Attributes:
        quarters: 0 to 3, counterclockwise, as np.rot90 counts.
        size_hw: of the pictures before the turn.
    """

    quarters: int
    size_hw: tuple[int, int]

    @staticmethod
    def upright(camera_up: str, size_hw: tuple[int, int]) -> Turn:
        """The turn that brings up to the top.

        Args:
            camera_up: the option of `SaomConfig`; only directions of the picture turn it.
            size_hw: of the picture as the camera gives it.
        """
        return Turn(QUARTERS.get(camera_up, 0), size_hw)

    @property
    def turned_hw(self) -> tuple[int, int]:
        """Height and width of the pictures after the turn."""
        height, width = self.size_hw
        return (width, height) if self.quarters % 2 else (height, width)

    @property
    def back(self) -> Turn:
        """The turn that undoes this one."""
        return Turn(-self.quarters % 4, self.turned_hw)

    def picture(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A picture, a mask or a depth map (H, W, ...), contiguous."""
        return np.ascontiguousarray(np.rot90(array, self.quarters)) if self.quarters else array

    def points(self, points_xy: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Points (..., 2), pixels."""
        height, width = self.size_hw
        for _ in range(self.quarters):
            points_xy = np.stack([points_xy[..., 1], width - points_xy[..., 0]], axis=-1)
            height, width = width, height
        return points_xy

    def boxes(self, boxes_xyxy: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Boxes (..., 4), pixels."""
        corners = self.points(boxes_xyxy.reshape(*boxes_xyxy.shape[:-1], 2, 2))
        return np.concatenate([corners.min(axis=-2), corners.max(axis=-2)], axis=-1)

    def masks(self, masks: Sequence[MaskCrop]) -> Sequence[MaskCrop]:
        """Masks of a picture."""
        if not self.quarters:
            return masks
        places = [self.boxes(np.array(mask.box_xyxy)).tolist() for mask in masks]
        return [MaskCrop(x, y, self.picture(mask.crop)) for mask, (x, y, _, _) in zip(masks, places, strict=True)]

    def prompts(self, prompts: Prompts) -> Prompts:
        """What is asked of a picture."""
        if not self.quarters:
            return prompts
        objects = tuple(self._object(one) for one in prompts.objects)
        return Prompts(self.points(prompts.points_xy), self.boxes(prompts.boxes_xyxy), objects)

    def instances(self, instances: Instances) -> Instances:
        """Instances that were not measured yet: nothing in them is in metres."""
        if not self.quarters:
            return instances
        return Instances.from_masks(
            self.turned_hw,
            self.masks(instances.masks),
            instances.scores,
            stability=instances.stability,
            class_ids=instances.class_ids,
            class_names=instances.class_names,
            class_scores=instances.class_scores,
            points_xy=self.points(instances.points_xy),
            descriptors=instances.descriptors,
        )

    def _object(self, one: ObjectPrompt) -> ObjectPrompt:
        mask = one.mask
        if mask is not None:
            mask = self.picture(mask) if mask.dtype == np.bool_ else self._logits(mask)
        box = None if one.box_xyxy is None else self.boxes(one.box_xyxy)
        return ObjectPrompt(self.points(one.points_xy), self.points(one.negative_xy), box, mask)

    def _logits(self, logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """SAM's low-resolution logits (S, S): the picture lies at their top left before the turn and after it."""
        rows, columns = logits.shape
        height, width = (round(side * max(logits.shape) / max(self.size_hw)) for side in self.turned_hw)
        up = rows - height if self.quarters in (1, 2) else 0
        left = columns - width if self.quarters in (2, 3) else 0
        return np.roll(self.picture(logits), (-up, -left), (0, 1))
