"""The names of several cameras; without ROS, as the launch file reads them, too."""

from __future__ import annotations

import re

from saom_core.errors import ConfigError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")


def camera_names(text: str) -> tuple[str, ...]:
    """The names in a list like `left,right` or `[left, right]`; none in an empty one.

    Each is the namespace of a camera's node, so it may have several parts (`arm/left`).

    Raises:
        ConfigError: one of them cannot be a namespace, or stands there twice.
    """
    inside = re.sub(r"^\s*\[(.*)\]\s*$", r"\1", text)
    names = tuple(part.strip().strip("'\"").strip("/") for part in inside.split(",")) if inside.strip() else ()
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"cameras: expected names of letters, digits and _ with commas, such as left,right, got {name!r} in "
                f"{text!r}"
            )
        if names.count(name) > 1:
            raise ConfigError(f"cameras: expected each name once, got {name} {names.count(name)} times in {text!r}")
    return names
