"""What a real RGB-D camera makes of a perfect picture and a perfect depth image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

LINEAR = (np.arange(256, dtype=np.float32) / 255) ** np.float32(2.2)  # display value -> light
DISPLAY = np.linspace(0, 1, 8192, dtype=np.float32) ** np.float32(1 / 2.2)  # light -> display value
FloatImage = np.ndarray
"""(H, W) or (H, W, 3) float32."""


def sense_color(image_rgb: np.ndarray, rng: np.random.Generator, *, bayer: bool = False) -> np.ndarray:
    """Lens, auto-exposure, white balance, noise and JPEG, each of random strength.

    Args:
        image_rgb: (H, W, 3) uint8, as rendered.
        rng: Source of all randomness.
        bayer: Whether each pixel measures one colour, and its neighbours give the others.

    Returns:
        (H, W, 3) uint8.
    """
    image = LINEAR[image_rgb]
    image *= _exposure(image, rng)
    image *= np.clip(1 + rng.normal(0, 0.07, 3), 0.75, 1.3).astype(np.float32)
    if rng.random() < 0.5:
        image *= _vignette(image.shape[:2], float(rng.uniform(0, 0.45)))[..., None]
    image = _blur(image, rng)
    image += _grain(image, rng)
    if bayer:
        image = _demosaicked(image)
    image = DISPLAY[(np.clip(image, 0, 1) * (len(DISPLAY) - 1)).astype(np.uint16)]
    if rng.random() < 0.5:  # the camera's own contrast and saturation
        grey = image.mean(2, keepdims=True)
        image = grey + (image - grey) * np.float32(rng.uniform(0.55, 1.35))
        image = (image - 0.5) * np.float32(rng.uniform(0.8, 1.2)) + np.float32(0.5 + rng.normal(0, 0.03))
    result = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.5:
        _, packed = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 97))])
        result = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return result


def _demosaicked(linear: FloatImage) -> FloatImage:
    """What is left of the light after a Bayer pattern (red first): soft details, edges with fringes of colour."""
    counts = (np.clip(linear, 0, 1) * 65535).astype(np.uint16)
    raw = counts[..., 1].copy()
    raw[::2, ::2], raw[1::2, 1::2] = counts[::2, ::2, 0], counts[1::2, 1::2, 2]
    return cv2.cvtColor(raw, cv2.COLOR_BayerRGGB2RGB).astype(np.float32) / 65535


def _exposure(linear: FloatImage, rng: np.random.Generator) -> np.float32:
    """Gain that brings the mean (in display values) to where a camera's automatic would, more or less."""
    mean = float((linear.mean(2) ** (1 / 2.2)).mean())
    wanted = float(np.clip(rng.normal(0.47, 0.09), 0.24, 0.72))
    return np.float32(np.clip((wanted / max(mean, 0.02)) ** 2.2, 0.3, 25))


def _vignette(size_hw: tuple[int, int], strength: float) -> FloatImage:
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in size_hw)
    return 1 - strength * (x[None] ** 2 + y[:, None] ** 2) / 2


def _blur(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Motion (15 %) or focus (35 %)."""
    draw = rng.random()
    if draw < 0.15:
        length = int(rng.integers(2, 8))
        kernel = np.zeros((length * 2 + 1,) * 2, np.float32)
        reach = length * np.array([np.cos(angle := rng.uniform(0, np.pi)), np.sin(angle)]) / 2
        start, end = ((length + sign * reach).round().astype(int) for sign in (-1, 1))
        cv2.line(kernel, tuple(start.tolist()), tuple(end.tolist()), 1.0)
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    if draw < 0.5:
        return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)))
    return image


def _grain(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Read noise, and shot noise that grows with the root of the light."""
    read, shot = float(rng.uniform(0, 0.006)), float(rng.uniform(0, 0.03)) * float(rng.random() < 0.7)
    shape = image.shape if rng.random() < 0.6 else (*image.shape[:2], 1)
    return _normal(shape, rng) * (read + shot * np.sqrt(np.clip(image, 0, 1)))


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Standard normal noise, a stretch of a long fixed one: drawing it afresh would take most of the sensor's time."""
    count = int(np.prod(shape))
    pool = _normal_pool(1 << max(20, (2 * count).bit_length()))
    start = int(rng.integers(len(pool) - count))
    return pool[start : start + count].reshape(shape)


@cache
def _normal_pool(size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(size, dtype=np.float32)


@dataclass(frozen=True)
class DepthCamera:
    """One depth camera's character; metres and pixels."""

    perfect: bool
    baseline_m: float  # projector or second camera to the right (+) or left (-); 0: time of flight
    noise_per_m2: float  # standard deviation at 1 m
    step_per_m2: float  # quantisation at 1 m
    range_m: tuple[float, float]
    edge_px: float  # jitter of edges
    shift_px: tuple[float, float]  # misalignment to the colour picture
    border_px: tuple[int, int, int, int]  # invalid bands: top, bottom, left, right
    hole_gain: float


def random_depth_camera(rng: np.random.Generator, size_hw: tuple[int, int]) -> DepthCamera:
    """Structured light (most), stereo or time of flight; one in ten is perfect."""
    height, width = size_hw
    scale = width / 320
    border = [0, 0, 0, 0]
    if rng.random() < 0.4:
        for side in range(4):
            if rng.random() < 0.4:
                border[side] = int(rng.uniform(0, 0.09) * (height if side < 2 else width))
    far = float(rng.choice([rng.uniform(1.8, 4.5), rng.uniform(4, 10)], p=[0.6, 0.4]))
    return DepthCamera(
        perfect=bool(rng.random() < 0.1),
        baseline_m=float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.1)) if rng.random() < 0.8 else 0.0,
        noise_per_m2=float(rng.uniform(0.0003, 0.0035)),
        step_per_m2=float(rng.choice([0.0, rng.uniform(0.0005, 0.0035)])),
        range_m=(float(rng.uniform(0.2, 0.5)), far),
        edge_px=float(rng.uniform(0, 1.3)) * scale,
        shift_px=(float(rng.normal(0, 0.7)) * scale, float(rng.normal(0, 0.5)) * scale),
        border_px=(border[0], border[1], border[2], border[3]),
        hole_gain=float(rng.uniform(0, 1.5)),
    )


