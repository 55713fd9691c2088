"""What `pip install` of this repository puts into somebody's Python, and that it works there without a checkout."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"saom_core": "saom_core", "saom_cli": "saom_cli", "saom_ros": "saom_ros", "training": "saom_training"}
"""Folder of the checkout -> package that is installed."""
BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, 'build_' + sys.argv[1])(sys.argv[2])"
"""What pip and `python -m build` call, without their download of setuptools into an environment of its own."""

needs_training = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="not the environment of the training side"
)


def built(kind: str, source: Path, out: Path) -> Path:
    """The wheel or sdist of a source folder."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.iterdir()
    return path


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packed, with what an older release's build has left in it."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in (*PACKAGES, "msg"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    left = copy / "build" / "lib" / "training"
    left.mkdir(parents=True)
    (left / "__init__.py").write_text("")
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", checkout, tmp_path_factory.mktemp("built") / "wheel")


@pytest.fixture(scope="module")
def saom(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh virtual environment that has the wheel, and this environment's other packages."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-compile",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, str(wheel)], check=True)
    (site,) = venv.glob("lib/python3.*/site-packages")
    # a folder that a .pth file names comes last, and .pth files inside it, such as that of the checkout, do nothing
    (site / "other-packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-c", "import saom_core; print(saom_core.__file__)"],
        cwd=venv,
        env=without_paths(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(site)
    return venv / "bin" / "saom"


def without_paths() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(saom: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [saom, *arguments], cwd=folder, env=without_paths(), capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_the_packages_and_the_bundled_model_alone(wheel: Path) -> None:
    found = names(wheel)
    of_the_wheel = {name for name in found if ".dist-info/" in name}
    assert {name.split("/")[0] for name in found - of_the_wheel} == set(PACKAGES.values())  # and no `training`
    modules = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for path in (ROOT / folder).rglob("*.py")
    }
    data = {f"saom_core/models/{name}" for name in ("saom-tiny.onnx", "saom-names.onnx", "SHA256SUMS")}
    data |= {"saom_core/py.typed"}
    data |= {f"saom_cli/msg/{path.name}" for path in (ROOT / "msg").glob("*.msg")}  # what `saom replay` writes
    assert found - of_the_wheel == modules | data  # so there is no base that only `saom reproduce` reads
    assert wheel.stat().st_size < 20e6


@pytest.mark.slow
def test_a_wheel_made_from_the_source_distribution_is_the_same(wheel: Path, checkout: Path, tmp_path: Path) -> None:
    sdist = built("sdist", checkout, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if name.endswith(".safetensors")]
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert names(built("wheel", source, tmp_path / "wheel")) == names(wheel)


def test_installed_commands_work_in_an_empty_folder(saom: Path, tmp_path: Path) -> None:
    photo = min((ROOT / "demo" / "sequence").glob("image_*"))
    for arguments in (["info"], ["segment", str(photo), "-o", "out.png", "--json", "out.json"]):
        done = run(saom, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"out.png", "out.json"}


@pytest.mark.slow
@needs_training
def test_every_command_is_there(saom: Path, tmp_path: Path) -> None:
    """One process loads all of them, so that torch is loaded once."""
    program = (
        "from saom_cli.main import COMMANDS, main\n"
        "for name in COMMANDS:\n"
        "    try:\n"
        "        status = main([name, '--help'])\n"
        "    except SystemExit as end:\n"
        "        status = end.code\n"
        "    assert status == 0, (name, status)\n"
        "    print('HELP OF', name)\n"
    )
    done = subprocess.run(
        [saom.with_name("python"), "-c", program],
        cwd=tmp_path,
        env=without_paths(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    from saom_cli.main import COMMANDS

    assert re.findall(r"^HELP OF (.+)$", done.stdout, re.MULTILINE) == list(COMMANDS)


@needs_training
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_installed_training_works_from_rooms_to_figures(saom: Path, tmp_path: Path) -> None:
    """Collect, train, evaluate, export: worker processes, data and networks are found without a checkout.

    One process does all, so that torch is loaded once.
    """
    lines = (
        "collect --out rooms --frames 8 --frames-per-scene 2 --size 64x64 --workers 1 --seed 1",
        "dataset stats rooms",
        "finetune --data rooms --out run --size 64x64 --steps 2 --batch 2",
        "export run/last tiny.onnx --size 64x64 --grid 4x4 --calls 2 --max-instances 10",
        "evaluate --data rooms --split train --model tiny.onnx --limit 1",
    )
    program = tmp_path / "all.py"  # a file with a main part, as worker processes need it
    program.write_text(
        "from saom_cli.main import main\n"
        "if __name__ == '__main__':\n"
        f"    for line in {lines}:\n"
        "        assert main(line.split()) == 0, line\n"
    )
    done = run(saom.with_name("python"), tmp_path, "all.py")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    done = run(saom, tmp_path, "reproduce", "--data", "rooms", "--out", "reproduced")
    assert done.returncode == 1 and "--base-steps" in done.stderr, done.stderr  # the base lies in a checkout only


def test_nobody_is_told_to_install_somebody_elses_package() -> None:
    """The name `saom` on the package index is not ours."""
    told = re.compile(r"pip install (?:-\S+ )*['\"]?saom\b|\bsaom\[")
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    files += [path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")]
    assert not [str(path) for path in files if told.search(path.read_text(encoding="utf-8"))]
