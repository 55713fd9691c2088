"""Depth and camera_info that do not belong to a picture: which, why, and what to do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from robot import camera_info, picture
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_core.config import SaomConfig
from saom_core.geometry.depth import Boxes3d
from saom_core.instances import Instances, MaskCrop
from saom_core.places.rigid import RigidTransform
from saom_core.runtime import ModelInfo
from saom_ros.answer import Answer
from saom_ros.conversions import image_message
from saom_ros.metric_inputs import SIZES, Geometry, MetricInputs, SteadyTroubles, Trouble
from saom_ros.parameters import NodeConfig

HEADER = Header(frame_id="camera_color")
SIZE_HW = (480, 640)
SCENE_MM = picture()[1]


def depth_message(pixels: np.ndarray, frame_id: str = "camera_color") -> Image:
    encoding = "16UC1" if pixels.dtype == np.uint16 else "32FC1"
    return image_message(pixels, encoding, Header(frame_id=frame_id))


def judged(depth: Image | None, info_frame: str = "camera_color", **options: object) -> Geometry:
    info = camera_info(Header(frame_id=info_frame))
    node = dataclasses.replace(NodeConfig(), **options)
    return MetricInputs("/camera/image_raw").of(HEADER, SIZE_HW, (depth, info), SaomConfig(), node)


def test_what_fits_is_used() -> None:
    for frame_id in ("camera_color", "/camera_color", ""):
        geometry = judged(depth_message(SCENE_MM, frame_id), frame_id)
        assert geometry.depth_m is not None and geometry.camera is not None and not geometry.troubles
        np.testing.assert_allclose(geometry.depth_m, SCENE_MM / 1000, rtol=1e-6)


def test_the_camera_is_known_without_depth_and_what_is_wrong_with_it_is_told_only_with_depth() -> None:
    alone, bad = judged(None), judged(None, "camera_infra")
    assert alone.camera is not None and alone.camera.fx == camera_info(HEADER).k[0]
    assert alone == Geometry(None, alone.camera) and bad == Geometry(None, None)
    useless = judged(depth_message(np.zeros(SIZE_HW, np.uint16)), "camera_infra")
    assert [trouble.name for trouble in useless.troubles] == ["depth"]
    assert judged(depth_message(np.zeros(SIZE_HW, np.uint16))).camera == alone.camera
    inputs = MetricInputs("/camera/image_raw")
    assert inputs.of(HEADER, SIZE_HW, (None, None), SaomConfig(), NodeConfig()) == Geometry(None, None)


def test_depth_of_another_frame_is_left_out() -> None:
    geometry = judged(depth_message(SCENE_MM, "camera_depth"))
    assert geometry.depth_m is None and [trouble.name for trouble in geometry.troubles] == ["depth"]
    text = str(geometry.troubles[0])
    assert "expected the image's frame_id 'camera_color', got 'camera_depth'" in text
    assert "aligns to colour" in text and "check_frames" in text and text.endswith("working without depth")
    forced = judged(depth_message(SCENE_MM, "camera_depth"), check_frames=False)
    assert forced.depth_m is not None and not forced.troubles


def test_camera_info_of_another_frame_gives_no_positions() -> None:
    geometry = judged(depth_message(SCENE_MM), "camera_infra")
    assert geometry.depth_m is not None and geometry.camera is None
    assert "got 'camera_infra'" in str(geometry.troubles[0]) and geometry.troubles[0].name == "camera_info"


@pytest.mark.parametrize(
    ("pixels", "words", "used"),
    [
        (SCENE_MM.astype(np.float32), "set depth_scale to 0.001 (now 1)", False),
        ((SCENE_MM * 11.0).clip(0, 65535).astype(np.uint16), "set depth_scale to 0.0001 (now 0.001)", True),
        (np.zeros(SIZE_HW, np.uint16), "307200 0", False),
        (np.full(SIZE_HW, np.nan, np.float32), "307200 NaN", False),
        (-SCENE_MM.astype(np.float32) / 1000, "negative", False),
    ],
)
def test_depth_of_nonsense_is_told(pixels: np.ndarray, words: str, used: bool) -> None:
    geometry = judged(depth_message(pixels))
    assert (geometry.depth_m is not None) == used
    assert words in str(geometry.troubles[0])
    assert ("working without depth" in str(geometry.troubles[0])) != used


def test_depth_scale_mends_the_unit() -> None:
    for pixels, scale in ((SCENE_MM.astype(np.float32), 0.001), ((SCENE_MM * 10.0).astype(np.uint16), 0.0001)):
        geometry = judged(depth_message(pixels), depth_scale=scale)
        assert geometry.depth_m is not None and not geometry.troubles
        np.testing.assert_allclose(geometry.depth_m, SCENE_MM / 1000, atol=1e-3)


def test_a_trouble_keeps_its_words_while_it_lasts() -> None:
    """Numbers change with every frame; the log must not repeat itself for that."""
    troubles = SteadyTroubles()
    first, second = (Trouble("depth", "too far", f"a median of {median} m") for median in (800, 801))
    other = Trouble("depth", "nothing measured", "no pixel")
    assert troubles.of_frame([first])["depth"] is first
    assert troubles.of_frame([second])["depth"] is first
    assert troubles.of_frame([other])["depth"] is other
    assert troubles.of_frame([])["depth"] is None
    assert troubles.of_frame([second])["depth"] is second


def of_size(longest_m: float) -> Instances:
    masks = [MaskCrop(k, 0, np.ones((1, 1), bool)) for k in range(4)]
    sizes = np.full((4, 3), longest_m, np.float32)
    plain = Instances.from_masks((4, 4), masks, np.ones(4, np.float32))
    return dataclasses.replace(plain, boxes3d=Boxes3d(sizes, np.zeros((4, 4), np.float32), sizes))


def test_sizes_are_told_when_several_answers_agree() -> None:
    troubles, geometry = SteadyTroubles(), Geometry(None, None, depth_scale=0.001)

    def told(longest_m: float, **options: object) -> Trouble | None:
        return troubles.of_answer(of_size(longest_m), geometry, dataclasses.replace(NodeConfig(), **options))

    assert [told(2.0) is None for _ in range(5)] == [True] * 4 + [False]
    trouble = told(2.1)
    assert trouble is not None and trouble.name == SIZES and "2.0 m" in trouble.text
    assert told(0.2) is trouble  # one answer that says otherwise ends nothing
    assert [told(0.2) is None for _ in range(5)][-1]
    assert all(told(2.0, depth_scale=0.001) is None for _ in range(6))  # the unit was set by hand


def test_has_depth_needs_a_valid_pixel() -> None:
    def answer(depth_m: np.ndarray | None, ratios: list[float]) -> Answer:
        masks = [MaskCrop(k, 0, np.ones((1, 1), bool)) for k in range(len(ratios))]
        found = Instances.from_masks((4, 4), masks, np.ones(len(ratios), np.float32))
        found = dataclasses.replace(found, valid_depth_ratio=np.array(ratios, np.float32))
        model = ModelInfo("tiny", "", (), "cpu", "auto", "", (384, 512), True)
        return Answer(HEADER, np.zeros((4, 4, 3), np.uint8), depth_m, None, found, model)

    ones, nothing = np.ones((4, 4), np.float32), np.full((4, 4), np.nan, np.float32)
    assert not answer(None, [np.nan]).has_depth
    assert not answer(ones, [0.0, 0.0]).has_depth  # depth, but on none of the objects
    assert answer(ones, [0.0, 0.1]).has_depth
    assert answer(ones, []).has_depth and not answer(nothing, []).has_depth


class Between:
    """A stand-in for tf: the depth camera stands 5 cm to the left of the colour camera."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def transform(self, target_frame: str, header: Header, timeout_s: float, asker: str) -> RigidTransform:
        self.asked.append((target_frame, header.frame_id))
        return RigidTransform(np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.05, 0.0, 0.0]))


