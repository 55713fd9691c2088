"""All small objects: what stands and lies on tables, shelves and floors."""

from __future__ import annotations

from training.rooms.catalogue import (
    small_decor,
    small_desk,
    small_household,
    small_kitchen,
    small_more,
    small_packages,
    small_things,
)
from training.rooms.model import Builder

BUILDERS: dict[str, list[Builder]] = {}
for _part in (small_kitchen, small_packages, small_household, small_decor, small_desk, small_things, small_more):
    for _name, _builders in _part.BUILDERS.items():
        BUILDERS.setdefault(_name, []).extend(_builders)
