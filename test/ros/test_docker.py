"""docker/: an image cannot be built where there is no Docker, but all that its files name can be looked up."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from robot import ROOT

DOCKER = ROOT / "docker"
INSTRUCTIONS = {"FROM", "SHELL", "WORKDIR", "COPY", "RUN", "ENV", "ENTRYPOINT", "CMD"}
WORKSPACE = Path("/ws")
"""Where the image has the colcon workspace."""
PACKAGE = WORKSPACE / "src" / "saom_ros"


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, argument) for name, argument in pairs]


def copied() -> dict[Path, Path]:
    """Path in the image -> path in the repository."""
    pairs = [argument.split() for name, argument in instructions() if name == "COPY"]
    return {
        WORKSPACE / (target + source if target.endswith("/") else target): ROOT / source for source, target in pairs
    }


def in_repository(path: Path) -> Path | None:
    """What a path of the image was copied from."""
    for target, source in copied().items():
        if path == target or target in path.parents:
            return source / path.relative_to(target)
    return None


def services() -> dict[str, dict[str, object]]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]


def test_what_is_copied_exists_and_is_sent_to_docker() -> None:
    assert {name for name, _ in instructions()} <= INSTRUCTIONS and instructions()[0] == ("FROM", "ros:jazzy")
    ignored, *kept = (ROOT / ".dockerignore").read_text().split()
    assert ignored == "*"
    sent = [ROOT / name.removeprefix("!") for name in kept if name.startswith("!")]
    assert set(sent) == set(copied().values()), "what is sent is what is copied"
    for source in copied().values():
        tracked = subprocess.run(
            ["git", "ls-files", "--", source], check=False, cwd=ROOT, capture_output=True, text=True
        )
        assert source.exists() and (tracked.returncode or tracked.stdout), source


def test_the_image_has_all_that_the_build_installs() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text()
    named = set(re.findall(r"^  ((?:msg|srv)/\w+\.\w+)$", cmake, re.MULTILINE))
    named |= {name for line in re.findall(r"install\(DIRECTORY ([\w ]+) DESTINATION", cmake) for name in line.split()}
    named |= set(re.findall(r"install\(PROGRAMS ([\w/]+)", cmake)) | {"saom_ros", "saom_core"}
    assert len(named) > 10 and "tools/saom_node" in named
    for name in named:
        source = in_repository(PACKAGE / name)
        assert source is not None and source.exists(), name


def test_its_commands_are_those_that_hosted_tests_run() -> None:
    """The steps of the workflow on ros:jazzy, so that what is built here is what is tested there."""
    steps = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    runs = " ".join(argument for name, argument in instructions() if name == "RUN")
    for command in (
        "rosdep install --from-paths src --ignore-src -y",
        "python3 -m venv --system-site-packages venv",
        "touch venv/COLCON_IGNORE",
        "colcon build --packages-select saom_ros",
        "source venv/bin/activate",
    ):
        assert command in runs and command in steps, command
    for package in ("onnxruntime", "numpy<2"):
        assert package in runs and package in steps
    for name, argument in instructions():
        if name == "RUN":
            assert subprocess.run(["bash", "-n", "-c", argument], check=False, timeout=240).returncode == 0, argument


def test_the_entry_point_runs_what_it_is_given(tmp_path: Path) -> None:
    entry = DOCKER / "entrypoint.sh"
    assert os.access(entry, os.X_OK)
    for made in ("venv/bin/activate", "install/setup.bash"):
        (tmp_path / made).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / made).write_text(f"export SAOM_SEEN=$SAOM_SEEN:{made}\n")
    script = entry.read_text().replace("/ws/", f"{tmp_path}/")
    command = ["bash", "-c", script, "entrypoint", "bash", "-c", "echo $$ $SAOM_SEEN"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=240)
    assert said.split() == [str(process.pid), ":venv/bin/activate:install/setup.bash"], "one process, in this order"


def test_the_profile_is_that_of_the_package() -> None:
    (profile,) = [argument for name, argument in instructions() if name == "ENV"]
    variable, path = profile.split("=")
    assert variable == "FASTRTPS_DEFAULT_PROFILES_FILE", "the name that Jazzy's Fast DDS knows"
    installed = Path(path).relative_to("/ws/install/saom_ros/share/saom_ros")
    assert (ROOT / installed).is_file()


@pytest.mark.parametrize("name", ["saom", "alone"])
def test_services_start_the_launch_file_with_arguments_that_it_has(name: str) -> None:
    service = services()[name]
    build = service["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).is_file()
    program, verb, package, file, *arguments = service["command"]
    assert (program, verb, package) == ("ros2", "launch", "saom_ros") and (ROOT / "launch" / file).is_file()
    tree = ast.parse((ROOT / "launch" / file).read_text())
    (known,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARGUMENTS"
    ]
    names = {key.value for key in known.keys}
    assert arguments and {argument.split(":=")[0] for argument in arguments} <= names


def test_containers_that_share_a_network_share_memory() -> None:
    """Fast DDS sends images between processes of one host through shared memory alone."""
    saom, alone, camera = (services()[name] for name in ("saom", "alone", "camera"))
    assert saom["network_mode"] == saom["ipc"] == "host"
    assert alone["ipc"] == "shareable" and camera["network_mode"] == camera["ipc"] == "service:alone"
    assert alone["profiles"] == camera["profiles"] and "profiles" not in saom
    segment = re.search(r"<segment_size>(\d+)<", (ROOT / "config" / "fastdds.xml").read_text())
    assert segment is not None and alone["shm_size"] == "512m"
    assert 10 * int(segment[1]) < 512 * 2**20


def test_the_demos_camera_runs_as_its_service_says() -> None:
    service = services()["camera"]
    assert Path(str(service["working_dir"])) == PACKAGE
    python, *arguments = service["command"]
    assert python == "python3" and in_repository(PACKAGE / "tools" / "demo_camera.py").is_file()
    images = arguments[2]
    assert (in_repository(PACKAGE / images) / "camera.json").is_file()
    shown = subprocess.run(
        [sys.executable, *arguments[:2], "--help"], check=False, cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert shown.returncode == 0 and all(word in shown.stdout for word in arguments if word.startswith("--"))
    topics = [word.split(":=")[1] for word in services()["alone"]["command"] if ":=" in word]
    source = (ROOT / "tools" / "demo_camera.py").read_text()
    assert topics and all(f'"{topic}"' in source for topic in topics), "the node listens to what it publishes"


def test_the_head_of_the_dockerfile_says_how_to_use_it() -> None:
    head = (DOCKER / "Dockerfile").read_text().split("FROM")[0]
    files = re.findall(r"docker (?:build|compose) -f (\S+)", head)
    assert len(files) == 3 and all((ROOT / file).is_file() for file in files)
