"""`saom segment clip.mp4` and `saom segment 0`: the objects of a video or of a camera, each with an id that it keeps.

What is written grows with the frames. Ctrl-C ends it with all that was done: for a camera that is how it ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_cli.answers import Answers
from saom_cli.listings import line_of
from saom_cli.outputs import Places, check_places, check_suffix, results_of
from saom_core.arguments import config_from
from saom_core.errors import InputError
from saom_core.files import check_output
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.naming.track_looks import NamedStream
from saom_core.overlay import draw_overlay, name_and_score
from saom_core.pictures.videos import Frame, Video, VideoWriter, check_video_output
from saom_core.segmenter import Segmenter

MOST_ROWS = 20
"""Objects that are listed in the end, those that were seen longest."""


def run_video(args: argparse.Namespace, source: Path | int) -> int:
    """`saom segment` of a video file or a camera."""
    _refuse_what_is_for_photos(args)
    config = config_from(args)
    with ExitStack() as stack:
        video = stack.enter_context(Video(source))
        overlay = _overlay_place(args)
        places = _check(args, source, overlay)
        segmenter = load_segmenter(config)
        print(f"{segmenter.info.name} on {segmenter.info.provider}: {_said(video)}")
        sink = _Sink(args, stack, video, overlay, places, segmenter)
        interrupted = False
        try:
            for frame, instances in _answered(args, video, segmenter):
                sink.add(frame, instances)
        except KeyboardInterrupt:
            interrupted = True
        sink.finish()
    for line in sink.summary(video):
        print(line)
    if interrupted and not video.is_camera:
        raise KeyboardInterrupt
    if video.is_cut and args.limit is None and not interrupted:
        raise InputError(
            f"{video.name}: expected {video.frame_count} frames, got {video.frames_read}, and then something that is "
            "none: the file is cut or damaged there; copy it again"
        )
    return 0


def _answered(args: argparse.Namespace, video: Video, segmenter: Segmenter) -> Iterator[tuple[Frame, Instances]]:
    stream = NamedStream(segmenter, live=video.is_camera)
    total = video.frame_count if args.limit is None else min(args.limit, video.frame_count or args.limit)
    for frame in tqdm(video, total=total, unit="frame", disable=None, dynamic_ncols=True):
        yield frame, stream.update(frame.image_rgb, frame.stamp_s)
        if frame.index + 1 == args.limit:
            return


@dataclass
class _Seen:
    """What is said of an object in the end."""

    name: str
    frames: int
    first_s: float
    last_s: float


class _Sink:
    """Writes the answers of the frames as they come."""

    def __init__(
        self,
        args: argparse.Namespace,
        stack: ExitStack,
        video: Video,
        overlay: Path | None,
        places: Places,
        segmenter: Segmenter,
    ) -> None:
        self._seen: dict[int, _Seen] = {}
        self._file_name = video.name if video.is_camera else Path(video.name).name
        self._film = None if overlay is None else stack.enter_context(VideoWriter(overlay, video.fps))
        self._places = places
        self._labels = _labels_folder(args)
        self._masks: Path | None = args.save_masks
        self._names: list[str] = []
        self._lines: TextIO | None = None
        if args.json is not None and args.json.suffix.lower() == ".jsonl":
            self._lines = stack.enter_context(args.json.open("w"))
            places = replace(places, json=None)  # it is written here, frame by frame
        listings = places.listings(segmenter.info)
        self._answers = Answers(listings, None) if listings else None
        self.written = [path for path in (overlay, self._labels, self._masks, places.coco, args.json) if path]

    def add(self, frame: Frame, instances: Instances) -> None:
        """The answer of the next frame."""
        name = f"{frame.index:06d}.png"
        for k, track_id in enumerate(instances.track_ids.tolist()):
            seen = self._seen.setdefault(track_id, _Seen("", 0, frame.stamp_s, frame.stamp_s))
            seen.name, seen.last_s, seen.frames = instances.class_names[k], frame.stamp_s, seen.frames + 1
        if self._film is not None:
            self._film.add(_overlay(frame.image_rgb, instances), frame.stamp_s)
        of_frame = Places(
            labels={name: self._labels / name} if self._labels else {},
            masks={name: self._masks / name.removesuffix(".png")} if self._masks else {},
        )
        of_frame.write(name, frame.image_rgb, instances)
        if self._lines is None and self._answers is None:
            return
        results = results_of(instances)
        for result, track_id in zip(results, instances.track_ids.tolist(), strict=True):
            result["track_id"] = track_id
        told = {"file_name": self._file_name, "time_s": round(frame.stamp_s, 4)}
        if self._lines is not None:
            entry: dict[str, Any] = {"photo": name, "size": instances.size_hw, **told, "results": results}
            self._lines.write(line_of(frame.index, entry))
            self._lines.flush()
        if self._answers is not None:
            self._answers.add(name, [], instances.size_hw, results, **told)
            self._names.append(name)

    def finish(self) -> None:
        """Writes what needs all frames."""
        if self._answers is not None:
            self._answers.finish(self._names, complete=True)

    def summary(self, video: Video) -> list[str]:
        """The closing lines: the objects that were seen longest, and where everything is."""
        rows = sorted(self._seen.items(), key=lambda item: -item[1].frames)
        lines = [
            f"  id {track_id:<5d} {(seen.name or 'object')[:24]:24s} {seen.frames:6d} frames, "
            f"{seen.first_s:.1f} to {seen.last_s:.1f} s"
            for track_id, seen in rows[:MOST_ROWS]
        ]
        if len(rows) > MOST_ROWS:
            lines.append(f"  and {len(rows) - MOST_ROWS} more")
        where = f"; written: {', '.join(map(str, self.written))}" if self.written else ""
        frames, objects = video.frames_read, len(rows)
        lines.append(
            f"{frames} frame{'' if frames == 1 else 's'} done, {objects} object{'' if objects == 1 else 's'}{where}"
        )
        return lines


def _overlay(image_rgb: npt.NDArray[np.uint8], instances: Instances) -> npt.NDArray[np.uint8]:
    """The frame with its objects and their ids."""
    labels = [f"{track_id} {name_and_score(instances, k)}" for k, track_id in enumerate(instances.track_ids)]
    return draw_overlay(image_rgb, instances, labels=labels)


def _refuse_what_is_for_photos(args: argparse.Namespace) -> None:
    """Options that a video cannot have.

    Raises:
        InputError: one of them is given.
    """
    for name in ("depth", "intrinsics", "mask"):
        if getattr(args, name) is not None:
            raise InputError(
                f"expected no --{name} with a video, got one: videos have no depth; segment photos, or a recording of "
                "ROS with `saom replay`"
            )
    for name in ("point", "box", "negative_point", "one_object"):
        if getattr(args, name):
            raise InputError(
                f"expected no --{name.replace('_', '-')} with a video, got one: the same pixel shows another thing in "
                "each frame; leave it out, all objects have ids"
            )


def _overlay_place(args: argparse.Namespace) -> Path | None:
    """The film to write."""
    if args.output is None or "overlay" not in args.format:
        return None
    return args.output / "overlay.mp4" if len(set(args.format)) > 1 else args.output


def _labels_folder(args: argparse.Namespace) -> Path | None:
    if args.output is None or "labels" not in args.format:
        return None
    return args.output / "labels" if len(set(args.format)) > 1 else args.output


def _check(args: argparse.Namespace, source: Path | int, overlay: Path | None) -> Places:
    """Refuses what could not be written; makes the folders; tells where the JSON files go."""
    if args.format == ["labels"] and args.output is not None and args.output.suffix:
        raise InputError(f"expected a folder for the label images of a video, such as labels, got {args.output}")
    several = len(set(args.format)) > 1
    coco = None
    if args.output is not None and "coco" in args.format:
        coco = args.output / "coco.json" if several else args.output
    places = Places(coco=coco, json=args.json)
    read = [*([] if isinstance(source, int) else [source]), *([Path(args.model)] if args.model else [])]
    check_places(args, places, read, folder=several or args.format == ["labels"], video=True)
    if overlay is not None:
        check_video_output(overlay)
        check_output(overlay, read)
    if coco is not None and not several:
        check_suffix(coco, "coco")
    for folder in (_labels_folder(args), args.save_masks):
        if folder is not None:
            check_output(folder, read, folder=True)
    return places


def _said(video: Video) -> str:
    count = f"{video.frame_count} frames" if video.frame_count else "until Ctrl-C" if video.is_camera else "frames"
    return f"{video.name}, {count} at {video.fps:.4g} frames/s"
