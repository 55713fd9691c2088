"""`saom bench-tracks`: whether objects keep their ids while they are hidden, carried, gone, or the camera moves.

    saom bench-tracks                         # the bundled model, RGB-D, and true masks; some minutes
    saom bench-tracks --seeds 1 --json figures.json

Films of simulated table-tops (training/simulators/rooms/sequences.py) are tracked by today's tracker, and by the one
before it, which knew the overlap of masks alone. Poses given to the tracker are as inexact as those of a robot's arm.
An object counts in a frame that shows it well; masks of others, and of the hand, are left out of the figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saom_core.arguments import at_least, pair
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.files import check_outputs, write_atomically
from saom_core.geometry.depth import clean_depth
from saom_core.instances import Instances, MaskCrop
from saom_core.places.measure import measure
from saom_core.tracking.evidence import mask_ious
from saom_core.tracking.tracker import Tracker

from ..data.frames import Frame
from ..figures.identity import FOUND_IOU, IdentityFigures, TrackedFrame, identity_figures
from ..simulators.rooms.sequences import CLEAR_AREA, FRAMES, HAND, KINDS, RATE_HZ, film
from .overlap_tracker import OverlapTracker

CLEAR_SHARE = 0.3
"""An object counts in a frame that shows this share of its surface and covers `CLEAR_AREA` of the picture."""
SEEN_PX = 60
"""A true mask has so many pixels at least."""
POSE_ERROR_M, POSE_ERROR_RAD = 0.003, 0.003
"""Standard deviation of a pose, along and about each axis."""

Track = Callable[[Instances, float, CameraIntrinsics, npt.NDArray[np.float64] | None], Instances]
"""`Tracker.update`."""


@dataclass(frozen=True)
class Watched:
    """A film, and what is seen in its frames: by the model, and in truth."""

    kind: str
    frames: list[Frame]
    found: list[Instances]  # by the model
    true: list[Instances]


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    kind: str
    masks: str  # "model" or "true"
    before: IdentityFigures
    now: IdentityFigures


def watch(kind: str, seed: int, segmenter: OnnxSegmenter, size_hw: tuple[int, int], frames: int) -> Watched:
    """Makes a film and segments it."""
    shots = film(kind, seed, size_hw, frames)
    found = [segmenter.segment(shot.image_rgb, shot.depth_m, shot.camera).instances for shot in shots]
    return Watched(kind, shots, found, [true_instances(*both) for both in zip(shots, found, strict=True)])


def true_instances(frame: Frame, found: Instances) -> Instances:
    """All objects of a frame; one that the model has found has the descriptor that the model gave it."""
    ids, counts = np.unique(frame.object_ids[frame.object_ids >= 0], return_counts=True)
    masks = [MaskCrop.from_dense(frame.object_ids == k) for k in ids[counts >= SEEN_PX]]
    descriptors = None
    if found.descriptors is not None:
        ious = mask_ious(masks, found.masks, FOUND_IOU)
        descriptors = np.zeros((len(masks), found.descriptors.shape[1]), np.float32)  # zeros: unknown
        for row in np.flatnonzero(ious.max(axis=1, initial=0) > 0).tolist():
            descriptors[row] = found.descriptors[ious[row].argmax()]
    true = Instances.from_masks(found.size_hw, masks, np.ones(len(masks), np.float32), descriptors=descriptors)
    config = SaomConfig()
    return measure(true, clean_depth(frame.depth_m, config.min_depth_m, config.max_depth_m), None)


def tracked_frames(
    watched: Watched, instances: Sequence[Instances], track: Track, posed: bool
) -> Iterator[TrackedFrame]:
    """What a tracker makes of a film.

    Args:
        watched: the film.
        instances: of its frames.
        track: the tracker.
        posed: whether it is told the poses.
    """
    rng = np.random.default_rng(0)
    for number, (frame, seen) in enumerate(zip(watched.frames, instances, strict=True)):
        pose = _inexact(frame.pose, rng) if posed else None
        tracked = track(seen, number / RATE_HZ, frame.camera, pose)
        yield _compared(frame, tracked)


def _compared(frame: Frame, tracked: Instances) -> TrackedFrame:
    """Objects that count, and the tracks that are not of other objects."""
    areas = np.bincount(frame.object_ids[frame.object_ids >= 0], minlength=len(frame.objects))
    counts = np.array(
        [
            areas[k] >= CLEAR_AREA * frame.object_ids.size and one.visible >= CLEAR_SHARE and one.style != HAND
            for k, one in enumerate(frame.objects)
        ]
    )
    there = np.flatnonzero(areas)
    masks = [MaskCrop.from_dense(frame.object_ids == k) for k in there]
    ious = mask_ious(masks, tracked.masks, 0.0)
    kept = np.zeros(len(tracked), bool)
    # of the object that it covers most of all, as a mask of a half-hidden thing is no error
    for column, mask in enumerate(tracked.masks):
        inside = frame.object_ids[mask.window][mask.crop]
        shares = np.bincount(inside[inside >= 0], minlength=len(frame.objects)) / mask.area
        owner = int(shares.argmax())
        kept[column] = counts[owner] or shares[owner] < 0.5 or bool((ious[counts[there], column] >= FOUND_IOU).any())
    return TrackedFrame(there[counts[there]].tolist(), tracked.track_ids[kept].tolist(), ious[counts[there]][:, kept])


def _inexact(pose: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A pose as a robot knows it."""
    x, y, z = rng.normal(0, POSE_ERROR_RAD, 3)
    turned = np.eye(4)
    turned[:3, :3] += [[0, -z, y], [z, 0, -x], [-y, x, 0]]
    turned[:3, 3] = rng.normal(0, POSE_ERROR_M, 3)
    return pose @ turned


