"""The table of names: every word exists, every class of the simulators is there, sizes are sizes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from saom_core.errors import ModelError
from saom_core.naming.classifier import PhotoClassifier, words_to_names
from saom_core.naming.vocabulary import MEANINGS, Meaning
from saom_core.taxonomy import CLASSES, OTHER


@pytest.fixture(scope="module")
def words() -> tuple[str, ...]:
    return PhotoClassifier("cpu", 1).words


def test_the_names_are_the_classes_of_the_simulators_and_further_ones() -> None:
    names = [meaning.name for meaning in MEANINGS]
    assert tuple(names[: len(CLASSES)]) == CLASSES and len(set(names)) == len(names) and OTHER not in names
    assert len(names) - len(CLASSES) >= 150
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in names)
    assert all(0 < low < high <= 400 for low, high in (meaning.size_cm for meaning in MEANINGS))


def test_the_classifier_has_1000_words_and_each_word_of_the_table_is_one(words: tuple[str, ...]) -> None:
    assert len(words) == len(set(words)) == 1000
    used = [word for meaning in MEANINGS for word in meaning.words]
    assert set(used) <= set(words) and len(used) > 250


def test_words_are_shared_out_as_a_loop_would(words: tuple[str, ...]) -> None:
    shares = words_to_names(words)
    assert shares.shape == (1000, len(MEANINGS) + 1)
    for row in range(0, 1000, 7):
        means = [k for k, meaning in enumerate(MEANINGS) if words[row] in meaning.words] or [len(MEANINGS)]
        expected = np.zeros(len(MEANINGS) + 1)
        expected[means] = 1 / len(means)
        np.testing.assert_allclose(shares[row], expected, atol=1e-7)


@pytest.mark.parametrize(
    ("word", "names"),
    [("coffee mug", {"Mug"}), ("cup", {"Cup", "Mug"}), ("banana", {"Banana"}), ("tench", {OTHER}), ("carton", {"Box"})],
)
def test_some_words_and_what_they_mean(words: tuple[str, ...], word: str, names: set[str]) -> None:
    columns = np.flatnonzero(words_to_names(words)[words.index(word)])
    assert {(*(meaning.name for meaning in MEANINGS), OTHER)[k] for k in columns} == names


def test_a_word_that_the_classifier_lacks_is_told() -> None:
    with pytest.raises(ModelError, match="'mgu'"):
        words_to_names(["mug", "cup"], [Meaning("Mug", (8, 16), ("mgu",))])
