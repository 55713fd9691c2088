"""Reference objects of the classifier: what they are, and that the network stays as it is."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saom_core.errors import InputError
from saom_core.instances import MaskCrop
from saom_core.naming.classifier import NAMES_MODEL, PhotoClassifier
from saom_core.naming.looks import describe
from saom_training.data.frames import Frame
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.onnx_files import reference_looks
from saom_training.onnx_files.reference_looks import PER_CLASS, add_reference_looks


def test_objects_are_what_the_classifier_sees_under_their_masks(
    tmp_path: Path, make_frame: Callable[..., Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    DatasetWriter(tmp_path / "data", {}).write_episode(0, [make_frame()] * (PER_CLASS + 2))
    data = Dataset.open(tmp_path / "data", "train")
    file = tmp_path / "names.onnx"
    shutil.copy(NAMES_MODEL, file)
    sample = data[0]
    areas = [np.count_nonzero(mask) for mask in sample.masks]
    monkeypatch.setattr(reference_looks, "LEAST_PX", max(areas) + 1)
    with pytest.raises(InputError, match="got none"):
        add_reference_looks(file, data)
    least = sorted(areas)[1]
    monkeypatch.setattr(reference_looks, "LEAST_PX", least)
    large = [k for k, area in enumerate(areas) if area >= least]
    assert 1 < len(large) < len(areas)
    kept = add_reference_looks(file, data)
    assert set(kept) == {sample.class_names[k] for k in large} and set(kept.values()) == {PER_CLASS}
    classifier, before = PhotoClassifier("cpu", 1, file), PhotoClassifier("cpu", 1)
    assert classifier.reference is not None and classifier.sha256 == before.sha256
    assert Counter(classifier.reference.class_names) == kept
    masks = [MaskCrop.from_dense(np.asarray(sample.masks[k], np.bool_)) for k in large]
    expected = describe(before, sample.image_rgb, masks)
    assert (classifier.reference.described @ expected.T).max(axis=1).min() > 0.999
    assert file.name in (tmp_path / "SHA256SUMS").read_text()
