"""The small interface that all simulators share: an episode number goes in, annotated RGB-D frames come out."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from saom_core.errors import InputError, SaomError

from ..data.frames import Frame

SIMULATORS = {"rooms": ".rooms.simulator", "ai2thor": ".ai2thor.simulator"}
"""Name -> module with `VERSION`, and `create(options: CollectOptions) -> Simulator`. Imported only when asked for."""
COMMAND_LINES = {"ai2thor": ".ai2thor.options", "rooms": ".rooms.options"}
"""Name -> module with `add_arguments`, `parsed_options` and `summary`, for simulators that have options of their own.

It is imported by every `saom collect`, so it must not need the simulator.
"""


@dataclass(frozen=True)
class CollectOptions:
    """What a data set is made with: everything that decides its pictures. Stored in `dataset.json`.

    `extra` are options of one simulator alone; their values must be fit for JSON. `machine` are options of one
    simulator that change no picture (paths, time-outs): not stored, and a data set may be continued with other ones.
    """

    simulator: str
    seed: int
    size_hw: tuple[int, int]
    frames_per_scene: int
    extra: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)

    def info(self) -> dict[str, Any]:
        """What `dataset.json` tells of the options."""
        decisive = {key: value for key, value in asdict(self).items() if key != "machine"}
        return {**decisive, "version": _module(self.simulator).VERSION}


def _module(name: str) -> Any:
    try:
        return importlib.import_module(SIMULATORS[name], __package__)
    except (KeyError, ModuleNotFoundError) as error:
        raise InputError(
            f"expected a simulator of {available_simulators()}, got {name!r} ({error}): run "
            "pip install '.[train]' in a checkout of the repository"
        ) from None


def available_simulators() -> tuple[str, ...]:
    """Names of the simulators whose module is there."""
    return tuple(name for name, module in SIMULATORS.items() if importlib.util.find_spec(module, __package__))


def command_lines() -> dict[str, Any]:
    """The modules that `COMMAND_LINES` names."""
    return {name: importlib.import_module(module, __package__) for name, module in COMMAND_LINES.items()}


def make_simulator(options: CollectOptions) -> Simulator:
    """Start the simulator that the options name."""
    made: Simulator = _module(options.simulator).create(options)
    return made


class EpisodeFailed(SaomError):
    """This episode could not be made, others can: it is not stored, and the same command tries it again."""


class Simulator(Protocol):
    """Makes episodes. The same simulator, version, seed, options and number give the same frames."""

    name: str
    version: str

    def episode(self, index: int) -> list[Frame]:
        """All frames of one episode, which lies in one scene; empty if nothing good was found.

        A simulator that skips views counts them, by reason, in an attribute `skipped` (a Counter).

        Raises:
            EpisodeFailed: If this one cannot be made now.
        """
        ...

    def close(self) -> None:
        """Free processes, windows and contexts."""
        ...
