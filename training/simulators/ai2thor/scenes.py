"""The scenes of AI2-THOR: iTHOR, RoboTHOR, and ProcTHOR houses from files, with the split that each belongs to."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saom_core.errors import InputError

from ...data.frames import SPLITS, Split

FIRST_NUMBER = {"kitchens": 0, "living_rooms": 200, "bedrooms": 300, "bathrooms": 400}
ROOMS_OF_A_KIND = 30
ROBOTHOR_WALLS = {"Train": 12, "Val": 3}
ROBOTHOR_VARIANTS = 5
GROUPS = ("ithor", *FIRST_NUMBER, "robothor")


@dataclass(frozen=True)
class SceneRef:
    """A scene to be loaded."""

    name: str
    split: Split
    agent_mode: str  # the client's name of the robot: "default", or "locobot" as RoboTHOR wants it
    house: dict[str, Any] | None = field(default=None, repr=False)  # ProcTHOR: the house itself


def split_of(name: str) -> Split:
    """The simulator's own split of an iTHOR or RoboTHOR scene.

    Raises:
        InputError: If there is no scene of that name.
    """
    found = re.fullmatch(r"FloorPlan(\d+)", name)
    if found:
        number = int(found[1])
        if number - number % 100 in FIRST_NUMBER.values() and 1 <= number % 100 <= ROOMS_OF_A_KIND:
            return "train" if number % 100 <= 20 else "val" if number % 100 <= 25 else "test"
    found = re.fullmatch(r"FloorPlan_(Train|Val)(\d+)_(\d+)", name)
    if found and 1 <= int(found[2]) <= ROBOTHOR_WALLS[found[1]] and 1 <= int(found[3]) <= ROBOTHOR_VARIANTS:
        return "train" if found[1] == "Train" else "val"
    raise InputError(
        f"expected scenes of {GROUPS} or a name such as FloorPlan1, FloorPlan230 or FloorPlan_Train1_1, got {name!r}: "
        "iTHOR has 1-30, 201-230, 301-330 and 401-430; RoboTHOR has Train1-12 and Val1-3, variants 1-5"
    )


def _names(word: str) -> list[str]:
    if word == "ithor":
        return [name for kind in FIRST_NUMBER for name in _names(kind)]
    if word in FIRST_NUMBER:
        return [f"FloorPlan{FIRST_NUMBER[word] + number}" for number in range(1, ROOMS_OF_A_KIND + 1)]
    if word == "robothor":
        return [
            f"FloorPlan_{stage}{wall}_{variant}"
            for stage, walls in ROBOTHOR_WALLS.items()
            for wall in range(1, walls + 1)
            for variant in range(1, ROBOTHOR_VARIANTS + 1)
        ]
    return [word]


def named_scenes(words: Sequence[str]) -> list[SceneRef]:
    """Find scenes of iTHOR and RoboTHOR by group or name, each once."""
    names = dict.fromkeys(name for word in words for name in _names(word))
    return [SceneRef(name, split_of(name), "locobot" if "_" in name else "default") for name in names]


@dataclass(frozen=True)
class HouseFile:
    """A file of ProcTHOR houses: JSON (one house or a list) or JSON lines, gzipped or not."""

    path: str
    split: Split
    sha256: str  # the pictures depend on the content: another content is another data set

    @classmethod
    def parse(cls, text: str) -> HouseFile:
        """Reads "path" or "split=path", such as val=houses/val.jsonl.gz; without a split the houses are for training.

        Raises:
            InputError: If the file cannot be read.
        """
        split, mark, path = text.partition("=")
        if not mark or split not in SPLITS:
            split, path = "train", text
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise InputError(
                f"expected a file of ProcTHOR houses at {path!r} ({error.strerror}): see --houses"
            ) from None
        return cls(str(Path(path).resolve()), split, hashlib.sha256(content).hexdigest())  # type: ignore[arg-type]

    def load(self) -> list[SceneRef]:
        """Reads the houses. A house that names its split itself (key "split") belongs to that one.

        Raises:
            InputError: If the file changed, or does not hold houses.
        """
        content = Path(self.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise InputError(
                f"expected {self.path} as it was at the start, but it has changed: collect into a new folder"
            )
        try:
            text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
            houses = _houses(text)
        except (ValueError, OSError, EOFError) as error:
            raise InputError(
                f"expected ProcTHOR houses as JSON or JSON lines in {self.path}, got something else: {error}"
            ) from None
        for number, house in enumerate(houses):
            if not isinstance(house, dict) or "rooms" not in house:
                raise InputError(f"expected a house with rooms as entry {number} of {self.path}, got {str(house)[:80]}")
            if house.get("split", self.split) not in SPLITS:
                raise InputError(
                    f"expected a split of {SPLITS} in entry {number} of {self.path}, got {house['split']!r}"
                )
        return [
            SceneRef(f"procthor_{self.sha256[:8]}_{number:05d}", house.get("split", self.split), "default", house)
            for number, house in enumerate(houses)
        ]


def _houses(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return found if isinstance(found, list) else [found]
