"""Sizes and cameras that files of annotations tell, in whatever type they tell them; what is none is told to people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Faults = list[tuple[str, str]]
"""Reason, under which it is counted, and line of each; see `importing.Source`."""
NO_SIZE = "size that is no number: outlines are taken as drawn on the picture as it is shown"
NO_CAMERA = "camera without the numbers fx, fy, cx, cy: 60 degrees are assumed"


def size_of(height: Any, width: Any, where: str, faults: Faults) -> tuple[int, int] | None:
    """Height and width in pixels, of whole numbers, floats or texts; None where there are none, or 0 stands for one."""
    edges = [_number(edge or 0) for edge in (height, width)]
    if 0 in edges:
        return None
    if not all(edge >= 1 for edge in edges):
        faults.append((NO_SIZE, f"{where}: {NO_SIZE}: got height {height!r}, width {width!r}"))
        return None
    return round(edges[0]), round(edges[1])


def camera_of(camera: Any, where: str, faults: Faults) -> dict[str, float] | None:
    """fx, fy, cx, cy in pixels; None where there are none."""
    if camera is None:
        return None
    values = camera if isinstance(camera, Mapping) else {}
    told = {key: _number(values.get(key)) for key in ("fx", "fy", "cx", "cy")}
    if not all(map(math.isfinite, told.values())) or min(told["fx"], told["fy"]) <= 0:
        faults.append((NO_CAMERA, f"{where}: {NO_CAMERA}: got {str(camera)[:200]}"))
        return None
    return told


def is_yes(value: Any) -> bool:
    """Whether a flag is set, which may be a text: "0" is not."""
    return bool(value) and str(value).strip().lower() not in ("0", "false", "no")


def key_of(value: Any) -> Any:
    """What an annotation is known by: a number, a text or None; of everything else its text."""
    return value if value is None or isinstance(value, int | float | str) else repr(value)


def _number(value: Any) -> float:
    """NaN where it is none, or infinite."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
