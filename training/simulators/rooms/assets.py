"""The user's own meshes as objects of the rooms: scanned things, CAD parts, models of furniture.

`FOLDER/Mug/blue.obj` is a Mug; folders that are no class of the taxonomy, and files beside them, are Other.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from saom_core.errors import InputError
from saom_core.files import user_cache, write_atomically
from saom_core.taxonomy import CLASSES, OTHER

from .catalogue.kits.draft import Draft, vec3
from .geometry.model import Builder, Look, LookKind, ObjectModel
from .geometry.triangles import Mesh
from .options import MESH_SUFFIXES, UNITS_M, files_of

SMALLEST_M, LARGEST_M = 0.008, 3.5
MAX_FACES = 60_000
MAX_TEXTURE_PX = 512
CONVEX_SHARE = 0.7
"""A mesh that fills this much of its convex hull collides as the hull; others are split into convex pieces."""
HULLS = 12
RESOLUTION = 20_000
"""Of convex pieces: at most so many, found on so many voxels."""
DENSITY = 250.0
"""Kilograms per cubic metre of the convex hull: things are hollow, or lighter than water."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assets:
    """Builders of the user's objects, and how often they are taken instead of the built-in ones."""

    builders: tuple[Builder, ...]
    share: float


def load_assets(folder: Path, share: float, unit: str, up: str) -> Assets:
    """All usable meshes below a folder; what is left out is told with its reason.

    Args:
        folder: holds a folder for each class with .obj, .glb, .gltf, .stl or .ply files.
        share: of the small things of a scene that come from here.
        unit: of the files' lengths, a key of `UNITS_M`; glTF files are in metres.
        up: "y" or "z", the files' vertical axis; glTF's is y.

    Raises:
        InputError: If no mesh can be used.
    """
    builders: list[Builder] = []
    for path in files_of(folder, MESH_SUFFIXES):
        try:
            builders.append(_Scaled(_model(path, _class_of(path, folder), unit, up)))
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


def _model(path: Path, class_name: str, unit: str, up: str) -> ObjectModel:
    meshes = _meshes(path)
    faces = sum(len(mesh.faces) for mesh in meshes)
    if not meshes or not 4 <= faces <= MAX_FACES:
        raise ValueError(f"expected 4 to {MAX_FACES} triangles, got {faces}: simplify the mesh")
    is_gltf = path.suffix.lower() in (".glb", ".gltf")
    scale = 1.0 if is_gltf else UNITS_M[unit]
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float) if is_gltf or up == "y" else np.eye(3)
    corners = [np.asarray(mesh.vertices, float) @ turn.T * scale for mesh in meshes]
    longest = float(np.ptp(np.concatenate(corners), axis=0).max())
    if not SMALLEST_M <= longest <= LARGEST_M:
        raise ValueError(
            f"expected a thing of {SMALLEST_M} to {LARGEST_M} m, got {longest:.4g} m: is --asset-unit {unit} right?"
        )
    draft = Draft(class_name, f"asset_{path.stem}")
    for index, (mesh, vertices) in enumerate(zip(meshes, corners, strict=True)):
        look, uv = _look(mesh)
        draft.looks[f"look_{index}"] = look
        draft.mesh(Mesh(vertices, np.asarray(mesh.faces, np.int32), uv), f"look_{index}")
    hulls, volume = _colliders(corners, [np.asarray(mesh.faces) for mesh in meshes])
    for hull in hulls:
        draft.hull(hull)
    mass = float(np.clip(DENSITY * volume, 0.02, 3.0))
    return draft.finish(mass, "table" if longest <= 0.6 else "floor")


def _meshes(path: Path) -> list[Any]:
    """The triangle meshes of a file, each with one material, placed as the file says."""
    import trimesh  # imported late: only who has meshes needs it

    scene = trimesh.load_scene(path)
    return [mesh for mesh in scene.dump() if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces)]


def _look(mesh: Any) -> tuple[Look, np.ndarray]:
    """The surface of a mesh, and where its texture lies: (V, 2), v upwards."""
    material = getattr(mesh.visual, "material", None)
    uv = getattr(mesh.visual, "uv", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    rgba = np.asarray(getattr(material, "main_color", None) if material is not None else mesh.visual.main_color, float)
    red, green, blue, alpha = rgba / 255 if rgba.shape == (4,) else (0.7, 0.7, 0.7, 1.0)
    rgb = (float(red), float(green), float(blue))
    if image is None or uv is None:
        flat = mesh.vertices - mesh.vertices.mean(axis=0)
        across = np.linalg.svd(flat, full_matrices=False)[2][:2] if len(flat) > 2 else np.eye(3)[:2]
        kind: LookKind = "glass" if alpha < 0.95 else "plastic"
        return Look(kind, rgb, rgb, alpha=max(0.25, float(alpha))), flat @ across.T
    picture = np.asarray(image.convert("RGB"), np.uint8)
    scale = MAX_TEXTURE_PX / max(picture.shape[:2])
    if scale < 1:
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return Look("picture", rgb, rgb, picture=picture), np.asarray(uv, float)


def _colliders(corners: Sequence[np.ndarray], faces: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Convex pieces, (V, 3) metres each, that things bump into, and the volume of the whole's convex hull, m3."""
    import trimesh

    offsets = np.cumsum([0, *(len(points) for points in corners[:-1])])
    whole = trimesh.Trimesh(
        np.concatenate(corners), np.concatenate([f + o for f, o in zip(faces, offsets, strict=True)]), process=True
    )
    hull = whole.convex_hull
    if whole.is_watertight and abs(whole.volume) > CONVEX_SHARE * hull.volume:
        return [np.asarray(hull.vertices)], float(hull.volume)
    return _pieces(whole) or [np.asarray(hull.vertices)], float(hull.volume)


def _pieces(mesh: Any) -> list[np.ndarray]:
    """The convex pieces (V, 3) of a mesh; kept in the user's cache, since every process would take a while for them."""
    shape = hashlib.sha256(f"{HULLS} {RESOLUTION}".encode())
    shape.update(np.asarray(mesh.vertices, np.float32).tobytes())
    shape.update(np.asarray(mesh.faces, np.int32).tobytes())
    kept = user_cache() / "hulls" / f"{shape.hexdigest()[:32]}.npz"
    with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile), np.load(kept) as file:
        return list(file.values())
    pieces = [
        np.asarray(piece.vertices) for piece in mesh.convex_decomposition(maxConvexHulls=HULLS, resolution=RESOLUTION)
    ]
    with contextlib.suppress(OSError):  # a full or read-only disk costs time alone
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, lambda file: np.savez(file, *pieces))
    return pieces
