from __future__ import annotations

import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from saom_core.errors import InputError
from saom_core.geometry.depth import Boxes3d
from saom_core.instances import Instances, MaskCrop
from saom_core.messages.pictures import depth_from_image, rgb_from_image
from saom_core.runtime import ModelInfo
from saom_ros.conversions import image_message
from saom_ros.messages import instances_from_message, instances_message, mask_from_message, mask_message

RNG = np.random.default_rng(7)


def raw(pixels: np.ndarray, encoding: str, *, padding: int = 0, big_endian: bool = False) -> Image:
    """A message built row by row, as a camera driver with any step and byte order would send it."""
    order = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = [row.tobytes() + b"\xa5" * padding for row in order]
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, is_bigendian=int(big_endian))
    message.step = len(rows[0])
    message.data = array.array("B", b"".join(rows))
    return message


@pytest.mark.parametrize("padding", [0, 1, 5])
@pytest.mark.parametrize(
    ("encoding", "channels"),
    [("rgb8", "rgb"), ("bgr8", "bgr"), ("8UC3", "bgr"), ("rgba8", "rgba"), ("bgra8", "bgra"), ("8UC4", "bgra")],
)
def test_color_encodings_give_rgb_whatever_the_step(encoding: str, channels: str, padding: int) -> None:
    image_rgb = RNG.integers(0, 256, (7, 5, 3), np.uint8)
    planes = {"r": image_rgb[..., 0], "g": image_rgb[..., 1], "b": image_rgb[..., 2], "a": np.full((7, 5), 9, np.uint8)}
    message = raw(np.stack([planes[channel] for channel in channels], axis=-1), encoding, padding=padding)
    np.testing.assert_array_equal(rgb_from_image(message), image_rgb)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("encoding", ["rgb16", "bgr16", "mono16", "16UC1", "mono8", "8UC1"])
def test_grey_and_16_bit_encodings(encoding: str, big_endian: bool) -> None:
    kind = np.uint16 if "16" in encoding else np.uint8
    shape = (4, 6, 3) if "rgb" in encoding or "bgr" in encoding else (4, 6)
    pixels = RNG.integers(0, np.iinfo(kind).max + 1, shape, kind)
    expected = (np.rint(pixels / 257) if kind is np.uint16 else pixels).astype(np.uint8)
    if expected.ndim == 2:
        expected = np.stack([expected] * 3, axis=-1)
    elif encoding == "bgr16":
        expected = expected[..., ::-1]
    np.testing.assert_array_equal(rgb_from_image(raw(pixels, encoding, padding=3, big_endian=big_endian)), expected)


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuyv", "yuv422_yuy2"])
def test_yuv_encodings_agree_with_the_bt601_formula(encoding: str) -> None:
    luma, u, v = RNG.integers(40, 200, (4, 8)), RNG.integers(90, 160, (4, 4)), RNG.integers(90, 160, (4, 4))
    packed = np.empty((4, 8, 2), np.uint8)
    luma_at = 1 if encoding in ("yuv422", "uyvy") else 0
    packed[..., luma_at] = luma
    packed[:, 0::2, 1 - luma_at], packed[:, 1::2, 1 - luma_at] = u, v
    y, cb, cr = 1.164 * (luma - 16.0), np.repeat(u, 2, axis=1) - 128.0, np.repeat(v, 2, axis=1) - 128.0
    expected = np.stack([y + 1.596 * cr, y - 0.813 * cr - 0.391 * cb, y + 2.018 * cb], axis=-1)
    actual = rgb_from_image(raw(packed, encoding, padding=2))
    assert np.abs(actual - np.clip(expected, 0, 255)).max() <= 2


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_colours_after_the_luma_agree_with_the_bt601_formula(encoding: str) -> None:
    luma, u, v = RNG.integers(40, 200, (4, 8)), RNG.integers(90, 160, (2, 4)), RNG.integers(90, 160, (2, 4))
    pair = (u, v) if encoding == "nv12" else (v, u)
    message = raw(np.vstack([luma, np.stack(pair, axis=-1).reshape(2, 8)]).astype(np.uint8), encoding, padding=3)
    message.height = 4
    cb, cr = (np.repeat(np.repeat(part, 2, axis=0), 2, axis=1) - 128.0 for part in (u, v))
    y = 1.164 * (luma - 16.0)
    expected = np.stack([y + 1.596 * cr, y - 0.813 * cr - 0.391 * cb, y + 2.018 * cb], axis=-1)
    actual = rgb_from_image(message)
    assert actual.shape == (4, 8, 3) and np.abs(actual - np.clip(expected, 0, 255)).max() <= 2
    with pytest.raises(InputError, match="four pixels share a colour"):
        rgb_from_image(Image(height=3, width=8, step=8, encoding=encoding, data=message.data))
    with pytest.raises(InputError, match="expected 66 bytes"):
        message.data = message.data[:-1]
        rgb_from_image(message)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_give_the_flat_color_they_were_made_of(pattern: str, bits: int) -> None:
    color = {"r": 200, "g": 120, "b": 30}
    tile = np.array([color[c] for c in pattern]).reshape(2, 2)
    mosaic = np.tile(tile, (6, 6)) * (1 if bits == 8 else 257)
    message = raw(mosaic.astype(np.uint8 if bits == 8 else np.uint16), f"bayer_{pattern}{bits}")
    np.testing.assert_array_equal(rgb_from_image(message)[2:-2, 2:-2].reshape(-1, 3), [[200, 120, 30]] * 64)


