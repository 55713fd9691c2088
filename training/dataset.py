"""The data set on disk: `DatasetWriter` adds episodes to it, `Dataset` reads it. Nothing else does.

It is COCO instance JSON with RLE masks, `images/*.png` and `depth/*.png` (16-bit millimetres); `data/shards.py` tells
what is in which file. A shard is written last, by an atomic rename: an episode is in the data set exactly if its shard
is there, and a killed collector leaves nothing half-written that is ever read. The classes are the data set's own:
`class_names` in dataset.json and the `categories` of each shard name them.

Whole objects may overlap where people drew them (a pot's mask holds its lid's pixels): the masks are kept as they are.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.files import check_output, remove_drafts, write_atomically
from saom_core.taxonomy import CLASSES_AND_OTHER

from .data.annotations import decode_masks
from .data.categories import class_names_of
from .data.frames import SPLITS, Frame, MaskedFrame, Split
from .data.index import Index
from .data.paths import inside
from .data.shards import checked_info, checked_shard, pack_episode, read_info, shard_paths

SubObjects = Literal["merged", "apart"]
FOLDERS = ("images", "depth", "shards")


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keeps a second program from writing the same data set, and removes the drafts that a killed one has left.

    The lock ends with the process, however it ends.

    Raises:
        InputError: Another program writes there.
        OSError: Nothing can be written there.
    """
    check_output(path, folder=True)
    with (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"expected {path} to be free, but another program writes there: wait for it or stop it"
            ) from None
        for folder in (path, *(path / name for name in FOLDERS)):
            remove_drafts(folder)
        yield


