"""`saom dataset`: statistics, checks, an HTML page to look at, merging, and the import of other formats.

saom dataset stats data/rooms
saom dataset check data/rooms
saom dataset view data/rooms --limit 200       # writes data/rooms/view/index.html
saom dataset merge data/rooms data/thor --out data/both
saom dataset import metadata.json --images folder --out data/authors
saom dataset import instances.json --images folder --depth folder --out data/mine     # COCO, instances or panoptic
saom dataset import data.yaml --out data/mine                   # YOLO's outlines; a folder: LabelMe, Pascal VOC
saom dataset export data/rooms --out instances.json             # as COCO
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from saom_core.arguments import add_json, add_out, at_least, write_json
from saom_core.errors import InputError
from saom_core.files import check_output
from saom_core.taxonomy import OTHER

from ..data.frames import SPLITS
from ..data.shards import shard_paths
from ..dataset import Dataset
from .check import problems
from .export import export_coco
from .formats.authors import import_authors
from .formats.coco import is_coco, parsed, read_coco
from .formats.labelme import read_labelme
from .formats.panoptic import is_panoptic, read_panoptic
from .formats.voc import read_voc
from .formats.yolo import read_yolo
from .importing import CROWDS, import_pictures
from .merge import merge
from .page import write_page

AREA_BINS = (0.0, 0.001, 0.005, 0.02, 0.1, 1.01)  # shares of the picture
MANY = 2000  # pictures, which take long enough to show a progress bar
VISIBLE_BINS = (0.0, 0.25, 0.5, 0.75, 0.95, 1.01)


# --- stats


def statistics(dataset: Dataset) -> dict[str, Any]:
    """Counts of pictures, scenes, instances, classes, sizes and occlusion; plain values, fit for JSON."""
    splits, of_scene = dataset.splits(), dataset.scenes()
    pictures: Counter[str] = Counter(splits)
    pairs = set(zip(splits, of_scene, strict=True))
    scenes = {split: sum(one == split for one, _ in pairs) for split in SPLITS}
    classes: Counter[str] = Counter()
    subs: Counter[str] = Counter()
    areas, visible, per_picture = [], [], []
    for index in tqdm(range(len(dataset)), unit="picture", desc="stats", disable=len(dataset) < MANY):
        image, entries = dataset.image(index), dataset.entries(index)
        wholes = [entry for entry in entries if entry["part_of"] is None]
        per_picture.append(len(wholes))
        classes.update(dataset.class_names[entry["category_id"]] for entry in wholes)
        areas += [entry["area"] / (image["width"] * image["height"]) for entry in wholes]
        visible += [entry["visible"] for entry in wholes]
        for entry in entries:
            if entry["part_of"] is not None and "category_id" in entry:
                subs[dataset.class_names[entry["category_id"]]] += 1
    return {
        "pictures": dict(pictures),
        "scenes": scenes,
        "instances": len(areas),
        "instances_per_picture": _five_numbers(per_picture),
        "area_share": _histogram(areas, AREA_BINS),
        "visible_share": _histogram(visible, VISIBLE_BINS),
        "classes": dict(classes.most_common()),
        "sub_objects": dict(subs.most_common()),
        "classes_without_instances": [name for name in dataset.class_names if name not in (*classes, *subs, OTHER)],
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


# --- command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `saom dataset`."""
    commands = parser.add_subparsers(dest="action", required=True)
    stats = commands.add_parser("stats", help="pictures, instances, classes, sizes, occlusion")
    check = commands.add_parser("check", help="find broken files, empty masks, leaks between splits")
    view = commands.add_parser("view", help="write an HTML page of overlays with filters by class")
    for command in (stats, check, view):
        command.add_argument("path", type=Path, help="folder of the data set")
    for command in (stats, view):
        command.add_argument("--split", choices=SPLITS, help="this split alone")
    add_json(stats, "the figures as JSON")
    view.add_argument("--limit", type=at_least(1), default=200, help="pictures at most, evenly spread (200)")
    add_out(view, "folder of the page (PATH/view)", required=False)
    merged = commands.add_parser("merge", help="make one data set of several; they stay as they are")
    merged.add_argument("paths", type=Path, nargs="+", help="folders of data sets")
    add_out(merged, "folder of the new data set")
    imported = commands.add_parser(
        "import", help="convert COCO, YOLO, LabelMe, Pascal VOC, or the metadata that the paper's authors published"
    )
    imported.add_argument(
        "source",
        type=Path,
        help="JSON of COCO (instances or panoptic) or of the authors, YOLO's data.yaml, or a folder of LabelMe's JSON "
        "or Pascal VOC's XML files",
    )
    imported.add_argument("--images", type=Path, help="folder that the pictures' names start from (that of the source)")
    imported.add_argument("--depth", type=Path, help="folder of 16-bit depth PNGs, same names")
    imported.add_argument(
        "--depth-scale",
        type=float,
        default=0.0,
        metavar="METRES",
        help="metres per unit of the depth files; 0: integers are millimetres, floats are metres (default: 0)",
    )
    imported.add_argument(
        "--parts",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        default=[],
        metavar="CLASS[,CLASS...]",
        help="classes that are parts (lid,handle): each belongs to the smallest object around it",
    )
    imported.add_argument(
        "--scene-prefix",
        default="",
        metavar="TEXT",
        help="stands before the names of scenes: sets whose pictures are called alike can be merged then",
    )
    imported.add_argument(
        "--crowds",
        choices=CROWDS,
        default=CROWDS[0],
        help="COCO's annotations with iscrowd 1: pixels that are not asked about (ignore), or objects as all others, "
        "for files of programs that mark objects so",
    )
    add_out(imported, "folder of the new data set")
    exported = commands.add_parser("export", help="write a COCO instance file")
    exported.add_argument("path", type=Path, help="folder of the data set")
    exported.add_argument("--split", choices=SPLITS, help="this split alone")
    exported.add_argument(
        "--no-ignored",
        dest="ignored",
        action="store_false",
        help="leave out the pixels that must not be asked about: for programs that take a crowd for an object",
    )
    add_out(exported, "the JSON file")