@pytest.mark.parametrize("extension", ["png", "tiff"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_bayer_mosaic_is_the_same_picture_raw_and_losslessly_compressed(
    pattern: str, bits: int, extension: str
) -> None:
    kind = np.uint8 if bits == 8 else np.uint16
    mosaic = RNG.integers(0, np.iinfo(kind).max + 1, (10, 14), kind)
    encoding = f"bayer_{pattern}{bits}"
    data = array.array("B", cv2.imencode(f".{extension}", mosaic)[1].tobytes())
    message = CompressedImage(format=f"{encoding}; {extension} compressed ", data=data)  # as image_transport writes it
    np.testing.assert_array_equal(rgb_from_image(message), rgb_from_image(raw(mosaic, encoding)))
    assert np.ptp(rgb_from_image(message), axis=-1).max() > 0


def test_compressed_bayer_pictures_that_are_no_mosaic_any_more() -> None:
    grey = np.repeat(np.arange(48, dtype=np.uint8)[:, None] * 4, 64, axis=1)
    jpeg = array.array("B", cv2.imencode(".jpg", grey)[1].tobytes())
    picture = rgb_from_image(CompressedImage(format="bayer_rggb8; jpeg compressed mono8", data=jpeg))
    assert np.abs(picture.astype(int) - grey[..., None]).max() <= 4
    image_rgb = RNG.integers(0, 256, (6, 8, 3), np.uint8)
    png = array.array("B", cv2.imencode(".png", image_rgb[..., ::-1])[1].tobytes())
    message = CompressedImage(format="bayer_rggb8; png compressed bgr8", data=png)
    np.testing.assert_array_equal(rgb_from_image(message), image_rgb)
    one = array.array("B", cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes())
    for encoding, reason in (("bayer_rggb8", "at least 2x2"), ("bayer_rrgb8", "expected one of the encodings")):
        with pytest.raises(InputError, match=reason):
            rgb_from_image(CompressedImage(format=f"{encoding}; png compressed ", data=one))


@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_compressed_pictures(extension: str) -> None:
    image_rgb = np.zeros((48, 64, 3), np.uint8)
    image_rgb[:, 32:] = (250, 20, 60)
    data = cv2.imencode(f".{extension}", image_rgb[..., ::-1])[1]
    message = CompressedImage(format=extension, data=array.array("B", data.tobytes()))
    assert np.abs(rgb_from_image(message).astype(int) - image_rgb)[:, [8, 56]].max() <= 4


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0 no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_compressed_data_that_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="expected JPEG or PNG"):
        rgb_from_image(CompressedImage(format="jpeg", data=array.array("B", data)))


@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_in_millimetres_and_metres(big_endian: bool) -> None:
    millimetres = np.array([[0, 1, 1000], [2345, 65535, 700]], np.uint16)
    for encoding in ("16UC1", "mono16"):
        depth_m = depth_from_image(raw(millimetres, encoding, padding=1, big_endian=big_endian))
        np.testing.assert_allclose(depth_m, millimetres / 1000, rtol=1e-6)
        assert depth_m.dtype == np.float32
    metres = np.array([[np.nan, np.inf, 0.0], [1.5, 2.25, -1.0]], np.float32)
    np.testing.assert_array_equal(depth_from_image(raw(metres, "32FC1", padding=3, big_endian=big_endian)), metres)
    doubles = raw(metres.astype(np.float64), "64FC1", padding=5, big_endian=big_endian)
    np.testing.assert_array_equal(depth_from_image(doubles), metres)
    assert depth_from_image(doubles).dtype == np.float32
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(depth_from_image(doubles, 0.001), (metres.astype(np.float64) / 1000).astype("f4"))


def broken(**changes: object) -> Image:
    message = raw(np.zeros((4, 6, 3), np.uint8), "rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"encoding": "rgb9"}, "expected one of the encodings"),
        ({"encoding": "32FC1"}, "depth topic"),
        ({"step": 17}, "step of at least 18"),
        ({"step": 19}, "expected 76 bytes"),
        ({"height": 5}, "expected 90 bytes"),
        ({"height": 0}, "pixels a side, got 6x0"),
        ({"width": 0}, "pixels a side, got 0x4"),
        ({"width": 2**31}, "pixels a side"),
        ({"encoding": "rgba8"}, "step of at least 24"),
        ({"data": array.array("B", b"")}, "got 0"),
        ({"data": array.array("B", bytes(73))}, "got 73"),
    ],
)
def test_lying_images_are_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        rgb_from_image(broken(**changes))


