"""Files appear whole or not at all, and places are refused before the work begins."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from saom_core.errors import InputError
from saom_core.files import check_output, remove_drafts, write_atomically

OLD, NEW = b"what was there before", b"new" * 100_000


def test_bytes_and_functions_write_the_same(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", NEW)
    write_atomically(tmp_path / "b", lambda file: file.write(NEW))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == NEW
    write_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").read_bytes() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"], "no draft stays"


def test_two_that_write_one_file_do_not_break_each_other(tmp_path: Path) -> None:
    """As two containers do that share a folder, and in which every program is process 1."""
    path = tmp_path / "file"

    def slow(file: BinaryIO) -> None:
        write_atomically(path, OLD)
        assert path.read_bytes() == OLD
        file.write(NEW)

    write_atomically(path, slow)
    assert path.read_bytes() == NEW and [one.name for one in tmp_path.iterdir()] == ["file"]


def test_drafts_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from saom_core.files import write_atomically; "
        "write_atomically(pathlib.Path(sys.argv[1]), lambda file: os.kill(os.getpid(), signal.SIGKILL))"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "a.bin"], check=False).returncode == -signal.SIGKILL
    [draft] = tmp_path.iterdir()
    assert draft.name.startswith(".a.bin.")
    (tmp_path / ".a.bin.77.tmp").touch()  # as drafts were called before
    others = [".hidden", ".my_notes.tmp", ".notes.2026.11.tmp.tmp", "b.tmp"]
    for name in others:
        (tmp_path / name).touch()
    remove_drafts(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == others


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


def test_failing_halfway_leaves_the_older_file_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError) as caught:
        write_atomically(path, full)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["file"] and path.read_bytes() == OLD


def test_the_system_s_error_behind_a_library_s_is_told(tmp_path: Path) -> None:
    def wrapped(file: object) -> None:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904 - as torch does it

    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(tmp_path / "file", wrapped)
    assert caught.value.filename == str(tmp_path / "file")
    with pytest.raises(ValueError, match="^other$"):
        write_atomically(tmp_path / "file", raising(ValueError("other")))
    assert not list(tmp_path.iterdir())


def raising(error: Exception) -> Callable[[object], None]:
    def write(_: object) -> None:
        raise error

    return write


def test_killed_while_writing_the_older_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    program = (
        "import os, signal; from pathlib import Path; from saom_core.files import write_atomically\n"
        "def die(file): file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_atomically(Path({str(path)!r}), die)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == OLD


def test_the_draft_is_on_the_disk_before_it_gets_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, os.replace
    kind = {True: "folder", False: "file"}

    def noted_sync(handle: int) -> None:
        steps.append(f"sync {kind[stat.S_ISDIR(os.fstat(handle).st_mode)]}")
        sync(handle)

    def noted_replace(old: Path, new: Path) -> None:
        steps.append(f"rename {old.stat().st_size} bytes")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "file", NEW)
    assert steps == ["sync file", f"rename {len(NEW)} bytes", "sync folder"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to("deep/file")
    write_atomically(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "deep" / "file").read_bytes() == NEW


def test_a_pipe_is_written_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    check_output(pipe)
    write_atomically(pipe, OLD)
    reader.join(timeout=240)
    assert read == [OLD] and pipe.is_fifo()


def test_check_output_makes_folders_and_leaves_nothing_else(tmp_path: Path) -> None:
    check_output(tmp_path / "new" / "deep" / "page.html")
    check_output(tmp_path / "overlays", folder=True)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["new", "new/deep", "overlays"]


def test_check_output_refuses_what_would_be_lost(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(OLD)
    (tmp_path / "link.png").symlink_to(photo)
    for same in (photo, tmp_path / "link.png", tmp_path / "." / "photo.png"):
        with pytest.raises(InputError, match="got one that is read"):
            check_output(same, [photo])
    with pytest.raises(InputError, match="expected a file to write to, got a folder"):
        check_output(tmp_path)
    with pytest.raises(InputError, match="expected a folder to write to, got a file"):
        check_output(photo, folder=True)
    check_output(photo)
    assert photo.read_bytes() == OLD


def test_check_output_tells_of_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    for place in (tmp_path / "file" / "out.json", Path("/proc/out.json"), Path("/proc/new/out.json")):
        with pytest.raises(OSError) as caught:
            check_output(place)
        assert caught.value.filename == str(place) and caught.value.errno in (
            errno.ENOTDIR, errno.EEXIST, errno.EACCES, errno.ENOENT, errno.EPERM, errno.EROFS,
        )  # fmt: skip
