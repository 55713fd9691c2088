"""The index of a data set: an SQLite file made of its shards, from which a picture is read without reading them all.

A shard is the truth, the index a copy: `index.sqlite` may be deleted at any time and is made anew. Opening compares
name, size and time of every shard with what the index holds, and reads only those that differ. SQLite's transactions
keep the file whole when a process is killed, and keep several processes that open a data set out of each other's way.
Pictures stay in the file until they are asked for, so that a worker process needs no memory for those it does not read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.errors import InputError

INDEX = "index.sqlite"
VERSION = 2
"""Goes up when the tables change; an index of another version is made anew."""
BUSY_S = 600.0
"""How long to wait for another process that makes the index."""
SHARDS_AT_ONCE = 500
"""Shards in a transaction: after a kill, the next process goes on behind the last one."""
MANY = 2000
"""Reading so many shards takes long enough to show a progress bar."""
DIGEST_BYTES = 16
SHARDS = "[0-9]*.json"
TABLES = """
CREATE TABLE categories (id INTEGER PRIMARY KEY, names TEXT UNIQUE);
CREATE TABLE shards (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size INTEGER, time_ns INTEGER, categories INTEGER);
CREATE TABLE pictures (id INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER, place INTEGER, split TEXT, scene TEXT,
                       wholes BLOB, sub_objects BLOB, digest BLOB);
