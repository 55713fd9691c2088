"""`saom segment photo.jpg -o out.png`: whole objects of a photo, of a folder of photos, with depth where there is some.

Depth of `photo.png` is looked for as `--depth FILE`, or for a folder as the file of the same name in `--depth DIR`
(16-bit PNG, millimetres). `--point X,Y` and `--box X0,Y0,X1,Y1`, each as often as wanted, ask for single objects.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.arguments import add_config_arguments, config_from
from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.instances import Instances
from saom_core.load import load_segmenter
from saom_core.overlay import draw_overlay
from saom_core.photos import find_photos, read_depth, read_photo
from saom_core.prompts import Prompts
from saom_core.segmenter import Segmenter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom segment`."""
    parser.add_argument("input", type=Path, help="photo, or folder of photos")
    parser.add_argument("-o", "--output", type=Path, help="overlay picture; for a folder: folder of overlays")
    parser.add_argument("--depth", type=Path, help="16-bit PNG in millimetres, or folder of them, same names")
    parser.add_argument(
        "--intrinsics", type=float, nargs=4, metavar=("FX", "FY", "CX", "CY"), help="pixels; with depth: 3D boxes"
    )
    parser.add_argument(
        "--point",
        type=_numbers(2),
        action="append",
        metavar="X,Y",
        help="only the object at this pixel; may be repeated",
    )
    parser.add_argument(
        "--box", type=_numbers(4), action="append", metavar="X0,Y0,X1,Y1", help="only the object in this box; the same"
    )
    parser.add_argument("--json", type=Path, help="write instances as COCO results, one list for all photos")
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom segment`."""
    photos = find_photos(args.input)
    if args.output and args.output.is_dir() != args.input.is_dir() and args.output.exists():
        raise InputError(f"expected --output to be a {'folder' if args.input.is_dir() else 'file'}, got {args.output}")
    asked = Prompts.from_flat(sum(args.point or [], []), sum(args.box or [], []))
    segmenter = load_segmenter(config_from(args))
    print(f"{segmenter.info.name} on {segmenter.info.provider}")
    results: list[dict[str, Any]] = []
    failed = 0
    for image_id, photo in enumerate(tqdm(photos, unit="photo", disable=len(photos) < 3, dynamic_ncols=True)):
        try:
            image = read_photo(photo)
            depth = read_depth(_depth_of(photo, args))
            instances = _segment(segmenter, image, depth, args.intrinsics, asked)
        except InputError as error:
            if len(photos) == 1:
                raise
            failed += 1  # one bad file of a folder must not cost the others
            tqdm.write(f"{photo}: {error}")
            continue
        print_table(photo, instances)
        results += [{"file_name": photo.name, **result} for result in instances.to_coco(image_id)]
        if args.output:
            target = args.output / f"{photo.stem}.png" if args.input.is_dir() else args.output
            write_image(target, draw_overlay(image, instances))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results), encoding="utf-8")
    return 1 if failed else 0


def _numbers(count: int) -> Callable[[str], list[float]]:
    """Reads so many numbers with commas between; the type of an argument."""

    def read(text: str) -> list[float]:
        numbers = [float(part) for part in text.split(",")]
        if len(numbers) != count:
            raise argparse.ArgumentTypeError(f"expected {count} numbers with commas between, got {text!r}")
        return numbers

    read.__name__ = f"{count} numbers"  # argparse names it where a number is none
    return read


def write_image(path: Path, image_rgb: npt.NDArray[np.uint8]) -> None:
    """Write a picture; folders are made.

    Raises:
        InputError: the suffix is of no picture format, or the place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = cv2.imwrite(str(path), image_rgb[:, :, ::-1])
    except cv2.error as error:
        raise InputError(f"expected an output such as out.png, got {path}") from error
    if not written:
        raise InputError(f"expected a place that can be written, got {path}")


def print_table(photo: Path, instances: Instances) -> None:
    """One line per instance."""
    tqdm.write(f"{photo}: {len(instances)} instances")
    for k in range(len(instances)):
        left, top, right, bottom = instances.boxes_xyxy[k].astype(int)
        distance = instances.distances_m[k]
        tqdm.write(
            f"  {instances.class_names[k] or 'object':18s} class {instances.class_scores[k]:.2f}  mask "
            f"{instances.scores[k]:.2f}  box {left},{top},{right},{bottom}"
            + (f"  {distance:.2f} m" if np.isfinite(distance) else "")
        )


def _depth_of(photo: Path, args: argparse.Namespace) -> Path | None:
    if args.depth is None or not args.depth.is_dir():
        return args.depth if args.depth is None else Path(args.depth)
    return Path(args.depth / f"{photo.stem}.png")


def _segment(
    segmenter: Segmenter,
    image: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32] | None,
    intrinsics: list[float] | None,
    asked: Prompts,
) -> Instances:
    camera = None
    if intrinsics:
        fx, fy, cx, cy = intrinsics
        camera = CameraIntrinsics(fx, fy, cx, cy, image.shape[1], image.shape[0])
    if len(asked):
        return segmenter.ask(image, asked, depth, camera).instances
    return segmenter.segment(image, depth, camera).instances
