"""What a saom-*.onnx file has to have, and what it may have or lack: the contract between exporter and reader.

Files and programs are of different ages. A reader takes what it knows from a file of any age and refuses only what it
cannot use:

- Outputs in `REQUIRED_OUTPUTS` are read for every frame, so each file must have them. Those in `OPTIONAL_OUTPUTS` serve
  one purpose each; a file without them does everything else. Outputs that the reader does not know are not asked for.
- Inputs that the reader does not know are left to their defaults, which lie inside the file. One without a default
  could not be given anything, so such a file is refused.
- `FORMAT` is written into the metadata and goes up by one when something that was there before gets another meaning.
  A new output or input is no reason. Files from before there was a number are of format 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime as ort

from saom_core.errors import ModelError

METADATA_KEY = "saom"
"""Key of the ONNX metadata under which a JSON object holds format, name, class_names, training record, figures."""
FORMAT = 1
"""Format of the files that are written now, and the highest one that can be read."""

REQUIRED_OUTPUTS = {
    "masks": 3,  # (K, h, w) logits that cover the input image
    "boxes": 2,  # (K, 4) xyxy, pixels of the input image
    "scores": 1,  # (K,) how well the mask will fit, 0..1, falling; 0: the row is padding
    "stability": 1,  # (K,)
    "class_ids": 1,  # (K,)
    "class_scores": 1,  # (K,) probability of that class
    "points": 2,  # (K, 2) xy, the prompt that each row answers
}
"""Name -> number of dimensions."""
OPTIONAL_OUTPUTS = {
    "embeddings": 2,  # (K, E) of what the masks cover; taught classes are told by them
    "image_embedding": 3,  # (D, h', w') of the whole image; prompted evaluation compares with it
}
"""Name -> number of dimensions; who needs one asks `ModelInfo.check_output`."""
OUTPUTS_OF_THE_IMAGE = ("image_embedding",)
"""Outputs that have no row for each instance."""
OUTPUTS = (*REQUIRED_OUTPUTS, *OPTIONAL_OUTPUTS)
"""All outputs, in the order in which the exported modules return them."""
THRESHOLDS = ("score_threshold", "stability_threshold", "nms_iou")
"""Scalar inputs with defaults inside the file."""
INPUTS = ("image", "depth", "prompts", *THRESHOLDS)
"""What this reader can give to any file; `saom_core.everything.FURTHER_INPUTS` only where there is a default."""


def check_signature(session: ort.InferenceSession, file: Path) -> tuple[tuple[int, int], dict[str, Any]]:
    """Checks that a file has what every frame needs, and needs nothing that is unknown here.

    Args:
        session: of the file.
        file: its path, for messages.

    Returns:
        Height and width of the input, and all inputs by name, those with defaults too.

    Raises:
        ModelError: the file cannot be used; the message says what it lacks, or has too much.
    """
    without_default = {node.name: node for node in session.get_inputs()}
    inputs = without_default | {node.name: node for node in session.get_overridable_initializers()}
    outputs = {node.name: node for node in session.get_outputs()}
    missing = [name for name in REQUIRED_OUTPUTS if name not in outputs]
    missing += [name for name in ("image", *THRESHOLDS) if name not in inputs]
    if missing:
        raise ModelError(
            f"{file}: expected inputs {', '.join(('image', *THRESHOLDS))} and outputs {', '.join(REQUIRED_OUTPUTS)}, "
            f"got a file without {', '.join(missing)}: export it with `saom export`"
        )
    image = inputs["image"]
    if image.type != "tensor(uint8)" or len(image.shape) != 3 or image.shape[2] != 3:
        raise ModelError(
            f"{file}: expected the input image to be (H, W, 3) uint8, got {image.shape} {image.type}: export the file "
            "with `saom export`"
        )
    height, width = image.shape[:2]
    if not isinstance(height, int) or not isinstance(width, int):
        raise ModelError(f"{file}: expected an image input of fixed size, got {image.shape}: export with `saom export`")
    if unknown := [name for name in without_default if name not in INPUTS]:
        raise ModelError(
            f"{file}: expected a default for every input but {', '.join(INPUTS)}, got none for {', '.join(unknown)}: "
            "install a newer saom, which knows what to give"
        )
    for name, dimensions in (REQUIRED_OUTPUTS | OPTIONAL_OUTPUTS).items():
        if name in outputs and len(outputs[name].shape) != dimensions:
            raise ModelError(
                f"{file}: expected the output {name} to have {dimensions} dimensions, got {outputs[name].shape}: "
                "export the file with `saom export`"
            )
    return (height, width), inputs


def read_metadata(session: ort.InferenceSession, file: Path) -> dict[str, Any]:
    """The JSON object in the file's metadata; `format` is there even if the file is older than that number.

    Raises:
        ModelError: there is none, it names no classes, or the file is of a newer format.
    """
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "")
    try:
        metadata = {"format": 1, **json.loads(text)}
        if not isinstance(metadata["class_names"], list):
            raise TypeError("class_names is no list")
        if type(metadata["format"]) is not int or metadata["format"] < 1:
            raise TypeError(f"format is {metadata['format']!r}, no number from 1 on")
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{file}: expected ONNX metadata `{METADATA_KEY}` with class_names, got {text[:80]!r} ({error}): "
            "export it with `saom export`"
        ) from error
    if metadata["format"] > FORMAT:
        raise ModelError(
            f"{file}: expected a file of format {FORMAT} or older, got format {metadata['format']}: install a newer "
            "saom, or export the file with this one"
        )
    return metadata
