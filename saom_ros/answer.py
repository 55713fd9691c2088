"""`Answer`: one answered frame, from the pipeline to the publishers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from saom_core.depth import CameraIntrinsics
from saom_core.instances import Instances
from saom_core.runtime import ModelInfo
from saom_ros.target import TargetInFrame


@dataclass(frozen=True)
class Answer:
    """One answered frame and all that the messages about it are made of."""

    header: Header  # of the source image
    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    depth_m: npt.NDArray[np.float32] | None  # (H, W), 0 or NaN = invalid
    camera: CameraIntrinsics | None
    instances: Instances
    model: ModelInfo
    prompts: tuple[int, ...] = ()  # which prompt each instance answers; empty: everything mode
    target: TargetInFrame = TargetInFrame()
