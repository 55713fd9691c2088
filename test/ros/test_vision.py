"""Topics of vision_msgs, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import StartNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import Robot, camera_info, picture
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from saom_ros.conversions import image_message
from saom_ros.messages import instances_from_message

vision_msgs = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not on PyPI; it is in every ROS")


@pytest.mark.slow
def test_detections_say_the_same_as_the_instances(start: StartNode, robot: Robot) -> None:
    process = start()
    robot.listen(detections=vision_msgs.Detection2DArray, detections_3d=vision_msgs.Detection3DArray)
    robot.wait_active(process)
    robot.advertise("depth", Image)
    image_rgb, depth_mm = picture()
    robot.publish("camera_info", camera_info(robot.header()))

    headers: list[Header] = []

    def answered() -> bool:
        headers.append(robot.header())
        robot.publish("depth", image_message(depth_mm, "16UC1", headers[-1]))
        robot.show(image_rgb, headers[-1])
        return bool(robot.answer_to(headers[-1], "detections_3d").detections)

    robot.until(answered, "boxes in space")
    flat, deep, whole = (robot.answer_to(headers[-1], name) for name in ("detections", "detections_3d", "instances"))
    instances = instances_from_message(whole)
    assert len(flat.detections) == len(instances)
    for detection, item in zip(flat.detections, whole.instances, strict=True):
        assert detection.id == str(item.track_id)
        assert detection.results[0].hypothesis.class_id == item.class_name
        center, box = detection.bbox.center.position, item.box_xyxy
        assert (center.x - detection.bbox.size_x / 2, center.y + detection.bbox.size_y / 2) == (box[0], box[3])
    by_track = {str(item.track_id): item for item in whole.instances}
    for detection in deep.detections:
        item = by_track[detection.id]
        assert detection.bbox.center == item.box_pose and detection.bbox.size == item.box_size
    assert len(deep.detections) == np.isfinite(instances.centroids_m[:, 0]).sum()


@pytest.mark.slow
def test_class_names_come_also_to_those_who_subscribe_late(start: StartNode, robot: Robot) -> None:
    robot.wait_active(start())
    got: list[object] = []
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.node.create_subscription(vision_msgs.LabelInfo, "/saom/label_info", got.append, kept)
    robot.until(lambda: got, "the names")
    header = robot.show(picture()[0])
    names = robot.answer_to(header).class_names
    assert [item.class_name for item in got[0].class_map] == ["background", *names]  # type: ignore[attr-defined]
