"""Whole runs of training a fast head: from pictures to everything mode, killed, in two processes, refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import safetensors.torch
import torch
from sam_scenes import assert_equal, losses, one_thread, open_data, tiny_model, write_data  # noqa: F401
from torchrun import FINETUNE, output_of

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.sam.checkpoints import write_checkpoint
from saom_training.dataset import Dataset
from saom_training.evaluate import evaluate
from saom_training.figures.models import load_model
from saom_training.recipes.fast import FAST, FastTuneConfig, finetune
from saom_training.running import loop

QUICK = dataclasses.replace(
    FAST, steps=4, batch=2, bf16=False, workers=0, checkpoint_every=2, warmup_steps=1, grid=(8, 8), views=2
)
QUICK = dataclasses.replace(QUICK, dim=32, mask_dim=16, heads=2, layers=2)


def options_of(config: FastTuneConfig, default: FastTuneConfig) -> list[str]:
    """The command line that makes `config` of `default`."""
    words = []
    for name, value in vars(config).items():
        option = name.replace("_", "-")
        if value != getattr(default, name):
            if isinstance(value, bool):
                words.append(f"--{option}" if value else f"--no-{option}")
            else:
                words += [f"--{option}", "x".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return words


def head(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "last" / "weights.safetensors")


@pytest.mark.slow
def test_from_pictures_to_everything_mode(tmp_path: Path) -> None:
    """The loss falls, and the checkpoint finds the objects whole, each by its name."""
    data = open_data(tmp_path / "data", frames=2)
    config = dataclasses.replace(QUICK, steps=300, learning_rate=4e-3, checkpoint_every=400, views=1, ema_decay=0.9)
    model = tiny_model()
    before = {name: value.clone() for name, value in model.sam.state_dict().items()}
    folder = finetune(model, data, tmp_path / "run", config, class_names=("Book", "Bowl", "Mug"))
    assert losses(tmp_path / "run")[-1] < 0.3 * losses(tmp_path / "run")[0]
    assert_equal(model.sam.state_dict(), before, rtol=0, atol=0)  # the encoder is frozen
    loaded = load_model(SaomConfig(model=str(folder), score_threshold=0.05, min_area_px=1, threads=1), (8, 8))
    assert loaded.info.class_names == ("Book", "Bowl", "Mug") and not loaded.info.uses_depth
    assert loaded.info.metadata["training"]["config"]["dim"] == 32
    report, _ = evaluate([loaded], data, protocol="both", pictures=0)
    figures = report.models[0].everything
    assert figures is not None and figures["AP50"] == 1.0 and figures["AP50_class"] == 1.0
    paper = report.models[0].paper
    assert paper is not None and paper["mIoU"] > 0.6  # objects of 4 x 5 mask pixels


@pytest.mark.slow
def test_a_run_that_was_cut_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data(tmp_path / "data")
    whole = finetune(tiny_model(), data, tmp_path / "whole", QUICK).parent

    def cut(*args: object) -> None:
        genuine(*args)
        raise KeyboardInterrupt

    genuine = loop.save_resume
    monkeypatch.setattr(loop, "save_resume", cut)
    with pytest.raises(KeyboardInterrupt):
        finetune(tiny_model(), data, tmp_path / "cut", QUICK)
    monkeypatch.undo()
    assert_equal(head(finetune(tiny_model(), data, tmp_path / "cut", QUICK).parent), head(whole), rtol=0, atol=0)
    assert not any(name.startswith("image_encoder") for name in head(whole))


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_with_the_same_global_batch(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    config = dataclasses.replace(QUICK, steps=3, batch=4)
    alone = finetune(tiny_model(), Dataset.open(data, "train"), tmp_path / "alone", config).parent
    write_checkpoint(tiny_model(), tmp_path / "start.safetensors")
    words = ["--model", str(tmp_path / "start.safetensors"), "--head", "fast", "--threads", "1"]
    words += ["--data", str(data), "--out", str(tmp_path / "two")]
    output_of(2, *FINETUNE, *words, *options_of(dataclasses.replace(config, batch=2), FAST))
    assert losses(tmp_path / "two") == pytest.approx(losses(alone), rel=1e-4)
    assert_equal(head(tmp_path / "two"), head(alone), rtol=1e-3, atol=1e-4)


def test_what_is_not_for_the_fast_head_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_data(tmp_path / "data")
    write_checkpoint(tiny_model(), tmp_path / "start.safetensors")
    command = ["finetune", "--model", str(tmp_path / "start.safetensors"), "--data", str(data)]
    command += ["--out", str(tmp_path / "run"), "--threads", "1"]
    for words, match in (
        (["--head", "fast", "--recipe", "paper"], "no --recipe paper"),
        (["--head", "fast", "--drop-depth", "0.5"], "--drop-depth"),
        (["--head", "two-way", "--mask-dim", "32"], "--mask-dim"),
        (["--head", "fast", "--supervised", "least_loss"], "one mask per prompt"),
    ):
        assert main([*command, *words]) == 1
        assert match in capsys.readouterr().err
