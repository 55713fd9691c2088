"""The JSON files of `saom segment`, which grow picture by picture and outlive an interrupt."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from saom_core.errors import InputError
from saom_core.files import write_atomically

Entry: TypeAlias = "tuple[int, dict[str, Any]]"
"""Place of a picture in the run, and its line of the draft: photo, size [height, width], results, what else is told."""
Listing: TypeAlias = "Callable[[Callable[[], Iterator[Entry]]], Iterable[str]]"
"""Writes a file, piece by piece, from the entries, which it may go through more than once."""


class Answers:
    """The answers of a run, kept on the disk.

    Each picture's are appended to a draft beside the first file, a line of JSON each. `finish` makes the files of them.
    A draft that an interrupted run left is gone on with, if the run had the same options.

    Args:
        listings: file -> how it is written; what is no regular file, as /dev/stdout, has a draft that nobody finds
            again.
        facts: what decides the answers, JSON types: options, model, where the pictures are; None: begin anew always.

    Raises:
        InputError: another process writes the same file.
        OSError: the draft cannot be written.
    """

    def __init__(self, listings: Mapping[Path, Listing], facts: Mapping[str, Any] | None) -> None:
        self.listings = listings
        self.path = next(iter(listings))
        self.begun_anew = False  # there was a draft of a run with other options
        self._draft: Path | None = None
        self._places: dict[str, tuple[int, Any]] = {}  # photo -> place of its line in the draft, state of its files
        if self.path.exists() and not self.path.is_file():
            self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - open until `finish`
        else:
            self._draft = self.path.with_name(f"{self.path.name}.part")
            self._file = self._draft.open("a+b")
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise InputError(
                    f"{self.path}: expected no other process that writes it, got one: wait for it, or write another "
                    "file"
                ) from None
        if facts is None:
            self._file.truncate(0)
        self._go_on(json.loads(json.dumps({"form": 2, "facts": facts})))

    @property
    def done(self) -> int:
        """How many pictures are answered."""
        return len(self._places)

    def has(self, photo: Path, files: Sequence[Path]) -> bool:
        """Whether the photo was answered before, and these files, which it was answered from, have not changed."""
        return self._places.get(photo.name, (0, None))[1] == _state(files)

    def add(
        self, name: str, files: Sequence[Path], size_hw: tuple[int, int], results: list[dict[str, Any]], **told: Any
    ) -> dict[str, Any]:
        """Keeps the answers for a picture.

        Args:
            name: of the picture, another one for each.
            files: that it was answered from.
            size_hw: of the picture.
            results: COCO results without `image_id`.
            told: what else its line says.
        """
        line = {"photo": name, "state": _state(files), "size": list(size_hw), **told, "results": results}
        place = self._file.seek(0, os.SEEK_END)
        self._append(line)
        self._places[name] = place, line["state"]
        return line

    def finish(self, names: Sequence[str], *, complete: bool) -> None:
        """Writes the files: the pictures' answers in their order; `image_id` is a picture's place among them.

        Args:
            names: of all pictures of the run.
            complete: nothing is left to go on with, and the draft is removed.
        """

        def entries() -> Iterator[Entry]:
            for image_id, name in enumerate(names):
                if name in self._places:
                    self._file.seek(self._places[name][0])
                    yield image_id, json.loads(self._file.readline())

        for path, listing in self.listings.items():
            pieces = (piece.encode() for piece in listing(entries))
            write_atomically(path, lambda file, pieces=pieces: file.writelines(pieces))  # type: ignore[misc]
        if complete and self._draft is not None:
            self._draft.unlink()
        self._file.close()

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
