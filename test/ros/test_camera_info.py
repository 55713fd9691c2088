"""camera_info messages: which of their matrices belong to a picture, at any binning and region of interest."""

from __future__ import annotations

import numpy as np
import pytest
from lens import LENSES, project
from sensor_msgs.msg import CameraInfo

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.messages.cameras import CameraOfStream, camera_from_info, kind_of_picture

SIZE_HW = (480, 640)
K = [520.0, 0, 322.3, 0, 515.0, 238.1, 0, 0, 1.0]
P = [454.0, 0, 318.0, 0, 0, 461.0, 236.5, 0, 0, 0, 1.0, 0]


def turn(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


def info_with(lens: str = "plumb bob", degrees: float = 0.0) -> CameraInfo:
    model, coefficients = LENSES[lens]
    info = CameraInfo(height=480, width=640, distortion_model=model, d=list(coefficients), k=K, p=P)
    info.r = turn(degrees).ravel()
    return info


def rectified_pixel(points_m: np.ndarray) -> np.ndarray:
    """image_geometry's project3dToPixel: (u, v, w) = P (x, y, z, 1)."""
    homogeneous = np.column_stack([points_m, np.ones(len(points_m))]) @ np.array(P).reshape(3, 4).T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def drawn(info: CameraInfo, points_m: np.ndarray) -> np.ndarray:
    """Raw pixels of points in the rectified picture's frame: turned back by R, then through the lens of K and D."""
    camera = CameraIntrinsics(K[0], K[4], K[2], K[5], 640, 480, info.distortion_model, tuple(info.d))
    return project(points_m @ np.asarray(info.r).reshape(3, 3), camera)


def points_in_view(count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.column_stack([rng.uniform(-0.4, 0.4, count), rng.uniform(-0.3, 0.3, count), rng.uniform(0.8, 2.5, count)])


def seen_at(camera: CameraIntrinsics, pixels: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """Points of pixels between whole numbers: rays interpolated, times depth."""
    x, y, z = (np.broadcast_to(m, (camera.height, camera.width)) for m in camera.ray_maps)
    rays = []
    for column, row in pixels:
        c, r = int(column), int(row)
        a, b = column - c, row - r
        weights = np.array([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b])
        corners = np.array([[m[i, j] for m in (x, y, z)] for i, j in ((r, c), (r, c + 1), (r + 1, c), (r + 1, c + 1))])
        rays.append(weights @ corners)
    return np.array(rays) * depths[:, None]


@pytest.mark.parametrize("degrees", [0.0, 1.5])
@pytest.mark.parametrize("lens", LENSES)
def test_raw_and_rectified_pictures_of_one_camera_give_the_same_metres(lens: str, degrees: float) -> None:
    info, points = info_with(lens, degrees), points_in_view()
    raw, rectified = drawn(info, points), rectified_pixel(points)
    inside = ((raw > 1) & (raw < (637, 477)) & (rectified > 1) & (rectified < (637, 477))).all(axis=1)
    assert inside.sum() > 100
    points, raw, rectified = points[inside], raw[inside], rectified[inside]
    # a raw picture's depth lies along the camera's own axis, a rectified one's along the turned axis
    own_depths = (points @ turn(degrees))[:, 2]
    of_raw = seen_at(camera_from_info(info, SIZE_HW), raw, own_depths)
    of_rectified = seen_at(camera_from_info(info, SIZE_HW, rectified=True), rectified, points[:, 2])
    np.testing.assert_allclose(of_rectified, points, atol=1e-4)
    np.testing.assert_allclose(of_raw, points, atol=4e-4)


def test_rays_of_rectified_pixels_are_those_of_image_geometry() -> None:
    """projectPixelTo3dRay: x = (u - cx) / fx, y = (v - cy) / fy of P."""
    camera = camera_from_info(info_with(), SIZE_HW, rectified=True)
    rows, columns = np.array([0, 200, 479]), np.array([0, 333, 639])
    expected = np.column_stack([(columns - 318.0) / 454.0, (rows - 236.5) / 461.0, np.ones(3)])
    np.testing.assert_allclose(camera.rays(rows, columns), expected, rtol=1e-6)
    # what reading K alone costs at the border of this camera: the fault that this module was made for
    blind = (639 - 322.3) / 520.0
    assert abs(expected[2, 0] - blind) > 0.08


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("lens", ["plumb bob", "fisheye"])
def test_binning_and_region_of_interest_see_the_same_rays(lens: str, rectified: bool) -> None:
    """Pixel (u, v) of the part lies at (bin_x u + x_offset, bin_y v + y_offset) of the sensor (REP 104)."""
    info = info_with(lens)
    whole = camera_from_info(info, SIZE_HW, rectified=rectified)
    info.binning_x, info.binning_y = 2, 4
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 24, 40, 320, 240
    part = camera_from_info(info, (60, 160), rectified=rectified)
    rows, columns = (axis.ravel() for axis in np.meshgrid(np.arange(60), np.arange(160), indexing="ij"))
    np.testing.assert_allclose(
        part.rays(rows, columns), whole.rays(4 * rows + 40, 2 * columns + 24), atol=1.5e-4, rtol=1e-4
    )
    with pytest.raises(InputError, match="expected the image's size 640x480, got 160x60"):
        camera_from_info(info, SIZE_HW, rectified=rectified)


def test_an_uncalibrated_camera_is_refused() -> None:
    with pytest.raises(InputError, match="calibrate"):
        camera_from_info(CameraInfo(width=640, height=480), SIZE_HW)
    unknown = info_with()
    unknown.distortion_model = "mystery"
    with pytest.raises(InputError, match="camera_info: expected one of the distortion models"):
        camera_from_info(unknown, SIZE_HW)
    assert camera_from_info(unknown, SIZE_HW, rectified=True).is_pinhole  # its rectified picture has no lens
    without_p = info_with()
    without_p.p = [0.0] * 12
    with pytest.raises(InputError, match="rectified: false"):
        camera_from_info(without_p, SIZE_HW, rectified=True)
    without_p.d = []
    assert camera_from_info(without_p, SIZE_HW, rectified=True).fx == K[0]


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/image_rect", True),
        ("/camera/image_rect_color/compressed", True),
        ("/camera/infra1/image_rect_raw", True),
        ("/zed/left/image_rectified", True),
        ("/rect/image", True),
        ("/camera/color/image_raw", False),
        ("/camera/image_raw/compressed", False),
    ],
)
def test_the_topic_tells_what_picture_it_carries(topic: str, rectified: bool) -> None:
    kind = kind_of_picture("auto", topic, info_with())
    assert kind.rectified == rectified and not kind.doubt
    for setting in ("true", "false"):
        assert kind_of_picture(setting, topic, info_with()).rectified == (setting == "true")


@pytest.mark.parametrize("topic", ["/image", "/direct/image", "/camera/rectangle", "/drawing"])
def test_what_cannot_be_known_is_told(topic: str) -> None:
    kind = kind_of_picture("auto", topic, info_with())
    assert not kind.rectified and "set `rectified`" in kind.doubt and topic in kind.doubt
    assert not kind_of_picture("true", topic, info_with()).doubt
    both = CameraInfo(height=480, width=640, k=K, p=[*K[:3], 0, *K[3:6], 0, *K[6:], 0], d=[0.0] * 5)
    assert not kind_of_picture("auto", topic, both).doubt  # the two pictures are the same one
    no_p = CameraInfo(height=480, width=640, k=K)
    assert not kind_of_picture("auto", topic, no_p).doubt  # there is one picture


def test_a_stream_keeps_its_camera_until_a_message_says_something_new() -> None:
    stream, info = CameraOfStream(), info_with()
    first = stream.of(info, SIZE_HW, rectified=False)
    info.header.stamp.sec = 5
    assert stream.of(info, SIZE_HW, rectified=False) is first
    assert stream.of(info, SIZE_HW, rectified=True) is not first
    info.k[0] = 521.0
    assert stream.of(info, SIZE_HW, rectified=False).fx == 521.0
