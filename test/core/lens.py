"""Lenses written out from their formulas, to test cameras with: points in space -> pixels, no OpenCV."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics

FloatArray = npt.NDArray[np.float64]

LENSES: dict[str, tuple[str, tuple[float, ...]]] = {
    "barrel": ("plumb_bob", (-0.3, 0.09, 0.0, 0.0, 0.0)),
    "plumb bob": ("plumb_bob", (-0.28, 0.07, 0.0012, -0.0008, 0.01)),
    "four coefficients": ("plumb_bob", (0.12, -0.2, 0.0005, 0.001)),
    "rational": ("rational_polynomial", (0.4, -0.1, 0.0004, -0.0002, 0.02, 0.72, -0.03, 0.05)),
    "thin prism": ("rational_polynomial", (-0.2, 0.05, 0.001, 0.002, 0.0, 0, 0, 0, 0.003, -0.001, 0.002, 0.001)),
    "fisheye": ("equidistant", (-0.02, 0.01, -0.004, 0.001)),
}
"""Name -> distortion model of sensor_msgs and its coefficients in OpenCV's order."""


def distorted(xy: FloatArray, model: str, coefficients: tuple[float, ...]) -> FloatArray:
    """Where a lens draws points, (P, 2), of their x / z and y / z, (P, 2); formulas of OpenCV's documentation."""
    x, y = xy.T
    r2 = x**2 + y**2
    if model == "equidistant":
        r = np.sqrt(np.maximum(r2, 1e-24))
        angle = np.arctan(r)
        powers = sum(k * angle ** (2 * n + 2) for n, k in enumerate(coefficients))
        return xy * (angle * (1 + powers) / r)[:, None]
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (*coefficients, *([0.0] * 12))[:12]
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    along = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2) + s1 * r2 + s2 * r2**2
    across = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y + s3 * r2 + s4 * r2**2
    return np.column_stack([along, across])


def project(points_m: FloatArray, camera: CameraIntrinsics) -> FloatArray:
    """Pixels (P, 2) xy of points (P, 3) in the camera's own optical frame."""
    xy = distorted(points_m[:, :2] / points_m[:, 2:], camera.distortion_model, camera.distortion or (0.0,))
    return xy * (camera.fx, camera.fy) + (camera.cx, camera.cy)
