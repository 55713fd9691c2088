"""The classifier of photographs: crops in, how likely each of our names is out.

Its file, `saom-names.onnx`, is made by `saom export-names`. Its 1000 words come with it and become our names by the
table in `saom_core/naming/vocabulary.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saom_core.errors import ModelError
from saom_core.naming.fusion import softmax
from saom_core.naming.vocabulary import MEANINGS, Meaning
from saom_core.runtime import check_file, open_session

NAMES_KEY = "saom_names"
"""Key of the ONNX metadata under which a JSON object holds the words, origin and licence."""
NAMES_MODEL = Path(__file__).parents[1] / "models" / "saom-names.onnx"
SIDE_PX = 224
"""Side of the crops, as the classifier was trained."""


def words_to_names(words: Sequence[str], meanings: Sequence[Meaning] = MEANINGS) -> npt.NDArray[np.float32]:
    """How a classifier's words are shared out among names.

    Args:
        words: W of the classifier.
        meanings: K names.

    Returns:
        (W, K + 1) float32, rows that sum to 1; the last column is Other, which gets the words that mean no name.

    Raises:
        ModelError: the table has a word that the classifier lacks.
    """
    rows = {word: row for row, word in enumerate(words)}
    shares = np.zeros((len(words), len(meanings) + 1), np.float32)
    for column, meaning in enumerate(meanings):
        for word in meaning.words:
            if word not in rows:
                raise ModelError(f"expected the word {word!r} ({meaning.name}) among the classifier's, got none")
            shares[rows[word], column] = 1
    shares[~shares.any(axis=1), -1] = 1
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


class PhotoClassifier:
    """The bundled classifier in a session of its own.

    Args:
        provider: where it runs; see `saom_core.runtime.OnnxModel`.
        threads: on the CPU; 0: one per core.

    Raises:
        ModelError: the file is missing or damaged.
    """

    def __init__(self, provider: str = "auto", threads: int = 0) -> None:
        check_file(NAMES_MODEL, bundled=True)
        self._session, _, _ = open_session(NAMES_MODEL, provider, threads)
        entries = self._session.get_modelmeta().custom_metadata_map
        self.words: tuple[str, ...] = tuple(json.loads(entries[NAMES_KEY])["words"])
        self._shares = words_to_names(self.words)

    def logits(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Of the words, (N, W), for crops (N, S, S, 3) uint8 RGB; all crops run at once."""
        (logits,) = self._session.run(None, {"crops": crops})
        return np.asarray(logits, np.float32)

    def look(self, crops: npt.NDArray[np.uint8], temperature: float) -> npt.NDArray[np.float32]:
        """How likely each name is by the looks of each thing.

        Args:
            crops: (N, S, S, 3) uint8 RGB, one of each thing.
            temperature: that the logits are divided by.

        Returns:
            (N, K + 1) probabilities of the names of `MEANINGS`, and of Other; the words of a name are summed.
        """
        if not len(crops):
            return np.zeros((0, self._shares.shape[1]), np.float32)
        return softmax(self.logits(crops) / temperature) @ self._shares
