"""What is published of a target and of single objects, decoded as a planner does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from robot import Robot, camera_info, picture
from saom_ros.srv import GetCloud, Select
from sensor_msgs.msg import Image, PointCloud2
from test_places import CAMERA, HEADER, SIZE, TURN, frame, places

from saom_core.errors import InputError
from saom_core.planners import binary_mask
from saom_ros.collision_objects import SLAB_M, CollisionObject, CollisionObjects, PlanningScene
from saom_ros.conversions import image_message
from saom_ros.messages import instances_from_message
from saom_ros.services import wanted_index
from saom_ros.target import TargetInFrame
from saom_ros.targets import target_mask, target_points, target_pose


def located(**changes: object):  # noqa: ANN201 - an Answer with the mug as its target
    return dataclasses.replace(places().wanted(places().locate(frame(), remember=True))[0], **changes)


def decoded(cloud: PointCloud2) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 3) and colours (P, 3), read field by field as PCL does."""
    at = {field.name: field.offset for field in cloud.fields}
    rows = np.frombuffer(cloud.data, np.uint8).reshape(cloud.height * cloud.width, cloud.point_step)
    points = np.column_stack([rows[:, at[a] : at[a] + 4].copy().view("<f4")[:, 0] for a in "xyz"])
    packed = rows[:, at["rgb"] : at["rgb"] + 4].copy().view("<u4")[:, 0]
    return points, np.column_stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255])


def test_the_targets_points_are_those_of_its_mask_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    answer = located(image_rgb=image)
    cloud = target_points(answer)
    assert cloud is not None and cloud.is_dense and cloud.height == 1 and cloud.header == HEADER
    points, colors = decoded(cloud)
    mask = np.frombuffer(target_mask(answer).data, np.uint8).reshape(SIZE) > 0
    rows, columns = np.nonzero(mask)
    np.testing.assert_allclose(points[:, 2], 0.9, rtol=1e-6)
    np.testing.assert_allclose(points[:, 0], (columns - CAMERA.cx) / CAMERA.fx * 0.9, atol=1e-6)
    np.testing.assert_array_equal(colors, image[rows, columns])
    moved = target_points(dataclasses.replace(answer, pose=TURN, frame_id="base_link"))
    assert moved is not None and moved.header.frame_id == "base_link"
    np.testing.assert_allclose(decoded(moved)[0], points @ TURN.rotation.T + TURN.translation_m, atol=1e-5)


def test_what_is_in_front_of_the_target_is_not_of_it() -> None:
    """A table that is chosen has neither mask nor points where the block stands, though its own mask runs on there."""
    on_table = TargetInFrame("Table", 0, 4)
    answer = dataclasses.replace(places(drop_surfaces=False).locate(frame(), remember=True), target=on_table)
    table, block = answer.instances.dense_masks()
    assert (table & block).sum() == block.sum() > 0
    mask = np.frombuffer(target_mask(answer).data, np.uint8).reshape(SIZE)
    np.testing.assert_array_equal(mask, np.where(table & ~block, 255, 0))
    np.testing.assert_array_equal(mask, binary_mask(answer.instances, 0))
    cloud = target_points(answer)
    assert cloud is not None and len(decoded(cloud)[0]) == np.count_nonzero(mask)
    np.testing.assert_allclose(decoded(cloud)[0][:, 2], 1.0, rtol=1e-6)


def test_the_targets_pose_is_that_of_its_box() -> None:
    answer = located()
    pose, boxes = target_pose(answer), answer.instances.boxes3d
    assert pose is not None and boxes is not None and pose.header == HEADER
    got = pose.pose.position
    np.testing.assert_allclose((got.x, got.y, got.z), boxes.centers_m[0], rtol=1e-6)
    assert got.z == pytest.approx(0.95, abs=0.003), "half way between its top and the table"


def test_without_target_or_depth_nothing_is_sent() -> None:
    lost = dataclasses.replace(located().target, index=None)
    for answer in (located(target=lost), dataclasses.replace(frame(), depth_m=None)):
        assert target_points(answer) is None and target_pose(answer) is None


def test_which_object_a_cloud_is_asked_of() -> None:
    found = dataclasses.replace(frame().instances, track_ids=np.array([4, 9], np.int32))
    assert wanted_index(found, 9, "") == 1 and wanted_index(found, 0, "tABLE") == 0
    for track_id, name, reason in (
        (0, "", "give one"),
        (4, "Mug", "give one"),
        (5, "", "no track 5 is in sight; there are table (4), mug (9)"),
        (0, "Cup", "no Cup is in sight"),
    ):
        with pytest.raises(InputError) as refused:
            wanted_index(found, track_id, name)
        assert reason in str(refused.value)


