"""The one place where errors become what a person reads: one line, and an exit status.

Only modules that Python has loaded anyway are imported at the top: an interrupt while numpy, OpenCV or torch are being
loaded, which takes seconds, must already be guarded.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator

FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 128 + 2, 128 + 13
"""Exit statuses; the last two are those that a shell gives to what SIGINT and SIGPIPE end."""

_REMEDIES = {
    errno.ENOSPC: "free some space, or choose another place",
    errno.EDQUOT: "free some space, or choose another place",
    errno.EFBIG: "choose a place where larger files may be written",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "change its permissions, or choose another place",
    errno.EPERM: "change its permissions, or choose another place",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "give a file, not a folder",
    errno.EMFILE: "allow more open files with `ulimit -n 4096`",
}
_OWN = ("saom_core", "saom_cli", "saom_training", "training")
_OUT_OF_MEMORY = ("allocate memory", "out of memory", "bad_alloc", "Insufficient memory", "Failed to allocate")


def guarded(name: str, body: Callable[[], int], *, debug: bool = False, on_interrupt: str = "interrupted") -> int:
    """Runs a command and tells of every failure in one line on standard error.

    Args:
        name: of the command, which begins the line.
        body: the command; returns its exit status.
        debug: print the traceback as well.
        on_interrupt: what is said after Ctrl-C.

    Returns:
        The command's status; or 1: it failed, 2: it lacks a package, or was called wrongly, as argparse says, 130:
        interrupted, 141: who read its output has gone.
    """
    if not debug:
        _silence_threads()
    try:
        try:
            return body()
        finally:
            sys.stdout.flush()  # a full disk, or a pipe that nobody reads any more, must be met here and not at exit
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            import traceback

            traceback.print_exc()
        status, message = _told(error, on_interrupt)
    # Only here, where nothing holds the error any more, a progress bar that it went through has ended its line.
    _give_up_output()
    if message:
        print(f"{name}: {message}", file=sys.stderr)
    return status


def _silence_threads() -> None:
    """Threads say nothing of a disk that fills up: TensorBoard's writer raises that error here, too."""
    import threading

    loud = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not isinstance(failure.exc_value, OSError):
            loud(failure)

    threading.excepthook = hook


def _told(error: BaseException, on_interrupt: str) -> tuple[int, str]:
    """Exit status, and what to say."""
    if any(isinstance(one, KeyboardInterrupt) for one in _chain(error)):  # numpy makes an ImportError of it
        return INTERRUPTED, on_interrupt
    if isinstance(error, BrokenPipeError) and _output_is_gone():
        return BROKEN_PIPE, ""  # `saom info --json | head` is no failure
    if isinstance(error, ImportError):
        from saom_core.missing import missing_package

        return USAGE, missing_package(error)
    from saom_core.errors import SaomError

    if isinstance(error, SaomError):
        return USAGE if isinstance(error.__cause__, ModuleNotFoundError) else FAILED, str(error)
    if _is_out_of_memory(error):
        return FAILED, f"out of memory ({_line(error)}): use smaller pictures or batches, or fewer processes"
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename is not None else ""
        remedy = _REMEDIES.get(error.errno)
        return FAILED, f"{where}{error.strerror or os.strerror(error.errno)}" + (f": {remedy}" if remedy else "")
    return FAILED, (
        f"unexpected {type(error).__name__}: {_line(error)}{_place(error)}: this is a fault of saom; please report it "
        "with what the same command prints with --debug"
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # torch, OpenCV and onnxruntime have errors of their own for it
    return not isinstance(error, OSError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was raised from or during."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + " ..."


def _place(error: BaseException) -> str:
    """Where in this package it happened, the innermost place."""
    place, step = "", error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        parts = file.replace(os.sep, "/").split("/")
        if file != __file__ and any(package in parts for package in _OWN):
            place = f" ({'/'.join(parts[-2:])}:{step.tb_lineno})"
        step = step.tb_next
    return place


def _output_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more; other pipes of a process may break, too."""
    import select

    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return bool(poll.poll(0))
    except (OSError, ValueError):  # closed, or no file
        return True


def _give_up_output() -> None:
    """What cannot be written any more is not tried again when Python ends, which would end in a traceback."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
