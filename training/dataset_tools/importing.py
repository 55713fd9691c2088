"""What every import shares: pictures and outlines that people drew become a data set, and nothing is lost in silence.

A reader of a format (`coco`, `panoptic`, `yolo`, `labelme`, `voc`) lists pictures and what is drawn on them;
`import_pictures` makes frames of them. An annotation or a picture that is broken is skipped, counted and listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from tqdm import tqdm

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.files import write_atomically
from saom_core.instances import MaskCrop
from saom_core.pictures.orientation import upright, upright_camera

from ..data.annotations import is_too_small
from ..data.frames import SPLITS, MaskedFrame, MaskedObject, Split
from ..data.index import Index
from ..data.paths import inside, quick_digest_of
from ..data.shards import MAX_FRAMES_PER_EPISODE, checked_info, checked_shard, read_shard, shard_name
from ..dataset import DatasetWriter, only_writer
from .depth import DepthFiles
from .outlines import OutlineFault, mask_of
from .photos import drawn_upright, read_whole

EVERY = 10
"""One scene in so many is for validation and one for the test, where the file does not say which."""
LISTED = "import.txt"
"""File in the data set that lists what was skipped or changed, a line each."""
PROBES = 100
"""At least one of the first so many pictures must be there, or the folder is the wrong one."""
CROWDS = ("ignore", "objects")
"""What becomes of a crowd of a class: pixels that are not asked about, or an object as any other."""
NAMELESS = "picture skipped: its name is none of a file"
TWICE = "picture that two files of annotations name: the first one counts"
LEAST_INSIDE = 0.5  # share of a part's mask that must lie in the mask of the whole it is given to


@dataclass(frozen=True)
class Drawn:
    """One annotation."""

    key: Any  # its number or name in the file: what a part refers to, and what people are told
    class_name: str  # "": pixels of which nobody has said what they are, always a crowd
    outline: Any  # see `outlines.mask_of`
    crowd: bool = False  # no instance: pixels that must not be asked about
    part_of: Any = None  # key of the whole


@dataclass(frozen=True)
class Listed:
    """One picture that a file lists."""

    file_name: str  # in the folder of pictures
    drawn: Callable[[], Iterable[Drawn]]  # called when the picture is read
    told_hw: tuple[float, float] | None = None  # what outlines are drawn on; None: the picture as it is shown
    shares: bool = False  # outlines are shares of width and height, `told_hw` is not used
    scene: str = ""  # "": the picture is a scene of its own
    split: Split | None = None
    camera: Mapping[str, float] | None = None  # fx, fy, cx, cy in pixels of what outlines are drawn on
    depth_file_name: str = ""  # of its depth, where the file tells it


@dataclass
class Source:
    """All that a file of annotations tells."""

    info: dict[str, Any]  # for dataset.json; all that was read of annotations must change it (see `digest_of`)
    class_names: Sequence[str]
    pictures: Sequence[Listed]
    faults: list[tuple[str, str]] = field(default_factory=list)  # reason and line of what belongs to no picture


@dataclass
class Report:
    """What became of it."""

    pictures: int = 0
    objects: int = 0
    parts: int = 0
    told: Counter[str] = field(default_factory=Counter)  # reason -> how often

    def text(self, out: Path) -> str:
        """The summary for the terminal; its last lines tell what was not taken as it was."""
        parts = f" and {self.parts} parts" if self.parts else ""
        lines = [f"{self.pictures} pictures with {self.objects} objects{parts} are in {out}"]
        lines += [f"  {count} x {reason}" for reason, count in self.told.most_common()]
        return "\n".join(lines + ([f"each of these is listed in {out / LISTED}"] if self.told else []))


@dataclass
class _Notes:
    """What is to be told of the pictures of an episode."""

    told: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, reason: str, where: str, detail: str = "") -> None:
        self.told[reason] += 1
        self.lines.append(f"{where}: {reason}" + (f": {detail}" if detail else ""))


def import_pictures(
    source: Source,
    images: Path,
    out: Path,
    depth: Path | None = None,
    parts: Sequence[str] = (),
    crowds: str = CROWDS[0],
    depth_scale: float = 0.0,
    scene_prefix: str = "",
    quiet: bool = False,
) -> Report:
    """Makes a data set; an import that was killed goes on when it is asked for again.

    Masks stay whole where they overlap. Objects smaller than the data set's least size, and crowds, become pixels that
    are not asked about.

    Args:
        source: what to import.
        images: folder that the pictures' names start from.
        out: folder of the new data set.
        depth: folder with a depth picture for each (see `DepthFiles`); None: pictures that tell of depth have it
            in the folder of the pictures, the others have none.
        parts: classes that are parts (lid, handle): each becomes a part of the smallest object around it.
        crowds: one of `CROWDS`.
        depth_scale: metres per unit of the depth pictures; 0: integers are millimetres, floats are metres.
        scene_prefix: stands before the name of every scene, so that sets whose pictures are called alike can be merged.
        quiet: no progress bar.

    Raises:
        InputError: No picture is where it should be, or none can be taken, a class of `parts` does not exist, or `out`
            holds something else.
    """
    source = _once_each(source, scene_prefix)
    unknown = sorted(set(parts) - set(source.class_names))
    if unknown:
        raise InputError(f"expected parts of the classes {sorted(source.class_names)}, got {', '.join(unknown)}")
    _check_folder(source.pictures, images, lambda one: inside(images, one.file_name))
    depths = DepthFiles(depth, images, [(one.file_name, one.depth_file_name) for one in source.pictures], depth_scale)
    if depth is not None:
        _check_folder(source.pictures, depth, lambda one: depths.path(one.file_name, one.depth_file_name))
    info = {**source.info, "class_names": list(source.class_names), "overlaps": True}
    info = {**info, "parts": sorted(parts)} if parts else info
    info = {**info, "depth": depth.resolve().name} if depth is not None else info
    info = {**info, "depth_scale": depth_scale} if depth_scale else info
    info = {**info, "scene_prefix": scene_prefix} if scene_prefix else info
    info = {**info, "crowds": crowds} if crowds != CROWDS[0] else info
    info = {**info, "files": quick_digest_of(_files(source.pictures, images, depths))}
    checked_info(out, info)
    report = Report(told=Counter(reason for reason, _ in source.faults))
    with only_writer(out), tqdm(total=len(source.pictures), unit="picture", desc="import", disable=quiet) as bar:
        writer = DatasetWriter(out, info)
        done = writer.done()
        _append(out / LISTED, [line for _, line in source.faults])
        for index, (split, pictures) in enumerate(_episodes(source.pictures)):
            if index not in done:
                notes = _Notes()
                made = (_frame(one, split, images, depths, parts, crowds, notes) for one in pictures)
                frames = [frame for frame in made if frame is not None]
                _append(out / LISTED, notes.lines)
                writer.write_episode(index, frames, notes.told)
            _count(report, read_shard(out / shard_name(index)))
            bar.update(len(pictures))
        _tidy(out / LISTED)
        Index(out, checked_shard)  # so that a large set opens at once
    if not report.pictures:
        raise InputError(
            f"expected pictures that can be taken, got none of {len(source.pictures)}: mend what is told here, and "
            f"import into another folder: {report.text(out)}"
        )
    return report


def _once_each(source: Source, scene_prefix: str) -> Source:
    """The source with each picture once (two files of annotations may name the same), in scenes of such names."""
    pictures: dict[str, Listed] = {}
    faults = list(source.faults)
    for one in source.pictures:
        if PurePath(one.file_name).name in ("", ".."):
            faults.append((NAMELESS, f"{one.file_name!r}: {NAMELESS}"))
        elif pictures.setdefault(one.file_name, one) is not one:
            faults.append((TWICE, f"{one.file_name}: {TWICE}"))
    listed = [replace(one, scene=scene_prefix + _scene(one)) for one in pictures.values()]
    return replace(source, pictures=listed, faults=faults)


def _files(pictures: Sequence[Listed], images: Path, depths: DepthFiles) -> Iterator[tuple[str, Path | None]]:
    """Name and path of each picture and of its depth; None where there is none, or it leads out of the folder."""
    for one in pictures:
        with suppress(InputError):  # told when its turn comes
            yield one.file_name, inside(images, one.file_name)
        with suppress(InputError):
            yield one.file_name, depths.path(one.file_name, one.depth_file_name)


def _check_folder(pictures: Sequence[Listed], folder: Path, path_of: Callable[[Listed], Path | None]) -> None:
    """Raises InputError where not one of the first pictures' files is there: nothing is wrong with all of them."""
    missing = ""
    for one in pictures[:PROBES]:
        try:
            path = path_of(one)
            if path is not None and path.is_file():
                return
            missing = missing or one.file_name
        except InputError:  # leads out of the folder: told when its turn comes
            continue
    if missing:
        raise InputError(
            f"expected the pictures that the file lists in {folder}, such as {missing}, found none of them: give the "
            "folder that their names start from with --images (or --depth)"
        )


