"""The node `saom`: camera frames in, labelled whole-object instances out.

    ros2 run saom_ros saom --ros-args -r image:=/camera/color/image_raw

A lifecycle node: configure loads the model, activate subscribes to the camera. It does both by itself unless the
parameter `autostart` is false. Callbacks only hand messages on; the work is done in `pipeline` by one worker thread.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from saom_core.errors import SaomError
from saom_core.load import load_segmenter
from saom_core.tracker import Tracker
from saom_ros.diagnostics import ERROR, WARN, Problems, Statistics, status_message
from saom_ros.executor import NodeExecutor
from saom_ros.matcher import Frame, FrameMatcher
from saom_ros.metric_inputs import SIZES, TROUBLES
from saom_ros.outputs import Outputs
from saom_ros.parameters import Parameters
from saom_ros.pipeline import Pipeline, Request
from saom_ros.process import SIGNALS, ForwardToRos, signal_pipe
from saom_ros.services import Services
from saom_ros.worker import NewestWorker

STOP_TIMEOUT_S = 4.0
"""`ros2 launch` asks again, harder, after 5 s."""
SLOW_S = 10.0
"""A frame in work for longer is told in the diagnostics: a driver may hang."""


class SaomNode(LifecycleNode):
    """See the module's text; topics and parameters are listed in the README."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("saom", **kwargs)
        self.options = Parameters(self)
        self.enabled = True
        self.pipeline: Pipeline | None = None
        self.active = False
        self._statistics, self._problems = Statistics(), Problems()
        self._matcher = FrameMatcher()
        self._info: CameraInfo | None = None
        self._last_image_s = time.monotonic()
        self._inputs: list[Subscription[Any]] = []
        self._expiry: Timer | None = None
        self._outputs: Outputs | None = None
        self._worker: NewestWorker[Request] | None = None
        self._replaced = 0  # frames that workers of before dropped for newer ones
        self._tracker = Tracker()
        # service calls in this group may wait for a frame, which other callbacks bring
        self.waiting_group: CallbackGroup = MutuallyExclusiveCallbackGroup()
        Services(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still or jump back
        self.create_timer(1.0, self._publish_diagnostics, clock=self._steady)
        # by a timer, so that the node spins already and answers parameter and lifecycle requests in turn
        self._starter = self.create_timer(0.0, self._autostart, clock=self._steady)
        self._core_log = ForwardToRos(self.get_logger())
        logging.getLogger("saom").addHandler(self._core_log)

    # --- lifecycle -------------------------------------------------------------------------------------------------

    def _autostart(self) -> None:
        self.destroy_timer(self._starter)
        if self.options.node.autostart and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model; on failure the node lives on unconfigured, and can be tried again with other parameters."""
        try:
            if self.options.refused:
                raise SaomError("; ".join(self.options.refused.values()))
            segmenter = load_segmenter(self.options.core)
        except Exception as error:  # whatever a model file makes a runtime raise, the node must live on
            text = str(error) if isinstance(error, SaomError) else f"{type(error).__name__}: {error}"
            self._problems.set("model", f"not configured: {text}", ERROR)
            self.get_logger().error(f"cannot configure: {text}")
            return TransitionCallbackReturn.FAILURE
        self._problems.clear("model", "frame", "provider")
        info = segmenter.info
        self.get_logger().info(f"model {info.name} on {info.provider} (asked for: {info.provider_requested})")
        if info.fallback_reason:
            self._problems.set("provider", f"running on {info.provider}: {info.fallback_reason}")
            self.get_logger().warning(f"fell back to {info.provider}: {info.fallback_reason}")
        self.options.locked = True
        self._outputs = Outputs(self)
        self.pipeline = Pipeline(
            segmenter,
            self.options,
            self._tracker,
            self._outputs,
            self._statistics,
            self._problems,
            self.get_logger(),
            image_topic=self.resolve_topic_name("image"),
        )
        self._worker = NewestWorker(self.pipeline.process)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes to the camera."""
        compressed = self.options.node.image_transport == "compressed"
        sensor = qos_profile_sensor_data
        self._inputs = [
            self.create_subscription(CompressedImage if compressed else Image, "image", self._on_image, sensor),
            self.create_subscription(Image, "depth", self._on_depth, sensor),
            self.create_subscription(CameraInfo, "camera_info", self._on_info, sensor),
        ]
        self._expiry = self.create_timer(0.05, self._on_clock, clock=self._steady)
        self._expiry.cancel()  # it runs only while an image waits for its depth: each call costs as much as a message
        self._last_image_s, self.active = time.monotonic(), True
        if self.pipeline is not None and self._outputs is not None:
            self._outputs.announce(self.pipeline.segmenter.info)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Leaves the camera's topics; the model stays loaded."""
        self.active = False
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        if self._expiry is not None:
            self.destroy_timer(self._expiry)
        self._inputs, self._expiry, self._info = [], None, None
        self._matcher.clear()
        if self._worker is not None:
            self._worker.discard()
        self.refuse_waiting("the node was deactivated")
        self._problems.clear("image", "sync", "frame", *TROUBLES, SIZES)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Gives the model back."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends all work, from whatever state."""
        if self.active:
            self.on_deactivate(state)
        self._release()
        return super().on_shutdown(state)

    def enable(self, wanted: bool) -> None:
        """Pauses or resumes answering; the model stays loaded, the camera connected."""
        self.enabled = wanted
        if not wanted:
            if self._worker is not None:
                self._worker.discard()
            self.refuse_waiting("the node was paused by ~/enable")

    def refuse_waiting(self, reason: str) -> None:
        """Ends the service calls that wait for the next frame."""
        if self.pipeline is not None:
            self.pipeline.refuse_waiting(reason)

    def _release(self) -> bool:
        """Ends the worker and forgets the model; False where the worker is still at work after the timeout."""
        stopped = self._worker is None or self._worker.stop(STOP_TIMEOUT_S)
        self._replaced += 0 if self._worker is None else self._worker.replaced
        if self._outputs is not None:
            self._outputs.destroy()
        self._tracker.forget()  # another model may see other objects; the numbers go on
        self._worker = self._outputs = self.pipeline = None
        self.options.locked = False
        self._problems.clear("provider")
        return stopped

    def close(self) -> bool:
        """Ends all work before the node is destroyed; False where the worker hangs."""
        logging.getLogger("saom").removeHandler(self._core_log)
        if self.active:
            self.trigger_deactivate()
        return self._release()

    # --- inputs ----------------------------------------------------------------------------------------------------

    def _on_image(self, message: Image | CompressedImage) -> None:
        now = time.monotonic()
        self._last_image_s = now
        self._statistics.count("frames received")
        matcher, node = self._matcher, self.options.node
        matcher.tolerance_s, matcher.timeout_s = node.sync_tolerance_s, node.sync_timeout_s
        matcher.expects_depth = self.options.core.use_depth and self._publishers_of("depth") > 0
        self._submit(matcher.add_image(message, now))
        if matcher.waiting and self._expiry is not None and self._expiry.is_canceled():
            self._expiry.reset()

    def _publishers_of(self, topic: str) -> int:
        return self.count_publishers(self.resolve_topic_name(topic))  # count_publishers alone does not remap

    def _on_depth(self, message: Image) -> None:
        self._submit(self._matcher.add_depth(message))

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_clock(self) -> None:
        self._submit(self._matcher.expire(time.monotonic()))
        if not self._matcher.waiting and self._expiry is not None:
            self._expiry.cancel()

    def _submit(self, frame: Frame | None) -> None:
        if frame is None or self.pipeline is None or self._worker is None or not self.enabled:
            return
        if self.pipeline.wanted():
            self._worker.submit(Request(frame, self._info))
        else:
            self._statistics.count("frames without subscriber")

    # --- diagnostics -----------------------------------------------------------------------------------------------

    def _publish_diagnostics(self) -> None:
        now = time.monotonic()
        self._judge_inputs(now)
        self._judge_work(now)
        values = self._statistics.values(now)
        replaced = self._replaced + (self._worker.replaced if self._worker is not None else 0)
        values["frames_dropped"] = str(self._matcher.dropped + replaced)
        state, hardware = "not active", "no model"
        if self.pipeline is not None:
            info = self.pipeline.segmenter.info
            hardware = f"{info.name} on {info.provider}"
            values |= {"model": info.name, "provider": info.provider, "provider_requested": info.provider_requested}
            if self.active:
                state = "working" if self.pipeline.wanted() else "idle: nobody subscribes"
                state = state if self.enabled else "paused by ~/enable"
        values["state"] = state
        if self.pipeline is not None and self.pipeline.target.last.selection:
            target = self.pipeline.target.last
            values["target"] = f"{target.selection}: {target.reason or 'seen'}"
        values |= {f"{name}_publishers": str(self._publishers_of(name)) for name in ("image", "depth", "camera_info")}
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        name, problems = f"{self.get_name()}: segmentation", self._problems.all()
        message.status = [status_message(name, hardware, state, problems, values)]
        self._diagnostics.publish(message)

    def _judge_inputs(self, now: float) -> None:
        silent_s = now - self._last_image_s
        if not self.active or silent_s <= self.options.node.input_timeout_s:
            self._problems.clear("image")
        else:
            topic, count = self.resolve_topic_name("image"), self._publishers_of("image")
            cause = f"{count} publisher(s): same message type and QoS?" if count else "nobody publishes it"
            self._problems.set("image", f"no image on {topic} for {silent_s:.0f} s; {cause}", WARN)
        if self._matcher.alone:
            nearest = self._matcher.nearest_s
            found = "no depth has come" if nearest is None else f"the nearest depth is {nearest * 1000:+.0f} ms away"
            text = f"{found}; working without depth: synchronise the streams, or raise sync_tolerance_s"
            self._problems.set("sync", text)
        else:
            self._problems.clear("sync")

    def _judge_work(self, now: float) -> None:
        began_s = self._worker.began_s if self._worker is not None else None
        if began_s is not None and now - began_s > SLOW_S:
            text = (
                f"a frame is in work for {now - began_s:.0f} s: a model too large for this machine, or a hanging driver"
            )
            self._problems.set("work", text)
        else:
            self._problems.clear("work")


def main(args: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM; exit code 0 then, also when a frame is being answered.

    The signals only wake this thread: no callback and no lock is ever interrupted by an exception.
    """
    signalled = signal_pipe()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = SaomNode()
    executor = NodeExecutor(slow=node.waiting_group)
    executor.add_node(node)
    failures: list[BaseException] = []
    spinner = threading.Thread(target=_spin, args=(executor, failures), name="saom-executor", daemon=True)
    spinner.start()
    os.read(signalled, 1)
    for number in SIGNALS:  # Ctrl-C goes to `ros2 launch` too, which hands it on: the second one must not cut the end
        signal.signal(number, signal.SIG_IGN)
    node.refuse_waiting("the node is ending")
    if not executor.stop(spinner, STOP_TIMEOUT_S) or not node.close():
        node.get_logger().warning("the frame in work takes long; ending without it")
        sys.stdout.flush()
        os._exit(0)
    node.destroy_node()
    rclpy.shutdown()
    return 1 if failures else 0


def _spin(executor: NodeExecutor, failures: list[BaseException]) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except BaseException as error:
        failures.append(error)
        logging.getLogger("saom").exception("the executor ended")
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
