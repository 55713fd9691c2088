"""The shared memory that images go through: enough for five processes in a container, and told where it is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import StartNode
from robot import ROOT, Robot

from saom_ros.shared_memory import PROFILE_VARIABLES, segment_bytes

PROFILE = ROOT / "config" / "fastdds.xml"
DOCKER_MB = 64

PROCESS = """
import sys, rclpy
from saom_ros.shared_memory import shared_memory_trouble
rclpy.init()
node = rclpy.create_node("one")
print(shared_memory_trouble() or "fine", flush=True)
sys.stdin.readline()
"""


def in_container(command: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with a /dev/shm of its own, as small as Docker's."""
    mount = f"mount -t tmpfs -o size={DOCKER_MB}m tmpfs /dev/shm"
    try:
        trial = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare (util-linux)")
    if trial.returncode:
        pytest.skip("needs the right to mount")
    inner = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, command]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "PROCESS": PROCESS}
    return subprocess.run(inner, capture_output=True, text=True, timeout=300, env=environment, check=True)


def start_processes(count: int) -> str:
    """Python that starts so many ROS processes one after the other and prints what each says of its memory."""
    return f"""
import os, subprocess, sys
processes = []
for _ in range({count}):
    processes.append(subprocess.Popen([sys.executable, "-c", os.environ["PROCESS"]], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True))
    print(processes[-1].stdout.readline(), end="", flush=True)
for process in processes:
    process.communicate("\\n")
"""


@pytest.mark.slow
def test_five_processes_fit_into_a_container_and_those_that_do_not_tell() -> None:
    said = in_container(start_processes(8)).stdout.splitlines()
    assert said[:5] == ["fine"] * 5
    assert "--shm-size" in said[7] and "64 MB" in said[7] and "10 MB of shared memory" in said[7]


def test_the_profile_leaves_room_for_five_in_a_container() -> None:
    used = segment_bytes(PROFILE)
    assert used >= 1.5 * 1920 * 1080 * 3 and 5 * 1.1 * used <= DOCKER_MB * 2**20  # a tenth is Fast DDS's own


@pytest.mark.parametrize(("text", "size"), [("<a><segment_size>77</segment_size></a>", 77), ("<a/>", 0), ("<a", 0)])
def test_segments_of_any_profile(tmp_path: Path, text: str, size: int) -> None:
    (tmp_path / "profile.xml").write_text(text)
    assert segment_bytes(tmp_path / "profile.xml") == size
    assert segment_bytes(tmp_path / "none.xml") == 0


@pytest.mark.slow
def test_a_profile_that_fast_dds_refuses_is_told(start: StartNode, robot: Robot, tmp_path: Path) -> None:
    broken = tmp_path / "fastdds.xml"  # messages that are larger than the segment: no shared memory at all
    broken.write_text(PROFILE.read_text().replace("<maxMessageSize>2097152<", "<maxMessageSize>67108864<"))
    first = "; ".join(f"__import__('os').environ['{name}'] = '{broken}'" for name in PROFILE_VARIABLES)
    start(first=first, autostart=False)
    robot.until_status("shared memory", "over UDP", "--shm-size", str(broken), level=b"\x01")


@pytest.mark.slow
def test_no_profile_is_told(start: StartNode, robot: Robot) -> None:
    first = "; ".join(f"__import__('os').environ.pop('{name}', None)" for name in PROFILE_VARIABLES)
    start(first=first, autostart=False)
    robot.until_status("no Fast DDS profile is set", level=b"\x01")
