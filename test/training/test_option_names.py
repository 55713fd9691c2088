"""One option's name means one thing in all commands."""

from __future__ import annotations

import argparse
import importlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from saom_cli.main import COMMANDS

pytestmark = pytest.mark.slow  # all commands are loaded, with torch and the simulators

NUMBERS = {"int", "float", "read"}  # `read`: what `at_least` gives
SIZES = {"pair", "size_hw", "sizes_hw", "_size"}
OUTPUT = {"-o", "--output", "--out"}


def kind_of(action: argparse.Action) -> str:
    """What a person writes behind the option."""
    name = getattr(action.type, "__name__", "")
    if action.nargs == 0:
        return "nothing"
    return "number" if name in NUMBERS else "size" if name in SIZES else "word or path"


def options_of(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner, sub in action.choices.items():
                yield from options_of(f"{name} {inner}", sub)
        elif action.option_strings:
            yield name, action


@pytest.fixture(scope="module")
def options() -> dict[str, list[tuple[str, argparse.Action]]]:
    """Option -> the commands that have it."""
    found = defaultdict(list)
    for name, (module, _) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=name)
        importlib.import_module(module).add_arguments(parser)
        for command, action in options_of(name, parser):
            for option in action.option_strings:
                found[option].append((command, action))
    return found


def test_an_option_takes_the_same_in_all_commands(options: dict[str, list[tuple[str, argparse.Action]]]) -> None:
    lists = {"--prompts-at-once"}  # `bench-heads` tries several numbers, 4,16,64
    for option, commands in options.items():
        kinds = {kind_of(action) for _, action in commands}
        assert len(kinds) == 1 or option in lists, f"{option}: {[(name, kind_of(a)) for name, a in commands]}"


def test_what_a_command_writes_goes_to_the_same_option(options: dict[str, list[tuple[str, argparse.Action]]]) -> None:
    short = {name for name, _ in options["-o"]}
    assert short == {name for name, _ in options["--output"]} >= {name for name, _ in options["--out"]}
    assert {"segment", "teach", "collect", "finetune", "reproduce", "dataset merge", "dataset export"} <= short


def test_json_is_a_file_in_every_command(options: dict[str, list[tuple[str, argparse.Action]]]) -> None:
    for name, action in options["--json"]:
        assert action.type is Path or action.nargs == "?", name
    assert {name for name, action in options["--json"] if action.nargs == "?"} == {"info", "dataset stats"}


def test_depth_is_left_out_by_one_name(options: dict[str, list[tuple[str, argparse.Action]]]) -> None:
    assert {"segment", "bench", "evaluate"} <= {name for name, _ in options["--no-use-depth"]}
    shown = [action for _, action in options["--no-depth"] if action.help != argparse.SUPPRESS]
    assert not shown, "its old name is not offered any more"
