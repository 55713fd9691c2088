"""A student begins as its teacher but for its eyes, and learns the teacher's features."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from killed import assert_same_weights, killed_after

from saom_cli.main import main
from saom_core.errors import ConfigError
from saom_training.dataset import Dataset
from saom_training.networks.checkpoint import load_network_and_record, save_network
from saom_training.networks.encoder import Pyramid
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.recipes import tiny
from saom_training.recipes.tiny import TrainConfig, train
from saom_training.samples.augment import AugmentConfig, training_item
from saom_training.trainees.distill import feature_loss, student_of

SMALL = AugmentConfig(size_hw=(64, 96), prompts=12, min_visible_px=4, grid=(12, 8))
EYES = "efficientnet_lite0"


@pytest.fixture
def config(data: Dataset, tmp_path: Path) -> TrainConfig:
    """With a teacher."""
    torch.manual_seed(0)
    save_network(SaomTiny(TinyConfig(data.class_names, dim=16, mask_dim=8)), tmp_path / "teacher", {"steps": 7})
    shape = {"encoder": EYES, "depth_width": 8, "teacher": str(tmp_path / "teacher")}
    return TrainConfig(steps=2, batch=2, warmup_steps=1, workers=0, bf16=False, augment=SMALL, **shape)  # type: ignore[arg-type]


def test_a_student_has_its_teachers_decoder(config: TrainConfig) -> None:
    teacher = load_network_and_record(Path(config.teacher))[0]
    student = student_of(teacher, EYES, 8)
    ours, theirs = student.state_dict(), teacher.state_dict()
    kept = [name for name in theirs if name.startswith(("blocks", "smooth", "mask", "object_head"))]
    assert kept and all(torch.equal(ours[name], theirs[name]) for name in kept)
    assert student.config == dataclasses.replace(teacher.config, encoder=EYES, depth_width=8)


def test_a_student_has_its_teachers_depth_branch_where_it_has_one_of_that_width() -> None:
    teacher = SaomTiny(TinyConfig(("Mug",), dim=16, mask_dim=8, depth_width=8))
    for width, taken in ((8, True), (4, False), (0, False)):
        state = student_of(teacher, EYES, width).state_dict()
        same = [
            torch.equal(state.get(f"depth_branch.{name}", torch.empty(0)), value)
            for name, value in teacher.depth_branch.state_dict().items()
            if value.ndim == 4
        ]
        assert len(same) == 9 and all(same) == taken == any(same), width


@pytest.mark.slow
def test_features_alone_leave_the_decoder_as_it_is(data: Dataset, config: TrainConfig, tmp_path: Path) -> None:
    teacher = load_network_and_record(Path(config.teacher))[0]
    alone = train(data, tmp_path / "alone", dataclasses.replace(config, features_first=2))
    student, record = load_network_and_record(alone)
    assert record["config"]["teacher"] == config.teacher and record["init"] == {"steps": 7} and record["names_taught"]
    for name, value in teacher.blocks.state_dict().items():
        torch.testing.assert_close(student.blocks.state_dict()[name], value, atol=1e-6, rtol=1e-6)
    before = teacher.smooth8.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in student.smooth8.state_dict().items())
    masks = train(data, tmp_path / "masks", config)
    assert not torch.equal(load_network_and_record(masks)[0].mask_head[0].bias, teacher.mask_head[0].bias)


@pytest.mark.slow
def test_features_come_nearer_to_the_teachers(data: Dataset, config: TrainConfig, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    longer = dataclasses.replace(config, steps=31, features_first=31, learning_rate=3e-3, checkpoint_every=31)
    train(data, tmp_path / "run", longer)
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    values = [event.value for event in log.Scalars("loss/features")]
    assert values[-1] < 0.7 * values[0]


@pytest.mark.slow
def test_a_run_killed_among_its_first_steps_gives_the_same_weights(
    data: Dataset, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(config, steps=4, features_first=3, checkpoint_every=2, frozen_stages=1)
    whole = train(data, tmp_path / "whole", config)
    with killed_after(monkeypatch, tiny, 2):
        train(data, tmp_path / "cut", config)
    assert_same_weights(whole, train(data, tmp_path / "cut", config))
    save_network(SaomTiny(TinyConfig(data.class_names, dim=16, mask_dim=8)), Path(config.teacher), {})
    with pytest.raises(ConfigError, match="'teacher'"):
        train(data, tmp_path / "cut", config)


def test_feature_loss_is_1_for_means_and_0_for_the_same() -> None:
    levels = [torch.randn(3, 4, size, size) * 5 + 2 for size in (16, 8, 4)]
    means = [level.mean((0, 2, 3), keepdim=True).expand_as(level) for level in levels]
    assert float(feature_loss(Pyramid(*levels), Pyramid(*levels))) == 0
    assert float(feature_loss(Pyramid(*means), Pyramid(*levels))) == pytest.approx(1.0, rel=0.03)


def test_the_teacher_sees_the_plain_picture(data: Dataset) -> None:
    config = dataclasses.replace(SMALL, drop_depth=1.0, prints=1.0)
    changed = 0
    for seed in range(6):
        item = training_item(data[0], config, np.random.default_rng(seed))
        assert item.depth.max() == 0 < item.plain_depth.max()
        changed += not torch.equal(item.image, item.plain_image)
    assert changed >= 4


def test_options_that_need_a_teacher_or_another_one_are_refused(
    data: Dataset, config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="--features-first: expected --teacher"):
        train(data, tmp_path / "run", dataclasses.replace(config, teacher="", features_first=1))
    save_network(SaomTiny(TinyConfig(data.class_names)), tmp_path / "wide", {})
    other = dataclasses.replace(config, encoder=TinyConfig.encoder, depth_width=0)
    with pytest.raises(ConfigError, match=r"--teacher: expected one with \(64, 128\) channels"):
        train(data, tmp_path / "run", other, init=tmp_path / "wide")
    assert not (tmp_path / "run").exists()
    words = ["finetune", "--data", str(data.path), "--out", str(tmp_path / "run"), "--feature-weight", "0.5"]
    assert main(words) != 0
    assert "--feature-weight: expected --teacher" in capsys.readouterr().err
