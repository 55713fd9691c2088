"""Procedural tiling textures: noise, wood, stone, cloth, tiles and patterns, drawn with numpy and OpenCV.

Every function returns an (size, size, 3) uint8 RGB picture that repeats without a seam where its kind allows it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from ..geometry.model import Rgb

Picture = np.ndarray
"""(H, W, 3) uint8 RGB."""


def random_rgb(rng: np.random.Generator, saturation: float = 0.5) -> Rgb:
    """A colour: grey and pale ones are as common as strong ones, as among things people own.

    `saturation` 1 gives the colours of packages, 0.2 those of walls.
    """
    value = float(rng.uniform(0.1, 1.0)) ** 0.8
    strength = float(rng.uniform()) ** 1.3 * (saturation if rng.random() < 0.85 else 1.0)
    hue = float(rng.uniform()) if rng.random() < 0.6 else float(rng.normal(0.09, 0.04)) % 1.0  # much is beige or brown
    return colorsys.hsv_to_rgb(hue, min(1.0, strength), value)


NOISE_VARIANTS = 8


def noise(rng: np.random.Generator, size: int, cells_yx: tuple[int, int], octaves: int = 4) -> np.ndarray:
    """Seamless value noise (size, size) float32 in 0..1; `cells_yx` is the coarsest octave's grid.

    Cut at a random place from one of a few fields that are made once: as varied, and several times faster.
    """
    field = _noise_field(int(rng.integers(NOISE_VARIANTS)), size, cells_yx, octaves)
    down, right = (int(shift) for shift in rng.integers(0, size, 2))
    field = np.roll(field, (down, right), (0, 1))
    return field[::-1] if rng.random() < 0.5 else field


@lru_cache(maxsize=1024)
def _noise_field(variant: int, size: int, cells_yx: tuple[int, int], octaves: int) -> np.ndarray:
    rng = np.random.default_rng((variant, size, *cells_yx, octaves))
    total = np.zeros((size, size), np.float32)
    weight = 1.0
    for octave in range(octaves):
        rows, columns = (min(size, max(1, cells << octave)) for cells in cells_yx)
        grid = np.pad(rng.random((rows, columns), np.float32), 2, mode="wrap")
        scale_x, scale_y = size / columns, size / rows
        wide = cv2.resize(grid, (round(grid.shape[1] * scale_x), round(grid.shape[0] * scale_y)))
        top, left = round(2 * scale_y), round(2 * scale_x)
        total += weight * wide[top : top + size, left : left + size]
        weight *= 0.55
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def mix(amount: np.ndarray, rgb: Rgb, rgb2: Rgb) -> Picture:
    """Blend two colours by `amount` (H, W) in 0..1."""
    low, high = np.asarray(rgb, np.float32), np.asarray(rgb2, np.float32)
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[:, None]  # 256 steps between two colours are all that can be seen
    table = np.clip((low + ramp * (high - low)) * 255, 0, 255).astype(np.uint8)
    steps = np.asarray(cv2.convertScaleAbs(np.clip(amount, 0, 1), alpha=255), np.uint8)
    return np.take(table, steps, axis=0)


def shade(rgb: Rgb, factor: float) -> Rgb:
    """The colour made darker (< 1) or lighter (> 1)."""
    red, green, blue = (min(1.0, max(0.0, channel * factor)) for channel in rgb)
    return red, green, blue


def plain(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """One colour with faint, mostly smooth unevenness."""
    cells = int(rng.integers(1, 6))
    amount = noise(rng, size, (cells, cells), 5)
    depth = rng.uniform(0.0, 0.12)
    return mix(amount, shade(rgb, 1 - depth), shade(rgb, 1 + depth))


def wood(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Grain along x; sometimes boards or parquet."""
    along, across = int(rng.integers(1, 3)), int(rng.integers(4, 24))
    grain = noise(rng, size, (across, along), 4)
    rings = 0.5 + 0.5 * np.sin(noise(rng, size, (int(rng.integers(1, 4)), 1), 3) * rng.uniform(10, 60))
    amount = rng.uniform(0.3, 1) * grain + rng.uniform(0, 0.5) * rings
    contrast = rng.uniform(0.08, 0.45)
    picture = mix(amount, shade(rgb, 1 - contrast), shade(rgb, 1 + contrast * 0.4))
    return boards(rng, picture) if rng.random() < 0.4 else picture


