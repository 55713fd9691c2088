"""Making the environments: what is missing is named, and what is there is not made again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap

ROOT = Path(__file__).resolve().parents[2]


def run_bootstrap(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/bootstrap.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=280, check=False
    )


def test_missing_system_packages_are_named_in_one_command(tmp_path: Path) -> None:
    # a machine on which no compiler, no cmake and no apt-get is to be found
    done = run_bootstrap("node", PATH=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "sudo apt-get install build-essential cmake" in done.stderr


def test_a_python_without_wheels_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "node"])
    for version in ((3, 9, 18), (3, 14, 0)):
        monkeypatch.setattr(sys, "version_info", version)
        assert bootstrap.main() == 1
        assert "expected Python 3.10 to 3.13" in capsys.readouterr().err


@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="not the environment that make env makes")
def test_a_second_run_does_nothing() -> None:
    assert run_bootstrap("node").returncode == 0  # builds, where a file has come since
    before = {path: path.stat().st_mtime_ns for path in (ROOT / ".venv").iterdir()}
    done = run_bootstrap("node")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert before == {path: path.stat().st_mtime_ns for path in (ROOT / ".venv").iterdir()}
