"""The node's parts, each by itself: matching by stamp, the worker, the executor, the statistics."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from robot import free_domain
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from saom_core.errors import ConfigError, InputError
from saom_ros import outputs as outputs_module
from saom_ros.diagnostics import AGAIN_S, CALM_S, ERROR, OK, WARN, Problem, Problems, Statistics, status_message
from saom_ros.executor import NodeExecutor
from saom_ros.inputs import Input, image_kinds
from saom_ros.matcher import KEPT, PATIENCE, Frame, FrameMatcher, stamp_ns
from saom_ros.pace import Pace, RateLimit
from saom_ros.parameters import NodeConfig
from saom_ros.turns import Turns
from saom_ros.waiting import Waiting
from saom_ros.worker import NewestWorker


def image_at(seconds: float) -> Image:
    nanoseconds = round(seconds * 1e9)
    return Image(header=Header(stamp=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)))


def matcher(tolerance_s: float = 0.02, timeout_s: float = 0.2, expects_depth: bool = True) -> FrameMatcher:
    made = FrameMatcher()
    made.tolerance_s, made.timeout_s, made.expects_depth = tolerance_s, timeout_s, expects_depth
    return made


def test_without_depth_every_image_goes_at_once() -> None:
    pairs = matcher(expects_depth=False)
    for k in range(20):
        image = image_at(k / 30)
        assert pairs.add_image(image, k / 30) == Frame(image, None, k / 30)
    assert pairs.dropped == 0 and pairs.alone == 0


@pytest.mark.parametrize("depth_first", [False, True])
@pytest.mark.parametrize(("apart_s", "fits"), [(0.0, True), (0.02, True), (-0.02, True), (0.021, False), (-0.5, False)])
def test_a_pair_is_made_within_the_tolerance(apart_s: float, fits: bool, depth_first: bool) -> None:
    pairs, image, depth = matcher(), image_at(5.0), image_at(5.0 + apart_s)
    if depth_first:
        assert pairs.add_depth(depth, 0.0) is None
        frame = pairs.add_image(image, 0.0)
    else:
        assert pairs.add_image(image, 0.0) is None
        frame = pairs.add_depth(depth, 0.0)
    assert frame == (Frame(image, depth, 0.0) if fits else None)
    if not fits:
        assert pairs.expire(0.19) is None
        assert pairs.expire(0.2) == Frame(image, None, 0.0)
        assert pairs.alone == 1 and pairs.nearest_s == pytest.approx(apart_s)


@pytest.mark.parametrize("seed", range(20))
def test_random_streams_keep_the_promises(seed: int) -> None:
    """30 Hz images, depths late, jittered and partly missing: compared with what the definition says."""
    rng = np.random.default_rng(seed)
    pairs = matcher()
    events: list[tuple[float, str, Image]] = []
    for k in range(200):
        stamp = k / 30
        events.append((stamp + rng.uniform(0, 0.01), "image", image_at(stamp)))
        if rng.random() < 0.7:
            events.append((stamp + rng.uniform(-0.01, 0.12), "depth", image_at(stamp + rng.normal(0, 0.01))))
    came_out: list[Frame] = []
    given = 0
    for now, kind, message in sorted(events, key=lambda event: event[0]):
        if kind == "image":
            given += 1
            out = [pairs.add_image(message, now), pairs.expire(now)]
        else:
            out = [pairs.add_depth(message, now), pairs.expire(now)]
        came_out += [frame for frame in out if frame is not None]
    received = [frame.received_s for frame in came_out]
    assert received == sorted(received) and len({id(frame.image) for frame in came_out}) == len(came_out)
    for frame in came_out:
        if frame.depth is not None:
            assert abs(stamp_ns(frame.image.header) - stamp_ns(frame.depth.header)) <= 20_000_000
    waiting = given - len(came_out) - pairs.dropped
    assert 0 <= waiting <= KEPT
    assert sum(frame.depth is not None for frame in came_out) > 50


@pytest.mark.parametrize("depth_first", [False, True])
def test_images_stop_waiting_when_stamps_never_match_and_wait_again_when_they_do(depth_first: bool) -> None:
    pairs = matcher()
    for k in range(PATIENCE):
        assert pairs.add_image(image_at(k), k) is None
        assert pairs.expire(k + 0.5) is not None
    impatient = pairs.add_image(image_at(100.0), 100.0)
    assert impatient is not None and impatient.depth is None
    if depth_first:
        pairs.add_depth(image_at(101.0), 101.5)
        assert pairs.add_image(image_at(101.0), 101.0) is not None
    else:  # too late for its image, but in time for the next ones
        assert pairs.add_image(image_at(101.0), 101.0) is not None
        assert pairs.add_depth(image_at(101.0), 101.5) is None
    assert pairs.alone == 0
    assert pairs.add_image(image_at(102.0), 102.0) is None


def test_without_stamps_an_image_gets_the_newest_depth() -> None:
    pairs, depths = matcher(), [image_at(0.0) for _ in range(3)]
    for depth in depths:
        pairs.add_depth(depth, 0.0)
    frame = pairs.add_image(image_at(0.0), 1.0)
    assert frame is not None and frame.depth is depths[-1]
    pairs, images = matcher(), [image_at(0.0) for _ in range(2)]
    for k, image in enumerate(images):
        assert pairs.add_image(image, float(k)) is None
    frame = pairs.add_depth(depths[0], 2.0)
    assert frame is not None and frame.image is images[-1] and pairs.dropped == 1


def done_with(_: object) -> None:
    """What a worker does after its turn, in tests that look at the turn alone."""


def test_the_worker_takes_the_newest_and_counts_the_others() -> None:
    begun: queue.Queue[int] = queue.Queue()
    go_on = threading.Semaphore(0)

    def work(item: int) -> None:
        begun.put(item)
        go_on.acquire()

    worker = NewestWorker(work, done_with, Turns())
    worker.submit(0)
    assert begun.get(timeout=240) == 0
    for item in (1, 2, 3):
        worker.submit(item)
    go_on.release()
    assert begun.get(timeout=240) == 3 and worker.replaced == 2
    assert not worker.stop(0.01)
    go_on.release()
    assert worker.stop(240.0)


def test_a_stopped_or_emptied_worker_works_no_more() -> None:
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def work(item: int) -> None:
        begun.set()
        go_on.wait(240)
        done.append(item)

    worker = NewestWorker(work, done_with, Turns())
    worker.submit(1)
    assert begun.wait(240)
    worker.submit(2)
    worker.discard()
    go_on.set()
    assert worker.stop(240.0)
    worker.submit(3)
    assert done == [1]


def test_the_executor_goes_on_while_a_slow_callback_waits() -> None:
    context = rclpy.Context()
    context.init(domain_id=0)
    node = rclpy.create_node("parts", context=context)
    slow_group = MutuallyExclusiveCallbackGroup()
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()
    ticks: list[int] = []

    def slow() -> None:
        begun.set()
        assert go_on.wait(240)
        timer.cancel()
        done.set()

    timer = node.create_timer(0.0, slow, callback_group=slow_group)
    node.create_timer(0.01, lambda: ticks.append(threading.get_ident()))
    executor = NodeExecutor(slow_group, context=context)
    executor.add_node(node)
    spinner = threading.Thread(target=executor.spin)
    spinner.start()
    assert begun.wait(240)
    before = len(ticks)
    assert wait_until(lambda: len(ticks) > before + 3) and not done.is_set()
    assert not executor.stop(spinner, 0.1)  # the slow one still waits, the spinner ends
    spinner.join(240)
    assert not spinner.is_alive() and set(ticks) == {spinner.ident}
    go_on.set()
    assert executor.stop(spinner, 10.0) and done.is_set()
    node.destroy_node()
    context.shutdown()


def test_service_calls_that_came_before_the_end_are_answered() -> None:
    """Among them one that could not begin, because another of its group was at work; the camera's topics are left."""
    context = rclpy.Context()
    context.init(domain_id=free_domain())
    node = rclpy.create_node("parts", context=context)
    slow_group = MutuallyExclusiveCallbackGroup()
    begun, go_on = threading.Event(), threading.Event()
    ticks: list[int] = []
    ended: list[bool] = []

    def slow(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        begun.set()
        assert go_on.wait(240)
        return response

    node.create_service(Trigger, "slow", slow, callback_group=slow_group)
    node.create_service(Trigger, "quick", lambda _, response: response)
    timer = node.create_timer(0.001, lambda: ticks.append(1))
    executor = NodeExecutor(slow_group, context=context)
    executor.add_node(node)
    spinner = threading.Thread(target=executor.spin)
    spinner.start()
    caller, answers = rclpy.create_node("caller", context=context), SingleThreadedExecutor(context=context)
    answers.add_node(caller)
    client, quick = caller.create_client(Trigger, "slow"), caller.create_client(Trigger, "quick")

    def quick_is_answered() -> bool:  # DDS loses calls to a service that has not met the client yet
        call = quick.call_async(Trigger.Request())
        answers.spin_until_future_complete(call, 1.0)
        return call.done()

    assert client.wait_for_service(240.0) and quick.wait_for_service(240.0)
    while not begun.is_set():
        client.call_async(Trigger.Request())
        begun.wait(0.5)
    calls = [client.call_async(Trigger.Request()) for _ in range(2)]
    assert wait_until(quick_is_answered, 240.0)  # so those calls, sent before, have come as well
    ending = threading.Thread(target=lambda: ended.append(executor.stop(spinner, 240.0)))
    ending.start()
    assert wait_until(lambda: not executor.can_execute(timer), 240.0)
    before = len(ticks)
    go_on.set()
    ending.join(240)
    assert ended == [True] and len(ticks) <= before + 1
    for call in calls:
        answers.spin_until_future_complete(call, 240.0)
    assert all(call.done() for call in calls)
    answers.shutdown()
    caller.destroy_node()
    node.destroy_node()
    context.shutdown()


def test_nobody_begins_to_wait_where_no_answer_will_come() -> None:
    waiting = Waiting()
    waiting.close("the node was deactivated")
    with pytest.raises(InputError, match="was deactivated"):
        waiting.next_answer(timeout_s=240.0)
    waiting.open()
    with pytest.raises(concurrent.futures.TimeoutError):
        waiting.next_answer(timeout_s=0.01)
    assert not waiting
    waiting.close("the node is ending", for_good=True)
    waiting.open()
    waiting.close("the node was deactivated")
    waiting.open()
    with pytest.raises(InputError, match="is ending"):
        waiting.next_answer(timeout_s=240.0)


def wait_until(done: Callable[[], bool], limit_s: float = 10.0) -> bool:
    end = time.monotonic() + limit_s
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    return done()


def test_statistics_agree_with_numpy() -> None:
    statistics, times = Statistics(), np.random.default_rng(3).uniform(5, 50, 150)
    for k, milliseconds in enumerate(times):
        statistics.add_frame({"network": milliseconds}, finished_s=k / 20)
    values = statistics.values(now_s=150 / 20)
    p50, p95 = np.percentile(times[-100:], [50, 95])
    assert values["network_ms"] == f"p50 {p50:.1f} p95 {p95:.1f}"
    assert values["rate_hz"] == "20.0" and values["frames_answered"] == "150"
    assert statistics.values(now_s=1000.0)["rate_hz"] == "0.0"


def test_depth_that_comes_too_late_is_told_from_depth_of_another_moment() -> None:
    pairs = matcher(timeout_s=0.2)
    for k in range(3):
        now = k / 2
        assert pairs.add_image(image_at(now), now) is None
        assert pairs.expire(now + 0.25) is not None
        assert pairs.add_depth(image_at(now), now + 0.3) is None
        assert pairs.late_s == pytest.approx(0.3)
    pairs.timeout_s = 0.4
    assert pairs.add_image(image_at(9.0), 9.0) is None and pairs.expire(9.3) is None
    frame = pairs.add_depth(image_at(9.0), 9.3)
    assert frame is not None and frame.depth is not None and pairs.late_s is None


def test_images_of_a_fast_camera_wait_for_depth_that_is_late() -> None:
    """30 Hz, each depth 0.5 s after its image: fifteen images wait at any moment, and each gets its depth."""
    pairs = matcher(timeout_s=0.6)
    events = sorted([(k / 30, "image", k) for k in range(90)] + [(k / 30 + 0.5, "depth", k) for k in range(90)])
    out = [
        pairs.add_image(image_at(k / 30), now) if kind == "image" else pairs.add_depth(image_at(k / 30), now)
        for now, kind, k in events
    ]
    assert sum(frame is not None and frame.depth is not None for frame in out) == 90 and pairs.dropped == 0


def test_the_worst_problem_gives_the_level_and_all_are_told() -> None:
    problems = Problems()
    working, asleep = Problem(OK, "working"), Problem(WARN, "deactivated")
    problems.set("depth", "too small")
    assert status_message("n", "h", working, problems.all(), {}).level == WARN
    problems.set("frame", "broken", ERROR)
    status = status_message("n", "h", working, problems.all(), {"a": "b"})
    assert (status.level, status.message) == (ERROR, "broken; too small")
    assert problems.text("image", "frame") == "broken" and problems.text("image") == ""
    problems.clear("frame", "depth")
    status = status_message("n", "h", working, problems.all(), {})
    assert (status.level, status.message) == (OK, "working")
    status = status_message("n", "h", asleep, problems.all(), {})
    assert (status.level, status.message) == (WARN, "deactivated")


class Terminal:
    """What `Problems` tells, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[tuple[bytes, str]] = []
        self.problems = Problems(lambda level, text: self.lines.append((level, text)), lambda: self.now_s)

    def told(self) -> list[str]:
        """The lines since the last call."""
        lines, self.lines = [text for _, text in self.lines], []
        return lines


def test_a_problem_is_told_once_and_once_when_it_is_over() -> None:
    terminal = Terminal()
    for _ in range(50):
        terminal.problems.set("image", "no image")
        terminal.problems.settle()
        terminal.now_s += 1
    assert terminal.told() == ["no image"]
    terminal.problems.clear("image")
    terminal.problems.settle()
    assert terminal.told() == []
    terminal.now_s += CALM_S
    terminal.problems.settle()
    terminal.problems.settle()
    assert terminal.lines == [(OK, "over: no image")] and terminal.told()
    terminal.problems.set("image", "no image", ERROR)
    assert terminal.lines == [(ERROR, "no image")]


def test_a_problem_that_comes_and_goes_or_says_other_numbers_does_not_flood_the_terminal() -> None:
    terminal = Terminal()
    for k in range(300):  # 10 s at 30 Hz: every other frame fails, each with a number of its own
        terminal.problems.set("frame", f"expected 100 bytes, got {k}")
        terminal.now_s += 1 / 30
        terminal.problems.clear("frame")
        terminal.problems.settle()
    assert terminal.told() == ["expected 100 bytes, got 0"]
    terminal.problems.set("frame", "no encoding")
    terminal.now_s += AGAIN_S
    terminal.problems.settle()
    assert terminal.told()[-1] == "no encoding"
    terminal.problems.forget("frame")  # nobody looks any more
    terminal.now_s += CALM_S
    terminal.problems.settle()
    assert terminal.told() == [] and not terminal.problems.all()


class Publishing:
    """Frames of 50 ms of work each, and what publishing them takes of a clock that is set by hand."""

    def __init__(self, takes_s: dict[str, float]) -> None:
        self.takes_s, self.now_s = takes_s, 0.0
        self.pace = Pace(lambda: self.now_s)

    def frames(self, duration_s: float) -> Counter[str]:
        """How often each output is published in some time."""
        published: Counter[str] = Counter()
        end = self.now_s + duration_s
        while self.now_s < end:
            self.now_s += 0.05
            for name, seconds in self.takes_s.items():
                if self.pace.due(name):
                    self.now_s += seconds
                    self.pace.took(name, seconds)
                    published[name] += 1
        return published


def test_an_output_that_waits_does_not_hold_up_the_others() -> None:
    fast = Publishing({"instances": 0.001, "overlay": 0.002, "points": 0.005})
    undisturbed = fast.frames(60.0)
    assert set(undisturbed.values()) == {undisturbed["instances"]} and not fast.pace.slow(0.0)
    fast.takes_s |= {"overlay": 0.15, "points": 0.3}  # a subscriber of both hangs
    disturbed = fast.frames(60.0)
    assert disturbed["instances"] > 0.75 * undisturbed["instances"]
    assert disturbed["overlay"] > 20 and disturbed["points"] > 20 and fast.pace.slow(3.0) == ["overlay", "points"]
    fast.takes_s |= {"overlay": 0.002}
    fast.pace.forget("points")  # nobody subscribes any more
    del fast.takes_s["points"]
    fast.frames(2.0)  # until its next turn
    again = fast.frames(60.0)
    assert again["overlay"] == again["instances"] and not fast.pace.slow(0.0)


class SlowPublishers:
    """A node whose publishers take 0.1 s of a clock for each message, and count what is sent."""

    def __init__(self) -> None:
        self.now_s, self.sent = 0.0, Counter[str]()

    def create_lifecycle_publisher(self, kind: type, topic: str, qos: QoSProfile) -> SimpleNamespace:
        def publish(message: object) -> None:
            self.now_s += 0.1
            self.sent[topic] += 1

        return SimpleNamespace(publish=publish, get_subscription_count=lambda: int(topic != "~/class_image"))


def test_a_slow_output_that_has_nothing_to_say_does_not_keep_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are slow, as on an overloaded machine; the target goes out of sight, and with it the messages about it."""
    node = SlowPublishers()
    sent = outputs_module.Outputs(node)
    monkeypatch.setattr(outputs_module, "time", SimpleNamespace(monotonic=lambda: node.now_s))
    sent.pace = Pace(lambda: node.now_s)
    seen = {"target_points": True}
    sent._makers = {
        name: lambda answer, name=name: "a message" if seen.get(name, True) else None for name in sent._makers
    }
    for _ in range(200):
        node.now_s += 1.0
        sent.publish(None)
    assert min(node.sent[f"~/{name}"] for name in ("instances", "target_points", "overlay")) > 5
    seen["target_points"] = False
    node.sent.clear()
    for _ in range(200):
        node.now_s += 1.0
        sent.publish(None)
    assert node.sent["~/target_points"] == 0
    assert min(node.sent[f"~/{name}"] for name in ("instances", "target_mask", "overlay")) > 5


@pytest.mark.parametrize(("camera_hz", "most_hz", "wanted_hz"), [(30, 10, 10), (30, 20, 20), (30, 7, 7), (5, 10, 5)])
def test_at_most_so_many_frames_a_second_evenly(camera_hz: float, most_hz: float, wanted_hz: float) -> None:
    rng, now_s = np.random.default_rng(0), 0.0
    limit = RateLimit(lambda: now_s)
    passed = []
    for k in range(int(60 * camera_hz)):
        now_s = (k + rng.uniform(-0.05, 0.05)) / camera_hz
        if limit.passes(most_hz):
            passed.append(now_s)
    assert len(passed) / 60 == pytest.approx(wanted_hz, rel=0.05) and len(passed) / 60 <= most_hz * 1.02
    assert np.diff(passed).max() < 2 / wanted_hz
    assert all(limit.passes(0.0) for _ in range(10)), "0: no limit"


def test_a_pause_is_not_made_up_for() -> None:
    now_s = 0.0
    limit = RateLimit(lambda: now_s)
    assert limit.passes(10.0)
    now_s = 60.0
    burst = 0
    for _ in range(20):
        burst += limit.passes(10.0)
        now_s += 0.001
    assert burst <= 2


def test_the_inputs_that_are_reliable_are_named_rightly() -> None:
    assert NodeConfig(reliable_inputs=" image, depth ").reliable_inputs
    with pytest.raises(ConfigError, match="expected some of image, depth, camera_info, depth_camera_info, got colour"):
        NodeConfig(reliable_inputs="image,colour")


class Graph:
    """A node that sees some publishers: topic -> (type, QoS) of each."""

    def __init__(self, topics: dict[str, list[tuple[str, QoSProfile]]]) -> None:
        self._topics = topics

    def resolve_topic_name(self, name: str) -> str:
        return f"/{name}"

    def get_namespace(self) -> str:
        return "/"

    def get_fully_qualified_name(self) -> str:
        return "/saom"

    def count_publishers(self, topic: str) -> int:
        return len(self._topics.get(topic, []))

    def get_publishers_info_by_topic(self, topic: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(topic_type=kind, qos_profile=qos) for kind, qos in self._topics.get(topic, [])]

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        return [(topic, sorted({kind for kind, _ in infos})) for topic, infos in self._topics.items()]


IMAGE = "sensor_msgs/msg/Image"


@pytest.mark.parametrize(
    ("publishers", "reason"),
    [
        ([], "nobody publishes it (there is /cam/depth)"),
        ([("std_msgs/msg/String", QoSProfile(depth=1))], "published as std_msgs/msg/String, and sensor_msgs/msg/Comp"),
        ([(IMAGE, QoSProfile(depth=1))], "1 publisher(s) of the right type send nothing"),
        # best effort takes whatever is offered, so hardly any QoS can be wrong: here, whether the publisher is alive
        ([(IMAGE, QoSProfile(depth=1, liveliness_lease_duration=Duration(seconds=1)))], "send nothing"),
    ],
)
def test_why_an_input_is_silent(publishers: list[tuple[str, QoSProfile]], reason: str) -> None:
    own = {"/saom/overlay": [(IMAGE, QoSProfile(depth=1))], "/cam/depth": [(IMAGE, QoSProfile(depth=1))]}
    one = Input(Graph(own | {"/depth": publishers}), "depth", image_kinds("auto"), print)  # type: ignore[arg-type]
    assert reason in one.cause() and not one.renamed and "/saom/overlay" not in one.cause()


def test_the_wrong_qos_of_a_publisher_is_named() -> None:
    """A reliable input (`reliable_inputs`) asks for more than a sensor's driver may offer."""
    offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    graph = Graph({"/image": [(IMAGE, offered)]})
    one = Input(graph, "image", image_kinds("raw"), print, reliable=True)  # type: ignore[arg-type]
    assert "QoS does not fit" in one.cause() and "eliab" in one.cause()
