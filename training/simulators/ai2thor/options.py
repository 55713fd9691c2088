"""What AI2-THOR is asked for, checked before it is passed on: its client takes a misspelt keyword without a word."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from saom_core.errors import ConfigError, InputError

from ...data.frames import SPLITS, Split
from ..interface import CollectOptions
from .scenes import GROUPS, HouseFile, SceneRef, named_scenes

RANDOMISATIONS = ("materials", "lighting", "spawn")
QUALITIES = ("Very Low", "Low", "Medium", "MediumCloseFitShadows", "High", "Very High", "Ultra", "High WebGL")
PLATFORMS = ("auto", "cloud", "x11")
INITIALIZE: dict[str, type | tuple[type, ...]] = {
    "snapToGrid": bool,
    "visibilityDistance": (int, float),
    "visibilityScheme": str,
    "rotateStepDegrees": (int, float),
    "makeAgentsVisible": bool,
    "cameraNearPlane": (int, float),
    "cameraFarPlane": (int, float),
    "massThreshold": (int, float),
}
"""Further keywords of the simulator's Initialize that may be set; the other ones are set by the options below."""


@dataclass(frozen=True)
class ThorOptions:
    """What decides the pictures. Stored in `dataset.json`, under `extra`."""

    scenes: tuple[str, ...] = ("ithor",)
    houses: tuple[HouseFile, ...] = ()
    splits: tuple[Split, ...] = SPLITS
    randomize: tuple[str, ...] = ()
    field_of_view: float = 90.0  # degrees, vertical
    grid_size: float = 0.25  # metres between reachable positions
    headings: int = 8  # directions to look at, evenly spread
    horizons: tuple[float, ...] = (0.0, 15.0, 30.0)  # degrees, positive looks down
    min_objects: int = 2  # instances of at least `min_area` that a frame must show
    min_area: float = 0.0005  # share of the picture
    quality: str = "Ultra"
    platform: str = "auto"
    initialize: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of("scene splits", self.splits, SPLITS)
        _one_of("randomisations", self.randomize, RANDOMISATIONS)
        _one_of("a quality", (self.quality,), QUALITIES)
        _one_of("a platform", (self.platform,), PLATFORMS)
        _one_of("keywords of Initialize", tuple(self.initialize), tuple(INITIALIZE))
        _within("field of view in degrees", self.field_of_view, 10, 150)
        _within("grid size in metres", self.grid_size, 0.05, 2)
        _within("headings", self.headings, 1, 360)
        _within("objects per frame", self.min_objects, 0, 100)
        _within("share of the picture", self.min_area, 0, 0.5)
        for horizon in self.horizons:
            _within("horizon in degrees", horizon, -30, 60)
        if not self.horizons:
            raise ConfigError("expected at least one horizon, got none: e.g. --horizons 0,30")
        for key, value in self.initialize.items():
            if not isinstance(value, INITIALIZE[key]) or (isinstance(value, bool) and INITIALIZE[key] is not bool):
                raise ConfigError(f"expected {key} of type {INITIALIZE[key]}, got {value!r}")

    @classmethod
    def from_extra(cls, extra: Mapping[str, Any]) -> ThorOptions:
        """Makes the options from `CollectOptions.extra`, also after it was written to JSON and read again.

        Raises:
            ConfigError: If an option is unknown or out of its range.
        """
        names = tuple(entry.name for entry in fields(cls))
        _one_of("options of ai2thor", tuple(extra), names)
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in extra.items()
        }
        values["houses"] = tuple(
            HouseFile(**house) if isinstance(house, Mapping) else house for house in values.get("houses", ())
        )
        return cls(**values)

    def extra(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        return json.loads(json.dumps(asdict(self)))

    def scene_list(self) -> list[SceneRef]:
        """The chosen scenes.

        Raises:
            InputError: If there are none.
        """
        every = named_scenes(self.scenes) + [scene for houses in self.houses for scene in houses.load()]
        chosen = [scene for scene in every if scene.split in self.splits]
        if not chosen:
            raise InputError(f"expected scenes of {self.scenes} and {len(self.houses)} house files in {self.splits}, "
                             "found none: choose other scenes or splits")  # fmt: skip
        return chosen


@dataclass(frozen=True)
class MachineOptions:
    """Where and how long the simulator runs: nothing here changes a picture, nothing here is stored."""

    executable: str = ""  # command of a build that is already here; "" = the client's own build
    start_timeout_s: float = 300.0
    step_timeout_s: float = 100.0

    def __post_init__(self) -> None:
        _within("start time-out in seconds", self.start_timeout_s, 1, 3600)
        _within("step time-out in seconds", self.step_timeout_s, 1, 3600)
        try:
            program = shlex.split(self.executable)[:1]
        except ValueError:  # a quote that is not closed
            program = []
        if self.executable and not (program and shutil.which(program[0])):
            raise ConfigError(
                f"expected a program that can be run, got {self.executable!r}: give the build's full path and make it "
                "executable (chmod +x)"
            )


def controller_keywords(options: CollectOptions, thor: ThorOptions, machine: MachineOptions) -> dict[str, Any]:
    """What `Controller` is made with, all of it plain data; the platform goes by its name in the client.

    They are compared with the client's signature before use. What goes to Initialize is in `initialize_keywords`.
    """
    height, width = options.size_hw
    display = os.environ.get("DISPLAY")
    own_choice = display or sys.platform != "linux"  # the client never chooses cloud rendering by itself
    platform = {"cloud": "CloudRendering", "x11": "Linux64", "auto": None if own_choice else "CloudRendering"}
    local = {"local_executable_path": machine.executable, "x_display": display or ":0"}
    return {
        "width": width,
        "height": height,
        "quality": thor.quality,
        "server_timeout": None,  # the watch over time is kept outside the client: see `process`
        "server_start_timeout": machine.start_timeout_s,
        **(local if machine.executable else {"platform": platform[thor.platform]}),
    }


def initialize_keywords(thor: ThorOptions) -> dict[str, Any]:
    """What the simulator's Initialize is called with."""
    return {
        "renderDepthImage": True,
        "renderInstanceSegmentation": True,
        "fieldOfView": thor.field_of_view,
        "gridSize": thor.grid_size,
        **thor.initialize,
    }


def summary(extra: Mapping[str, Any]) -> str:
    """What `--dry-run` says of the scenes."""
    thor = ThorOptions.from_extra(extra)
    counts = Counter(scene.split for scene in thor.scene_list())
    scenes = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    return (
        f"scenes: {scenes}; randomised: {', '.join(thor.randomize) or 'nothing'}; {thor.headings} headings, horizons "
        + (f"{', '.join(f'{horizon:g}' for horizon in thor.horizons)} degrees")
    )


# --- command line


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in _words(text))


