"""The object classes: the 55 names of the paper's code in index order, ours, and the name of everything else."""

from __future__ import annotations

PAPER_CLASSES: tuple[str, ...] = (
    "AlarmClock",
    "ArmChair",
    "BaseballBat",
    "BasketBall",
    "Bathtub",
    "BathtubBasin",
    "Bed",
    "Blinds",
    "Book",
    "Bowl",
    "Box",
    "Bread",
    "Cabinet",
    "CoffeeTable",
    "CounterTop",
    "Cup",
    "Desk",
    "DiningTable",
    "DishSponge",
    "Drawer",
    "Dresser",
    "Fridge",
    "GarbageCan",
    "Laptop",
    "LaundryHamper",
    "Microwave",
    "Mug",
    "Newspaper",
    "Ottoman",
    "Pan",
    "PaperTowelRoll",
    "Plate",
    "Plunger",
    "Pot",
    "Safe",
    "ScrubBrush",
    "Shelf",
    "ShowerCurtain",
    "ShowerDoor",
    "SideTable",
    "Sink",
    "SinkBasin",
    "SoapBar",
    "SoapBottle",
    "Sofa",
    "SprayBottle",
    "Statue",
    "StoveBurner",
    "TVStand",
    "TissueBox",
    "Toilet",
    "ToiletPaper",
    "ToiletPaperHanger",
    "Vase",
    "WateringCan",
)
"""Index = class id of the authors' checkpoints (55 rows of their class head)."""

ADDED_CLASSES: tuple[str, ...] = ()
"""Classes of ours. New ones go to the end: a model that was trained before keeps the names that stand in its file."""

CLASSES: tuple[str, ...] = (*PAPER_CLASSES, *ADDED_CLASSES)
"""What the simulators name."""

OTHER = "Other"
"""A whole object that is none of the classes: it is there to be grasped or avoided, its name is not known."""

CLASSES_AND_OTHER: tuple[str, ...] = (*CLASSES, OTHER)
"""What saom-tiny is trained on: the classes, and `OTHER` as the last one."""
