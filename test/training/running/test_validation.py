"""Validation while training: the figures of `saom evaluate`, the best checkpoint is kept, training stays the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from killed import assert_same_weights, killed_after
from sam_scenes import frame, one_thread, tiny_model  # noqa: F401

from saom_core.config import SaomConfig
from saom_core.runtime import BUNDLED_MODEL
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.evaluate import evaluate
from saom_training.figures.average_precision import AP_SCORE
from saom_training.figures.models import load_model
from saom_training.recipes import base, fast, names, sam, tiny
from saom_training.running.validation import Validation
from saom_training.samples.augment import AugmentConfig

TINY = tiny.TrainConfig(
    steps=4, batch=2, warmup_steps=1, workers=0, checkpoint_every=3, validate_every=2, validate_images=2, bf16=False,
    augment=AugmentConfig(size_hw=(64, 96), prompts=12, min_visible_px=4, grid=(12, 8)),
)  # fmt: skip
SHORT = {"steps": 2, "batch": 2, "workers": 0, "validate_every": 1, "validate_images": 2, "bf16": False}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three scenes to train on, three to validate on."""
    writer = DatasetWriter(tmp_path / "data", {"simulator": "test", "seed": 1})
    for seed in range(6):
        writer.write_episode(seed, [frame(seed, "train" if seed < 3 else "val")])
    return tmp_path / "data"


def splits(path: Path, **how: Any) -> tuple[Dataset, Dataset]:
    return Dataset.open(path, "train", **how), Dataset.open(path, "val")


def rows(out: Path) -> list[dict[str, float]]:
    return json.loads((out / "validation.json").read_text())


