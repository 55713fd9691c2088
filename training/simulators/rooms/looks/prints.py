"""Pictures that are printed on things: package faces, pages, screens, paintings.

A label inside a package must not look like an object's border to the network, so prints are dense and never repeat.
"""

from __future__ import annotations

import string

import cv2
import numpy as np

from ..geometry.model import Rgb
from .textures import Picture, clouds, mix, noise, pattern, random_rgb, shade, shapes

FONTS = tuple(
    font | italic
    for font in (
        cv2.FONT_HERSHEY_SIMPLEX,
        cv2.FONT_HERSHEY_PLAIN,
        cv2.FONT_HERSHEY_DUPLEX,
        cv2.FONT_HERSHEY_COMPLEX,
        cv2.FONT_HERSHEY_TRIPLEX,
        cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
        cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    )
    for italic in (0, cv2.FONT_ITALIC)
)
SYLLABLES = tuple(
    [
        "ba",
        "co",
        "di",
        "fru",
        "ga",
        "ki",
        "lo",
        "mi",
        "na",
        "or",
        "pe",
        "qui",
        "ra",
        "sun",
        "to",
        "ul",
        "vi",
        "wa",
        "xo",
        "zen",
        "cho",
        "tea",
        "milk",
        "bio",
        "max",
        "pro",
        "oat",
        "nut",
        "ola",
        "fit",
    ]
)
Colour = tuple[float, float, float]


def colour_of(rgb: Rgb) -> Colour:
    """The colour in OpenCV's 0..255."""
    return 255 * rgb[0], 255 * rgb[1], 255 * rgb[2]


def word(rng: np.random.Generator) -> str:
    """A made-up word or number."""
    if rng.random() < 0.15:
        return "".join(rng.choice(list(string.digits), int(rng.integers(1, 5))))
    text = "".join(rng.choice(SYLLABLES, int(rng.integers(1, 4))))
    return (text.upper(), text, text.capitalize())[rng.integers(3)]


def write(
    picture: Picture, rng: np.random.Generator, text: str, box: tuple[int, int, int, int], colour: Colour
) -> None:
    """Write `text` as large as fits into `box` (x, y, width, height)."""
    x, y, width, height = box
    font = int(FONTS[rng.integers(len(FONTS))])
    thick = int(rng.integers(1, 4))
    (text_width, text_height), _ = cv2.getTextSize(text, font, 1.0, thick)
    scale = min(width / max(text_width, 1), height / max(text_height, 1))
    origin = (x, y + round((height + text_height * scale) / 2))
    thick = max(1, round(thick * scale * rng.uniform(0.8, 2.0)))
    if rng.random() < 0.25:
        outline = (0.0, 0.0, 0.0) if sum(colour) > 380 else (255.0, 255.0, 255.0)
        cv2.putText(picture, text, origin, font, scale, outline, thick + 2, cv2.LINE_AA)
    cv2.putText(picture, text, origin, font, scale, colour, thick, cv2.LINE_AA)


