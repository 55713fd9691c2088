"""Command-line options that follow from the fields of configurations; sizes and grids are two numbers in one word."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from saom_core.config import SaomConfig, option_of
from saom_core.files import check_output, write_atomically

STANDARD_OUTPUT = Path("-")
"""The place of `--json` without a file."""


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


def option_fields(config: Any) -> Iterator[tuple[str, tuple[str, ...], dataclasses.Field[Any]]]:
    """The options of a configuration, and of the configurations inside it.

    Args:
        config: a dataclass of `option_field`s and of other such dataclasses.

    Yields:
        The option's word without dashes, the names that lead to its field, and the field.
    """
    for field in dataclasses.fields(config):
        if "option" in field.metadata:
            yield option_of(field).flag or field.name.replace("_", "-"), (field.name,), field
        elif dataclasses.is_dataclass(inner := getattr(config, field.name)):
            yield from ((flag, (field.name, *path), deep) for flag, path, deep in option_fields(inner))


def add_options(group: argparse._ArgumentGroup, configs: Mapping[str, Any]) -> None:
    """One option for every field of some configurations; one that several have is added once.

    What is not given on the command line is None there: each configuration keeps its own value.

    Args:
        group: where the options are listed.
        configs: whose fields and values they are, by the names that the help gives them.
    """
    parsers: dict[str, Any] = {}
    texts: dict[str, dict[str, list[str]]] = {}  # flag -> description -> "default: 8 (saom-tiny)"
    for title, config in configs.items():
        for flag, path, field in option_fields(config):
            option = option_of(field)
            text = option.description + (f" [{option.unit}]" if option.unit else "")
            text += f" ({', '.join(option.choices)})" if option.choices else ""
            value: Any = config
            for name in path:
                value = getattr(value, name)
            parsers.setdefault(flag, _parser_of(field))
            texts.setdefault(flag, {}).setdefault(text, []).append(f"{title} {_said(field, value)}")
    for flag, told in texts.items():
        text = "; ".join(f"{text} ({', '.join(values)})" for text, values in told.items()).replace("%", "%%")
        if parsers[flag] is bool:
            group.add_argument(f"--{flag}", action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(f"--{flag}", type=parsers[flag], default=None, help=text)


def with_options(config: Any, args: argparse.Namespace) -> Any:
    """The configuration with the values that the command line gives.

    Raises:
        ConfigError: a value out of range.
    """
    changes: dict[str, Any] = {}
    for flag, path, _ in option_fields(config):
        value = getattr(args, flag.replace("-", "_"), None)
        if len(path) == 1 and value is not None:
            changes[path[0]] = value
    for field in dataclasses.fields(config):
        if "option" not in field.metadata and dataclasses.is_dataclass(inner := getattr(config, field.name)):
            changes[field.name] = with_options(inner, args)
    return dataclasses.replace(config, **changes)


def _parser_of(field: dataclasses.Field[Any]) -> Callable[[str], Any]:
    """What makes a field's value of a word."""
    if field.name.endswith("_hw"):
        return size_hw
    if isinstance(field.default, tuple):
        return pair if isinstance(field.default[0], int) else span
    return type(field.default)


def _said(field: dataclasses.Field[Any], value: Any) -> str:
    """A field's value as it would be given."""
    if not isinstance(value, tuple):
        return repr(value)
    if field.name.endswith("_hw"):
        value = value[::-1]
    return ("x" if isinstance(value[0], int) else ",").join(map(str, value))


def add_out(parser: argparse.ArgumentParser, text: str, *, required: bool = True) -> None:
    """The option that says where the result of a command goes: `-o`, as everywhere; kept as `args.out`."""
    parser.add_argument("-o", "--output", "--out", dest="out", type=Path, required=required, help=text)


def add_json(parser: argparse.ArgumentParser, text: str) -> None:
    """`--json [FILE]` of a command that has nothing else to print; see `write_json`."""
    text += "; without FILE on standard output"
    parser.add_argument("--json", nargs="?", const=STANDARD_OUTPUT, type=_json_file, metavar="FILE", help=text)


def write_json(path: Path, facts: Any) -> None:
    """Writes what `add_json` asks for.

    Raises:
        InputError: a folder is there.
        OSError: it cannot be written.
    """
    text = json.dumps(facts, indent=1)
    if path == STANDARD_OUTPUT:
        print(text)
        return
    check_output(path)
    write_atomically(path, f"{text}\n".encode())


def _json_file(text: str) -> Path:
    """A file for JSON; a model that stands behind the option by mistake is not overwritten."""
    path = Path(text)
    if path.suffix.lower() != ".json" and path != STANDARD_OUTPUT and (path.is_file() or not path.exists()):
        raise argparse.ArgumentTypeError(
            f"expected a file such as out.json, got {text!r}: what is read stands before --json"
        )
    return path


def pair(text: str) -> tuple[int, int]:
    """`640x480` -> (640, 480): width and height, or columns and rows; for `add_argument(type=pair)`."""
    first, _, second = text.lower().partition("x")
    if not (first.isdecimal() and second.isdecimal() and int(first) and int(second)):
        raise argparse.ArgumentTypeError(f"expected two positive numbers as in 640x480, got {text!r}")
    return int(first), int(second)


def span(text: str) -> tuple[float, float]:
    """`0.8,1.7` -> (0.8, 1.7): least and largest; for `add_argument(type=span)`."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected two numbers as in 0.8,1.7, got {text!r}") from None
    if not low <= high:
        raise argparse.ArgumentTypeError(f"expected the lower number first, as in 0.8,1.7, got {text!r}")
    return low, high


def size_hw(text: str) -> tuple[int, int]:
    """`640x480` -> (480, 640): height and width of a picture; for `add_argument(type=size_hw)`."""
    width, height = pair(text)
    if not (32 <= width <= 4096 and 32 <= height <= 4096):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT between 32 and 4096, e.g. 400x300, got {text!r}")
    return height, width


def sizes_hw(text: str) -> list[tuple[int, int]]:
    """`400x300,640x480` -> [(300, 400), (480, 640)]."""
    return [size_hw(part) for part in text.split(",")]