def own_camera(scale: float, frame_id: str) -> CameraInfo:
    info = camera_info(Header(frame_id=frame_id))
    info.width, info.height = int(640 * scale), int(480 * scale)
    info.k = [value * scale for value in info.k]
    info.k[8] = 1.0
    return info


def registered(
    pixels: np.ndarray, info: CameraInfo | None, depth_info: CameraInfo, frames: Between | None, **options: object
) -> Geometry:
    inputs = MetricInputs("/camera/image_raw", "/camera/depth/image_raw", frames)  # type: ignore[arg-type]
    node, depth = dataclasses.replace(NodeConfig(), **options), depth_message(pixels, depth_info.header.frame_id)
    return inputs.of(HEADER, SIZE_HW, (depth, info), SaomConfig(), node, depth_info)


def test_depth_of_another_camera_is_registered_by_both_camera_infos_and_tf() -> None:
    flat = np.full((240, 320), 1000, np.uint16)
    flat[100:140, 150:170] = 800
    tf, info = Between(), camera_info(Header(frame_id="camera_color"))
    geometry = registered(flat, info, own_camera(0.5, "camera_depth"), tf)
    assert tf.asked == [("camera_color", "camera_depth")] and not geometry.troubles
    assert geometry.depth_m is not None and geometry.depth_m.shape == SIZE_HW
    rows, columns = np.nonzero(np.isclose(geometry.depth_m, 0.8))
    shift = 0.05 / 0.8 * info.k[0]  # pixels to the right, as the depth camera stands to the left
    assert columns.min() == pytest.approx(300 + shift, abs=1.5) and rows.min() == pytest.approx(200, abs=1.5)
    assert columns.max() == pytest.approx(339 + shift, abs=1.5) and rows.max() == pytest.approx(279, abs=1.5)