def text_lines(picture: Picture, rng: np.random.Generator, box: tuple[int, int, int, int], colour: Colour) -> None:
    """A paragraph too small to read: rows of dashes of word length."""
    x, y, width, height = box
    pitch = int(rng.integers(3, 7))
    for row in range(y, y + height - pitch, pitch):
        column = x
        stop = x + width * (1.0 if rng.random() < 0.8 else rng.uniform(0.3, 1))
        while column < stop:
            length = int(rng.integers(2, 14))
            cv2.rectangle(picture, (column, row), (int(min(column + length, stop)), row + pitch // 3), colour, -1)
            column += length + 3


def table(picture: Picture, rng: np.random.Generator, box: tuple[int, int, int, int], colour: Colour) -> None:
    """A nutrition table: frame, rules and numbers on white."""
    x, y, width, height = box
    cv2.rectangle(picture, (x, y), (x + width, y + height), (250, 250, 250), -1)
    cv2.rectangle(picture, (x, y), (x + width, y + height), (20, 20, 20), 1)
    for row in range(y + 6, y + height - 2, 6):
        cv2.line(picture, (x, row), (x + width, row), (60, 60, 60), 1)
        length = int(rng.uniform(0.2, 0.5) * width)
        cv2.line(picture, (x + 3, row - 3), (x + length, row - 3), (40, 40, 40), 1)
        cv2.line(
            picture, (x + width - 3 - int(width * rng.uniform(0.05, 0.2)), row - 3), (x + width - 3, row - 3), 0, 1
        )


def barcode(picture: Picture, rng: np.random.Generator, box: tuple[int, int, int, int], colour: Colour) -> None:
    """Black bars on white."""
    x, y, width, height = box
    cv2.rectangle(picture, (x, y), (x + width, y + height), (255, 255, 255), -1)
    column = x + 2
    while column < x + width - 3:
        bar = int(rng.integers(1, 4))
        cv2.rectangle(picture, (column, y + 2), (column + bar - 1, y + height - 5), (0, 0, 0), -1)
        column += bar + int(rng.integers(1, 4))


def logo(picture: Picture, rng: np.random.Generator, box: tuple[int, int, int, int], colour: Colour) -> None:
    """A word on an ellipse, a bar or a star."""
    x, y, width, height = box
    center = (x + width // 2, y + height // 2)
    ground = colour_of(random_rgb(rng, 1.0))
    kind = rng.integers(3)
    if kind == 0:
        cv2.ellipse(
            picture, center, (width // 2, height // 2), float(rng.normal(0, 8)), 0, 360, ground, -1, cv2.LINE_AA
        )
        if rng.random() < 0.5:
            cv2.ellipse(picture, center, (width // 2, height // 2), 0, 0, 360, colour, 2, cv2.LINE_AA)
    elif kind == 1:
        cv2.rectangle(picture, (x, y), (x + width, y + height), ground, -1)
    else:
        angles = np.linspace(0, 2 * np.pi, int(rng.integers(5, 16)) * 2, endpoint=False)
        radius = np.where(np.arange(len(angles)) % 2, 0.35, 0.5)
        star = np.stack([center[0] + width * radius * np.cos(angles), center[1] + height * radius * np.sin(angles)], 1)
        cv2.fillPoly(picture, [star.astype(np.int32)], ground, cv2.LINE_AA)
    ink = (255.0, 255.0, 255.0) if sum(ground) < 380 else (20.0, 20.0, 40.0)
    write(picture, rng, word(rng), (x + width // 8, y + height // 4, width * 3 // 4, max(4, height // 2)), ink)


def photo(picture: Picture, rng: np.random.Generator, box: tuple[int, int, int, int], colour: Colour) -> None:
    """A shaded heap of round things: food, fruit, faces."""
    x, y, width, height = box
    base = random_rgb(rng, 1.0)
    radius = max(3, int(min(width, height) * rng.uniform(0.1, 0.35)))
    for _ in range(int(rng.integers(3, 14))):
        center = (x + int(rng.uniform(0, width)), y + int(rng.uniform(0, height)))
        axes = (radius, max(2, int(radius * rng.uniform(0.5, 1))))
        angle = float(rng.uniform(0, 180))
        for step, factor in enumerate((0.55, 0.8, 1.0, 1.3)):
            size = (max(1, int(axes[0] * (1 - step * 0.24))), max(1, int(axes[1] * (1 - step * 0.24))))
            moved = (center[0] - step * radius // 12, center[1] - step * radius // 10)
            tone = colour_of(shade(base, factor))
            cv2.ellipse(picture, moved, size, angle, 0, 360, tone, -1, cv2.LINE_AA)


ELEMENTS = (text_lines, text_lines, table, barcode, logo, logo, photo, photo)


def ground(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, width: int, height: int) -> Picture:
    """What a package's print stands on: one colour, a gradient, bands, a pattern or a picture."""
    kind = rng.random()
    picture: Picture
    if kind < 0.45:
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = colour_of(rgb)
    elif kind < 0.65:
        ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None].repeat(width, 1)
        picture = mix(ramp, rgb, rgb2)
    elif kind < 0.8:
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = colour_of(rgb)
        for _ in range(int(rng.integers(1, 4))):
            top = int(rng.uniform(0, height))
            picture[top : top + int(rng.uniform(0.05, 0.4) * height)] = colour_of(
                (rgb2, random_rgb(rng))[rng.integers(2)]
            )
    else:
        maker = (pattern, shapes, clouds)[rng.integers(3)]
        picture = np.asarray(cv2.resize(maker(rng, rgb, rgb2, 128), (width, height)), np.uint8)
    if rng.random() < 0.4:  # a swoosh
        points = rng.uniform(0, 1, (int(rng.integers(3, 6)), 2)) * (width, height)
        cv2.fillPoly(picture, [points.astype(np.int32)], colour_of(rgb2), cv2.LINE_AA)
    return picture


def package_face(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size_wh: tuple[int, int]) -> Picture:
    """One face of a package: ground, a brand name and several elements."""
    width, height = size_wh
    picture = ground(rng, rgb, rgb2, width, height)
    ink = colour_of(rgb2)
    if rng.random() < 0.3:
        ink = colour_of(random_rgb(rng, 1.0))
    for _ in range(int(rng.integers(1, 6))):
        box_width, box_height = int(width * rng.uniform(0.2, 0.8)), int(height * rng.uniform(0.1, 0.5))
        x, y = int(rng.uniform(0, width - box_width)), int(rng.uniform(0, height - box_height))
        ELEMENTS[rng.integers(len(ELEMENTS))](picture, rng, (x, y, box_width, box_height), ink)
    for _ in range(int(rng.integers(0, 4))):
        box_width, box_height = int(width * rng.uniform(0.4, 0.95)), int(height * rng.uniform(0.06, 0.3)) + 3
        x, y = int(rng.uniform(0, width - box_width)), int(rng.uniform(0, height - box_height))
        colour = ink if rng.random() < 0.6 else colour_of(random_rgb(rng, 1.0))
        write(picture, rng, word(rng), (x, y, box_width, box_height), colour)
    return picture


def paper(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size_wh: tuple[int, int]) -> Picture:
    """A page: headline, columns of text, perhaps a picture."""
    width, height = size_wh
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = colour_of(rgb)
    ink = colour_of(shade(rgb2 if sum(rgb2) < sum(rgb) - 0.6 else (0.15, 0.15, 0.17), float(rng.uniform(0.5, 1.2))))
    margin = width // 16
    top = int(height * rng.uniform(0.08, 0.2))
    write(picture, rng, f"{word(rng)} {word(rng)}", (margin, margin, width - 2 * margin, top), ink)
    columns = int(rng.integers(1, 5))
    pitch = (width - 2 * margin) // columns
    for column in range(columns):
        x = margin + column * pitch
        y = margin + top + 4
        if rng.random() < 0.4:
            tall = int(height * rng.uniform(0.15, 0.4))
            grey = shapes(rng, (0.5, 0.5, 0.5), random_rgb(rng), 64)
            picture[y : y + tall, x : x + pitch - 4] = cv2.resize(grey, (pitch - 4, tall))[: height - y]
            y += tall + 4
        text_lines(picture, rng, (x, y, pitch - 6, height - y - margin), ink)
    return picture


def screen(rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size_wh: tuple[int, int]) -> Picture:
    """A display: dark, or a desktop of windows with text."""
    width, height = size_wh
    if rng.random() < 0.4:
        dark = float(rng.uniform(0.02, 0.12))
        amount = noise(rng, max(size_wh), (1, 1), 2)[:height, :width]
        return mix(amount, (dark, dark, dark), (dark + 0.05, dark + 0.05, dark + 0.07))
    picture = cv2.resize(clouds(rng, random_rgb(rng), random_rgb(rng), 64), (width, height))
    for _ in range(int(rng.integers(1, 4))):
        box_width, box_height = int(width * rng.uniform(0.3, 0.9)), int(height * rng.uniform(0.3, 0.9))
        x, y = int(rng.uniform(0, width - box_width)), int(rng.uniform(0, height - box_height))
        bright = 245.0 if rng.random() < 0.6 else 35.0
        cv2.rectangle(picture, (x, y), (x + box_width, y + box_height), (bright, bright, bright), -1)
        cv2.rectangle(picture, (x, y), (x + box_width, y + 7), colour_of(random_rgb(rng)), -1)
        text_lines(picture, rng, (x + 5, y + 12, box_width - 10, box_height - 14), (255 - bright,) * 3)
    return picture


SHEETS = {"print": package_face, "paper": paper, "screen": screen}