def logged(out: Path, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    return [(event.step, event.value) for event in log.Scalars(tag)]


@pytest.mark.slow
def test_figures_are_those_of_evaluate_and_training_does_not_notice(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, val = splits(path)
    plain = tiny.train(data, tmp_path / "plain", TINY)
    measured = tiny.train(data, tmp_path / "measured", TINY, validation=val)
    assert_same_weights(plain, measured)
    assert [row["steps"] for row in rows(tmp_path / "measured")] == [2, 4]
    last = rows(tmp_path / "measured")[-1]
    model = load_model(SaomConfig(model=str(measured), score_threshold=AP_SCORE))
    report, _ = evaluate([model], val, limit=2, pictures=0)
    figures = report.models[0].everything
    assert figures is not None
    assert {name: figures[name] for name in ("AP", "AP50", "AP_class", "AP50_class")} == {
        name: value for name, value in last.items() if name != "steps"
    }
    assert logged(tmp_path / "measured", "val/AP") == [(row["steps"] - 1, row["AP"]) for row in rows(measured.parent)]
    assert "AP_class=" in capsys.readouterr().err, "the line of progress"
    assert not (tmp_path / "plain" / "validation.json").exists() and not (tmp_path / "plain" / "best").exists()


def with_figures(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Validation finds these AP, one after the other."""
    left = iter(values)
    monkeypatch.setattr(Validation, "_figures", lambda *_: {"AP": next(left)})


@pytest.mark.slow
def test_the_best_checkpoint_is_kept_whatever_comes_after_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, val = splits(path)
    config = dataclasses.replace(TINY, steps=3, validate_every=1)
    two = tiny.train(data, tmp_path / "two", dataclasses.replace(config, steps=2))
    with_figures(monkeypatch, [0.1, 0.3, 0.2])
    out = tiny.train(data, tmp_path / "run", config, validation=val).parent
    assert [row["AP"] for row in rows(out)] == [0.1, 0.3, 0.2]
    steps = {
        name: json.loads((out / name / "network.json").read_text())["training"]["steps"] for name in ("best", "last")
    }
    assert steps == {"best": 2, "last": 3}
    best = safetensors.torch.load_file(out / "best" / "weights.safetensors")
    shapes = safetensors.torch.load_file(two / "weights.safetensors")
    assert {name: value.shape for name, value in best.items()} == {name: value.shape for name, value in shapes.items()}


@pytest.mark.slow
@pytest.mark.parametrize("written", range(4))
def test_a_killed_run_has_the_same_figures_and_the_same_best(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    data, val = splits(path)
    values = {2: 0.3, 4: 0.2}
    monkeypatch.setattr(
        Validation,
        "_figures",
        lambda _, checkpoint: {
            "AP": values[json.loads((checkpoint / "network.json").read_text())["training"]["steps"]]
        },
    )
    whole = tiny.train(data, tmp_path / "whole", TINY, validation=val).parent
    with killed_after(monkeypatch, tiny, written):
        tiny.train(data, tmp_path / "cut", TINY, validation=val)
    cut = tiny.train(data, tmp_path / "cut", TINY, validation=val).parent
    assert rows(cut) == rows(whole)
    for name in ("best", "last"):
        assert_same_weights(whole / name, cut / name)


@pytest.mark.slow
def test_losses_of_a_log_line_are_means_since_the_line_before(path: Path, tmp_path: Path) -> None:
    """Of a run that goes on in between, too."""
    data, _ = splits(path)
    config = dataclasses.replace(TINY, steps=3, checkpoint_every=1)
    each: list[float] = []
    genuine = tiny.tiny_terms

    def noting(*given: Any) -> Any:
        terms = genuine(*given)
        each.append(float(sum(t.weight * t.total.detach() / max(1, t.count) for t in terms.values())))
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "tiny_terms", noting)
        tiny.train(data, tmp_path / "whole", config)
    assert logged(tmp_path / "whole", "loss/total") == [
        (0, pytest.approx(each[0], rel=1e-5)),
        (2, pytest.approx((each[1] + each[2]) / 2, rel=1e-5)),
    ]
    with pytest.MonkeyPatch.context() as patch, killed_after(patch, tiny, 4):
        tiny.train(data, tmp_path / "cut", config)
    tiny.train(data, tmp_path / "cut", config)
    assert logged(tmp_path / "cut", "loss/total")[-1] == logged(tmp_path / "whole", "loss/total")[-1]


def train_names(path: Path, out: Path) -> Path:
    data, val = splits(path)
    config = names.ClassesConfig(**{**SHORT, "batch": 4, "drawn_share": 0.0})  # type: ignore[arg-type]
    return names.teach_classes(data, val, out, config, BUNDLED_MODEL)


def train_sam(path: Path, out: Path) -> Path:
    data, val = splits(path)
    config = dataclasses.replace(sam.SAOM, **SHORT, views=1, grid=(8, 8))  # type: ignore[arg-type]
    return sam.finetune(tiny_model(), data, out, config, validation=val)


def train_fast(path: Path, out: Path) -> Path:
    data, val = splits(path)
    shape = {"dim": 32, "mask_dim": 16, "heads": 2, "layers": 2}
    config = dataclasses.replace(fast.FAST, **SHORT, **shape, views=1, grid=(8, 8))  # type: ignore[arg-type]
    return fast.finetune(tiny_model(), data, out, config, validation=val)


def train_base(path: Path, out: Path) -> Path:
    data, val = splits(path, parts=True, sub_objects="apart")
    config = base.SamBaseConfig(**SHORT, image_size=64, dim=64, decoder_heads=4)  # type: ignore[arg-type]
    return base.train_base(data, out, config, val)


@pytest.mark.slow
@pytest.mark.parametrize("train", [train_names, train_sam, train_fast, train_base])
def test_every_recipe_is_measured(path: Path, tmp_path: Path, train: Callable[[Path, Path], Path]) -> None:
    last = train(path, tmp_path / "run")
    found = rows(tmp_path / "run")
    assert [row["steps"] for row in found] == [1, 2] and all(0 <= row["AP"] <= 1 for row in found)
    assert all(("AP_class" in row) == (train is not train_base) for row in found), "a base has no names"
    best = last.with_name(last.name.replace("last", "best"))
    loaded = load_model(SaomConfig(model=str(best), provider="cpu"))
    assert loaded.info.class_names == load_model(SaomConfig(model=str(last), provider="cpu")).info.class_names


@pytest.mark.slow
def test_the_state_of_random_numbers_is_left_alone(path: Path, tmp_path: Path) -> None:
    data, val = splits(path)
    last = tiny.train(data, tmp_path / "run", TINY)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    Validation(val, tmp_path / "run", TINY).measure(last, 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_data_set_without_validation_images_is_not_measured(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    nothing = Dataset.open(path, "test")
    assert Validation.of(nothing, tmp_path, TINY) is None and "no validation images" in caplog.text
    assert Validation.of(None, tmp_path, TINY) is None
    assert Validation.of(Dataset.open(path, "val"), tmp_path, dataclasses.replace(TINY, validate_every=0)) is None
