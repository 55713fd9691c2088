"""Other colours for a training picture, the same for every recipe."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def recoloured(image_rgb: npt.NDArray[np.uint8], strength: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A picture with another saturation, colour cast, brightness and gamma, and some noise.

    Args:
        image_rgb: (H, W, 3) uint8.
        strength: 0..1; at 0 nothing changes.
        rng: source of every random choice.

    Returns:
        (H, W, 3) uint8.
    """
    grey = cv2.cvtColor(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    saturation = rng.uniform(1 - strength, 1 + 0.6 * strength)
    image = cv2.addWeighted(image_rgb, saturation, grey, 1 - saturation, 0)
    gains = rng.uniform(1 - 0.25 * strength, 1 + 0.25 * strength, 3) * np.exp(rng.uniform(-0.5, 0.4) * strength)
    gamma = np.exp(rng.normal(0.0, 0.25) * strength)
    table = np.clip(np.linspace(0, 1, 256)[:, None] * gains, 0, 1) ** gamma * 255
    image = cv2.LUT(image, np.rint(table).astype(np.uint8)[None])
    level = int(rng.uniform(0, 20) * strength)
    noise = rng.integers(-level, level + 1, image.shape, np.int8).astype(np.int16)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
