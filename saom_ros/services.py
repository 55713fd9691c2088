"""The node's services: ~/segment, ~/select, ~/get_cloud, ~/enable."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
from rclpy.callback_groups import CallbackGroup
from std_srvs.srv import SetBool

from saom_core.errors import InputError, SaomError
from saom_core.instances import Instances
from saom_core.prompting.prompts import Prompts
from saom_ros.answer import Answer
from saom_ros.conversions import image_message
from saom_ros.outputs import instance_array
from saom_ros.parameters import Parameters
from saom_ros.pipeline import Pipeline
from saom_ros.srv import GetCloud, Segment, Select
from saom_ros.targets import instance_points

NEXT_FRAME_TIMEOUT_S = 10.0
_Response = TypeVar("_Response", SetBool.Response, Select.Response, Segment.Response, GetCloud.Response)


class ServingNode(Protocol):
    """What the services need of the node that they belong to."""

    pipeline: Pipeline | None
    """Answers images; None while no model is loaded."""
    active: bool
    """Whether the node listens to the camera."""
    enabled: bool
    """Whether it answers the camera's frames; see `enable`."""
    options: Parameters
    """The parameters of now."""
    waiting_group: CallbackGroup
    """Callbacks of this group may wait for other callbacks."""

    def enable(self, wanted: bool) -> None:
        """Pauses or resumes answering."""

    def why_no_frame(self) -> str:
        """Why no frame of the camera is answered."""

    def why_no_model(self) -> str:
        """Why no model is loaded."""

    def create_service(self, *args: Any, **kwargs: Any) -> Any:
        """See `rclpy.node.Node.create_service`."""


class Services:
    """Creates the services of a node.

    Args:
        node: its pipeline answers; while it has none, the services say what to do.
    """

    def __init__(self, node: ServingNode) -> None:
        self._node = node
        node.create_service(SetBool, "~/enable", self._enable)
        node.create_service(Select, "~/select", self._select)
        # these wait for an answer while frames go on coming in
        node.create_service(Segment, "~/segment", self._segment, callback_group=node.waiting_group)
        node.create_service(GetCloud, "~/get_cloud", self._get_cloud, callback_group=node.waiting_group)

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        def pause_or_resume() -> str:
            self._node.enable(request.data)
            if not request.data:
                return "paused"
            return "answering frames" if self._node.active else self._node.why_no_frame()

        return self._told(response, pause_or_resume)

    def _select(self, request: Select.Request, response: Select.Response) -> Select.Response:
        def select() -> str:
            pipeline = self._pipeline()
            names = pipeline.segmenter.info.class_names
            if request.class_name and request.class_name.casefold() not in {name.casefold() for name in names}:
                raise InputError(f"expected one of the model's classes, got {request.class_name!r}: {', '.join(names)}")
            if request.track_id < 0 or (request.track_id and request.class_name):
                got = f"{request.track_id} and {request.class_name!r}"
                raise InputError(f"expected a class_name, or a track_id from 1 on, got {got}: give one of them")
            if request.track_id and not self._node.options.node.tracking:
                raise InputError(
                    "tracking is off, so no object has a track_id: set the parameter tracking, or give a class"
                )
            return pipeline.target.choose(request.class_name, request.track_id)

        return self._told(response, select)

    def _segment(self, request: Segment.Request, response: Segment.Response) -> Segment.Response:
        def segment() -> str:
            asked = Prompts.from_flat(
                request.points_xy, request.boxes_xyxy, request.negative_points_xy, one_object=request.one_object
            )
            answer = self._answer(request, asked)
            found = answer.instances
            response.instances = instance_array(answer)
            response.label_image = image_message(found.label_image(), "mono16", answer.header)
            response.prompts = list(answer.prompts)
            empty = sorted(set(range(len(asked))) - set(answer.prompts)) if len(asked) else []
            nothing = [f"nothing at the prompts {', '.join(map(str, empty))}"] if empty else []
            return "; ".join((f"{len(found)} instances", *nothing, *answer.notes))

        return self._told(response, segment)

    def _get_cloud(self, request: GetCloud.Request, response: GetCloud.Response) -> GetCloud.Response:
        def get_cloud() -> str:
            answer = self._answer(Segment.Request(), Prompts())
            found = answer.instances
            k = wanted_index(found, request.track_id, request.class_name)
            cloud = instance_points(answer, k)
            if cloud is None:
                raise InputError("no points without depth and camera_info of the same moment: /diagnostics tells why")
            response.instances, response.label, response.cloud = instance_array(answer), k + 1, cloud
            return f"{found.class_names[k] or 'object'}, track {found.track_ids[k]}: {cloud.width} points"

        return self._told(response, get_cloud)

    def _told(self, response: _Response, action: Callable[[], str]) -> _Response:
        """The response to a call, after its action has filled it; the caller hears why an action cannot be done.

        Args:
            response: any with `success` and `message`.
            action: returns the message of a success.
        """
        try:
            response.message, response.success = action(), True
        except SaomError as error:
            response.message = str(error)
        except concurrent.futures.TimeoutError:
            response.message = f"no answer within {NEXT_FRAME_TIMEOUT_S:.0f} s: {self._node.why_no_frame()}"
        except Exception as error:  # a network may raise anything, and without an answer the caller would wait forever
            response.message = f"{type(error).__name__}: {error}"
        return response

    def _pipeline(self) -> Pipeline:
        """The node's pipeline; an `InputError` where there is none."""
        if self._node.pipeline is None:
            raise InputError(f"no model is loaded: {self._node.why_no_model()}")
        return self._node.pipeline

    def _answer(self, request: Segment.Request, asked: Prompts) -> Answer:
        pipeline = self._pipeline()
        if not request.image.data:
            if not self._node.active or not self._node.enabled:
                raise InputError(f"no frame of the camera is answered: {self._node.why_no_frame()}; or send an image")
            answer = pipeline.waiting.next_answer(NEXT_FRAME_TIMEOUT_S)
            return pipeline.asked(answer, asked) if len(asked) else answer
        depth = request.depth if request.depth.data else None
        info = request.camera_info
        given = info.width or info.k.any() or info.p.any()  # one without a size is refused with the reason
        return pipeline.answer(request.image, depth, info if given else None, asked)


def wanted_index(instances: Instances, track_id: int, class_name: str) -> int:
    """The instance with a track id, or the best one of a class.

    Raises:
        InputError: neither or both are given, or no such object is in sight.
    """
    if (track_id > 0) == bool(class_name):
        raise InputError(f"expected a track_id from 1 on or a class_name, got {track_id} and {class_name!r}: give one")
    names = [name.casefold() for name in instances.class_names]
    fits = instances.track_ids == track_id if track_id > 0 else np.array([n == class_name.casefold() for n in names])
    if not fits.any():
        wanted = f"track {track_id}" if track_id > 0 else class_name
        there = ", ".join(f"{name or 'object'} ({k})" for name, k in zip(names, instances.track_ids, strict=True))
        raise InputError(f"no {wanted} is in sight; there are {there or 'no objects'}")
    return int(np.flatnonzero(fits)[0])
