"""Configuring, parameters, and the end of the node."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import MODEL, StartNode
from lifecycle_msgs.msg import State, Transition
from robot import ROOT, Robot, picture
from saom_ros.srv import Segment, Select

from saom_core.config import SaomConfig, option_of
from saom_ros.parameters import NodeConfig, defaults_yaml

OTHER_SIGNATURE = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142040a00100d"
)
"""A valid ONNX file, made with onnx.helper, whose only node is Identity: (1,) float -> (1,) float."""


def test_the_parameter_file_is_the_configuration() -> None:
    assert (ROOT / "config" / "saom.yaml").read_text() == defaults_yaml()


def test_the_docs_name_what_changes_at_the_next_configure() -> None:
    fields = (*dataclasses.fields(SaomConfig), *dataclasses.fields(NodeConfig))
    text = (ROOT / "docs" / "ros.md").read_text()
    named = re.search(r"they change at run time \(([^)]*) at the next configure\)", text)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) == {field.name for field in fields if option_of(field).read_only}


def test_every_option_is_a_described_parameter(running: Robot) -> None:
    fields = (*dataclasses.fields(SaomConfig), *dataclasses.fields(NodeConfig))
    for field, descriptor in zip(fields, running.describe(*(field.name for field in fields)), strict=True):
        option = option_of(field)
        assert option.description in descriptor.description and option.unit in descriptor.description
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert [(r.from_value, r.to_value) for r in ranges] == (
            [] if option.minimum is None else [(option.minimum, option.maximum)]
        )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("nms_iou", 1.5, "nms_iou"),
        ("nms_iou", float("nan"), "nms_iou"),
        ("max_instances", 0, "max_instances"),
        ("max_instances", "many", "type"),
        ("min_depth_m", 10.0, "min_depth_m < max_depth_m"),
        ("provider", "cpu", "deactivate"),
        ("model", "/tmp/other.onnx", "deactivate"),
    ],
)
def test_bad_changes_are_refused_with_the_reason(running: Robot, name: str, value: object, reason: str) -> None:
    result = running.set_parameter(name, value)
    assert not result.successful and reason in result.reason


def test_a_change_takes_effect_with_the_next_frame(running: Robot) -> None:
    whole = running.answer_to(running.show(picture()[0]))
    assert running.set_parameter("max_instances", 1).successful
    assert len(running.answer_to(running.show(picture()[0])).instances) == 1 < len(whole.instances)
    assert running.set_parameter("max_instances", 100).successful


@pytest.mark.slow
def test_a_model_that_cannot_be_used_leaves_a_node_that_can_be_tried_again(
    start: StartNode, robot: Robot, log: Path, tmp_path: Path
) -> None:
    good = Path(MODEL or ROOT / "saom_core" / "models" / "saom-tiny.onnx")
    bad = {
        "missing.onnx": "expected a model file",
        "truncated.onnx": "expected an ONNX model",
        "text.onnx": "expected an ONNX model",
        "signature.onnx": "saom export",
    }
    (tmp_path / "truncated.onnx").write_bytes(good.read_bytes()[:200_000])
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "signature.onnx").write_bytes(OTHER_SIGNATURE)
    process = start(model=tmp_path / "missing.onnx")
    robot.until_status("not configured", "missing.onnx", level=b"\x02")
    for name, reason in bad.items():
        assert robot.set_parameter("model", str(tmp_path / name)).successful
        assert not robot.change_state(Transition.TRANSITION_CONFIGURE)
        robot.until_status("not configured", name, reason, level=b"\x02")
    assert robot.set_parameter("model", str(good)).successful
    assert robot.set_parameter("provider", "tensorrt").successful
    assert not robot.change_state(Transition.TRANSITION_CONFIGURE)
    robot.until_status("provider tensorrt", level=b"\x02")
    assert robot.state().id == State.PRIMARY_STATE_UNCONFIGURED
    assert robot.set_parameter("provider", "cpu").successful
    assert robot.change_state(Transition.TRANSITION_CONFIGURE)
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    robot.wait_active(process)
    robot.answer_to(robot.show(picture()[0]))
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_a_fall_back_to_the_cpu_is_told(start: StartNode, robot: Robot, log: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed here")
    providers = "['CUDAExecutionProvider', 'CPUExecutionProvider']"
    process = start(first=f"import onnxruntime; onnxruntime.get_available_providers = lambda: {providers}")
    robot.wait_active(process)
    status = robot.until_status("running on cpu", "cuda", level=b"\x01")
    assert "on cpu" in status.hardware_id
    assert (robot.value("provider"), robot.value("provider_requested")) == ("cpu", "auto")
    assert "RUNNING ON THE CPU" in log.read_text() and "running on cpu: cuda" in log.read_text()


@pytest.mark.slow
def test_a_bad_value_at_the_start_is_told_and_can_be_set_right(start: StartNode, robot: Robot, log: Path) -> None:
    process = start(nms_iou=7.0, max_instances="many")
    robot.until_status("not configured", "nms_iou", "max_instances", level=b"\x02")
    assert not robot.change_state(Transition.TRANSITION_CONFIGURE)
    assert robot.set_parameter("nms_iou", 0.5).successful
    assert robot.set_parameter("max_instances", 10).successful
    assert robot.change_state(Transition.TRANSITION_CONFIGURE)
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    robot.wait_active(process)


@pytest.mark.slow
def test_whole_numbers_are_taken_for_floats(start: StartNode, robot: Robot) -> None:
    process = start(nms_iou=1, max_depth_m=4)
    robot.wait_active(process)
    assert robot.set_parameter("nms_iou", 1).successful and robot.set_parameter("sync_timeout_s", 0).successful
    assert robot.parameter("nms_iou") == 1.0 and robot.parameter("max_depth_m") == 4.0
    refused = robot.set_parameter("nms_iou", 7)
    assert not refused.successful and "nms_iou" in refused.reason
    assert not robot.set_parameter("max_instances", 5.0).successful  # not the other way round


@pytest.mark.slow
def test_a_misspelt_parameter_is_told(start: StartNode, robot: Robot, log: Path) -> None:
    qos = "qos_overrides./image.subscription.reliability"
    process = start(score_treshold=0.9, use_sim_time=False, **{qos: "reliable"})
    robot.wait_active(process)
    robot.until_status(qos, "reliable_inputs", level=b"\x01")
    status = robot.until_status("score_treshold", "did you mean score_threshold?", level=b"\x01")
    assert "use_sim_time" not in status.message
    assert sum("did you mean" in line for line in log.read_text().splitlines()) == 1


@pytest.mark.slow
def test_callers_hear_why_no_model_is_loaded(start: StartNode, robot: Robot, tmp_path: Path) -> None:
    start(model=tmp_path / "missing.onnx")
    robot.until_status("not configured", "missing.onnx", level=b"\x02")
    for kind, name in ((Segment, "segment"), (Select, "select")):
        answer = robot.call(kind, f"/saom/{name}", kind.Request())
        assert not answer.success and "missing.onnx" in answer.message


def test_the_lifecycle_round_trip(start: StartNode, robot: Robot, log: Path) -> None:
    process = start(autostart=False)
    for _ in range(2):
        assert robot.state().id == State.PRIMARY_STATE_UNCONFIGURED
        assert robot.change_state(Transition.TRANSITION_CONFIGURE)
        assert not robot.publishers["image"].get_subscription_count()
        for _ in range(2):
            assert robot.change_state(Transition.TRANSITION_ACTIVATE)
            robot.wait_active(process)
            robot.answer_to(robot.show(picture()[0]))
            assert robot.change_state(Transition.TRANSITION_DEACTIVATE)
            robot.until_status("inactive: run the transition activate", level=b"\x01")
            robot.until(lambda: not robot.publishers["image"].get_subscription_count(), "the camera to be left")
        assert robot.change_state(Transition.TRANSITION_CLEANUP)
    assert robot.change_state(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert robot.state().id == State.PRIMARY_STATE_FINALIZED
    robot.until_status("finalized", level=b"\x02")
    assert "start it anew" in robot.call(Segment, "/saom/segment", Segment.Request()).message
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_what_was_chosen_is_chosen_still_after_the_node_was_configured_anew(start: StartNode, robot: Robot) -> None:
    process = start(classes="Unicorn")
    robot.wait_active(process)
    assert robot.call(Select, "/saom/select", Select.Request(class_name="Mug")).success
    robot.answer_to(robot.show(picture()[0]))
    robot.until_status("classes: expected some of the model's")
    robot.until(lambda: robot.fresh_value("target").startswith("Mug: "), "the target")
    assert robot.change_state(Transition.TRANSITION_DEACTIVATE)
    robot.fresh_value("state")
    assert robot.status is not None and "classes" not in robot.status.message, "nobody looks at them any more"
    assert robot.change_state(Transition.TRANSITION_CLEANUP)
    assert robot.change_state(Transition.TRANSITION_CONFIGURE)
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    robot.wait_active(process)
    assert robot.fresh_value("target").startswith("Mug: ")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_cleanly_while_it_works(
    start: StartNode, robot: Robot, log: Path, number: signal.Signals
) -> None:
    process = start()
    robot.wait_active(process)
    # frames so large and many that one of them is in work when the signal comes
    image = np.zeros((1080, 1920, 3), np.uint8)
    image[:480, :640] = picture()[0]
    robot.answer_to(robot.show(image))
    for _ in range(3):
        robot.show(image)
    process.send_signal(number)
    assert process.wait(240) == 0
    assert "Traceback" not in log.read_text() and "rror" not in log.read_text()


@pytest.mark.slow
def test_a_service_call_that_waits_is_answered_when_the_node_ends(start: StartNode, robot: Robot, log: Path) -> None:
    process = start()
    robot.wait_active(process)
    client = robot.node.create_client(Segment, "/saom/segment")
    robot.until(client.service_is_ready, "the service", process)
    answer = client.call_async(Segment.Request())
    robot.until_a_call_waits()
    assert robot.change_state(Transition.TRANSITION_DEACTIVATE)
    robot.until(answer.done, "an answer", process)
    assert not answer.result().success and "was deactivated" in answer.result().message
    assert "inactive" in robot.call(Segment, "/saom/segment", Segment.Request()).message
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    answer = client.call_async(Segment.Request())
    robot.until_a_call_waits()
    process.terminate()
    robot.until(answer.done, "an answer")
    assert not answer.result().success and "is ending" in answer.result().message
    assert process.wait(240) == 0
    assert "Traceback" not in log.read_text() and "rror" not in log.read_text()


LOADS_SLOWLY = """
import os, sys, time
from saom_core.loading import Models
load = Models.segmenter
def slowly(*args):
    print("loading", flush=True)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    return load(*args)
