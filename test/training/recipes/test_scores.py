"""`--scores-only`: a head learns how well drawn masks fit, everything else stays, a killed run goes on."""

from __future__ import annotations

import dataclasses
import resource
from pathlib import Path

import pytest
import safetensors.torch
import torch
from killed import assert_same_weights, killed_after
from sam_scenes import open_data

from saom_cli.main import main
from saom_core.errors import ConfigError
from saom_core.runtime import BUNDLED_MODEL
from saom_training.assign import BACKGROUND
from saom_training.dataset import Dataset
from saom_training.networks.checkpoint import load_network_and_record, save_network
from saom_training.networks.tiny import with_mask_iou_head
from saom_training.recipes import scores
from saom_training.recipes.names import ClassesConfig, teach_classes
from saom_training.recipes.scores import Judge, ScoresConfig, teach_scores
from saom_training.samples.augment import IGNORED, AugmentConfig, AugmentedStream
from saom_training.trainees.drawn_masks import _AnswersToPictures, best_ious, read_drawn
from saom_training.trainees.tiny_start import TinyStartConfig, known_network

AUGMENT = AugmentConfig(size_hw=(96, 128), grid=(12, 12))
CONFIG = ScoresConfig(
    steps=4, batch=8, pictures=6, score_width=8, workers=0, checkpoint_every=2, warmup_steps=1, augment=AUGMENT
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Scenes in which the bundled network finds something."""
    return open_data(tmp_path_factory.mktemp("scenes") / "data", 4)


@pytest.fixture(scope="module")
def checkpoint(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled network for the test's data, without a head that judges masks."""
    network, record, _ = known_network(data, TinyStartConfig(augment=AUGMENT, steps=1, batch=2), BUNDLED_MODEL)
    folder = tmp_path_factory.mktemp("named") / "last"
    save_network(with_mask_iou_head(network, 0).eval(), folder, record)
    return folder


def test_best_iou_is_that_of_the_object_that_fits_best() -> None:
    mask = torch.zeros(3, 4, 4, dtype=torch.bool)
    mask[0, :2], mask[1, :1], mask[2, 3:] = True, True, True
    torch.testing.assert_close(best_ious(mask, mask[1:2]), torch.tensor([0.5, 1.0, 0.0]))
    assert (best_ious(mask, mask[:0]) == 0).all(), "no object in the picture"


def test_drawn_masks_are_the_same_in_any_number_of_workers(data: Dataset, checkpoint: Path) -> None:
    network = load_network_and_record(checkpoint)[0].requires_grad_(False)
    alone, two = (read_drawn(data, network, AUGMENT, 0, 4, workers) for workers in (0, 2))
    assert len(alone) > 0 and alone.ious.max() > 0.3 and alone.ious.max() <= 1
    for field in dataclasses.fields(alone):
        assert torch.equal(getattr(alone, field.name), getattr(two, field.name))


def test_many_pictures_of_workers_need_few_files(data: Dataset, checkpoint: Path) -> None:
    network = load_network_and_record(checkpoint)[0].requires_grad_(False)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 40, limit[1]))
    try:
        assert len(read_drawn(data, network, AUGMENT, 0, 60, 2)) > 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_masks_of_objects_that_no_prompt_asks_for_are_known_and_pixels_of_crowds_are_not_judged(
    data: Dataset, checkpoint: Path
) -> None:
    network = load_network_and_record(checkpoint)[0].requires_grad_(False)
    few = dataclasses.replace(AUGMENT, prompts=1)
    plain = [AugmentedStream(data, few, 0, 4)[k].masks for k in range(4)]
    every = [AugmentedStream(data, few, 0, 4, every_object=True)[k] for k in range(4)]
    assert max(map(len, plain)) == 1 and max(len(item.masks) for item in every) == 2
    for item, some in zip(every, plain, strict=True):  # the same picture, and the prompt asks for the same object
        row = item.targets[0]
        assert (row == BACKGROUND) == (len(some) == 0) and (len(some) == 0 or torch.equal(item.masks[row], some[0]))
    found = _AnswersToPictures(data, network, few, 0, 4)
    wanted = [len(found[k][1]) for k in range(4)]
    found._stream = [dataclasses.replace(item, semantic=torch.full_like(item.semantic, IGNORED)) for item in every]
    assert sum(wanted) > 0 and sum(len(found[k][1]) for k in range(4)) == 0


