"""All small objects: what stands and lies on tables, shelves and floors."""

from __future__ import annotations

from ..geometry.model import Builder
from .household import clothes, decor, desk, devices, floor, household, statues, tools, toys
from .kitchenware import containers, food, kitchen, packages, tableware

_PARTS = (
    clothes,
    containers,
    decor,
    statues,
    desk,
    devices,
    floor,
    food,
    household,
    kitchen,
    packages,
    tableware,
    tools,
    toys,
)

BUILDERS: dict[str, list[Builder]] = {}
for _part in _PARTS:
    for _name, _builders in _part.BUILDERS.items():
        BUILDERS.setdefault(_name, []).extend(_builders)
