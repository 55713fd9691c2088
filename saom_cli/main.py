"""`saom COMMAND ...`: one module per command, imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys

from saom_core.errors import SaomError

COMMANDS = {
    "segment": ("saom_cli.segment", "whole objects of photos: overlay and JSON"),
    "bench": ("saom_cli.bench", "latency per stage, frames/s, peak memory"),
    "info": ("saom_cli.info", "what a model file holds"),
    "teach": ("saom_cli.teach", "a new class from a few example pictures, without training"),
    "compare-sam": ("saom_cli.compare_sam", "same masks and time against segment-anything's generator [train]"),
    "bench-heads": ("training.bench_heads", "fast head and SAM's decoder against the image encoder [train]"),
    "bench-teach": ("training.bench_teach", "how well classes are taught, on objects of a data set [train]"),
    "stand-in": ("training.stand_in", "checkpoint of a SAM's size with random weights, to try the machine [train]"),
    "collect": ("training.collect", "simulated RGB-D data set [train]"),
    "bench-collect": ("training.bench_collect", "frames/s, megabytes, and what kill -9 loses, of collecting [train]"),
    "dataset": ("training.dataset_tools", "stats, check, view, import of a data set [train]"),
    "finetune": ("training.finetune_command", "train saom-tiny, or fine-tune a SAM checkpoint [train]"),
    "evaluate": ("training.evaluate", "figures of a model on a data set [train]"),
    "reproduce": ("training.reproduce", "the paper's claim: gain over a base, worth of each step [train]"),
    "export": ("training.export", "checkpoint to one ONNX file [train]"),
}
"""Command -> module with `add_arguments(parser)` and `run(args) -> int`; [train] needs `pip install saom[train]`."""


def main(argv: list[str] | None = None) -> int:
    """Entry point of the `saom` command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="saom", description="Whole objects for robots that grasp.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((a for a in arguments if not a.startswith("-")), None)
    module = None
    for name, (path, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            try:
                module = importlib.import_module(path)
            except ModuleNotFoundError as error:
                print(f"saom {name}: needs the package {error.name}: pip install 'saom[train]'", file=sys.stderr)
                return 2
            module.add_arguments(sub)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    assert module is not None
    try:
        return int(module.run(args))
    except SaomError as error:
        print(f"saom {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
