"""Every shell command of README and docs: run as it stands where that takes seconds; else what it names exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sam_scenes import frame
from shell_examples import NOT_RUN, ROOT, Line, commands_of, saom_arguments, shell_blocks, unknown_names

from saom_cli.main import COMMANDS, parser_of
from saom_training.dataset import DatasetWriter

BLOCKS = shell_blocks()
RUN = [lines for block in BLOCKS if (lines := [line for line in block if line.reason is None])]


@pytest.mark.parametrize("file", sorted({line.file for block in BLOCKS for line in block}))
def test_what_a_command_names_exists(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (line for block in BLOCKS for line in block if line.file == file):
        for command in commands_of(line):
            arguments = saom_arguments(command)
            if arguments is None:
                assert not unknown_names(command), line.text
                continue
            try:
                parser_of([arguments[0]]).parse_args(arguments)
            except SystemExit as end:
                assert end.code == 0, f"{line.text}\n{capsys.readouterr().err}"


def test_what_is_not_run_says_why_and_is_there() -> None:
    lines = [line for block in BLOCKS for line in block]
    assert len(lines) > 50
    for start, reason in NOT_RUN.items():
        assert any(re.match(start, line.text) for line in lines), f"{start}: no page has such a command any more"
        for path in re.findall(r"test/\S+\.py", reason):
            assert (ROOT / path).exists(), reason


def test_wrong_commands_are_seen() -> None:
    for text in (
        "make dmo",
        "pip install '.[cpuu]'",
        "ros2 launch saom_ros saom.launch.py imag:=x",
        "python -m tools.no",
        "install/saom_ros/lib/saom_ros/saom --ros-args -r imag:=/x",
        "x",
    ):
        assert any(unknown_names(command) for command in commands_of(Line("", text))), text
    assert [saom_arguments(c) for c in commands_of(Line("", "A=1 torchrun -m saom_cli.main info && ls"))] == [
        ["info"],
        None,
    ]


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `saom` as an installation has it."""
    folder = tmp_path_factory.mktemp("bin")
    saom = folder / "saom"
    saom.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m saom_cli "$@"\n')
    saom.chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("lines", RUN, ids=lambda lines: f"{lines[0].file}: {lines[0].text[:30]}")
def test_commands_run_as_written(tmp_path: Path, bin_folder: Path, lines: list[Line]) -> None:
    """In a folder with the repository's files, a data set and a model as the commands before these would have made."""
    for name in ("demo", "saom_core", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, first in (("rooms", 0), ("thor", 10), ("hard", 20)):
        writer = DatasetWriter(tmp_path / "data" / name, {"simulator": "test", "seed": 1})
        for seed, split in enumerate(("train", "test"), first):
            writer.write_episode(seed, [frame(seed, split)])
    (tmp_path / "saom-tiny.onnx").symlink_to(ROOT / "saom_core" / "models" / "saom-tiny.onnx")
    environment = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    for line in lines:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line.text],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line.text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
        for output in re.findall(r"(?:-o|--json|--html|--out) (\S+)", line.text):
            assert (tmp_path / output).exists(), f"{line.text}: {output} is not there"
    assert all(command[0] in COMMANDS for line in lines for c in commands_of(line) if (command := saom_arguments(c)))