class DatasetWriter:
    """Adds episodes to a data set; several processes may write different episodes of one data set at once.

    Raises:
        InputError: If the folder holds a data set that was made otherwise.
    """

    def __init__(self, path: Path | str, info: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.info = checked_info(self.path, info)
        for folder in FOLDERS:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        if not (self.path / "dataset.json").exists():
            write_atomically(self.path / "dataset.json", json.dumps(self.info, indent=1).encode())

    def done(self) -> set[int]:
        """Numbers of the episodes that are complete. It reads the folder: ask once, not for every episode."""
        return {int(path.stem) for path in (self.path / "shards").glob("[0-9]*.json")}

    def write_episode(
        self, index: int, frames: Sequence[Frame | MaskedFrame], skipped: Mapping[str, int] | None = None
    ) -> None:
        """Stores all frames of an episode; an empty one is remembered as done."""
        self.write_files(pack_episode(index, frames, self.info, skipped))

    def write_files(self, files: Mapping[str, bytes]) -> None:
        """Stores a packed episode; the shard, which makes it count, comes last."""
        for name, content in files.items():
            write_atomically(self.path / name, content)


@dataclass(frozen=True)
class Sample:
    """One picture of a data set with its N instances (and, if asked for, its parts after them).

    Attributes:
        image_rgb: (H, W, 3) uint8.
        depth_m: (H, W) float32, metres, 0 = invalid.
        masks: (N, H, W) bool; they may overlap.
        class_ids: (N,) int32, index into the data set's class names; -1 for parts without a class.
        class_names: N names; of a part its own name.
        part_of: (N,) int32, row of the whole that this is a part of, -1 for whole objects.
        visible: (N,) float32, share of the surface in sight; NaN for parts.
        ignore: (H, W) bool, pixels of objects too small or too hidden to be annotated.
    """

    image_rgb: np.ndarray
    depth_m: np.ndarray
    masks: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    part_of: np.ndarray
    visible: np.ndarray
    ignore: np.ndarray
    camera: CameraIntrinsics
    image_id: int
    scene: str


def evenly_spread(count: int, limit: int) -> list[int]:
    """At most `limit` of the indices below `count`, in order; first and last among them, if more than one is."""
    return np.linspace(0, count - 1, min(count, limit)).round().astype(int).tolist()


class Dataset:
    """Reads a data set: `Dataset.open(path, "train")`, `len(ds)`, `ds[i] -> Sample`.

    It holds a number for each picture; the pictures and their annotations stay in files until one is asked for. So
    200,000 pictures are opened in seconds, and worker processes need no memory of their own for them.

    Attributes:
        path: The folder.
        info: What `dataset.json` says.
        class_names: All classes of the data set, whatever the split.
        sub_objects: Whether sub-objects (drawers, basins) are instances of their own.
    """

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        index: Index,
        rows: npt.NDArray[np.int64],
        class_names: tuple[str, ...],
        sub_objects: SubObjects = "merged",
        parts: bool = False,
        depth: bool = True,
    ) -> None:
        self.path, self.info, self.class_names = path, info, class_names
        self.sub_objects, self.parts, self.depth = sub_objects, parts, depth
        self._index, self._rows = index, rows
        places = {name: place for place, name in enumerate(class_names)}
        self._class_ids = {
            key: {number: places[name] for number, name in names.items()} for key, names in index.categories().items()
        }

    @classmethod
    def open(
        cls,
        path: Path | str,
        split: Split | None = None,
        *,
        sub_objects: SubObjects = "merged",
        parts: bool = False,
        depth: bool = True,
    ) -> Dataset:
        """Opens a data set; shards that are new since the last time are read once, into its index.

        Shards with other categories, as after `saom dataset merge`, are joined by the names of the classes.

        Args:
            path: The folder.
            split: Only the pictures of scenes of this split; None for all.
            sub_objects: "merged": whole objects alone; "apart": drawers, basins and so on are instances too and are cut
                out of their wholes.
            parts: Append the parts (handle, lid, ...) after the instances, with class id -1.
            depth: False: not read, for a network that sees colour alone; all of it is invalid then.

        Raises:
            InputError: If there is no data set, its description or a shard is broken, or the split does not exist.
        """
        path = Path(path)
        shard_paths(path)
        if split is not None and split not in SPLITS:
            raise InputError(f"expected a split of {SPLITS}, got {split!r}")
        info = read_info(path / "dataset.json")
        names = dict.fromkeys(class_names_of(info) if "class_names" in info else ())
        index = Index(path, checked_shard)
        for of_shard in index.categories().values():
            names.update(dict.fromkeys(of_shard.values()))
        return cls(path, info, index, index.rows(split), tuple(names) or CLASSES_AND_OTHER, sub_objects, parts, depth)

    def subset(self, rows: Sequence[int]) -> Dataset:
        """The same data set with some of its pictures, in this order."""
        chosen = self._rows[np.asarray(rows, np.int64)]
        return Dataset(
            self.path, self.info, self._index, chosen, self.class_names, self.sub_objects, self.parts, self.depth
        )

    def __len__(self) -> int:
        return len(self._rows)

    def scenes(self) -> list[str]:
        """The scene of every picture."""
        return self._index.column(self._rows, "scene")

    def splits(self) -> list[str]:
        """The split of every picture."""
        return self._index.column(self._rows, "split")

    def class_counts(self, *, sub_objects: bool) -> npt.NDArray[np.int64]:
        """(C,) objects of each class, without reading the annotations.

        Args:
            sub_objects: Count drawers, basins and so on, too.
        """
        counts = np.zeros(len(self.class_names), np.int64)
        categories = np.array(self._index.column(self._rows, "categories"), np.int64)
        for column in ("wholes", "sub_objects") if sub_objects else ("wholes",):
            packed = self._index.column(self._rows, column)
            for key, class_ids in self._class_ids.items():
                used = np.flatnonzero(categories == key).tolist()
                ids, times = np.unique(
                    np.frombuffer(b"".join(packed[row] for row in used), np.int64), return_counts=True
                )
                np.add.at(counts, [class_ids[number] for number in ids.tolist()], times)
        return counts

    def fingerprint(self) -> str:
        """A hash of everything but the pixels: another folder with the same content is the same data set."""
        found = hashlib.sha256(json.dumps([self.info, self.class_names, self.sub_objects, self.parts]).encode())
        found.update(b"".join(self._index.column(self._rows, "digest")))
        return found.hexdigest()[:16]

    def image(self, index: int) -> dict[str, Any]:
        """What the shard says of a picture: `id`, `file_name`, `scene`, `split`, `height`, `width`, ..."""
        image: dict[str, Any] = self._index.content(int(self._rows[index]))[1]["image"]
        return image

    def entries(self, index: int) -> list[dict[str, Any]]:
        """All annotations of a picture, sub-objects too, and parts if they were asked for.

        A `category_id` is an index into the data set's class names; parts (handle, lid) have a `name` instead.
        """
        return self._read(index)[1]

    def _read(self, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        categories, content = self._index.content(int(self._rows[index]))
        for entry in content["annotations"]:
            entry["category_id"] = self._class_ids[categories][entry["category_id"]]
        return content["image"], content["annotations"] + (content["parts"] if self.parts else [])

    def __getitem__(self, index: int) -> Sample:
        image, entries = self._read(index)
        size_hw = (image["height"], image["width"])
        if self.sub_objects == "merged":
            entries = [entry for entry in entries if entry["part_of"] is None or "category_id" not in entry]
        entries.sort(key=lambda entry: "category_id" not in entry)
        masks = decode_masks([entry["segmentation"] for entry in entries], size_hw)
        rows = {entry["id"]: row for row, entry in enumerate(entries)}
        part_of = np.array([rows.get(entry["part_of"], -1) for entry in entries], np.int32)
        if self.sub_objects == "apart":
            for row, entry in enumerate(entries):
                if part_of[row] >= 0 and "category_id" in entry:
                    masks[part_of[row]] &= ~masks[row]
        names = tuple(
            self.class_names[entry["category_id"]] if "category_id" in entry else entry["name"] for entry in entries
        )
        return Sample(
            image_rgb=self._picture(image["file_name"], cv2.IMREAD_COLOR, size_hw)[..., ::-1].copy(),
            depth_m=self._depth(image["depth_file_name"], size_hw),
            masks=masks,
            class_ids=np.array([entry.get("category_id", -1) for entry in entries], np.int32),
            class_names=names,
            part_of=part_of,
            visible=np.array([entry.get("visible", np.nan) for entry in entries], np.float32),
            ignore=decode_masks([image["ignore"]], size_hw)[0],
            camera=CameraIntrinsics(**image["camera"], width=size_hw[1], height=size_hw[0]),
            image_id=image["id"],
            scene=image["scene"],
        )

    def _depth(self, name: str, size_hw: tuple[int, int]) -> np.ndarray:
        if not self.depth:
            return np.zeros(size_hw, np.float32)
        return self._picture(name, cv2.IMREAD_UNCHANGED, size_hw).astype(np.float32) / 1000

    def _picture(self, name: str, mode: int, size_hw: tuple[int, int]) -> np.ndarray:
        path = inside(self.path, name)
        picture = cv2.imread(str(path), mode)
        if picture is None:
            raise InputError(f"expected a picture at {path}, got none or a broken one: run `saom dataset check`")
        if picture.shape[:2] != size_hw:
            raise InputError(
                f"expected {size_hw[0]} rows and {size_hw[1]} columns in {path}, as its shard says, got "
                f"{picture.shape[0]} and {picture.shape[1]}: run `saom dataset check`"
            )
        return picture