def lines_of(films: Sequence[Watched]) -> list[Line]:
    """Figures of both trackers, for each kind of film and of masks."""
    figures: dict[tuple[str, str], list[IdentityFigures]] = {}
    for watched in films:
        for posed in (True, False) if watched.kind == "camera" else (False,):
            kind = f"{watched.kind}, pose known" if posed else watched.kind
            for masks, instances in (("model", watched.found), ("true", watched.true)):
                sums = figures.setdefault((kind, masks), [IdentityFigures(), IdentityFigures()])
                for row, track in enumerate((_overlap_only(), Tracker().update)):
                    sums[row] += identity_figures(tracked_frames(watched, instances, track, posed))
    return [Line(kind, masks, *sums) for (kind, masks), sums in figures.items()]


def milliseconds(films: Sequence[Watched]) -> tuple[float, float]:
    """CPU time per frame of the tracker before and of today's, on the model's masks; the least of three runs."""
    spent = []
    for new in (_overlap_only, lambda: Tracker().update):
        runs = []
        for _ in range(3):
            began = time.process_time()
            for watched in films:
                for _ in tracks_alone(watched, new()):
                    pass
            runs.append(time.process_time() - began)
        spent.append(1000 * min(runs) / sum(len(watched.frames) for watched in films))
    return spent[0], spent[1]


def tracks_alone(watched: Watched, track: Track) -> Iterator[Instances]:
    """A film's instances with their track ids, compared with nothing."""
    for number, (frame, seen) in enumerate(zip(watched.frames, watched.found, strict=True)):
        yield track(seen, number / RATE_HZ, frame.camera, frame.pose)


def _overlap_only() -> Track:
    tracker = OverlapTracker()
    return lambda instances, stamp_s, camera, pose: tracker.update(instances, stamp_s)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom bench-tracks`."""
    parser.add_argument("--model", default="", help="a saom-*.onnx file; empty: bundled saom-tiny")
    parser.add_argument("--seeds", type=at_least(1), default=2, help="films of each kind (default: 2)")
    parser.add_argument(
        "--first-seed", type=at_least(0), default=1, help="(default: 1; the tracker was tuned on 101 to 103)"
    )
    parser.add_argument("--frames", type=at_least(2), default=FRAMES, help=f"of each film (default: {FRAMES})")
    parser.add_argument("--size", type=pair, default=(320, 240), help="WIDTHxHEIGHT (default: 320x240)")
    parser.add_argument("--threads", type=at_least(0), default=0, help="CPU threads; 0: one per core")
    parser.add_argument("--json", type=Path, help="write the figures here")


def run(args: argparse.Namespace) -> int:
    """`saom bench-tracks`."""
    check_outputs([args.json], [Path(args.model)] if args.model else [])
    segmenter = OnnxSegmenter(SaomConfig(model=args.model, provider="cpu", threads=args.threads))
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    plan = [(kind, seed) for kind in KINDS for seed in seeds]
    films = [
        watch(kind, seed, segmenter, args.size[::-1], args.frames)
        for kind, seed in tqdm(plan, unit="film", dynamic_ncols=True)
    ]
    lines, spent_ms = lines_of(films), milliseconds(films)
    if args.json:
        content = {"lines": [asdict(line) for line in lines], "tracker_ms": spent_ms}
        write_atomically(args.json, json.dumps(content, indent=1).encode())
    print(f"{args.seeds} films of each kind, {args.frames} frames at {RATE_HZ:g} Hz, {segmenter.info.name}, RGB-D")
    print(text_of(lines, spent_ms))
    return 0


def text_of(lines: Sequence[Line], spent_ms: tuple[float, float]) -> str:
    """The figures for people."""
    rows = [f"{'masks':6} {'film':19} {'IDF1':>18} {'at best':>8} {'of the found':>18} {'id switches':>14}"]
    for line in sorted(lines, key=lambda line: line.masks):
        before, now = line.before, line.now
        rows.append(
            f"{line.masks:6} {line.kind:19} {before.idf1:9.3f} -> {now.idf1:.3f} {now.best_idf1:8.3f} "
            f"{before.idf1_of_found:9.3f} -> {now.idf1_of_found:.3f} {before.switches:7} -> {now.switches:3}"
        )
    rows.append("at best: a tracker without mistakes, with the same masks; of the found: objects not found left out")
    rows.append(f"tracker: {spent_ms[0]:.2f} -> {spent_ms[1]:.2f} ms CPU a frame")
    return "\n".join(rows)
