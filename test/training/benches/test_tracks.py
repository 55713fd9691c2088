"""`saom bench-tracks` on short small films, and what of them counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.instances import Instances, MaskCrop
from saom_core.tracking.tracker import Tracker
from saom_training.benches.overlap_tracker import MEMORY_FRAMES, OverlapTracker
from saom_training.benches.tracks import SEEN_PX, Watched, tracked_frames, true_instances
from saom_training.data.frames import Frame, FrameObject
from saom_training.simulators.rooms.sequences import HAND

SIZE_HW = (60, 80)


def scene(*boxes: tuple[int, int, int, int], visible: float = 1.0) -> Frame:
    """A frame of objects that are boxes (top, left, height, width) 1 m away; the last one is the hand."""
    ids = np.full(SIZE_HW, -1, np.int32)
    for k, (top, left, height, width) in enumerate(boxes):
        ids[top : top + height, left : left + width] = k
    objects = [FrameObject("Other", "box", visible=visible) for _ in boxes]
    objects[-1] = replace(objects[-1], style=HAND, visible=1.0)
    return Frame(
        image_rgb=np.zeros((*SIZE_HW, 3), np.uint8),
        depth_m=np.ones(SIZE_HW, np.float32),
        object_ids=ids,
        part_ids=np.zeros(SIZE_HW, np.int32),
        objects=tuple(objects),
        camera=CameraIntrinsics(80.0, 80.0, 39.5, 29.5, 80, 60),
        pose=np.eye(4),
        scene="test",
        split="test",
    )


def test_true_masks_have_the_descriptors_of_what_the_model_found() -> None:
    frame = scene((5, 5, 20, 20), (5, 50, 20, 20), (59, 79, 1, 1))
    found = Instances.from_masks(
        SIZE_HW,
        [MaskCrop.from_dense(frame.object_ids == 1)],
        np.ones(1, np.float32),
        descriptors=np.eye(1, 4, dtype=np.float32),
    )
    true = true_instances(frame, found)
    assert len(true) == 2 and SEEN_PX > 1
    assert true.descriptors is not None
    np.testing.assert_array_equal(true.descriptors, [[0, 0, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_allclose(true.distances_m, 1.0)


def test_what_counts_are_objects_seen_well_and_masks_of_nothing_else() -> None:
    boxes = (5, 5, 20, 20), (5, 50, 20, 20), (40, 40, 15, 15)
    for visible, objects in ((1.0, [0, 1]), (0.1, [])):
        frame = scene(*boxes, visible=visible)
        background = np.zeros(SIZE_HW, bool)
        background[30:38, 0:20] = True
        masks = [MaskCrop.from_dense(frame.object_ids == k) for k in range(3)] + [MaskCrop.from_dense(background)]
        seen = Instances.from_masks(SIZE_HW, masks, np.linspace(0.9, 0.6, 4).astype(np.float32))
        (counted,) = tracked_frames(Watched("still", [frame], [seen], []), [seen], Tracker().update, False)
        assert list(counted.object_ids) == objects
        assert (
            list(counted.track_ids) == [1, 2, 4][-len(objects) - 1 :]
        )  # the hand's and those of the hidden are left out
        assert counted.ious.shape == (len(objects), len(objects) + 1)


def test_the_tracker_before_knew_masks_alone_and_forgot_soon() -> None:
    frame = scene((5, 5, 20, 20), (50, 70, 3, 3))
    box = MaskCrop.from_dense(frame.object_ids == 0)
    one, none = Instances.from_masks(SIZE_HW, [box], np.ones(1, np.float32)), Instances.empty(SIZE_HW)
    for away, same in ((MEMORY_FRAMES, True), (20, False)):
        tracker = OverlapTracker()
        assert tracker.update(one, 0.0).track_ids.tolist() == [1]
        for k in range(away):
            tracker.update(none, (k + 1) / 10)
        assert (tracker.update(one, (away + 1) / 10).track_ids.tolist() == [1]) == same


@pytest.mark.slow
def test_the_command_prints_both_trackers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    options = f"--seeds 1 --first-seed 5 --frames 16 --size 160x120 --threads 1 --json {figures}"
    assert main(["bench-tracks", *options.split()]) == 0
    printed = capsys.readouterr().out
    assert "camera, pose known" in printed and "ms CPU a frame" in printed
    lines = json.loads(figures.read_text(encoding="utf-8"))["lines"]
    assert len(lines) == 12
    of_truth = {line["kind"]: line for line in lines if line["masks"] == "true"}
    for kind, line in of_truth.items():
        before, now = line["before"], line["now"]
        assert (before["objects"], before["found"]) == (now["objects"], now["found"]) and now["objects"] > 0, kind
        assert now["agreeing"] <= now["found"] <= min(now["objects"], now["tracked"]), kind
    for kind in ("still", "hidden", "camera, pose known"):
        now = of_truth[kind]["now"]
        assert 2 * now["agreeing"] / (now["objects"] + now["tracked"]) >= 0.9, kind
    switches = {when: sum(line[when]["switches"] for line in of_truth.values()) for when in ("before", "now")}
    assert switches["now"] < switches["before"] / 2
