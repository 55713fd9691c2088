"""Blender writes to the process's own output, which belongs to the command; here it is not heard."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


@contextmanager
def quiet(*descriptors: int) -> Iterator[None]:
    """Whatever is written to these descriptors (1: output, 2: errors) meanwhile is lost; exceptions are not."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(descriptor) for descriptor in descriptors]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in descriptors:
            os.dup2(nowhere, descriptor)
        yield
    finally:
        for descriptor, copy in zip(descriptors, kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(nowhere)


def import_blender() -> None:
    """Import `bpy` for the first time in a process, and leave the process as it was otherwise.

    Its audio module was built for NumPy 1: with NumPy 2 it is left out, after twenty lines of advice on standard error.
    Blender puts folders of its own scripts first where Python looks for modules, and one of them holds another `bpy`,
    which a process that is spawned later would find.
    """
    before = list(sys.path)
    with quiet(1, 2), redirect_stderr(io.StringIO()):
        import bpy  # noqa: F401
    sys.path[:] = before + [path for path in sys.path if path not in before]
