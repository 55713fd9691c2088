"""Commands of the training side try where they write before hours of work; a disk that fills up is one line."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from saom_training.dataset import Dataset

torch = pytest.importorskip("torch")

from sam_scenes import tiny_model, write_data  # noqa: E402

from saom_cli.main import main  # noqa: E402
from saom_core.sam.checkpoints import write_checkpoint  # noqa: E402
from saom_training.benches.stand_in import untrained_fast_head  # noqa: E402
from saom_training.networks.checkpoint import save_network  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "/proc/nowhere/out"
NEVER = ["--data", "{folder}/no-such-data"]
"""What the work would begin with, and fail at: a refusal that speaks of the output has come before."""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["evaluate", *NEVER, "--html", f"{NOWHERE}/x.html"], f"{NOWHERE}/x.html: "),
        (["evaluate", *NEVER, "--json", "{folder}"], "expected a file to write to, got a folder"),
        (["evaluate", *NEVER, "--json", "{folder}/x", "--html", "{folder}/x"], "got the same one twice"),
        (["evaluate", *NEVER, "--model", "{file}", "--json", "{file}"], "got one that is read"),
        (["evaluate", *NEVER, "--pictures", "{file}"], "expected a folder to write to, got a file"),
        (["finetune", *NEVER, "--out", "{file}"], "expected a folder to write to, got a file"),
        (["finetune", *NEVER, "--out", f"{NOWHERE}"], f"{NOWHERE}: "),
        (["finetune", *NEVER, "--classes-only", "--init", "x", "--out", "{file}"], "expected a folder to write to"),
        (["finetune", *NEVER, "--recipe", "base", "--out", "{file}"], "expected a folder to write to"),
        (["finetune", *NEVER, "--model", "x.pth", "--out", "{file}"], "expected a folder to write to"),
        (["finetune", *NEVER, "--model", "x.pth", "--out", "{folder}/run", "--cache", "{file}"], "{file}: expected"),
        (["finetune", *NEVER, "--model", "x.pth", "--out", "{file}", "--classes", ""], "--classes: expected names"),
        (["finetune", *NEVER, "--model", "x.pth", "--out", "{file}", "--classes", "Mug, ,Cup"], "--classes: "),
        (["finetune", *NEVER, "--out", "{folder}/run", "--steps", "0"], "steps: expected at least 1, got 0"),
        (["finetune", *NEVER, "--out", "{folder}/run", "--batch", "0"], "batch: expected at least 1, got 0"),
        (["finetune", *NEVER, "--out", "{folder}/run", "--workers", "-1"], "workers: expected at least 0, got -1"),
        (["finetune", *NEVER, "--out", "{folder}/run", "--checkpoint-every", "0"], "checkpoint_every: expected"),
        (["finetune", *NEVER, "--out", "{folder}/run", "--learning-rate", "nan"], "learning_rate: expected a"),
        (["finetune", *NEVER, "--out", "{folder}/run", "--size", "33x64"], "divisible by 32, as 384x288, got 33x64"),
        (["collect", "--frames", "1", "--out", "{file}"], "expected a folder to write to, got a file"),
        (["export", "no-such-checkpoint", f"{NOWHERE}/x.onnx"], f"{NOWHERE}/x.onnx: "),
        (["export", "no-such-checkpoint", "{folder}/x.pth"], "expected a name such as saom.onnx"),
        (["export", "no-such-checkpoint", "{folder}/x.onnx", "--reference", "{folder}"], "expected a data set"),
        (["export", "no-such-checkpoint", "{folder}/x.onnx", "--figures", "{file}"], "expected the JSON of `saom"),
        (["export", "{folder}/file.onnx", "{folder}/file.onnx"], "got one that is read"),
        (["reproduce", *NEVER, "--base-steps", "1", "--out", "{file}"], "expected a folder to write to, got a file"),
        (["dataset", "view", "{folder}/no-such-data", "--out", "{file}"], "expected a folder to write to, got a file"),
        (["dataset", "merge", "{folder}/no-such-data", "--out", "{file}"], "expected a folder to write to, got a file"),
        (["dataset", "import", "no.json", "--images", ".", "--out", "{file}"], "expected a folder to write to"),
        (["bench-teach", *NEVER, "--json", f"{NOWHERE}/x"], f"{NOWHERE}/x: "),
        (["bench-heads", "no-such-checkpoint", "--json", f"{NOWHERE}/x"], f"{NOWHERE}/x: "),
        (["compare-sam", "no-such-checkpoint", "--json", f"{NOWHERE}/x"], f"{NOWHERE}/x: "),
        (["compare-sam", "--stand-in", "small", "--keep", "{folder}"], "a folder is there"),
        (["stand-in", "small", "{folder}"], "expected a file to write to, got a folder"),
        (["stand-in", "small", "{file}", "--head", "fast"], "expected a folder to write to, got a file"),
    ],
)  # fmt: skip
def test_places_are_tried_first(
    tmp_path: Path, command: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.onnx"
    file.write_text("no JSON")
    words = [word.replace("{file}", str(file)).replace("{folder}", str(tmp_path)) for word in command]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error and len(error.splitlines()) == 1
    assert message.replace("{file}", str(file)) in error
    assert file.read_text() == "no JSON"


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", *NEVER, "--limit", "0"],
        ["evaluate", *NEVER, "--picture-count", "-1"],
        ["dataset", "view", "data", "--limit", "0"],
        ["compare-sam", "--points-per-side", "0"],
        ["bench-teach", *NEVER, "--examples", "0"],
        ["stand-in", "small", "x", "--image-size", "0"],
        ["finetune", *NEVER, "--out", "x", "--threads", "-1"],
        ["reproduce", *NEVER, "--out", "x", "--base-steps", "0"],
    ],
)
def test_numbers_that_make_no_sense(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2 and "expected a whole number of at least" in capsys.readouterr().err


def saom(*arguments: str, limit: int) -> subprocess.CompletedProcess[str]:
    """A command on a disk where no file may be larger than `limit` bytes, as if it were full from there on."""
    search = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    return subprocess.run(
        [sys.executable, "-m", "saom_cli", *arguments],
        env=os.environ | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tiny", "sam", "collect"])
def test_a_disk_that_fills_up_is_one_line(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "collect":
        arguments = ["collect", "--frames", "1", "--frames-per-scene", "1", "--size", "64x48", "--workers", "1"]
        arguments += ["--out", str(out)]
    else:
        data = write_data(tmp_path / "data", 2)
        Dataset.open(data, "train")  # makes the index, for which there is still room
        arguments = ["finetune", "--data", str(data), "--out", str(out), "--steps", "1"]
        arguments += ["--threads", "1", "--batch", "1"]
        if kind == "tiny":
            arguments += ["--size", "64x64", "--workers", "0"]
        else:
            write_checkpoint(tiny_model(), tmp_path / "start.safetensors")
            arguments += ["--model", str(tmp_path / "start.safetensors"), "--no-bf16", "--no-cache-embeddings"]
    done = saom(*arguments, limit=3_000)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"saom {arguments[0]}: {tmp_path}") and "File too large: choose a place" in line
    assert not list(tmp_path.rglob(".*.tmp")), "no half file stays"


@pytest.mark.slow
def test_what_is_written_may_be_read_by_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_checkpoint(tiny_model(), tmp_path / "tiny.safetensors")
        save_network(untrained_fast_head(tiny_model()), tmp_path / "fast", {"steps": 0})
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 3 and {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}


@pytest.mark.slow
def test_nothing_to_compare_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tiny_model(), tmp_path / "tiny.safetensors")
    figures = tmp_path / "figures.json"
    command = ["compare-sam", str(tmp_path / "tiny.safetensors"), "--size", "64x48", "--points-per-side", "2"]
    assert main([*command, "--pred-iou-thresh", "1e6", "--threads", "1", "--json", str(figures)]) == 1
    said = capsys.readouterr()
    assert "expected masks of segment-anything to compare with, got none" in said.err and "nan" not in said.out
    assert not figures.exists()
