"""Depth of the plugin compressedDepth: PNG and RVL, 16UC1 and 32FC1, against encoders written from the formats."""

from __future__ import annotations

import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from robot import picture
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from saom_core.errors import InputError
from saom_core.messages.pictures import depth_from_image
from saom_ros.compressed_depth import raw_depth

QUANTA = 100.0, 10.0
"""depth_quantization, depth_max: defaults of the plugin."""


def rvl(pixels: np.ndarray) -> bytes:
    """RVL number by number, as the paper's C code writes it."""
    digits: list[int] = []

    def number(value: int) -> None:
        while True:
            digit, value = value & 7, value >> 3
            digits.append(digit | (8 if value else 0))
            if not value:
                return

    flat, at, before = pixels.ravel().tolist(), 0, 0
    while at < len(flat):
        run = at
        while run < len(flat) and flat[run] == 0:
            run += 1
        number(run - at)
        end = run
        while end < len(flat) and flat[end] != 0:
            end += 1
        number(end - run)
        for value in flat[run:end]:
            difference, before = value - before, value
            number(2 * difference if difference >= 0 else -2 * difference - 1)
        at = end
    digits += [0] * (-len(digits) % 8)
    words = [int("".join(f"{digit:x}" for digit in digits[k : k + 8]), 16) for k in range(0, len(digits), 8)]
    return struct.pack("<ii", pixels.shape[1], pixels.shape[0]) + struct.pack(f"<{len(words)}I", *words)


def packed(pixels: np.ndarray, how: str, quanta: tuple[float, float] = (0.0, 0.0)) -> bytes:
    body = rvl(pixels) if how == "rvl" else cv2.imencode(".png", pixels)[1].tobytes()
    return struct.pack("<iff", 0, *quanta) + body


def message(format_: str, data: bytes) -> CompressedImage:
    return CompressedImage(header=Header(frame_id="optical"), format=format_, data=data)


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    noise = rng.integers(0, 65536, (37, 53)).astype(np.uint16)
    holes = np.where(rng.random((37, 53)) < 0.5, 0, noise).astype(np.uint16)
    return [picture()[1], noise, holes, np.zeros((5, 7), np.uint16), np.ones((1, 1), np.uint16)]


@pytest.mark.parametrize("ending", ["compressedDepth png", "compressedDepth rvl", "compressedDepth"])
def test_millimetres_come_back_bit_by_bit(ending: str) -> None:
    for pixels in pictures():
        sent = message(f"16UC1; {ending}", packed(pixels, ending.rsplit(maxsplit=1)[-1]))
        depth = raw_depth(sent)
        assert depth.encoding == "16UC1" and depth.header == sent.header
        np.testing.assert_array_equal(np.frombuffer(depth.data, "<u2").reshape(depth.height, depth.width), pixels)


@pytest.mark.parametrize("how", ["png", "rvl"])
def test_metres_come_back_as_well_as_they_were_sent(how: str) -> None:
    depth_m = np.where(picture()[1] > 0, picture()[1] / 1000.0, np.nan).astype(np.float32)
    quantization, most = QUANTA
    factor = quantization * (quantization + 1)  # of the plugin: depthQuantA, depthQuantB
    offset = 1 - factor / most
    valid = np.isfinite(depth_m) & (depth_m < most)
    quantised = np.where(valid, factor / np.where(valid, depth_m, 1) + offset, 0).astype(np.uint16)
    back = depth_from_image(
        raw_depth(message(f"32FC1; compressedDepth {how}", packed(quantised, how, (factor, offset))))
    )
    np.testing.assert_array_equal(np.isfinite(back), valid)
    # one step of the inverse is depth * depth / factor metres
    np.testing.assert_array_less(np.abs(back - depth_m)[valid], 1.1 * depth_m[valid] ** 2 / factor + 1e-6)


def test_a_png_of_the_plain_transport_is_taken_too() -> None:
    data = cv2.imencode(".png", picture()[1])[1].tobytes()
    depth = raw_depth(message("16UC1; png compressed ", data))
    np.testing.assert_array_equal(np.frombuffer(depth.data, "<u2").reshape(480, 640), picture()[1])


@pytest.mark.parametrize(
    ("format_", "data", "reason"),
    [
        ("16UC1; jpeg compressed mono16", cv2.imencode(".jpg", np.ones((9, 9), np.uint8))[1].tobytes(), "uint8"),
        ("16UC1; compressedDepth png", b"", "0 bytes"),
        ("16UC1; compressedDepth png", b"x" * 12, "12 bytes"),
        ("16UC1; compressedDepth png", packed(picture()[1], "png")[:500], "nothing that decodes"),
        ("16UC1; compressedDepth rvl", packed(picture()[1], "rvl")[:500], "RVL"),
        ("16UC1; compressedDepth rvl", struct.pack("<iffii", 0, 0, 0, 10**9, 10**9), "RVL"),
        ("16UC1; compressedDepth rvl", struct.pack("<iffii", 0, 0, 0, -1, 4) + b"x" * 40, "RVL"),
        ("16UC1; compressedDepth rvl", struct.pack("<iffii", 0, 0, 0, 4, 4) + b"\xff" * 40, "RVL"),
        ("8UC1; compressedDepth png", packed(picture()[1], "png"), "expected 16UC1 or 32FC1"),
        ("", b"", "nothing that decodes"),
    ],
)
def test_what_is_no_depth_is_refused(format_: str, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        raw_depth(message(format_, data))


def test_a_few_bytes_do_not_fill_the_memory() -> None:
    side = 32_767
    digits = []
    for number in (side * side, 0):  # all of it invalid, which takes two numbers
        octal = f"{number:o}"[::-1]
        digits += [int(digit) | (8 if k + 1 < len(octal) else 0) for k, digit in enumerate(octal)]
    words = [digits[k : k + 8] + [0] * (8 - len(digits[k : k + 8])) for k in range(0, len(digits), 8)]
    packed = np.array([sum(d << (28 - 4 * k) for k, d in enumerate(word)) for word in words], "<u4").tobytes()
    data = bytes(12) + np.array([side, side], "<i4").tobytes() + packed
    tracemalloc.start()
    with pytest.raises(InputError, match="do not decode"):
        raw_depth(message("16UC1; compressedDepth rvl", data))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize("seed", range(20))
def test_damaged_rvl_never_crashes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(packed(pictures()[2], "rvl"))
    for position in rng.integers(20, len(data), 5):
        data[position] = int(rng.integers(0, 256))
    try:
        depth = raw_depth(message("16UC1; compressedDepth rvl", bytes(data)))
    except InputError:
        return
    assert (depth.height, depth.width) == (37, 53)
