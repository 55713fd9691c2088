"""Furniture and fixtures: the builders by class name, and how high the wall objects hang."""

from __future__ import annotations

from saom_core.taxonomy import OTHER
from training.rooms.catalogue import (
    large_bathroom,
    large_bins,
    large_chairs,
    large_counters,
    large_desks,
    large_devices,
    large_hangings,
    large_kitchen,
    large_other,
    large_seating,
    large_shelves,
    large_storage,
    large_tables,
    large_wall,
)
from training.rooms.model import Builder, ObjectModel

BUILDERS: dict[str, list[Builder]] = {
    "ArmChair": [large_seating.arm_chair],
    "Bathtub": [large_bathroom.bathtub],
    "Bed": [large_seating.bed],
    "Blinds": [large_hangings.blinds],
    "Cabinet": [large_storage.cabinet],
    "CoffeeTable": [large_tables.coffee_table],
    "CounterTop": [large_counters.counter_top],
    "Desk": [large_desks.desk],
    "DiningTable": [large_tables.dining_table],
    "Drawer": [large_storage.drawer_unit],
    "Dresser": [large_storage.dresser],
    "Fridge": [large_kitchen.fridge],
    "GarbageCan": [large_bins.garbage_can],
    "LaundryHamper": [large_bins.laundry_hamper],
    "Microwave": [large_kitchen.microwave],
    "Ottoman": [large_seating.ottoman],
    "Safe": [large_storage.safe],
    "Shelf": [large_shelves.shelf],
    "ShowerCurtain": [large_hangings.shower_curtain],
    "ShowerDoor": [large_hangings.shower_door],
    "SideTable": [large_tables.side_table],
    "Sink": [large_bathroom.sink],
    "Sofa": [large_seating.sofa],
    "StoveBurner": [large_kitchen.stove],
    "TVStand": [large_storage.tv_stand],
    "Toilet": [large_bathroom.toilet],
    "ToiletPaperHanger": [large_hangings.paper_hanger],
    OTHER: [
        large_chairs.dining_chair,
        large_chairs.office_chair,
        large_chairs.stool,
        large_other.floor_lamp,
        large_other.desk_lamp,
        large_other.screen,
        large_other.big_plant,
        large_other.carton_stack,
        large_other.backpack,
        large_devices.printer,
        large_devices.toaster,
        large_devices.kettle,
        large_devices.coffee_machine,
        large_devices.speaker,
        large_devices.computer,
        large_devices.washer,
        large_devices.suitcase,
        large_wall.picture,
        large_wall.mirror,
        large_wall.room_door,
        large_wall.window,
        large_wall.curtain,
        large_wall.radiator,
        large_wall.pin_board,
        large_wall.wall_clock,
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
