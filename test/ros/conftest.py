"""Real DDS between processes: the node runs as its users run it, the tests talk to it over topics and services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("saom_ros.msg", reason="needs the built ROS package: run  make test")

from robot import ROOT, Robot  # noqa: E402

MODEL = os.environ.get("SAOM_TEST_MODEL", "")
"""A model other than the bundled one to run these tests with."""


OFTEN = "from saom_ros import node; node.DIAGNOSTICS_EVERY_S = 0.1"
"""Tests wait for diagnostics more than for anything else; what users run has them once a second, as in test_demo.py."""

StartNode = Callable[..., "subprocess.Popen[str]"]


def start_in(
    domain: int,
    log: Path,
    remap: Sequence[str] = (),
    first: str = "",
    arguments: Sequence[str] = (),
    **parameters: object,
) -> subprocess.Popen[str]:
    """The node in a process of its own, with diagnostics ten times a second, else as its users run it.

    Args:
        domain: of ROS.
        log: where it writes.
        remap: rules, old:=new.
        first: Python that the process runs before, to give the node a machine unlike this one.
        arguments: words of the command line that stand before those of ROS.
        parameters: of the node.
    """
    given = {"model": MODEL, **parameters}
    program = ("import sys", first, OFTEN, "from saom_ros.process import main", "sys.exit(main())")
    command = [sys.executable, "-c", "; ".join(line for line in program if line), *arguments, "--ros-args"]
    for name, value in given.items():
        if value != "":
            command += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
    for rule in remap:
        command += ["-r", rule]
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
    with log.open("w") as file:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True)


def stop(process: subprocess.Popen[str]) -> None:
    """Ends a node as a supervisor would, and for good where it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(240)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def robot() -> Iterator[Robot]:
    """The rest of a robot: a camera and a listener, without a node of SAOM."""
    with Robot() as made:
        yield made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the node of this test writes."""
    return tmp_path / "node.log"


@pytest.fixture
def start(robot: Robot, log: Path) -> Iterator[StartNode]:
    """Starts the node beside `robot`; what still runs at the end of the test is ended."""
    started: list[subprocess.Popen[str]] = []

    def start_one(**parameters: object) -> subprocess.Popen[str]:
        started.append(
            start_in(robot.domain, log.with_suffix(f".{len(started)}.log") if started else log, **parameters)
        )
        return started[-1]

    yield start_one
    for process in started:
        stop(process)


@pytest.fixture(scope="module")
def _up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    """A robot whose node is up and active."""
    with Robot() as made:
        process = start_in(made.domain, tmp_path_factory.mktemp("node") / "node.log", input_timeout_s=1.0)
        try:
            made.wait_active(process)
            yield made
        finally:
            stop(process)


@pytest.fixture
def running(_up: Robot) -> Iterator[Robot]:
    """A robot whose node is up and active; shared by the tests of a module, each of which finds it as the first did.

    What a test listens to or publishes beyond that ends with it, also where it fails: others must not fail with it.
    """
    yield _up
    _up.as_at_first()
