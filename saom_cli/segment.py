"""`saom segment photo.jpg -o out.png`: whole objects of a photo, of a folder of photos, of a video or a camera.

Depth is `--depth FILE`, or for a folder of photos the files of their names in `--depth FOLDER`: 16-bit PNG or TIFF in
millimetres, float TIFF, OpenEXR or NPY in metres; `--depth-scale` gives another unit. `--point X,Y` and
`--box X0,Y0,X1,Y1`, each as often as wanted, ask for single objects; with `--negative-point`, `--mask` or
`--one-object` all of them ask for one.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_cli.answers import Answers
from saom_cli.outputs import Places, add_output_arguments, check_places, places_of, results_of
from saom_cli.parsing import numbers
from saom_cli.sources import add_depth_arguments, check_photos, is_video, source_of
from saom_cli.table import Table, prompt_of
from saom_core.arguments import add_config_arguments, at_least, config_from
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.loading import load_segmenter
from saom_core.pictures.orientation import ExifTurn
from saom_core.pictures.photos import photos_and_maps, read_mask, read_photo
from saom_core.places.depth_files import DEPTH_SUFFIXES, check_depth_place, find_depth, read_checked_depth
from saom_core.prompting.prompts import Prompts
from saom_core.segmenter import Segmentation, Segmenter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom segment`."""
    parser.add_argument(
        "input", metavar="SOURCE", help="photo, folder of photos, video file, or number of a camera (0: the first)"
    )
    add_output_arguments(parser)
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="so many photos or frames at most")
    add_depth_arguments(parser)
    parser.add_argument(
        "--point",
        type=numbers(2),
        action="append",
        metavar="X,Y",
        help="only the object at this pixel; may be repeated",
    )
    parser.add_argument(
        "--box",
        type=numbers(4),
        action="append",
        metavar="X0,Y0,X1,Y1",
        help="only the object in this box; may be repeated",
    )
    parser.add_argument(
        "--negative-point",
        type=numbers(2),
        action="append",
        metavar="X,Y",
        help="a pixel that is not on the object; --point, --box and this then ask for one object (SAM checkpoints)",
    )
    parser.add_argument(
        "--one-object", action="store_true", help="all --point and the --box are of one object (SAM checkpoints)"
    )
    parser.add_argument(
        "--mask",
        type=Path,
        help="picture that is not black (or see-through) about where the one object is (SAM checkpoints)",
    )
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom segment`."""
    source = source_of(args.input)
    if is_video(source):
        from saom_cli.segment_video import run_video  # photos do without it

        return run_video(args, source)
    assert isinstance(source, Path)
    return _run_photos(args, source)


def _run_photos(args: argparse.Namespace, source: Path) -> int:
    check_photos(source)
    photos, maps = photos_and_maps(source)
    photos = photos[: args.limit]
    check_depth_place(photos, args.depth)
    names, folder = [photo.name for photo in photos], source.is_dir()
    places = places_of(args, names, folder=folder)
    check_places(args, places, _read_by(args, source, photos), folder=folder)
    asked = _asked(args)
    config = config_from(args)
    segmenter = load_segmenter(config)
    print(f"{segmenter.info.name} on {segmenter.info.provider}")
    listings = places.listings(segmenter.info)
    answers = Answers(listings, _facts(args, source, config, segmenter)) if listings else None
    if answers is not None and answers.begun_anew:
        print(f"{answers.path}: the interrupted run there had other options, so this one starts from the first photo")
    work = _Work(args, segmenter, asked, places, answers)
    try:
        # None: no bar where standard error is no terminal
        for photo in tqdm(photos, unit="photo", disable=len(photos) < 3 or None, dynamic_ncols=True):
            try:
                work.do(photo)
            except InputError as error:
                if not folder:
                    raise
                work.failed.append(photo)  # one bad file of a folder must not cost the others
                tqdm.write(f"{photo}: failed: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        if answers is not None:
            answers.finish(names, complete=False)
            print(
                f"{answers.done} of {len(photos)} done; {answers.path} holds them, and the same command goes on from "
                "here"
            )
        raise
    if answers is not None:
        answers.finish(names, complete=True)
    closing = [work.summary(len(photos), len(maps))] if folder else []
    if written := [str(path) for path in (args.output, args.save_masks, args.json) if path]:
        closing.insert(0, f"written: {', '.join(written)}")
    for line in [*work.table.legend(), *closing]:
        print(line)
    return 1 if work.failed else 0


class _Work:
    """What is done with each photo, and how it went."""

    def __init__(
        self, args: argparse.Namespace, segmenter: Segmenter, asked: Prompts, places: Places, answers: Answers | None
    ) -> None:
        self.table = Table(args.class_score_threshold)
        self.failed: list[Path] = []
        self._done_before = 0
        self._told: set[str] = set()  # doubts about the camera
        self._args, self._segmenter, self._asked, self._places, self._answers = args, segmenter, asked, places, answers

    def do(self, photo: Path) -> None:
        """Segments a photo, unless an interrupted run has done it.

        Raises:
            InputError: the photo or its depth cannot be read or segmented.
        """
        depth_path = find_depth(photo, self._args.depth)
        files = [photo, *([depth_path] if depth_path else [])]
        written = all(path.exists() for path in self._places.of(photo.name))
        if self._answers is not None and self._answers.has(photo, files) and written:
            self._done_before += 1
            return
        image = read_photo(photo)
        config, scale = self._segmenter.config, self._args.depth_scale
        depth = read_checked_depth(depth_path, scale, config.min_depth_m, config.max_depth_m) if depth_path else None
        turn = ExifTurn(photo, image)
        depth_m, camera = turn.depth(None if depth is None else depth.depth_m), turn.camera(self._args.intrinsics)
        answer = _segment(self._segmenter, image, depth_m, camera, self._asked)
        tqdm.write("\n".join(self.table.lines(str(photo), answer, self._asked)))
        doubts = [] if depth is None else depth.doubts(answer.instances, certain=scale > 0)
        if (doubt := turn.doubt(self._args.intrinsics)) not in self._told:
            self._told.add(doubt)  # once, since all photos of a camera would have it
            doubts.append(doubt)
        for doubt in filter(None, doubts):
            tqdm.write(f"{photo}: {doubt}", file=sys.stderr)
        self._places.write(photo.name, image, answer.instances)
        if self._answers is not None:
            results = results_of(answer.instances)
            for result, prompt in zip(results, answer.prompts, strict=False):  # without prompts there are none
                result["prompt"] = prompt_of(self._asked, prompt)
            self._answers.add(photo.name, files, answer.instances.size_hw, results)

    def summary(self, count: int, maps: int) -> str:
        """The closing line of a folder of `count` photos, beside which there are `maps` depth and label maps."""
        line = f"{count - len(self.failed)} of {count} done"
        if self._done_before:
            line += f" ({self._done_before} of them before)"
        if self.failed:
            names = ", ".join(photo.name for photo in self.failed[:5])
            line += f", {len(self.failed)} failed: {names}"
            line += f" and {len(self.failed) - 5} more" if len(self.failed) > 5 else ""
        if maps:
            line += f"; left out {maps} PNG of one channel with 16 bits, which hold depth or labels"
        return line


def _read_by(args: argparse.Namespace, source: Path, photos: Sequence[Path]) -> list[Path]:
    """Files and folders that the work reads."""
    depths = [args.depth] if args.depth else []
    if args.depth and args.depth.is_dir():
        depths = [path for path in args.depth.iterdir() if path.suffix.lower() in DEPTH_SUFFIXES]
    masks = [args.mask] if args.mask else []
    return [
        *([source] if source.is_dir() else []),
        *photos,
        *depths,
        *masks,
        *([Path(args.model)] if args.model else []),
    ]


def _facts(args: argparse.Namespace, source: Path, config: SaomConfig, segmenter: Segmenter) -> dict[str, Any]:
    """Everything that decides the answers: an interrupted run is only continued where all of it is the same."""
    model = Path(segmenter.info.path).stat()
    return {
        "input": str(source.resolve()),
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
    mask = None if args.mask is None else read_mask(args.mask)
    return Prompts.from_flat(points, boxes, negative, one_object=args.one_object, mask=mask)


def _segment(
    segmenter: Segmenter,
    image: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.floating] | None,
    camera: CameraIntrinsics | None,
    asked: Prompts,
) -> Segmentation:
    if len(asked):
        return segmenter.ask(image, asked, depth, camera)
    return segmenter.segment(image, depth, camera)
