"""`saom completion bash`: a script by which a shell completes the commands, options and files of `saom`."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

from saom_cli.main import COMMANDS, parser_of

USE = """\
saom completion bash > ~/.local/share/bash-completion/completions/saom      # then open a new shell
saom completion zsh > ~/.zsh/completions/_saom      # a folder of zsh's fpath
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom completion`."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, USE
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="whose script to print")


def run(args: argparse.Namespace) -> int:
    """`saom completion`."""
    parser = parser_of(COMMANDS, skip_missing=True)
    _complete_files(parser)
    print(shtab.complete(parser, args.shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser) -> None:
    """Files are offered where an option or argument wants a path."""
    for action in parser._actions:  # argparse has no other way to go through them
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command)
        elif action.type is Path or action.dest in ("input", "model"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
