"""Whole runs of SAM fine-tuning: to everything mode and back, killed, spread over processes, refused."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sam_scenes import QUICK, TINY, assert_equal, frame, losses, one_thread, open_data, tiny_model, weights, write_data  # noqa: F401

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.errors import ConfigError, InputError, ModelError
from saom_core.sam.checkpoints import read_checkpoint, write_checkpoint
from saom_core.sam.network import SamModel
from saom_core.sam.options import SamEverythingOptions
from saom_core.sam.segmenter import SamSegmenter, segmenter_of
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.figures.models import load_model
from saom_training.networks.exportable import load_exportable
from saom_training.recipes import sam
from saom_training.recipes.fast import FAST
from saom_training.recipes.sam import PAPER, SamTuneConfig, finetune, image_terms
from saom_training.running import precision
from saom_training.running.checks import TrainingError
from saom_training.running.step import Term
from saom_training.samples.embedded_pictures import SamItem
from saom_training.trainees.sam import SamAnswers
from saom_training.trainees.sam_start import with_class_head


@pytest.mark.slow
def test_from_pictures_to_everything_mode(tmp_path: Path) -> None:
    """The loss falls, the checkpoint gives whole objects, and each mask has the class of its own object."""
    data = open_data(tmp_path / "data", frames=2)
    config = dataclasses.replace(
        QUICK, steps=220, learning_rate=4e-3, checkpoint_every=300, views=1, prompts_per_object=6, ema_decay=0.9
    )
    path = finetune(tiny_model(), data, tmp_path / "run", config, class_names=("Book", "Bowl", "Mug"))
    assert losses(tmp_path / "run")[-1] < 0.25 * losses(tmp_path / "run")[0]
    assert (tmp_path / "run" / "losses.png").read_bytes()[:4] == b"\x89PNG"
    model = read_checkpoint(path)
    assert model.class_names == ("Book", "Bowl", "Mug")
    record = json.loads(model.metadata["training"])
    assert record["steps"] == 220 and record["config"]["grid"] == [8, 8] and model.metadata["name"].startswith("SAOM")
    options = SamEverythingOptions((8, 8), pred_iou_thresh=0.5, stability_score_thresh=0.5, box_nms_thresh=0.5)
    segmenter = segmenter_of(model, SaomConfig(model=str(path), class_score_threshold=0.3, threads=1), options)
    for sample in (data[0], data[1]):
        instances = segmenter.segment(sample.image_rgb).instances
        found = {}
        for mask, name in zip(instances.dense_masks(), instances.class_names, strict=True):
            ious = [(mask & truth).sum() / (mask | truth).sum() for truth in sample.masks]
            if max(ious) > 0.6:
                found[sample.class_names[int(np.argmax(ious))]] = name
        assert found == {name: name for name in sample.class_names}


def test_the_paper_s_recipe_trains_what_the_paper_trains(tmp_path: Path) -> None:
    data = open_data(tmp_path / "data")
    model = tiny_model()
    before = {f"model.{name}": value.clone() for name, value in model.sam.state_dict().items()}
    config = dataclasses.replace(PAPER, steps=3, grid=(8, 8))
    after = weights(finetune(model, data, tmp_path / "run", config).parent)
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert {name.split(".")[1] for name in changed} == {"prompt_encoder", "mask_decoder"}
    assert not any("iou_prediction_head" in name or "mask_downscaling" in name for name in changed)
    assert after["classifier.weight"].shape == (len(CLASSES_AND_OTHER), TINY.dim)
    assert not (tmp_path / "embeddings").exists()


@pytest.mark.slow
def test_kept_embeddings_change_nothing_but_the_time(tmp_path: Path) -> None:
    data = open_data(tmp_path / "data")
    kept = finetune(tiny_model(), data, tmp_path / "kept", QUICK)
    assert len(list((tmp_path / "embeddings").rglob("*.safetensors"))) == 8  # 4 pictures, 2 views
    config = dataclasses.replace(QUICK, cache_embeddings=False)
    assert_equal(weights(kept.parent), weights(finetune(tiny_model(), data, tmp_path / "anew", config).parent))


@pytest.mark.slow
@pytest.mark.parametrize("train_encoder", [False, True])
def test_bfloat16_is_computed_in_and_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_encoder: bool
) -> None:
    """Where there is bfloat16 (emulated here where not); weights and losses stay float32."""
    monkeypatch.setattr(precision, "computes_in_bf16", lambda _device_type: True)
    data = open_data(tmp_path / "data")
    runs = {}
    for bf16 in (False, True):
        config = dataclasses.replace(QUICK, bf16=bf16, train_encoder=train_encoder)
        runs[bf16] = finetune(tiny_model(), data, tmp_path / str(bf16), config).parent
    ours, exact = losses(runs[True]), losses(runs[False])
    assert ours == pytest.approx(exact, rel=0.03) and ours != pytest.approx(exact, rel=1e-5)
    assert {value.dtype for value in weights(runs[True]).values()} == {torch.float32}


@pytest.mark.slow
def test_the_encoder_is_trained_on_request_and_prompts_stay_where_the_first_one_puts_them(tmp_path: Path) -> None:
    data = open_data(tmp_path / "data")
    config = dataclasses.replace(QUICK, train_encoder=True)
    model = tiny_model()
    before = {f"model.{name}": value.clone() for name, value in model.sam.state_dict().items()}
    after = weights(finetune(model, data, tmp_path / "run", config).parent)
    changed = {name.split(".")[1] for name, value in before.items() if not torch.equal(after[name], value)}
    assert changed == {"image_encoder", "prompt_encoder", "mask_decoder"}
    kept = {path.name: path.read_bytes() for path in (tmp_path / "embeddings").rglob("*.safetensors")}
    finetune(tiny_model(), data, tmp_path / "frozen" / "run", QUICK)  # its embeddings are those of the first encoder
    assert kept == {p.name: p.read_bytes() for p in (tmp_path / "frozen" / "embeddings").rglob("*.safetensors")}
    anew = dataclasses.replace(config, cache_embeddings=False)
    assert_equal(after, weights(finetune(tiny_model(), data, tmp_path / "anew", anew).parent))
    at_random = dataclasses.replace(config, assignment="random")
    finetune(tiny_model(), data, tmp_path / "random" / "run", at_random)
    assert not (tmp_path / "random" / "embeddings").exists(), "nothing looks at them"
    with pytest.raises(ConfigError, match="train_encoder"):
        dataclasses.replace(FAST, train_encoder=True)


def test_a_loss_that_is_not_finite_stops_with_every_term(tmp_path: Path) -> None:
    data = open_data(tmp_path / "data")
    config = dataclasses.replace(QUICK, steps=30, warmup_steps=0, learning_rate=1e12, clip_norm=0.0)
    with pytest.raises(TrainingError, match="dice.*focal.*class.*quality.*learning rate"):
        finetune(tiny_model(), data, tmp_path / "run", config)


def test_a_gradient_that_is_not_finite_changes_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite loss can have one: the root of nothing."""
    data = open_data(tmp_path / "data")

    def terms_with_a_root(answers: SamAnswers, item: SamItem, config: SamTuneConfig) -> dict[str, Term]:
        root = (answers.predicted_iou * 0).abs().sqrt().sum()
        return {**image_terms(answers, item, config), "root": Term(root, 1, 1.0)}

    monkeypatch.setattr(sam, "image_terms", terms_with_a_root)
    for clip_norm in (0.0, 1.0):
        model = tiny_model()
        before = {name: value.clone() for name, value in model.sam.state_dict().items()}
        config = dataclasses.replace(QUICK, clip_norm=clip_norm)
        with pytest.raises(TrainingError, match="finite gradient.*dice.*focal.*root.*learning rate"):
            finetune(model, data, tmp_path / f"run{clip_norm}", config)
        assert all(torch.equal(before[name], value) for name, value in model.sam.state_dict().items())
        assert not (tmp_path / f"run{clip_norm}" / "resume.pt").exists()