CREATE TABLE contents (picture INTEGER PRIMARY KEY, content BLOB);
CREATE INDEX pictures_of_shards ON pictures (shard)
"""
"""`wholes` and `sub_objects` are int64 category ids, `content` is the JSON of the picture and its annotations. Keys of
pictures are never used again: who has opened the data set finds the picture that it knows, or none."""
ReadShard = Callable[[Path], tuple[Mapping[str, Any], Mapping[int, str]]]
CHANGED = "expected the data set as it was when it was opened, but a shard was changed: open it again"
log = logging.getLogger(__name__)


class Index:
    """A fresh index of a data set.

    Args:
        path: folder of the data set. Where nothing can be written there, the index is made in a temporary folder, anew
            in each program.
        read: reads a shard, checked.

    Raises:
        InputError: A shard is broken.
    """

    def __init__(self, path: Path, read: ReadShard) -> None:
        self.path = path / INDEX
        self._connections: dict[tuple[int, int], sqlite3.Connection] = {}
        try:
            try:
                self._refresh(path, read)
            except sqlite3.OperationalError:  # nothing can be written there
                raise
            except sqlite3.DatabaseError:  # half of a file, say
                self.path.unlink(missing_ok=True)
                self._refresh(path, read)
        except sqlite3.DatabaseError as error:
            log.info("%s cannot be used (%s): the index is made in a temporary folder", self.path, error)
            folder = Path(tempfile.mkdtemp(prefix="saom-index-"))
            weakref.finalize(self, _remove, folder, os.getpid())
            self.path = folder / INDEX
            try:
                self._refresh(path, read)
            except sqlite3.DatabaseError as last:
                raise InputError(
                    f"expected room for the index of {path} beside it or in {folder}, got: {last}: free some space"
                ) from None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_connections": {}}  # an open file belongs to its process

    def _refresh(self, path: Path, read: ReadShard) -> None:
        """Brings the file up to date; one process at a time does."""
        found = _shards_of(path)
        if _is_fresh(self.path, found):
            return
        connection = _opened_to_write(self.path)
        try:
            while True:
                connection.execute("BEGIN IMMEDIATE")
                known = _known_shards(connection)
                gone = [name for name, facts in known.items() if found.get(name) != facts]
                for name in gone:
                    _delete(connection, name)
                new = [name for name in found if name in gone or name not in known]
                if not new:
                    connection.execute("COMMIT")
                    return
                connection.execute("COMMIT")
                self._read_new(connection, path, new, found, read)
                found = _shards_of(path)
        finally:
            connection.close()

    def _read_new(
        self,
        connection: sqlite3.Connection,
        path: Path,
        new: Sequence[str],
        found: Mapping[str, tuple[int, int]],
        read: ReadShard,
    ) -> None:
        many = len(new) >= MANY
        if many:
            log.info(
                "%d scenes in %s are new: they are read once, into %s, so that later openings take seconds",
                len(new),
                path,
                self.path.name,
            )
        with tqdm(total=len(new), unit="scene", desc="index", disable=not many) as bar:
            for begin in range(0, len(new), SHARDS_AT_ONCE):
                names = new[begin : begin + SHARDS_AT_ONCE]
                rows = [(name, *read(path / "shards" / name)) for name in names]  # before the file is locked
                connection.execute("BEGIN IMMEDIATE")
                known = _known_shards(connection, names)
                for name, shard, class_names in rows:
                    if name not in known:
                        _insert(connection, name, found[name], shard, class_names)
                connection.execute("COMMIT")
                bar.update(len(names))

    def _connection(self) -> sqlite3.Connection:
        """This thread's own: neither threads nor forked processes may share one."""
        owner = (os.getpid(), threading.get_ident())
        if owner not in self._connections:
            try:
                self._connections[owner] = _opened_to_read(self.path)
            except sqlite3.Error as error:
                raise InputError(
                    f"expected the index of an open data set at {self.path}, got: {error}: open the data set again"
                ) from None
        return self._connections[owner]

    def rows(self, split: str | None) -> npt.NDArray[np.int64]:
        """(N,) keys of the pictures of a split, or of all, in the order of the shards."""
        wanted = "" if split is None else "WHERE split = ?"
        query = (
            "SELECT pictures.id FROM pictures JOIN shards ON shards.id = pictures.shard "  # noqa: S608 - no input in it
            f"{wanted} ORDER BY shards.name, place"
        )
        found = self._connection().execute(query, () if split is None else (split,))
        return np.fromiter((key for (key,) in found), np.int64)

    def categories(self) -> dict[int, dict[int, str]]:
        """Number of a list of categories -> class names by category id, in the order of the shards that use them."""
        query = (
            "SELECT categories.id, names FROM categories JOIN shards ON shards.categories = categories.id "
            "GROUP BY categories.id ORDER BY min(shards.name)"
        )
        return {
            key: {int(number): name for number, name in json.loads(names)}
            for key, names in self._connection().execute(query).fetchall()
        }

    def column(self, rows: npt.NDArray[np.int64], name: str) -> list[Any]:
        """A column of the table of pictures, or `categories` of their shards, in the order of the keys."""
        query = f"SELECT pictures.id, {name} FROM pictures JOIN shards ON shards.id = pictures.shard"  # noqa: S608
        table = dict(self._connection().execute(query).fetchall())  # one pass over small columns of all pictures
        try:
            return [table[row] for row in rows.tolist()]
        except KeyError:
            raise InputError(CHANGED) from None

    def content(self, row: int) -> tuple[int, dict[str, Any]]:
        """Number of the categories that a picture uses, and its `image`, `annotations` and `parts` as in its shard."""
        query = (
            "SELECT categories, content FROM contents JOIN pictures ON pictures.id = picture "
            "JOIN shards ON shards.id = shard WHERE picture = ?"
        )
        found = self._connection().execute(query, (row,)).fetchone()
        if found is None:
            raise InputError(CHANGED)
        return int(found[0]), json.loads(found[1])


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked worker ends before the process that it works for
        rmtree(folder, ignore_errors=True)


def _shards_of(path: Path) -> dict[str, tuple[int, int]]:
    """Name -> size and time in nanoseconds, in order."""
    try:
        with os.scandir(path / "shards") as entries:
            found = [(entry.name, entry.stat()) for entry in entries if fnmatchcase(entry.name, SHARDS)]
    except FileNotFoundError:
        return {}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in sorted(found)}


