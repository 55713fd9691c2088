"""A finished run can be given more steps; one that is not finished, or is to have fewer, is refused with the reason."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from killed import assert_same_weights, killed_after
from sam_scenes import QUICK as SAM
from sam_scenes import losses, one_thread, open_data, tiny_model  # noqa: F401

from saom_core.errors import ConfigError
from saom_core.sam.checkpoints import read_checkpoint
from saom_training.networks.checkpoint import load_network_and_record
from saom_training.recipes import sam, tiny
from saom_training.running.optimizer import set_learning_rate
from saom_training.samples.augment import AugmentConfig

TINY = tiny.TrainConfig(
    steps=2, batch=2, warmup_steps=1, workers=0, checkpoint_every=2, bf16=False,
    augment=AugmentConfig(size_hw=(64, 96), prompts=12, min_visible_px=4, grid=(12, 8)),
)  # fmt: skip


def rates(out: Path) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    return {event.step: event.value for event in log.Scalars("learning_rate")}


@pytest.mark.slow
def test_a_finished_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data(tmp_path / "data")
    short = tiny.train(data, tmp_path / "run", TINY)
    before = (short / "weights.safetensors").read_bytes()
    longer = dataclasses.replace(TINY, steps=5)
    with killed_after(monkeypatch, tiny, 2):  # killed among the new steps: the same command goes on there
        tiny.train(data, tmp_path / "run", longer)
    last = tiny.train(data, tmp_path / "run", longer)
    record = load_network_and_record(last)[1]
    assert record["steps"] == record["config"]["steps"] == 5 and record["ended_before"] == [2]
    assert (last / "weights.safetensors").read_bytes() != before
    assert torch.load(tmp_path / "run" / "resume.pt", weights_only=True)["step"] == 5
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    set_learning_rate(optimizer, longer, 4, 5)  # that of a run of the new length
    assert rates(tmp_path / "run")[4] == pytest.approx(optimizer.param_groups[0]["lr"])
    once_more = tiny.train(data, tmp_path / "run", dataclasses.replace(TINY, steps=6))
    assert load_network_and_record(once_more)[1]["ended_before"] == [2, 5]


@pytest.mark.slow
def test_fewer_steps_and_more_of_an_unfinished_run_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data(tmp_path / "data")
    config = dataclasses.replace(TINY, steps=4)
    with killed_after(monkeypatch, tiny, 2):
        tiny.train(data, tmp_path / "run", config)
    with pytest.raises(ConfigError, match=r"the 4 steps .* \(it has taken 2\), got 6: .*when the run is finished"):
        tiny.train(data, tmp_path / "run", dataclasses.replace(config, steps=6))
    whole = tiny.train(data, tmp_path / "whole", config)
    assert_same_weights(whole, tiny.train(data, tmp_path / "run", config))
    with pytest.raises(ConfigError, match="the 4 steps .*got 2: "):
        tiny.train(data, tmp_path / "run", dataclasses.replace(config, steps=2))
    with pytest.raises(ConfigError, match=r"'config\.seed'"):
        tiny.train(data, tmp_path / "run", dataclasses.replace(config, steps=6, seed=1))


@pytest.mark.parametrize("more", [{"steps": 6}, pytest.param({"steps": 0, "epochs": 4}, marks=pytest.mark.slow)])
def test_embeddings_of_the_new_steps_are_made(tmp_path: Path, more: dict[str, int]) -> None:
    data = open_data(tmp_path / "data")
    config = dataclasses.replace(SAM, steps=1, views=8)
    sam.finetune(tiny_model(), data, tmp_path / "run", config)
    kept = set((tmp_path / "embeddings").rglob("*.safetensors"))
    last = sam.finetune(tiny_model(), data, tmp_path / "run", dataclasses.replace(config, **more))  # type: ignore[arg-type]
    assert set((tmp_path / "embeddings").rglob("*.safetensors")) > kept
    record = json.loads(read_checkpoint(last).metadata["training"])
    assert record["ended_before"] == [1] and record["steps"] == (more["steps"] or 8)
    assert len(json.loads((tmp_path / "run" / "embeddings.json").read_text())["files"]) > len(kept)
