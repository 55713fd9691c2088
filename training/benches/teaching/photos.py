"""`saom bench-teach --photos`: objects taught from some photographs, and met in another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.errors import InputError
from saom_core.masks import dense_ious
from saom_core.model_file.taught import TaughtClass
from saom_core.runtime import OnnxModel
from saom_core.teach.describing import Describer
from saom_core.teach.examples import AGREES_IOU, Example, Sight, look
from saom_core.teach.files import others_of
from saom_core.teach.teaching import MIN_EXAMPLES, TeachingError, learn

from ...photographs.labelled import FORM, Photograph, photographs_of
from ..remembered import Remembered, RememberingClassifier

PHOTOS = (
    f"instead of --data: photographs of one place each, {FORM}; an object that several photographs of a place show is "
    "taught from all but one of them and met in that one"
)


@dataclass
class PhotoFigures:
    """What became of the sets of examples: one for each object and photograph that it is met in."""

    by: str = ""
    with_depth: bool = True
    sets: int = 0
    taught: int = 0
    found: int = 0  # photographs in which a taught object is found, with depth as it was taught
    named: int = 0
    others: int = 0  # other objects that are found, once for each set
    others_named: int = 0
    crossed_found: int = 0  # the same without depth where taught with, and with where taught without
    crossed_named: int = 0
    crossed_others: int = 0
    crossed_others_named: int = 0

    def text(self) -> str:
        """For people."""
        taught = "with" if self.with_depth else "without"
        crossed = "without" if self.with_depth else "with"
        return "\n".join(
            (
                f"taught by {self.by} {taught} depth: {self.taught} of {self.sets} sets, the others refused",
                f"met {taught} depth: {self.named} of {self.found} found named right, {self.others_named} of "
                f"{self.others} other objects got the name",
                f"met {crossed} depth: {self.crossed_named} of {self.crossed_found} found named right, "
                f"{self.crossed_others_named} of {self.crossed_others} other objects got the name",
            )
        )


class PhotoBench:
    """Teaches the objects of some places one by one.

    Args:
        model: to which they are taught.
        by: how objects are described: `embedding`, else by looks.
        with_depth: whether they are taught with depth.
    """

    def __init__(self, model: OnnxModel, by: str, *, with_depth: bool) -> None:
        classifier = RememberingClassifier()
        self._model = model
        self._describe = Describer(None if by == "embedding" else classifier)
        self._asked = Remembered(model, classifier)
        self._sights: dict[tuple[str, int, int], Sight | None] = {}
        kind = "looks" if self._describe.looks_sha256 else "embedding"
        self.figures = PhotoFigures(by=kind, with_depth=with_depth)

    def meet(self, name: str, taught_in: Sequence[Photograph], met_in: Photograph, others: Sequence[Photograph]) -> str:
        """Teaches an object from some photographs and looks for it in another one; says what came of it.

        Args:
            name: of the object.
            taught_in: photographs that show it.
            met_in: another one.
            others: photographs of other places, in which it is not.
        """
        self.figures.sets += 1
        cuts = -(-MIN_EXAMPLES // len(taught_in))
        sights = [self._sight(photo, name, cut) for photo in taught_in for cut in range(cuts)]
        seen = [sight for sight in sights if sight is not None]
        try:
            rest = others_of(self._model, seen, [], [], self._describe)
            taught = learn(f"the {name}", seen, rest, self._describe.looks_sha256)
        except TeachingError as error:
            return f"refused: {error}"
        self.figures.taught += 1
        for crossed in (False, True):
            self._count(taught, name, [met_in, *others], crossed=crossed)
        return "taught"

    def _sight(self, photo: Photograph, name: str, cut: int) -> Sight | None:
        label = next(label for label, known in photo.objects.items() if known == name)
        key = photo.name, label, cut
        if key not in self._sights:
            view = photo.view(cut)
            depth = view.depth_m if self.figures.with_depth else None
            example = Example(f"{photo.name}, cut {cut}", view.image_rgb, view.labels == label, depth)
            try:
                self._sights[key] = look(self._model, example, self._describe)
            except InputError:  # the model does not see it
                self._sights[key] = None
        return self._sights[key]

    def _count(self, taught: TaughtClass, name: str, photos: Sequence[Photograph], *, crossed: bool) -> None:
        """Who gets the name; the first photograph shows the object, the others show others alone."""
        found = named = others = wrong = 0
        for number, photo in enumerate(photos):
            depth = photo.depth_m if self.figures.with_depth != crossed else None
            for what, called in self._names(taught, photo, depth):
                if what == name and number == 0:
                    found, named = found + 1, named + (called == taught.name)
                else:
                    others, wrong = others + 1, wrong + (called == taught.name)
        prefix = "crossed_" if crossed else ""
        for key, count in (("found", found), ("named", named), ("others", others), ("others_named", wrong)):
            setattr(self.figures, prefix + key, getattr(self.figures, prefix + key) + count)

    def _names(
        self, taught: TaughtClass, photo: Photograph, depth_m: npt.NDArray[np.floating] | None
    ) -> list[tuple[str, str]]:
        """Each labelled object that is found (IoU .5), and what it is called."""
        instances = self._asked.segmenter([taught]).segment(photo.image_rgb, depth_m).instances
        masks = [mask.dense(instances.size_hw) for mask in instances.masks]
        pairs = []
        for label, what in photo.objects.items():
            truth = photo.labels == label
            ious = dense_ious(truth, masks)
            if ious.size and ious.max() >= AGREES_IOU:
                pairs.append((what, instances.class_names[int(np.argmax(ious))]))
        return pairs


def bench_photos(model: OnnxModel, places: Sequence[Path], by: str, *, with_depth: bool) -> PhotoFigures:
    """Each object that several photographs of a place show, met in each of them after the others taught it.

    Raises:
        InputError: no photographs, or none that share an object.
    """
    bench = PhotoBench(model, by, with_depth=with_depth)
    groups = [photographs_of(place) for place in places]
    sets = []
    for number, group in enumerate(groups):
        elsewhere = [photo for k, other in enumerate(groups) if k != number for photo in other]
        showing: dict[str, list[Photograph]] = defaultdict(list)
        for photo in group:
            for name in photo.objects.values():
                showing[name].append(photo)
        sets += [
            (name, [other for other in photos if other is not photo], photo, elsewhere)
            for name, photos in showing.items()
            for photo in photos
            if len(photos) > 1
        ]
    if not sets:
        raise InputError("expected objects that two photographs of a place show, got none")
    for name, taught_in, met_in, elsewhere in tqdm(sets, unit="set", dynamic_ncols=True):
        tqdm.write(f"{name} in {met_in.name}: {bench.meet(name, taught_in, met_in, elsewhere)}")
    return bench.figures
