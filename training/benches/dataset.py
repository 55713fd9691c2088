"""How long a large data set takes to open and to go on with, and what memory its reading processes share.

    python -m saom_training.benches.dataset --out /tmp/large --frames 200000      # makes the shards, then measures

The shards are real ones with new numbers; of the pictures' files there is one, which every picture names.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from saom_core.camera import CameraIntrinsics
from saom_core.taxonomy import CLASSES

from ..data.annotations import MOST_IN_A_PICTURE
from ..data.frames import Frame, FrameObject
from ..data.index import INDEX
from ..data.shards import MAX_FRAMES_PER_EPISODE, pack_episode, shard_name
from ..dataset import Dataset, DatasetWriter
from ..running.workers import workers_of

SIZE_HW = (300, 400)
VARIETY = 20
"""Different episodes, which are repeated with other numbers."""


def write_large(out: Path, frames: int, frames_per_scene: int, objects: int) -> None:
    """Shards of so many pictures, each with so many objects; those that are there already are kept."""
    writer = DatasetWriter(out, {"simulator": "bench", "frames_per_scene": frames_per_scene, "objects": objects})
    done = writer.done()
    rng = np.random.default_rng(0)
    models = []
    for index in range(VARIETY):
        files = pack_episode(index, [_frame(rng, objects) for _ in range(frames_per_scene)], writer.info)
        pictures = {name: content for name, content in files.items() if name != shard_name(index)}
        for name, content in pictures.items():
            (out / name).write_bytes(content)
        models.append(json.loads(files[shard_name(index)]))
    for index in tqdm(range(-(-frames // frames_per_scene)), unit="scene", desc="write"):
        if index not in done:
            shard = _numbered(models[index % VARIETY], index)
            part = out / "part"
            part.write_text(json.dumps(shard, separators=(",", ":")))
            part.replace(out / shard_name(index))  # a killed run leaves no half of one


def _frame(rng: np.random.Generator, objects: int) -> Frame:
    """Ellipses, whose run lengths are as long as those of simulated objects."""
    height, width = SIZE_HW
    rows, columns = np.mgrid[:height, :width]
    ids = np.full(SIZE_HW, -1, np.int32)
    for k in range(objects):
        y, x, a, b = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(8, 50), rng.uniform(8, 50)
        ids[((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1] = k
    return Frame(
        image_rgb=np.zeros((*SIZE_HW, 3), np.uint8),
        depth_m=np.ones(SIZE_HW, np.float32),
        object_ids=ids,
        part_ids=np.zeros(SIZE_HW, np.int32),
        objects=tuple(FrameObject(str(rng.choice(CLASSES)), "ellipse") for _ in range(objects)),
        camera=CameraIntrinsics(300.0, 300.0, 199.5, 149.5, width, height),
        pose=np.eye(4),
        scene="",
        split="train",
    )


def _numbered(model: dict[str, Any], index: int) -> dict[str, Any]:
    """A shard as if it were episode number `index`; it names the model's picture files."""
    shard = copy.deepcopy(model)
    first = shard["images"][0]["id"]
    shift = index * MAX_FRAMES_PER_EPISODE - first
    for image in shard["images"]:
        image["id"] += shift
        image["scene"] = f"scene_{index:08d}"
        image["split"] = ("train", "train", "train", "val")[index % 4]
    for entry in (*shard["annotations"], *shard["parts"]):
        entry["image_id"] += shift
        entry["id"] += shift * MOST_IN_A_PICTURE
    return shard


def measures(path: Path, workers: int, reads: int) -> Iterator[tuple[str, str]]:
    """Name and text of each figure."""
    (path / INDEX).unlink(missing_ok=True)
    began = time.perf_counter()
    Dataset.open(path)
    yield "first opening, which makes the index", f"{time.perf_counter() - began:.1f} s"
    size = sum(file.stat().st_size for file in (path / "shards").iterdir())
    yield "index, shards", f"{(path / INDEX).stat().st_size / 1e6:.0f} MB, {size / 1e6:.0f} MB"
    before = _private_mb()
    data, seconds = _timed(lambda: Dataset.open(path))
    yield f"opening {len(data)} pictures", f"{seconds:.2f} s, {_private_mb() - before:.0f} MB"
    _, seconds = _timed(lambda: data.class_counts(sub_objects=True))
    yield "counting classes", f"{seconds:.2f} s"
    _, seconds = _timed(data.fingerprint)
    yield "fingerprint, as a resumed training compares it", f"{seconds:.2f} s"
    _, seconds = _timed(lambda: DatasetWriter(path, {k: v for k, v in data.info.items() if k != "format"}).done())
    yield "finding what is done, as a resumed `saom collect` does", f"{seconds:.2f} s"
    rng = np.random.default_rng(0)
    rows = rng.integers(len(data), size=reads).tolist()
    _, seconds = _timed(lambda: [data[row] for row in rows])
    yield "reading a picture", f"{1000 * seconds / reads:.1f} ms"
    private = max(workers_of(_Memory(data), workers, rows))
    yield f"memory of its own that each of {workers} workers needs for {reads // workers} pictures", f"{private:.0f} MB"


class _Memory:
    """Reads pictures and tells how much memory that took a worker, over what it shares with its parent."""

    def __init__(self, data: Dataset) -> None:
        self._data, self._before = data, 0.0

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, row: int) -> float:
        self._before = self._before or _private_mb()
        assert self._data[row].masks.size
        return _private_mb() - self._before


def _private_mb() -> float:
    """Memory of this process that it shares with no other one, MB."""
    lines = Path(f"/proc/{os.getpid()}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    answer = action()
    return answer, time.perf_counter() - began


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the bench."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the large data set; kept for the next time")
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--frames-per-scene", type=int, default=6)
    parser.add_argument("--objects", type=int, default=20, help="in each picture")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reads", type=int, default=400, help="pictures to read")


def run(args: argparse.Namespace) -> int:
    """Makes what is missing, then measures."""
    write_large(args.out, args.frames, args.frames_per_scene, args.objects)
    for name, text in measures(args.out, args.workers, args.reads):
        print(f"{name:75s} {text}", flush=True)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m saom_training.benches.dataset`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
