"""Messages as no driver should send them: any value in any field, and true messages with a few lies in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

COLOUR = ("rgb8", "bgr8", "rgba8", "bgra8", "rgb16", "bgr16", "rgba16", "bgra16", "8UC3", "8UC4", "32FC3")
GREY = ("mono8", "mono16", "8UC1", "16UC1", "32FC1", "64FC1", "16SC1")
HALVED = ("nv12", "nv21", "yuv422", "uyvy", "yuyv", "bayer_rggb8", "bayer_bggr16", "bayer_gbrg8", "bayer_grbg16")
ENCODINGS = (*COLOUR, *GREY, *HALVED, "yuv422_yuy2", "jpeg")
FORMATS = (
    *("jpeg", "png", "bayer_rggb8; png compressed ", ""),
    *("16UC1; compressedDepth rvl", "16UC1; compressedDepth png", "32FC1; compressedDepth rvl"),
)
SIZE_HW = (6, 8)

# DDS carries UTF-8 without zeros
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_BITS = {"8": 8, "16": 16, "32": 32, "64": 64}


def of_type(kind: str) -> st.SearchStrategy[Any]:
    """Any value of a field, by the type that its message class names."""
    if kind.startswith("sequence<"):
        element = kind.removeprefix("sequence<").split(",")[0].rstrip(">")
        return st.binary(max_size=200) if element == "uint8" else st.lists(of_type(element), max_size=16)
    if kind.endswith("]"):
        element, count = kind[:-1].split("[")
        return st.lists(of_type(element), min_size=int(count), max_size=int(count))
    if "/" in kind:
        package, name = kind.split("/")
        return of_message(getattr(__import__(f"{package}.msg", fromlist=[name]), name))
    if kind == "string":
        return TEXT
    if kind == "boolean":
        return st.booleans()
    if kind in ("double", "float"):
        numbers = st.floats(width=64 if kind == "double" else 32)
        return st.sampled_from([0.0, 1.0, -1.0, 1e-30, float("nan"), float("inf")]) | numbers
    signed = not kind.startswith("uint")
    bits = _BITS[kind.removeprefix("uint").removeprefix("int")]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(max(low, -4), min(high, 9)) | st.sampled_from([low, high, high // 2]) | st.integers(low, high)


def of_message(kind: type[Any]) -> st.SearchStrategy[Any]:
    """A message with any value in every field."""
    fields = {name: of_type(told) for name, told in kind.get_fields_and_field_types().items()}
    return st.builds(kind, **fields)


@st.composite
def changed(draw: st.DrawFn, true: st.SearchStrategy[Any]) -> Any:
    """A true message of which up to three fields lie."""
    message = draw(true)
    kinds = message.get_fields_and_field_types()
    for name in draw(st.lists(st.sampled_from(sorted(kinds)), max_size=3, unique=True)):
        setattr(message, name, draw(of_type(kinds[name])))
    return message


@st.composite
def true_images(draw: st.DrawFn) -> Image:
    """Images whose sizes fit their data, of random bytes: floats among them are NaN, infinite, or of any size."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    if draw(st.booleans()):
        height, width = SIZE_HW
    encoding = draw(st.sampled_from(ENCODINGS))
    pixel = {"rgb8": 3, "bgr8": 3, "8UC3": 3, "rgb16": 6, "bgr16": 6, "64FC1": 8, "32FC1": 4}.get(encoding)
    pixel = pixel or (8 if "a16" in encoding else 4 if "a8" in encoding or encoding == "8UC4" else 2)
    rows = height * 3 // 2 if encoding.startswith("nv") else height
    step = width * pixel + draw(st.integers(0, 3))
    data = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, rows * step, np.uint8)
    message = Image(height=height, width=width, encoding=encoding, step=step, data=data.tobytes())
    message.header.frame_id = draw(st.sampled_from(["camera", "/camera", "", "other"]))
    message.is_bigendian = draw(st.sampled_from([0, 1]))
    return message


@st.composite
def true_compressed(draw: st.DrawFn) -> CompressedImage:
    """Compressed images with a format that is known, and data that begin as such data do."""
    begins = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", bytes(12), bytes(12) + b"\x06\0\0\0\x08\0\0\0"]
    # the sizes of an RVL image that would not fit into memory
    begins.append(bytes(12) + (32_767).to_bytes(4, "little") * 2)
    data = draw(st.sampled_from(begins)) + draw(st.binary(max_size=64))
    return CompressedImage(format=draw(st.sampled_from(FORMATS)), data=data)


@st.composite
def true_depths(draw: st.DrawFn) -> Image:
    """Depth of a sloping surface, with holes."""
    slope = np.linspace(0.5, draw(st.sampled_from([0.5, 3.0])), SIZE_HW[0] * SIZE_HW[1]).reshape(SIZE_HW)
    slope[:: draw(st.integers(2, 9))] = draw(st.sampled_from([0.0, 0.7]))
    whole = draw(st.booleans())
    pixels = (slope * 1000).astype(np.uint16) if whole else slope.astype(np.float32)
    message = Image(height=SIZE_HW[0], width=SIZE_HW[1], encoding="16UC1" if whole else "32FC1")
    message.step, message.data = pixels.strides[0], pixels.tobytes()
    message.header.frame_id = draw(st.sampled_from(["camera", ""]))
    return message


@st.composite
def true_infos(draw: st.DrawFn) -> CameraInfo:
    """Calibrations of a camera of `SIZE_HW`."""
    model, count = draw(st.sampled_from([("plumb_bob", 5), ("rational_polynomial", 8), ("equidistant", 4), ("", 0)]))
    focal = draw(st.sampled_from([8.0, 8.0, 1e-30, 1e30]))
    info = CameraInfo(height=SIZE_HW[0], width=SIZE_HW[1], distortion_model=model)
    info.k = [focal, 0.0, 4.0, 0.0, focal, 3.0, 0.0, 0.0, 1.0]
    info.d = draw(st.lists(st.sampled_from([0.0, 0.1, -0.3, 50.0]), min_size=count, max_size=count))
    info.header.frame_id = draw(st.sampled_from(["camera", "", "other"]))
    return info


images = of_message(Image) | changed(true_images())
compressed = of_message(CompressedImage) | changed(true_compressed())
raw_depths = true_depths() | changed(true_depths()) | images
depths = raw_depths | compressed
infos = true_infos() | changed(true_infos()) | of_message(CameraInfo)
