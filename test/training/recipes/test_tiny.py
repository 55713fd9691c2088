"""Training: items mean what they say, a killed run resumes to the same weights, bad data and losses are told."""

from __future__ import annotations

import dataclasses
import json
import logging
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from killed import assert_same_weights, killed_after

from saom_cli.main import main
from saom_core.errors import ConfigError, ModelError
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.assign import BACKGROUND
from saom_training.data.frames import Frame
from saom_training.dataset import Dataset, DatasetWriter, Sample
from saom_training.figures.models import CheckpointNetwork
from saom_training.networks.checkpoint import load_network_and_record, save_network
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.recipes import tiny
from saom_training.recipes.tiny import LossWeights, TrainConfig, tiny_terms, train
from saom_training.running.checks import TrainingError
from saom_training.running.config import RunConfig
from saom_training.running.optimizer import make_optimizer, set_learning_rate
from saom_training.running.processes import Processes
from saom_training.running.step import train_step
from saom_training.samples.augment import (
    IGNORED,
    AugmentConfig,
    AugmentedStream,
    TrainingItem,
    training_item,
)
from saom_training.samples.class_weights import class_weights
from saom_training.trainees.tiny import TinyTrainee

SMALL = AugmentConfig(size_hw=(64, 96), prompts=12, min_visible_px=4, grid=(12, 8))
QUICK = TrainConfig(steps=4, batch=2, warmup_steps=1, workers=0, checkpoint_every=2, bf16=False, augment=SMALL)


