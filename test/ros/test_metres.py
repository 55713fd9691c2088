"""Metres of the running node: P for rectified pictures, K with D for raw ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import StartNode
from robot import Robot, camera_info, picture
from saom_ros.msg import InstanceArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_core.geometry.depth import clean_depth
from saom_core.messages.cameras import camera_from_info
from saom_core.places.measure import measure
from saom_ros.conversions import image_message
from saom_ros.messages import instances_from_message

WARN = b"\x01"


def real_info(header: Header) -> CameraInfo:
    """A camera with a lens: raw and rectified picture differ by centimetres."""
    info = camera_info(header)
    info.distortion_model, info.d = "plumb_bob", [-0.3, 0.09, 0.0, 0.0, 0.0]
    info.p = [500.0, 0.0, 315.0, 0.0, 0.0, 505.0, 244.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def centroids_of(answer: InstanceArray) -> np.ndarray:
    return np.array([(item.centroid.x, item.centroid.y, item.centroid.z) for item in answer.instances])


def expected_of(answer: InstanceArray, *, rectified: bool) -> np.ndarray:
    """Centroids of the answer's own masks with the camera that they should have been measured with."""
    camera = camera_from_info(real_info(answer.header), (480, 640), rectified=rectified)
    plain = dataclasses.replace(instances_from_message(answer), centroids_m=None, boxes3d=None)
    depth = clean_depth(picture()[1].astype(np.float32) / 1000, 0.1, 10.0)
    centroids = measure(plain, depth, camera).centroids_m
    assert centroids is not None
    return centroids


def located(robot: Robot) -> InstanceArray:
    """An answer with positions: camera_info comes over a topic of its own and may be later than the first frame."""
    answers = []

    def there() -> bool:
        header = robot.header()
        robot.publish("camera_info", real_info(header))
        robot.publish("depth", image_message(picture()[1], "16UC1", header))
        answers.append(robot.answer_to(robot.show(picture()[0], header)))
        return bool(np.isfinite(centroids_of(answers[-1])).any())

    robot.until(there, "an answer with positions")
    return answers[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("topic", "rectified"), [("/cam/image_rect", True), ("/cam/image_raw", False)])
def test_the_name_of_the_topic_tells(start: StartNode, robot: Robot, topic: str, rectified: bool) -> None:
    robot.withdraw("image")
    process = start(remap=[f"image:={topic}"])
    robot.publishers["image"] = robot.node.create_publisher(Image, topic, 50)
    robot.advertise("depth", Image)
    robot.wait_active(process)
    answer = located(robot)
    assert "rectified" not in robot.until_status("").message
    got, other = centroids_of(answer), expected_of(answer, rectified=not rectified)
    np.testing.assert_allclose(got, expected_of(answer, rectified=rectified), atol=1e-5)
    assert np.nanmax(np.abs(got - other)) > 0.02  # the wrong camera would be seen here


def test_what_the_name_does_not_tell_is_asked_for(running: Robot) -> None:
    running.advertise("depth", Image)
    answer = located(running)
    running.until_status("cannot tell whether the pictures on /image are rectified", level=WARN)
    np.testing.assert_allclose(centroids_of(answer), expected_of(answer, rectified=False), atol=1e-5)
    for value in (True, "true"):  # YAML makes a boolean of an unquoted true
        assert running.set_parameter("rectified", value).successful
        answer = located(running)
        np.testing.assert_allclose(centroids_of(answer), expected_of(answer, rectified=True), atol=1e-5)
        running.until(lambda: "cannot tell" not in running.status.message, "the doubt to be over")
    assert "one of auto, true, false" in running.set_parameter("rectified", "maybe").reason
    assert running.set_parameter("rectified", "auto").successful
