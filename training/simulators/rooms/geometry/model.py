"""What an object of a simulated room is: solids with looks and part names, nothing of the simulator.

The catalogue builds `ObjectModel`s from a random generator; `scene.py` places them; `mujoco_world.py` turns them
into geoms. Frame: metres, z up, x right, the front of the object looks along -y; the object stands on the plane z = 0
with its footprint centred on the origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Vec3 = tuple[float, float, float]
Rgb = tuple[float, float, float]

LookKind = Literal[
    "plain",  # one colour, slight noise
    "wood",
    "marble",  # stone, concrete, terrazzo
    "fabric",  # woven or patterned cloth
    "metal",  # brushed or polished
    "glass",  # semi-transparent
    "plastic",  # glossy
    "print",  # a package: text, logos, stripes, blobs, pictures; different on each face
    "paper",  # lines of text, as a newspaper or a page
    "tiles",
    "pattern",  # stripes, checks, plaid, dots, zigzag
    "shapes",  # ellipses, boxes, lines in many colours
    "clouds",  # noise between two colours
    "screen",  # a display: dark, or windows and text
    "leaves",
    "picture",  # a picture of its own: the texture of a mesh that was read from a file
]


@dataclass(frozen=True)
class Look:
    """How a surface looks; `materials.py` makes the texture and the reflectance of it."""

    kind: LookKind
    rgb: Rgb  # base colour, 0..1
    rgb2: Rgb = (1.0, 1.0, 1.0)  # second colour of patterns and prints
    alpha: float = 1.0  # < 1: see-through
    picture: np.ndarray | None = field(default=None, compare=False)  # (H, W, 3) uint8 RGB of kind "picture"


@dataclass(frozen=True)
class Solid:
    """One solid of an object.

    `size` by kind, metres: box (x, y, z full edges); cylinder (radius, height), axis z; capsule (radius, height of the
    straight part), axis z; sphere (radius,); ellipsoid (x, y, z full axes); mesh: () with `vertices`/`faces`/`uv`.
    `pos` is the solid's centre (for a mesh: the offset added to its vertices), `euler` intrinsic xyz radians.
    """

    kind: Literal["box", "cylinder", "capsule", "sphere", "ellipsoid", "mesh"]
    size: tuple[float, ...]
    pos: Vec3
    look: str  # key of ObjectModel.looks
    part: str  # the part it belongs to: "body", "handle", "lid", "drawer_1", ...
    euler: Vec3 = (0.0, 0.0, 0.0)
    visible: bool = True
    collides: bool = True  # meshes collide as their convex hull: a bowl wants visible meshes and invisible boxes
    vertices: np.ndarray | None = None  # (V, 3) float
    faces: np.ndarray | None = None  # (F, 3) int, counter-clockwise seen from outside
    uv: np.ndarray | None = None  # (V, 2) float, 0..1


@dataclass(frozen=True)
class Surface:
    """A horizontal place where other objects may be put: a table top, a shelf board, the inside of a bowl."""

    center: Vec3  # of the rectangle, on the surface
    size: tuple[float, float]  # x, y, metres
    clearance: float = 1.0  # free height above it, metres
    inside: bool = False  # things put there are inside the object (bowl, box, shelf)


@dataclass(frozen=True)
class ObjectModel:
    """One object. `class_name` is a taxonomy name, or `saom_core.taxonomy.OTHER` for what is none of the classes."""

    class_name: str
    style: str  # e.g. "mug_with_handle": for statistics and tests
    solids: tuple[Solid, ...]
    looks: dict[str, Look]
    size: Vec3  # bounding box, metres
    mass: float  # kg
    placement: Literal["floor", "table", "wall", "ceiling", "wall_floor"]  # wall_floor: stands with its back to a wall
    surfaces: tuple[Surface, ...] = ()
    # sub-objects with a class of their own, merged into the whole or kept apart by option: part name -> class name,
    # e.g. {"drawer_1": "Drawer", "basin": "SinkBasin"}
    sub_objects: dict[str, str] = field(default_factory=dict)
    # (seed, pair, number) of a thing that stands in two rooms: its name, and what its surfaces are drawn from
    thing: tuple[int, ...] = ()


Builder = Callable[[np.random.Generator], ObjectModel]