def _known_shards(connection: sqlite3.Connection, names: Sequence[str] | None = None) -> dict[str, tuple[int, int]]:
    if names is None:
        return {name: (size, time) for name, size, time in connection.execute("SELECT name, size, time_ns FROM shards")}
    marks = ",".join("?" * len(names))
    query = f"SELECT name, size, time_ns FROM shards WHERE name IN ({marks})"  # noqa: S608 - question marks alone
    return {name: (size, time) for name, size, time in connection.execute(query, names)}


def _is_fresh(path: Path, found: Mapping[str, tuple[int, int]]) -> bool:
    """Whether an index holds these very shards; asked without writing, so that others can read meanwhile."""
    if not path.is_file():
        return False
    try:
        connection = _opened_to_read(path)
        try:
            connection.execute("SELECT picture FROM contents LIMIT 1").fetchone()
            return _version_of(connection) == VERSION and _known_shards(connection) == dict(found)
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def _opened_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)


def _opened_to_write(path: Path) -> sqlite3.Connection:
    """The index, with its tables; a file that is no index of this version is replaced."""
    for _ in range(2):
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            version, tables = _version_of(connection), _tables_of(connection)
            if version == VERSION and tables >= {"categories", "shards", "pictures", "contents"}:
                connection.execute("COMMIT")
                return connection
            if version == 0 and not tables:
                for statement in TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
                connection.execute("COMMIT")
                return connection
        except sqlite3.OperationalError:  # the place cannot be written; the file is not at fault
            connection.close()
            raise
        except sqlite3.DatabaseError:  # no SQLite file at all
            pass
        connection.close()
        path.unlink(missing_ok=True)
    raise sqlite3.DatabaseError(f"expected to make {path} anew, but it is still no index")


def _tables_of(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _delete(connection: sqlite3.Connection, name: str) -> None:
    """One shard and its pictures."""
    of_shard = "SELECT pictures.id FROM pictures JOIN shards ON shards.id = shard WHERE name = ?"
    connection.execute(f"DELETE FROM contents WHERE picture IN ({of_shard})", (name,))  # noqa: S608
    connection.execute(f"DELETE FROM pictures WHERE id IN ({of_shard})", (name,))  # noqa: S608
    connection.execute("DELETE FROM shards WHERE name = ?", (name,))


def _insert(
    connection: sqlite3.Connection,
    name: str,
    facts: tuple[int, int],
    shard: Mapping[str, Any],
    class_names: Mapping[int, str],
) -> None:
    """One shard and its pictures."""
    names = json.dumps(sorted(class_names.items()))
    connection.execute("INSERT OR IGNORE INTO categories (names) VALUES (?)", (names,))
    key = connection.execute(
        "INSERT INTO shards (name, size, time_ns, categories) "
        "VALUES (?, ?, ?, (SELECT id FROM categories WHERE names = ?))",
        (name, *facts, names),
    ).lastrowid
    contents = {image["id"]: {"image": image, "annotations": [], "parts": []} for image in shard["images"]}
    for kind in ("annotations", "parts"):
        for entry in shard[kind]:
            if entry["image_id"] in contents:
                contents[entry["image_id"]][kind].append(entry)
    for place, image in enumerate(shard["images"]):
        content = contents[image["id"]]
        text = json.dumps(content, separators=(",", ":")).encode()
        named = [entry for entry in content["annotations"] if "category_id" in entry]
        wholes = [entry["category_id"] for entry in named if entry["part_of"] is None]
        subs = [entry["category_id"] for entry in named if entry["part_of"] is not None]
        picture = connection.execute(
            "INSERT INTO pictures (shard, place, split, scene, wholes, sub_objects, digest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                place,
                image["split"],
                str(image["scene"]),
                np.array(wholes, np.int64).tobytes(),
                np.array(subs, np.int64).tobytes(),
                hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest(),
            ),
        ).lastrowid
        connection.execute("INSERT INTO contents VALUES (?, ?)", (picture, text))
