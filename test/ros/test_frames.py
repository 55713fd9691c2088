"""What comes out of the node for frames that come in."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from robot import Robot, camera_info, picture
from saom_ros.msg import InstanceArray, Target
from saom_ros.srv import Segment, Select
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from visualization_msgs.msg import Marker, MarkerArray

from saom_core.geometry.depth import back_project
from saom_core.messages.cameras import camera_from_info
from saom_core.messages.pictures import rgb_from_image
from saom_core.planners import binary_mask
from saom_ros.conversions import image_message
from saom_ros.messages import instances_from_message


@pytest.fixture(scope="module")
def image_rgb() -> np.ndarray:
    return picture()[0]


def label_pixels(message: Image) -> np.ndarray:
    assert message.encoding == "mono16" and not message.is_bigendian
    return np.frombuffer(message.data, "<u2").reshape(message.height, message.width)


def test_one_frame_gives_instances_in_its_own_time_and_frame(running: Robot, image_rgb: np.ndarray) -> None:
    answer = running.answer_to(running.show(image_rgb))
    instances = instances_from_message(answer)  # checks shapes, order of scores, masks inside the image
    assert instances.size_hw == (480, 640) and len(instances) > 0
    assert not answer.has_depth and np.isnan(instances.distances_m).all()
    assert answer.model and len(answer.class_names) > 0
    for item in answer.instances:
        assert item.class_name in answer.class_names or item.class_id == -1
        assert 0 <= item.score <= 1 and item.mask.area == np.sum(item.mask.counts[1::2])


def test_label_image_and_overlay_belong_to_the_instances(running: Robot, image_rgb: np.ndarray) -> None:
    running.listen(label_image=Image, overlay=Image, class_image=Image)
    running.wait_active()
    header = running.show(image_rgb)
    instances = instances_from_message(running.answer_to(header))
    labels = label_pixels(running.answer_to(header, "label_image"))
    np.testing.assert_array_equal(labels, instances.label_image())
    classes = running.answer_to(header, "class_image")
    assert classes.encoding == "mono8" and len(classes.data) == 480 * 640
    drawn = rgb_from_image(running.answer_to(header, "overlay"))
    assert drawn.shape == image_rgb.shape
    changed = (drawn != image_rgb).any(axis=-1)
    assert changed[labels > 0].mean() > 0.9


def test_depth_of_the_same_moment_gives_metres(running: Robot, image_rgb: np.ndarray) -> None:
    depth_mm = picture()[1]
    running.advertise("depth", Image)
    running.listen(points=PointCloud2, markers=MarkerArray)
    running.wait_active()
    for encoding, pixels in (("16UC1", depth_mm), ("32FC1", np.where(depth_mm, depth_mm / 1000, np.nan))):
        header = running.header()
        running.publish("camera_info", camera_info(header))
        running.publish(
            "depth", image_message(pixels.astype(np.uint16 if encoding == "16UC1" else np.float32), encoding, header)
        )
        running.show(image_rgb, header)
        answer = running.answer_to(header)
        assert answer.has_depth
        # camera_info comes over a topic of its own and may be later than the first frame
        if encoding == "32FC1":
            assert np.isfinite([item.centroid.z for item in answer.instances]).any()
        for item, mask in zip(answer.instances, instances_from_message(answer).masks, strict=True):
            depths = depth_mm[mask.window][mask.crop] / 1000.0
            valid = depths[(depths >= 0.1) & (depths <= 10)]
            assert item.valid_depth_ratio == pytest.approx(valid.size / depths.size, abs=1e-5)
            assert not valid.size or item.distance == pytest.approx(np.median(valid), abs=1e-3)
    cloud = running.answer_to(header, "points")
    assert (cloud.height, cloud.width, cloud.row_step) == (480, 640, 640 * cloud.point_step)
    fields = {field.name: field.offset for field in cloud.fields}
    data = np.frombuffer(cloud.data, np.uint8).reshape(480, 640, cloud.point_step)
    z = data[..., fields["z"] : fields["z"] + 4].copy().view("<f4")[..., 0]
    np.testing.assert_allclose(z[depth_mm > 0], depth_mm[depth_mm > 0] / 1000, rtol=1e-5)
    assert np.isnan(z[depth_mm == 0]).all()
    camera = camera_from_info(camera_info(header), (480, 640))
    rows, columns = np.nonzero(depth_mm)
    expected = back_project((depth_mm[rows, columns] / 1000).astype(np.float32), rows, columns, camera)
    for axis, name in enumerate("xyz"):
        values = data[..., fields[name] : fields[name] + 4].copy().view("<f4")[..., 0]
        np.testing.assert_allclose(values[rows, columns], expected[:, axis], rtol=1e-4, atol=1e-6)
    packed = data[..., fields["rgb"] : fields["rgb"] + 4].copy().view("<u4")[..., 0]
    np.testing.assert_array_equal(np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1), image_rgb)
    label = data[..., fields["instance"] : fields["instance"] + 2].copy().view("<u2")[..., 0]
    np.testing.assert_array_equal(label, instances_from_message(answer).label_image())
    markers = running.answer_to(header, "markers").markers
    assert markers[0].action == Marker.DELETEALL
    of_instances = [marker for marker in markers[1:] if marker.ns != "planes"]
    assert of_instances and len(of_instances) % 2 == 0
    assert any(marker.ns == "planes" and marker.points for marker in markers), "the table"


def test_only_the_newest_of_a_burst_is_answered(running: Robot, image_rgb: np.ndarray) -> None:
    running.answer_to(running.show(image_rgb))
    before = int(running.fresh_value("frames_dropped"))
    first_answered = len(running.received["instances"])
    received = int(running.value("frames_received"))
    headers = []
    for _ in range(30):
        headers.append(running.show(image_rgb))
        running.executor.spin_once(timeout_sec=0.02)  # the pace of a camera
    running.answer_to(headers[-1])
    answered = len(running.received["instances"]) - first_answered
    dropped = int(running.fresh_value("frames_dropped")) - before
    received = int(running.value("frames_received")) - received
    assert dropped >= 1 and answered + dropped == received


def test_pictures_of_any_size(running: Robot) -> None:
    rng = np.random.default_rng(0)
    for size_hw in ((1, 1), (3, 1000), (1080, 1920)):
        image = rng.integers(0, 256, (*size_hw, 3), np.uint8)
        answer = running.answer_to(running.show(image))
        assert (answer.height, answer.width) == size_hw
    # larger than a segment of the DDS profile: a service is reliable, a camera's topic would lose it
    image = rng.integers(0, 256, (4320, 7680, 3), np.uint8)
    request = Segment.Request(image=image_message(image, "rgb8", running.header()))
    answer = running.call(Segment, "/saom/segment", request)
    assert answer.success and (answer.instances.height, answer.instances.width) == (4320, 7680)


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"height": 481}, "expected 923520 bytes"),
        ({"step": 1000}, "step of at least 1920"),
        ({"encoding": "rgb9"}, "got 'rgb9'"),
        ({"encoding": "rgb16"}, "step of at least 3840"),
        ({"encoding": "32FC1"}, "depth topic"),
        ({"width": 0}, "got 0x480"),
        ({"width": 0, "height": 0, "step": 0, "data": array("B")}, "got 0x0"),
        ({"data": array("B", bytes(100))}, "got 100"),
    ],
)
def test_a_lying_image_is_reported_and_the_next_one_answered(
    running: Robot, image_rgb: np.ndarray, lie: dict[str, object], reason: str
) -> None:
    liar = image_message(image_rgb, "rgb8", running.header())
    for name, value in lie.items():
        setattr(liar, name, value)
    running.publish("image", liar)
    assert running.until_status(reason).level == b"\x02"
    running.answer_to(running.show(image_rgb))
    running.until(lambda: running.status and reason not in running.status.message, "the trouble to be over")
    assert int(running.fresh_value("frames_failed")) >= 1


def test_byte_order_and_row_padding_change_nothing(running: Robot, image_rgb: np.ndarray) -> None:
    plain = instances_from_message(running.answer_to(running.show(image_rgb)))
    rows = (image_rgb.astype(np.uint16) * 257).astype(">u2").reshape(480, -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, 7)), constant_values=0xA5)
    message = Image(header=running.header(), height=480, width=640, encoding="rgb16", is_bigendian=1)
    message.step, message.data = padded.shape[1], array("B", padded.tobytes())
    running.publish("image", message)
    other = instances_from_message(running.answer_to(message.header))
    np.testing.assert_array_equal(other.label_image(), plain.label_image())


def test_nobody_subscribes_costs_nothing(running: Robot, image_rgb: np.ndarray) -> None:
    running.deaf("instances")
    running.until(lambda: running.fresh_value("state") == "idle: nobody subscribes", "an idle node")
    answered = running.fresh_value("frames_answered")
    for _ in range(3):
        running.show(image_rgb)
    running.until(lambda: running.value("frames_without_subscriber") not in ("", "0"), "frames left unanswered")
    assert running.fresh_value("frames_answered") == answered
    running.listen(instances=InstanceArray)
    running.wait_active()
    running.answer_to(running.show(image_rgb))


def test_segment_answers_in_one_reply(running: Robot, image_rgb: np.ndarray) -> None:
    request = Segment.Request(image=image_message(image_rgb, "rgb8", running.header()))
    request.depth = image_message(picture()[1], "16UC1", request.image.header)
    request.camera_info = camera_info(request.image.header)
    whole = running.call(Segment, "/saom/segment", request)
    assert whole.success and whole.instances.has_depth and whole.instances.header == request.image.header
    labels = label_pixels(whole.label_image)
    np.testing.assert_array_equal(labels, instances_from_message(whole.instances).label_image())
    assert not whole.prompts
    request.image.encoding = "32FC1"
    assert "depth topic" in running.call(Segment, "/saom/segment", request).message


def test_segment_tells_what_is_wrong_with_the_camera_info_of_the_request(running: Robot, image_rgb: np.ndarray) -> None:
    request = Segment.Request(image=image_message(image_rgb, "rgb8", running.header()))
    request.depth = image_message(picture()[1], "16UC1", request.image.header)
    without = running.call(Segment, "/saom/segment", request)
    assert without.success and "no camera_info has come" in without.message
    request.camera_info = camera_info(request.image.header)
    request.camera_info.width = request.camera_info.height = 0
    refused = running.call(Segment, "/saom/segment", request)
    assert not refused.success and "expected the image's size 640x480, got 0x0" in refused.message


def test_segment_leaves_out_classes_of_an_image_that_is_sent(running: Robot, image_rgb: np.ndarray) -> None:
    """As of the camera's; what a point asks for is answered whatever it is."""
    request = Segment.Request(image=image_message(image_rgb, "rgb8", running.header()))
    everything = running.call(Segment, "/saom/segment", request).instances.instances
    name = next(item.class_name for item in everything if item.class_name)
    other = next(item for item in everything if item.class_name != name)
    assert running.set_parameter("classes", f"{name}, Cupp").successful
    try:
        some = running.call(Segment, "/saom/segment", request)
        request.points_xy = list(other.point_xy)
        asked = running.call(Segment, "/saom/segment", request)
    finally:
        assert running.set_parameter("classes", "").successful
    names = [item.class_name for item in everything]
    assert [item.class_name for item in some.instances.instances] == [name] * names.count(name)
    assert "classes: expected some of the model's, got Cupp" in some.message
    assert len(asked.instances.instances) == 1


