"""Several cameras in one process: each has answers, ids, options and troubles of its own, all of them one model."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from conftest import MODEL, StartNode, start_in, stop
from lifecycle_msgs.msg import State, Transition
from robot import RESEND_S, ROOT, Robot, picture
from std_msgs.msg import Header

from saom_core.config import SaomConfig
from saom_core.errors import ConfigError
from saom_core.loading import load_segmenter
from saom_ros.camera_names import camera_names
from saom_ros.conversions import image_message
from tools.several_cameras import Measured, measure

LEFT_RGB = picture()[0]
RIGHT_RGB = np.ascontiguousarray(LEFT_RGB[:240, :320])
CAMERAS = ("--cameras", "left,right")
COUNT_SESSIONS = (
    "import onnxruntime as o; made = o.InferenceSession; "
    "o.InferenceSession = lambda file, *a, **k: (print('session', file, flush=True), made(file, *a, **k))[1]"
)
"""Python that tells of each model that is loaded."""
Pair = tuple[Robot, Robot]


@pytest.fixture
def two(robot: Robot) -> Iterator[Pair]:
    """Two cameras in the domain of `start`."""
    with Robot("left", robot.domain) as left, Robot("right", robot.domain) as right:
        yield left, right


@pytest.fixture(scope="module")
def _pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Robot("left") as left, Robot("right", left.domain) as right:
        process = start_in(left.domain, tmp_path_factory.mktemp("node") / "node.log", arguments=CAMERAS)
        try:
            left.wait_active(process)
            right.wait_active(process)
            yield left, right
        finally:
            stop(process)


@pytest.fixture
def pair(_pair: Pair) -> Iterator[Pair]:
    """Two cameras whose nodes are up and active; shared by the tests of this module."""
    yield _pair
    for camera in _pair:
        camera.as_at_first()


def answer(camera: Robot, image_rgb: np.ndarray) -> list:
    """The instances that a camera's node finds in a picture."""
    return list(camera.answer_to(camera.show(image_rgb)).instances)


def test_each_camera_has_the_answers_to_its_own_pictures(pair: Pair) -> None:
    left, right = pair
    header = Header(frame_id="camera_optical", stamp=Time(sec=1000))  # the same moment, as of one trigger
    left.show(LEFT_RGB, header)
    right.show(RIGHT_RGB, header)
    segmenter = load_segmenter(SaomConfig(model=MODEL))
    for camera, image_rgb in ((left, LEFT_RGB), (right, RIGHT_RGB)):
        message = camera.answer_to(header)
        expected = segmenter.segment(image_rgb).instances
        assert (message.height, message.width) == image_rgb.shape[:2]
        assert sorted(one.score for one in message.instances) == pytest.approx(sorted(expected.scores), abs=0.02)


@pytest.mark.slow
def test_each_camera_counts_its_own_ids(start: StartNode, two: Pair) -> None:
    process = start(arguments=CAMERAS)
    for camera in two:
        camera.wait_active(process)
    for camera, image_rgb in zip(two, (LEFT_RGB, RIGHT_RGB), strict=True):
        found = answer(camera, image_rgb)
        assert [one.track_id for one in found] == list(range(1, len(found) + 1))
        assert {one.track_id for one in answer(camera, image_rgb)} <= {one.track_id for one in found}


def test_each_camera_has_diagnostics_of_its_own(pair: Pair) -> None:
    left, right = pair
    counted = [int(camera.fresh_value("frames_answered") or 0) for camera in pair]
    answer(left, LEFT_RGB)
    left.until(lambda: int(left.fresh_value("frames_answered")) > counted[0], "the left answer to be counted")
    assert int(right.fresh_value("frames_answered") or 0) == counted[1]
    assert left.status.name == "left/saom: segmentation" and right.status.name == "right/saom: segmentation"


def test_a_bad_picture_of_one_camera_is_told_of_that_one_alone(pair: Pair) -> None:
    left, right = pair
    bad = image_message(LEFT_RGB, "rgb8", left.header())
    bad.encoding = "rgb9"
    failed = int(left.fresh_value("frames_failed") or 0)
    left.publish("image", bad)
    left.until(lambda: int(left.fresh_value("frames_failed") or 0) > failed, "the picture to be refused")
    left.until_status("rgb9", level=b"\x02")
    assert answer(right, RIGHT_RGB)
    right.until(lambda: right.fresh_value("state") == "working", "the right camera's state")
    assert right.status.level == b"\x00" or "rgb9" not in right.status.message
    assert answer(left, LEFT_RGB)


def test_parameters_of_one_camera_leave_the_other_alone(pair: Pair) -> None:
    left, right = pair
    whole = len(answer(right, RIGHT_RGB))
    assert left.set_parameter("max_instances", 1).successful and right.parameter("max_instances") == 100
    for _ in range(3):
        assert len(answer(left, LEFT_RGB)) == 1 < len(answer(right, RIGHT_RGB)) == whole
    assert left.set_parameter("max_instances", 100).successful


@pytest.mark.slow
def test_sections_of_a_parameter_file_are_for_one_camera_or_for_all(
    start: StartNode, two: Pair, tmp_path: Path
) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    nms_iou: 0.3\n"
        "/left/saom:\n  ros__parameters:\n    max_instances: 2\n    vocabulary: household\n"
    )
    process = start(arguments=(*CAMERAS, "--ros-args", "--params-file", str(file), "--"))
    left, right = two
    for camera in two:
        camera.wait_active(process)
        assert camera.parameter("nms_iou") == 0.3
    assert (left.parameter("max_instances"), right.parameter("max_instances")) == (2, 100)
    assert (left.parameter("vocabulary"), right.parameter("vocabulary")) == ("household", "thor")
    assert len(answer(left, LEFT_RGB)) == 2 < len(answer(right, LEFT_RGB))


