"""From a camera frame to an answer: decode and segment in turn, then track, place, publish; in the worker's thread."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from saom_core.errors import InputError, SaomError
from saom_core.geometry.depth import clean_depth
from saom_core.messages.pictures import rgb_from_image
from saom_core.naming.track_looks import StreamNames
from saom_core.prompting.prompts import Prompts
from saom_core.segmenter import Segmentation, Segmenter
from saom_core.tracking.evidence import mask_ious
from saom_core.tracking.tracker import Tracker
from saom_ros.answer import Answer
from saom_ros.diagnostics import ERROR, Problems, Statistics
from saom_ros.frames import Frames
from saom_ros.matcher import Frame, stamp_ns
from saom_ros.metric_inputs import NO_INFO, SIZES, Geometry, MetricInputs, SteadyTroubles, Trouble
from saom_ros.outputs import Outputs
from saom_ros.parameters import Parameters
from saom_ros.places import FRAME, PLANES, TRACK_FRAME, Places
from saom_ros.target import Target, TargetInFrame
from saom_ros.turns import Turns
from saom_ros.waiting import Waiting

SAME_OBJECT_IOU = 0.5
"""The answer to a prompt is a tracked object if their masks overlap by at least this IoU."""


@dataclass(frozen=True)
class Request:
    """A frame, and its camera_infos."""

    frame: Frame
    info: CameraInfo | None
    depth_info: CameraInfo | None = None  # of a depth camera of its own


@dataclass(frozen=True)
class Found:
    """What the network found in a frame of the camera."""

    answer: Answer  # without ids, places and target
    geometry: Geometry
    received_s: float  # monotonic clock, when the frame came
    stages_ms: dict[str, float]  # stage -> wall milliseconds


class Pipeline:
    """Answers frames with one loaded model.

    A frame that cannot be answered is counted, and the reason is told; the next frame is tried anew.

    Args:
        segmenter: the loaded model; its `config` is exchanged between frames.
        options: the options of now.
        tracker: of the camera's stream; outlives the model, so that no track id is given twice.
        outputs: where answers go.
        statistics: times and counters.
        problems: troubles of now.
        image_topic: resolved name of the camera's topic, which tells whether its pictures are rectified.
        depth_topic: the same of the depth's.
        frames: knows the way into the parameter `target_frame`; None where none is set.
        turns: who runs the network next, worker or ~/segment, of this camera or another.
        waiting: calls that wait for the next frame, where they may be closed before and after.
        target: the object that was chosen, which outlives the model as `tracker` does.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        options: Parameters,
        tracker: Tracker,
        outputs: Outputs,
        statistics: Statistics,
        problems: Problems,
        *,
        image_topic: str,
        depth_topic: str,
        frames: Frames | None,
        turns: Turns,
        waiting: Waiting,
        target: Target,
    ) -> None:
        self.segmenter = segmenter
        self._names = StreamNames(segmenter)
        self.target = target
        self._options = options
        self._outputs = outputs
        self._statistics = statistics
        self._problems = problems
        self.turns, self.waiting = turns, waiting
        self._metric_inputs, self._troubles = MetricInputs(image_topic, depth_topic, frames), SteadyTroubles()
        self._places = Places(options, frames)
        self._tracker = tracker

    def wanted(self) -> bool:
        """Whether the answer to the next frame is of use to anybody."""
        return bool(self.waiting) or self._outputs.wanted()

    def look(self, request: Request) -> Found | None:
        """Decodes a frame and runs the network on it; None where that failed, and was told; never raises.

        To be called by the thread whose turn it is; `finish` does the rest of the work on the frame after the turn.
        """
        started, received_s = time.monotonic(), request.frame.received_s
        with self._failures_told(received_s):
            image_rgb = rgb_from_image(request.frame.image)
            header = request.frame.image.header
            geometry = self._geometry(header, image_rgb, (request.frame.depth, request.info), request.depth_info)
            for name, trouble in self._troubles.of_frame(geometry.troubles).items():
                # A camera_info that does not come is reported by `Inputs`, which knows the cause.
                self._tell(name, None if trouble is not None and trouble.kind == NO_INFO else trouble)
            decoded = time.monotonic()
            # Places in metres come later: a box continues that of its track, and the tracks are not known yet.
            segmentation = self._segmented(image_rgb, geometry, Prompts(), located=False, tracks_are_named=True)
            answer = self._made(header, image_rgb, geometry, segmentation)
            stages_ms = {"wait": 1000 * (started - received_s), "decode": 1000 * (decoded - started)}
            return Found(answer, geometry, received_s, stages_ms | segmentation.timings_ms)
        return None

    def finish(self, found: Found) -> None:
        """Completes the answer to a frame and publishes it; never raises."""
        began, received_s = time.monotonic(), found.received_s
        with self._failures_told(received_s):
            answer, unplaced = self._tracked(found.answer, received_s)
            tracked = time.monotonic()
            answer = self._placed(answer, found.geometry, unplaced)
            self._problems.clear("frame")
            published = time.monotonic()
            self._outputs.publish(answer)
            finished = time.monotonic()
            stages_ms = found.stages_ms | {"tracking": 1000 * (tracked - began), "places": 1000 * (published - tracked)}
            stages_ms |= {"publish": 1000 * (finished - published), "total": 1000 * (finished - received_s)}
            self._statistics.add_frame(stages_ms, finished)
            self.waiting.answered(answer, received_s)

    @contextmanager
    def _failures_told(self, received_s: float) -> Iterator[None]:
        """Tells everybody why the frame that came at that moment has no answer, those who wait for one included."""
        reason = ""
        try:
            yield
        except SaomError as error:
            reason = str(error)
        except Exception as error:  # neither a bad frame nor an error of a driver may end the node
            reason = f"{type(error).__name__}: {error}"
        if reason:
            self._statistics.count("frames failed")
            self._problems.set("frame", reason, ERROR)
            self.waiting.refuse(f"the camera's frame could not be answered: {reason}", received_s)

    def answer(
        self, image: Image | CompressedImage, depth: Image | None, info: CameraInfo | None, asked: Prompts
    ) -> Answer:
        """The instances of one image that is not of the camera's stream.

        Args:
            image: the picture.
            depth: of the same moment and size, or None.
            info: of the camera, or None.
            asked: what to find; empty: everything.

        Raises:
            InputError: the image, its depth or camera_info cannot be used, or a prompt is outside the image.
            ModelError: the model takes no prompts.
        """
        image_rgb = rgb_from_image(image)
        geometry = self._geometry(image.header, image_rgb, (depth, info))
        refused = [trouble.text for trouble in geometry.troubles if trouble.consequence and trouble.kind != NO_INFO]
        if refused:
            raise InputError("; ".join(refused))
        measured = geometry.camera is not None and geometry.depth_m is not None
        camera_up = self._places.camera_up(image.header) if measured else "auto"
        with self.turns:
            segmentation = self._segmented(image_rgb, geometry, asked, camera_up=camera_up)
        answer = self._made(image.header, image_rgb, geometry, segmentation)
        if not len(asked):
            answer, unknown = self._places.wanted(answer)
            answer = dataclasses.replace(answer, notes=(*answer.notes, *filter(None, [unknown])))
        return self._places.in_target_frame(answer)

    def asked(self, answer: Answer, asked: Prompts) -> Answer:
        """What prompts find in a frame that is answered: an object that everything mode found keeps its track id.

        Raises:
            InputError: a prompt is outside the image.
            ModelError: the model takes no prompts.
        """
        with self.turns:
            geometry = Geometry(answer.depth_m, answer.camera)
            segmentation = self._segmented(answer.image_rgb, geometry, asked, located=False)
        found = segmentation.instances
        ious = mask_ious(found.masks, answer.instances.masks, SAME_OBJECT_IOU)
        track_ids = found.track_ids.copy()
        if ious.size:
            same = ious.max(axis=1) > 0
            track_ids[same] = answer.instances.track_ids[ious.argmax(axis=1)[same]]
        found = dataclasses.replace(found, track_ids=track_ids)
        answer = dataclasses.replace(answer, instances=found, prompts=segmentation.prompts)
        return self._places.in_target_frame(self._places.locate(answer, remember=False))

    def _placed(self, answer: Answer, geometry: Geometry, unplaced: str) -> Answer:
        """A tracked answer with its places, and without what is not wanted; what is wrong with them is told.

        Args:
            answer: see `_tracked`, as `unplaced`.
            geometry: of its frame.
            unplaced: why tf gave no pose.
        """
        answer, unknown = self._places.wanted(self._places.locate(answer, remember=True))
        self._tell("classes", Trouble("classes", unknown, unknown) if unknown else None)
        doubt = self._places.table_in_doubt
        self._tell(PLANES, Trouble(PLANES, doubt, doubt) if doubt else None)
        self._tell(SIZES, self._troubles.of_answer(answer.instances, geometry, self._options.node))
        # what tf did not know a moment ago is not waited for a second time
        answer, lost = self._places.in_target_frame_or_nowhere(answer, 0.0 if unplaced else None)
        self._tell(FRAME, Trouble(FRAME, lost, lost) if lost else None)
        self._tell(TRACK_FRAME, Trouble(TRACK_FRAME, unplaced, unplaced) if unplaced and not lost else None)
        self._tell_target(answer.target)
        return dataclasses.replace(answer, notes=(*answer.notes, *filter(None, [unknown, lost])))

    def _geometry(
        self,
        header: Header,
        image_rgb: npt.NDArray[np.uint8],
        messages: tuple[Image | CompressedImage | None, CameraInfo | None],
        depth_info: CameraInfo | None = None,
    ) -> Geometry:
        size_hw = image_rgb.shape[0], image_rgb.shape[1]
        options = self._options
        geometry = self._metric_inputs.of(header, size_hw, messages, options.core, options.node, depth_info)
        if geometry.depth_m is None:
            return geometry
        # once, so that masks, places and clouds have the same pixels
        depth_m = clean_depth(geometry.depth_m, options.core.min_depth_m, options.core.max_depth_m)
        return dataclasses.replace(geometry, depth_m=depth_m)

    def _segmented(
        self,
        image_rgb: npt.NDArray[np.uint8],
        geometry: Geometry,
        asked: Prompts,
        *,
        located: bool = True,
        tracks_are_named: bool = False,
        camera_up: str = "auto",
    ) -> Segmentation:
        """What the network finds; to be called by the thread whose turn it is."""
        depth_m, camera = geometry.depth_m, geometry.camera
        options = self._options
        named_later = tracks_are_named and options.node.tracking
        core = options.core if camera_up == "auto" else options.core.replace(camera_up=camera_up)
        self.segmenter.config = self._names.config(core) if named_later else core
        if len(asked):
            # Frames of the cameras are answered between the runs, so that none waits for more than one of them.
            return self.segmenter.ask(image_rgb, asked, depth_m, camera, self.turns.give_way, located)
        return self.segmenter.segment(image_rgb, depth_m, camera, located)

    def _made(
        self,
        header: Header,
        image_rgb: npt.NDArray[np.uint8],
        geometry: Geometry,
        segmentation: Segmentation,
    ) -> Answer:
        return Answer(
            header=header,
            image_rgb=image_rgb,
            depth_m=geometry.depth_m,
            camera=geometry.camera,
            instances=segmentation.instances,
            model=self.segmenter.info,
            prompts=segmentation.prompts,
            notes=tuple(map(str, geometry.troubles)),
            collision_ttl_s=self._options.node.collision_ttl_s,
        )

    def _tracked(self, answer: Answer, received_s: float) -> tuple[Answer, str]:
        """An answer of the camera's stream with pose, track ids, names and target, and why tf gave no pose ("").

        The time of a frame is its image's stamp, because recordings are played at any pace.
        """
        node, instances = self._options.node, answer.instances
        geometry_known = answer.camera is not None and answer.depth_m is not None
        pose, unplaced = self._places.camera_pose(answer.header) if geometry_known else (None, "")
        if node.tracking:
            self._tracker.memory_s, self._tracker.memory_frames = node.track_memory_s, node.track_memory_frames
            taken_ns = stamp_ns(answer.header)  # 0: the driver sets no stamp
            taken_s = taken_ns / 1e9 if taken_ns else received_s
            instances = self._tracker.update(instances, taken_s, answer.camera, pose)
            instances = self._names.named(answer.image_rgb, instances, self._options.core, answer.camera)
        else:
            self._tracker.forget()
        target = self.target.find(instances)
        return dataclasses.replace(answer, instances=instances, target=target, camera_to_world=pose), unplaced

    def _tell_target(self, target: TargetInFrame) -> None:
        if target.reason:
            self._problems.set("target", f"the target {target.selection} is not in the image: {target.reason}")
        else:
            self._problems.clear("target")

    def _tell(self, name: str, trouble: Trouble | None) -> None:
        if trouble is None:
            self._problems.clear(name)
        else:
            self._problems.set(name, str(trouble))
