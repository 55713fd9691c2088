"""Which files `saom segment` writes for each picture: overlays, label images, masks; and where they go."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_cli.answers import Listing
from saom_cli.listings import coco_dataset, listing_for
from saom_core.errors import InputError
from saom_core.files import check_not_read, check_output, write_atomically
from saom_core.instances import Instances
from saom_core.overlay import draw_overlay
from saom_core.pictures.photos import SUFFIXES, write_photo
from saom_core.pictures.videos import VIDEO_SUFFIXES
from saom_core.runtime import ModelInfo

FORMATS = {
    "overlay": "the picture with its objects drawn over it",
    "labels": "16-bit PNG, pixel = place of the object in the answer, from 1 on; 0 = none",
    "coco": "one COCO data set of all pictures, with run-length masks",
}
"""What `--format` may name, and what that writes to `-o`."""
_MASK_NAME = re.compile(r"\d{3,}_[\w.-]+\.png")


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what is written."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="file to write; for a folder of photos, or with several --format, the folder for them",
    )
    parser.add_argument(
        "--format",
        type=_formats,
        default=["overlay"],
        metavar="|".join(FORMATS),
        help="what goes to -o, several with commas between (default: overlay). "
        + "; ".join(f"{name}: {text}" for name, text in FORMATS.items()),
    )
    parser.add_argument(
        "--save-masks",
        type=Path,
        metavar="FOLDER",
        help="folder to write a PNG for each object to, 255 on the object and 0 elsewhere: FOLDER/photo/001_Mug.png",
    )
    parser.add_argument(
        "--json",
        type=Path,
        help="file to write the objects to: one list of COCO results, or, of out.jsonl, a line for each picture; with "
        "--depth each has its distance, with --intrinsics its place and its 3D box, too; for photos the same command "
        "continues an interrupted run",
    )


def _formats(text: str) -> list[str]:
    """`coco,labels` -> ["coco", "labels"]."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected {', '.join(FORMATS)}, or several as in coco,labels, got {text!r}")
    return names


@dataclass(frozen=True)
class Places:
    """Where the files of a run go; a picture is known by its name."""

    overlays: Mapping[str, Path] = field(default_factory=dict)
    labels: Mapping[str, Path] = field(default_factory=dict)
    masks: Mapping[str, Path] = field(default_factory=dict)  # name -> folder
    coco: Path | None = None
    json: Path | None = None

    def of(self, name: str) -> list[Path]:
        """Files and folders of one picture."""
        return [places[name] for places in (self.overlays, self.labels, self.masks) if name in places]

    def listings(self, model: ModelInfo) -> dict[Path, Listing]:
        """The JSON files of the whole run, and how they are written."""
        listings: dict[Path, Listing] = {}
        if self.json:
            listings[self.json] = listing_for(self.json)
        if self.coco:
            listings[self.coco] = coco_dataset(model.class_names, model.name)
        return listings

    def write(self, name: str, image_rgb: npt.NDArray[np.uint8], instances: Instances) -> None:
        """Writes the files of one picture, each whole or not at all.

        Raises:
            InputError: the picture is too large for the format.
            OSError: a place cannot be written.
        """
        if name in self.overlays:
            write_photo(self.overlays[name], draw_overlay(image_rgb, instances))
        if name in self.labels:
            write_labels(self.labels[name], instances)
        if name in self.masks:
            write_masks(self.masks[name], instances)


def places_of(args: argparse.Namespace, names: Sequence[str], *, folder: bool) -> Places:
    """Where everything goes that the options ask for.

    Args:
        args: parsed options of `add_output_arguments`.
        names: of the pictures, all different.
        folder: they come from a folder, so that `-o` is one, too.
    """
    output, formats = args.output, set(args.format)
    masks: dict[str, Path] = {}
    if args.save_masks is not None:
        masks = {name: path.with_suffix("") for name, path in picture_paths(names, args.save_masks).items()}
    if output is None:
        return Places(masks=masks, json=args.json)
    several = len(formats) > 1
    pictures: dict[str, dict[str, Path]] = {}
    for kind in formats - {"coco"}:
        into = output / kind if several else output
        pictures[kind] = picture_paths(names, into) if folder or several else {names[0]: output}
    coco = None
    if "coco" in formats:
        coco = output / "coco.json" if several else output
    return Places(pictures.get("overlay", {}), pictures.get("labels", {}), masks, coco, args.json)


