"""Writing files so that nobody ever reads half of one, and checking places before hours of work go into them."""

from __future__ import annotations

import errno
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from saom_core.errors import InputError

_DRAFT = re.compile(r"\..+\.\d+(\.[0-9a-f]{8})?\.tmp")
"""Names that `draft_of` gives, and gave before they had random characters."""


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Writes a file so that it is there whole or not at all, whenever the process dies or the power fails.

    The content goes to a draft beside the file, which is renamed when it is safely on the disk. A symbolic link stays
    one; what is no regular file (/dev/stdout, a pipe) is written as it is, since renaming would remove it.

    Args:
        path: the file; its folder must exist. The new file has the permissions that the umask gives.
        content: the bytes, or a function that writes them to a file that it is given.

    Raises:
        OSError: the place cannot be written; the error names the file, and an older file stays as it was.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                _fill(file, content)
            return
        path = path.resolve()
        draft = draft_of(path)
        try:
            with draft.open("wb") as file:
                _fill(file, content)
            move_into_place(draft, path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    except Exception as error:
        fault = _of_system(error)
        if fault is None:
            raise
        # write() and fsync() do not say which file they failed at, and nobody knows a draft's name
        raise OSError(fault.errno, fault.strerror or str(fault), str(path)) from error


def draft_of(path: Path, suffix: str = "") -> Path:
    """Where a file is written before it gets its name: beside it, hidden, as nobody else calls a draft of it.

    The number of the process is not enough: in two containers that share a folder it may be the same.

    Args:
        path: the file.
        suffix: at the end of the draft's name, for writers that go by it.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp{suffix}")


def remove_drafts(folder: Path) -> None:
    """Removes what killed processes have left of `write_atomically`; no living one may be writing there."""
    for draft in folder.glob(".*.tmp"):
        if _DRAFT.fullmatch(draft.name):
            draft.unlink(missing_ok=True)


def user_cache() -> Path:
    """The user's folder for what can be made again: `saom` below $XDG_CACHE_HOME or ~/.cache; it may not exist yet.

    Raises:
        RuntimeError: the user has no home.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return home / "saom"


def move_into_place(draft: Path, path: Path) -> None:
    """Gives a finished file its name, when it is safely on the disk; both lie on the same file system.

    Raises:
        OSError: that cannot be done, or the disk is full.
    """
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(draft, path)
    _sync_folder(path.parent)


def check_output(path: Path, inputs: Iterable[Path] = (), *, folder: bool = False) -> None:
    """Refuses a place where the result cannot go, before the work begins; makes the folders that lead there.

    Args:
        path: where a file, or with `folder` a folder of files, is to be written.
        inputs: files that the work reads: none of them may be overwritten.
        folder: the place is a folder.

    Raises:
        InputError: a file is expected and a folder is there or the other way round, or it is one of the inputs.
        OSError: the folders cannot be made, or nothing can be written there.
    """
    if path.exists() and path.is_dir() != folder:
        wanted, found = ("a folder", "a file") if folder else ("a file", "a folder")
        raise InputError(f"{path}: expected {wanted} to write to, got {found}: choose another name")
    check_not_read([path], inputs)
    try:
        if path.exists() and not path.is_dir() and not os.access(path, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        if path.exists() and not path.is_dir() and not path.is_file():
            return  # a pipe or a device is written as it is
        parent = path if folder else path.resolve().parent
        parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=parent).close()  # whether a file can be made there, only an attempt tells
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def check_outputs(paths: Iterable[Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """`check_output` of every file that is to be written; None: not asked for.

    Raises:
        InputError: see `check_output`; or two are the same file.
        OSError: see `check_output`.
    """
    read = [path for path in inputs if path is not None]
    seen: set[Path] = set()
    for path in paths:
        if path is None:
            continue
        check_output(path, read)
        if path.resolve() in seen and not (path.exists() and not path.is_file()):
            raise InputError(f"{path}: expected a file for each output, got the same one twice: choose another name")
        seen.add(path.resolve())


def check_not_read(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuses to overwrite what the work reads, whatever name it goes by.

    Raises:
        InputError: one of the outputs is one of the inputs.
    """
    read = {(stat.st_dev, stat.st_ino) for stat in (path.stat() for path in inputs if path.exists())}
    for path in outputs:
        if path.exists() and ((stat := path.stat()).st_dev, stat.st_ino) in read:
            raise InputError(f"{path}: expected a new file to write to, got one that is read: choose another name")


def _of_system(error: BaseException | None) -> OSError | None:
    """The error of the operating system itself, which torch, for one, turns into an error of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _fill(file: BinaryIO, content: bytes | Callable[[BinaryIO], object]) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content)
    file.flush()


def _sync_folder(folder: Path) -> None:
    """Makes a renaming in the folder last through a power failure, where the file system can do that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