@pytest.mark.skipif(CollisionObject is None, reason="needs moveit_msgs and shape_msgs")
def test_obstacles_of_moveit_live_as_long_as_they_are_seen() -> None:
    """MoveIt adds a box at the object's pose, and keeps it until it is removed."""
    now_s = 100.0
    told = CollisionObjects(clock=lambda: now_s)
    answer = located()
    answer = dataclasses.replace(
        answer, instances=dataclasses.replace(answer.instances, track_ids=np.array([9], np.int32)), collision_ttl_s=1.0
    )
    scene = told(answer)
    assert isinstance(scene, PlanningScene) and scene.is_diff and scene.robot_state.is_diff
    mug, table = scene.world.collision_objects
    assert (mug.id, table.id) == ("saom_track_9", "saom_plane_0") and mug.header == HEADER
    assert mug.operation == table.operation == CollisionObject.ADD and mug.type.key == "Mug"
    (box,), boxes = mug.primitives, answer.instances.boxes3d
    assert boxes is not None and box.type == box.BOX and len(mug.primitive_poses) == 1
    np.testing.assert_allclose(box.dimensions, boxes.sizes_m[0], rtol=1e-6)
    np.testing.assert_allclose(mug.pose.position.z, boxes.centers_m[0, 2], rtol=1e-6)
    (slab,) = table.primitives
    assert slab.dimensions[2] == SLAB_M and table.pose.position.z == pytest.approx(1.0 + SLAB_M / 2, abs=1e-3)
    assert slab.dimensions[0] * slab.dimensions[1] == pytest.approx(296 * 216 / 300**2, rel=0.02)  # without its rim
    empty = dataclasses.replace(answer, instances=answer.instances.select([]))
    now_s = 100.9
    assert [m.operation for m in told(empty).world.collision_objects] == [CollisionObject.ADD], (
        "the table; the mug may come back"
    )
    now_s = 101.1
    removed = [m for m in told(empty).world.collision_objects if m.operation == CollisionObject.REMOVE]
    assert [m.id for m in removed] == ["saom_track_9"]
    assert told.expired() is None
    now_s = 103.0  # the camera has stopped
    assert [(m.id, m.operation) for m in told.expired().world.collision_objects] == [
        ("saom_plane_0", CollisionObject.REMOVE)
    ]


def test_the_target_over_real_topics(running: Robot) -> None:
    image_rgb, depth_mm = picture()
    running.advertise("depth", Image)
    running.listen(target_points=PointCloud2, target_pose=PoseStamped)
    running.wait_active()

    def shown():  # noqa: ANN202 - the header of a frame with all that belongs to it
        header = running.header()
        running.publish("camera_info", camera_info(header))
        running.publish("depth", image_message(depth_mm, "16UC1", header))
        return running.show(image_rgb, header)

    items = []
    while not items:  # until camera_info has arrived
        answer = running.answer_to(shown())
        items = [item for item in answer.instances if np.isfinite(item.box_pose.position.z)]
    chosen = running.call(Select, "/saom/select", Select.Request(track_id=items[0].track_id))
    assert chosen.success, chosen.message
    header = shown()
    answer, cloud = running.answer_to(header), running.answer_to(header, "target_points")
    pose = running.answer_to(header, "target_pose")
    k = next(k for k, item in enumerate(answer.instances) if item.track_id == items[0].track_id)
    assert pose.pose == answer.instances[k].box_pose
    labels = instances_from_message(answer).label_image()
    wanted = (labels == k + 1) & (depth_mm > 0)
    assert cloud.width == wanted.sum()
    np.testing.assert_allclose(decoded(cloud)[0][:, 2], depth_mm[wanted] / 1000, rtol=1e-5)
    running.deaf("target_points", "target_pose")

    client = running.node.create_client(GetCloud, "/saom/get_cloud")
    running.until(client.service_is_ready, "the service get_cloud")
    future = client.call_async(GetCloud.Request(track_id=items[0].track_id))
    while not future.done():  # it waits for the next frame of the camera
        shown()
        running.executor.spin_once(timeout_sec=0.2)
    got = future.result()
    assert got.success, got.message
    np.testing.assert_allclose(decoded(got.cloud)[0][:, 2], depth_mm[wanted] / 1000, rtol=1e-5)
    assert got.instances.instances[got.label - 1].track_id == items[0].track_id
    running.withdraw("depth")
    assert running.call(Select, "/saom/select", Select.Request()).success