def check_places(
    args: argparse.Namespace, places: Places, read: Iterable[Path], *, folder: bool, video: bool = False
) -> None:
    """Refuses, before the work begins, what could not be written or would overwrite what is read.

    Args:
        args: parsed options of `add_output_arguments`.
        places: see `places_of`.
        read: files and folders that the work reads.
        folder: the pictures come from a folder.
        video: the overlay is a video, not a picture.

    Raises:
        InputError: see `check_output`; or files among the pictures, or in a format that OpenCV does not write.
        OSError: nothing can be written there.
    """
    inputs = [path for path in read if not path.is_dir()]
    if args.output is None and args.format != ["overlay"]:
        raise InputError("expected -o with --format, got none: say where to write, as in -o out.png")
    if args.output is not None:
        into_folder = len(set(args.format)) > 1 or (folder and args.format != ["coco"])
        for path in (path for path in read if path.is_dir()):
            if into_folder and args.output.exists() and args.output.samefile(path):
                raise InputError(
                    f"expected another folder for the overlays than the photos' own, got {args.output}: the next run "
                    "would take them for photos"
                )
        if into_folder and not args.output.exists() and args.output.suffix.lower() in (*SUFFIXES, *VIDEO_SUFFIXES):
            raise InputError(
                f"expected a folder to write several files to, got {args.output}, the name of one file: give a folder, "
                f"as -o {args.output.with_suffix('')}"
            )
        check_output(args.output, inputs, folder=into_folder)
        if not into_folder and not video:
            check_suffix(args.output, args.format[0])
    if args.save_masks is not None:
        check_output(args.save_masks, inputs, folder=True)
    for paths in (places.overlays, places.labels):
        check_not_read(paths.values(), inputs)
    if args.json is not None:
        check_output(args.json, inputs)
        others = [*places.overlays.values(), *places.labels.values(), *([places.coco] if places.coco else [])]
        if args.json.resolve() in {path.resolve() for path in others}:
            raise InputError(f"expected two files for overlay and JSON, got {args.json} for both")
    for path in {path.parent for paths in (places.overlays, places.labels) for path in paths.values()}:
        path.mkdir(parents=True, exist_ok=True)


def check_suffix(path: Path, kind: str) -> None:
    """Refuses a file whose name is of another format.

    Raises:
        InputError: see above.
    """
    if kind == "coco":
        good, wanted = path.suffix.lower() == ".json", "out.json"
    elif kind == "labels":
        good, wanted = path.suffix.lower() in (".png", ".tif", ".tiff"), "out.png, which keeps 16 bits"
    else:
        good, wanted = bool(path.suffix) and cv2.haveImageWriter(path.name), "out.png"
    if not good:
        raise InputError(f"expected an output such as {wanted}, got {path}")


def picture_paths(photos: Sequence[str], folder: Path) -> dict[str, Path]:
    """A PNG for each photo: `a.png` for `a.jpg`, and `a.jpg.png` where that is ambiguous.

    Args:
        photos: different names of files.
        folder: where they go.
    """
    names = {photo: f"{Path(photo).stem}.png" for photo in photos}
    while True:
        times = Counter(names.values())
        twice = [photo for photo, name in names.items() if times[name] > 1 and name != f"{photo}.png"]
        if not twice:
            return {photo: folder / name for photo, name in names.items()}
        names |= {photo: f"{photo}.png" for photo in twice}


def results_of(instances: Instances) -> list[dict[str, Any]]:
    """COCO results of one picture, without `image_id`, which its place in the run decides."""
    return [instances.result_of(k) for k in range(len(instances))]


def write_labels(path: Path, instances: Instances) -> None:
    """Writes `Instances.label_image` as a 16-bit picture."""
    packed, content = cv2.imencode(path.suffix, instances.label_image())
    if not packed:
        raise InputError(f"{path}: expected a format for 16-bit pixels, as out.png, got {path.suffix}")
    write_atomically(path, content.tobytes())


def write_masks(folder: Path, instances: Instances) -> None:
    """Writes a mask for each object, 001_Mug.png being object 1 of the label image; those of an earlier run go.

    Which those are stands in a list beside the folder: a user's own files may have such names, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for k in range(len(instances)):
        word = re.sub(r"[^\w.-]+", "_", instances.class_names[k]) or "object"
        path = folder / f"{k + 1:03d}_{word}.png"
        dense = instances.masks[k].dense(instances.size_hw).view(np.uint8) * np.uint8(255)
        write_atomically(path, cv2.imencode(".png", dense)[1].tobytes())
        names.append(path.name)
    listing = folder.with_name(f".{folder.name}.masks.txt")
    before = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    write_atomically(listing, "".join(f"{name}\n" for name in names).encode())
    for name in set(before) - set(names):
        if _MASK_NAME.fullmatch(name):
            (folder / name).unlink(missing_ok=True)