@pytest.fixture(scope="module")
def whole(three_pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run that nothing interrupted."""
    return train(Dataset.open(three_pictures, "train"), tmp_path_factory.mktemp("whole"), QUICK)


def test_items_are_consistent(data: Dataset) -> None:
    for seed in range(20):
        item = training_item(data[0], SMALL, np.random.default_rng(seed))
        assert item.image.shape == (64, 96, 3) and item.image.dtype == torch.uint8
        assert item.depth.shape == (64, 96) and item.masks.shape[1:] == (16, 24)
        assert item.points.shape == (12, 2) and item.targets.shape == (12,)
        assert len(item.masks) == len(item.boxes) == len(item.class_ids)
        for (x, y), target in zip(item.points, item.targets, strict=True):
            if target != BACKGROUND:
                left, top, right, bottom = item.boxes[target]
                assert left <= x <= right and top <= y <= bottom


def test_depth_is_dropped_as_often_as_asked(data: Dataset) -> None:
    always = dataclasses.replace(SMALL, drop_depth=1.0)
    never = dataclasses.replace(SMALL, drop_depth=0.0)
    assert training_item(data[0], always, np.random.default_rng(0)).depth.max() == 0
    assert training_item(data[0], never, np.random.default_rng(0)).depth.max() > 0


def test_stream_visits_every_image_once_an_epoch(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = AugmentedStream(data, SMALL, seed=0, length=6)
    assert len(stream) == 6
    visited, read = [], Dataset.__getitem__

    def noting(self: Dataset, index: int) -> Sample:
        visited.append(self.image(index)["id"])
        return read(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "__getitem__", noting)
        for i in range(6):
            stream[i]
    assert set(visited[:3]) == set(visited[3:]) == {data.image(k)["id"] for k in range(len(data))}
    again = AugmentedStream(data, SMALL, seed=0, length=6)
    for i in (0, 5):
        torch.testing.assert_close(stream[i].image, again[i].image)


@pytest.mark.slow
@pytest.mark.parametrize("written", range(4))
def test_a_run_killed_between_two_files_gives_the_same_weights(
    data: Dataset, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    with killed_after(monkeypatch, tiny, written):
        train(data, tmp_path / "cut", QUICK)
    resumed = train(data, tmp_path / "cut", QUICK)
    assert_same_weights(whole, resumed)
    record = load_network_and_record(resumed)[1]
    assert record["steps"] == 4 and record["images"] == 3 and record["config"]["seed"] == QUICK.seed
    (plot := tmp_path / "cut" / "losses.png").unlink()
    train(data, tmp_path / "cut", QUICK)
    assert plot.exists(), "killed after the last checkpoint, before its plot"


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_leaves_no_losses(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with killed_after(monkeypatch, tiny, 0):
        train(data, tmp_path / "cut", QUICK)
    train(data, tmp_path / "cut", QUICK)
    log = EventAccumulator(str(tmp_path / "cut" / "tensorboard"))
    log.Reload()
    assert [event.step for event in log.Scalars("loss/total")] == [0, 3]


@pytest.mark.slow
def test_another_run_is_not_resumed(
    data: Dataset, whole: Path, tmp_path: Path, make_frame: Callable[..., Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_after(monkeypatch, tiny, 2):
        train(data, tmp_path / "cut", QUICK)
    others = {
        "seed": dataclasses.replace(QUICK, seed=1),
        "learning_rate": dataclasses.replace(QUICK, learning_rate=1.0),
        "augment.size_hw": dataclasses.replace(QUICK, augment=dataclasses.replace(SMALL, size_hw=(96, 128))),
    }
    for name, config in others.items():
        with pytest.raises(ConfigError, match=f"'config.{name}'.*another --out"):
            train(data, tmp_path / "cut", config)
    with pytest.raises(ConfigError, match="'init': None"):
        train(data, tmp_path / "cut", QUICK, init=whole)
    writer = DatasetWriter(tmp_path / "other", {"simulator": "test", "seed": 1})
    for episode in range(3):
        writer.write_episode(episode, [make_frame(episode)])
    with pytest.raises(ConfigError, match="'data'"):
        train(Dataset.open(tmp_path / "other", "train"), tmp_path / "cut", QUICK)
    (tmp_path / "cut" / "config.json").rename(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="'config.seed': None"):  # nobody knows which run it is
        train(data, tmp_path / "cut", QUICK)
    (tmp_path / "config.json").rename(tmp_path / "cut" / "config.json")
    assert_same_weights(whole, train(data, tmp_path / "cut", dataclasses.replace(QUICK, checkpoint_every=1)))


@pytest.mark.slow
def test_loss_falls_on_one_image(data: Dataset, tmp_path: Path) -> None:
    config = dataclasses.replace(QUICK, steps=40, learning_rate=2e-3, checkpoint_every=40)
    train(data, tmp_path / "run", config)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    values = [event.value for event in log.Scalars("loss/total")]
    assert values[-1] < 0.8 * values[0]


def test_no_images_is_told(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    DatasetWriter(tmp_path / "data", {"simulator": "test", "seed": 1}).write_episode(0, [make_frame()])
    with pytest.raises(TrainingError, match="got none"):
        train(Dataset.open(tmp_path / "data", "val"), tmp_path / "run", QUICK)


def test_no_objects_and_classes_without_objects_are_told(
    data: Dataset, tmp_path: Path, make_frame: Callable[..., Frame], caplog: pytest.LogCaptureFixture
) -> None:
    frame = make_frame()
    bare = dataclasses.replace(frame, object_ids=np.full_like(frame.object_ids, -1), objects=())
    DatasetWriter(tmp_path / "bare", {"simulator": "test", "seed": 1}).write_episode(0, [bare])
    with pytest.raises(TrainingError, match="expected objects in the 1 training images"):
        train(Dataset.open(tmp_path / "bare", "train"), tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()
    train(data, tmp_path / "run", dataclasses.replace(QUICK, steps=1))
    assert "will not be learned: AlarmClock" in caplog.text


def test_gradient_that_is_not_finite_stops_before_the_step(data: Dataset) -> None:
    network = SaomTiny(TinyConfig(data.class_names))
    next(network.parameters()).register_hook(lambda gradient: gradient * float("nan"))
    before = [parameter.clone() for parameter in network.parameters()]
    items = [AugmentedStream(data, SMALL, seed=0, length=2)[i] for i in range(2)]
    weights, processes = torch.ones(len(data.class_names) + 1), Processes.alone()
    trainee = TinyTrainee(network).to(processes.device)
    optimizer = make_optimizer(trainee, QUICK, processes.device)
    terms_of = partial(tiny_terms, class_weights=weights, weights=LossWeights())
    with pytest.raises(TrainingError, match="finite gradient.*focal.*dice.*quality.*semantic.*box"):
        train_step(trainee, optimizer, items, terms_of, QUICK, processes)
    for parameter, value in zip(network.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, value, rtol=0, atol=0)


@pytest.mark.slow
def test_command_ends_with_the_command_that_teaches_names(
    data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = ["--data", str(data.path), "--out", str(tmp_path / "my run")]
    options = ["--steps", "1", "--batch", "2", "--size", "96x64", "--workers", "0", "--threads", "1"]
    assert main(["finetune", *paths, *options, "--grid", "8x6"]) == 0
    told = caplog.records[-1]
    assert told.levelno == logging.WARNING
    command = shlex.split(told.getMessage().splitlines()[-1])
    assert command[:3] == ["saom", "finetune", "--classes-only"]
    caplog.clear()
    assert main([*command[1:], "--class-steps", "1", "--threads", "1"]) == 0
    named = tmp_path / "my run-named" / "last"
    assert load_network_and_record(named)[1]["class_steps"] == 1
    evaluated = CheckpointNetwork(named, "cpu", 1, None).info
    assert (evaluated.metadata["grid"], evaluated.input_size_hw) == ([8, 6], (64, 96)), "as its masks were trained"
    assert main(["finetune", *paths[:3], str(tmp_path / "on"), *options, "--init", str(named)]) == 0
    assert "class layers are new" not in caplog.text


def test_loss_that_is_not_finite_stops_with_every_term(data: Dataset, tmp_path: Path) -> None:
    config = dataclasses.replace(QUICK, steps=30, warmup_steps=0, learning_rate=1e12)
    with pytest.raises(TrainingError, match="focal.*dice.*quality.*semantic.*box"):
        train(data, tmp_path / "run", config)


def test_learning_rate_warms_up_and_falls() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=5.0)
    config = RunConfig(learning_rate=2.0, warmup_steps=10, final_rate=0.01)
    rates = []
    for step in range(100):
        set_learning_rate(optimizer, config, step, 100)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.2) and max(rates) == pytest.approx(2.0) and 0.02 < rates[-1] < 0.022
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    reference = torch.optim.SGD([torch.zeros(1)], lr=2.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(reference, 90, eta_min=0.02)
    for rate in rates[10:]:
        assert rate == pytest.approx(reference.param_groups[0]["lr"])
        reference.step()
        cosine.step()


def test_checkpoint_round_trip_and_damage(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SaomTiny(TinyConfig(CLASSES_AND_OTHER)).eval()
    save_network(network, tmp_path, {"steps": 7})
    loaded, record = load_network_and_record(tmp_path)
    assert record == {"steps": 7} and loaded.config == network.config
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor)
    assert json.loads((tmp_path / "network.json").read_text())["training"] == {"steps": 7}
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="saom-tiny checkpoint"):
        load_network_and_record(tmp_path)
    with pytest.raises(ModelError, match="saom finetune"):
        load_network_and_record(tmp_path / "nowhere")


def item_of(targets: list[int], size_hw: tuple[int, int] = (64, 64)) -> TrainingItem:
    """An item whose prompts lie at random places, without objects."""
    height, width = size_hw
    return TrainingItem(
        image=torch.zeros(height, width, 3, dtype=torch.uint8),
        depth=torch.zeros(height, width),
        points=torch.rand(len(targets), 2),
        targets=torch.tensor(targets),
        masks=torch.zeros(0, height // 4, width // 4),
        boxes=torch.zeros(0, 4),
        class_ids=torch.zeros(0, dtype=torch.int64),
        semantic=torch.full((height // 8, width // 8), IGNORED),
        plain_image=torch.zeros(height, width, 3, dtype=torch.uint8),
        plain_depth=torch.zeros(height, width),
    )


def test_background_teaches_quality_only() -> None:
    torch.manual_seed(0)
    trainee = TinyTrainee(SaomTiny(TinyConfig(("Mug", "Other"))).eval())
    item = item_of([BACKGROUND] * 6)
    answers = trainee([item])
    terms = tiny_terms(answers, [item], class_weights(torch.tensor([3, 5])), LossWeights())
    others = {name: float(term.total.detach()) for name, term in terms.items() if name != "quality"}
    assert others == {"focal": 0, "dice": 0, "semantic": 0, "box": 0}
    expected = torch.nn.functional.softplus(answers.quality_logits).sum()  # BCE with target 0
    torch.testing.assert_close(terms["quality"].total, expected)
    assert terms["quality"].count == 6