@pytest.mark.slow
def test_embeddings_that_are_gone_are_made_again_before_training(tmp_path: Path) -> None:
    """A worker of the stream could not: it has no GPU."""
    data = open_data(tmp_path / "data")
    finetune(tiny_model(), data, tmp_path / "run", QUICK)
    kept = sorted((tmp_path / "embeddings").rglob("*.safetensors"))
    kept[0].unlink()
    longer = tmp_path / "run" / "last.safetensors"
    seen = longer.stat().st_mtime_ns
    finetune(tiny_model(), data, tmp_path / "run", QUICK)  # nothing is left to train
    assert sorted((tmp_path / "embeddings").rglob("*.safetensors")) == kept and longer.stat().st_mtime_ns == seen
    finetune(tiny_model(), data, tmp_path / "run", QUICK, cache=tmp_path / "elsewhere")
    assert len(list((tmp_path / "elsewhere").rglob("*.safetensors"))) == len(kept)
    with pytest.raises(ConfigError, match="cache_embeddings"):
        config = dataclasses.replace(QUICK, cache_embeddings=False)
        finetune(tiny_model(), data, tmp_path / "other", config, cache=tmp_path / "elsewhere")


def test_data_that_cannot_be_trained_on_is_refused(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    with pytest.raises(TrainingError, match="got none: run `saom collect`"):
        finetune(tiny_model(), Dataset.open(data, "val"), tmp_path / "run", QUICK)
    with pytest.raises(TrainingError, match="none of Sofa, Toilet: collect more"):
        finetune(
            tiny_model(), Dataset.open(data, "train"), tmp_path / "run", QUICK, class_names=("Toilet", "Mug", "Sofa")
        )
    with pytest.raises(TrainingError, match="each class once, got Mug several times"):
        finetune(tiny_model(), Dataset.open(data, "train"), tmp_path / "run", QUICK, class_names=("Mug", "Mug"))
    DatasetWriter(tmp_path / "bare", {}).write_episode(0, [frame(0, objects=0)])
    with pytest.raises(TrainingError, match="expected objects in the 1 training images"):
        finetune(tiny_model(), Dataset.open(tmp_path / "bare", "train"), tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_named_whichever_process_reads_it(tmp_path: Path, workers: int) -> None:
    data = write_data(tmp_path / "data")
    for path in (data / "images").iterdir():
        path.write_bytes(b"")
    config = dataclasses.replace(QUICK, workers=workers)
    with pytest.raises(InputError, match="^expected a picture at .*png, got none or a broken one") as caught:
        finetune(tiny_model(), Dataset.open(data, "train"), tmp_path / "run", config)
    assert "\n" not in str(caught.value), "no traceback of a worker in it"


@pytest.mark.slow
def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    data = open_data(tmp_path / "data")
    finetune(tiny_model(), data, tmp_path / "run", QUICK)
    with pytest.raises(ConfigError, match="dice_weight': 3.0.*dice_weight': 2.0.*another --out"):
        finetune(tiny_model(), data, tmp_path / "run", dataclasses.replace(QUICK, dice_weight=2.0))
    with pytest.raises(ConfigError, match=r"base\.encoder"):
        finetune(tiny_model(seed=1), data, tmp_path / "run", QUICK)
    other_decoder = tiny_model()
    other_decoder.sam.mask_decoder = tiny_model(seed=1).sam.mask_decoder
    with pytest.raises(ConfigError, match=r"base\.weights"):
        finetune(other_decoder, data, tmp_path / "run", QUICK)
    with pytest.raises(ConfigError, match="'data'"):
        finetune(tiny_model(), open_data(tmp_path / "other", size_hw=(64, 64)), tmp_path / "run", QUICK)
    state = torch.load(tmp_path / "run" / "resume.pt", weights_only=True)
    state["network"]["class_head.weight"] = torch.zeros(3, TINY.dim)
    torch.save(state, tmp_path / "run" / "resume.pt")
    with pytest.raises(ModelError, match="class_head.weight"):
        finetune(tiny_model(), data, tmp_path / "run", QUICK)


@pytest.mark.slow
def test_a_folder_in_which_another_process_trains_is_refused(tmp_path: Path) -> None:
    """As after a kill of `saom reproduce`, whose training goes on alone. A killed training lets go of its folder."""
    data = open_data(tmp_path / "data")
    code = (
        "import pathlib, sys; from saom_training.running.checks import begin; begin(pathlib.Path(sys.argv[1]), {}); "
        "print('in', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "in\n"
    with pytest.raises(ConfigError, match="expected no other process to train there"):
        finetune(tiny_model(), data, tmp_path / "run", QUICK)
    other.kill()
    other.communicate()
    (tmp_path / "run" / "config.json").unlink()
    assert finetune(tiny_model(), data, tmp_path / "run", QUICK).exists()


def test_everything_mode_has_the_grid_of_the_training(tmp_path: Path) -> None:
    """The paper's premise: training prompts come from the grid that will be used."""
    path = finetune(tiny_model(), open_data(tmp_path / "data"), tmp_path / "run", QUICK)
    model = load_model(SaomConfig(model=str(path), threads=1, provider="cpu"))
    assert model.grid == QUICK.grid == (8, 8)
    assert isinstance(model.segmenter, SamSegmenter) and model.segmenter.options is not None
    assert model.segmenter.options.grid == (8, 8)
    assert load_model(SaomConfig(model=str(path), threads=1, provider="cpu"), (4, 6)).grid == (4, 6)
    assert load_exportable(path).grid == (8, 8)
    assert tiny_model().grid == (32, 32)


def test_a_class_head_of_the_same_names_is_kept_and_another_one_is_not_lost_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = torch.nn.Linear(TINY.dim, 2)
    model = SamModel(tiny_model().sam, TINY, head, ("Mug", "Book"))
    assert with_class_head(model, ("Mug", "Book")).class_head is head and not caplog.records
    other = with_class_head(model, ("Mug", "Book", "Bowl"))
    assert other.class_head is not head and other.class_head is not None and other.class_head.out_features == 3
    assert "class head starts anew, for 3 instead of 2" in caplog.text


def test_options_without_effect_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tiny_model(), tmp_path / "start.safetensors")
    files = ["--data", str(write_data(tmp_path / "data")), "--out", str(tmp_path / "run")]
    command = ["finetune", "--recipe", "paper", "--model", str(tmp_path / "start.safetensors"), *files]
    assert main([*command, "--mirror", "--occlude", "0.5"]) == 1
    assert "--mirror, --occlude: expected --views above 1" in capsys.readouterr().err
    assert main([*command, "--workers", "2"]) == 1
    assert "--workers: expected --cache-embeddings" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*command, "--occlude", "0", "--workers", "0", "--steps", "1", "--threads", "1", "--no-bf16"]) == 0


def test_options_of_the_other_network_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    cases = [
        (["--model", "x.pth", "--size", "256x192"], "--size: expected options of --recipe saom"),
        (["--model", "x.pth", "--prompts", "3"], "--prompts: expected options of --recipe saom"),
        (["--views", "2", "--cache", "x"], "--cache, --views: expected options of saom-tiny"),
        (["--recipe", "base", "--model", "x.pth"], "--model: expected options of --recipe base"),
        (["--recipe", "base", "--occlude", "0.5"], "--occlude: expected options of --recipe base"),
        (["--recipe", "paper"], "--recipe paper: expected a --model to fine-tune"),
        (["--head", "fast"], "--head fast: expected a --model to fine-tune"),
        (["--model", str(tmp_path)], "expected a checkpoint file, a folder is there"),
        (["--model", "x.pth", "--seed", "-1"], "seed: expected at least 0, got -1"),
        (["--model", str(tmp_path / "none.pth")], "expected a checkpoint file"),
    ]
    for words, message in cases:
        assert main(["finetune", *files, *words]) == 1
        assert message in capsys.readouterr().err