def run(args: argparse.Namespace) -> int:
    """Do what the parsed arguments say; returns the exit status (1: `check` found something)."""
    if args.action in ("import", "merge"):
        check_output(args.out, folder=True)
    if args.action == "import":
        print(_import(args))
        return 0
    if args.action == "export":
        print(f"{export_coco(args.path, args.split, args.out, args.ignored)} pictures are in {args.out}")
        return 0
    if args.action == "merge":
        print(f"{merge(args.paths, args.out)} pictures are in {args.out}")
        return 0
    if args.action == "check":
        count = 0
        for line in problems(args.path):
            count += 1
            print(line)
        print(f"{len(shard_paths(args.path))} scenes, {count} problems")
        return 1 if count else 0
    if args.action == "view":
        print(write_page(args.path, args.split, args.out or args.path / "view", args.limit))
        return 0
    found = statistics(Dataset.open(args.path, args.split))
    if args.json:
        write_json(args.json, found)
    else:
        print_statistics(found)
    return 0


def _import(args: argparse.Namespace) -> str:
    """Imports what `args.source` holds; returns what is to be said of it."""
    path, images = args.source, args.images
    if path.is_dir():
        if next(path.rglob("*.xml"), None):
            source, images = read_voc(path) if images is None else (read_voc(path)[0], images)
        else:
            source, images = read_labelme(path), images or path
    elif path.suffix.lower() in (".yaml", ".yml"):
        source, images = read_yolo(path, images)
    else:
        content = parsed(path)
        images = images or path.parent
        if not is_coco(content):
            if args.depth or args.parts or args.crowds != CROWDS[0] or args.depth_scale or args.scene_prefix:
                raise InputError(
                    "expected --depth, --depth-scale, --parts, --crowds and --scene-prefix with COCO, YOLO, LabelMe or "
                    "VOC, got other metadata"
                )
            return f"{import_authors(path, images, args.out)} pictures are in {args.out}"
        source = read_panoptic(path, content) if is_panoptic(content) else read_coco(path, content)
    report = import_pictures(
        source, images, args.out, args.depth, args.parts, args.crowds, args.depth_scale, args.scene_prefix
    )
    return report.text(args.out)
