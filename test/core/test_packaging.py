"""What `pip install .` does to the packages that somebody has: nothing that was not asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
STAND_INS = {
    # package -> what it installs, and what that says of itself; names and files collide as the real ones' do
    "numpy": ("numpy", "NUMPY"),
    "tqdm": ("tqdm", "TQDM"),
    "scipy": ("scipy", "SCIPY"),
    "OpenEXR": ("OpenEXR", "EXR"),
    "opencv-python": ("cv2", "WINDOWS"),
    "opencv-python-headless": ("cv2", "HEADLESS"),
    "onnxruntime": ("onnxruntime", "CPU"),
    "onnxruntime-gpu": ("onnxruntime", "CUDA"),
}


def run(*command: str | Path) -> str:
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # that of a ROS workspace, say
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, env=alone)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this package's wheel, built from a copy, and with a stand-in of each package around it."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheels")
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("saom_core", "saom_cli", "saom_ros", "training", "msg"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(*PIP, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source)
    for package, (module, name) in STAND_INS.items():
        base = package.replace("-", "_")
        info = f"{base}-99.0.dist-info"
        with zipfile.ZipFile(folder / f"{base}-99.0-py3-none-any.whl", "w") as wheel:
            # what commands import before OpenCV is there: tqdm.tqdm and numpy.typing
            wheel.writestr(f"{module}/__init__.py", f"KIND = {name!r}\n{module} = None\n")
            wheel.writestr(f"{module}/typing.py", "")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            files = [
                f"{module}/__init__.py",
                f"{module}/typing.py",
                *(f"{info}/{one}" for one in ("METADATA", "WHEEL", "RECORD")),
            ]
            wheel.writestr(f"{info}/RECORD", "".join(f"{one},,\n" for one in files))
    return folder


@pytest.fixture
def install(wheels: Path, tmp_path: Path) -> Callable[..., Path]:
    """Installs packages into a new environment, nothing from anywhere else; returns its Python."""
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")

    def packages(*names: str) -> Path:
        run(*PIP, "--python", python, "install", "-q", "--no-compile", "--no-index", "--find-links", wheels, *names)
        return python

    return packages


@pytest.mark.parametrize(
    ("opencv", "runtime"),
    [
        ("opencv-python", "onnxruntime-gpu"),
        *(
            pytest.param(*others, marks=pytest.mark.slow)
            for others in (
                ("opencv-python", "onnxruntime"),
                ("opencv-python-headless", "onnxruntime"),
                ("opencv-python-headless", "onnxruntime-gpu"),
            )
        ),
    ],
)
def test_what_somebody_has_stays(install: Callable[..., Path], opencv: str, runtime: str) -> None:
    install(opencv, runtime)
    python = install("saom")
    kinds = run(python, "-c", "import cv2, onnxruntime; print(cv2.KIND, onnxruntime.KIND)").split()
    assert kinds == [STAND_INS[opencv][1], STAND_INS[runtime][1]]
    listed = run(*PIP, "--python", python, "list", "--format=freeze").split()
    expected = ["numpy", "scipy", "tqdm", "OpenEXR", "saom", opencv, runtime]
    assert sorted(one.partition("==")[0] for one in listed) == sorted(expected)


@pytest.mark.parametrize(
    ("extras", "kinds"),
    [("headless,cpu", ["HEADLESS", "CPU"]), pytest.param("gui,gpu", ["WINDOWS", "CUDA"], marks=pytest.mark.slow)],
)
def test_what_is_asked_for_comes(install: Callable[..., Path], extras: str, kinds: list[str]) -> None:
    python = install(f"saom[{extras}]")
    assert run(python, "-c", "import cv2, onnxruntime; print(cv2.KIND, onnxruntime.KIND)").split() == kinds


def test_a_plain_install_says_what_is_missing(install: Callable[..., Path]) -> None:
    saom = install("saom").with_name("saom")
    assert run(saom, "--version").startswith("saom ") and "segment" in run(saom, "--help")
    done = subprocess.run([saom, "segment", "x.jpg"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "saom segment: needs OpenCV: pip install opencv-python-headless, or opencv-python, which opens windows too\n"
    )
