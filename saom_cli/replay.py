"""`saom replay bag.mcap -o out.mcap`: the engine over a recording, without ROS; the answers become a recording.

/saom/instances and /saom/label_image are those of the node, with the stamps and frames of the pictures. While it works,
the answers wait in `out.mcap.part`, picture by picture; the same command goes on from there after an interrupt or a
kill. Ids and places are given in the end, to all pictures in their order: an interrupted run ends with the same ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from tqdm import tqdm

from saom_cli.bag_messages import IMAGE, INSTANCES, answer_types, made
from saom_cli.bags import Bag, BagFrame
from saom_cli.kept import packed, unpacked
from saom_cli.sources import add_depth_scale_argument, add_topic_arguments
from saom_core.arguments import add_config_arguments, at_least, config_from
from saom_core.errors import InputError
from saom_core.files import check_output, move_into_place, write_atomically
from saom_core.loading import load_segmenter
from saom_core.messages.answers import image_message, instances_message
from saom_core.places.stream import StreamPlaces
from saom_core.segmenter import Segmenter
from saom_core.tracking.tracker import Tracker

TOPICS = {"/saom/instances": INSTANCES, "/saom/label_image": IMAGE}
"""What is written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom replay`."""
    parser.add_argument("input", metavar="BAG", type=Path, help="recording: .mcap, .db3, .bag, or a rosbag2 folder")
    parser.add_argument("-o", "--output", type=Path, required=True, help="recording to write, such as out.mcap")
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="so many pictures at most")
    add_depth_scale_argument(parser)
    add_topic_arguments(parser)
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom replay`."""
    if args.output.suffix.lower() != ".mcap":
        raise InputError(f"expected a file such as out.mcap, got {args.output}: give it such a name")
    read = [args.input] if args.input.is_file() else []
    check_output(args.output, read)
    config = config_from(args)
    with Bag(args.input, args, lambda: config) as bag:
        segmenter = load_segmenter(config)
        total = bag.count if args.limit is None else min(args.limit, bag.count)
        depth, info = bag.depth or "no depth", bag.info or "no camera_info"
        print(f"{segmenter.info.name} on {segmenter.info.provider}: {total} pictures of {bag.image}, {depth}, {info}")
        draft = Draft(args.output, _facts(args, bag, segmenter))
        failed = _answer_all(bag, segmenter, draft, total)
        written = _write(args.output, bag, segmenter, draft, total)
    draft.remove()
    before = f" ({draft.done_before} of them before)" if draft.done_before else ""
    print(f"{written} of {total} pictures done{before}; {args.output}: {', '.join(TOPICS)}")
    return 1 if failed else 0


class Draft:
    """The answers that wait, a file for each picture; begun anew where something else decides them.

    Args:
        output: the recording that is made of them.
        facts: what decides the answers, JSON types.
    """

    def __init__(self, output: Path, facts: dict[str, Any]) -> None:
        self.folder = output.resolve().with_name(f"{output.name}.part")
        self.done_before = 0
        wanted, told = json.dumps(facts, indent=1).encode(), self.folder / "facts.json"
        if self.folder.exists() and (not told.is_file() or told.read_bytes() != wanted):
            if any(path.suffix != ".npz" and path != told for path in self.folder.iterdir()):
                raise InputError(f"expected answers alone in {self.folder}, got other files: choose another output")
            self.remove()
        self.folder.mkdir(exist_ok=True)
        write_atomically(told, wanted)

    def path(self, number: int) -> Path:
        """Where the answer for a picture is."""
        return self.folder / f"{number:08d}.npz"

    def remove(self) -> None:
        """When nothing is left to go on with."""
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def _answer_all(bag: Bag, segmenter: Segmenter, draft: Draft, total: int) -> int:
    """Answers what is not answered yet; returns how many pictures cannot be."""
    failed = 0
    try:
        for frame in tqdm(bag.frames(), total=total, unit="picture", disable=None, dynamic_ncols=True):
            if frame.number >= total:
                break
            if draft.path(frame.number).exists():
                draft.done_before += 1
                continue
            try:
                seen = frame.decode()
                found = segmenter.segment(seen.image_rgb, seen.depth_m, seen.camera, located=False).instances
            except InputError as error:  # one bad message must not cost the others
                failed += 1
                tqdm.write(f"picture {frame.number}: failed: {error}", file=sys.stderr)
                continue
            write_atomically(draft.path(frame.number), packed(found))
    except KeyboardInterrupt:
        done = len(list(draft.folder.glob("*.npz")))
        print(f"{done} of {total} pictures done; the same command goes on from here")
        raise
    return failed


def _write(output: Path, bag: Bag, segmenter: Segmenter, draft: Draft, total: int) -> int:
    """Makes the recording of the answers; returns of how many pictures."""
    store, tracker, places, written = answer_types(), Tracker(), StreamPlaces(), 0
    make = partial(made, store)
    folder = Path(tempfile.mkdtemp(dir=output.resolve().parent, prefix=f".{output.name}."))
    try:
        # a library that writes folders, of which the one file is taken: an .mcap says all that the folder would
        with Writer(folder / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            topics = {kind: writer.add_connection(topic, kind, typestore=store) for topic, kind in TOPICS.items()}
            for frame in bag.frames():
                if frame.number >= total:
                    break
                if not draft.path(frame.number).exists():
                    continue
                header = _header(store, frame)
                found = unpacked(draft.path(frame.number).read_bytes())
                camera = frame.camera(found.size_hw)
                instances = tracker.update(found, header.stamp.sec + header.stamp.nanosec / 1e9, camera)
                if bag.depth is not None and camera is not None:  # as in the node, a box continues that of its track
                    instances = places.located(instances, frame.depth(found.size_hw), camera, segmenter.config)
                has_depth = bag.depth is not None and bool(np.isfinite(instances.distances_m).any())
                answers = {
                    INSTANCES: instances_message(make, instances, header, segmenter.info, has_depth=has_depth),
                    IMAGE: image_message(make, instances.label_image(), "mono16", header),
                }
                for kind, message in answers.items():
                    writer.write(topics[kind], frame.log_ns, store.serialize_cdr(message, kind))
                written += 1
        [file] = (folder / "bag").glob("*.mcap")
        move_into_place(file, output.resolve())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return written


def _header(store: Any, frame: BagFrame) -> Any:
    """The picture's header: a recording of ROS 1 has one field more."""
    header = frame.image.header
    stamp = made(store, "builtin_interfaces/msg/Time", sec=header.stamp.sec, nanosec=header.stamp.nanosec)
    return made(store, "std_msgs/msg/Header", stamp=stamp, frame_id=header.frame_id)


def _facts(args: argparse.Namespace, bag: Bag, segmenter: Segmenter) -> dict[str, Any]:
    """Everything that decides the answers of a picture."""
    files = sorted(args.input.iterdir()) if args.input.is_dir() else [args.input]
    stats = [file.stat() for file in files]
    model = Path(segmenter.info.path).stat()
    return {
        "bag": [str(args.input.resolve()), *([stat.st_size, stat.st_mtime_ns] for stat in stats)],
        "topics": [bag.image, bag.depth, bag.info, args.rectified, args.depth_scale, args.check_frames],
        "model": [model.st_size, model.st_mtime_ns],
        "options": dataclasses.asdict(segmenter.config),
    }
