"""The same pixels as cv_bridge gives, for every encoding that both know; where cv_bridge is installed."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import Image

from saom_core.messages.pictures import depth_from_image, rgb_from_image

cv_bridge = pytest.importorskip("cv_bridge", reason="cv_bridge is not on PyPI; it is in every ROS")
SHAPES = {
    **dict.fromkeys(("rgb8", "bgr8", "rgb16", "bgr16"), (48, 64, 3)),
    **dict.fromkeys(("rgba8", "bgra8"), (48, 64, 4)),
    **dict.fromkeys(("mono8", "mono16", "bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"), (48, 64)),
    **dict.fromkeys(("bayer_rggb16", "bayer_bggr16", "bayer_gbrg16", "bayer_grbg16"), (48, 64)),
    "yuv422": (48, 64, 2),
}


def message(encoding: str, pixels: np.ndarray) -> Image:
    made = Image(encoding=encoding, height=pixels.shape[0], width=pixels.shape[1], step=pixels[0].nbytes)
    made.data = pixels.tobytes()
    return made


@pytest.mark.parametrize("encoding", SHAPES)
def test_colour(encoding: str) -> None:
    kind = np.uint16 if encoding.endswith("16") else np.uint8
    pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, SHAPES[encoding], kind)
    sent = message(encoding, pixels)
    np.testing.assert_array_equal(rgb_from_image(sent), cv_bridge.CvBridge().imgmsg_to_cv2(sent, "rgb8"))


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "64FC1"])
def test_depth(encoding: str) -> None:
    rng = np.random.default_rng(0)
    metres = rng.uniform(0, 10, (48, 64)).astype("f8" if encoding == "64FC1" else "f4")
    sent = message(encoding, rng.integers(0, 65536, (48, 64), np.uint16) if encoding == "16UC1" else metres)
    theirs = cv_bridge.CvBridge().imgmsg_to_cv2(sent, "passthrough")
    scale = 1000 if encoding == "16UC1" else 1
    np.testing.assert_allclose(depth_from_image(sent), theirs / scale, rtol=1e-6)