Models.segmenter = slowly
from saom_ros.process import main
sys.exit(main(["saom", "--ros-args"]))
"""


@pytest.mark.slow
def test_calls_that_came_while_the_model_was_loaded_are_answered_when_the_node_ends(
    robot: Robot, log: Path, tmp_path: Path
) -> None:
    environment, go_on = os.environ | {"ROS_DOMAIN_ID": str(robot.domain)}, tmp_path / "go"
    with log.open("w") as file:
        command = [sys.executable, "-c", LOADS_SLOWLY, str(go_on)]
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        client = robot.node.create_client(Segment, "/saom/segment")
        robot.until(client.service_is_ready, "the service", process)
        robot.until(lambda: "loading" in log.read_text(), "the model to be loaded", process)
        answers = []
        for _ in range(5):  # the first ones may be lost, as DDS loses calls to a service that has not met the client
            answers.append(client.call_async(Segment.Request()))
            sent_s = time.monotonic()
            robot.until(lambda since_s=sent_s: time.monotonic() - since_s > 0.5, "the call to come", process)
        process.terminate()
        go_on.touch()
        robot.until(lambda: any(answer.done() for answer in answers), "an answer")
        told = [answer.result().message for answer in answers if answer.done()]
        assert all("is ending" in message for message in told)
        assert process.wait(240) == 0 and "takes long" not in log.read_text()
    finally:
        process.kill()


@pytest.mark.slow
def test_more_signals_do_not_cut_the_end(start: StartNode, robot: Robot, log: Path) -> None:
    process = start()
    robot.wait_active(process)
    robot.answer_to(robot.show(picture()[0]))
    while process.poll() is None:  # Ctrl-C goes to the whole group, and `ros2 launch` hands it on
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    assert process.returncode == 0
    assert "Traceback" not in log.read_text() and "rror" not in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_that_never_saw_a_frame(
    start: StartNode, robot: Robot, log: Path, number: signal.Signals
) -> None:
    process: subprocess.Popen[str] = start(autostart=False)
    assert robot.state().id == State.PRIMARY_STATE_UNCONFIGURED
    process.send_signal(number)
    assert process.wait(240) == 0
    assert log.read_text() == ""
