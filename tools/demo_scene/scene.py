"""What stands on the demo's table, as triangles with looks, for the renderer.

The things are those of `rooms`, the simulator that saom-tiny was trained with; which ones, where they stand and what
colours they have is written down here by hand, because a random scene has a purple table as often as a wooden one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_training.simulators.rooms.cameras import look_at
from saom_training.simulators.rooms.catalogue import BUILDERS
from saom_training.simulators.rooms.geometry.boxes import about_z
from saom_training.simulators.rooms.geometry.model import Look, ObjectModel
from saom_training.simulators.rooms.looks.materials import make_material
from saom_training.simulators.rooms.meshes import object_visuals

CAMERA = CameraIntrinsics(fx=570.0, fy=570.0, cx=319.5, cy=239.5, width=640, height=480)
TABLE_HEIGHT_M = 0.74
TABLE_SIZE_M = (1.5, 0.9)
STEPS = 16  # of the camera's closed path; the frames are its first ones, shown back and forth
_SEEDS = 200
_DRAWN = ("print", "paper", "screen")  # looks that are a picture; the renderer makes the others itself

WHITE, CREAM, OAK, STEEL = (0.86, 0.85, 0.82), (0.85, 0.79, 0.66), (0.55, 0.36, 0.19), (0.75, 0.75, 0.76)
CERAMIC, BLUE, RED, BLACK = (0.78, 0.76, 0.72), (0.07, 0.15, 0.30), (0.50, 0.07, 0.05), (0.03, 0.03, 0.035)


@dataclass(frozen=True)
class Thing:
    """One thing: its style in the catalogue, where it stands (metres from the table's middle), how it is turned."""

    class_name: str
    style: str
    x_m: float
    y_m: float
    turn_deg: float = 0.0
    looks: dict[str, Look] = field(default_factory=dict)
    nth: int = 0  # of the seeds that give this style
    z_m: float = 0.0  # above the table's top


THINGS = (
    Thing("Laptop", "laptop_open", -0.22, 0.12, 16, {"body": Look("metal", STEEL), "keys": Look("plain", BLACK)}),
    Thing("Mug", "mug_barrel", 0.02, -0.03, 205, {"body": Look("plastic", RED), "inside": Look("plain", WHITE)}),
    Thing("Bowl", "bowl_ceramic_deep", 0.36, 0.17, 0, {"body": Look("plastic", CERAMIC)}, nth=1),
    Thing("Plate", "plate_round", 0.27, -0.16, 0, {"body": Look("plastic", (0.42, 0.54, 0.60))}),
    Thing("Bread", "bread_loaf", 0.27, -0.16, 30, {"crust": Look("marble", (0.42, 0.20, 0.06))}, z_m=0.012),
    Thing(
        "Book", "book_lying", -0.13, -0.22, 68, {"cover": Look("fabric", BLUE), "pages": Look("plain", CREAM)}, nth=1
    ),
    Thing("Newspaper", "newspaper_folded", -0.40, -0.16, -24, nth=1),
    Thing("Other", "apple", 0.07, -0.23, 0, {"skin": Look("plastic", (0.45, 0.04, 0.03))}),
    Thing("Other", "bottle_wine", 0.12, 0.27, 0, {"body": Look("plastic", (0.02, 0.07, 0.03))}),
    Thing(
        "PaperTowelRoll",
        "paper_towel_stand",
        0.55,
        0.08,
        0,
        {"paper": Look("plain", WHITE), "stand": Look("wood", OAK)},
        nth=1,
    ),
    Thing("TissueBox", "tissue_flat", -0.56, 0.14, 78, {"body": Look("plastic", (0.16, 0.33, 0.31))}),
    Thing("Other", "chair_slats", 0.15, 0.95, 0, {"frame": Look("wood", OAK), "seat": Look("wood", OAK)}, z_m=-0.74),
)


def write_scene(file: Path, frames: int) -> None:
    """Writes triangles, looks and camera poses for `render.py`.

    Args:
        file: `.npz` to write.
        frames: of the sequence.
    """
    arrays: dict[str, np.ndarray] = {}
    for number, thing in enumerate(THINGS):
        for k, (name, array) in enumerate(_visuals(thing, np.random.default_rng(number))):
            arrays[f"{number:02d}_{thing.style}/{k // 5}/{name}"] = array
    arrays["poses"] = np.stack([pose_of(k / STEPS) for k in range(frames)])
    arrays["camera"] = np.array([CAMERA.fx, CAMERA.cx, CAMERA.cy, CAMERA.width, CAMERA.height])
    arrays["table"] = np.array([*TABLE_SIZE_M, TABLE_HEIGHT_M])
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)


def pose_of(turn: float) -> np.ndarray:
    """Camera pose (4, 4) on a closed path, as a person sways who holds the camera; `turn` goes from 0 to 1."""
    azimuth = np.radians(-90 + 11 * np.sin(2 * np.pi * turn))
    distance, pitch = 1.14 + 0.05 * np.cos(2 * np.pi * turn), np.radians(37 + 3 * np.sin(4 * np.pi * turn))
    flat = np.cos(pitch)
    middle = np.array([0.03, 0.0, TABLE_HEIGHT_M + 0.03])
    offset = distance * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(pitch)])
    return look_at(middle + offset, middle, 0.0)


def _visuals(thing: Thing, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    """Per visible mesh five arrays in the world's frame: points, normals, uv, what it looks like, its picture."""
    model = _built(thing)
    looks = {**model.looks, **thing.looks}
    turn = about_z(np.radians(thing.turn_deg))
    spot = np.array([thing.x_m, thing.y_m, TABLE_HEIGHT_M + thing.z_m])
    found = []
    for visual in object_visuals(model, looks, {}):
        look = looks[visual.look]
        picture = np.zeros((0, 0, 3), np.uint8)
        if look.kind in _DRAWN:
            picture = make_material(look, visual.layout, rng, visual.size, 512).picture
        found += [
            ("points", (visual.mesh.points @ turn.T + spot).astype(np.float32)),
            ("normals", (visual.mesh.normals @ turn.T).astype(np.float32)),
            ("uv", visual.mesh.uv.astype(np.float32)),
            ("look", np.array([look.kind, *look.rgb, look.alpha], dtype=str)),
            ("picture", picture),
        ]
    return found


def _built(thing: Thing) -> ObjectModel:
    left = thing.nth
    for seed in range(_SEEDS):
        for builder in dict.fromkeys(BUILDERS[thing.class_name]):
            model = builder(np.random.default_rng(seed))
            if model.style == thing.style:
                if not left:
                    return model
                left -= 1
    raise ValueError(f"expected the catalogue to have style {thing.style} of {thing.class_name}, got none")
