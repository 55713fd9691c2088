"""`saom dataset`: statistics, checks, an HTML page to look at, merging, and the import of the authors' format.

saom dataset stats data/rooms
saom dataset check data/rooms
saom dataset view data/rooms --limit 200       # writes data/rooms/view/index.html
saom dataset merge data/rooms data/thor --out data/both
saom dataset import metadata.json --images folder --out data/authors
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from saom_core.depth import CameraIntrinsics
from saom_core.errors import InputError, SaomError
from saom_core.taxonomy import CLASSES, CLASSES_AND_OTHER, OTHER
from training.annotations import decode_masks
from training.dataset import MAX_FRAMES_PER_EPISODE, Dataset, DatasetWriter
from training.dataset_merge import merge
from training.dataset_page import write_page
from training.simulator import SPLITS, Frame, FrameObject, Split

AREA_BINS = (0.0, 0.001, 0.005, 0.02, 0.1, 1.01)  # shares of the picture
VISIBLE_BINS = (0.0, 0.25, 0.5, 0.75, 0.95, 1.01)


# --- stats


def statistics(dataset: Dataset) -> dict[str, Any]:
    """Counts of pictures, scenes, instances, classes, sizes and occlusion; plain values, fit for JSON."""
    pictures: Counter[str] = Counter(image["split"] for image in dataset.images)
    scenes = {split: len({i["scene"] for i in dataset.images if i["split"] == split}) for split in SPLITS}
    classes: Counter[str] = Counter()
    subs: Counter[str] = Counter()
    areas, visible, per_picture = [], [], []
    for image in dataset.images:
        wholes = [entry for entry in dataset.annotations[image["id"]] if entry["part_of"] is None]
        per_picture.append(len(wholes))
        classes.update(CLASSES_AND_OTHER[entry["category_id"]] for entry in wholes)
        areas += [entry["area"] / (image["width"] * image["height"]) for entry in wholes]
        visible += [entry["visible"] for entry in wholes]
        for entry in dataset.annotations[image["id"]]:
            if entry["part_of"] is not None and "category_id" in entry:
                subs[CLASSES_AND_OTHER[entry["category_id"]]] += 1
    return {
        "pictures": dict(pictures),
        "scenes": scenes,
        "instances": len(areas),
        "instances_per_picture": _five_numbers(per_picture),
        "area_share": _histogram(areas, AREA_BINS),
        "visible_share": _histogram(visible, VISIBLE_BINS),
        "classes": dict(classes.most_common()),
        "sub_objects": dict(subs.most_common()),
        "classes_without_instances": [name for name in CLASSES if name not in classes and name not in subs],
        "bytes": sum(
            file.stat().st_size
            for folder in ("images", "depth", "shards")
            for file in (dataset.path / folder).iterdir()
        ),
    }


def _five_numbers(values: Sequence[int]) -> list[float]:
    """Minimum, quartiles and maximum."""
    return [float(value) for value in np.quantile(values, (0, 0.25, 0.5, 0.75, 1))] if values else []


def _histogram(values: Sequence[float], bins: Sequence[float]) -> dict[str, int]:
    counts, _ = np.histogram(values, bins)
    return {f"{low:g}-{min(high, 1):g}": int(n) for low, high, n in zip(bins, bins[1:], counts, strict=False)}


def print_statistics(found: dict[str, Any]) -> None:
    """The statistics as text."""
    total = sum(found["pictures"].values())
    print(f"pictures   {total}  {found['pictures']}   scenes {found['scenes']}")
    print(f"instances  {found['instances']}, in a picture (min, quartiles, max): {found['instances_per_picture']}")
    print(f"size       {found['bytes'] / 1e6:.0f} MB, {found['bytes'] / 1e3 / max(total, 1):.0f} kB a picture")
    print(f"area       {found['area_share']} (share of the picture)")
    print(f"visible    {found['visible_share']} (share of the surface)")
    for title in ("classes", "sub_objects"):
        print(f"\n{title}")
        for name, count in found[title].items():
            print(f"  {name:18s} {count:7d}")
    if found["classes_without_instances"]:
        print("\nno instance of:", ", ".join(found["classes_without_instances"]))


# --- check


def problems(dataset: Dataset, quiet: bool = False) -> Iterator[str]:
    """Everything that is wrong, as lines of text: broken files, bad masks, leaks between splits."""
    split_of: dict[str, str] = {}
    seen_ids: set[int] = set()
    for image in tqdm(dataset.images, unit="picture", desc="check", disable=quiet):
        where = f"picture {image['id']}"
        if image["id"] in seen_ids:
            yield f"{where}: the id is used twice"
        seen_ids.add(image["id"])
        if split_of.setdefault(image["scene"], image["split"]) != image["split"]:
            yield f"{where}: scene {image['scene']} is in two splits, {split_of[image['scene']]} and {image['split']}"
        size_hw = (image["height"], image["width"])
        for key, dtype in (("file_name", np.uint8), ("depth_file_name", np.uint16)):
            picture = cv2.imread(str(dataset.path / image[key]), cv2.IMREAD_UNCHANGED)
            if picture is None:
                yield f"{where}: {image[key]} is missing or broken"
            elif picture.shape[:2] != size_hw or picture.dtype != dtype:
                yield f"{where}: {image[key]} is {picture.shape} {picture.dtype}, not {size_hw} {np.dtype(dtype)}"
        yield from (f"{where}: {text}" for text in _mask_problems(dataset.annotations[image["id"]], size_hw))


def _mask_problems(entries: Sequence[dict[str, Any]], size_hw: tuple[int, int]) -> Iterator[str]:
    covered = np.zeros(size_hw, np.int32)
    ids = {entry["id"] for entry in entries}
    for entry in entries:
        name = f"annotation {entry['id']}"
        if tuple(entry["segmentation"]["size"]) != size_hw:
            yield f"{name}: mask of size {entry['segmentation']['size']}, not {list(size_hw)}"
            continue
        mask = decode_masks([entry["segmentation"]], size_hw)[0]
        if not mask.any():
            yield f"{name}: empty mask"
        elif mask.sum() != entry["area"]:
            yield f"{name}: area {entry['area']}, but {mask.sum()} pixels"
        if "category_id" in entry and not 0 <= entry["category_id"] < len(CLASSES_AND_OTHER):
            yield f"{name}: unknown category {entry['category_id']}"
        if entry["part_of"] is None:
            covered += mask
        elif entry["part_of"] not in ids:
            yield f"{name}: part of {entry['part_of']}, which is not there"
    if covered.max(initial=0) > 1:
        yield f"whole objects overlap on {(covered > 1).sum()} pixels"


# --- import


def import_authors(metadata: Path, images: Path, out: Path, quiet: bool = False) -> int:
    """Convert the authors' published metadata to a data set; returns the number of pictures.

    Their JSON holds `entity classes` and, per split, `image_name`, `entity_masks` (paths) and `entity_indices`. Classes
    that are not in the taxonomy become `OTHER`. There is no depth, and no camera: AI2-THOR's 90 degrees are assumed.

    Raises:
        InputError: If the file is not of that format, or a picture or mask is missing.
    """
    try:
        content = json.loads(metadata.read_text())
        names = content["entity classes"]
        listed = {split: content.get(f"{split}_data", []) for split in SPLITS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"expected the authors' metadata (JSON with 'entity classes' and 'train_data') in {metadata}, got {error!r}"
        ) from None
    writer = DatasetWriter(out, {"simulator": "authors", "metadata": metadata.name})
    count = index = 0
    for split in SPLITS:
        entries = sorted(listed[split], key=_scene_of)
        bar = tqdm(total=len(entries), unit="picture", desc=f"import {split}", disable=quiet)
        for _, group in groupby(entries, key=_scene_of):
            of_scene = list(group)
            for start in range(0, len(of_scene), MAX_FRAMES_PER_EPISODE):
                chunk = of_scene[start : start + MAX_FRAMES_PER_EPISODE]
                writer.write_episode(index, [_imported_frame(entry, names, images, split) for entry in chunk])
                index += 1
                count += len(chunk)
                bar.update(len(chunk))
        bar.close()
    return count


def _scene_of(entry: dict[str, Any]) -> str:
    """Masks are called scene-index-Class-object.png."""
    masks = entry.get("entity_masks") or [entry["image_name"]]
    return Path(masks[0]).name.split("-")[0]


def _imported_frame(entry: dict[str, Any], names: Sequence[str], images: Path, split: Split) -> Frame:
    image_rgb = _read(images / entry["image_name"])
    height, width = image_rgb.shape[:2]
    masks, objects = [], []
    for path, class_index in zip(entry["entity_masks"], entry["entity_indices"], strict=True):
        mask = _read(images / path)
        if mask.shape[:2] != (height, width):
            raise InputError(
                f"expected a mask of {height}x{width} at {images / path}, got {mask.shape[0]}x{mask.shape[1]}"
            )
        masks.append(mask[..., 0] > 0)
        name = names[class_index]
        objects.append(FrameObject(name if name in CLASSES else OTHER, name))
    ids = np.full((height, width), -1, np.int32)
    for number in sorted(range(len(masks)), key=lambda k: -int(masks[k].sum())):  # smaller ones lie in front
        ids[masks[number]] = number
    return Frame(
        image_rgb=image_rgb,
        depth_m=np.zeros((height, width), np.float32),
        object_ids=ids,
        part_ids=np.zeros((height, width), np.int32),
        objects=tuple(objects),
        camera=CameraIntrinsics(width / 2, width / 2, (width - 1) / 2, (height - 1) / 2, width, height),
        pose=np.eye(4),
        scene=_scene_of(entry),
        split=split,
    )


def _read(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"expected a picture at {path}, found none: is --images the folder that the paths start from?")
    return picture[..., ::-1].copy()


# --- command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `saom dataset`."""
    commands = parser.add_subparsers(dest="action", required=True)
    stats = commands.add_parser("stats", help="pictures, instances, classes, sizes, occlusion")
    check = commands.add_parser("check", help="find broken files, empty masks, leaks between splits")
    view = commands.add_parser("view", help="write an HTML page of overlays with filters by class")
    for command in (stats, check, view):
        command.add_argument("path", type=Path, help="folder of the data set")
        command.add_argument("--split", choices=SPLITS, help="this split alone")
    stats.add_argument("--json", action="store_true", help="print JSON")
    view.add_argument("--limit", type=int, default=200, help="pictures at most, evenly spread (200)")
    view.add_argument("--out", type=Path, help="folder of the page (PATH/view)")
    merged = commands.add_parser("merge", help="make one data set of several; they stay as they are")
    merged.add_argument("paths", type=Path, nargs="+", help="folders of data sets")
    merged.add_argument("--out", type=Path, required=True, help="folder of the new data set")
    authors = commands.add_parser("import", help="convert the metadata that the paper's authors published")
    authors.add_argument("metadata", type=Path)
    authors.add_argument("--images", type=Path, required=True, help="folder that the paths in the metadata start from")
    authors.add_argument("--out", type=Path, required=True, help="folder of the new data set")


def run(args: argparse.Namespace) -> int:
    """Do what the parsed arguments say; returns the exit status (1: `check` found something)."""
    if args.action == "import":
        print(f"{import_authors(args.metadata, args.images, args.out)} pictures are in {args.out}")
        return 0
    if args.action == "merge":
        print(f"{merge(args.paths, args.out)} pictures are in {args.out}")
        return 0
    dataset = Dataset.open(args.path, args.split, parts=args.action != "stats")
    if args.action == "check":
        count = 0
        for line in problems(dataset):
            count += 1
            print(line)
        print(f"{len(dataset)} pictures, {count} problems")
        return 1 if count else 0
    if args.action == "view":
        print(write_page(dataset, args.out or args.path / "view", args.limit))
        return 0
    found = statistics(Dataset.open(args.path, args.split))
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        print_statistics(found)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m training.dataset_tools`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except SaomError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