def boards(rng: np.random.Generator, picture: Picture) -> Picture:
    """Cut the grain into boards or parquet blocks, each of its own shade, with dark joints."""
    size = picture.shape[0]
    rows = int(rng.choice([2, 4, 8]))
    columns = int(rng.choice([1, 1, 2, 4]))
    height, width = size // rows, size // columns
    result = picture.copy()
    joint = rng.uniform(0.4, 1.0)
    for row in range(rows):
        for column in range(columns):
            block = np.roll(picture, int(rng.integers(size)), 1)[row * height : (row + 1) * height, :width]
            block = np.clip(block * rng.uniform(0.78, 1.12), 0, 255).astype(np.uint8)
            block[0, :] = block[0, :] * joint
            block[:, 0] = block[:, 0] * joint
            start = (column * width + (row % 2) * width // 2) % size
            place = (np.arange(width) + start) % size
            result[row * height : (row + 1) * height, place] = block
    if rng.random() < 0.3:  # herringbone-like: half of the boards run the other way
        half = size // 2
        result[:half, half:] = result[:half, :half].transpose(1, 0, 2)
        result[half:, :half] = result[half:, half:].transpose(1, 0, 2)
    return result


def marble(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Stone: veins, concrete clouds or terrazzo chips."""
    style = rng.integers(3)
    cells = int(rng.integers(1, 5))
    clouds = noise(rng, size, (cells, cells), 6)
    if style == 0:
        veins = 1 - np.abs(np.sin(clouds * rng.uniform(8, 25)))
        return mix(veins ** rng.uniform(2, 8), rgb, shade(rgb2, rng.uniform(0.4, 1)))
    picture = mix(clouds, shade(rgb, rng.uniform(0.7, 0.95)), shade(rgb, 1.1))
    if style == 1:
        return picture
    for _ in range(int(rng.integers(40, 250))):
        center = tuple(int(value) for value in rng.integers(0, size, 2))
        radius = tuple(int(value) for value in rng.integers(1, 7, 2))
        chip = (rgb, rgb2, random_rgb(rng))[rng.integers(3)]
        colour = tuple(255 * channel for channel in shade(chip, float(rng.uniform(0.5, 1.4))))
        cv2.ellipse(picture, center, radius, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def fabric(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Woven cloth: plain weave, or a pattern with the weave over it."""
    picture = pattern(rng, rgb, rgb2, size) if rng.random() < 0.5 else plain(rng, rgb, rgb2, size)
    threads = int(rng.choice([32, 64, 128]))
    steps = np.arange(size) * (2 * np.pi * threads / size)
    weave = np.sin(steps)[:, None] * np.sin(steps)[None, :]
    grit = rng.normal(0, rng.uniform(0.01, 0.06), (size, size))
    factor = 1 + rng.uniform(0.02, 0.15) * weave + grit
    return np.clip(picture * factor[..., None], 0, 255).astype(np.uint8)


def metal(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Brushed or polished."""
    if rng.random() < 0.5:
        amount = noise(rng, size, (64, 1), 2)
        depth = rng.uniform(0.03, 0.2)
        return mix(amount, shade(rgb, 1 - depth), shade(rgb, 1 + depth))
    # a polished surface shows its surroundings: broad bright and dark bands stand in for them
    bands = noise(rng, size, (int(rng.integers(2, 6)), 1), 2)
    return mix(bands, shade(rgb, rng.uniform(0.4, 0.9)), shade(rgb, 1.2))


def tiles(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Square or brick tiles with joints, sometimes chequered."""
    picture = marble(rng, rgb, rgb2, size) if rng.random() < 0.5 else plain(rng, rgb, rgb2, size)
    rows = int(rng.choice([1, 2, 4, 8]))
    columns = rows if rng.random() < 0.6 else max(1, rows // 2)
    height, width = size // rows, size // columns
    if rng.random() < 0.3:
        other = plain(rng, rgb2, rgb, size)
        row_index, column_index = np.arange(size) // height, np.arange(size) // width
        odd = (row_index[:, None] + column_index[None, :]) % 2 == 1
        picture[odd] = other[odd]
    joint = tuple(255 * channel for channel in shade(rgb2, float(rng.uniform(0.5, 1.0))))
    thick = int(rng.integers(1, 4))
    bricks = rng.random() < 0.4
    for row in range(rows):
        cv2.rectangle(picture, (0, row * height), (size, row * height + thick - 1), joint, -1)
        for column in range(columns):
            x = (column * width + (row % 2) * (width // 2) * bricks) % size
            cv2.rectangle(picture, (x, row * height), (x + thick - 1, (row + 1) * height), joint, -1)
    return picture


def pattern(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Stripes, checks, plaid, dots, zigzag or a field of random shapes."""
    style = int(rng.integers(6))
    count = int(rng.choice([2, 4, 8, 16]))
    phase = np.arange(size) * count / size % 1.0
    share = rng.uniform(0.2, 0.7)
    lines = (phase < share).astype(np.float32)
    if style == 0:
        amount = np.repeat(lines[None, :], size, 0)
    elif style == 1:
        amount = np.abs(lines[None, :] - lines[:, None])
    elif style == 2:
        amount = 0.5 * lines[None, :] + 0.5 * lines[:, None]
    elif style == 3:
        amount = (np.hypot(phase[None, :] - 0.5, phase[:, None] - 0.5) < share / 2).astype(np.float32)
    elif style == 4:
        amount = ((phase[:, None] + 0.5 * np.abs(2 * phase[None, :] - 1)) % 1.0 < share).astype(np.float32)
    else:
        return shapes(rng, rgb, rgb2, size)
    amount = amount if rng.random() < 0.5 else amount.T
    return mix(cv2.GaussianBlur(amount, (3, 3), 0), rgb, rgb2)


def shapes(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Random ellipses, boxes, lines and polygons: a painting, a carpet, wrapping paper."""
    picture = plain(rng, rgb, rgb2, size)
    palette = [rgb2, *(random_rgb(rng, 0.9) for _ in range(int(rng.integers(1, 4))))]
    reach = size * rng.uniform(0.05, 0.3)
    for _ in range(int(rng.integers(6, 60))):
        colour = tuple(255 * channel for channel in palette[rng.integers(len(palette))])
        x, y = (int(value) for value in rng.integers(0, size, 2))
        width, height = (int(value) + 2 for value in rng.uniform(0.2, 1, 2) * reach)
        kind = rng.integers(4)
        if kind == 0:
            cv2.ellipse(picture, (x, y), (width, height), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(picture, (x - width, y - height), (x + width, y + height), colour, -1)
        elif kind == 2:
            end = (x + int(rng.normal(0, reach)), y + int(rng.normal(0, reach)))
            cv2.line(picture, (x, y), end, colour, int(rng.integers(1, 8)), cv2.LINE_AA)
        else:
            corners = np.array([x, y]) + rng.normal(0, reach / 2, (int(rng.integers(3, 7)), 2))
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    return picture


def clouds(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Colour noise of one to three octave scales."""
    cells = int(rng.choice([1, 2, 4, 8, 16, 64]))
    amount = noise(rng, size, (cells, cells), int(rng.integers(1, 6)))
    sharp = rng.uniform(0.7, 6)
    return mix((amount - 0.5) * sharp + 0.5, rgb, rgb2)


def leaves(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """Foliage: many small ellipses of nearby shades."""
    picture = plain(rng, shade(rgb, 0.5), rgb2, size)
    for _ in range(140):
        colour = tuple(255 * channel for channel in shade(rgb, float(rng.uniform(0.4, 1.4))))
        center = tuple(int(value) for value in rng.integers(0, size, 2))
        length = int(rng.integers(6, 26))
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(picture, center, (length, max(2, length // 3)), angle, 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def smooth(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size: int) -> Picture:
    """`plain` at half the size: too smooth to need more."""
    return plain(rng, rgb, rgb2, size // 2)


TILING: dict[str, Callable[[np.random.Generator, Rgb, Rgb, int], Picture]] = {
    "plain": smooth,
    "wood": wood,
    "marble": marble,
    "fabric": fabric,
    "metal": metal,
    "glass": smooth,
    "plastic": smooth,
    "tiles": tiles,
    "leaves": leaves,
    "pattern": pattern,
    "shapes": shapes,
    "clouds": clouds,
}