def test_depth_of_the_same_frame_needs_no_tf_and_aligned_depth_nothing() -> None:
    info = camera_info(Header(frame_id="camera_color"))
    half = registered(np.full((240, 320), 900, np.uint16), info, own_camera(0.5, "camera_color"), None)
    assert half.depth_m is not None and half.depth_m.shape == SIZE_HW and (half.depth_m > 0).mean() > 0.99
    aligned = registered(SCENE_MM, info, own_camera(1.0, "camera_color"), None)
    assert aligned.depth_m is not None
    np.testing.assert_allclose(aligned.depth_m, SCENE_MM / 1000, rtol=1e-6)


@pytest.mark.parametrize("frame_id", ["camera_color", ""])
def test_depth_of_the_same_size_and_frame_but_another_lens_is_registered(frame_id: str) -> None:
    """Simulators give both cameras one frame_id: colour of f = 600 beside depth of f = 380 that sees much more."""
    color, depth = (camera_info(Header(frame_id=frame_id)) for _ in range(2))
    for info, focal_px in ((color, 600.0), (depth, 380.0)):
        info.k = [focal_px, 0.0, 319.5, 0.0, focal_px, 239.5, 0.0, 0.0, 1.0]
    pixels = np.full(SIZE_HW, 2000, np.uint16)
    pixels[220:260, 480:531] = 1000
    inputs = MetricInputs("/camera/image_raw", "/camera/depth/image_raw")
    message = depth_message(pixels, frame_id)
    args = Header(frame_id=frame_id), SIZE_HW, (message, color), SaomConfig(), NodeConfig()
    geometry = inputs.of(*args, depth)
    assert geometry.depth_m is not None and not geometry.troubles
    columns = np.nonzero(np.isclose(geometry.depth_m, 1.0))[1]
    # a ray through column u of depth meets colour at 319.5 + 600 / 380 * (u - 319.5)
    assert columns.min() == pytest.approx(573, abs=1) and columns.max() == 639
    depth.k = [600.2, 0.0, 319.4, 0.0, 600.2, 239.5, 0.0, 0.0, 1.0]  # rounded numbers of the colour camera
    for info in (depth, None):
        aligned = inputs.of(*args, info).depth_m
        assert aligned is not None
        np.testing.assert_allclose(aligned, pixels / 1000, rtol=1e-6)