def _episodes(pictures: Sequence[Listed]) -> Iterator[tuple[Split, list[Listed]]]:
    """Pictures of a scene, `MAX_FRAMES_PER_EPISODE` at most, and the split where the file does not say."""
    ordered = sorted(pictures, key=lambda one: (_scene(one), one.file_name))
    for number, (_, group) in enumerate(groupby(ordered, key=_scene)):
        split: Split = {EVERY - 2: SPLITS[1], EVERY - 1: SPLITS[2]}.get(number % EVERY, SPLITS[0])
        of_scene = list(group)
        for start in range(0, len(of_scene), MAX_FRAMES_PER_EPISODE):
            yield split, of_scene[start : start + MAX_FRAMES_PER_EPISODE]


def _scene(one: Listed) -> str:
    scene = one.scene or str(Path(one.file_name).with_suffix(""))
    return scene.encode(errors="backslashreplace").decode()  # half of a pair of surrogates cannot be stored


def _frame(
    one: Listed, split: Split, images: Path, depths: DepthFiles, parts: Sequence[str], crowds: str, notes: _Notes
) -> MaskedFrame | None:
    """A picture, or None if it is skipped."""
    try:
        photo = read_whole(inside(images, one.file_name))
        drawn = list(one.drawn())
        # masks that are pictures have a size of their own, whatever the file tells
        masks_hw = next((item.outline.shape for item in drawn if isinstance(item.outline, np.ndarray)), None)
        told_hw = (1.0, 1.0) if one.shares else masks_hw or one.told_hw or photo.upright_hw
        is_upright = one.shares or drawn_upright(photo, told_hw)
    except InputError as error:
        notes.add("picture skipped", one.file_name, str(error))
        return None
    if crowds == "objects":
        drawn = [replace(item, crowd=not item.class_name) for item in drawn]
    drawn_hw = photo.upright_hw if is_upright else photo.stored_hw
    if not one.shares and drawn_hw != told_hw:
        told, found = (f"{width:g}x{height:g}" for height, width in (told_hw, drawn_hw))
        notes.add("picture of another size than the file tells: outlines scaled", one.file_name, f"{told} to {found}")
    if photo.deep:
        notes.add("picture of 16 bits: its upper eight are taken", one.file_name)
    if photo.orientation != 1:
        how = "as it is shown" if is_upright else "on its stored pixels"
        notes.add("picture turned upright by its EXIF data", one.file_name, f"outlines were drawn {how}")
    masks = list(_masks(one, drawn, told_hw, drawn_hw, notes))
    if not is_upright:
        masks = [(item, upright(mask, photo.orientation)) for item, mask in masks]
    camera = _camera(one.camera, told_hw, drawn_hw)
    depth_m, fault = depths.read(one.file_name, one.depth_file_name, photo)
    if fault is not None:
        notes.add(fault[0], one.file_name, fault[1])
    ignore = np.zeros(photo.upright_hw, bool)
    for item, mask in masks:
        if item.crowd:
            ignore |= mask
    return MaskedFrame(
        image_rgb=upright(photo.stored_rgb, photo.orientation),
        depth_m=depth_m,
        objects=_objects([pair for pair in masks if not pair[0].crowd], parts, one.file_name, notes),
        ignore=ignore,
        camera=camera if is_upright else upright_camera(camera, photo.orientation),
        pose=np.eye(4),
        scene=_scene(one),
        split=one.split or split,
    )


