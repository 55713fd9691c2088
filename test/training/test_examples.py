"""The example of docs/classes.md, run as it stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from doc_examples import example

from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset


@pytest.fixture
def frames(make_frame: Callable[..., Frame]) -> list[Frame]:
    """One frame with a gear and a thing of no class, and one without any object."""
    full = make_frame(0)
    gear, other = FrameObject("gear", "gear_1", ("body",), {}, 1.0), FrameObject("Other", "thing", ("body",), {}, 1.0)
    ids = np.full(full.object_ids.shape, -1, np.int32)
    ids[10:30, 10:40], ids[35:50, 50:70] = 0, 1
    parts = np.zeros_like(full.part_ids)
    full = dataclasses.replace(full, objects=(gear, other), object_ids=ids, part_ids=parts)
    empty = dataclasses.replace(full, objects=(), object_ids=np.full_like(ids, -1))
    return [full, empty]


def test_a_class_list_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: list[Frame]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(example("docs/classes.md"), "docs/classes.md", "exec"), {"frames": frames})
    data = Dataset.open("data/parts")
    assert list(data.class_names) == ["gear", "housing", "Other"]
    named = [[data.class_names[k] for k in data[number].class_ids] for number in range(len(data))]
    assert sorted(named) == [[], ["gear", "Other"]]
