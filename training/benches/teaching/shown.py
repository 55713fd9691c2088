"""Which objects of a data set `saom bench-teach` teaches, and the pictures that show them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...dataset import Dataset

CLEAR_PX, CLEAR_SHARE = 400, 0.6
"""Least pixels of an object in a picture, and least share of it that is seen, for a person to show it as an example."""

Views = tuple[tuple[int, dict[str, Any]], ...]
"""Pictures of an object: (row of the data set, its mask's RLE)."""


@dataclass(frozen=True)
class ShownObject:
    """One object and the pictures that show it clearly, those of one scene and those of the other scenes it is in."""

    class_name: str
    name: str
    views: Views
    elsewhere: Views = ()


class _Kind(NamedTuple):
    """What tells an object from the others of its scene."""

    category_id: int
    style: str
    thing: str  # empty: it stands nowhere else


def shown_objects(data: Dataset, least_views: int) -> list[ShownObject]:
    """Objects that enough pictures of their scene show clearly; where some are shown in other scenes, too, those alone.

    Pictures do not say which object is which, but class and style do where no picture of a scene has two of them. Of a
    thing that stands in several scenes the pictures say it.
    """
    clear = {scene: _clear_views(data, rows) for scene, rows in _by_scene(data).items()}
    found: list[ShownObject] = []
    for scene, kinds in clear.items():
        for kind, views in kinds.items():
            if len(views) < least_views:
                continue
            others = [shown.get(kind, ()) for other, shown in clear.items() if kind.thing and other != scene]
            elsewhere = tuple(view for shown in others for view in shown)
            found.append(ShownObject(data.class_names[kind.category_id], f"{kind.style} of {scene}", views, elsewhere))
    return [shown for shown in found if shown.elsewhere] or found


def halves(data: Dataset) -> tuple[Dataset, Dataset]:
    """Two data sets that share no thing: every other scene, or every other group of scenes that share things."""
    places = _places(data)
    one, other = (data.subset(sorted(row for rows in places[begin::2] for row in rows)) for begin in (0, 1))
    return one, other


def _places(data: Dataset) -> list[list[int]]:
    """The rows of each scene, together with those of the scenes that share things with it."""
    places: list[tuple[set[str], list[int]]] = []
    for rows in _by_scene(data).values():
        things = {entry["thing"] for row in rows for entry in data.entries(row) if "thing" in entry}
        shared = next((place for place in places if place[0] & things), None)
        if shared is None:
            places.append((things, list(rows)))
        else:
            shared[0].update(things)
            shared[1].extend(rows)
    return [rows for _, rows in places]


def _clear_views(data: Dataset, rows: list[int]) -> dict[_Kind, Views]:
    """The pictures among these, of one scene, that show each object clearly; without objects that have a twin."""
    views: dict[_Kind, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    twins = set()
    for row in rows:
        wholes = [entry for entry in data.entries(row) if entry["part_of"] is None]
        kinds = [_Kind(entry["category_id"], entry["style"], entry.get("thing", "")) for entry in wholes]
        twins |= {kind for kind in kinds if kinds.count(kind) > 1}
        for kind, entry in zip(kinds, wholes, strict=True):
            if entry["area"] >= CLEAR_PX and entry["visible"] >= CLEAR_SHARE:
                views[kind].append((row, entry["segmentation"]))
    return {kind: tuple(seen) for kind, seen in views.items() if kind not in twins}


def _by_scene(data: Dataset) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, scene in enumerate(data.scenes()):
        rows[scene].append(row)
    return rows
