"""Command-line options: those of `SaomConfig` follow from its fields; sizes and grids are two numbers in one word."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Collection
from typing import Any

from saom_core.config import SaomConfig, option_of


def add_config_arguments(parser: argparse.ArgumentParser, leave_out: Collection[str] = ()) -> None:
    """One option per field of `SaomConfig`, but those that a command has in a way of its own."""
    group = parser.add_argument_group("segmentation")
    for field in dataclasses.fields(SaomConfig):
        if field.name in leave_out:
            continue
        option, name = option_of(field), "--" + field.name.replace("_", "-")
        text = option.description + (f" [{option.unit}]" if option.unit else "") + f" (default: {field.default!r})"
        if isinstance(field.default, bool):
            group.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default, help=text)
        else:
            choices = option.choices or None
            group.add_argument(name, type=type(field.default), default=field.default, choices=choices, help=text)


def config_from(args: argparse.Namespace, **given: Any) -> SaomConfig:
    """The checked config of parsed arguments; `given` are fields in the place of arguments of that name.

    Raises:
        ConfigError: a value out of range.
    """
    names = [field.name for field in dataclasses.fields(SaomConfig)]
    values = {name: getattr(args, name) for name in names if name not in given and hasattr(args, name)}
    return SaomConfig(**values, **given)


def at_least(minimum: int) -> Callable[[str], int]:
    """Reads a whole number that is not below a minimum; for `add_argument(type=at_least(1))`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {minimum}, got {text!r}")
        return number

    return read


def pair(text: str) -> tuple[int, int]:
    """`640x480` -> (640, 480): width and height, or columns and rows; for `add_argument(type=pair)`."""
    first, _, second = text.lower().partition("x")
    if not (first.isdecimal() and second.isdecimal() and int(first) and int(second)):
        raise argparse.ArgumentTypeError(f"expected two positive numbers as in 640x480, got {text!r}")
    return int(first), int(second)


def size_hw(text: str) -> tuple[int, int]:
    """`640x480` -> (480, 640): height and width of a picture; for `add_argument(type=size_hw)`."""
    width, height = pair(text)
    if not (32 <= width <= 4096 and 32 <= height <= 4096):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT between 32 and 4096, e.g. 400x300, got {text!r}")
    return height, width


def sizes_hw(text: str) -> list[tuple[int, int]]:
    """`400x300,640x480` -> [(300, 400), (480, 640)]."""
    return [size_hw(part) for part in text.split(",")]
