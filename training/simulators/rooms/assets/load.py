"""The user's own meshes as objects of the rooms: scanned things, CAD parts, models of furniture.

`FOLDER/Mug/blue.obj` is a Mug; folders that are no class of the taxonomy, and files beside them, are Other.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from saom_core.errors import InputError
from saom_core.taxonomy import CLASSES, OTHER

from ..catalogue.kits.draft import vec3
from ..geometry.model import Builder, ObjectModel
from ..options import MESH_SUFFIXES, UNITS_M, files_of
from .meshes import model_of
from .sweet_home import things

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assets:
    """Builders of the user's objects, and how often they are taken instead of the built-in ones."""

    builders: tuple[Builder, ...]
    share: float


def load_assets(folder: Path, share: float, unit: str, up: str) -> Assets:
    """All usable meshes below a folder; what is left out is told with its reason.

    Args:
        folder: holds a folder for each class with .obj, .glb, .gltf, .stl or .ply files, or .sh3f libraries.
        share: of the small things of a scene that come from here.
        unit: of the files' lengths, a key of `UNITS_M`; glTF files are in metres.
        up: "y" or "z", the files' vertical axis; glTF's is y.

    Raises:
        InputError: If no mesh can be used.
    """
    builders: list[Builder] = []
    for path in files_of(folder, MESH_SUFFIXES):
        try:
            builders.extend(_Scaled(model) for model in _of_file(path, folder, unit, up))
        except (ValueError, IndexError, KeyError, OSError) as error:  # what trimesh raises on broken files
            log.warning("%s is left out: %s", path.relative_to(folder), error)
    if not builders:
        raise InputError(f"expected a usable mesh below {folder}, got none: the lines above say why")
    return Assets(tuple(builders), share)


@dataclass(frozen=True)
class _Scaled:
    """Makes the object a little larger or smaller each time, as things of one kind are."""

    model: ObjectModel

    def __call__(self, rng: np.random.Generator) -> ObjectModel:
        factor = float(rng.uniform(0.85, 1.15))
        solids = tuple(
            replace(
                solid,
                pos=vec3(factor * np.asarray(solid.pos)),
                vertices=None if solid.vertices is None else solid.vertices * factor,
            )
            for solid in self.model.solids
        )
        size = vec3(factor * np.asarray(self.model.size))
        return replace(self.model, solids=solids, size=size, mass=self.model.mass * factor**3)


def _class_of(path: Path, folder: Path) -> str:
    names = {name.lower(): name for name in CLASSES}
    parents = [part.lower() for part in path.relative_to(folder).parts[:-1]]
    return next((names[part] for part in parents if part in names), OTHER)


def _of_file(path: Path, folder: Path, unit: str, up: str) -> Iterator[ObjectModel]:
    """The object of a mesh file, or those of a furniture library."""
    if path.suffix.lower() == ".sh3f":
        for thing in things(path):
            with contextlib.suppress(ValueError):  # a house, or nothing at all: a library holds many more
                yield model_of(thing.meshes, thing.class_name, f"asset_{thing.name}")
        return
    import trimesh  # imported late: only who has meshes needs it

    meshes = [mesh for mesh in trimesh.load_scene(path).dump() if isinstance(mesh, trimesh.Trimesh)]
    is_gltf = path.suffix.lower() in (".glb", ".gltf")
    scale = 1.0 if is_gltf else UNITS_M[unit]
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float) if is_gltf or up == "y" else np.eye(3)
    for mesh in meshes:
        mesh.vertices = mesh.vertices @ turn.T * scale
    yield model_of(meshes, _class_of(path, folder), f"asset_{path.stem}")
