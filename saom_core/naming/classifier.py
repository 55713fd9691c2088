"""The classifier of photographs: crops in, how likely each of our names is and what the things look like out.

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
from saom_core.model_file.metadata import sha256_without_entry
from saom_core.model_file.reference import REFERENCE_KEY, ReferenceObjects
from saom_core.naming.fusion import softmax
from saom_core.naming.vocabulary import MEANINGS, Meaning
from saom_core.runtime import check_file, open_session

NAMES_KEY = "saom_names"
"""Key of the ONNX metadata under which a JSON object holds the words, origin and licence."""
NAMES_MODEL = Path(__file__).parents[1] / "models" / "saom-names.onnx"
SIDE_PX = 224
"""Side of the crops, as the classifier was trained."""
CELLS = 7
"""Cells along the side of a crop, each of which the classifier describes by `FEATURES` numbers."""
FEATURES = 1280
LOOK_SIZE = FEATURES + 3
"""Of what a thing looks like: features and colour, see `saom_core/naming/looks.py`."""


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
    """The classifier in a session of its own.

    Args:
        provider: where it runs; see `saom_core.runtime.OnnxModel`.
        threads: on the CPU; 0: one per core.
        file: another file in the place of the bundled one; no hash of it is checked.

    Raises:
        ModelError: the file is missing or damaged.
    """

    def __init__(self, provider: str = "auto", threads: int = 0, file: Path = NAMES_MODEL) -> None:
        check_file(file, bundled=file == NAMES_MODEL)
        self._session, _, _ = open_session(file, provider, threads)
        entries = self._session.get_modelmeta().custom_metadata_map
        self.words: tuple[str, ...] = tuple(json.loads(entries[NAMES_KEY])["words"])
        self._shares = words_to_names(self.words)
        self.sha256 = sha256_without_entry(file, REFERENCE_KEY)
        """Of the network and its words: what tells whether two classifiers see the same."""
        self.reference: ReferenceObjects | None = None
        """What objects of the simulators' classes look like to it, if the file says so."""
        if REFERENCE_KEY in entries:
            self.reference = ReferenceObjects.from_json(entries[REFERENCE_KEY], LOOK_SIZE)

    def see(
        self, crops: npt.NDArray[np.uint8], cells: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """What is in some crops; all of them run at once.

        Args:
            crops: (N, S, S, 3) uint8 RGB, one of each thing.
            cells: (N, C, C) how much of each cell of a crop is the thing, 0 to 1; what is not, is not described.

        Returns:
            Logits of the words, (N, W), of the whole crops; features (N, `FEATURES`) of the things.
        """
        if not len(crops):
            return np.zeros((0, len(self.words)), np.float32), np.zeros((0, FEATURES), np.float32)
        logits, features = self._session.run(["logits", "features"], {"crops": crops, "cells": cells})
        return np.asarray(logits, np.float32), np.asarray(features, np.float32)

    def names(self, logits: npt.NDArray[np.floating], temperature: float) -> npt.NDArray[np.float32]:
        """How likely each name is for N things.

        Args:
            logits: (N, W) of the words.
            temperature: that they are divided by.

        Returns:
            (N, K + 1) probabilities of the names of `MEANINGS`, and of Other; the words of a name are summed.
        """
        return softmax(logits / temperature) @ self._shares
