"""Whole-object everything mode for robots: `load()` a model, give it pictures, get `Instances`. No ROS, no training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saom_core.config import SaomConfig as SaomConfig
    from saom_core.errors import ConfigError as ConfigError
    from saom_core.errors import InputError as InputError
    from saom_core.errors import ModelError as ModelError
    from saom_core.errors import SaomError as SaomError
    from saom_core.instances import Instances as Instances
    from saom_core.loading import load_segmenter as load_segmenter
    from saom_core.model import Model as Model
    from saom_core.model import load as load
    from saom_core.overlay import draw_overlay as draw_overlay

__version__ = "0.1.0"

_HOMES = {
    "load": "model",
    "Model": "model",
    "Instances": "instances",
    "SaomConfig": "config",
    "load_segmenter": "loading",
    "draw_overlay": "overlay",
    "SaomError": "errors",
    "InputError": "errors",
    "ModelError": "errors",
    "ConfigError": "errors",
}
"""Public name -> module that defines it."""

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - strings, all of them


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: `import saom_core.errors` must not load OpenCV and onnxruntime."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
