"""Camera poses and lenses for a scene, and lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saom_core.camera import CameraIntrinsics

from .scene import Scene


@dataclass(frozen=True)
class View:
    """A camera in the world: `pose` (4, 4) maps the optical frame (x right, y down, z forward) into the world."""

    pose: np.ndarray
    camera: CameraIntrinsics


@dataclass(frozen=True)
class Light:
    """A lamp. `directional` ones are as far as the sun."""

    pos: np.ndarray
    direction: np.ndarray
    rgb: np.ndarray
    directional: bool
    shadow: bool
    cutoff: float  # degrees, half angle of the cone


def look_at(eye: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """(4, 4) camera-to-world pose at `eye` looking at `target`, rolled about the view axis (radians)."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= max(float(np.linalg.norm(right)), 1e-6)
    down = np.cross(forward, right)
    turned = np.cos(roll) * right + np.sin(roll) * down
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = turned, np.cross(forward, turned), forward, eye
    return pose


def random_lens(rng: np.random.Generator, size_hw: tuple[int, int]) -> CameraIntrinsics:
    """Horizontal field of view of 45 to 75 degrees, square pixels, centred."""
    height, width = size_hw
    focal = width / 2 / np.tan(np.radians(rng.uniform(45, 75)) / 2)
    return CameraIntrinsics(float(focal), float(focal), (width - 1) / 2, (height - 1) / 2, width, height)


def random_view(rng: np.random.Generator, scene: Scene, targets: np.ndarray, size_hw: tuple[int, int]) -> View | None:
    """A view of one of `targets` (N, 3) from inside the room, or None if this draw lies outside it."""
    target = targets[rng.integers(len(targets))] + rng.normal(0, 0.05, 3)
    is_table = scene.family == "table"
    eye = _above_table(rng, target, np.median(targets, 0)) if is_table else _robot(rng, scene, target)
    half = np.asarray(scene.room.size) / 2
    inside = np.all(np.abs(eye[:2]) < half[:2] - 0.1) and 0.15 < eye[2] < scene.room.size[2] - 0.1
    if not inside or np.linalg.norm(eye - target) < 0.25:
        return None
    roll = float(rng.normal(0, np.radians(2.5)))
    return View(look_at(eye, target, roll), random_lens(rng, size_hw))


def _above_table(rng: np.random.Generator, target: np.ndarray, middle: np.ndarray) -> np.ndarray:
    target += rng.uniform(0, 0.8) * (middle - target)
    distance, pitch = rng.uniform(0.5, 1.6), np.radians(rng.uniform(20, 75))
    azimuth = rng.uniform(-np.pi, np.pi)
    flat = np.cos(pitch)
    return target + distance * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(pitch)])


def _robot(rng: np.random.Generator, scene: Scene, target: np.ndarray) -> np.ndarray:
    half = np.asarray(scene.room.size[:2]) / 2
    if rng.random() < 0.5:  # from anywhere in the room, else close up
        x, y = rng.uniform(-1, 1, 2) * (half - 0.15)
    else:
        azimuth, distance = rng.uniform(-np.pi, np.pi), rng.uniform(0.6, 2.0)
        x, y = target[:2] + distance * np.array([np.cos(azimuth), np.sin(azimuth)])
    target[2] = 0.6 * target[2] + 0.4 * rng.uniform(0.1, 0.9)
    return np.array([x, y, rng.uniform(0.3, 1.6)])


def random_lights(rng: np.random.Generator, scene: Scene, target: np.ndarray) -> tuple[list[Light], np.ndarray]:
    """One to three lamps with a colour temperature each, and the ambient light (3,) RGB."""
    count = int(rng.integers(1, 4))
    half = np.asarray(scene.room.size) / 2
    diffuse = float(rng.uniform(0.2, 0.8))  # 0.2: one bare bulb; 0.8: an overcast day, hardly a shadow
    power = rng.dirichlet(np.full(count, 1.5)) * (1.05 - diffuse) * rng.uniform(0.8, 1.1)
    lights = []
    for index in range(count):
        offset = rng.normal(0, 1.0, 3)
        pos = np.clip(target + offset, -half + 0.15, half - 0.15)
        pos[2] = rng.uniform(min(target[2] + 0.7, scene.room.size[2] - 0.3), scene.room.size[2] - 0.1)
        direction = target + rng.normal(0, 0.2, 3) - pos
        shadow = bool(index == int(np.argmax(power)) and rng.random() < 0.8)
        lights.append(
            Light(
                pos,
                direction / np.linalg.norm(direction),
                power[index] * temperature_rgb(rng),
                directional=False,
                shadow=shadow,
                cutoff=float(rng.uniform(45, 70)),
            )
        )
    ambient = 0.85 * diffuse * (0.5 + 0.5 * temperature_rgb(rng))
    return lights, ambient


def temperature_rgb(rng: np.random.Generator) -> np.ndarray:
    """(3,) colour of a lamp between candle-like and overcast sky, brightest channel 1."""
    warmth = rng.uniform(-1, 1)
    red, blue = 1 + 0.18 * warmth, 1 - 0.3 * warmth if warmth > 0 else 1 - 0.15 * warmth
    colour = np.array([red, 1.0 - 0.03 * abs(warmth), blue])
    return colour / colour.max()
