"""Outputs of `saom collect` and `saom dataset` that cannot be written: one line with the place, nothing half-made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_training.data.frames import Frame
from saom_training.dataset import Dataset, DatasetWriter

pytestmark = pytest.mark.slow
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from saom_cli.main import main
sys.exit(main(sys.argv[2:]))
"""
"""A file of more bytes cannot be written, as on a disk that is full."""


@pytest.fixture
def inputs(tmp_path: Path, make_frame: Callable[..., Frame]) -> Path:
    """A data set in `set`, and a COCO file with its pictures."""
    DatasetWriter(tmp_path / "set", {"simulator": "test"}).write_episode(0, [make_frame()])
    Dataset.open(tmp_path / "set")  # makes its index
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/a.png"), np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": [{"id": 1, "name": "cup"}]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    return tmp_path


COMMANDS = {
    "collect": "collect --frames 1 --frames-per-scene 1 --size 64x48 --workers 1 --out {out}",
    "merge": "dataset merge set --out {out}",
    "import": "dataset import coco.json --images pictures --out {out}",
    "view": "dataset view set --out {out}",
    "export": "dataset export set --out {out}",
}


def run(folder: Path, command: str, out: Path, limit: int) -> str:
    """What the command says on stderr; it must fail."""
    arguments = [sys.executable, "-c", LIMITED, str(limit), *COMMANDS[command].format(out=out).split()]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode != 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_is_no_folder_is_told_before_the_work(inputs: Path, command: str) -> None:
    (inputs / "file").write_text("mine")
    last = run(inputs, command, inputs / "file/x", 1 << 30).strip().splitlines()[-1]
    assert str(inputs / "file") in last
    assert (inputs / "file").read_text() == "mine"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_is_full_is_one_line_with_the_place(inputs: Path, command: str) -> None:
    out = inputs / ("new.json" if command == "export" else "new")
    said = run(inputs, command, out, 300)
    assert str(out) in said.strip().splitlines()[-1]
    assert not list(inputs.rglob("*.tmp")), "a draft that could not be finished is removed"
