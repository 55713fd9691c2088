"""Furniture and fixtures: the builders by class name, and how high the wall objects hang."""

from __future__ import annotations

from saom_core.taxonomy import OTHER

from ..geometry.model import Builder, ObjectModel
from .fixtures import bathroom, bins, devices, hangings, kitchen, other, wall
from .furniture import chairs, counters, desks, seating, shelves, storage, tables

BUILDERS: dict[str, list[Builder]] = {
    "ArmChair": [seating.arm_chair],
    "Bathtub": [bathroom.bathtub],
    "Bed": [seating.bed],
    "Blinds": [hangings.blinds],
    "Cabinet": [storage.cabinet],
    "CoffeeTable": [tables.coffee_table],
    "CounterTop": [counters.counter_top],
    "Desk": [desks.desk],
    "DiningTable": [tables.dining_table],
    "Drawer": [storage.drawer_unit],
    "Dresser": [storage.dresser],
    "Fridge": [kitchen.fridge],
    "GarbageCan": [bins.garbage_can],
    "LaundryHamper": [bins.laundry_hamper],
    "Microwave": [kitchen.microwave],
    "Ottoman": [seating.ottoman],
    "Safe": [storage.safe],
    "Shelf": [shelves.shelf],
    "ShowerCurtain": [hangings.shower_curtain],
    "ShowerDoor": [hangings.shower_door],
    "SideTable": [tables.side_table],
    "Sink": [bathroom.sink],
    "Sofa": [seating.sofa],
    "StoveBurner": [kitchen.stove],
    "TVStand": [storage.tv_stand],
    "Toilet": [bathroom.toilet],
    "ToiletPaperHanger": [hangings.paper_hanger],
    OTHER: [
        chairs.dining_chair,
        chairs.office_chair,
        chairs.stool,
        other.floor_lamp,
        other.desk_lamp,
        other.screen,
        other.big_plant,
        other.carton_stack,
        other.backpack,
        devices.printer,
        devices.toaster,
        devices.kettle,
        devices.coffee_machine,
        devices.speaker,
        devices.computer,
        devices.washer,
        devices.suitcase,
        wall.picture,
        wall.mirror,
        wall.room_door,
        wall.window,
        wall.curtain,
        wall.radiator,
        wall.pin_board,
        wall.wall_clock,
    ],
}
"""Class name -> builders. BathtubBasin, SinkBasin come as sub-objects only (see `ObjectModel.sub_objects`)."""

MOUNT_HEIGHT_M: dict[str, tuple[float, float]] = {
    "Blinds": (0.8, 1.1),
    "Cabinet": (1.35, 1.55),
    "Shelf": (0.9, 1.7),
    "ShowerCurtain": (0.05, 0.25),
    "Sink": (0.5, 0.6),
    "ToiletPaperHanger": (0.6, 0.85),
    "picture": (1.1, 1.5),
    "poster": (1.0, 1.4),
    "mirror": (0.7, 1.1),
    "mirror_round": (1.1, 1.4),
    "door": (0.0, 0.0),
    "window": (0.8, 1.1),
    "curtain": (0.02, 0.1),
    "radiator": (0.1, 0.2),
    "pin_board": (1.0, 1.3),
    "wall_clock": (1.6, 2.0),
}
"""Height of a wall object's lowest point above the floor (min, max), metres; by style, its first word, or class."""

_TOP_LIMIT_M = 2.35  # below the lowest ceiling


def mount_height_m(model: ObjectModel) -> tuple[float, float]:
    """Range of heights at which a wall object may hang, so that its top stays below 2.35 m.

    Wall objects touch the wall with the plane y = +size_y / 2 and have z = 0 at their lowest point.

    Raises:
        KeyError: if the object is none that hangs on a wall.
    """
    for key in (model.style, model.style.split("_")[0], model.class_name):
        if key in MOUNT_HEIGHT_M:
            low, high = MOUNT_HEIGHT_M[key]
            highest = max(0.0, _TOP_LIMIT_M - model.size[2])
            return min(low, highest), min(high, highest)
    raise KeyError(
        f"expected an object that hangs on a wall, got {model.style} ({model.placement}); place it elsewhere"
    )
