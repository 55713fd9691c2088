"""Making the environments: what is missing is named, and what is there is not made again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import bootstrap

ROOT = Path(__file__).resolve().parents[2]


def run_bootstrap(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/bootstrap.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_missing_system_packages_are_named_in_one_command(tmp_path: Path) -> None:
    # a machine on which no compiler, no cmake and no apt-get is to be found
    done = run_bootstrap("node", PATH=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "sudo apt-get install build-essential cmake" in done.stderr


@pytest.mark.parametrize(
    ("user", "terminal", "answer", "runs"),
    [
        (1000, False, "", None),
        (1000, True, "", None),
        (1000, True, "n", None),
        (1000, True, "y", "sudo"),
        (0, False, "", "env"),
        (0, True, "no", None),
        (0, True, "Yes", "env"),
    ],
)
def test_sudo_is_never_run_unasked(
    user: int, terminal: bool, answer: str, runs: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ran: list[list[str]] = []

    def reply(question: str) -> str:
        asked.append(question)
        return answer

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: user)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bootstrap.sys, "stdin", type("Input", (), {"isatty": staticmethod(lambda: terminal)}))
    monkeypatch.setattr("builtins.input", reply)
    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    assert bootstrap.install_packages(["cmake"]) is (runs is not None)
    assert [command[0] for command in ran] == ([runs] if runs else [])
    assert len(asked) == terminal and all("apt-get install cmake" in question for question in asked)
    assert all(("sudo apt-get" in question) == (user != 0) for question in asked)


def test_a_python_without_wheels_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "node"])
    for version in ((3, 9, 18), (3, 14, 0)):
        monkeypatch.setattr(sys, "version_info", version)
        assert bootstrap.main() == 1
        assert "expected Python 3.10 to 3.13" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="not the environment that make env makes")
def test_a_second_run_does_nothing() -> None:
    assert run_bootstrap("node").returncode == 0  # builds, where a file has come since
    before = {path: path.stat().st_mtime_ns for path in (ROOT / ".venv").iterdir()}
    done = run_bootstrap("node")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert before == {path: path.stat().st_mtime_ns for path in (ROOT / ".venv").iterdir()}


def test_the_build_for_cpus_keeps_every_pin_and_leaves_out_what_only_cuda_needs() -> None:
    lines = (ROOT / "requirements" / "train.txt").read_text().splitlines()
    of_torch, others = bootstrap.split_for_cpu("\n".join(lines))
    assert [line.replace("+cpu", "") for line in of_torch] == [line for line in lines if line.startswith("torch")]
    assert all(re.match(r"torch(vision)?==[0-9.]+\+cpu( ;|$)", line) for line in of_torch)
    left_out = set(lines) - set(others) - {line.replace("+cpu", "") for line in of_torch}
    names = {re.split("==", line)[0] for line in left_out}
    assert {"triton", "cuda-toolkit", "nvidia-cudnn-cu13"} <= names
    assert all(name.startswith(("nvidia-", "cuda-", "triton")) for name in names)


def add_to_index(index: Path, name: str, version: str, needs: str = "") -> None:
    """A package that holds nothing and perhaps needs another one, in a package index of a folder (PEP 503)."""
    folder = index / name.replace("_", "-")
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        needed = f"Requires-Dist: {needs}\n" if needs else ""
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    links = [f'<a href="{path.name.replace("+", "%2B")}">{path.name}</a>' for path in sorted(folder.glob("*.whl"))]
    (folder / "index.html").write_text("<!DOCTYPE html>" + "".join(links))


@pytest.mark.slow
def test_torch_for_cpus_comes_from_its_index_and_stays_until_somebody_asks_for_cuda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Real pip and real environments, with two package indexes in folders; only `pip install -e .` is left out."""
    pypi, of_torch = tmp_path / "pypi", tmp_path / "of-torch"
    for name, version in (("torch", "2.15.0"), ("torchvision", "0.29.2"), ("nvidia_cublas", "13.4"), ("small", "1.0")):
        add_to_index(pypi, name, version)
    for name in ("alone", "rare"):
        add_to_index(pypi, name, "1.0", needs="not-there==1.0")
    for name, version in (("torch", "2.15.0+cpu"), ("torchvision", "0.29.2+cpu"), ("small", "1.0+not.from.here")):
        add_to_index(of_torch, name, version)
    checkout = tmp_path / "checkout"
    (checkout / "requirements").mkdir(parents=True)
    requirements = checkout / "requirements" / "train.txt"
    pins = ["torch==2.15.0 ; python_full_version >= '3.10'", "torchvision==0.29.2", "small==1.0"]
    requirements.write_text("\n".join([*pins, "nvidia-cublas==13.4 ; sys_platform == 'linux'"]))
    (checkout / "requirements" / "train-alone.txt").write_text("alone==1.0\n")
    optional = checkout / "requirements" / "train-optional.txt"
    optional.write_text("gone==1.0\n")
    for name in ("pyproject.toml", "setup.py"):
        (checkout / name).write_text("")
    venv = checkout / ".venv-train"
    monkeypatch.setattr(bootstrap, "ROOT", checkout)
    monkeypatch.setitem(bootstrap.ENVIRONMENTS, "train", venv)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", pypi.as_uri())
    commands: list[list[str]] = []
    real_run = bootstrap.run

    def run(command: list[str], environment: dict[str, str] | None = None) -> None:
        commands.append(command)
        if "-e" not in command:
            real_run(command, environment)

    monkeypatch.setattr(bootstrap, "run", run)

    def make(torch: str) -> tuple[set[str], int]:
        """Installed packages, and how many commands it took."""
        commands.clear()
        bootstrap.make_environment("train", torch, of_torch.as_uri())
        found = {path.name.removesuffix(".dist-info") for path in venv.glob("lib/*/site-packages/*.dist-info")}
        return {name for name in found if not name.startswith(("pip-", "setuptools-"))}, len(commands)

    for_cpus = {"torch-2.15.0+cpu", "torchvision-0.29.2+cpu", "small-1.0", "alone-1.0"}
    assert make("cpu") == (for_cpus, 5)
    assert "train-optional.txt names is left out" in capfd.readouterr().out
    assert make("cpu") == (for_cpus, 0) and make("") == (for_cpus, 0)  # as `make test` calls it
    (checkout / "pyproject.toml").write_text("[project.scripts]")  # a new command: the checkout is installed anew
    assert make("") == (for_cpus, 4) and commands[-1][-2:] == ["-e", "."]
    optional.write_text("rare==1.0\n")  # it can be had
    capfd.readouterr()
    assert make("") == (for_cpus | {"rare-1.0"}, 4)
    assert "left out" not in capfd.readouterr().out
    optional.write_text("")
    assert make("cuda")[0] == {"torch-2.15.0", "torchvision-0.29.2", "small-1.0", "alone-1.0", "nvidia_cublas-13.4"}
    assert make("")[1] == 0
