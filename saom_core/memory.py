"""How much memory this process has held at most."""

from __future__ import annotations

import resource


def peak_memory_mb() -> float:
    """Sizes of the machine's memory, in MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux counts in KiB
