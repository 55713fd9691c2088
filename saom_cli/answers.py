"""The JSON file of `saom segment`, which grows photo by photo and outlives an interrupt."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from saom_core.errors import InputError
from saom_core.files import write_atomically


class Answers:
    """The answers of a run, kept on the disk.

    Each photo's are appended to a draft beside the file, a line of JSON each. `finish` makes the JSON list of them. A
    draft that an interrupted run left is gone on with, if the run had the same options.

    Args:
        path: the JSON file; what is no regular file, as /dev/stdout, has a draft that nobody finds again.
        facts: what decides the answers, JSON types: options, model, where the photos are.

    Raises:
        InputError: another process writes the same file.
        OSError: the draft cannot be written.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path = path
        self.begun_anew = False  # there was a draft of a run with other options
        self._draft: Path | None = None
        self._places: dict[str, tuple[int, Any]] = {}  # photo -> place of its line in the draft, state of its files
        if path.exists() and not path.is_file():
            self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - open until `finish`
        else:
            self._draft = path.with_name(f"{path.name}.part")
            self._file = self._draft.open("a+b")
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise InputError(
                    f"{path}: expected no other process that writes it, got one: wait for it, or write another file"
                ) from None
        self._go_on(json.loads(json.dumps({"facts": facts})))

    @property
    def done(self) -> int:
        """How many photos are answered."""
        return len(self._places)

    def has(self, photo: Path, files: Sequence[Path]) -> bool:
        """Whether the photo was answered before, and these files, which it was answered from, have not changed."""
        return self._places.get(photo.name, (0, None))[1] == _state(files)

    def add(self, photo: Path, files: Sequence[Path], results: list[dict[str, Any]]) -> None:
        """Keeps the answers for a photo."""
        line = {"photo": photo.name, "state": _state(files), "results": results}
        place = self._file.seek(0, os.SEEK_END)
        self._append(line)
        self._places[photo.name] = place, line["state"]

    def finish(self, photos: Sequence[Path], *, complete: bool) -> None:
        """Writes the JSON list: the photos' answers in their order; `image_id` is a photo's place among them.

        Args:
            photos: all of the run.
            complete: nothing is left to go on with, and the draft is removed.
        """
        write_atomically(self.path, lambda file: file.writelines(self._listing(photos)))
        if complete and self._draft is not None:
            self._draft.unlink()
        self._file.close()

    def _listing(self, photos: Sequence[Path]) -> Iterator[bytes]:
        yield b"["
        begun = False
        for image_id, photo in enumerate(photos):
            if photo.name not in self._places:
                continue
            self._file.seek(self._places[photo.name][0])
            for result in json.loads(self._file.readline())["results"]:
                yield b",\n" if begun else b"\n"
                yield json.dumps({"file_name": photo.name, "image_id": image_id, **result}).encode()
                begun = True
        yield b"\n]\n"

    def _go_on(self, header: dict[str, Any]) -> None:
        """Reads what is there already; a line that a kill cut off is dropped."""
        self._file.seek(0)
        first = self._file.readline()
        if first and _parsed(first) != header:
            self.begun_anew = True
            first = b""
        if not first:
            self._file.truncate(0)
            self._append(header)
            return
        place = self._file.tell()
        for line in self._file:
            kept = _parsed(line)
            if kept is None:
                break
            self._places[kept["photo"]] = place, kept["state"]
            place += len(line)
        self._file.truncate(place)

    def _append(self, line: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._draft or self.path)) from error


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _state(files: Sequence[Path]) -> list[list[int]]:
    """Size and time of each file: another one of the same name is another photo."""
    stats = [file.stat() for file in files if file.exists()]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]