def test_a_finished_run_is_not_drawn_again(
    data: Dataset, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(CONFIG, steps=1)
    last = teach_scores(data, None, tmp_path / "run", config, checkpoint)
    monkeypatch.delattr(scores, "read_drawn")
    assert teach_scores(data, None, tmp_path / "run", config, checkpoint) == last


def test_names_are_taught_first(three_pictures: Path, checkpoint: Path, tmp_path: Path) -> None:
    other = Dataset.open(three_pictures, "train")
    other.class_names = ("a", *other.class_names[1:])
    with pytest.raises(ConfigError, match="are taught, got .*: teach them first, with `saom finetune --classes-only`"):
        teach_scores(other, None, tmp_path / "run", CONFIG, checkpoint)


@pytest.mark.slow
def test_scores_are_learned_and_all_else_stays(data: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, steps=300, pictures=24, score_width=32, score_dropout=0.0, ema_decay=0.9)
    last = teach_scores(data, data, tmp_path / "scored", config, checkpoint)
    before, after = (safetensors.torch.load_file(f / "weights.safetensors") for f in (checkpoint, last))
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"mask_iou_head"}
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    network, record = load_network_and_record(last)
    assert record["score_steps"] == 300 and record["scores"]["pictures"] == 24
    masks = read_drawn(data, network.requires_grad_(False), AUGMENT, 0, 24)
    predicted = network.mask_iou_head(masks.seen).sigmoid()
    assert (predicted - masks.ious).abs().mean() < 0.5 * (masks.scores - masks.ious).abs().mean()


def test_a_folded_head_gives_what_the_trained_one_gives(data: Dataset, checkpoint: Path) -> None:
    network = with_mask_iou_head(load_network_and_record(checkpoint)[0], 8).eval().requires_grad_(False)
    masks = read_drawn(data, network, AUGMENT, 0, 4)
    judge = Judge(network.mask_iou_head, masks.seen.mean(0), masks.seen.std(0) + 0.01, 0.3).eval()
    wanted = judge(masks)
    network.mask_iou_head.load_state_dict(judge.folded())
    torch.testing.assert_close(network.mask_iou_head(masks.seen), wanted, atol=1e-3, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("written", range(4))
def test_a_run_killed_between_two_files_gives_the_same_weights(
    data: Dataset, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    whole = teach_scores(data, None, tmp_path / "whole", CONFIG, checkpoint)
    with killed_after(monkeypatch, scores, written):
        teach_scores(data, None, tmp_path / "cut", CONFIG, checkpoint)
    assert_same_weights(whole, teach_scores(data, None, tmp_path / "cut", CONFIG, checkpoint))


def test_names_that_are_taught_later_drop_the_head(data: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    network, record = load_network_and_record(checkpoint)
    save_network(with_mask_iou_head(network, 8), tmp_path / "scored", record)
    config = ClassesConfig(steps=1, batch=4, warmup_steps=1, drawn_share=0.0, workers=0)
    named = teach_classes(data, None, tmp_path / "named", config, tmp_path / "scored")
    assert load_network_and_record(named)[0].mask_iou_head is None


def test_another_run_is_not_resumed_and_init_is_needed(
    data: Dataset, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach_scores(data, None, tmp_path / "run", dataclasses.replace(CONFIG, steps=1), checkpoint)
    with pytest.raises(ConfigError, match="'config.pictures': 6.*'config.pictures': 5"):
        teach_scores(data, None, tmp_path / "run", dataclasses.replace(CONFIG, steps=1, pictures=5), checkpoint)
    words = ["finetune", "--scores-only", "--data", str(data.path), "--out", str(tmp_path / "other"), "--threads", "1"]
    assert main(words) == 1
    assert "--scores-only: expected --init" in capsys.readouterr().err