def test_segment_tells_what_is_wrong_with_the_metres_of_the_cameras_frame(
    running: Robot, image_rgb: np.ndarray
) -> None:
    running.advertise("depth", Image)
    client = running.node.create_client(Segment, "/saom/segment")
    running.until(client.service_is_ready, "the service")
    depth_mm = picture()[1]

    def shown() -> None:
        header = running.header()
        running.publish("depth", image_message(depth_mm[:240].copy(), "16UC1", header))
        running.answer_to(running.show(image_rgb, header))

    answers = [client.call_async(Segment.Request())]
    running.until_a_call_waits()
    shown()
    running.until(answers[0].done, "an answer")
    told = answers[0].result()
    assert told.success and "depth: expected the image's size 640x480, got 640x240" in told.message
    assert "working without depth" in told.message
    answers.append(client.call_async(Segment.Request(points_xy=[320.0, 240.0])))
    running.until_a_call_waits()
    shown()
    running.until(answers[1].done, "an answer")
    assert "got 640x240" in answers[1].result().message
    running.withdraw("depth")


def test_segment_answers_prompts_that_everything_mode_leaves_out(running: Robot, image_rgb: np.ndarray) -> None:
    request = Segment.Request(image=image_message(image_rgb, "rgb8", running.header()))
    request.depth = image_message(picture()[1], "16UC1", request.image.header)
    request.camera_info = camera_info(request.image.header)
    whole = instances_from_message(running.call(Segment, "/saom/segment", request).instances)
    assert running.set_parameter("score_threshold", 1.0).successful
    try:
        assert not running.call(Segment, "/saom/segment", request).instances.instances
        request.points_xy, request.boxes_xyxy = whole.points_xy[:2].ravel().tolist(), whole.boxes_xyxy[0].tolist()
        asked = running.call(Segment, "/saom/segment", request)
    finally:
        assert running.set_parameter("score_threshold", 0.5).successful
    assert asked.success and sorted(asked.prompts) == [0, 1, 2]
    found = instances_from_message(asked.instances)
    np.testing.assert_array_equal(label_pixels(asked.label_image), found.label_image())
    for row, prompt in enumerate(asked.prompts):
        expected = whole.masks[prompt % 2].dense(whole.size_hw)
        mask = found.masks[row].dense(found.size_hw)
        assert (mask & expected).sum() / (mask | expected).sum() > (0.9 if prompt < 2 else 0.5)
    assert np.isfinite(found.distances_m).all()