def test_aligned_depth_is_of_the_pictures_kind_where_its_topic_does_not_tell() -> None:
    """K with D is of the raw picture, P of the rectified one; depth that is aligned comes with the colour's numbers."""
    info = camera_info(Header(frame_id="camera_color"))
    info.distortion_model, info.d = "plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.0]
    info.p = [500.0, 0.0, 319.5, 0.0, 0.0, 500.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    for color_topic, depth_topic, same in (
        ("/camera/image_raw", "/camera/depth", True),
        ("/camera/image_rect", "/camera/depth", True),
        ("/camera/image_raw", "/depth/image_raw", True),
        ("/camera/image_rect", "/depth/image_raw", False),
    ):
        inputs = MetricInputs(color_topic, depth_topic)
        depth_m = inputs.of(HEADER, SIZE_HW, (depth_message(SCENE_MM), info), SaomConfig(), NodeConfig(), info).depth_m
        assert depth_m is not None
        assert np.array_equal(depth_m, (SCENE_MM / 1000).astype(np.float32)) == same


def test_the_parameter_is_of_the_pictures_and_of_depth_whose_topic_does_not_tell() -> None:
    """Depth on a topic that says raw keeps its lens, and on one that says rect has none, whatever pictures are."""
    info = camera_info(Header(frame_id="camera_color"))
    lens = camera_info(Header(frame_id="camera_depth"))
    lens.distortion_model, lens.d = "plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.0]
    lens.p = [500.0, 0.0, 319.5, 0.0, 0.0, 500.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]

    def depth_by(depth_topic: str, rectified: str) -> np.ndarray:
        inputs = MetricInputs("/camera/color", depth_topic, Between())  # type: ignore[arg-type]
        node = dataclasses.replace(NodeConfig(), rectified=rectified)
        geometry = inputs.of(HEADER, SIZE_HW, (depth_message(SCENE_MM, "camera_depth"), info), SaomConfig(), node, lens)
        assert geometry.depth_m is not None
        return geometry.depth_m

    raw, rectified = depth_by("/camera/depth", "false"), depth_by("/camera/depth", "true")
    assert not np.array_equal(raw, rectified), "so the test can fail"
    for setting in ("auto", "true", "false"):
        np.testing.assert_array_equal(depth_by("/depth/image_raw", setting), raw)
        np.testing.assert_array_equal(depth_by("/depth/image_rect_raw", setting), rectified)


def test_the_camera_info_of_another_camera_is_none_of_the_depths() -> None:
    """The colour's given by mistake: it has the size of the depth, and all would be seen at other places."""
    info = camera_info(Header(frame_id="camera_color"))
    inputs = MetricInputs("/camera/image_raw", "/camera/depth/image_raw", Between())  # type: ignore[arg-type]
    args = HEADER, SIZE_HW, (depth_message(SCENE_MM, "camera_depth"), info), SaomConfig()
    geometry = inputs.of(*args, NodeConfig(), info)
    assert geometry.depth_m is None and [trouble.name for trouble in geometry.troubles] == ["depth"]
    text = str(geometry.troubles[0])
    assert "expected the frame_id of the depth, 'camera_depth', got 'camera_color'" in text and "check_frames" in text
    assert inputs.of(*args, dataclasses.replace(NodeConfig(), check_frames=False), info).depth_m is not None


def test_without_the_colour_cameras_numbers_size_and_frame_tell_that_depth_is_aligned() -> None:
    geometry = registered(SCENE_MM, None, own_camera(1.0, "camera_color"), None)
    assert geometry.depth_m is not None and geometry.camera is None
    np.testing.assert_allclose(geometry.depth_m, SCENE_MM / 1000, rtol=1e-6)


def test_what_registration_misses_is_told() -> None:
    flat, info = np.full((240, 320), 900, np.uint16), camera_info(Header(frame_id="camera_color"))
    for given, depth_info, frames, told in (
        (info, own_camera(0.5, "camera_depth"), None, "expected tf2_ros"),
        (None, own_camera(0.5, "camera_depth"), Between(), "needs the camera_info of the colour camera"),
        (info, own_camera(0.25, "camera_depth"), Between(), "expected the image's size 320x240, got 160x120"),
    ):
        geometry = registered(flat, given, depth_info, frames)
        assert geometry.depth_m is None and (geometry.camera is None) == (given is None)
        assert told in " ".join(map(str, geometry.troubles))
