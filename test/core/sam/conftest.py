"""What the tests of the SAM family share. They need torch, which the node's environment does not have."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from saom_core.sam.network import SamModel

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]


@pytest.fixture(scope="session")
def small_sam() -> SamModel:
    """A small network that answers with sensible masks: made once, in ten seconds, and changed by nobody."""
    from saom_training.benches.sam_stand_in import SMALL, stand_in

    return stand_in(SMALL)