def test_a_camera_that_is_deactivated_or_configured_anew_leaves_the_other_alone(pair: Pair) -> None:
    left, right = pair
    assert left.change_state(Transition.TRANSITION_DEACTIVATE)
    assert answer(right, RIGHT_RGB) and left.fresh_value("lifecycle") == "inactive"
    assert left.change_state(Transition.TRANSITION_CLEANUP)
    assert answer(right, RIGHT_RGB)
    assert left.set_parameter("model", "/no/model.onnx").successful
    assert not left.change_state(Transition.TRANSITION_CONFIGURE)
    left.until_status("not configured", "/no/model.onnx", level=b"\x02")
    assert answer(right, RIGHT_RGB) and right.state().id == State.PRIMARY_STATE_ACTIVE
    assert left.set_parameter("model", MODEL).successful
    assert left.change_state(Transition.TRANSITION_CONFIGURE) and left.change_state(Transition.TRANSITION_ACTIVATE)
    left.wait_active()
    assert answer(left, LEFT_RGB)


@pytest.mark.slow
def test_the_model_is_loaded_once_and_again_only_after_the_last_camera_has_left_it(
    start: StartNode, two: Pair, log: Path
) -> None:
    process = start(arguments=CAMERAS, first=COUNT_SESSIONS)

    def loaded() -> Counter[str]:
        lines = (line.split() for line in log.read_text().splitlines())
        return Counter(words[1] for words in lines if words[:1] == ["session"])

    left, right = two
    for camera in two:
        camera.wait_active(process)
        assert answer(camera, LEFT_RGB)
    assert loaded() and set(loaded().values()) == {1}
    for transition in ("DEACTIVATE", "CLEANUP", "CONFIGURE", "ACTIVATE"):
        assert right.change_state(getattr(Transition, f"TRANSITION_{transition}"))
    right.wait_active(process)
    assert answer(right, LEFT_RGB) and set(loaded().values()) == {1}
    for transition in ("DEACTIVATE", "CLEANUP"):
        assert all(camera.change_state(getattr(Transition, f"TRANSITION_{transition}")) for camera in two)
    assert left.change_state(Transition.TRANSITION_CONFIGURE) and set(loaded().values()) == {2}


def test_a_flood_of_one_camera_leaves_the_other_its_turns(pair: Pair) -> None:
    fast, slow = pair
    shares: list[int] = []  # answers to the fast camera while the slow one waits for one
    for _ in range(7):
        before, header, shown_s = len(fast.received["instances"]), slow.show(LEFT_RGB), time.monotonic()

        def answered(header: Header = header) -> bool:
            return any(message.header == header for message in slow.received["instances"])

        while not answered():
            assert time.monotonic() < shown_s + 20 * RESEND_S
            fast.show(LEFT_RGB)
            fast.executor.spin_once(timeout_sec=0.01)
            slow.executor.spin_once(timeout_sec=0.0)
        shares.append(len(fast.received["instances"]) - before)
    # its turn comes after the frame in work; one more may come while the picture and the answer are on their way
    assert sum(shares) > 0 and statistics.median(shares) <= 3


@pytest.mark.slow
def test_two_cameras_in_one_process_take_less_memory_than_two_processes() -> None:
    together, apart = Measured(), Measured()
    both, rates = ("left", "right"), (5.0, 5.0)
    measure(both, rates, [CAMERAS], 1.0, together)
    measure(both, rates, [["--cameras", name] for name in both], 1.0, apart)
    assert together.own_mb[0] < 0.8 * apart.own_mb[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_nodes_of_all_cameras_while_they_work(
    start: StartNode, two: Pair, log: Path, number: signal.Signals
) -> None:
    process = start(arguments=CAMERAS)
    for camera in two:
        camera.wait_active(process)
    for camera in two:
        camera.show(LEFT_RGB)
    process.send_signal(number)
    assert process.wait(240) == 0 and "Traceback" not in log.read_text()


@pytest.mark.slow
def test_the_cameras_stand_below_the_namespace_and_names_of_inputs_below_the_cameras(
    start: StartNode, robot: Robot
) -> None:
    process = start(arguments=CAMERAS, remap=("__ns:=/robot1", "image:=color/image_raw"))
    for camera in ("/robot1/left", "/robot1/right"):
        heard = partial(robot.node.count_subscribers, f"{camera}/color/image_raw")
        robot.until(heard, f"a subscription of {camera}", process)
        robot.until(partial(robot.node.count_publishers, f"{camera}/saom/instances"), f"answers of {camera}", process)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("[]", ()),
        ("left", ("left",)),
        ("left,right", ("left", "right")),
        ("[left, right]", ("left", "right")),
        ("['left', \"arm/right\"]", ("left", "arm/right")),
        ("/left, /right/", ("left", "right")),
    ],
)
def test_names_of_cameras(text: str, names: tuple[str, ...]) -> None:
    assert camera_names(text) == names


@pytest.mark.parametrize(
    ("text", "reason"), [("left,left", "once"), ("left,,right", "''"), ("1st", "'1st'"), ("a b", "'a b'")]
)
def test_names_of_cameras_that_cannot_be(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        camera_names(text)


def test_cameras_as_a_parameter_are_told_to_be_an_argument(start: StartNode, robot: Robot) -> None:
    start(cameras="[left,right]", autostart=False)
    robot.until_status("--cameras")


def test_a_name_that_cannot_be_ends_the_process_with_the_reason() -> None:
    command = [sys.executable, "-m", "saom_ros.process", "--cameras", "left,left", "--ros-args", "-p", "threads:=1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 2 and "each name once" in ended.stderr
