"""Collecting on a Ray cluster: a machine that is lost changes nothing in the data set, and nothing is left running."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saom_core.errors import InputError
from saom_training.collect import collect
from saom_training.simulators.interface import CollectOptions

# set before Ray is imported, and inherited by the processes of its nodes
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_AUTH_TOKEN=secrets.token_hex(),
    RAY_health_check_period_ms="500",
    RAY_worker_niceness="0",  # Ray's 15 starves them on a busy machine
)
import ray.cluster_utils  # noqa: E402

pytestmark = pytest.mark.slow

LOOPBACK = "127.0.0.2"  # Ray takes 127.0.0.1 for the machine's outer address
SIZE, OPTIONS, EPISODES = "80x60", CollectOptions("rooms", 5, (60, 80), 2), 10


def content(path: Path) -> dict[str, bytes]:
    """Everything a reader sees."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.startswith((".", "index."))  # the index is made of the shards
    }


def wait_until(true: Callable[[], bool], what: str, seconds: float = 200.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)  # leaves the cores to what is waited for


def processes_of(folder: Path) -> list[int]:
    """Ray's processes name their cluster's folder on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path: Ray's sockets lie under it. Whatever the test did, no process of the cluster is left."""
    path = Path(tempfile.mkdtemp(prefix="saom-ray-", dir="/tmp"))
    # its Cluster notes the head's address in a folder that it does not make, and which may be another cluster's
    monkeypatch.setenv("RAY_TMPDIR", str(path))
    (path / "ray").mkdir()
    try:
        yield path
        wait_until(lambda: not processes_of(path), "Ray's processes to end", 30)
    finally:
        for pid in processes_of(path):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def cluster(folder: Path) -> Iterator[ray.cluster_utils.Cluster]:
    """A head that makes nothing itself, and two machines, each a set of processes of its own, with one CPU."""
    common = {"node_ip_address": LOOPBACK, "temp_dir": str(folder), "include_dashboard": False, "wait": False}
    common["object_store_memory"] = 80 * 1024**2
    made = ray.cluster_utils.Cluster()
    try:
        for cpus in (0, 1, 1):
            made.add_node(num_cpus=cpus, **common)
        yield made
    finally:
        made.shutdown()


def test_a_lost_machine_changes_nothing(tmp_path: Path, cluster: ray.cluster_utils.Cluster):
    command = [
        sys.executable,
        "-m",
        "saom_cli.main",
        "collect",
        "--out",
        str(tmp_path / "ray"),
        "--seed",
        "5",
        "--size",
        SIZE,
    ]
    command += ["--frames", str(EPISODES * 2), "--frames-per-scene", "2", "--ray", cluster.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            wait_until(
                lambda: process.poll() is not None or bool(list(tmp_path.glob("ray/shards/[0-9]*.json"))),
                "the first episode",
            )
            lost = next(iter(cluster.worker_nodes))
            cluster.remove_node(lost, allow_graceful=False)  # kill -9 of its raylet; its workers die with it
            said, _ = process.communicate()
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert "20 frames made now" in said
    collect(OPTIONS, tmp_path / "one", episodes=EPISODES, workers=1, quiet=True)
    assert content(tmp_path / "ray") == content(tmp_path / "one")


def test_no_cluster_is_said_at_once(tmp_path: Path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(InputError, match="ray start --head"):
            collect(OPTIONS, tmp_path / "data", episodes=2, workers=1, quiet=True, ray=address)
