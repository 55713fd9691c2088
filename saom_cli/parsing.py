"""How words of the `saom` command are read, and how a wrong use is told."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """Tells a wrong use in one line, as every other failure; argparse itself prints all options before it."""

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser.error`."""
        further = message.removeprefix("unrecognized arguments: ").split()
        if message.startswith("unrecognized arguments: ") and all(Path(word).exists() for word in further):
            shown = " ".join(further[:3]) + (" ..." if len(further) > 3 else "")
            message = f"expected one photo, one file or one folder at a time, got also {shown}"
        self.exit(2, f"{self.prog}: {message} (`{self.prog} --help` lists what there is)\n")


def numbers(count: int) -> Callable[[str], list[float]]:
    """Makes an argument type that reads `count` numbers separated by commas."""

    def read(text: str) -> list[float]:
        numbers = [float(part) for part in text.split(",")]
        if len(numbers) != count:
            raise argparse.ArgumentTypeError(f"expected {count} numbers with commas between, got {text!r}")
        return numbers

    read.__name__ = f"{count} numbers"  # argparse names it where a number is none
    return read