def sense_depth(
    depth_m: np.ndarray, hole_rate: np.ndarray, focal_px: float, camera: DepthCamera, rng: np.random.Generator
) -> np.ndarray:
    """Measured depth.

    Args:
        depth_m: (H, W) float32, true depth along the axis, metres.
        hole_rate: (H, W) float32, 0..1, chance that a surface gives no measurement.
        focal_px: Focal length in pixels.
        camera: What camera it is.
        rng: Source of all randomness.

    Returns:
        (H, W) float32 metres, 0 where nothing was measured.
    """
    if camera.perfect:
        return depth_m.astype(np.float32)
    valid = (depth_m > camera.range_m[0]) & (depth_m < camera.range_m[1])
    valid &= ~_steep(depth_m, focal_px, float(rng.uniform(78, 88)))
    valid &= _blobs(depth_m.shape, rng) >= np.clip(hole_rate * camera.hole_gain, 0, 1)
    if camera.baseline_m:
        valid &= ~shadow(depth_m, focal_px, camera.baseline_m)
    depth = _moved(np.where(valid, depth_m, 0).astype(np.float32), camera, rng)
    spread = camera.noise_per_m2 * depth**2
    rough = cv2.resize(
        rng.standard_normal((depth.shape[0] // 3 + 1, depth.shape[1] // 3 + 1), dtype=np.float32), depth.shape[::-1]
    )
    noisy = depth + spread * (0.8 * rough + 0.6 * _normal(depth.shape, rng))
    if camera.step_per_m2:
        step = np.maximum(camera.step_per_m2 * noisy**2, 1e-4)
        noisy = np.round(noisy / step) * step
    noisy[depth == 0] = 0
    top, bottom, left, right = camera.border_px
    height, width = depth.shape
    noisy[:top], noisy[height - bottom :], noisy[:, :left], noisy[:, width - right :] = 0, 0, 0, 0
    return np.maximum(noisy, 0).astype(np.float32)


def shadow(depth_m: np.ndarray, focal_px: float, baseline_m: float) -> np.ndarray:
    """(H, W) bool: what the camera sees but a projector `baseline_m` to its right does not reach.

    Seen from the projector a pixel lies at x - f b / z. Where something to its right comes to lie left of it there, it
    is in front of it (the ordering constraint of stereo; for thin things it takes the shadow a little too wide).
    """
    if baseline_m < 0:
        return shadow(depth_m[:, ::-1], focal_px, -baseline_m)[:, ::-1]
    columns = np.arange(depth_m.shape[1], dtype=np.float32)
    seen_at = columns - np.float32(focal_px * baseline_m) / np.maximum(depth_m, 0.1)
    leftmost = np.minimum.accumulate(seen_at[:, ::-1], axis=1)[:, ::-1]
    return leftmost < seen_at - 1.0


def _steep(depth_m: np.ndarray, focal_px: float, degrees: float) -> np.ndarray:
    """(H, W) bool: surfaces seen at a grazing angle, which return no light; a jump to the next surface is none."""
    steps = []
    for axis in (0, 1):
        step = np.abs(np.diff(depth_m, axis=axis))
        zero = np.take(step, [0], axis) * 0
        steps.append(np.minimum(np.concatenate([step, zero], axis), np.concatenate([zero, step], axis)))
    return np.hypot(*steps) * focal_px / np.maximum(depth_m, 0.1) > np.tan(np.radians(degrees))


def _blobs(size_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 in 0..1, patchy: thresholded at a rate it leaves holes of many sizes."""
    height, width = size_hw
    field = np.zeros(size_hw, np.float32)
    for cell, weight in ((24, 0.5), (8, 0.35), (2, 0.15)):
        grid = rng.random((height // cell + 2, width // cell + 2), np.float32)
        field += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
    return 1 / (1 + np.exp(-12.0 * (field - 0.5)))  # about the field's own distribution function: uniform in 0..1


def _moved(depth: np.ndarray, camera: DepthCamera, rng: np.random.Generator) -> np.ndarray:
    """Jagged edges and misalignment: every pixel reads a neighbour, no value is averaged."""
    height, width = depth.shape
    jitter = rng.standard_normal((2, height // 2 + 1, width // 2 + 1), dtype=np.float32) * camera.edge_px
    map_x = np.arange(width, dtype=np.float32)[None] + camera.shift_px[0] + cv2.resize(jitter[0], (width, height))
    map_y = np.arange(height, dtype=np.float32)[:, None] + camera.shift_px[1] + cv2.resize(jitter[1], (width, height))
    return cv2.remap(depth, map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
