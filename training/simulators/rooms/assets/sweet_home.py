"""Furniture libraries of Sweet Home 3D (.sh3f): household things with their names, true sizes and textures.

A library is a ZIP archive of OBJ models and a catalogue of Java properties (`name#7=Coffee mug`, `width#7=11.9`, in
centimetres; "Java SE 8 API, java.util.Properties" describes the format). Debian packages some under free licences.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from saom_core.errors import InputError
from saom_core.taxonomy import CLASSES, OTHER

CATALOGUE = "PluginFurnitureCatalog.properties"
OUTSIDE = ("Doors and windows", "Exterior", "Characters", "Staircases", "Vehicles", "Lights")
"""Categories that are no things of a room, or that hang where none is placed."""
SYNONYMS = {"Couch": "Sofa", "Refrigerator": "Fridge", "Dustbin": "GarbageCan", "Trashcan": "GarbageCan"}
_LINE = re.compile(r"(\w+)#(\d+)\s*=\s*(.*)")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Thing:
    """One piece of a library: its name, the class that the name means, and its meshes, metres, z up."""

    name: str
    class_name: str
    meshes: tuple[Any, ...]


def things(library: Path) -> Iterator[Thing]:
    """Every usable thing of a library; what a room would not hold is passed over.

    Raises:
        InputError: If the file is no furniture library.
    """
    try:
        with zipfile.ZipFile(library) as archive, tempfile.TemporaryDirectory() as folder:
            entries = _entries(archive.read(CATALOGUE).decode("latin-1"))
            for member in archive.namelist():  # textures lie beside the models
                if _inside(member):
                    archive.extract(member, folder)
            for entry in entries:
                if entry.get("category") not in OUTSIDE and entry.get("doorOrWindow") != "true":
                    yield Thing(entry["name"], class_of(entry["name"]), _meshes(Path(folder), entry))
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"expected a furniture library with {CATALOGUE} in {library}, got {error}") from None


def class_of(name: str) -> str:
    """The class that a name of the catalogue means, by its last word or two: "Coffee mug" is a Mug."""
    words = [word.capitalize() for word in re.findall(r"[A-Za-z]+", name)]
    for count in (2, 1):
        joined = "".join(words[-count:])
        found = SYNONYMS.get(joined, joined)
        if found in CLASSES:
            return found
    return OTHER


def _inside(member: str) -> bool:
    parts = PurePosixPath(member).parts
    return not member.endswith("/") and ".." not in parts and not member.startswith("/")


def _entries(catalogue: str) -> list[dict[str, str]]:
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for line in catalogue.splitlines():
        if match := _LINE.match(line):
            value = _ESCAPE.sub(lambda code: chr(int(code[1], 16)), match[3])
            found[int(match[2])][match[1]] = value.strip()
    return [entry for _, entry in sorted(found.items()) if {"name", "model", "width", "depth", "height"} <= set(entry)]


def _meshes(folder: Path, entry: dict[str, str]) -> tuple[Any, ...]:
    """The meshes of an entry, turned and stretched to its size; none where its file is of another kind or broken."""
    import trimesh  # imported late: only who has meshes needs it

    path = folder / entry["model"].lstrip("/")
    if path.suffix.lower() != ".obj" or not path.is_file():
        return ()
    try:
        scene = trimesh.load_scene(path)
    except (ValueError, IndexError, KeyError, OSError):  # what trimesh raises on broken files
        return ()
    meshes = [mesh for mesh in scene.dump() if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces)]
    if not meshes:
        return ()
    turn = np.eye(3)
    if "modelRotation" in entry:
        turn = np.array(entry["modelRotation"].split(), float).reshape(3, 3)
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)  # OBJ files of these libraries have y up
    corners = [mesh.vertices @ (upright @ turn).T for mesh in meshes]
    low, high = np.min([c.min(0) for c in corners], 0), np.max([c.max(0) for c in corners], 0)
    size_m = np.array([float(entry[edge]) for edge in ("width", "depth", "height")]) / 100
    for mesh, points in zip(meshes, corners, strict=True):
        mesh.vertices = (points - low) / np.maximum(high - low, 1e-9) * size_m
    return tuple(meshes)
