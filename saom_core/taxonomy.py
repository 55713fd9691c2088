"""The object classes: the 55 names of the paper's code in index order, and the name of everything else."""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
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

OTHER = "Other"
"""A whole object that is none of the classes: it is there to be grasped or avoided, its name is not known."""

CLASSES_AND_OTHER: tuple[str, ...] = (*CLASSES, OTHER)
"""What saom-tiny is trained on: the 55 classes and `OTHER` at index 55."""
