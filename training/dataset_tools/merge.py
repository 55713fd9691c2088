"""`saom dataset merge`: several data sets (other seeds, simulators, machines) become one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from saom_core.errors import InputError

from ..data.annotations import MOST_IN_A_PICTURE
from ..data.index import Index
from ..data.paths import digest_of, inside
from ..data.shards import (
    MAX_FRAMES_PER_EPISODE,
    checked_info,
    checked_shard,
    picture_names,
    read_info,
    shard_name,
    shard_paths,
)
from ..dataset import Dataset, DatasetWriter, only_writer

Shard = dict[str, Any]


def merge(sources: Sequence[Path], out: Path, quiet: bool = False) -> int:
    """Writes the episodes of all sources, numbered anew, into a data set of their own; the sources stay as they are.

    Each shard keeps what made it in its `info`. A merge that was killed goes on when it is asked for again.

    Returns:
        The number of pictures in the merged data set.

    Raises:
        InputError: If a source is no data set, or named twice, names a file that is not in its folder, or a scene is
            in two of them: the same pictures twice or, worse, a scene that one set trains on and the other one tests
            with. If `out` was merged of other episodes than those that the sources have now.
    """
    if any(out.resolve() == source.resolve() for source in sources):
        raise InputError(f"expected another folder than those of the sources, got {out}: choose a new one")
    twice = sorted(str(source) for source in sources if [one.resolve() for one in sources].count(source.resolve()) > 1)
    if twice:
        raise InputError(f"expected every data set once, got the same folder as {' and '.join(twice)}: name it once")
    shards = [(source, path) for source in sources for path in shard_paths(source)]
    infos = [read_info(source / "dataset.json") for source in sources]
    source_of: dict[str, Path] = {}
    pictures = 0
    for source in sources:
        scenes = Dataset.open(source).scenes()
        pictures += len(scenes)
        for scene in dict.fromkeys(scenes):
            if source_of.setdefault(scene, source) != source:
                raise InputError(
                    f"expected every scene in one data set alone, got {scene} in {source_of[scene]} and {source}: "
                    "leave one of them out, or collect it with another --seed (rooms that a seed makes) or with other "
                    "--scenes (AI2-THOR, whose scenes are the same for every seed); if other photographs are called "
                    "so, import them into a new folder with --scene-prefix"
                )
    # episodes are numbered through: one more in a source would give all that follow another number
    told = digest_of((f"{sources.index(source)}/{path.name}", path) for source, path in shards)
    info = {"simulator": "merged", "sources": infos, "sha256": told}
    checked_info(out, info)
    with only_writer(out):
        writer = DatasetWriter(out, info)
        done = writer.done()
        for index, (source, path) in enumerate(tqdm(shards, unit="scene", desc="merge", disable=quiet)):
            if index not in done:
                writer.write_files(dict(_renumbered(checked_shard(path)[0], index, source)))
        Index(out, checked_shard)  # so that a large set opens at once
    return pictures


def _renumbered(shard: Shard, index: int, source: Path) -> Iterator[tuple[str, bytes]]:
    """The files of episode number `index`, the shard last (see `data.shards.pack_episode`)."""
    image_ids: dict[int, int] = {}
    for number, image in enumerate(shard["images"]):
        image_id = index * MAX_FRAMES_PER_EPISODE + number
        image_ids[image["id"]] = image_id
        names = picture_names(image_id)
        for key, name in names.items():
            yield name, _content(inside(source, image[key]))
        image.update(names, id=image_id)
    ids: dict[int, int] = {}
    next_ids = {
        image_id: iter(range(image_id * MOST_IN_A_PICTURE, (image_id + 1) * MOST_IN_A_PICTURE))
        for image_id in image_ids.values()
    }
    for entry in sorted([*shard["annotations"], *shard["parts"]], key=lambda entry: int(entry["id"])):
        entry["image_id"] = image_ids[entry["image_id"]]
        ids[entry["id"]] = next(next_ids[entry["image_id"]])
        entry["id"] = ids[entry["id"]]
        if entry["part_of"] is not None:  # a part comes after its whole
            entry["part_of"] = ids[entry["part_of"]]
    yield shard_name(index), json.dumps(shard, separators=(",", ":")).encode()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"expected a picture at {path}, got {error.strerror}: run `saom dataset check` on the source"
        ) from None
