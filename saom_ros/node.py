"""The node `saom`: camera frames in, labelled whole-object instances out.

    ros2 run saom_ros saom --ros-args -r image:=/camera/color/image_raw

A lifecycle node: configure loads the model, activate subscribes to the camera. It does both by itself unless the
parameter `autostart` is false. Callbacks only hand messages on; the work is done in `pipeline` by one worker thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer
from sensor_msgs.msg import CompressedImage, Image

from saom_core.errors import SaomError
from saom_core.loading import Models
from saom_core.tracking.tracker import Tracker
from saom_ros.camera_infos import CameraInfos
from saom_ros.diagnostics import ERROR, Problems, Statistics, status_message
from saom_ros.frames import Frames
from saom_ros.health import ACTIVE, FINALIZED, INACTIVE, UNCONFIGURED, Health, logged
from saom_ros.inputs import DEPTH_INFO, Callbacks, Inputs, is_renamed
from saom_ros.matcher import Frame, FrameMatcher
from saom_ros.metric_inputs import SIZES, TROUBLES
from saom_ros.outputs import Outputs
from saom_ros.pace import RateLimit
from saom_ros.parameters import Parameters, listed
from saom_ros.pipeline import Found, Pipeline, Request
from saom_ros.places import FRAME, PLANES, TRACK_FRAME
from saom_ros.services import Services
from saom_ros.shared_memory import shared_memory_trouble
from saom_ros.target import Target
from saom_ros.turns import Turns
from saom_ros.waiting import Waiting
from saom_ros.worker import NewestWorker

NAME = "saom"
DIAGNOSTICS_EVERY_S = 1.0
STOP_TIMEOUT_S = 4.0
"""Less than the 5 s after which `ros2 launch` sends the next, harder signal."""
SLOW_OUTPUT_S = 3.0
"""Outputs whose publishing waits for longer than this are reported."""


@dataclass(frozen=True)
class Shared:
    """What the nodes of one process have in common."""

    models: Models = field(default_factory=Models)
    turns: Turns = field(default_factory=Turns)


class SaomNode(LifecycleNode):
    """The lifecycle node of one camera; docs/ros.md lists its topics, services and parameters.

    Args:
        shared: with the nodes of other cameras; None: there are none.
        kwargs: those of `LifecycleNode` but the name.
    """

    def __init__(self, shared: Shared | None = None, **kwargs: Any) -> None:
        super().__init__(NAME, **kwargs)
        self._shared = shared or Shared()
        self.options = Parameters(self)
        self.enabled = True
        self.pipeline: Pipeline | None = None
        self.active = False
        self._waiting = Waiting()  # outlives pipelines, so that what was closed for good stays so
        self._statistics, self._problems = Statistics(), Problems(partial(logged, self.get_logger()))
        if self.options.unknown:
            self._problems.set("parameters", "; ".join(self.options.unknown))
        if trouble := shared_memory_trouble():
            self._problems.set("shared memory", trouble)
        self._matcher = FrameMatcher()
        self._health = Health(self.options, self._matcher, self._problems, self._statistics)
        self._infos, self._depth_infos = CameraInfos(), CameraInfos()
        self._rate = RateLimit()
        self._expiry: Timer | None = None
        self._outputs: Outputs | None = None
        self._frames: Frames | None = None
        self._worker: NewestWorker[Frame, Found] | None = None
        self._replaced = 0  # frames that newer ones took the place of, in workers that have ended
        self._tracker = Tracker()
        self._target = Target(self._tracker)
        # service calls in this group may wait for a frame, which other callbacks bring
        self.waiting_group: CallbackGroup = MutuallyExclusiveCallbackGroup()
        Services(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._steady = Clock(
            clock_type=ClockType.STEADY_TIME
        )  # unlike simulated time it never stands still or jumps back
        self.create_timer(DIAGNOSTICS_EVERY_S, self._publish_diagnostics, clock=self._steady)
        # A timer starts it once the node spins, so that parameter and lifecycle requests are answered before and after.
        self._starter = self.create_timer(0.0, self._autostart, clock=self._steady)

    # --- lifecycle -------------------------------------------------------------------------------------------------

    def _autostart(self) -> None:
        self.destroy_timer(self._starter)
        if self.options.node.autostart and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model; where that fails the node goes on running, and may be configured again."""
        try:
            if self.options.refused:
                raise SaomError("; ".join(self.options.refused.values()))
            self._frames = self._make_frames()
            segmenter = self._shared.models.segmenter(self.options.core)
        except Exception as error:  # a broken model file may raise anything, and the node must go on running
            text = str(error) if isinstance(error, SaomError) else f"{type(error).__name__}: {error}"
            self._problems.set("model", f"not configured: {text}", ERROR)
            self._leave_frames()
            return TransitionCallbackReturn.FAILURE
        self._problems.clear("model", "frame", "provider")
        info = segmenter.info
        self.get_logger().info(f"model {info.name} on {info.provider} (asked for: {info.provider_requested})")
        if info.fallback_reason:
            self._problems.set("provider", f"running on {info.provider}: {info.fallback_reason}")
        self.options.locked = True
        self._outputs = Outputs(self)
        self.pipeline = Pipeline(
            segmenter,
            self.options,
            self._tracker,
            self._outputs,
            self._statistics,
            self._problems,
            image_topic=self.resolve_topic_name("image"),
            depth_topic=self.resolve_topic_name("depth"),
            frames=self._frames,
            turns=self._shared.turns,
            waiting=self._waiting,
            target=self._target,
        )
        self._worker = NewestWorker(partial(self._look, self.pipeline), self.pipeline.finish, self._shared.turns)
        self._health.lifecycle = INACTIVE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes to the camera."""
        options = self.options.node
        self._infos, self._depth_infos = CameraInfos(), CameraInfos()
        take = Callbacks(self._on_image, self._on_depth, self._infos.add, self._depth_infos.add)
        self._health.inputs = Inputs(self, options.image_transport, listed(options.reliable_inputs), take)
        self._health.inputs.open()
        self._expiry = self.create_timer(0.05, self._on_clock, clock=self._steady)
        self._expiry.cancel()  # it runs only while an image waits for its depth, as a call costs as much as a message
        self.active, self._health.lifecycle = True, ACTIVE
        self._waiting.open()
        if self.pipeline is not None and self._outputs is not None:
            self._outputs.announce(self.pipeline.segmenter.info)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Takes back the camera's subscriptions, and MoveIt's obstacles; the model stays loaded."""
        self.active, self._health.lifecycle = False, INACTIVE
        if self._health.inputs is not None:
            self._health.inputs.close()
        if self._expiry is not None:
            self.destroy_timer(self._expiry)
        self._expiry = None
        self._matcher.clear()
        if self._worker is not None:
            self._worker.discard()
        if self._outputs is not None:
            self._outputs.take_back(state)
        self._refuse_waiting("the node was deactivated")
        self._health.leave_inputs()
        self._problems.forget("frame", "target", "classes", *TROUBLES, SIZES, PLANES, FRAME, TRACK_FRAME)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unloads the model."""
        self._release()
        self._health.lifecycle = UNCONFIGURED
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends all work, whatever state the node is in."""
        if self.active:
            self.on_deactivate(state)
        self._release()
        self._health.lifecycle = FINALIZED
        return super().on_shutdown(state)

    def enable(self, wanted: bool) -> None:
        """Pauses or resumes answering; the model stays loaded, the camera connected."""
        self.enabled = self._health.enabled = wanted
        if wanted and self.active:
            self._waiting.open()
        if not wanted:
            if self._worker is not None:
                self._worker.discard()
            self._refuse_waiting("the node was paused by ~/enable")

    def why_no_frame(self) -> str:
        """Why no frame of the camera is answered."""
        return self._health.why_no_frame()

    def why_no_model(self) -> str:
        """Why no model is loaded."""
        if self._health.lifecycle == FINALIZED:
            return self._health.state(None).text
        return self._problems.text("model") or "configure the node first"

    def end(self, reason: str) -> None:
        """Ends the service calls that wait for the next frame, and those to come, whatever becomes of the node now."""
        self._waiting.close(f"no frame is answered: {reason}", for_good=True)

    def _refuse_waiting(self, reason: str) -> None:
        """Ends the service calls that wait for the next frame, and those to come, until frames are answered again."""
        self._waiting.close(f"no frame is answered: {reason}")

    def _make_frames(self) -> Frames | None:
        """Listens to tf where it is needed: a frame for the positions is set, or a depth camera of its own is named.

        Raises:
            SaomError: a frame is set, and tf2_ros is not installed.
        """
        wanted = self.options.node.target_frame or self.options.node.track_frame
        return Frames(self) if wanted or (is_renamed(self, DEPTH_INFO) and Frames.available()) else None

    def _leave_frames(self) -> None:
        if self._frames is not None:
            self._frames.destroy()
        self._frames = None

    def _release(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Ends the worker and forgets the model; False where the worker is still at work after the timeout."""
        stopped = self._worker is None or self._worker.stop(timeout_s)
        self._replaced += 0 if self._worker is None else self._worker.replaced
        if self._outputs is not None:
            self._outputs.destroy()
        self._leave_frames()
        self._tracker.forget()  # another model may see other objects; their numbers go on from the last one
        self._worker = self._outputs = self.pipeline = None
        self.options.locked = False
        self._problems.forget("provider")
        return stopped

    def close(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Ends all work before the node is destroyed; False where the worker still hangs after the timeout."""
        if self.active:
            self.trigger_deactivate()
        return self._release(timeout_s)

    # --- inputs ----------------------------------------------------------------------------------------------------

    def _on_image(self, message: Image | CompressedImage) -> None:
        now = time.monotonic()
        self._statistics.count("frames received")
        matcher, node = self._matcher, self.options.node
        matcher.tolerance_s, matcher.timeout_s = node.sync_tolerance_s, node.sync_timeout_s
        depth = None if self._health.inputs is None else self._health.inputs.depth
        matcher.expects_depth = self.options.core.use_depth and depth is not None and depth.publishers() > 0
        self._submit(matcher.add_image(message, now))
        if matcher.waiting and self._expiry is not None and self._expiry.is_canceled():
            self._expiry.reset()

    def _on_depth(self, message: Image | CompressedImage) -> None:
        self._submit(self._matcher.add_depth(message, time.monotonic()))

    def _on_clock(self) -> None:
        self._submit(self._matcher.expire(time.monotonic()))
        if not self._matcher.waiting and self._expiry is not None:
            self._expiry.cancel()

    def _submit(self, frame: Frame | None) -> None:
        if frame is None or self.pipeline is None or self._worker is None or not self.enabled:
            return
        if not self.pipeline.wanted():
            self._statistics.count("frames without subscriber")
        elif self.pipeline.waiting or self._rate.passes(self.options.node.max_fps):
            self._worker.submit(frame)
        else:
            self._statistics.count("frames above max fps")

    def _look(self, pipeline: Pipeline, frame: Frame) -> Found | None:
        """The worker's work on a frame in its turn; the camera_infos of its moment have come by now."""
        depth_info = None if frame.depth is None else self._depth_infos.of(frame.depth.header)
        return pipeline.look(Request(frame, self._infos.of(frame.image.header), depth_info))

    def _publish_diagnostics(self) -> None:
        worker, pipeline = self._worker, self.pipeline
        if self._outputs is not None and self.active:
            self._outputs.tick()
        slow = [] if self._outputs is None else self._outputs.pace.slow(SLOW_OUTPUT_S)
        self._health.judge(None if worker is None else worker.began_s, slow)
        replaced = self._replaced + (0 if worker is None else worker.replaced)
        info = None if pipeline is None else pipeline.segmenter.info
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            status_message(
                # with the namespace, so that the nodes of two cameras do not overwrite each other's status
                f"{self.get_fully_qualified_name().lstrip('/')}: segmentation",
                "no model" if info is None else f"{info.name} on {info.provider}",
                self._health.state(pipeline),
                self._problems.all(),
                self._health.values(pipeline, replaced),
            )
        ]
        self._diagnostics.publish(message)
        values = ", ".join(f"{value.key} {value.value}" for value in message.status[0].values)
        self.get_logger().debug(f"{message.status[0].message}; {values}")
