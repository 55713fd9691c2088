"""Freed memory stays with the process: training on a CPU asks for the same large blocks in every step.

glibc gives each large block back to the system, and the next one comes as fresh pages that must be cleared: measured
on two cores, forward and backward pass took two to four times as long as with this.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed; whether it was told (elsewhere nothing is changed)."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(*choice) for choice in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28)))
