"""Meshes as objects of the catalogue: their looks, size, weight and colliders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..catalogue.kits.draft import Draft
from ..geometry.model import Look, LookKind, ObjectModel
from ..geometry.triangles import Mesh
from ..looks.pictures import no_larger
from .hulls import colliders

SMALLEST_M, LARGEST_M = 0.008, 3.5
MAX_FACES = 60_000
MAX_TEXTURE_PX = 512
DENSITY = 250.0
"""Kilograms per cubic metre of the convex hull: things are hollow, or lighter than water."""
SMALL_M = 0.6
"""Things up to this size lie on tables; larger ones stand on the floor."""


def model_of(meshes: Sequence[Any], class_name: str, style: str) -> ObjectModel:
    """An object of one or more triangle meshes.

    Args:
        meshes: trimesh's, each with one material; metres, z up.
        class_name: of the taxonomy, or `OTHER`.
        style: names the object in statistics.

    Raises:
        ValueError: If there are too few or too many triangles, or the size is none of a thing.
    """
    faces = sum(len(mesh.faces) for mesh in meshes)
    if not 4 <= faces <= MAX_FACES:
        raise ValueError(f"expected 4 to {MAX_FACES} triangles, got {faces}: simplify the mesh")
    corners = [np.asarray(mesh.vertices, float) for mesh in meshes]
    longest = float(np.ptp(np.concatenate(corners), axis=0).max())
    if not SMALLEST_M <= longest <= LARGEST_M:
        raise ValueError(f"expected a thing of {SMALLEST_M} to {LARGEST_M} m, got {longest:.4g} m: is its unit right?")
    draft = Draft(class_name, style)
    for index, (mesh, vertices) in enumerate(zip(meshes, corners, strict=True)):
        look, uv = _look(mesh)
        draft.looks[f"look_{index}"] = look
        draft.mesh(Mesh(vertices, np.asarray(mesh.faces, np.int32), uv), f"look_{index}")
    hulls, volume = colliders(corners, [np.asarray(mesh.faces) for mesh in meshes])
    for hull in hulls:
        draft.hull(hull)
    return draft.finish(float(np.clip(DENSITY * volume, 0.02, 3.0)), "table" if longest <= SMALL_M else "floor")


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
    picture = no_larger(np.asarray(image.convert("RGB"), np.uint8), MAX_TEXTURE_PX)
    return Look("picture", rgb, rgb, picture=picture), np.asarray(uv, float)
