"""Training: items mean what they say, a killed run resumes to the same weights, bad data and losses are told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from saom_core.errors import ModelError
from saom_core.taxonomy import CLASSES_AND_OTHER
from training.assign import BACKGROUND
from training.augment import AugmentConfig, training_item
from training.checkpoint import load_network, load_network_and_record, save_network
from training.dataset import Dataset, DatasetWriter
from training.finetune import TrainConfig, TrainingError, TrainingStream, learning_rate, train
from training.network import SaomTiny, TinyConfig
from training.simulator import Frame

SMALL = AugmentConfig(size_hw=(64, 96), prompts=12, min_visible_px=4, grid=(12, 8))
QUICK = TrainConfig(steps=4, batch=2, warmup_steps=1, workers=0, checkpoint_every=2, bf16=False, augment=SMALL)


@pytest.fixture
def data(tmp_path: Path, make_frame: Callable[..., Frame]) -> Dataset:
    writer = DatasetWriter(tmp_path / "data", {"simulator": "test", "seed": 1})
    for episode in range(3):
        writer.write_episode(episode, [make_frame()])
    return Dataset.open(tmp_path / "data", "train")


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


def test_stream_visits_every_image_once_an_epoch(data: Dataset) -> None:
    config = dataclasses.replace(QUICK, steps=3)
    stream = TrainingStream(data, config)
    assert len(stream) == 6
    again = TrainingStream(data, config)
    for i in (0, 5):
        torch.testing.assert_close(stream[i].image, again[i].image)


def test_interrupted_run_gives_the_same_weights(data: Dataset, tmp_path: Path) -> None:
    whole = train(data, tmp_path / "whole", QUICK)
    # what a kill after the second step leaves behind: the first checkpoint of a run of four steps
    train(data, tmp_path / "cut", QUICK, stop_after=2)
    resumed = train(data, tmp_path / "cut", QUICK)
    expected = safetensors.torch.load_file(whole / "weights.safetensors")
    actual = safetensors.torch.load_file(resumed / "weights.safetensors")
    assert expected.keys() == actual.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(actual[name], tensor, msg=name)
    record = load_network_and_record(resumed)[1]
    assert record["steps"] == 4 and record["images"] == 3 and record["config"]["seed"] == QUICK.seed


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


def test_loss_that_is_not_finite_stops_with_every_term(data: Dataset, tmp_path: Path) -> None:
    config = dataclasses.replace(QUICK, steps=30, warmup_steps=0, learning_rate=1e12)
    with pytest.raises(TrainingError, match="focal.*dice.*quality.*semantic.*box"):
        train(data, tmp_path / "run", config)


def test_learning_rate_warms_up_and_falls() -> None:
    config = TrainConfig(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and rates[-1] < 0.02
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


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
        load_network(tmp_path)
    with pytest.raises(ModelError, match="saom finetune"):
        load_network(tmp_path / "nowhere")
