"""All builders of the objects of `rooms`: class name -> builders of its styles."""

from __future__ import annotations

from saom_core.taxonomy import OTHER

from ..geometry.model import Builder
from . import large, small
from .primitives import OTHER_BUILDERS

BUILDERS: dict[str, list[Builder]] = {}
for _builders in (large.BUILDERS, small.BUILDERS, {OTHER: OTHER_BUILDERS}):
    for _name, _more in _builders.items():
        BUILDERS.setdefault(_name, []).extend(_more)
