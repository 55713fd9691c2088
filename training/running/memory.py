"""Memory of training: how much it takes, and that what it frees stays with the process.

Training on a CPU asks for the same large blocks in every step. glibc gives each large block back to the system, and the
next one comes as fresh pages that must be cleared: measured on two cores, forward and backward pass took two to four
times as long as with `keep_freed_memory`.
"""

from __future__ import annotations

import ctypes

import torch

from saom_core.memory import peak_memory_mb

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed; whether it was told (elsewhere nothing is changed)."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(*choice) for choice in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28)))


def peak_memory_mb_on(device: torch.device) -> float:
    """The most memory that this process has held so far, in MB: on a GPU the device's, else the machine's."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else peak_memory_mb()