def test_segment_without_a_usable_frame_says_what_is_wrong_with_it(running: Robot, image_rgb: np.ndarray) -> None:
    client = running.node.create_client(Segment, "/saom/segment")
    running.until(client.service_is_ready, "the service")
    answer = client.call_async(Segment.Request())

    def answered() -> bool:
        liar = image_message(image_rgb, "rgb8", running.header())
        liar.encoding = "rgb9"
        running.publish("image", liar)
        running.executor.spin_once(timeout_sec=0.1)
        return answer.done()

    running.until(answered, "the answer")
    running.node.destroy_client(client)
    assert not answer.result().success and "got 'rgb9'" in answer.result().message
    running.answer_to(running.show(image_rgb))


def test_segment_prompts_the_next_frame_and_knows_its_objects(running: Robot, image_rgb: np.ndarray) -> None:
    first = running.answer_to(running.show(image_rgb)).instances[0]
    client = running.node.create_client(Segment, "/saom/segment")
    running.until(client.service_is_ready, "the service")
    answer = client.call_async(Segment.Request(points_xy=first.point_xy))

    def answered() -> bool:
        running.answer_to(running.show(image_rgb))
        return answer.done()

    running.until(answered, "the answer")
    running.node.destroy_client(client)
    (item,) = answer.result().instances.instances
    assert answer.result().success and item.track_id == first.track_id >= 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"points_xy": [1.0, 480.0]}, "inside the 640x480 image"),
        ({"points_xy": [float("nan"), 4.0]}, "got nan 4"),
        ({"points_xy": [1.0]}, "expected 2 numbers x y"),
        ({"boxes_xyxy": [10.0, 10.0, 5.0, 20.0]}, "x0 < x1"),
        ({"points_xy": [1.0, 1.0] * 101}, "at most 100"),
        ({"points_xy": [9.0, 9.0], "negative_points_xy": [1.0, 1.0]}, "only a SAM checkpoint"),
        ({"points_xy": [9.0, 9.0, 5.0, 5.0], "one_object": True}, "only a SAM checkpoint"),
        ({"depth": image_message(np.zeros((5, 5), np.uint16), "16UC1", Header())}, "got 5x5"),
    ],
)
def test_segment_refuses_what_does_not_fit(
    running: Robot, image_rgb: np.ndarray, wrong: dict[str, object], reason: str
) -> None:
    request = Segment.Request(image=image_message(image_rgb, "rgb8", running.header()))
    for name, value in wrong.items():
        setattr(request, name, value)
    refused = running.call(Segment, "/saom/segment", request)
    assert not refused.success and reason in refused.message
    running.fresh_value("state")
    assert reason not in running.status.message  # the camera is not to blame


