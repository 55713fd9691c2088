"""All small objects: what stands and lies on tables, shelves and floors."""

from __future__ import annotations

from training.rooms.catalogue import (
    small_clothes,
    small_containers,
    small_decor,
    small_desk,
    small_devices,
    small_floor,
    small_food,
    small_household,
    small_kitchen,
    small_packages,
    small_statues,
    small_tableware,
    small_tools,
    small_toys,
)
from training.rooms.model import Builder

_PARTS = (
    small_clothes,
    small_containers,
    small_decor,
    small_statues,
    small_desk,
    small_devices,
    small_floor,
    small_food,
    small_household,
    small_kitchen,
    small_packages,
    small_tableware,
    small_tools,
    small_toys,
)

BUILDERS: dict[str, list[Builder]] = {}
for _part in _PARTS:
    for _name, _builders in _part.BUILDERS.items():
        BUILDERS.setdefault(_name, []).extend(_builders)
