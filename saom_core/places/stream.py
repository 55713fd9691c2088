"""`StreamPlaces`: where the tracked things of a stream of frames are in metres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.geometry.depth import clean_depth
from saom_core.instances import Instances
from saom_core.places.measure import BoxMemory


class StreamPlaces:
    """Places of a stream's things, which are measured after they are tracked: a box continues that of its track."""

    def __init__(self) -> None:
        self._boxes = BoxMemory()

    def located(
        self,
        instances: Instances,
        depth_m: npt.NDArray[np.floating] | None,
        camera: CameraIntrinsics | None,
        config: SaomConfig,
    ) -> Instances:
        """The instances of the next frame with their places, and without surfaces where those are left out.

        Args:
            instances: N tracked ones, of a segmenter that was told `located=False`.
            depth_m: (H, W) floating, metres, as the segmenter got it; None: there are no places.
            camera: of the picture; None: as without depth.
            config: the options of the frame.

        Raises:
            InputError: the camera is that of pictures of another size.
        """
        if depth_m is None or camera is None:
            return instances
        depth = clean_depth(depth_m, config.min_depth_m, config.max_depth_m)
        found = self._boxes.locate(instances, depth, camera, camera_up=config.camera_up)
        return found.without_surfaces() if config.drop_surfaces else found
