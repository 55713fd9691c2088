"""`saom dataset merge`: several data sets (other seeds, simulators, machines) become one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from saom_core.errors import InputError

from ..dataset import MAX_FRAMES_PER_EPISODE, DatasetWriter, picture_names, read_shard, shard_name, shard_paths

Shard = dict[str, Any]


def merge(sources: Sequence[Path], out: Path, quiet: bool = False) -> int:
    """Write the episodes of all sources, numbered anew, into a data set of their own; the sources stay as they are.

    Each shard keeps what made it in its `info`. A merge that was killed goes on when it is asked for again.

    Returns:
        The number of pictures in the merged data set.

    Raises:
        InputError: If a source is no data set, or a scene is in two of them: the same pictures twice or, worse, a
            scene that one set trains on and the other one tests with.
    """
    infos = [_info(source) for source in sources]
    shards = [(source, path) for source in sources for path in shard_paths(source)]
    source_of: dict[str, Path] = {}
    pictures = 0
    for source, path in shards:
        shard = read_shard(path)
        pictures += len(shard["images"])
        for scene in {image["scene"] for image in shard["images"]}:
            if source_of.setdefault(scene, source) != source:
                raise InputError(
                    f"expected every scene in one data set alone, got {scene} in {source_of[scene]} and {source}: "
                    "leave one of them out, or collect it with another seed"
                )
    writer = DatasetWriter(out, {"simulator": "merged", "sources": infos})
    done = writer.done()
    for index, (source, path) in enumerate(tqdm(shards, unit="scene", desc="merge", disable=quiet)):
        if index not in done:
            writer.write_files(dict(_renumbered(read_shard(path), index, source)))
    return pictures


def _info(source: Path) -> dict[str, Any]:
    try:
        info: dict[str, Any] = json.loads((source / "dataset.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"expected a data set with dataset.json in {source}, got {error}") from None
    return info


def _renumbered(shard: Shard, index: int, source: Path) -> Iterator[tuple[str, bytes]]:
    """The files of episode number `index`, the shard last (see `training.dataset.pack_episode`)."""
    image_ids: dict[int, int] = {}
    for number, image in enumerate(shard["images"]):
        image_id = index * MAX_FRAMES_PER_EPISODE + number
        image_ids[image["id"]] = image_id
        names = picture_names(image_id)
        for key, name in names.items():
            yield name, (source / image[key]).read_bytes()
        image.update(names, id=image_id)
    ids: dict[int, int] = {}
    next_ids = {image_id: iter(range(image_id * 10000, (image_id + 1) * 10000)) for image_id in image_ids.values()}
    for entry in sorted([*shard["annotations"], *shard["parts"]], key=lambda entry: int(entry["id"])):
        entry["image_id"] = image_ids[entry["image_id"]]
        ids[entry["id"]] = next(next_ids[entry["image_id"]])
        entry["id"] = ids[entry["id"]]
        if entry["part_of"] is not None:  # a part comes after its whole
            entry["part_of"] = ids[entry["part_of"]]
    yield shard_name(index), json.dumps(shard, separators=(",", ":")).encode()
