"""The pipeline without DDS: prompts beside the stream, reasons for those who wait, the target from frame to frame."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from robot import camera_info, picture
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances, MaskCrop
from saom_core.naming.fusion import lengths_of
from saom_core.places.measure import measure
from saom_core.places.rigid import RigidTransform
from saom_core.prompting.prompts import Prompts
from saom_core.runtime import ModelInfo
from saom_core.segmenter import Segmentation
from saom_core.tracking.tracker import Tracker
from saom_ros.answer import Answer
from saom_ros.clouds import POINT_FIELDS, points
from saom_ros.conversions import image_message
from saom_ros.diagnostics import Problems, Statistics
from saom_ros.matcher import Frame
from saom_ros.parameters import NodeConfig
from saom_ros.pipeline import Pipeline, Request
from saom_ros.places import TABLE_IN_DOUBT, Places
from saom_ros.target import Target
from saom_ros.targets import instance_points
from saom_ros.turns import Turns
from saom_ros.waiting import Waiting

SIZE = (8, 10)
MODEL = ModelInfo("stand-in", "", ("Mug", "Book"), "cpu", "cpu", "", SIZE, False)


def instances(*objects: tuple[int, int, str]) -> Instances:
    """Objects of 2 x 2 pixels (row, column, class), best first."""
    masks = [np.zeros(SIZE, bool) for _ in objects]
    for mask, (row, column, _) in zip(masks, objects, strict=True):
        mask[row : row + 2, column : column + 2] = True
    return Instances.from_masks(
        SIZE,
        [MaskCrop.from_dense(mask) for mask in masks],
        np.linspace(0.9, 0.5, len(objects)).astype(np.float32),
        class_ids=np.array([MODEL.class_names.index(name) for _, _, name in objects], np.int32),
        class_names=[name for _, _, name in objects],
        class_scores=np.full(len(objects), 0.8, np.float32),
    )


class StandIn:
    """A segmenter whose runs wait until they are let on; it answers prompts in one run each."""

    def __init__(self) -> None:
        self.config, self.info = SaomConfig(), MODEL
        self.runs: list[str] = []
        self.go_on = threading.Semaphore(0)

    def _run(self, what: str) -> None:
        self.runs.append(what)
        assert self.go_on.acquire(timeout=240)

    def segment(self, image_rgb: np.ndarray, *_: object) -> Segmentation:
        self._run("frame")
        return Segmentation(instances((1, 1, "Mug")), {})

    def ask(
        self, image: np.ndarray, prompts: Prompts, depth: Any, camera: Any, between: Callable[[], object], located: bool
    ) -> Segmentation:
        for k in range(len(prompts)):
            if k:
                between()
            self._run("prompt")
        return Segmentation(instances(), {})


def pipeline_of(segmenter: Any, published: list[Answer], **of_node: Any) -> Pipeline:
    outputs = SimpleNamespace(wanted=lambda: True, publish=published.append)
    options = SimpleNamespace(core=SaomConfig(), node=NodeConfig(**of_node))
    tracker = Tracker()
    return Pipeline(segmenter, options, tracker, outputs, Statistics(), Problems(), **lonely(tracker))


def lonely(tracker: Tracker) -> dict[str, Any]:
    """What a pipeline gets of its node where there is no other camera and no tf, and nothing was chosen."""
    alone = {"image_topic": "", "depth_topic": "", "frames": None, "turns": Turns(), "waiting": Waiting()}
    return alone | {"target": Target(tracker)}


def frame(encoding: str = "rgb8") -> Request:
    image: Image = image_message(np.zeros((*SIZE, 3), np.uint8), "rgb8", Header())
    image.encoding = encoding
    return Request(Frame(image, None, time.monotonic()), None)


def process(pipeline: Pipeline, request: Request) -> None:
    """What the worker does with a frame."""
    with pipeline.turns:
        found = pipeline.look(request)
    if found is not None:
        pipeline.finish(found)


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_stages_of_a_frame_make_up_its_total(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second each time it is read, and a network that takes one."""
    clock = itertools.count()
    monkeypatch.setattr("saom_ros.pipeline.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    found = Segmentation(instances((1, 1, "Mug")), {"network": 1000.0})
    segmenter = SimpleNamespace(config=SaomConfig(), info=MODEL, segment=lambda *_: found)
    pipeline, request = pipeline_of(segmenter, []), frame()
    process(pipeline, Request(dataclasses.replace(request.frame, received_s=-1.0), None))
    told = {name: text for name, text in pipeline._statistics.values(0.0).items() if name.endswith("_ms")}
    stages_ms = {name.removesuffix("_ms"): float(text.split()[1]) for name, text in told.items()}
    total_ms = stages_ms.pop("total")
    assert list(stages_ms) == ["wait", "decode", "network", "tracking", "places", "publish"]
    assert sum(stages_ms.values()) == total_ms == 6000


def test_a_frame_waits_for_one_run_of_a_request_with_many_prompts() -> None:
    segmenter, published = StandIn(), list[Answer]()
    pipeline = pipeline_of(segmenter, published)
    image = image_message(np.zeros((*SIZE, 3), np.uint8), "rgb8", Header())
    asking = threading.Thread(target=pipeline.answer, args=(image, None, None, Prompts(np.ones((6, 2)))))
    asking.start()
    wait_until(lambda: segmenter.runs == ["prompt"])

    def stream() -> None:
        for _ in range(4):
            process(pipeline, frame())

    streaming = threading.Thread(target=stream)
    streaming.start()
    for k in range(1, 9):
        # whoever is next in turn must stand in line before this run ends
        wait_until(lambda: pipeline.turns.waiting == 1)
        segmenter.go_on.release()
        wait_until(lambda k=k: len(segmenter.runs) == k + 1)
    for _ in range(2):
        segmenter.go_on.release()
    for thread in (asking, streaming):
        thread.join(240)
    assert segmenter.runs[:8] == ["prompt", "frame"] * 4 and len(published) == 4


def test_turns_go_by_the_order_of_asking() -> None:
    turns, order = Turns(), list[int]()

    def work(name: int) -> None:
        with turns:
            for _ in range(3):
                order.append(name)
                turns.give_way()

    with turns:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
        for k, thread in enumerate(threads):
            thread.start()
            wait_until(lambda k=k: turns.waiting == k + 1)
    for thread in threads:
        thread.join(240)
    assert order == [0, 1, 2] * 3


@pytest.mark.parametrize("bad", [1, 5])
def test_who_waits_for_a_frame_hears_why_it_failed(bad: int) -> None:
    segmenter, published = StandIn(), list[Answer]()
    pipeline = pipeline_of(segmenter, published)
    heard: list[BaseException] = []

    def wait() -> None:
        try:
            pipeline.waiting.next_answer(60.0)
        except InputError as error:
            heard.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until(lambda: bool(pipeline.waiting))
    for _ in range(bad):
        process(pipeline, frame("rgb9"))
    waiting.join(240)
    assert "could not be answered" in str(heard[0]) and "got 'rgb9'" in str(heard[0]) and not published


@pytest.fixture(scope="module")
def bundled() -> OnnxSegmenter:
    return OnnxSegmenter(SaomConfig(provider="cpu"))


@pytest.mark.parametrize("tracking", [True, False])
@pytest.mark.parametrize("with_depth", [True, False])
def test_things_are_named_by_their_size_before_the_camera_that_is_known(
    bundled: OnnxSegmenter, monkeypatch: pytest.MonkeyPatch, tracking: bool, with_depth: bool
) -> None:
    """With tracks and without, with depth and without, and at prompts: as the Python API names them."""
    focal_px: list[float | None] = []

    def lengths(found: Instances, camera: CameraIntrinsics | None) -> Any:
        focal_px.append(None if camera is None else camera.fx)
        return lengths_of(found, camera)

    monkeypatch.setattr("saom_core.naming.photo_names.lengths_of", lengths)
    published = list[Answer]()
    pipeline = pipeline_of(bundled, published, tracking=tracking)
    image_rgb, depth_mm = picture()
    header = Header(frame_id="camera")
    depth = image_message(depth_mm, "16UC1", header) if with_depth else None
    image, info = image_message(image_rgb, "rgb8", header), camera_info(header)
    process(pipeline, Request(Frame(image, depth, time.monotonic()), info))
    assert focal_px == [info.k[0]]
    (answer,) = published
    assert len(answer.instances) and (answer.instances.boxes3d is not None) == with_depth
    point = Prompts(answer.instances.points_xy[:1])
    for asked in (pipeline.asked(answer, point), pipeline.answer(image, depth, info, point)):
        assert focal_px.pop() == info.k[0] and (asked.instances.boxes3d is not None) == with_depth
    process(pipeline, Request(Frame(image, depth, time.monotonic()), None))
    assert focal_px[-1] is None and len(published) == 2


def test_clouds_have_no_points_where_the_depth_is_out_of_the_range_that_is_asked_for(bundled: OnnxSegmenter) -> None:
    """A camera that says 65.535 m for what is too far, and a few millimetres for what is too near."""
    published = list[Answer]()
    pipeline = pipeline_of(bundled, published)
    image_rgb, depth_mm = picture()
    depth_mm[:, ::2], depth_mm[::3, 1] = 65535, 20
    header = Header(frame_id="camera")
    image, info, depth = (
        image_message(image_rgb, "rgb8", header),
        camera_info(header),
        image_message(depth_mm, "16UC1", header),
    )
    process(pipeline, Request(Frame(image, depth, time.monotonic()), info))
    inside = (depth_mm >= 100) & (depth_mm <= 10_000)
    for answer in (*published, pipeline.answer(image, depth, info, Prompts())):
        assert answer.depth_m is not None and len(answer.instances)
        np.testing.assert_array_equal(answer.depth_m > 0, inside)
        whole = points(answer)
        assert whole is not None
        z = np.frombuffer(whole.data, POINT_FIELDS)["z"].reshape(inside.shape)
        np.testing.assert_array_equal(np.isfinite(z), inside)
        labels = answer.instances.label_image()
        for k in range(len(answer.instances)):
            part = instance_points(answer, k)
            assert part is not None and part.width == np.count_nonzero((labels == k + 1) & inside)


class Drive:
    """A camera drives along x past two things that look the same, 0.2 m left and 0.1 m right of x = 0, 1 m ahead."""

    ALONG_M = {1: 0.0, 2: 5.0, 3: 0.3, 4: 0.3}
    """Where it is at each second: at 3 s the right thing is seen where the left one was."""

    def __init__(self, tf: bool, **options: Any) -> None:
        self.config, self.info, self._tf = SaomConfig(), MODEL, tf
        self.published: list[Answer] = []
        self.asked: list[tuple[str, float]] = []
        self.problems = Problems()
        outputs = SimpleNamespace(wanted=lambda: True, publish=self.published.append)
        node = NodeConfig(rectified="true", **options)
        made = SimpleNamespace(core=SaomConfig(drop_surfaces=False), node=node)
        self._second = 0
        tracker = Tracker()
        self.pipeline = Pipeline(
            self, made, tracker, outputs, Statistics(), self.problems, **lonely(tracker) | {"frames": self}
        )

    def transform(self, target_frame: str, header: Header, timeout_s: float, asker: str) -> RigidTransform:
        self.asked.append((target_frame, timeout_s))
        if not self._tf:
            raise InputError(f"no way to {target_frame}")
        return RigidTransform(np.array([0.0, 0.0, 0.0, 1.0]), np.array([self.ALONG_M[header.stamp.sec], 0.0, 0.0]))

    def segment(self, image_rgb: np.ndarray, depth_m: np.ndarray, *_: object) -> Segmentation:
        columns = [round(4 + 10 * (x - self.ALONG_M[self._second])) for x in (-0.2, 0.1)]
        seen = instances(*((3, column, "Mug") for column in columns if 0 <= column < 9))
        return Segmentation(measure(seen, depth_m, None), {})

    def ids(self, second: int) -> list[int]:
        self._second = second
        header = Header(stamp=Time(sec=second), frame_id="camera")
        info = CameraInfo(
            header=header, width=10, height=8, p=[10.0, 0.0, 4.5, 0.0, 0.0, 10.0, 3.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        )
        info.k = [10.0, 0.0, 4.5, 0.0, 10.0, 3.5, 0.0, 0.0, 1.0]
        image = image_message(np.zeros((*SIZE, 3), np.uint8), "rgb8", header)
        depth = image_message(np.full(SIZE, 1000, np.uint16), "16UC1", header)
        process(self.pipeline, Request(Frame(image, depth, time.monotonic()), info))
        return self.published[-1].instances.track_ids.tolist()


def texts(drive: Drive) -> list[str]:
    return [problem.text for problem in drive.problems.all()]


@pytest.mark.parametrize("options", [{"track_frame": "odom"}, {"target_frame": "odom"}])
def test_a_camera_that_drives_knows_things_by_their_places_in_the_fixed_frame(options: dict[str, str]) -> None:
    drive = Drive(tf=True, **options)
    assert [drive.ids(second) for second in (1, 2, 3)] == [[1, 2], [], [2]]
    assert {frame for frame, _ in drive.asked} == {"odom"}
    pose = drive.published[-1].camera_to_world
    assert pose is not None and pose[0, 3] == Drive.ALONG_M[3], "boxes are turned by it"


def test_the_frame_for_tracks_may_be_another_one_than_that_of_the_positions() -> None:
    drive = Drive(tf=True, track_frame="odom", target_frame="base_link")
    assert drive.ids(1) == [1, 2] and [frame for frame, _ in drive.asked] == ["odom", "base_link"]
    assert drive.published[-1].frame_id == "base_link"


def test_without_tf_things_are_followed_by_their_masks_and_that_is_told_once() -> None:
    drive = Drive(tf=False, track_frame="odom", tf_timeout_s=0.2)
    assert [drive.ids(second) for second in (1, 2, 3)] == [[1, 2], [], [1]]  # as if the camera stood still
    assert any("no way to odom; objects are followed as if" in text for text in texts(drive))
    both = Drive(tf=False, track_frame="odom", target_frame="odom", tf_timeout_s=0.2)
    assert both.ids(1) == [1, 2] and both.asked == [("odom", 0.2), ("odom", 0.0)]  # the time is waited for once
    assert len([text for text in texts(both) if "no way to odom" in text]) == 1


def test_a_table_in_doubt_is_told_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    doubt = TABLE_IN_DOUBT
    monkeypatch.setattr(Places, "table_in_doubt", property(lambda _: doubt))
    drive = Drive(tf=True)
    drive.ids(1)
    assert TABLE_IN_DOUBT in texts(drive)
    doubt = ""
    drive.ids(3)
    assert TABLE_IN_DOUBT not in texts(drive)


class Stream:
    """Frames 0.1 s apart, and the target in them."""

    def __init__(self) -> None:
        self.tracker = Tracker(memory_s=0.2, memory_frames=2)
        self.target = Target(self.tracker)
        self._frames = 0

    def follow(self, *frames: Instances) -> list[tuple[int | None, int]]:
        """Index and track id of the target in each of the next frames."""
        found = []
        for one in frames:
            self._frames += 1
            there = self.target.find(self.tracker.update(one, self._frames / 10))
            found.append((there.index, there.track_id))
        return found


@pytest.fixture
def stream() -> Stream:
    return Stream()


def test_a_selection_by_name_holds_its_object(stream: Stream) -> None:
    target = stream.target
    mug, other, lone = (1, 1, "Mug"), (5, 6, "Mug"), (1, 6, "Book")
    assert target.choose("mug") == "target: mug"
    assert stream.follow(instances(lone), instances(mug, other)) == [(None, 0), (0, 2)]
    # the other mug gets the better score, then the first one is called a book for a frame
    assert stream.follow(instances(other, mug), instances(other, (1, 1, "Book"))) == [(1, 2), (1, 2)]
    # out of sight it is the target still, and no other mug takes its place
    assert stream.follow(instances(other), instances(other)) == [(None, 2)] * 2
    assert target.last.reason == "track 2 is out of sight"
    assert stream.follow(instances(other, mug)) == [(1, 2)] and not target.last.reason
    # only when it can never come back the next one is taken
    gone = stream.follow(*[instances(other)] * 4)
    assert gone == [(None, 2)] * 2 + [(0, 3)] * 2


def test_what_is_lost_for_good_is_told(stream: Stream) -> None:
    target = stream.target
    stream.follow(instances((1, 1, "Mug")))
    target.choose(track_id=1)
    assert stream.follow(instances((1, 1, "Book")))[0] == (0, 1)  # whatever it is called
    stream.follow(*[instances((5, 6, "Mug"))] * 4)
    assert target.last.index is None and target.last.reason == "track 1 is lost for good: select another object"
    for number, why in ((1, "it was lost"), (99, "no object has had this number yet"), (-4, "no object has had")):
        with pytest.raises(InputError, match=why):
            target.choose(track_id=number)
    assert target.last.selection == "track 1"  # what is refused changes nothing
    target.choose("Mug")
    assert stream.follow(instances())[0] == (None, 0) and target.last.reason == "no Mug is in sight"
    assert target.choose() == "target: none"
    assert stream.follow(instances((5, 6, "Mug")))[0] == (None, 0) and not target.last.reason


def test_without_tracking_a_name_takes_the_best(stream: Stream) -> None:
    target = stream.target
    target.choose("Mug")
    for objects, index in (([(1, 1, "Book"), (5, 6, "Mug")], 1), ([(5, 6, "Mug")], 0), ([], None)):
        assert target.find(instances(*objects)).index == index
