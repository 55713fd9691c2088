"""How many prompts of the SAM family are worked on at once: as many as the caches of a CPU, or a GPU's memory, hold."""

from __future__ import annotations

from torch import Tensor

DECODED_BYTES = {"cpu": 32 * 2**20, "cuda": 2**29}
"""Memory of one activation over the prompts that are decoded at once."""
DRAWN_BYTES = {"cpu": 4 * 2**20, "cuda": 2**28}
"""Memory of one activation over the prompts whose masks are drawn at once."""


def at_once(budget_bytes: dict[str, int], tokens: Tensor) -> int:
    """How many prompts keep an activation of the size of `tokens` (N, C) each within the budget of their device."""
    return max(1, budget_bytes[tokens.device.type] // (4 * int(tokens.numel())))
