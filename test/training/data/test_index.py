"""The index of a data set: a copy of the shards that is never trusted when it is stale, broken or half made."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saom_core.errors import InputError
from saom_training.data import index as index_module
from saom_training.data.frames import Frame
from saom_training.data.index import INDEX
from saom_training.data.shards import checked_shard
from saom_training.dataset import Dataset, DatasetWriter


@pytest.fixture
def path(tmp_path: Path, make_frame: Callable[..., Frame]) -> Path:
    """Four scenes: two of training, one of each other split."""
    writer = DatasetWriter(tmp_path / "set", {"simulator": "test"})
    for number, split in enumerate(("train", "val", "train", "test")):
        writer.write_episode(number, [make_frame(10 * number, split), make_frame(10 * number, split)])
    return tmp_path / "set"


def naive(path: Path, split: str | None = None) -> list[dict[str, Any]]:
    """Pictures with their annotations, straight from the shards."""
    found = []
    for file in sorted((path / "shards").glob("*.json")):
        shard = json.loads(file.read_text())
        for image in shard["images"]:
            if split in (None, image["split"]):
                entries = [one for one in shard["annotations"] if one["image_id"] == image["id"]]
                found.append({"image": image, "entries": entries})
    return found


def read(data: Dataset) -> list[dict[str, Any]]:
    return [{"image": data.image(k), "entries": data.entries(k)} for k in range(len(data))]


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the shards that are read from now on."""
    names: list[str] = []

    def noting(file: Path) -> Any:
        names.append(file.name)
        return checked_shard(file)

    monkeypatch.setattr("saom_training.dataset.checked_shard", noting)
    return names


@pytest.mark.parametrize("split", [None, "train", "val", "test"])
def test_pictures_are_those_of_the_shards(path: Path, split: Any) -> None:
    data = Dataset.open(path, split)
    expected = naive(path, split)
    assert read(data) == expected == read(Dataset.open(path, split))
    assert data.scenes() == [one["image"]["scene"] for one in expected]
    assert data.splits() == [one["image"]["split"] for one in expected]
    for subs in (True, False):
        ids = [e["category_id"] for one in expected for e in one["entries"] if subs or e["part_of"] is None]
        np.testing.assert_array_equal(
            data.class_counts(sub_objects=subs), np.bincount(ids, minlength=len(data.class_names))
        )


def test_only_what_is_new_is_read(
    path: Path, make_frame: Callable[..., Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = count_reads(monkeypatch)
    Dataset.open(path)
    assert len(names) == 4
    Dataset.open(path, "train")
    assert len(names) == 4
    DatasetWriter(path, {"simulator": "test"}).write_episode(7, [make_frame(70)])
    assert len(Dataset.open(path)) == 9 and names[4:] == ["00000007.json"]
    (path / "shards/00000001.json").unlink()
    shard = json.loads((path / "shards/00000002.json").read_text())
    shard["images"][0]["scene"] = "renamed"
    (path / "shards/00000002.json").write_text(json.dumps(shard))
    data = Dataset.open(path)
    assert names[5:] == ["00000002.json"] and read(data) == naive(path) and "renamed" in data.scenes()


def test_reading_many_shards_is_told_once_and_shown(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(index_module, "MANY", 4)
    caplog.set_level("INFO")
    Dataset.open(path)
    [told] = caplog.messages
    assert "4 scenes" in told and "read once" in told and INDEX in told
    assert "index: 100%" in capsys.readouterr().err
    Dataset.open(path)
    assert len(caplog.messages) == 1 and not capsys.readouterr().err


def test_same_content_in_another_folder_is_the_same_data_set(path: Path, make_frame: Callable[..., Frame]) -> None:
    before = Dataset.open(path, "train").fingerprint()
    shutil.copytree(path, path.parent / "copy", ignore=shutil.ignore_patterns(INDEX))
    assert Dataset.open(path.parent / "copy", "train").fingerprint() == before
    assert Dataset.open(path).fingerprint() != before
    DatasetWriter(path, {"simulator": "test"}).write_episode(9, [make_frame(90)])
    assert Dataset.open(path, "train").fingerprint() != before
    assert Dataset.open(path).subset([0, 1]).fingerprint() != Dataset.open(path).subset([1, 0]).fingerprint()


@pytest.mark.parametrize("kind", ["garbage", "empty", "another version", "cut", "no tables"])
def test_an_index_that_is_none_is_made_anew(path: Path, kind: str) -> None:
    Dataset.open(path)
    file = path / INDEX
    if kind == "garbage":
        file.write_bytes(os.urandom(20000))
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "cut":
        file.write_bytes(file.read_bytes()[:5000])
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 77" if kind == "another version" else "DROP TABLE contents")
        connection.close()
    assert read(Dataset.open(path)) == naive(path)


def _dying(path: Path, after: int) -> None:
    """Is killed in the middle of making the index."""
    insert, seen = index_module._insert, []

    def killed(*args: Any) -> None:
        seen.append(args)
        if len(seen) > after:
            os.kill(os.getpid(), signal.SIGKILL)
        insert(*args)

    index_module._insert = killed
    index_module.SHARDS_AT_ONCE = 2
    Dataset.open(path)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_an_index_whose_maker_was_killed_is_finished(path: Path, after: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=_dying, args=(path, after))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert read(Dataset.open(path)) == naive(path)


def _open_and_count(path: Path, barrier: Any, found: Any) -> None:
    barrier.wait()
    found.put(len(Dataset.open(path)))


def test_processes_that_open_a_new_set_at_once_make_one_index(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_open_and_count, args=(path, barrier, found)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [found.get(timeout=300) for _ in processes] == [8] * 4
    for process in processes:
        process.join()
    with sqlite3.connect(path / INDEX) as connection:
        assert connection.execute("SELECT count(*) FROM pictures").fetchone() == (8,)
    connection.close()


def _read_in_child(data: Dataset, found: Any) -> None:
    found.put(read(data) == naive(data.path) and bool(data[0].masks.size))


def test_worker_processes_read_what_the_parent_opened(path: Path) -> None:
    data = Dataset.open(path)
    assert data[0].masks.size  # the parent's own file is open
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    process = context.Process(target=_read_in_child, args=(data, found))
    process.start()
    assert found.get(timeout=300)
    process.join()
    assert data[1].masks.size
    packed = pickle.dumps(data)  # what goes to a process that is no fork
    assert len(packed) < 20000 and read(pickle.loads(packed)) == naive(path)


def test_where_nothing_can_be_written_the_index_is_temporary(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def full(file: Any, *args: Any, **kwargs: Any) -> Any:
        if str(file).startswith(str(path)):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(file, *args, **kwargs)

    monkeypatch.setattr(sqlite3, "connect", full)
    data = Dataset.open(path)
    assert read(data) == naive(path) and not (path / INDEX).exists()
    folder = data._index.path.parent
    assert folder.is_dir()
    del data
    assert not folder.exists()


def test_a_picture_whose_shard_was_changed_meanwhile_is_told(path: Path) -> None:
    data = Dataset.open(path)
    shard = path / "shards/00000000.json"
    shard.write_text(shard.read_text() + " ")
    assert read(Dataset.open(path)) == naive(path)
    with pytest.raises(InputError, match="open it again"):
        data[0]
    assert data[2].masks.size


def test_a_broken_shard_is_told_and_kept_out(path: Path) -> None:
    Dataset.open(path)
    (path / "shards/00000005.json").write_text("{")
    for _ in range(2):
        with pytest.raises(InputError, match="00000005"):
            Dataset.open(path)
    (path / "shards/00000005.json").unlink()
    assert len(Dataset.open(path)) == 8
