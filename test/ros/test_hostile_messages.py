"""Whatever a message says, the node answers or says what is wrong: property-based, on the functions and over DDS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import hostile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from robot import Robot, camera_info, picture
from saom_ros.srv import Segment
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.instances import Instances, MaskCrop
from saom_core.messages.pictures import rgb_from_image
from saom_core.places.measure import measure
from saom_core.prompting.prompts import Prompts
from saom_ros.conversions import image_message
from saom_ros.metric_inputs import MetricInputs
from saom_ros.parameters import NodeConfig

HEADER = Header(frame_id="camera")
EXAMPLES = pytest.mark.parametrize("examples", [150, pytest.param(4000, marks=pytest.mark.slow)])
"""Of the slow ones there are 12,000 for the three tests together."""


def for_all(check: Callable[..., None], examples: int, *strategies: st.SearchStrategy[Any]) -> None:
    """Runs a check on so many messages, always the same ones."""
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    chosen = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=health
    )
    chosen(given(*strategies)(check))()


@EXAMPLES
def test_any_image_is_a_picture_or_refused_with_a_reason(examples: int) -> None:
    decoded = refused = 0

    def check(message: Image | CompressedImage) -> None:
        nonlocal decoded, refused
        try:
            image_rgb = rgb_from_image(message)
        except InputError as error:
            refused += 1
            assert str(error).startswith("image: expected")
            return
        decoded += 1
        assert image_rgb.dtype == np.uint8 and image_rgb.ndim == 3 and image_rgb.shape[2] == 3 and image_rgb.size
        if isinstance(message, Image):
            assert image_rgb.shape[:2] == (message.height, message.width)

    for_all(check, examples, hostile.images | hostile.compressed)
    assert decoded > examples / 20 and refused > examples / 20, "the messages are neither all true nor all false"


@EXAMPLES
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NaN and infinite numbers are what is tried
def test_any_depth_and_camera_info_give_metres_or_troubles(examples: int) -> None:
    """What is left of them is measured, too: a box in space is a box, or there is none."""
    masks = [MaskCrop(0, 0, np.ones(hostile.SIZE_HW, np.bool_)), MaskCrop(2, 1, np.ones((4, 5), np.bool_))]
    instances = Instances.from_masks(hostile.SIZE_HW, masks, np.array([0.9, 0.8], np.float32))
    core, measured = SaomConfig(), 0

    def check(
        depth: Image | CompressedImage, info: CameraInfo | None, own: CameraInfo | None, frames: bool, kind: str
    ) -> None:
        nonlocal measured
        node = dataclasses.replace(NodeConfig(), check_frames=frames, rectified=kind)
        geometry = MetricInputs("/image_raw").of(HEADER, hostile.SIZE_HW, (depth, info), core, node, own)
        assert all(trouble.text for trouble in geometry.troubles)
        if geometry.depth_m is None:
            assert geometry.troubles
            return
        assert geometry.depth_m.shape == hostile.SIZE_HW and geometry.depth_m.dtype == np.float32
        clean = np.where(np.isfinite(geometry.depth_m) & (geometry.depth_m > 0.1), geometry.depth_m, 0).clip(0, 10)
        found = measure(instances, clean.astype(np.float32), geometry.camera)
        measured += geometry.camera is not None
        if found.boxes3d is not None:
            placed = np.isfinite(found.boxes3d.sizes_m).all(axis=1)
            assert np.isfinite(found.boxes3d.centers_m[placed]).all()
            np.testing.assert_allclose(np.linalg.norm(found.boxes3d.quaternions_xyzw[placed], axis=1), 1.0, atol=1e-3)

    own = st.one_of(st.none(), st.none(), st.none(), hostile.infos)  # most drivers align their depth
    for_all(check, examples, hostile.depths, hostile.infos, own, st.booleans(), st.sampled_from(["auto", "true"]))
    assert measured > examples / 50


@EXAMPLES
def test_any_prompts_are_taken_or_refused(examples: int) -> None:
    numbers = st.lists(hostile.of_type("float") | st.floats(0, 640, width=32), max_size=9)

    def check(points: list[float], boxes: list[float], negative: list[float], one_object: bool) -> None:
        try:
            prompts = Prompts.from_flat(points, boxes, negative, one_object=one_object)
            prompts.check((480, 640))
        except InputError as error:
            assert "expected" in str(error)
            return
        for k in range(len(prompts.points_xy) + len(prompts.boxes_xyxy)):
            assert np.isfinite(prompts.asked_xy(k)).all()

    for_all(check, examples, numbers, numbers, numbers, st.booleans())


def test_the_node_lives_through_hostile_messages_on_all_its_inputs(running: Robot) -> None:
    """After each dozen of them a true frame is answered, in metres."""
    running.advertise("depth", Image)
    image_rgb, depth_mm = picture()
    sent = 0

    def publish(image: Image, depth: Image, info: CameraInfo) -> None:
        nonlocal sent
        sent += 1
        for name, message in (("camera_info", info), ("depth", depth), ("image", image)):
            running.publishers[name].publish(message)
        running.executor.spin_once(timeout_sec=0)
        if sent % 12:
            return

        def located() -> bool:
            header = running.header()
            running.publish("camera_info", camera_info(header))
            running.publish("depth", image_message(depth_mm, "16UC1", header))
            answer = running.answer_to(running.show(image_rgb, header))
            return bool(np.isfinite([item.centroid.x for item in answer.instances]).any())

        running.until(located, "an answer in metres")

    for_all(publish, 72, hostile.images, hostile.raw_depths, hostile.infos)
    assert sent >= 60 and int(running.fresh_value("frames_failed")) > 0


def test_the_services_live_through_hostile_requests(running: Robot) -> None:
    answers: list[Segment.Response] = []

    def ask(image: Image, depth: Image, info: CameraInfo, points: list[float]) -> None:
        if image.data:  # without an image the next frame of the camera is meant, and there is none
            request = Segment.Request(image=image, depth=depth, camera_info=info, points_xy=points)
            answers.append(running.call(Segment, "/saom/segment", request))

    points = st.lists(hostile.of_type("float"), max_size=4)
    for_all(ask, 24, hostile.images, hostile.raw_depths, hostile.infos, points)
    assert answers and all(answer.success or answer.message for answer in answers)
    request = Segment.Request(image=image_message(picture()[0], "rgb8", running.header()))
    assert running.call(Segment, "/saom/segment", request).instances.instances
