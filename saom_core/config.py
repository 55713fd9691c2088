"""Every run-time option with its default, unit and range, in one dataclass.

ROS parameters, `config/saom.yaml` and the command line are derived from the fields of `SaomConfig`; a test compares
them.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from saom_core.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """Description, unit and range of one option; name, type and default are those of its dataclass field."""

    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False  # read when the model is loaded; a change has an effect after the node is configured again
    flag: str = ""  # its name on the command line, without dashes, where it differs from the field's name


def option_field(default: Any, description: str, **kwargs: Any) -> Any:
    """A dataclass field that carries its `Option`; `kwargs` are those of `Option`."""
    return dataclasses.field(default=default, metadata={"option": Option(description, **kwargs)})


def other_default(config: type[Any], name: str, default: Any, **changes: Any) -> Any:
    """A field as a dataclass has it, with another default, for a subclass.

    Args:
        config: the dataclass.
        name: of its field.
        default: the new one.
        changes: other entries of its `Option`.
    """
    field = next(field for field in dataclasses.fields(config) if field.name == name)
    return dataclasses.field(default=default, metadata={"option": dataclasses.replace(option_of(field), **changes)})


@dataclass(frozen=True)
class SaomConfig:
    """Options of everything mode, checked at construction.

    Raises:
        ConfigError: a value of the wrong type, out of range, or none of the choices.
    """

    model: str = option_field(
        "",
        "Model file: .onnx (saom-*), or .pth/.safetensors of the SAM family; empty: bundled saom-tiny",
        read_only=True,
    )
    provider: str = option_field(
        "auto",
        "Where the network runs; auto takes the best one that works",
        choices=("auto", "cpu", "cuda", "tensorrt"),
        read_only=True,
    )
    threads: int = option_field(
        0,
        "Threads of the network on the CPU; 0: one per core; checkpoints (torch) of a process share the last number",
        minimum=0,
        maximum=256,
        read_only=True,
    )
    use_depth: bool = option_field(True, "Feed depth to a model that can use it, where the camera gives it")
    score_threshold: float = option_field(
        0.5, "Least predicted mask quality (IoU) of an instance", minimum=0.0, maximum=1.0
    )
    stability_threshold: float = option_field(
        0.5, "Least stability of a mask: IoU of the mask cut a bit higher and a bit lower", minimum=0.0, maximum=1.0
    )
    class_score_threshold: float = option_field(
        0.5, "Below this score the class is reported as Other", minimum=0.0, maximum=1.0
    )
    photo_names: bool = option_field(
        True,
        "Ask a classifier of photographs and the size of things for their names, too; serves models of the 55 classes, "
        "and classes taught by looks",
        read_only=True,
    )
    vocabulary: str = option_field(
        "thor",
        "Names that are given: thor, the 55 of the simulators; household, some 160 more things (needs photo_names)",
        choices=("thor", "household"),
        read_only=True,
    )
    nms_iou: float = option_field(
        0.4, "Of two masks that overlap more than this (IoU), the better one stays", minimum=0.05, maximum=1.0
    )
    min_area_px: int = option_field(60, "Smallest mask, of the camera image", unit="px", minimum=1, maximum=10_000_000)
    max_instances: int = option_field(100, "Most instances per image, the best by score", minimum=1, maximum=65_535)
    min_depth_m: float = option_field(0.1, "Depth nearer than this is invalid", unit="m", minimum=0.0, maximum=10.0)
    max_depth_m: float = option_field(10.0, "Depth beyond this is invalid", unit="m", minimum=0.1, maximum=1000.0)
    drop_surfaces: bool = option_field(
        True,
        "Leave out tables, worktops and floors, which no gripper picks up; told by depth and intrinsics, so without "
        "these they stay; what is asked for by prompts stays, too",
    )
    camera_up: str = option_field(
        "auto",
        "Which way in the picture is up in the world, for cameras on their side or upside down: things are found and "
        "named in the picture turned upright, and tables are told from walls by it; towards: up is towards the camera, "
        "which looks straight down, as into a bin, and nothing is turned; auto: the stream is not turned, and for "
        "tables up is as the node's track_frame or target_frame (z is up there) says, else up",
        choices=("auto", "up", "down", "left", "right", "towards"),
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.min_depth_m >= self.max_depth_m:
            raise ConfigError(
                f"expected min_depth_m < max_depth_m, got {self.min_depth_m} >= {self.max_depth_m}: change one of them"
            )

    def replace(self, **changes: Any) -> SaomConfig:
        """A checked copy with some options changed.

        Raises:
            ConfigError: an unknown option or a bad value.
        """
        unknown = sorted(set(changes) - {field.name for field in dataclasses.fields(self)})
        if unknown:
            raise ConfigError(f"expected options of SaomConfig, got unknown {', '.join(unknown)}: check the spelling")
        return dataclasses.replace(self, **changes)


def option_of(field: dataclasses.Field[Any]) -> Option:
    """The `Option` of a field that `option_field` made."""
    option: Option = field.metadata["option"]
    return option


def check_options(config: Any) -> None:
    """Checks every option of a frozen dataclass made of `option_field`s.

    Whole numbers given for floats are converted, and so are booleans where "true" and "false" are among the choices.

    Fields of other kinds, such as a configuration inside this one, are passed over: they check themselves.

    Raises:
        ConfigError: a value of the wrong type, out of range, or none of the choices.
    """
    for field in dataclasses.fields(config):
        if "option" not in field.metadata:
            continue
        object.__setattr__(config, field.name, _checked(field, getattr(config, field.name)))


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    option = option_of(field)
    wanted: type[Any] = type(field.default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, bool) and str(value).lower() in option.choices:  # YAML turns an unquoted true into a boolean
        value = str(value).lower()
    if type(value) is not wanted or (isinstance(value, float) and not math.isfinite(value)):
        kind = {int: "an int"}.get(wanted, f"a {wanted.__name__}")
        raise ConfigError(f"{field.name}: expected {kind}, got {value!r}: {option.description}")
    if option.choices and value not in option.choices:
        raise ConfigError(f"{field.name}: expected one of {', '.join(option.choices)}, got {value!r}")
    low, high = option.minimum, option.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        wanted_range = f"at least {low}" if high is None else f"at most {high}" if low is None else f"{low} to {high}"
        raise ConfigError(f"{field.name}: expected {wanted_range} {option.unit}".rstrip() + f", got {value!r}")
    return value
