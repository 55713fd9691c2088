"""The segmenter for a model file, whichever kind of file it is."""

from __future__ import annotations

from pathlib import Path

from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.segmenter import Segmenter

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".safetensors")
"""Files that hold a network of the SAM family for torch."""


def load_segmenter(config: SaomConfig) -> Segmenter:
    """The segmenter for `config.model`: ONNX, or (where torch is installed) a checkpoint of the SAM family.

    Raises:
        ModelError: the model cannot be loaded.
    """
    if Path(config.model).suffix in CHECKPOINT_SUFFIXES:
        from saom_core.sam.segmenter import load_sam  # torch: not on the robot

        return load_sam(config)
    return OnnxSegmenter(config)
