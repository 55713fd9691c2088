"""What `saom replay` writes is, as ROS reads it, what the node publishes for the same answer."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

pytest.importorskip("rosbags")

from saom_ros.msg import InstanceArray  # noqa: E402

from saom_cli.bag_messages import IMAGE, INSTANCES, answer_types, made  # noqa: E402
from saom_core.geometry.depth import Boxes3d  # noqa: E402
from saom_core.geometry.support import Plane, Support  # noqa: E402
from saom_core.instances import Instances, MaskCrop  # noqa: E402
from saom_core.messages import answers  # noqa: E402
from saom_core.runtime import BUNDLED_MODEL, ModelInfo  # noqa: E402
from saom_ros import messages  # noqa: E402
from saom_ros.conversions import image_message  # noqa: E402

MODEL = ModelInfo("saom-tiny", str(BUNDLED_MODEL), ("Mug", "Tasse é"), "cpu", "cpu", "", (288, 384), True)


def answer(*, depth: bool) -> Instances:
    rng = np.random.default_rng(3)
    masks = [MaskCrop.from_dense(rng.random((12, 9)) > 0.5, (5 * k, 3 * k)) for k in range(4)]
    masks.append(MaskCrop(0, 0, np.ones((1, 1), np.bool_)))
    found = Instances.from_masks(
        (48, 64),
        masks,
        rng.random(5).astype(np.float32),
        class_ids=np.array([0, 1, -1, 0, 1], np.int32),
        class_names=["Mug", "Tasse é", "", "Mug", "Tasse é"],
        points_xy=rng.random((5, 2)).astype(np.float32),
        stability=rng.random(5).astype(np.float32),
    )
    found = dataclasses.replace(found, track_ids=np.arange(1, 6, dtype=np.int32))
    if not depth:
        return found
    numbers = [rng.random((5, n)).astype(np.float32) for n in (3, 4, 3)]
    numbers[0][2] = np.nan  # one with too little depth
    return dataclasses.replace(
        found,
        centroids_m=numbers[0],
        boxes3d=Boxes3d(*numbers),
        support=Support(
            (Plane((0.0, -1.0, 0.0, 1.5), rng.random((5, 3)).astype(np.float32), 0.5, 0),),
            supported_by=np.array([0, -1, 0, 0, -1], np.int32),
            bottoms_m=np.array([0, np.nan, 0.1, 0.2, np.nan], np.float32),
            tops_m=np.array([0.1, np.nan, 0.2, 0.3, np.nan], np.float32),
            is_surface=np.array([False, True, False, False, False]),
        ),
        distances_m=rng.random(5).astype(np.float32),
        valid_depth_ratio=rng.random(5).astype(np.float32),
    )


@pytest.mark.parametrize("depth", [True, False])
def test_ros_reads_what_the_node_would_have_published(depth: bool) -> None:
    store, found = answer_types(), answer(depth=depth)
    stamp = made(store, "builtin_interfaces/msg/Time", sec=7, nanosec=8)
    header = made(store, "std_msgs/msg/Header", stamp=stamp, frame_id="camera")
    of_ros = Header(frame_id="camera")
    of_ros.stamp.sec, of_ros.stamp.nanosec = 7, 8
    make = partial(made, store)
    raw = store.serialize_cdr(answers.instances_message(make, found, header, MODEL, has_depth=depth), INSTANCES)
    wanted = messages.instances_message(found, of_ros, MODEL, has_depth=depth)
    read = deserialize_message(bytes(raw), InstanceArray)
    assert str(read) == str(wanted), "as text, in which NaN equals NaN"
    picture = answers.image_message(make, found.label_image(), "mono16", header)
    labels = deserialize_message(bytes(store.serialize_cdr(picture, IMAGE)), Image)
    assert str(labels) == str(image_message(found.label_image(), "mono16", of_ros))
