"""What is published names the classes of the model at hand, however many they are, taught ones included."""

from __future__ import annotations

import numpy as np
import pytest
from std_msgs.msg import Header

from saom_core.camera import CameraIntrinsics
from saom_core.instances import Instances, MaskCrop
from saom_core.model_file.taught import TaughtClass
from saom_core.runtime import ModelInfo
from saom_ros.answer import Answer
from saom_ros.clouds import POINT_FIELDS, points
from saom_ros.outputs import class_image, instance_array, target_mask
from saom_ros.target import TargetInFrame
from saom_ros.vision import label_info, vision_msgs

SIZE = (4, 6)


def answer(count: int) -> Answer:
    """One instance of the last class, which was taught, and one of no class."""
    names = (*(f"part_{k}" for k in range(count - 1)), "mug_blue")
    taught = (TaughtClass("mug_blue", np.ones(1, np.float32), 0.5, {}),)
    model = ModelInfo("mine", "", names, "cpu", "cpu", "", SIZE, False, taught=taught)
    masks = [np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)]
    masks[0][1, 1:3], masks[1][3, 4] = True, True
    instances = Instances.from_masks(
        SIZE,
        [MaskCrop.from_dense(mask) for mask in masks],
        np.array([0.9, 0.8], np.float32),
        class_ids=np.array([count - 1, -1], np.int32),
        class_names=["mug_blue", ""],
    )
    depth, camera = np.ones(SIZE, np.float32), CameraIntrinsics(5, 5, 3, 2, SIZE[1], SIZE[0])
    image = np.zeros((*SIZE, 3), np.uint8)
    return Answer(Header(), image, depth, camera, instances, model, target=TargetInFrame("mug_blue", 0))


@pytest.mark.parametrize(("count", "encoding"), [(2, "mono8"), (254, "mono8"), (255, "mono16"), (1203, "mono16")])
def test_class_image_and_points_hold_every_class(count: int, encoding: str) -> None:
    message = class_image(answer(count))
    assert message.encoding == encoding
    pixels = np.frombuffer(message.data, np.uint8 if encoding == "mono8" else np.uint16).reshape(SIZE)
    unknown = np.iinfo(pixels.dtype).max
    expected = np.zeros(SIZE, int)
    expected[1, 1:3], expected[3, 4] = count, unknown
    np.testing.assert_array_equal(pixels, expected)
    cloud = points(answer(count))
    assert cloud is not None
    np.testing.assert_array_equal(np.frombuffer(cloud.data, POINT_FIELDS)["class"].reshape(SIZE), expected)


def test_taught_classes_are_named_everywhere() -> None:
    array = instance_array(answer(3))
    assert array.class_names == ["part_0", "part_1", "mug_blue"]
    assert (array.instances[0].class_id, array.instances[0].class_name) == (2, "mug_blue")
    assert sum(target_mask(answer(3)).data) == 2 * 255
    if vision_msgs is not None:
        names = label_info(answer(3).model)
        assert [(entry.class_id, entry.class_name) for entry in names.class_map][-1] == (3, "mug_blue")
