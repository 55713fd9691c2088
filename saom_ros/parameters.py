"""ROS parameters, derived from the one dataclass that holds each default, unit and range.

`SaomConfig` has the options of everything mode, `NodeConfig` those that only the node knows; `config/saom.yaml` is
`python -m saom_ros.parameters`, and a test compares the two.
"""

from __future__ import annotations

import dataclasses
import difflib
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from saom_core.config import Option, SaomConfig, check_options, option_field, option_of
from saom_core.errors import ConfigError

INPUTS = ("image", "depth", "camera_info", "depth_camera_info")
"""Names of the node's inputs."""


def listed(text: str) -> tuple[str, ...]:
    """The words of an option that is a list with commas."""
    return tuple(word for part in text.split(",") if (word := part.strip()))


@dataclass(frozen=True)
class NodeConfig:
    """Options of the node itself, checked at construction.

    Raises:
        ConfigError: a value of the wrong type, out of range, or none of the choices.
    """

    autostart: bool = option_field(
        True, "Configure and activate by itself; false where a lifecycle manager does it", read_only=True
    )
    image_transport: str = option_field(
        "auto",
        "Type of the topic image: raw sensor_msgs/Image, or compressed sensor_msgs/CompressedImage; auto: as published",
        choices=("auto", "raw", "compressed"),
        read_only=True,
    )
    reliable_inputs: str = option_field(
        "",
        "Inputs whose lost messages are asked for again (reliable QoS), with commas: image, depth, camera_info, "
        "depth_camera_info; the others are taken at best effort, which fits every publisher",
        read_only=True,
    )
    max_fps: float = option_field(
        0.0, "Most frames a second that are answered; 0: as many as come", unit="Hz", minimum=0.0, maximum=1000.0
    )
    classes: str = option_field("", "Only objects of these classes are answered, names with commas; empty: all")
    sync_tolerance_s: float = option_field(
        0.02,
        "Depth belongs to an image when their stamps differ by no more than this",
        unit="s",
        minimum=0.0,
        maximum=9.0,
    )
    sync_timeout_s: float = option_field(
        0.2, "How long an image waits for its depth before it goes without", unit="s", minimum=0.0, maximum=10.0
    )
    depth_scale: float = option_field(
        0.0,
        "Metres per unit of the depth images; 0: the usual, 0.001 for 16UC1 and 1 for 32FC1",
        unit="m",
        minimum=0.0,
        maximum=1000.0,
    )
    check_frames: bool = option_field(
        True, "Leave out depth and camera_info whose frame_id is not the image's: they would be of another camera"
    )
    rectified: str = option_field(
        "auto",
        "Whether the pictures are rectified, so that P of camera_info describes them, and not K with D; auto: they are "
        "where the topic's name says rect",
        choices=("auto", "true", "false"),
    )
    tracking: bool = option_field(True, "Give an object the same track_id from frame to frame")
    track_memory_s: float = option_field(
        10.0,
        "How long an object that is not seen keeps its track_id; see track_memory_frames",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
    )
    track_memory_frames: int = option_field(
        5,
        "An object keeps its track_id for so many frames without it, too, however long they take",
        minimum=0,
        maximum=10_000,
    )
    target_frame: str = option_field(
        "",
        "Frame of all positions (base_link, map, ...), through tf2 at the image's stamp; where its z is not up, set "
        "camera_up; empty: the camera's own",
        read_only=True,
    )
    track_frame: str = option_field(
        "",
        "Frame that stands still (odom, map, ...), through tf2: a moving camera knows objects again by their places in "
        "it; empty: target_frame",
        read_only=True,
    )
    tf_timeout_s: float = option_field(
        0.1,
        "How long an image waits for the transforms of its moment before it goes without positions",
        unit="s",
        minimum=0.0,
        maximum=10.0,
    )
    collision_ttl_s: float = option_field(
        2.0,
        "An obstacle in MoveIt's scene is taken back when it has not been seen for so long",
        unit="s",
        minimum=0.1,
        maximum=3600.0,
    )
    input_timeout_s: float = option_field(
        2.0, "Without an image for longer than this the diagnostics warn", unit="s", minimum=0.1, maximum=3600.0
    )

    def __post_init__(self) -> None:
        check_options(self)
        unknown = sorted(set(listed(self.reliable_inputs)) - set(INPUTS))
        if unknown:
            raise ConfigError(
                f"reliable_inputs: expected some of {', '.join(INPUTS)}, got {', '.join(unknown)}: check the spelling"
            )


