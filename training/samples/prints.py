"""Prints, labels, lids and patterned cloths on what a picture shows: edges of colour that are not those of an object.

Packages, bottles and tools of the real world have faces of several colours. The simulator's have some; here any object
of any picture gets more, in the picture alone: depth and masks stay what they are.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

LEAST_PX = 150
"""Smaller objects get none."""
_WORDS = ("SALT", "500 g", "Tea", "PRO", "X-12", "milk", "ORGANIC", "No. 7", "clean", "80%", "NEW", "Luna", "abc")

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def printed(image: Picture, ids: npt.NDArray[np.int16], share: float, rng: np.random.Generator) -> Picture:
    """The picture with prints on a share of its objects, and at times on what lies behind them.

    Args:
        image: (H, W, 3) RGB.
        ids: (H, W) which object a pixel belongs to; below 0: none.
        share: of the objects that are printed.
        rng: draws everything.
    """
    image = image.copy()
    counts = np.bincount(ids[ids >= 0].astype(int)) if (ids >= 0).any() else np.zeros(0, int)
    for k in np.flatnonzero(counts >= LEAST_PX):
        if rng.random() < share:
            mask = ids == k
            for _ in range(rng.integers(1, 4)):
                _paint(image, mask & _region(mask, rng), rng)
    if rng.random() < share / 2:
        _paint(image, ids < 0, rng)
    return image


def as_jpeg(image: Picture, rng: np.random.Generator) -> Picture:
    """The picture (H, W, 3) RGB with fewer pixels than it seems to have, and through JPEG, each at times."""
    height, width = image.shape[:2]
    if rng.random() < 0.15:
        share = rng.uniform(0.5, 0.9)
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))]
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # JPEG keeps brightness better than colour
        decoded = np.asarray(cv2.imdecode(cv2.imencode(".jpg", bgr, quality)[1], cv2.IMREAD_COLOR), np.uint8)
        image = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    return image


def _region(mask: Mask, rng: np.random.Generator) -> Mask:
    """A label, a lid, a side or all of an object, along its own axes."""
    points = np.argwhere(mask)[:, ::-1].astype(np.float32)
    mean = points.mean(axis=0)
    axes = np.linalg.eigh(np.cov(points - mean, rowvar=False))[1].T[::-1]  # the longest first
    if rng.random() < 0.2:
        angle = rng.uniform(0, np.pi)
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    along = (points - mean) @ axes.T  # (n, 2)
    chosen = np.ones(len(points), bool)
    kind = rng.random()
    for axis in range(2):
        if kind < 0.15 or (kind < 0.6 and axis == (kind < 0.2)):  # all of it, or a band across: a lid, a side
            continue
        low, high = np.sort(np.quantile(along[:, axis], rng.uniform(0, 1, 2)))
        if rng.random() < 0.5:  # from one end on
            low = -np.inf
        chosen &= (along[:, axis] >= low) & (along[:, axis] <= high)
    region = np.zeros_like(mask)
    rows = points[chosen].astype(int)
    region[rows[:, 1], rows[:, 0]] = True
    return region


def _paint(image: Picture, region: Mask, rng: np.random.Generator) -> None:
    """Paint a region in place, under the light that lies on it."""
    if region.sum() < 20:
        return
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside, below = region[window], image[window].astype(np.float32)
    print_ = _pattern(inside.shape, rng).astype(np.float32)
    light = cv2.GaussianBlur(below.mean(axis=2), (0, 0), 2.0)
    mean = light[inside].mean()
    shade = (light / max(mean, 1.0))[..., None].clip(0.3, 1.8)
    gain = rng.uniform(0.5, 1.0) * (mean / 128 if rng.random() < 0.5 else 1.0) + 0.15
    new = (print_ * shade * gain).clip(0, 255)
    strength = rng.uniform(0.6, 1.0)
    edge = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.6)[..., None] * inside[..., None] * strength
    image[window] = (below + (new - below) * edge).astype(np.uint8)


def _pattern(size_hw: tuple[int, ...], rng: np.random.Generator) -> Picture:
    """A piece of print: plain, checked, striped, or with figures and words on it."""
    height, width = size_hw
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = _colour(rng)
    kind = rng.random()
    if kind < 0.3:
        return canvas
    if kind < 0.5:
        return _repeated(canvas, rng)
    if kind < 0.6:
        coarse = [max(2, side // int(rng.integers(4, 24))) for side in size_hw]
        noise = rng.integers(0, 256, (*coarse, 3)).astype(np.uint8)
        return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    size = max(4, min(height, width))
    for _ in range(rng.integers(2, 12)):
        x, y = (int(v) for v in rng.uniform(0, 1, 2) * (width, height))
        w, h = (int(v) for v in rng.uniform(0.1, 0.9, 2) * size)
        colour, figure = tuple(int(v) for v in _colour(rng)), rng.random()
        if figure < 0.4:
            cv2.rectangle(canvas, (x - w // 2, y - h // 2), (x + w // 2, y + h // 2), colour, cv2.FILLED)
        elif figure < 0.7:
            cv2.ellipse(canvas, (x, y), (w // 2, h // 2), float(rng.uniform(0, 180)), 0, 360, colour, cv2.FILLED)
        else:
            word = str(rng.choice(_WORDS))
            thick = max(1, size // 25)
            cv2.putText(canvas, word, (x - w, y), cv2.FONT_HERSHEY_DUPLEX, size / 80, colour, thick, cv2.LINE_AA)
    return canvas


def _repeated(canvas: Picture, rng: np.random.Generator) -> Picture:
    """Stripes or checks, turned and slanted as on a table that is seen from the side."""
    height, width = canvas.shape[:2]
    angle, slant, period = rng.uniform(0, np.pi), rng.uniform(0.4, 1.0), rng.uniform(4, 40)
    y, x = np.mgrid[:height, :width]
    u = (x * np.cos(angle) + y * np.sin(angle)) / period
    v = (y * np.cos(angle) - x * np.sin(angle)) / (period * slant)
    odd = np.floor(u) % 2 if rng.random() < 0.5 else (np.floor(u) + np.floor(v)) % 2
    canvas[odd == 1] = _colour(rng)
    return canvas


def _colour(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Any colour, or a grey, black and white more often than by chance."""
    if rng.random() < 0.3:
        return np.repeat(rng.choice([15, 40, 128, 220, 250], 1), 3).astype(np.uint8)
    return rng.integers(0, 256, 3).astype(np.uint8)
