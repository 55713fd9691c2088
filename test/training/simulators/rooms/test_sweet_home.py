"""Furniture libraries as assets: names, classes, sizes, and archives that mean no good."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from saom_core.errors import InputError
from saom_core.taxonomy import OTHER
from saom_training.simulators.rooms.assets.load import load_assets
from saom_training.simulators.rooms.assets.sweet_home import CATALOGUE, class_of, things

BOX = "\n".join(
    [f"v {x} {y} {z}" for x in (0, 2) for y in (0, 1) for z in (0, 3)]
    + ["f 1 2 4", "f 1 4 3", "f 5 7 8", "f 5 8 6", "f 1 5 6", "f 1 6 2", "f 3 4 8", "f 3 8 7", "f 1 3 7", "f 1 7 5"]
    + ["f 2 6 8", "f 2 8 4"]
)
ENTRIES = """\
# a comment
id=Test
name#1=Coffee mug
category#1=Kitchen
model#1=/things/mug.obj
width#1=12
depth#1=8
height#1=10
name#2=Caf\\u00e9 table
category#2=Exterior
model#2=/things/mug.obj
width#2=80
depth#2=80
height#2=75
name#3=Tool
category#3=Miscellaneous
model#3=/things/none.obj
width#3=5
depth#3=5
height#3=5
name#4=Drill
category#4=Miscellaneous
model#4=/things/mug.obj
modelRotation#4=0 1 0 -1 0 0 0 0 1
width#4=20
depth#4=6
height#4=18
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def library(path: Path, **more: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(CATALOGUE, ENTRIES)
        archive.writestr("things/mug.obj", BOX)
        for name, text in more.items():
            archive.writestr(name, text)
    return path


def test_things_have_names_classes_and_their_true_size(tmp_path: Path):
    library(tmp_path / "some.sh3f")
    found = {thing.name: thing for thing in things(tmp_path / "some.sh3f")}
    assert list(found) == ["Coffee mug", "Tool", "Drill"]  # what stands outside is none of a room
    assert found["Coffee mug"].class_name == "Mug"
    assert found["Drill"].class_name == OTHER
    assert found["Tool"].meshes == ()
    corners = found["Coffee mug"].meshes[0].vertices
    assert np.allclose(np.ptp(corners, axis=0), (0.12, 0.08, 0.10))  # width, depth, height; z up
    assert np.allclose(np.ptp(found["Drill"].meshes[0].vertices, axis=0), (0.20, 0.06, 0.18))
    assets = load_assets(tmp_path, 1.0, "m", "z")
    models = [build(np.random.default_rng(0)) for build in assets.builders]
    assert [model.style for model in models] == ["asset_Coffee mug", "asset_Drill"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Coffee mug", "Mug"), ("Couch", "Sofa"), ("Residential trashcan", "GarbageCan"), ("Coffee table", "CoffeeTable")]
    + [("Paper towel holder", OTHER), ("Table", OTHER), ("Mug shot", OTHER)],
)
def test_class_of_a_name(name: str, wanted: str):
    assert class_of(name) == wanted


def test_an_archive_writes_nothing_outside_and_others_are_refused(tmp_path: Path):
    inner = tmp_path / "inner"
    inner.mkdir()
    library(inner / "bad.sh3f", **{"../../../escaped.obj": BOX, "/escaped.obj": BOX})
    assert len(list(things(inner / "bad.sh3f"))) == 3
    assert not list(tmp_path.rglob("escaped.obj"))
    (tmp_path / "text.sh3f").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "other.sh3f", "w") as archive:
        archive.writestr("a.txt", "")
    for name in ("text.sh3f", "other.sh3f"):
        with pytest.raises(InputError, match=f"furniture library.*{name}"):
            list(things(tmp_path / name))
