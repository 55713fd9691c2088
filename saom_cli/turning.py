"""Options that a person turns while a command runs, by typing `score_threshold 0.6` where it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

from saom_core.config import SaomConfig, option_of
from saom_core.errors import ConfigError

HINT = "type an option and its value to change it, as `score_threshold 0.6`; ? lists them"
_WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
_FIELDS = {field.name: field for field in dataclasses.fields(SaomConfig)}
TURNED = tuple(name for name, field in _FIELDS.items() if not option_of(field).read_only)
"""Options that can be changed between two pictures."""


class Turning:
    """The options of now, which lines of text change.

    Args:
        config: the options at first.
        tell: takes the answer to each line.
    """

    def __init__(self, config: SaomConfig, tell: Callable[[str], object] = tqdm.write) -> None:
        self._config, self._tell = config, tell
        self._changed = threading.Condition()
        self._listens = False

    def now(self) -> SaomConfig:
        """The options of now: the same object until one is changed."""
        return self._config

    def listen(self, terminal: TextIO | None) -> bool:
        """Takes the lines that are typed from now on; False where that is no terminal, so that nobody types."""
        if terminal is None or not terminal.isatty():
            return False
        if hasattr(signal, "SIGTTIN"):
            # a job in the background may not read what is typed: that must end the reading, not stop the job
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        self._listens = True
        threading.Thread(target=self._read, args=(terminal.fileno(),), name="saom-turning", daemon=True).start()
        return True

    def wait(self, config: SaomConfig) -> bool:
        """Waits until the options are others than these; False: they stay, because nothing will be typed any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._config is not config or not self._listens)
            return self._config is not config

    def take(self, line: str) -> None:
        """Does what a line says, and tells what was done, or what would be understood."""
        words = line.replace("=", " ").split()
        if not words:
            return
        name = words[0].lstrip("-").replace("-", "_")
        if words[0] in ("?", "help"):
            answer = "\n".join(self._line_of(name) for name in TURNED)
        elif name not in _FIELDS:
            near = difflib.get_close_matches(name, TURNED, n=1)
            answer = f"expected an option, got {words[0]!r}" + (f": {near[0]}?" if near else "") + f": {HINT}"
        elif name not in TURNED:
            flag = f"--{name.replace('_', '-')}"
            answer = f"{name}: read when the model is loaded: end this, and give {flag} with the command"
        elif len(words) == 1:
            answer = self._line_of(name)
        else:
            answer = self._turn(name, " ".join(words[1:]))
        self._tell(answer)

    def _turn(self, name: str, text: str) -> str:
        before = getattr(self._config, name)
        try:
            changed = self._config.replace(**{name: _value_of(text, type(before))})
        except ConfigError as error:
            return str(error)
        if getattr(changed, name) == before:
            return f"{name} = {before} already"
        with self._changed:
            self._config = changed
            self._changed.notify_all()
        return f"{name} = {getattr(changed, name)} (was {before})"

    def _line_of(self, name: str) -> str:
        option = option_of(_FIELDS[name])
        unit = f" {option.unit}" if option.unit else ""
        limits = "" if option.minimum is None else f", {option.minimum:g} to {option.maximum:g}"
        return f"{name} = {getattr(self._config, name)}{unit}{limits}: {option.description}"

    def _read(self, descriptor: int) -> None:
        pending = b""
        try:
            # not through sys.stdin, whose lock a thread that still reads would hold while Python ends
            with contextlib.suppress(OSError):
                while data := os.read(descriptor, 4096):
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        self.take(line.decode(errors="replace"))
        finally:
            with self._changed:
                self._listens = False
                self._changed.notify_all()


def table_of(config: SaomConfig) -> str:
    """The options that can be turned and their values, as Markdown."""
    rows = [f"| {name} | {getattr(config, name)} |" for name in TURNED]
    return "\n".join(["| option | value |", "|---|---|", *rows])


def _value_of(text: str, kind: type[Any]) -> Any:
    """What a word means to an option of a type; the word itself where it means nothing, which the option refuses."""
    try:
        return _WORDS.get(text.lower(), text) if kind is bool else kind(text)
    except ValueError:
        return text