def _keyword(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `saom collect --simulator ai2thor`; only those given appear in the result."""
    group = parser.add_argument_group("with --simulator ai2thor", argument_default=argparse.SUPPRESS)
    thor, machine = ThorOptions(), MachineOptions()
    add = group.add_argument
    add(
        "--scenes",
        type=_words,
        help=f"comma-separated: {', '.join(GROUPS)}, FloorPlan7 ... (ithor, or none with --houses)",
    )
    add(
        "--houses", action="append", metavar="[SPLIT=]FILE", help="ProcTHOR houses, JSON or JSON lines; may be repeated"
    )
    add("--splits", type=_words, help="only scenes of these splits (train,val,test)")
    add("--randomize", type=_words, help=f"anew in each episode: {','.join(RANDOMISATIONS)} (nothing)")
    add("--fov", type=float, dest="field_of_view", help=f"vertical field of view, degrees ({thor.field_of_view:g})")
    add("--grid-size", type=float, help=f"metres between positions ({thor.grid_size:g})")
    add("--headings", type=int, help=f"directions, evenly spread ({thor.headings})")
    add(
        "--horizons",
        type=_numbers,
        help="degrees, positive looks down (0,15,30); write --horizons=-15,0 for negative ones",
    )
    add("--min-objects", type=int, help=f"frames with fewer are skipped and counted ({thor.min_objects})")
    add("--min-area", type=float, help=f"share of the picture that an object must cover to count ({thor.min_area:g})")
    add("--quality", choices=QUALITIES, help=f"of rendering ({thor.quality})")
    add("--platform", choices=PLATFORMS, help="cloud needs no display but Vulkan; auto: x11 if DISPLAY is set")
    add("--initialize", action="append", type=_keyword, metavar="KEY=VALUE", help=f"of {', '.join(INITIALIZE)}")
    add("--executable", help="command of a simulator build that is already here, instead of the client's download")
    add("--start-timeout", type=float, dest="start_timeout_s", help=f"seconds ({machine.start_timeout_s:g})")
    add("--step-timeout", type=float, dest="step_timeout_s", help=f"seconds ({machine.step_timeout_s:g})")


def parsed_options(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """`CollectOptions.extra` and `.machine` from parsed arguments, checked.

    Raises:
        SaomError: If an option, a scene or a house file is wrong, or an option is given to another simulator.
    """
    names = {entry.name for kind in (ThorOptions, MachineOptions) for entry in fields(kind)}
    given = {name: value for name, value in vars(args).items() if name in names}
    if args.simulator != "ai2thor":
        if given:
            raise ConfigError(f"expected {sorted(given)} with --simulator ai2thor, got them with {args.simulator}")
        return {}, {}
    machine = {entry.name: given.pop(entry.name) for entry in fields(MachineOptions) if entry.name in given}
    MachineOptions(**machine)
    if "houses" in given:
        given["houses"] = tuple(HouseFile.parse(text) for text in given["houses"])
        given.setdefault("scenes", ())
    if "initialize" in given:
        given["initialize"] = dict(given["initialize"])
    thor = ThorOptions(**given)
    thor.scene_list()
    return thor.extra(), machine


def _one_of(what: str, got: Sequence[str], wanted: Sequence[str]) -> None:
    wrong = [word for word in got if word not in wanted]
    if wrong:
        raise ConfigError(f"expected {what} of {', '.join(wanted)}, got {', '.join(map(str, wrong))}")


def _within(what: str, got: float, low: float, high: float) -> None:
    if isinstance(got, bool) or not isinstance(got, (int, float)) or not low <= got <= high:
        raise ConfigError(f"expected {what} from {low} to {high}, got {got!r}")
