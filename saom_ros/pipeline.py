"""From a camera frame to an answer: decode, segment, publish; all of it in the worker's thread."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from saom_core.depth import CameraIntrinsics
from saom_core.errors import InputError, SaomError
from saom_core.everything import Segmenter
from saom_core.tracker import Tracker
from saom_ros.answer import Answer
from saom_ros.conversions import camera_from_info, depth_from_image, rgb_from_image
from saom_ros.diagnostics import ERROR, Problems, Statistics
from saom_ros.matcher import Frame, stamp_ns
from saom_ros.outputs import Outputs
from saom_ros.parameters import Parameters


@dataclass(frozen=True)
class Request:
    """A frame, and the camera_info known when it came."""

    frame: Frame
    info: CameraInfo | None


class Pipeline:
    """Answers frames with one loaded model.

    A frame that cannot be answered is counted, named in the diagnostics and logged once per reason; the next one is
    tried anew.

    Args:
        segmenter: the loaded model; its `config` is exchanged between frames.
        options: the options of now.
        outputs: where answers go.
        statistics: times and counters.
        problems: troubles of now.
        logger: of the node.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        options: Parameters,
        outputs: Outputs,
        statistics: Statistics,
        problems: Problems,
        logger: RcutilsLogger,
    ) -> None:
        self.segmenter = segmenter
        self.target_class, self.target_track_id = "", 0
        self._options = options
        self._outputs = outputs
        self._statistics = statistics
        self._problems = problems
        self._logger = logger
        self._busy = threading.Lock()  # the worker and the service ~/segment share the model
        self._tracker = Tracker()
        self._waiting: list[concurrent.futures.Future[Answer]] = []

    def wanted(self) -> bool:
        """Whether anybody waits for answers."""
        return bool(self._waiting) or self._outputs.wanted()

    def next_answer(self) -> concurrent.futures.Future[Answer]:
        """The answer to the next frame."""
        future: concurrent.futures.Future[Answer] = concurrent.futures.Future()
        self._waiting.append(future)
        return future

    def refuse_waiting(self, reason: str) -> None:
        """Tells all who wait for the next frame that none will be answered."""
        while self._waiting:
            self._waiting.pop().set_exception(InputError(f"no frame is answered: {reason}"))

    def process(self, request: Request) -> None:
        """Answers a frame and publishes the answer; never raises."""
        started = time.monotonic()
        try:
            answer, stages_ms = self.answer(request.frame.image, request.frame.depth, request.info)
            self._problems.clear("frame")
            answer = self._tracked(answer)
            published = time.monotonic()
            self._outputs.publish(answer)
        except SaomError as error:
            self._fail(str(error))
            return
        except Exception as error:  # one bad frame, or a driver's error, must not end a robot's node
            self._fail(f"{type(error).__name__}: {error}")
            return
        finished = time.monotonic()
        stages_ms = {"wait": 1000 * (started - request.frame.received_s), **stages_ms}
        stages_ms |= {"publish": 1000 * (finished - published), "total": 1000 * (finished - request.frame.received_s)}
        self._statistics.add_frame(stages_ms, finished)
        while self._waiting:
            self._waiting.pop().set_result(answer)

    def answer(
        self, image: Image | CompressedImage, depth: Image | None, info: CameraInfo | None
    ) -> tuple[Answer, dict[str, float]]:
        """The instances of one image.

        Args:
            image: the picture.
            depth: of the same moment and size, or None. A depth that does not fit is left out and reported.
            info: of the camera, or None.

        Returns:
            The answer, and stage -> milliseconds.

        Raises:
            InputError: the image cannot be read.
        """
        started = time.monotonic()
        image_rgb = rgb_from_image(image)
        depth_m = self._depth(depth, image_rgb.shape[:2])
        camera = self._camera(info, image_rgb.shape[:2], needed=depth_m is not None)
        decoded = time.monotonic()
        with self._busy:
            self.segmenter.config = self._options.core
            segmentation = self.segmenter.segment(image_rgb, depth_m, camera)
        answer = Answer(
            header=image.header,
            image_rgb=image_rgb,
            depth_m=depth_m,
            camera=camera,
            instances=segmentation.instances,
            model=self.segmenter.info,
            target_class=self.target_class,
            target_track_id=self.target_track_id,
        )
        return answer, {"decode": 1000 * (decoded - started), **segmentation.timings_ms}

    def _tracked(self, answer: Answer) -> Answer:
        """An answer of the camera's stream with track ids; the time is the image's, as recordings run at any pace."""
        node = self._options.node
        if not node.tracking:
            return answer
        self._tracker.memory_s = node.track_memory_s
        instances = self._tracker.update(answer.instances, stamp_ns(answer.header) / 1e9)
        return dataclasses.replace(answer, instances=instances)

    def _depth(self, message: Image | None, size_hw: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
        if message is None:
            return None
        try:
            depth_m = depth_from_image(message)
            if depth_m.shape != size_hw:
                raise InputError(
                    f"depth: expected the image's size {size_hw[1]}x{size_hw[0]}, got {depth_m.shape[1]}x"
                    f"{depth_m.shape[0]}: connect the depth that the driver aligns to colour"
                )
        except InputError as error:
            self._report("depth", f"{error}; working without depth")
            return None
        self._problems.clear("depth")
        return depth_m

    def _camera(self, info: CameraInfo | None, size_hw: tuple[int, ...], *, needed: bool) -> CameraIntrinsics | None:
        if not needed:  # without depth nothing is measured
            self._problems.clear("camera_info")
            return None
        if info is None:
            self._report("camera_info", "no camera_info has come: no positions in metres, only distances")
            return None
        try:
            camera = camera_from_info(info, (size_hw[0], size_hw[1]))
        except InputError as error:
            self._report("camera_info", f"{error}; no positions in metres, only distances")
            return None
        self._problems.clear("camera_info")
        return camera

    def _fail(self, reason: str) -> None:
        self._statistics.count("frames failed")
        self._report("frame", reason, ERROR)

    def _report(self, name: str, text: str, level: bytes | None = None) -> None:
        new = self._problems.set(name, text) if level is None else self._problems.set(name, text, level)
        if new:
            self._logger.warning(text)