def test_a_color_image_is_no_depth() -> None:
    with pytest.raises(InputError, match="colour topic"):
        depth_from_image(broken())


def test_tiny_and_huge_images() -> None:
    assert rgb_from_image(raw(np.full((1, 1), 3, np.uint8), "mono8")).tolist() == [[[3, 3, 3]]]
    with pytest.raises(InputError, match="even width"):
        rgb_from_image(raw(np.zeros((1, 1, 2), np.uint8), "yuyv"))
    with pytest.raises(InputError, match="at least 2x2"):
        rgb_from_image(raw(np.zeros((1, 1), np.uint8), "bayer_rggb8"))
    big = raw(RNG.integers(0, 256, (4320, 7680), np.uint8), "mono8")
    assert rgb_from_image(big).shape == (4320, 7680, 3)


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "mono16"])
def test_image_messages_come_back_the_same(encoding: str) -> None:
    pixels = RNG.integers(0, 256, (5, 3, 3) if encoding == "rgb8" else (5, 3), np.uint8)
    header = Header(frame_id="camera")
    message = image_message(pixels.astype(np.uint16) if encoding == "mono16" else pixels, encoding, header)
    assert message.header is header and message.step * 5 == len(message.data)
    if encoding == "mono16":
        np.testing.assert_allclose(depth_from_image(message), pixels / 1000, rtol=1e-6)
    else:
        np.testing.assert_array_equal(rgb_from_image(message), np.broadcast_to(pixels.reshape(5, 3, -1), (5, 3, 3)))


def naive_counts(crop: np.ndarray) -> list[int]:
    counts, value = [0], False
    for pixel in crop.ravel():
        if bool(pixel) != value:
            counts.append(0)
            value = not value
        counts[-1] += 1
    return counts


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (13, 17)])
def test_masks_keep_every_pixel(shape: tuple[int, int]) -> None:
    for _ in range(10):
        dense = RNG.random(shape) < 0.5
        dense[0, 0] = True
        mask = MaskCrop.from_dense(dense, (4, 11))
        message = mask_message(mask)
        assert list(message.counts) == naive_counts(mask.crop)
        assert message.area == mask.area
        back = mask_from_message(message)
        assert (back.x, back.y) == (mask.x, mask.y)
        np.testing.assert_array_equal(back.crop, mask.crop)


def test_instances_come_back_the_same_with_and_without_depth() -> None:
    masks = [MaskCrop.from_dense(RNG.random((6, 8)) < 0.6, (k, 2 * k)) for k in range(3)]
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    plain = Instances.from_masks((40, 50), masks, scores, class_names=["Mug", "Bowl", ""])
    turns = RNG.random((3, 4)).astype(np.float32)
    boxes = Boxes3d(RNG.random((3, 3)).astype(np.float32), turns, RNG.random((3, 3)).astype(np.float32))
    located = plain.select([0, 1, 2])
    object.__setattr__(located, "centroids_m", boxes.centers_m + 1)
    object.__setattr__(located, "boxes3d", boxes)
    model = ModelInfo("tiny", "", ("Mug", "Bowl"), "cpu", "auto", "", (384, 512), True)
    for instances, has_depth in ((plain, False), (located, True), (Instances.empty((4, 4)), False)):
        message = instances_message(instances, Header(frame_id="camera"), model, has_depth=has_depth)
        assert [item.label for item in message.instances] == list(range(1, len(instances) + 1))
        back = instances_from_message(message)
        assert back.size_hw == instances.size_hw and back.class_names == instances.class_names
        np.testing.assert_array_equal(back.label_image(), instances.label_image())
        for name in ("boxes_xyxy", "scores", "stability", "points_xy", "touches_border", "distances_m"):
            np.testing.assert_array_equal(getattr(back, name), getattr(instances, name))
        if has_depth:
            np.testing.assert_array_equal(back.centroids_m, instances.centroids_m)
            np.testing.assert_array_equal(back.boxes3d.quaternions_xyzw, boxes.quaternions_xyzw)