def test_segment_without_an_image_waits_for_the_next_frame(running: Robot, image_rgb: np.ndarray) -> None:
    assert running.call(SetBool, "/saom/enable", SetBool.Request(data=False)).success
    assert "paused" in running.call(Segment, "/saom/segment", Segment.Request()).message
    assert running.call(SetBool, "/saom/enable", SetBool.Request(data=True)).success
    client = running.node.create_client(Segment, "/saom/segment")
    running.until(client.service_is_ready, "the service")
    answer, shown = client.call_async(Segment.Request()), []

    def answered() -> bool:  # the frame must come after the request
        shown.append(running.show(image_rgb))
        running.answer_to(shown[-1])
        return answer.done()

    running.until(answered, "the answer")
    assert answer.result().success and answer.result().instances.header in shown
    answer = client.call_async(Segment.Request())
    running.until_a_call_waits()
    assert running.call(SetBool, "/saom/enable", SetBool.Request(data=False)).success
    running.until(answer.done, "an answer")
    assert not answer.result().success and "was paused" in answer.result().message
    assert running.call(SetBool, "/saom/enable", SetBool.Request(data=True)).success
    running.node.destroy_client(client)


def test_a_selected_class_gets_a_mask_of_its_own(running: Robot, image_rgb: np.ndarray) -> None:
    running.listen(target_mask=Image)
    running.wait_active()
    unknown = running.call(Select, "/saom/select", Select.Request(class_name="Unicorn"))
    assert not unknown.success and "Unicorn" in unknown.message
    header = running.show(image_rgb)
    instances = instances_from_message(running.answer_to(header))
    assert not any(running.answer_to(header, "target_mask").data)
    chosen = instances.class_names[-1]
    assert running.call(Select, "/saom/select", Select.Request(class_name=chosen.upper())).success
    header = running.show(image_rgb)
    mask = mono8_pixels(running.answer_to(header, "target_mask"))
    best = instances.class_names.index(chosen)
    np.testing.assert_array_equal(mask, binary_mask(instances, best))
    assert running.call(Select, "/saom/select", Select.Request()).success


