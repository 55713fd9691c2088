"""`Answer`: one answered frame, from the pipeline to the publishers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from saom_core.camera import CameraIntrinsics
from saom_core.instances import Instances
from saom_core.places.rigid import RigidTransform
from saom_core.runtime import ModelInfo
from saom_ros.target import TargetInFrame


@dataclass(frozen=True)
class Answer:
    """One answered frame: everything that the published messages are made from."""

    header: Header  # of the source image
    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    depth_m: npt.NDArray[np.float32] | None  # (H, W), 0 = invalid, or out of the range asked for
    camera: CameraIntrinsics | None
    instances: Instances
    model: ModelInfo
    prompts: tuple[int, ...] = ()  # which prompt each instance answers; empty: everything mode
    target: TargetInFrame = TargetInFrame()
    notes: tuple[str, ...] = ()  # what is wrong with it, which the caller of ~/segment is told
    collision_ttl_s: float = 2.0  # after which MoveIt forgets what is not seen any more
    frame_id: str = ""  # of all positions; "": the header's
    pose: RigidTransform | None = None  # from the camera into that frame; None: it is the camera's own
    camera_to_world: npt.NDArray[np.float64] | None = None  # (4, 4), in the frame in which things are followed

    @property
    def metric_header(self) -> Header:
        """Header of messages that hold nothing but positions: the image's stamp, and the frame of the positions."""
        return Header(stamp=self.header.stamp, frame_id=self.frame_id or self.header.frame_id)

    @property
    def has_depth(self) -> bool:
        """Whether depth says anything of this answer: a pixel of an instance has it, or without instances any pixel."""
        if self.depth_m is None:
            return False
        if len(self.instances):
            return bool(np.any(self.instances.valid_depth_ratio > 0))
        with np.errstate(invalid="ignore"):
            return bool(np.any((self.depth_m > 0) & (self.depth_m < np.inf)))
