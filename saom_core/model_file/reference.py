"""Reference objects: some of every trained class as the model sees them, kept in the model's own file.

`saom export --reference` makes them. `saom teach` tells a new class from them, everything mode gives a taught name only
to what is more like the taught class than like any of them.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.errors import ModelError
from saom_core.model_file.taught import normalised

REFERENCE_KEY = "saom_reference"
"""Key of the ONNX metadata under which the reference objects stand, as JSON."""


@dataclass(frozen=True)
class ReferenceObjects:
    """R objects of the trained classes.

    Attributes:
        described: (R, D) float32 descriptors of length 1.
        class_names: of each.
    """

    described: npt.NDArray[np.float32]
    class_names: tuple[str, ...]

    def to_json(self) -> str:
        """The entry of the file's metadata: directions to 1/127 of their largest component, some 350 bytes each."""
        scale = np.maximum(np.abs(self.described).max(axis=1, keepdims=True), 1e-12)
        packed = np.rint(127 * self.described / scale).astype(np.int8)
        text = base64.b64encode(packed.tobytes()).decode("ascii")
        return json.dumps({"class_names": self.class_names, "described": text})

    @staticmethod
    def from_json(text: str, size: int) -> ReferenceObjects:
        """The reference objects of a file.

        Args:
            text: the entry of its metadata.
            size: D of the file's descriptors.

        Raises:
            ModelError: the entry is damaged, or was made for other descriptors.
        """
        try:
            entry = json.loads(text)
            names = tuple(str(name) for name in entry["class_names"])
            packed = np.frombuffer(base64.b64decode(entry["described"], validate=True), np.int8)
            described = normalised(packed.reshape(len(names), size).astype(np.float32))
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise ModelError(
                f"expected the reference objects that `saom export --reference` wrote, got damaged ones ({error}): "
                "export the model anew"
            ) from error
        return ReferenceObjects(described, names)
