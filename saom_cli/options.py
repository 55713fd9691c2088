"""Options of `SaomConfig` as command-line options: names, defaults and help come from its fields."""

from __future__ import annotations

import argparse
import dataclasses

from saom_core.config import SaomConfig, option_of


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """One option per field of `SaomConfig`."""
    group = parser.add_argument_group("segmentation")
    for field in dataclasses.fields(SaomConfig):
        option, name = option_of(field), "--" + field.name.replace("_", "-")
        text = option.description + (f" [{option.unit}]" if option.unit else "") + f" (default: {field.default!r})"
        if isinstance(field.default, bool):
            group.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default, help=text)
        else:
            choices = option.choices or None
            group.add_argument(name, type=type(field.default), default=field.default, choices=choices, help=text)


def config_from(args: argparse.Namespace) -> SaomConfig:
    """The checked config of parsed arguments.

    Raises:
        ConfigError: a value out of range.
    """
    return SaomConfig(**{field.name: getattr(args, field.name) for field in dataclasses.fields(SaomConfig)})
