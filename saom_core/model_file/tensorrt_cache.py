"""Where TensorRT keeps the engines that it builds: without such a place it builds them for minutes at every start."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

import onnxruntime as ort

from saom_core.files import user_cache
from saom_core.model_file.metadata import sha256_without_entry
from saom_core.model_file.taught import TAUGHT_KEY

logger = logging.getLogger("saom")


def cache_folder(model: Path) -> Path:
    """The folder for the engines of a model file, below $XDG_CACHE_HOME or ~/.cache.

    onnxruntime tells engines by the shape of the network alone, so it would take that of other weights, or of another
    release of itself: each has a folder of its own. Taught classes change no engine.
    """
    return user_cache() / "tensorrt" / f"{sha256_without_entry(model, TAUGHT_KEY)[:16]}-{ort.__version__}"


def cache_options(model: Path) -> dict[str, object]:
    """Options of onnxruntime's TensorRT provider that keep the engines of a model file; none where no file can be kept.

    Tells once what is waited for. Names and types are those of
    https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html.
    """
    try:
        folder = cache_folder(model)
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        logger.warning("TensorRT will build its engine at every start, for minutes: it cannot be kept (%s)", error)
        return {}
    if not any(folder.glob("*.engine")):
        logger.info("TensorRT builds its engine for this model, once, for minutes; it is kept in %s", folder)
    return {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(folder),
    }


def clear(model: Path) -> bool:
    """Removes the kept engines of a model file, half-written ones or another TensorRT's; False: there are none."""
    try:
        folder = cache_folder(model)
        there = any(folder.iterdir())
        shutil.rmtree(folder)
    except (OSError, RuntimeError):
        return False
    return there