def _camera(
    told: Mapping[str, float] | None, told_hw: tuple[float, float], drawn_hw: tuple[int, int]
) -> CameraIntrinsics:
    """The camera of a picture of the size `drawn_hw`, by what the file tells of one of `told_hw`; else 60 degrees."""
    height, width = drawn_hw
    if told is None:
        focal = width / (2 * np.tan(np.deg2rad(30)))
        return CameraIntrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    by_y, by_x = height / told_hw[0], width / told_hw[1]
    fx, fy, cx, cy = (float(told[name]) for name in ("fx", "fy", "cx", "cy"))
    # pixels are counted from the centre of the first one, and edges of pictures lie half a pixel outside
    return CameraIntrinsics(fx * by_x, fy * by_y, (cx + 0.5) * by_x - 0.5, (cy + 0.5) * by_y - 0.5, width, height)


def _masks(
    one: Listed, drawn: Iterable[Drawn], told_hw: tuple[float, float], size_hw: tuple[int, int], notes: _Notes
) -> Iterator[tuple[Drawn, np.ndarray]]:
    """Annotations with their masks, without those that are broken or there twice."""
    seen: dict[tuple[str, bool, bytes], Any] = {}
    for item in drawn:
        where = f"{one.file_name}, annotation {item.key}"
        try:
            mask = mask_of(item.outline, told_hw, size_hw)
        except OutlineFault as fault:
            notes.add("annotation skipped", where, str(fault))
            continue
        twin = seen.setdefault((item.class_name, item.crowd, np.packbits(mask).tobytes()), item.key)
        if twin is not item.key and item.class_name:
            notes.add("annotation skipped", where, f"the same mask and class as annotation {twin}")
            continue
        if is_too_small(int(mask.sum()), size_hw) and not item.crowd:
            notes.add("object too small: its pixels are not asked about", where, f"{mask.sum()} pixels")
        if item.crowd and item.class_name:
            notes.add("crowd: its pixels are not asked about (if it is an object: --crowds objects)", where)
        yield item, mask


