"""Headers of ROS messages: whether two of them are of one place."""

from __future__ import annotations

from typing import Any

from saom_core.errors import InputError


def check_frame_id(name: str, header: Any, image: Any, remedy: str) -> None:
    """Refuses a message of another frame_id than its picture's; one that names none is taken to be of the picture's.

    Args:
        name: of the input, for the error.
        header: of the message.
        image: the picture's header.
        remedy: ends the error.

    Raises:
        InputError: another frame.
    """
    ours, theirs = image.frame_id.lstrip("/"), header.frame_id.lstrip("/")
    if ours and theirs and ours != theirs:
        raise InputError(f"{name}: expected the image's frame_id {ours!r}, got {theirs!r}: {remedy}")
