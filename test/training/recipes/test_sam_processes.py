"""SAM fine-tuning killed with SIGKILL, and spread over two real processes."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from sam_scenes import QUICK, assert_equal, losses, one_thread, tiny_model, weights, write_data  # noqa: F401
from torchrun import DIES, FINETUNE, ended, output_of

from saom_core.sam.checkpoints import read_checkpoint, write_checkpoint
from saom_training.dataset import Dataset
from saom_training.recipes.sam import SAOM, finetune

pytestmark = pytest.mark.slow


def options_of(config: object, default: object) -> list[str]:
    """The command line that makes `config` of `default`."""
    words = []
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value, name = getattr(config, field.name), field.name.replace("_", "-")
        if value != getattr(default, field.name):
            if isinstance(value, bool):
                words.append(f"--{name}" if value else f"--no-{name}")
            else:
                words += [f"--{name}", "x".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return words


@pytest.mark.parametrize("train_encoder", [False, True])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, train_encoder: bool) -> None:
    data = write_data(tmp_path / "data")
    config = dataclasses.replace(QUICK, steps=20, train_encoder=train_encoder)
    write_checkpoint(tiny_model(), tmp_path / "start.safetensors")
    record = {"recipe": "saom", "model": "start.safetensors"}

    def run(out: str) -> Path:
        model = read_checkpoint(tmp_path / "start.safetensors")
        return finetune(model, Dataset.open(data, "train"), tmp_path / out, config, record=record).parent

    whole = run("whole")
    command = [sys.executable, *FINETUNE, "--model", str(tmp_path / "start.safetensors"), "--data", str(data)]
    command += ["--out", str(tmp_path / "cut")]
    process = subprocess.Popen([*command, "--threads", "1", *options_of(config, SAOM)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (tmp_path / "cut" / "resume.pt").exists():
        assert process.poll() is None and time.monotonic() < deadline, "ended before its first checkpoint"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = torch.load(tmp_path / "cut" / "resume.pt", weights_only=True)["step"]
    assert 0 < reached < 20
    assert_equal(weights(run("cut")), weights(whole), rtol=0, atol=0)
    assert losses(tmp_path / "cut")[-1] == pytest.approx(losses(whole)[-1], rel=1e-6)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_killed_again_and_again_goes_on_to_the_same_weights(tmp_path: Path, processes: int) -> None:
    """Among embeddings, before the first checkpoint, between its weights and the state beside it, at the end."""
    data = write_data(tmp_path / "data")
    write_checkpoint(tiny_model(), tmp_path / "start.safetensors")
    (tmp_path / "dies.py").write_text(DIES)
    words = ["finetune", "--model", str(tmp_path / "start.safetensors"), "--data", str(data), "--threads", "1"]
    words += options_of(dataclasses.replace(QUICK, batch=2 // processes), SAOM)

    def run(out: str, files: int) -> int:
        """As many files at most; the exit code."""
        folders = ["--out", str(tmp_path / out), "--cache", str(tmp_path / out / "embeddings")]
        return ended(processes, str(tmp_path / "dies.py"), str(files), *words, *folders).returncode

    assert run("whole", 1000) == 0
    codes = []
    while not codes or codes[-1] != 0:
        codes.append(run("cut", 3))
        assert len(codes) < 8, codes
    assert len(codes) > 2 and set(codes[:-1]) == {-signal.SIGKILL if processes == 1 else 1}
    assert_equal(weights(tmp_path / "cut"), weights(tmp_path / "whole"), rtol=0, atol=0)


@pytest.mark.parametrize("train_encoder", [False, True])
def test_two_processes_have_the_loss_of_one_with_the_same_global_batch(tmp_path: Path, train_encoder: bool) -> None:
    data = write_data(tmp_path / "data")
    config = dataclasses.replace(QUICK, steps=3, batch=4, train_encoder=train_encoder)
    alone = finetune(tiny_model(), Dataset.open(data, "train"), tmp_path / "alone", config)
    write_checkpoint(tiny_model(), tmp_path / "start.safetensors")
    words = options_of(dataclasses.replace(config, batch=2), SAOM)
    files = ["--model", str(tmp_path / "start.safetensors"), "--data", str(data), "--out", str(tmp_path / "two")]
    said = output_of(2, *FINETUNE, *files, "--threads", "1", *words)
    for term in ("total", "dice", "focal", "class", "quality"):
        assert losses(tmp_path / "two", term) == pytest.approx(losses(alone.parent, term), rel=1e-4), term
    assert_equal(weights(tmp_path / "two"), weights(alone.parent), rtol=1e-3, atol=2e-4)
    assert said.count("checkpoint:") == 1


def test_workers_begin_although_opencv_has_threads() -> None:
    """A fork does not bring OpenCV's threads along: a worker that was to end them would wait for ever."""
    script = (
        "import cv2, numpy as np\n"
        "from saom_training.running.workers import workers_of\n"
        "cv2.setNumThreads(4)\n"
        "picture = np.zeros((2000, 2000, 3), np.uint8)\n"
        "cv2.GaussianBlur(picture, (0, 0), 3)\n"
        "class Blurred:\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, k): return float(cv2.GaussianBlur(picture, (0, 0), 3 + k).sum())\n"
        "print(list(workers_of(Blurred(), 2)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "[0.0, 0.0, 0.0]", done.stderr[-2000:]
