"""Photographs whose objects are labelled, and the views of one that stand in for further ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.pictures.photos import read_photo
from saom_core.places.depth_files import read_depth

FORM = (
    "FOLDER or FOLDER/PREFIX: NAME-color.png, NAME-depth.png (16-bit, millimetres; where there is depth), "
    "NAME-label.png (0: no object) and objects.json {NAME: {label: {object: what it is, names: [classes that are right "
    "for it]}}}"
)
"""How they are stored."""
CUTS = ((0, 0), (5, 3), (2, 7))
"""Pixels cut off at the left and at the top: cuts of one photograph stand in for further ones."""


@dataclass(frozen=True)
class View:
    """A cut of a photograph, mirrored or not."""

    image_rgb: npt.NDArray[np.uint8]  # (H, W, 3)
    depth_m: npt.NDArray[np.floating] | None  # (H, W)
    labels: npt.NDArray[Any]  # (H, W); 0: no object


@dataclass(frozen=True)
class Photograph:
    """A labelled photograph."""

    folder: Path
    name: str
    objects: dict[int, str]  # label -> object
    names: dict[int, tuple[str, ...]]  # label -> classes that are right for it; empty: it has none

    @cached_property
    def image_rgb(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3)."""
        return read_photo(self.folder / f"{self.name}-color.png")

    @cached_property
    def depth_m(self) -> npt.NDArray[np.floating] | None:
        """(H, W) metres; None: there is no such file."""
        file = self.folder / f"{self.name}-depth.png"
        return read_depth(file) if file.is_file() else None

    @cached_property
    def labels(self) -> npt.NDArray[Any]:
        """(H, W); 0: no object.

        Raises:
            InputError: it cannot be read, or is not of the picture's size.
        """
        file = self.folder / f"{self.name}-label.png"
        stored = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if stored is None or stored.shape != self.image_rgb.shape[:2]:
            got = "none that can be read" if stored is None else f"{stored.shape}"
            raise InputError(
                f"expected labels {self.image_rgb.shape[:2]} at {file}, got {got}: give one number a pixel"
            )
        return np.asarray(stored)

    def view(self, cut: int, *, mirrored: bool = False) -> View:
        """One of `CUTS`; InputError as `labels`."""
        (left, top), step = CUTS[cut], -1 if mirrored else 1
        parts = (self.image_rgb, self.depth_m, self.labels)
        image, depth, labels = (
            None if part is None else np.ascontiguousarray(part[top:, left:][:, ::step]) for part in parts
        )
        assert image is not None and labels is not None
        return View(image, depth, labels)


def photographs_of(place: Path) -> list[Photograph]:
    """The photographs of a place, see `FORM`.

    Raises:
        InputError: there are none.
    """
    folder, prefix = (place, "") if place.is_dir() else (place.parent, place.name)
    listing = folder / "objects.json"
    if not listing.is_file():
        raise InputError(f"expected {listing}, got no such file: {FORM}")
    try:
        listed = json.loads(listing.read_text(encoding="utf-8"))
        found = [_photograph(folder, name, objects) for name, objects in listed.items() if name.startswith(prefix)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{listing}: expected {FORM}, got {type(error).__name__}: {error}") from error
    if not found:
        raise InputError(f"expected photographs whose names begin with {prefix!r} in {listing}, got none")
    return found


def _photograph(folder: Path, name: str, objects: dict[str, dict[str, Any]]) -> Photograph:
    names = {int(label): what.get("names", []) for label, what in objects.items()}
    for label, right in names.items():
        if not isinstance(right, list):
            raise ValueError(f"names of {name}, {label} is {right!r}, no list")
    return Photograph(
        folder,
        name,
        {int(label): str(what["object"]) for label, what in objects.items()},
        {label: tuple(map(str, right)) for label, right in names.items()},
    )


def check_names(photographs: Sequence[Photograph], class_names: Sequence[str]) -> None:
    """Raises InputError where a class that is said to be right is none of the model's."""
    for photo in photographs:
        for label, right in photo.names.items():
            unknown = [name for name in right if name not in class_names]
            if unknown:
                raise InputError(
                    f"{photo.folder / 'objects.json'}: expected the model's classes as names of {photo.name}, {label}, "
                    f"got {', '.join(unknown)}: `saom info` lists them; a thing without a class has no names"
                )


def views_of(photographs: Sequence[Photograph], count: int) -> Iterator[tuple[Photograph, View]]:
    """Each photograph in its first so many views: the cuts, then the cuts mirrored."""
    shapes = [(cut, mirrored) for mirrored in (False, True) for cut in range(len(CUTS))][:count]
    for known in photographs:
        photo = dataclasses.replace(known)  # keeps its pictures no longer than they are needed
        for cut, mirrored in shapes:
            yield photo, photo.view(cut, mirrored=mirrored)
