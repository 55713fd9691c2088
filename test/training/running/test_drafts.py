"""Drafts that killed trainings leave do not stay, nor get into the best checkpoint; those of living ones do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from saom_core.errors import ConfigError
from saom_training.running.checks import begin
from saom_training.running.validation import _copy

BEGIN = (
    "import pathlib, sys; from saom_training.running.checks import begin; begin(pathlib.Path(sys.argv[1]), {}); "
    "print('in', flush=True); input()"
)


def test_a_run_that_begins_removes_drafts_once_it_is_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    other = subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "in\n"
    names = (".resume.pt.1.tmp", "last/.weights.safetensors.1.tmp", "best/.weights.safetensors.1.tmp")
    kept = ("last/weights.safetensors", "resume.pt", "last/.hidden")
    for name in (*names, *kept):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(b"half")
    with pytest.raises(ConfigError, match="no other process"):
        begin(run, {})
    assert all((run / name).exists() for name in names), "the other one may be writing them"
    other.kill()
    other.communicate()
    begin(run, {})
    assert not any((run / name).exists() for name in names) and all((run / name).exists() for name in kept)


def test_the_best_checkpoint_gets_no_drafts(tmp_path: Path) -> None:
    (tmp_path / "last").mkdir()
    for name in ("weights.safetensors", ".weights.safetensors.1.tmp"):
        (tmp_path / "last" / name).write_bytes(b"all")
    _copy(tmp_path / "last", tmp_path / "best")
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["weights.safetensors"]
