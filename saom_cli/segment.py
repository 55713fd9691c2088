"""`saom segment photo.jpg -o out.png`: whole objects of a photo, of a folder of photos, with depth where there is some.

Depth is `--depth FILE`, or for a folder of photos the files of their names in `--depth FOLDER`: 16-bit PNG or TIFF in
millimetres, float TIFF, OpenEXR or NPY in metres; `--depth-scale` gives another unit. `--point X,Y` and
`--box X0,Y0,X1,Y1`, each as often as wanted, ask for single objects; with `--negative-point`, `--mask` or
`--one-object` all of them ask for one.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_cli.answers import Answers
from saom_cli.table import Table, prompt_of
from saom_core.arguments import add_config_arguments, config_from
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.depth_files import DEPTH_SUFFIXES, find_depth, read_checked_depth
from saom_core.errors import InputError
from saom_core.files import check_not_read, check_output
from saom_core.loading import load_segmenter
from saom_core.overlay import draw_overlay
from saom_core.photos import find_photos, read_photo, write_photo
from saom_core.prompts import Prompts
from saom_core.segmenter import Segmentation, Segmenter

WHITE = 128
"""From this brightness on a pixel of --mask is on the object."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom segment`."""
    parser.add_argument("input", type=Path, help="photo, or folder of photos")
    parser.add_argument(
        "-o", "--output", type=Path, help="overlay picture to write; for a folder of photos a folder of overlays"
    )
    parser.add_argument("--depth", type=Path, help="its depth, or for a folder: folder of depth files, same names")
    parser.add_argument(
        "--depth-scale",
        type=float,
        default=0.0,
        metavar="METRES",
        help="metres per unit of the depth files; 0: integers are millimetres, floats are metres (default: 0)",
    )
    parser.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the camera, in pixels; with depth they give 3D boxes",
    )
    parser.add_argument(
        "--point",
        type=_numbers(2),
        action="append",
        metavar="X,Y",
        help="only the object at this pixel; may be repeated",
    )
    parser.add_argument(
        "--box",
        type=_numbers(4),
        action="append",
        metavar="X0,Y0,X1,Y1",
        help="only the object in this box; may be repeated",
    )
    parser.add_argument(
        "--negative-point",
        type=_numbers(2),
        action="append",
        metavar="X,Y",
        help="a pixel that is not on the object; --point, --box and this then ask for one object (SAM checkpoints)",
    )
    parser.add_argument(
        "--one-object", action="store_true", help="all --point and the --box are of one object (SAM checkpoints)"
    )
    parser.add_argument(
        "--mask", type=Path, help="picture that is white about where the one object is (SAM checkpoints)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        help="write the instances as one list of COCO results; the same command continues an interrupted run",
    )
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom segment`."""
    photos = find_photos(args.input)
    overlays = overlay_paths(photos, args.output, into_folder=args.input.is_dir()) if args.output else {}
    _check_places(args, photos, overlays)
    asked = _asked(args)
    config = config_from(args)
    segmenter = load_segmenter(config)
    print(f"{segmenter.info.name} on {segmenter.info.provider}")
    answers = Answers(args.json, _facts(args, config, segmenter)) if args.json else None
    if answers is not None and answers.begun_anew:
        print(f"{args.json}: the interrupted run there had other options, so this one starts from the first photo")
    work = _Work(args, segmenter, asked, overlays, answers)
    try:
        # None: no bar where standard error is no terminal
        for photo in tqdm(photos, unit="photo", disable=len(photos) < 3 or None, dynamic_ncols=True):
            try:
                work.do(photo)
            except InputError as error:
                if args.input.is_file():
                    raise
                work.failed.append(photo)  # one bad file of a folder must not cost the others
                tqdm.write(f"{photo}: failed: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        if answers is not None:
            answers.finish(photos, complete=False)
            print(
                f"{answers.done} of {len(photos)} done; {args.json} holds them, and the same command goes on from here"
            )
        raise
    if answers is not None:
        answers.finish(photos, complete=True)
    for line in [*work.table.legend(), *([] if args.input.is_file() else [work.summary(len(photos))])]:
        print(line)
    return 1 if work.failed else 0


class _Work:
    """What is done with each photo, and how it went."""

    def __init__(
        self,
        args: argparse.Namespace,
        segmenter: Segmenter,
        asked: Prompts,
        overlays: Mapping[Path, Path],
        answers: Answers | None,
    ) -> None:
        self.table = Table(args.class_score_threshold)
        self.failed: list[Path] = []
        self._done_before = 0
        self._args, self._segmenter, self._asked, self._overlays, self._answers = (
            args, segmenter, asked, overlays, answers,
        )  # fmt: skip

    def do(self, photo: Path) -> None:
        """Segments a photo, unless an interrupted run has done it.

        Raises:
            InputError: the photo or its depth cannot be read or segmented.
        """
        depth_path, overlay = find_depth(photo, self._args.depth), self._overlays.get(photo)
        files = [photo, *([depth_path] if depth_path else [])]
        if self._answers is not None and self._answers.has(photo, files) and (overlay is None or overlay.exists()):
            self._done_before += 1
            return
        image = read_photo(photo)
        config, scale = self._segmenter.config, self._args.depth_scale
        depth = read_checked_depth(depth_path, scale, config.min_depth_m, config.max_depth_m) if depth_path else None
        depth_m = None if depth is None else depth.depth_m
        answer = _segment(self._segmenter, image, depth_m, self._args.intrinsics, self._asked)
        tqdm.write("\n".join(self.table.lines(str(photo), answer, self._asked)))
        for doubt in [] if depth is None else depth.doubts(answer.instances, certain=scale > 0):
            tqdm.write(f"{photo}: {doubt}", file=sys.stderr)
        if overlay:
            write_photo(overlay, draw_overlay(image, answer.instances))
        if self._answers is not None:
            results = answer.instances.to_coco()
            for result, prompt in zip(results, answer.prompts, strict=False):  # without prompts there are none
                result["prompt"] = prompt_of(self._asked, prompt)
            self._answers.add(photo, files, results)

    def summary(self, count: int) -> str:
        """The closing line of a folder."""
        line = f"{count - len(self.failed)} of {count} done"
        if self._done_before:
            line += f" ({self._done_before} of them before)"
        if self.failed:
            names = ", ".join(photo.name for photo in self.failed[:5])
            line += f", {len(self.failed)} failed: {names}"
            line += f" and {len(self.failed) - 5} more" if len(self.failed) > 5 else ""
        return line


def overlay_paths(photos: Sequence[Path], output: Path, *, into_folder: bool) -> dict[Path, Path]:
    """Where the overlay of each photo goes; of a folder `a.png` for `a.jpg`, and `a.jpg.png` where that is ambiguous.

    Args:
        photos: in a folder, of different names.
        output: the overlay of one photo, or the folder for those of a folder.
        into_folder: whether it is a folder.
    """
    if not into_folder:
        return {photos[0]: output}
    names = {photo: f"{photo.stem}.png" for photo in photos}
    while True:
        times = Counter(names.values())
        twice = [photo for photo, name in names.items() if times[name] > 1 and name != f"{photo.name}.png"]
        if not twice:
            return {photo: output / name for photo, name in names.items()}
        names |= {photo: f"{photo.name}.png" for photo in twice}


def _check_places(args: argparse.Namespace, photos: Sequence[Path], overlays: Mapping[Path, Path]) -> None:
    """Refuses, before the work begins, what could not be written or would overwrite what is read.

    Raises:
        InputError: see `check_output`; or overlays among the photos, or in a format that OpenCV does not write.
        OSError: nothing can be written there.
    """
    depths = [args.depth] if args.depth else []
    if args.depth and args.depth.is_dir():
        depths = [path for path in args.depth.iterdir() if path.suffix.lower() in DEPTH_SUFFIXES]
    read = {*photos, *depths, *([Path(args.model)] if args.model else [])}
    if args.output:
        if args.input.is_dir() and args.output.exists() and args.output.samefile(args.input):
            raise InputError(
                f"expected another folder for the overlays than the photos' own, got {args.output}: the next run would "
                "take them for photos"
            )
        check_output(args.output, read, folder=args.input.is_dir())
        check_not_read(overlays.values(), read)
        suffix = "out.png" if args.input.is_dir() else args.output.name
        if not Path(suffix).suffix or not cv2.haveImageWriter(suffix):
            raise InputError(f"expected an output such as out.png, got {args.output}")
    if args.json:
        check_output(args.json, read)
        if args.json.resolve() in {path.resolve() for path in overlays.values()}:
            raise InputError(f"expected two files for overlay and JSON, got {args.json} for both")


def _facts(args: argparse.Namespace, config: SaomConfig, segmenter: Segmenter) -> dict[str, Any]:
    """Everything that decides the answers: an interrupted run is only continued where all of it is the same."""
    model = Path(segmenter.info.path).stat()
    return {
        "input": str(args.input.resolve()),
        "depth": str(args.depth.resolve()) if args.depth else None,
        "depth_scale": args.depth_scale,
        "model": [model.st_size, model.st_mtime_ns],
        "options": dataclasses.asdict(config),
        "mask": [str(args.mask.resolve()), args.mask.stat().st_mtime_ns] if args.mask else None,
        **{name: getattr(args, name) for name in ("intrinsics", "point", "box", "negative_point", "one_object")},
    }


def _asked(args: argparse.Namespace) -> Prompts:
    """What the options ask for."""
    given: list[list[list[float]]] = [rows or [] for rows in (args.point, args.box, args.negative_point)]
    points, boxes, negative = ([number for row in rows for number in row] for rows in given)
    mask = None if args.mask is None else read_photo(args.mask).max(axis=2) >= WHITE
    return Prompts.from_flat(points, boxes, negative, one_object=args.one_object, mask=mask)


def _numbers(count: int) -> Callable[[str], list[float]]:
    """Makes an argument type that reads `count` numbers separated by commas."""

    def read(text: str) -> list[float]:
        numbers = [float(part) for part in text.split(",")]
        if len(numbers) != count:
            raise argparse.ArgumentTypeError(f"expected {count} numbers with commas between, got {text!r}")
        return numbers

    read.__name__ = f"{count} numbers"  # argparse names it where a number is none
    return read


def _segment(
    segmenter: Segmenter,
    image: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32] | None,
    intrinsics: list[float] | None,
    asked: Prompts,
) -> Segmentation:
    camera = None
    if intrinsics:
        fx, fy, cx, cy = intrinsics
        camera = CameraIntrinsics(fx, fy, cx, cy, image.shape[1], image.shape[0])
    if len(asked):
        return segmenter.ask(image, asked, depth, camera)
    return segmenter.segment(image, depth, camera)
