"""The errors a user of SAOM can meet; every message gives what was expected, what came, and what to do."""

from __future__ import annotations


class SaomError(Exception):
    """Base of all errors that SAOM raises on purpose."""


class InputError(SaomError, ValueError):
    """An image, a depth map, a mask or a prompt is not what it must be."""


class ModelError(SaomError):
    """A model file is missing, broken, of another signature, or cannot run with the wanted provider."""


class ConfigError(SaomError, ValueError):
    """An option is unknown, of the wrong type, or out of its range."""
