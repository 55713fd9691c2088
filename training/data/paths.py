"""Names of files that a data set, or a file of annotations, tells; and by what several files are known again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from saom_core.errors import InputError

END_BYTES = 512
"""So many bytes of both ends tell a picture from one of the same size: PNG, for one, ends with a checksum."""


def inside(folder: Path, name: Any) -> Path:
    """The path of a file that something from elsewhere names.

    A data set may come from a stranger: a name such as `../../.ssh/id_rsa`, or a symbolic link of that name, would
    otherwise be read and copied into the next data set as if it were a picture.

    Args:
        folder: where the file must be.
        name: relative path in the folder, as a JSON file tells it.

    Raises:
        InputError: The name is no text that UTF-8 can hold, absolute, has `..` in it, or leads out of the folder by a
            symbolic link.
    """
    wrong = ""
    if not isinstance(name, str) or not name or "\0" in name:
        wrong = "something else"
    elif not _is_text(name):
        wrong = "a name that UTF-8 cannot hold"
    elif PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or PureWindowsPath(name).root:
        wrong = "an absolute path"
    elif ".." in PureWindowsPath(name).parts:  # it takes both kinds of slash as separators
        wrong = "a path with '..'"
    elif not (folder / name).resolve().is_relative_to(folder.resolve()):
        wrong = "a symbolic link out of it"
    if wrong:
        raise InputError(
            f"expected the path of a file in {folder}, got {wrong}: {name!r}: put the file into the folder"
        )
    return folder / name


def _is_text(name: str) -> bool:
    """Whether it can be written in UTF-8: half of a pair of surrogates, which JSON can hold, cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def digest_of(files: Iterable[tuple[str, Path]]) -> str:
    """By what the files that something is made of are known again: a new, a changed and a lacking one change it.

    Args:
        files: name and path of each, in the order in which they are used; a file need not exist.

    Raises:
        InputError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for name, path in files:
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            content = "none"
        except OSError as error:
            raise InputError(f"expected a file at {path}, got {error.strerror}") from None
        digest.update(f"{name}\0{content}\n".encode(errors="backslashreplace"))
    return digest.hexdigest()


def quick_digest_of(files: Iterable[tuple[str, Path | None]]) -> str:
    """By what many large files are known again: their names, sizes and ends, so that they are not read as a whole.

    Args:
        files: name and path of each, in the order in which they are used; a file need not exist, None stands for none.

    Raises:
        InputError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0".encode(errors="backslashreplace"))
        try:
            if path is None or not path.is_file():
                digest.update(b"none\n")
                continue
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                digest.update(f"{size}\n".encode())
                for place in (0, max(0, size - END_BYTES)):
                    file.seek(place)
                    digest.update(file.read(END_BYTES))
        except OSError as error:
            raise InputError(f"expected a file at {path}, got {error.strerror}: make it readable") from None
    return digest.hexdigest()
