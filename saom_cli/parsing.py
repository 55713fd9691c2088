"""How a wrong use of the `saom` command is told."""

from __future__ import annotations

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """Tells a wrong use in one line, as every other failure; argparse itself prints all options before it."""

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser.error`."""
        self.exit(2, f"{self.prog}: {message} (`{self.prog} --help` lists what there is)\n")
