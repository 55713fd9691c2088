"""`saom dataset import data.yaml`: outlines in YOLO's text files (Ultralytics' segmentation format)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from saom_core.errors import InputError
from saom_core.pictures.photos import SUFFIXES

from ...data.frames import Split
from ...data.paths import digest_of
from ..importing import Drawn, Listed, Source
from ..outlines import OutlineFault

SPLIT_KEYS: dict[str, Split] = {"train": "train", "val": "val", "valid": "val", "test": "test"}
BOX = 5
"""Values of a line that gives a box alone: class, centre, width, height."""


def read_yolo(path: Path, images: Path | None) -> tuple[Source, Path]:
    """What a `data.yaml` and the label files beside its pictures tell.

    A picture `.../images/x.jpg` has its outlines in `.../labels/x.txt`: on each line a class number, then x, y, x, y,
    ... as shares of width and height. A line with a box alone is no outline: it is skipped and counted.

    Args:
        path: of data.yaml, with `names` (list, or number to name) and folders of pictures `train`, `val`, `test`.
        images: folder that those folders start from; None: `path` of data.yaml, or where it lies.

    Returns:
        What is to be imported, and the folder that its pictures' names start from.

    Raises:
        InputError: data.yaml lacks something, or its folders hold no picture.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = content["names"]
        names = dict(enumerate(names)) if isinstance(names, list) else {int(key): name for key, name in names.items()}
        folders = {split: content[key] for key, split in SPLIT_KEYS.items() if content.get(key)}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"expected YOLO's data.yaml with names and folders train, val, test in {path}, got {error!r}"
        ) from None
    root = (images or path.parent / str(content.get("path") or ".")).resolve()
    pictures: dict[str, Listed] = {}
    labels: dict[str, Path] = {}
    faults = []
    for split, told in folders.items():
        for folder in told if isinstance(told, list) else [told]:
            photos = _photos(root, str(folder))
            if not photos:
                faults.append(("folder without pictures", f"{split}: {folder}: no folder of pictures in {root}"))
            for photo in photos:
                name = photo.relative_to(root).as_posix()
                labels[name] = _labels_of(photo)
                one = Listed(name, _Lines(labels[name], names), shares=True, split=split)
                if (before := pictures.setdefault(name, one)) is not one:
                    faults.append((f"picture in two splits: taken once, in {before.split}", f"{name}: in {split}, too"))
    if not pictures:
        raise InputError(f"expected pictures in the folders {sorted(map(str, folders.values()))} of {root}, found none")
    if not any(label.is_file() for label in labels.values()):
        such = next(iter(labels.values()))
        faults.append(("no file of outlines for any picture", f"no file of outlines for any picture, such as {such}"))
    info = {"simulator": "yolo", "source": path.name, "sha256": digest_of([(path.name, path), *labels.items()])}
    return Source(info, [str(name) for _, name in sorted(names.items())], list(pictures.values()), faults), root


def _photos(root: Path, folder: str) -> Sequence[Path]:
    """The pictures of a folder. Many a data.yaml says ../train/images where it means train/images: both are tried."""
    for place in (root / folder, root / folder.removeprefix("../")):
        if place.is_dir() and place.resolve().is_relative_to(root):
            return sorted(file for file in place.rglob("*") if file.suffix.lower() in SUFFIXES)
    return ()


def _labels_of(photo: Path) -> Path:
    """.../images/a/x.jpg -> .../labels/a/x.txt, as Ultralytics looks for them: the last `images` of the path counts."""
    parts = list(photo.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)


class _Lines:
    """The outlines of one picture, read when it is; without a file the picture shows no object."""

    def __init__(self, path: Path, names: dict[int, Any]) -> None:
        self._path, self._names = path, names

    def __call__(self) -> Iterator[Drawn]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"expected outlines in {self._path}, got {error}") from None
        for number, line in enumerate(lines, 1):
            values = line.split()
            if values:
                yield Drawn(f"line {number}", *self._of(values))

    def _of(self, values: Sequence[str]) -> tuple[str, Any]:
        """Class and outline, or what is wrong with them."""
        name = self._names.get(int(values[0])) if values[0].isdigit() else None
        if name is None:
            return "", OutlineFault(f"class {values[0]!r} is none of the names")
        return str(name), OutlineFault("a box alone, no outline") if len(values) == BOX else [values[1:]]