def _objects(
    masks: Sequence[tuple[Drawn, np.ndarray]], parts: Sequence[str], file_name: str, notes: _Notes
) -> tuple[MaskedObject, ...]:
    """Whole objects and their parts; who is told to be a part but has no whole is an object."""
    places = {item.key: place for place, (item, _) in enumerate(masks)}
    part_of: list[int | None] = []
    for place, (item, mask) in enumerate(masks):
        whole = _told_whole(item, masks, places)
        if whole is None and item.class_name in parts:
            whole = _smallest_around(mask, masks, parts)
        if whole == place:
            whole = None
        if whole is None and (item.part_of is not None or item.class_name in parts):
            notes.add("part without a whole: it is an object", f"{file_name}, annotation {item.key}")
        part_of.append(whole)
    return tuple(
        MaskedObject(item.class_name, item.class_name, MaskCrop.from_dense(mask), whole)
        for (item, mask), whole in zip(masks, part_of, strict=True)
    )


def _smallest_around(mask: np.ndarray, masks: Sequence[tuple[Drawn, np.ndarray]], parts: Sequence[str]) -> int | None:
    """Place of the smallest whole object that holds at least half of a part's mask."""
    least = LEAST_INSIDE * np.count_nonzero(mask)
    wholes = {
        k: other for k, (item, other) in enumerate(masks) if item.class_name not in parts and item.part_of is None
    }
    held = [k for k, other in wholes.items() if np.count_nonzero(other & mask) >= least]
    return min(held, key=lambda k: int(np.count_nonzero(wholes[k])), default=None)


def _told_whole(item: Drawn, masks: Sequence[tuple[Drawn, np.ndarray]], places: Mapping[Any, int]) -> int | None:
    """Place of the whole that the file tells of a part; of a part of a part the whole of all."""
    place, seen = places.get(item.part_of) if item.part_of is not None else None, set()
    while place is not None and masks[place][0].part_of is not None:
        if place in seen:  # parts of each other
            return None
        seen.add(place)
        place = places.get(masks[place][0].part_of)
    return place


def _count(report: Report, shard: Mapping[str, Any]) -> None:
    """Adds an episode, made now or before an interruption."""
    wholes = sum(entry["part_of"] is None for entry in shard["annotations"])
    report.pictures += len(shard["images"])
    report.objects += wholes
    report.parts += len(shard["annotations"]) - wholes
    report.told.update(shard.get("skipped", {}))


def _append(path: Path, lines: Sequence[str]) -> None:
    if lines:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(line.replace("\n", " ") + "\n" for line in lines)


def _tidy(path: Path) -> None:
    """The list with each line once: an import that was killed after a line, before its episode, lists it again."""
    if path.is_file():
        lines = dict.fromkeys(path.read_text(encoding="utf-8").splitlines())
        write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
