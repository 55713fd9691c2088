"""Look -> texture and surface properties, with domain randomisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from ..geometry.model import Look, LookKind, Rgb
from .pictures import PRINT_RATE, SURFACE_RATE, Pictures
from .prints import SHEETS
from .textures import TILING, Picture, random_rgb

Layout = Literal["tile", "sheet", "atlas"]
"""How texture coordinates are laid: metric and repeating, one picture over 0..1, or a 3 x 2 atlas of box faces."""

TEXTURE_SIZE = 256
SMALL_TEXTURE_SIZE = 128  # of things that never fill the picture
ATLAS_CELL = 160
TILE_LENGTH_M = {"wood": 0.5, "marble": 0.5, "fabric": 0.25, "tiles": 0.5, "leaves": 0.2}
KINDS: tuple[LookKind, ...] = (
    "plain",
    "wood",
    "marble",
    "fabric",
    "metal",
    "plastic",
    "print",
    "paper",
    "tiles",
    "pattern",
    "shapes",
    "clouds",
)


@dataclass(frozen=True)
class Material:
    """A finished surface.

    `kind` is that of the look; `hole_rate` is the chance (0..1) that a depth camera sees nothing there; `tile_m` the
    length of one repeat.
    """

    kind: str
    picture: Picture
    alpha: float
    specular: float
    shininess: float
    emission: float
    tile_m: float
    hole_rate: float


def random_look(rng: np.random.Generator) -> Look:
    """Any look at all, for domain randomisation and for walls that hang something."""
    kind = KINDS[rng.integers(len(KINDS))]
    return Look(kind, random_rgb(rng, 0.8), random_rgb(rng, 0.8))


def randomised(look: Look, rng: np.random.Generator, rate: float) -> Look:
    """The look itself, or with probability `rate` a random other one; a see-through one stays see-through."""
    if look.alpha < 1.0 or rng.random() >= rate:
        return look
    return random_look(rng)


def layout_of(look: Look, is_box: bool) -> Layout:
    """Prints get a face each on boxes and one sheet elsewhere; everything else repeats in metres."""
    if look.kind == "print":
        return "atlas" if is_box else "sheet"
    return "sheet" if look.kind in ("paper", "screen", "picture") else "tile"


def make_material(
    look: Look,
    layout: Layout,
    rng: np.random.Generator,
    size_m: tuple[float, float, float],
    texture_size: int,
    pictures: Pictures | None = None,
) -> Material:
    """Draw the texture of a look.

    Args:
        look: What to draw.
        layout: How texture coordinates lie.
        rng: Source of all randomness.
        size_m: (x, y, z) of the box that carries an atlas, for the aspect of its faces.
        texture_size: Pixels along an edge of a repeating texture.
        pictures: Pieces of them take the place of some drawn textures.
    """
    if look.picture is not None:
        picture = look.picture
    elif look.kind in SHEETS:
        picture = _atlas(look, rng, size_m, pictures) if layout == "atlas" else _sheet(look, rng, pictures)
    elif pictures is not None and look.alpha == 1.0 and rng.random() < SURFACE_RATE:
        picture = pictures.tile(rng, texture_size)
    else:
        picture = TILING[look.kind](rng, look.rgb, look.rgb2, texture_size)
    specular, shininess = _gloss(look.kind, rng)
    tile_m = TILE_LENGTH_M.get(look.kind, 0.3) * float(rng.uniform(0.5, 1.6))
    return Material(
        kind=look.kind,
        picture=np.ascontiguousarray(picture),
        alpha=_alpha(look),
        specular=specular,
        shininess=shininess,
        emission=float(rng.uniform(0.2, 0.6)) if look.kind == "screen" else 0.0,
        tile_m=tile_m,
        hole_rate=_hole_rate(look, picture, rng),
    )


def _alpha(look: Look) -> float:
    if look.kind == "glass":
        return min(look.alpha, 0.45)
    return look.alpha


def _gloss(kind: str, rng: np.random.Generator) -> tuple[float, float]:
    shiny = {
        "metal": (0.9, 0.8),
        "plastic": (0.6, 0.7),
        "glass": (1.0, 0.9),
        "screen": (0.5, 0.8),
        "print": (0.35, 0.5),
    }
    specular, shininess = shiny.get(kind, (0.12, 0.3))
    return float(np.clip(specular * rng.uniform(0.2, 1.3), 0, 1)), float(
        np.clip(shininess * rng.uniform(0.4, 1.3), 0, 1)
    )


def _hole_rate(look: Look, picture: Picture, rng: np.random.Generator) -> float:
    base = {"metal": 0.25, "glass": 0.8, "plastic": 0.06, "screen": 0.6, "tiles": 0.01}.get(look.kind, 0.003)
    if float(picture.mean()) < 40:  # dark surfaces return too little infrared
        base += 0.35
    return float(np.clip(base * rng.uniform(0, 2), 0, 1))


def _sheet(look: Look, rng: np.random.Generator, pictures: Pictures | None) -> Picture:
    size_wh = (320, 192) if look.kind == "print" else (224, 256)
    return _face(look, rng, look.rgb, look.rgb2, size_wh, pictures)


def _face(
    look: Look, rng: np.random.Generator, rgb: Rgb, rgb2: Rgb, size_wh: tuple[int, int], pictures: Pictures | None
) -> Picture:
    """One printed face: drawn, a piece of a picture, or a drawn one with a picture on it."""
    if pictures is None or rng.random() >= PRINT_RATE:
        return SHEETS[look.kind](rng, rgb, rgb2, size_wh)
    if rng.random() < 0.5:
        return pictures.piece(rng, size_wh)
    face = SHEETS[look.kind](rng, rgb, rgb2, size_wh).copy()
    wide, tall = (max(4, int(edge * rng.uniform(0.3, 0.95))) for edge in size_wh)
    x, y = int(rng.integers(size_wh[0] - wide + 1)), int(rng.integers(size_wh[1] - tall + 1))
    face[y : y + tall, x : x + wide] = pictures.piece(rng, (wide, tall))
    return face


def _atlas(
    look: Look, rng: np.random.Generator, size_m: tuple[float, float, float], pictures: Pictures | None
) -> Picture:
    """Faces +x -x +y / -y +z -z, each drawn at its own aspect and pressed into a square cell."""
    x, y, z = (max(edge, 1e-3) for edge in size_m)
    faces = ((y, z), (y, z), (x, z), (x, z), (x, y), (x, y))
    cells = []
    twin: dict[int, Picture] = {}
    longest = max(x, y, z)
    for index, (wide, tall) in enumerate(faces):
        size_wh = max(40, round(220 * wide / longest)), max(40, round(220 * tall / longest))
        opposite = twin.get(index - 1) if index % 2 else None
        if opposite is not None and rng.random() < 0.35:  # many boxes repeat the front on the back
            face = opposite
        else:
            rgb, rgb2 = (look.rgb, look.rgb2) if rng.random() < 0.8 else (look.rgb2, look.rgb)
            face = _face(look, rng, _near(rgb, rng), rgb2, size_wh, pictures)
        twin[index] = face
        cells.append(cv2.resize(face, (ATLAS_CELL, ATLAS_CELL), interpolation=cv2.INTER_AREA))
    return np.vstack([np.hstack(cells[:3]), np.hstack(cells[3:])])


def _near(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    red, green, blue = np.clip(np.asarray(rgb) + rng.normal(0, 0.05, 3), 0, 1)
    return float(red), float(green), float(blue)
