"""`saom COMMAND ...`: one module per command, imported only when it is asked for."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from saom_cli.guard import guarded

if TYPE_CHECKING:
    import argparse

COMMANDS = {
    "segment": ("saom_cli.segment", "find the whole objects in photos, videos, a camera; write overlays, masks, JSON"),
    "view": ("saom_cli.view", "show masks, names, 3D boxes, cloud of photos, videos, recordings in Rerun [view]"),
    "replay": ("saom_cli.replay", "run over a recording of ROS, write the answers as one; needs no ROS [bags]"),
    "bench": ("saom_cli.bench", "measure latency per stage, frames/s and peak memory"),
    "info": ("saom_cli.info", "show what a model file holds"),
    "teach": ("saom_cli.teach", "learn a new class from a few example pictures, without training"),
    "report": ("saom_cli.report", "pack a picture that goes wrong, the answer and the versions into one file"),
    "completion": ("saom_cli.completion", "print a script by which bash, zsh or tcsh completes this command"),
    "compare-sam": (
        "saom_training.benches.compare_sam",
        "same masks and time against segment-anything's generator [train]",
    ),
    "bench-heads": ("saom_training.benches.heads", "fast head and SAM's decoder against the image encoder [train]"),
    "bench-teach": ("saom_training.benches.teach", "how well classes are taught, on objects of a data set [train]"),
    "bench-photos": (
        "saom_training.photographs.bench",
        "how many objects of labelled photographs a model finds and names [train]",
    ),
    "bench-grasp": (
        "saom_training.benches.grasp",
        "how often a simulated gripper lifts the chosen object, by the masks it is told [train]",
    ),
    "bench-tracks": ("saom_training.benches.tracks", "whether objects keep their ids: IDF1, id switches [train]"),
    "stand-in": (
        "saom_training.benches.stand_in",
        "checkpoint of a SAM's size with random weights, to try the machine [train]",
    ),
    "collect": ("saom_training.collect", "simulated RGB-D data set [train]"),
    "bench-collect": (
        "saom_training.benches.collect",
        "frames/s, megabytes, and what kill -9 loses, of collecting [train]",
    ),
    "dataset": ("saom_training.dataset_tools.command", "stats, check, view, import of a data set [train]"),
    "finetune": ("saom_training.finetune", "train saom-tiny, or fine-tune a SAM checkpoint [train]"),
    "average": ("saom_training.recipes.mean", "mean of the weights of several trainings, as a checkpoint [train]"),
    "evaluate": ("saom_training.evaluate", "figures of a model on a data set [train]"),
    "reproduce": (
        "saom_training.reproduction.command",
        "the paper's claim: gain over a base, worth of each step [train]",
    ),
    "export": ("saom_training.export", "checkpoint to one ONNX file [train]"),
    "export-names": (
        "saom_training.onnx_files.photo_names",
        "classifier that knows photographs, as a file [train]",
    ),
}
"""Command -> module with `add_arguments(parser)` and `run(args) -> int`; [train]: needs the training packages."""
RESUMED = {"collect", "finetune", "replay", "reproduce", "bench-grasp"}
"""Commands that continue an interrupted run when they are given again, whatever their options."""


def main(argv: list[str] | None = None) -> int:
    """Entry point of the `saom` command; returns the exit status, see `guarded`."""
    arguments = sys.argv[1:] if argv is None else argv
    command = next((word for word in arguments if not word.startswith("-")), "")
    return guarded(
        f"saom {command}".strip(),
        lambda: _run(arguments, command),
        debug="--debug" in arguments or os.environ.get("SAOM_DEBUG", "0") not in ("", "0"),
        on_interrupt="interrupted" + ("; the same command goes on from here" if command in RESUMED else ""),
    )


def _run(arguments: list[str], command: str) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a photo's name may be no text, or none of the terminal's
    import importlib
    import logging

    parser = parser_of([command])
    args = parser.parse_args(arguments)
    del args.debug  # main() looks for it before there is a parser; commands record their options, and this is none
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    return int(importlib.import_module(COMMANDS[args.command][0]).run(args))


def parser_of(whole: Collection[str], *, skip_missing: bool = False) -> argparse.ArgumentParser:
    """The parser of the `saom` command.

    Args:
        whole: commands that get their options; the others, whose modules take time to load, only their names.
        skip_missing: a command whose packages are not installed has its name alone.
    """
    import argparse
    import importlib

    from saom_cli.parsing import OneLineParser
    from saom_core import __version__

    parser = OneLineParser(prog="saom", description="Whole objects for robots that grasp.")
    parser.add_argument("--version", action="version", version=f"saom {__version__}")
    debug = "print the traceback of an error, as the environment variable SAOM_DEBUG=1 does"
    parser.add_argument("--debug", action="store_true", help=debug)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (path, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name not in whole:
            continue
        try:
            module = importlib.import_module(path)
        except ModuleNotFoundError:
            if not skip_missing:
                raise
            continue
        module.add_arguments(sub)
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=debug)
    return parser


if __name__ == "__main__":
    sys.exit(main())