class Parameters:
    """The declared parameters of a node; `core` and `node` always hold a checked set of values.

    Args:
        owner: where they are declared. A bad value from the command line or a file does not end the node: it is
            logged and listed in `refused`, and configuring fails until it is set right. What there is to say of names
            that are no parameter's is listed in `unknown`.
    """

    def __init__(self, owner: Node) -> None:
        self.core, self.node = SaomConfig(), NodeConfig()
        self.locked = False  # while a model is loaded, parameters that are read when it is loaded cannot change
        self.refused: dict[str, str] = {}
        self._logger = owner.get_logger()
        given = (
            owner._parameter_overrides
        )  # rclpy has no public access to values that were given for parameters nobody declares
        given.update({name: _of_declared_type(parameter) for name, parameter in given.items()})
        self.unknown = [_unknown(name) for name in sorted(given) if not _is_known(name)]
        for field in (*dataclasses.fields(SaomConfig), *dataclasses.fields(NodeConfig)):
            self._declare(owner, field)
        if hasattr(owner, "add_pre_set_parameters_callback"):  # not in Humble
            owner.add_pre_set_parameters_callback(lambda given: [_of_declared_type(parameter) for parameter in given])
        owner.add_on_set_parameters_callback(self._on_set)

    def _declare(self, owner: Node, field: dataclasses.Field[Any]) -> None:
        descriptor = descriptor_of(field)
        try:
            value = owner.declare_parameter(field.name, field.default, descriptor).value
            self._take({field.name: value})
        except (ParameterException, ConfigError) as error:
            self.refused[field.name] = f"parameter {field.name}: {error}"
            self._logger.error(self.refused[field.name])
            if owner.has_parameter(field.name):
                owner.undeclare_parameter(field.name)
            owner.declare_parameter(field.name, field.default, descriptor, ignore_override=True)

    def _on_set(self, parameters: Iterable[Parameter[Any]]) -> SetParametersResult:
        changes = {parameter.name: parameter.value for parameter in parameters}
        known = {field.name: field for field in (*dataclasses.fields(SaomConfig), *dataclasses.fields(NodeConfig))}
        changes = {
            name: value for name, value in changes.items() if name in known
        }  # rclpy's own parameters, such as use_sim_time, come here, too
        if self.locked:
            fixed = sorted(name for name in changes if option_of(known[name]).read_only)
            if fixed:
                reason = f"{', '.join(fixed)}: read when the node is configured: run the transitions deactivate and "
                return SetParametersResult(successful=False, reason=reason + "cleanup, set it, then configure again")
        try:
            self._take(changes)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        for name in changes:
            self.refused.pop(name, None)
        return SetParametersResult(successful=True)

    def _take(self, changes: dict[str, Any]) -> None:
        """Takes all of the changes, or none of them if one is bad."""
        of_core = {field.name for field in dataclasses.fields(SaomConfig)}
        core = self.core.replace(**{name: value for name, value in changes.items() if name in of_core})
        of_node = {name: value for name, value in changes.items() if name not in of_core}
        self.core, self.node = core, dataclasses.replace(self.node, **of_node)


def _fields() -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for config in (SaomConfig, NodeConfig) for field in dataclasses.fields(config)}


def _of_declared_type(parameter: Parameter[Any]) -> Parameter[Any]:
    """The parameter, as a float where a whole number was given for one: YAML makes an integer of `nms_iou: 1`."""
    field = _fields().get(parameter.name)
    whole = type(parameter.value) is int
    return (
        Parameter(parameter.name, value=float(parameter.value)) if field and whole and _is_float(field) else parameter
    )


def _is_float(field: dataclasses.Field[Any]) -> bool:
    return isinstance(field.default, float)


def _is_known(name: str) -> bool:
    """Whether a parameter is one of the node's, or of rclpy, which declares its own."""
    ours_or_rclpys = (*_fields(), "use_sim_time", "start_type_description_service")
    return name in ours_or_rclpys


def _unknown(name: str) -> str:
    if name == "cameras":
        return "parameter cameras: is ignored, as cameras are named before there are nodes: start it with --cameras a,b"
    if name.startswith("qos_overrides."):
        return (
            f"parameter {name}: is ignored, as this node's QoS is not set so: reliable_inputs names the inputs whose "
            "lost messages are asked for again"
        )
    near = difflib.get_close_matches(name, _fields(), n=1)
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(_fields()))}"
    return f"parameter {name}: the node has none of this name, so its value is ignored: {meant}"


def descriptor_of(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    """Description, unit, range and choices of an option, as ROS tools show them."""
    option = option_of(field)
    descriptor = ParameterDescriptor(description=_described(option))
    if option.choices:
        descriptor.additional_constraints = f"one of {', '.join(option.choices)}"
        # YAML and the command line read an unquoted true as a boolean, not as this text
        descriptor.dynamic_typing = "true" in option.choices
    if option.minimum is not None and option.maximum is not None:
        if isinstance(field.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=option.minimum, to_value=option.maximum)]
        else:
            whole = IntegerRange(from_value=int(option.minimum), to_value=int(option.maximum), step=1)
            descriptor.integer_range = [whole]
    return descriptor


def defaults_yaml() -> str:
    """All parameters with their defaults as a ROS parameter file."""
    lines = [
        "# Every parameter of the node with its default. Made by: python -m saom_ros.parameters > config/saom.yaml",
        "/**:",
        "  ros__parameters:",
    ]
    for config in (SaomConfig(), NodeConfig()):
        for field in dataclasses.fields(config):
            option = option_of(field)
            notes = [_described(option)]
            if option.choices:
                notes.append(f"one of {', '.join(option.choices)}")
            if option.minimum is not None:
                notes.append(f"{option.minimum:g} to {option.maximum:g}")
            if option.read_only:
                notes.append("read when configured")
            lines += [f"    # {line}" for line in textwrap.wrap("; ".join(notes), 110)]
            lines.append(f"    {field.name}: {_yaml(field.default)}")
    return "\n".join(lines) + "\n"


def _described(option: Option) -> str:
    return f"{option.description} [{option.unit}]" if option.unit else option.description


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    print(defaults_yaml(), end="")