def test_objects_keep_their_track_ids_and_can_be_selected_by_them(running: Robot, image_rgb: np.ndarray) -> None:
    def ids() -> list[int]:
        return [item.track_id for item in running.answer_to(running.show(image_rgb)).instances]

    # the robot's stamps lie a second apart, which is just what an object is remembered for
    first = ids()
    assert len(set(first)) == len(first) > 1 and min(first) >= 1
    assert ids() == first
    running.listen(target_mask=Image)
    running.wait_active()
    both = running.call(Select, "/saom/select", Select.Request(class_name="Mug", track_id=1))
    assert not both.success and "give one of them" in both.message
    assert running.call(Select, "/saom/select", Select.Request(track_id=first[-1])).success
    header = running.show(image_rgb)
    instances = instances_from_message(running.answer_to(header))
    mask = mono8_pixels(running.answer_to(header, "target_mask"))
    np.testing.assert_array_equal(mask, binary_mask(instances, len(first) - 1))
    never = running.call(Select, "/saom/select", Select.Request(track_id=2**31 - 1))
    assert not never.success and "no object has had this number yet" in never.message
    mask = mono8_pixels(running.answer_to(running.show(image_rgb), "target_mask"))  # the selection stays as it was
    np.testing.assert_array_equal(mask, binary_mask(instances, len(first) - 1))
    running.listen(target=Target)
    running.wait_active()
    target = running.answer_to(running.show(image_rgb), "target")
    assert target.seen and target.track_id == target.instance[0].track_id == first[-1] and not target.reason
    empty = running.answer_to(running.show(np.zeros_like(image_rgb)), "target")
    assert not empty.seen and empty.selection == f"track {first[-1]}" and "is out of sight" in empty.reason
    running.until_status(f"track {first[-1]} is out of sight", level=b"\x01")
    assert running.answer_to(running.show(image_rgb), "target").seen
    running.until(lambda: running.fresh_value("target") == f"track {first[-1]}: seen", "the target to be seen")
    assert running.call(Select, "/saom/select", Select.Request()).success
    running.deaf("target_mask", "target")
    past = running.header()
    past.stamp.sec = 0
    begun_again = running.answer_to(running.show(image_rgb, past))
    assert not {item.track_id for item in begun_again.instances} & set(first)
    assert running.set_parameter("tracking", False).successful
    assert set(ids()) == {-1}
    assert running.set_parameter("tracking", True).successful


def mono8_pixels(message: Image) -> np.ndarray:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


def test_enable_pauses_and_resumes(running: Robot, image_rgb: np.ndarray) -> None:
    assert running.call(SetBool, "/saom/enable", SetBool.Request(data=False)).success
    before = int(running.fresh_value("frames_received"))
    unanswered = running.show(image_rgb)
    running.until(lambda: int(running.fresh_value("frames_received")) > before, "the frame to come")
    assert running.value("state") == "paused by ~/enable"
    assert running.call(SetBool, "/saom/enable", SetBool.Request(data=True)).success
    running.answer_to(running.show(image_rgb))
    assert unanswered not in [message.header for message in running.received["instances"]]
