"""`saom bench-teach`: how well a model is taught classes, tried on objects of a data set.

    saom collect --out data/teach --frames 600 --frames-per-scene 12 --seed 3000
    saom bench-teach --data data/teach --split all                      # --without-depth: taught without, met with
    saom collect --out data/twice --frames 240 --frames-per-scene 12 --seed 3000 --things-twice
    saom bench-teach --data data/twice --split all                      # taught in one room, met in another one, too
    saom bench-teach --photos photos/kitchen photos/office              # labelled photographs, see PHOTOS

Each object is taught by itself, by what `saom teach` does: some pictures with masks are its examples, the further ones
are a robot's frames. Where the data set tells that things stand in another room before another camera, these alone
are taught, and met in that room as well. Half of the rooms give the objects, the other half pictures without them: in
these no object of another class may get the name, and the trained classes must keep their figures, with each class
taught alone and with all of them taught to one file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.arguments import at_least
from saom_core.errors import InputError
from saom_core.everything import OnnxSegmenter
from saom_core.files import check_outputs, write_atomically
from saom_core.model_file.taught import TaughtClass
from saom_core.runtime import OnnxModel
from saom_core.teach.describing import KINDS, Describer
from saom_core.teach.examples import Example, Sight, look
from saom_core.teach.files import others_of
from saom_core.teach.teaching import TeachingError, learn

from ..data.annotations import decode_masks
from ..dataset import Dataset, Sample, evenly_spread
from ..figures.comparison import Comparison, GroundTruth
from .remembered import Remembered, RememberingClassifier
from .teaching.kept import KEPT, KeptFigures, kept_figures
from .teaching.photos import PHOTOS, bench_photos
from .teaching.shown import ShownObject, halves, shown_objects


@dataclass
class TeachingFigures:
    """What became of the objects."""

    objects: int = 0
    taught: int = 0
    mixed_sets: int = 0  # one of the examples is another object's
    mixed_sets_refused: int = 0
    next_views: int = 0  # further pictures that show a taught object
    found: int = 0  # such pictures in which the model has a mask of the object
    named: int = 0  # such pictures in which that mask has the object's name
    others: int = 0  # objects of other classes found in other rooms, once for each class that was taught
    others_named: int = 0
    crossed_found: int = 0  # as found, named, others and others_named, met without depth where taught with, or with
    crossed_named: int = 0  # where taught without
    crossed_others: int = 0
    crossed_others_named: int = 0
    elsewhere_views: int = 0  # pictures of another room, by another camera, that show a taught object
    elsewhere_found: int = 0
    elsewhere_named: int = 0
    crossed_elsewhere_found: int = 0
    crossed_elsewhere_named: int = 0


class Bench:
    """Teaches objects one by one.

    Args:
        model: to which they are taught.
        data: holds their pictures.
        others: pictures in which they are not.
        examples: of each object.
        by: how objects are described: `embedding`, else by looks.
        with_depth: whether they are taught with depth.
    """

    def __init__(
        self, model: OnnxModel, data: Dataset, others: Dataset, examples: int, by: str = "", with_depth: bool = True
    ) -> None:
        self._model, self._data, self._examples, self._with_depth = model, data, examples, with_depth
        classifier = RememberingClassifier()
        self._describe = Describer(None if by == "embedding" else classifier)
        self._asked = Remembered(model, classifier)
        samples = [others[row] for row in range(len(others))]  # read once, asked for with each class
        self._others = [(sample, GroundTruth.of(sample)) for sample in samples]
        self.figures = TeachingFigures()
        self.classes: list[TaughtClass] = []
        self._before: tuple[str, list[Sight]] | None = None  # class and sights of the object before

    def teach(self, shown: ShownObject) -> str:
        """Teaches one object and tries it; says what came of it."""
        figures, name = self.figures, f"taught {shown.name}"
        figures.objects += 1
        sights = self._sights(shown)
        self._mix(shown.class_name, sights)
        try:
            taught = self._learnt(name, sights)
        except TeachingError as error:
            return f"refused: {error}"
        figures.taught += 1
        self.classes.append(taught)
        return f"taught, {self._try(self._asked.segmenter([taught]), name, shown)}"

    def _learnt(self, name: str, sights: list[Sight]) -> TaughtClass:
        others = others_of(self._model, sights, [], [], self._describe)
        return learn(name, sights, others, self._describe.looks_sha256)

    def _depth(self, sample: Sample, *, crossed: bool = False) -> npt.NDArray[np.float32] | None:
        return sample.depth_m if self._with_depth != crossed else None

    def _sights(self, shown: ShownObject) -> list[Sight]:
        """What the model sees in the examples; those in which it does not see the object are left out."""
        sights = []
        for number, (row, rle) in enumerate(shown.views[: self._examples]):
            sample = self._data[row]
            mask = decode_masks([rle], sample.image_rgb.shape[:2])[0]
            try:
                example = Example(str(number), sample.image_rgb, mask, self._depth(sample))
                sights.append(look(self._model, example, self._describe))
            except InputError:
                continue
        return sights

    def _mix(self, class_name: str, sights: list[Sight]) -> None:
        """Whether these examples are refused with one of another class among them."""
        if self._before is not None and self._before[0] != class_name and len(sights) >= self._examples:
            mixed = [*sights[:-1], self._before[1][0]]
            self.figures.mixed_sets += 1
            try:
                self._learnt("mixed", mixed)
            except TeachingError:
                self.figures.mixed_sets_refused += 1
        if sights:
            self._before = class_name, sights

    def _try(self, segmenter: OnnxSegmenter, name: str, shown: ShownObject) -> str:
        figures, next_views = self.figures, shown.views[self._examples :]
        found, named = self._met(segmenter, name, next_views, crossed=False)
        figures.next_views += len(next_views)
        figures.found, figures.named = figures.found + found, figures.named + named
        crossed, crossed_named = self._met(segmenter, name, next_views, crossed=True)
        figures.crossed_found += crossed
        figures.crossed_named += crossed_named
        self._try_elsewhere(segmenter, name, shown)
        for sample, truth in self._others:
            called = self._called(segmenter, sample, truth, shown, crossed=False)
            figures.others, figures.others_named = (
                figures.others + len(called),
                figures.others_named + called.count(name),
            )
            called = self._called(segmenter, sample, truth, shown, crossed=True)
            figures.crossed_others += len(called)
            figures.crossed_others_named += called.count(name)
        return f"named in {named} of {found} further pictures where it was found"

    def _try_elsewhere(self, segmenter: OnnxSegmenter, name: str, shown: ShownObject) -> None:
        figures = self.figures
        figures.elsewhere_views += len(shown.elsewhere)
        found, named = self._met(segmenter, name, shown.elsewhere, crossed=False)
        figures.elsewhere_found += found
        figures.elsewhere_named += named
        crossed, crossed_named = self._met(segmenter, name, shown.elsewhere, crossed=True)
        figures.crossed_elsewhere_found += crossed
        figures.crossed_elsewhere_named += crossed_named

    def _met(
        self, segmenter: OnnxSegmenter, name: str, views: Sequence[tuple[int, dict[str, Any]]], *, crossed: bool
    ) -> tuple[int, int]:
        """In how many pictures the object is found, and in how many of them it has its name."""
        found = named = 0
        for row, rle in views:
            sample = self._data[row]
            mask = decode_masks([rle], sample.image_rgb.shape[:2])
            depth = self._depth(sample, crossed=crossed)
            names = _names(segmenter, sample.image_rgb, depth, GroundTruth(mask, ("",), sample.ignore))
            found += len(names)
            named += list(names.values()).count(name)
        return found, named

    def _called(
        self, segmenter: OnnxSegmenter, sample: Sample, truth: GroundTruth, shown: ShownObject, *, crossed: bool
    ) -> list[str]:
        """What the found objects of other classes in a picture are called."""
        names = _names(segmenter, sample.image_rgb, self._depth(sample, crossed=crossed), truth)
        return [given for k, given in names.items() if truth.class_names[k] != shown.class_name]


def _names(
    segmenter: OnnxSegmenter,
    image_rgb: npt.NDArray[np.uint8],
    depth_m: npt.NDArray[np.float32] | None,
    truth: GroundTruth,
) -> dict[int, str]:
    """What each object that is found (IoU .5) is called, by its row."""
    instances = segmenter.segment(image_rgb, depth_m).instances
    matches = Comparison.of(instances, truth).outcome(0.5).matches
    return {row: instances.class_names[k] for row, k in matches.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom bench-teach`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="data set with several pictures of each scene")
    what.add_argument("--photos", type=Path, nargs="+", help=PHOTOS)
    parser.add_argument(
        "--split", default="test", choices=("train", "val", "test", "all"), help="of --data (default: test)"
    )
    parser.add_argument("--model", default="", help="a saom-*.onnx file; empty: bundled saom-tiny")
    parser.add_argument("--by", default="", choices=KINDS, help="what describes objects, as of saom teach")
    parser.add_argument("--without-depth", action="store_true", help="teach without depth, and meet with it")
    parser.add_argument("--objects", type=at_least(1), default=50, help="--data: so many at most (default: 50)")
    parser.add_argument(
        "--examples", type=at_least(1), default=4, help="--data: pictures that teach an object (default: 4)"
    )
    parser.add_argument(
        "--other-pictures", type=at_least(1), default=40, help="--data: of other rooms, at most (default: 40)"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")


def run(args: argparse.Namespace) -> int:
    """`saom bench-teach`."""
    check_outputs([args.json], [Path(args.model)] if args.model else [])
    model = OnnxModel(args.model, "cpu", 0)
    if args.photos:
        photographs = bench_photos(model, args.photos, args.by, with_depth=not args.without_depth)
        if args.json:
            write_atomically(args.json, json.dumps(asdict(photographs), indent=1).encode())
        print(photographs.text())
        return 0
    taught_in, other_rooms = halves(Dataset.open(args.data, None if args.split == "all" else args.split))
    objects = shown_objects(taught_in, args.examples + 1)
    if not objects or not len(other_rooms):
        raise InputError(
            f"{args.data}: expected objects that {args.examples + 1} pictures show clearly, and a second scene, got "
            f"{len(objects)} objects: collect more --frames-per-scene, or choose another --split"
        )
    others = other_rooms.subset(evenly_spread(len(other_rooms), args.other_pictures))
    bench = Bench(model, taught_in, others, args.examples, args.by, with_depth=not args.without_depth)
    for k in tqdm(evenly_spread(len(objects), args.objects), unit="object", dynamic_ncols=True):
        tqdm.write(f"{objects[k].class_name}, {objects[k].name}: {bench.teach(objects[k])}")
    kept = kept_figures(model, bench.classes, others)
    if args.json:
        write_atomically(args.json, json.dumps({**asdict(bench.figures), "kept": asdict(kept)}, indent=1).encode())
    print(text_of(bench.figures, kept, len(others)))
    return 0


def text_of(figures: TeachingFigures, kept: KeptFigures, pictures: int) -> str:
    """The figures for people."""
    f = figures

    def changes(after: dict[str, float | None]) -> str:
        return ", ".join(f"{name} {_show(kept.untaught[name])} -> {_show(after[name])}" for name in KEPT)

    return "\n".join(
        (
            f"taught                        {f.taught} of {f.objects} objects, the others refused",
            f"one wrong picture among them  {f.mixed_sets_refused} of {f.mixed_sets} sets refused",
            f"further pictures of them      found in {f.found} of {f.next_views}, named {_share(f.named, f.found)}",
            f"objects of other classes      {_share(f.others_named, f.others)} of {f.others} got the name",
            f"met the other way             found {f.crossed_found}, named {_share(f.crossed_named, f.crossed_found)}; "
            f"of other classes {_share(f.crossed_others_named, f.crossed_others)} of {f.crossed_others}",
            *_elsewhere_text(f),
            f"one of them taught (mean)     {changes(kept.each_alone)} ({pictures} pictures of other rooms)",
            f"all taught to one file        {changes(kept.all_taught)}",
        )
    )


def _elsewhere_text(f: TeachingFigures) -> list[str]:
    if not f.elsewhere_views:
        return []
    named = _share(f.elsewhere_named, f.elsewhere_found)
    crossed = _share(f.crossed_elsewhere_named, f.crossed_elsewhere_found)
    return [
        f"met in another room           found in {f.elsewhere_found} of {f.elsewhere_views}, named {named}",
        f"there, met the other way      found {f.crossed_elsewhere_found}, named {crossed}",
    ]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
