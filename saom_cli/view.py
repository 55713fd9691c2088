"""`saom view SOURCE`: picture, masks, names, depth, 3D boxes and cloud in the Rerun viewer, frame by frame.

The source is a photo, a folder, a video, a recording of ROS, the number of a camera or a topic that is being
published. The viewer opens in a window, with `--web` in a browser, which may be that of another machine; `-o out.rrd`
keeps what it would show in a file, for `rerun out.rrd`. Thresholds are turned by typing them where it runs: the viewer
has nothing to turn that would tell Python of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from pathlib import Path

import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from tqdm import tqdm

from saom_cli.shots import Shot, shots_of
from saom_cli.sources import add_depth_arguments, add_topic_arguments
from saom_cli.turning import HINT, Turning, table_of
from saom_core.arguments import add_config_arguments, at_least, config_from
from saom_core.camera import camera_doubt
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.files import check_output, draft_of, move_into_place
from saom_core.geometry.depth import back_project
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.naming.track_looks import NamedStream
from saom_core.overlay import color_of
from saom_core.segmenter import Segmenter

WORLD, CAMERA, IMAGE = "world", "world/camera", "world/camera/image"
"""Entities: everything in 3D is in the camera's optical frame, x right, y down, z forward, metres."""
OPTIONS = "options"
"""Entity: the options that the pictures from here on were answered with."""
CLOUD_STEP = 2
"""Every so many pixels, across and down, one becomes a point of the cloud: a quarter of a million are slow to draw."""
JPEG_QUALITY = 85
"""JPEG quality of the pictures that are sent to the viewer: a tenth of the bytes, and nobody sees the difference."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom view`."""
    parser.epilog = f"While it runs in a terminal: {HINT}."
    parser.add_argument(
        "input",
        metavar="SOURCE",
        help="photo, folder, video, recording of ROS, number of a camera (0: the first), or topic of ROS, as "
        "ros:/camera/color/image_raw",
    )
    parser.add_argument("--web", action="store_true", help="show it in a browser, at an address that is printed")
    parser.add_argument(
        "--web-port",
        type=at_least(1),
        default=9090,
        help="port of that address, the pictures come through the next one (default: 9090)",
    )
    parser.add_argument("-o", "--output", type=Path, help="file to write, such as out.rrd, instead of a window")
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="so many photos or frames at most")
    add_depth_arguments(parser)
    add_topic_arguments(parser)
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom view`."""
    _check(args)
    turning = Turning(config_from(args))
    shots = shots_of(args, turning.now)
    segmenter = load_segmenter(turning.now())
    print(f"{segmenter.info.name} on {segmenter.info.provider}")
    recording = rr.RecordingStream("saom")
    draft = _open(args, recording)
    player, done, interrupted = Player(recording, segmenter, turning, live=shots.live), 0, False
    typing = turning.listen(sys.stdin)
    if typing:
        print(HINT)
    total = shots.count if args.limit is None else min(args.limit, shots.count or args.limit)
    # a bar would write over what is being typed; beside a window it tells nothing new
    no_bar = True if typing and args.output is None else None
    try:
        with contextlib.closing(shots.each):
            for shot in tqdm(shots, total=total, unit="frame", disable=no_bar, dynamic_ncols=True):
                player.show(shot)
                done += 1
                if done == args.limit:
                    break
    except KeyboardInterrupt:
        print(f"{done} frames shown")  # for a camera that is how it ends
        interrupted = True
    if typing and args.output is None and (args.web or not interrupted):
        print("the last picture stays, for other options; Ctrl-C ends it")
        try:
            player.stay()
        except KeyboardInterrupt:
            recording.flush()
            return 0
    _close(args, recording, draft, done)
    return 0


class Player:
    """Shows pictures with what is found in them, by the options of the moment.

    Args:
        recording: where to.
        segmenter: finds it.
        turning: the options; each picture but those of a camera is shown again when they change meanwhile.
        live: whether the pictures are those of a camera.
    """

    def __init__(self, recording: rr.RecordingStream, segmenter: Segmenter, turning: Turning, *, live: bool) -> None:
        self._recording, self._segmenter, self._turning, self._live = recording, segmenter, turning, live
        self._stream = NamedStream(segmenter, live=live)
        self._step, self._doubt = 0, ""
        self._last: tuple[Shot, SaomConfig] | None = None

    def show(self, shot: Shot) -> None:
        """Shows a picture."""
        self._show_once(shot)
        while not self._live and self._last is not None and self._last[1] is not self._turning.now():
            self._show_once(shot)

    def stay(self) -> None:
        """Shows the last picture again whenever the options change, until nothing can be typed any more."""
        while self._last is not None and self._turning.wait(self._last[1]):
            self._show_once(self._last[0])

    def _show_once(self, shot: Shot) -> None:
        config = self._segmenter.config = self._turning.now()
        doubt = "" if shot.camera is None else camera_doubt(shot.camera)
        if doubt and not self._doubt:
            tqdm.write(f"WARNING: {doubt}", file=sys.stderr)
        self._doubt = self._doubt or doubt
        found = self._stream.update(shot.image_rgb, shot.stamp_s, shot.depth_m, shot.camera)
        show(self._recording, self._step, shot, found)
        if self._last is None or self._last[1] is not config:
            self._recording.log(OPTIONS, rr.TextDocument(table_of(config), media_type=rr.MediaType.MARKDOWN))
        self._last = shot, config
        self._step += 1


def show(recording: rr.RecordingStream, number: int, shot: Shot, instances: Instances) -> None:
    """Sends one picture and what was found in it to the viewer.

    Args:
        recording: where to.
        number: of the showing, from 0 on.
        shot: the picture.
        instances: N tracked objects in it.
    """
    recording.set_time("frame", sequence=number)
    recording.set_time("time", duration=shot.stamp_s)
    height, width = instances.size_hw
    ids = instances.track_ids.astype(np.int64)
    names = [f"{track} {name or 'object'}" for track, name in zip(ids, instances.class_names, strict=True)]
    colors = [color_of(instances, k) for k in range(len(instances))]
    keys = np.concatenate([[0], ids % (2**16 - 1) + 1]).astype(np.uint16)  # 0 is the background
    infos = zip(keys[1:].tolist(), names, colors, strict=True)
    context = [rr.AnnotationInfo(id=key, label=name, color=color) for key, name, color in infos]
    recording.log(WORLD, rr.ViewCoordinates.RDF, static=True)
    recording.log(CAMERA, rr.AnnotationContext([rr.AnnotationInfo(id=0, label="", color=(0, 0, 0, 0)), *context]))
    if shot.camera is not None:
        focal, middle = (shot.camera.fx, shot.camera.fy), (shot.camera.cx, shot.camera.cy)
        pinhole = rr.Pinhole(resolution=(width, height), focal_length=focal, principal_point=middle)
        recording.log(CAMERA, pinhole)
    recording.log(IMAGE, rr.Image(shot.image_rgb).compress(jpeg_quality=JPEG_QUALITY))
    recording.log(f"{IMAGE}/masks", rr.SegmentationImage(keys[instances.label_image()]))
    boxes = instances.boxes_xyxy
    recording.log(
        f"{IMAGE}/boxes", rr.Boxes2D(array=boxes, array_format=rr.Box2DFormat.XYXY, labels=names, colors=colors)
    )
    if shot.depth_m is not None:
        recording.log(f"{CAMERA}/depth", rr.DepthImage(np.nan_to_num(shot.depth_m), meter=1.0))
    if shot.depth_m is not None and shot.camera is not None:
        _show_3d(recording, shot, instances, names, colors)


def _show_3d(
    recording: rr.RecordingStream,
    shot: Shot,
    instances: Instances,
    names: list[str],
    colors: list[tuple[int, int, int]],
) -> None:
    """The cloud, each object in its own colour, and the boxes of those that have one."""
    assert shot.depth_m is not None and shot.camera is not None
    depth = np.where(np.isfinite(shot.depth_m), shot.depth_m, 0)[::CLOUD_STEP, ::CLOUD_STEP]
    rows, columns = np.nonzero(depth > 0)
    labels = instances.label_image()[::CLOUD_STEP, ::CLOUD_STEP][rows, columns]
    points = back_project(depth[rows, columns].astype(np.float32), rows * CLOUD_STEP, columns * CLOUD_STEP, shot.camera)
    seen = shot.image_rgb[::CLOUD_STEP, ::CLOUD_STEP][rows, columns]
    painted = np.array([(0, 0, 0), *colors], np.uint8)[labels]
    shades = np.where(labels[:, None] > 0, (seen // 2 + painted // 2), seen)
    recording.log(f"{WORLD}/cloud", rr.Points3D(points, colors=shades, radii=0.002))
    boxes = instances.boxes3d
    if boxes is None:
        return
    known = np.flatnonzero(boxes.known)
    recording.log(
        f"{WORLD}/boxes",
        rr.Boxes3D(
            centers=boxes.centers_m[known],
            sizes=boxes.sizes_m[known],
            quaternions=boxes.quaternions_xyzw[known],
            labels=[names[k] for k in known],
            colors=[colors[k] for k in known],
        ),
    )


def _check(args: argparse.Namespace) -> None:
    """Refuses what cannot be shown, before the model is loaded.

    Raises:
        InputError: no screen, or a file of another kind.
    """
    if args.output is not None:
        if args.web:
            raise InputError("expected -o or --web, got both: `rerun --web-viewer out.rrd` shows the file in a browser")
        if args.output.suffix.lower() != ".rrd":
            raise InputError(f"expected a file such as out.rrd, got {args.output}: give it such a name")
        check_output(args.output)
    elif not args.web and sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise InputError(
            "expected a screen for the viewer's window, got none: use --web, and open the address in a browser, or "
            "-o out.rrd, and look at the file elsewhere with `rerun out.rrd`"
        )


def _open(args: argparse.Namespace, recording: rr.RecordingStream) -> Path | None:
    """Opens the viewer, or the draft of the file."""
    layout = rrb.Blueprint(
        rrb.Horizontal(
            rrb.Spatial2DView(origin=IMAGE, name="picture"),
            rrb.Vertical(
                rrb.Spatial3DView(origin=WORLD, name="space"),
                rrb.TextDocumentView(origin=OPTIONS, name="options"),
                row_shares=[3, 1],
            ),
            column_shares=[3, 2],
        ),
        collapse_panels=True,
    )
    if args.output is not None:
        draft = draft_of(args.output.resolve())
        recording.save(draft, default_blueprint=layout)
        return draft
    if args.web:
        try:
            address = recording.serve_grpc(grpc_port=args.web_port + 1, default_blueprint=layout)
            rr.serve_web_viewer(web_port=args.web_port, open_browser=False, connect_to=address)
        except RuntimeError as error:
            raise InputError(
                f"expected the ports {args.web_port} and {args.web_port + 1} to be free, got: {error}: end what uses "
                "them, or give another --web-port"
            ) from error
        print(f"open http://localhost:{args.web_port}/?url={address.replace('+', '%2B')}")
        return None
    recording.spawn(default_blueprint=layout)
    return None


def _close(args: argparse.Namespace, recording: rr.RecordingStream, draft: Path | None, done: int) -> None:
    """Waits for the last frame to arrive; a browser can come as long as this process lives."""
    if draft is not None:
        recording.disconnect()
        move_into_place(draft, args.output.resolve())
        print(f"{args.output}: {done} frames; `rerun {args.output}` shows them")
        return
    recording.flush()
    if args.web:
        print("Ctrl-C ends it")
        threading.Event().wait()
