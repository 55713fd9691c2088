"""The classes of a data set are its own: any names, any ids, joined by name; the taxonomy where it names none."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saom_core.errors import ConfigError, InputError
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.data.frames import Frame
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.dataset_tools.check import problems
from saom_training.dataset_tools.command import statistics
from saom_training.dataset_tools.merge import merge
from saom_training.networks.checkpoint import load_network_and_record
from saom_training.networks.tiny import with_classes
from saom_training.recipes.names import ClassesConfig, NamedObjects, accuracy, teach_classes
from saom_training.recipes.tiny import TrainConfig, train
from saom_training.samples.augment import AugmentConfig
from saom_training.samples.object_crops import read_objects

NAMES = ["gear", "mug_blue", "crate"]
QUICK = TrainConfig(
    steps=2,
    batch=2,
    warmup_steps=1,
    workers=0,
    checkpoint_every=2,
    bf16=False,
    augment=AugmentConfig(size_hw=(64, 96), prompts=12, min_visible_px=4, grid=(12, 8)),
)


@pytest.fixture
def make_own(make_frame: Callable[..., Frame]) -> Callable[..., Frame]:
    """Frames whose objects are of the classes `NAMES`."""
    own = {"Dresser": "crate", "Mug": "mug_blue", "Book": "gear", "Bowl": "gear", "Other": "gear", "Drawer": "gear"}

    def make(seed: int = 0, split: str = "train") -> Frame:
        frame = make_frame(seed, split)
        objects = tuple(
            dataclasses.replace(
                item,
                class_name=own[item.class_name],
                sub_objects={part: own[name] for part, name in item.sub_objects.items()},
            )
            for item in frame.objects
        )
        return dataclasses.replace(frame, objects=objects)

    return make


def written(path: Path, frames: list[Frame], **info: Any) -> Path:
    writer = DatasetWriter(path, {"simulator": "test", **info})
    for episode, frame in enumerate(frames):
        writer.write_episode(episode, [frame])
    return path


def change_shards(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    for shard_path in (path / "shards").iterdir():
        shard = json.loads(shard_path.read_text())
        change(shard)
        shard_path.write_text(json.dumps(shard))


def named_masks(data: Dataset) -> list[tuple[str, int]]:
    samples = [data[k] for k in range(len(data))]
    return [pair for one in samples for pair in zip(one.class_names, one.masks.sum((1, 2)).tolist(), strict=True)]


def right_names(checkpoint: Path, data: Dataset) -> float:
    network = load_network_and_record(checkpoint)[0]
    return accuracy(NamedObjects(network.object_head, network.class_head, 0.0), read_objects(data))


def test_own_names_go_in_and_out(tmp_path: Path, make_own: Callable[..., Frame]) -> None:
    path = written(tmp_path / "own", [make_own(0), make_own(1, "val")], class_names=NAMES)
    data = Dataset.open(path, "train")
    assert data.class_names == tuple(NAMES)
    assert data[0].class_names == ("crate", "mug_blue", "gear")
    assert data[0].class_ids.tolist() == [2, 1, 0]
    assert Dataset.open(path, "test").class_names == tuple(NAMES)  # of a split without pictures too
    assert not list(problems(path, quiet=True))
    found = statistics(Dataset.open(path))
    assert found["classes"] == {"crate": 2, "mug_blue": 2, "gear": 2} and not found["classes_without_instances"]


def test_a_data_set_without_names_has_the_taxonomy(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    path = written(tmp_path / "old", [make_frame()])
    new = named_masks(Dataset.open(path))
    change_shards(path, lambda shard: shard.pop("categories"))
    assert Dataset.open(path).class_names == CLASSES_AND_OTHER
    assert named_masks(Dataset.open(path)) == new
    assert Dataset.open(written(tmp_path / "empty", [])).class_names == CLASSES_AND_OTHER


@pytest.mark.parametrize("largest", [90, 2**31, 2**63 - 1])
def test_ids_may_have_gaps_and_be_large(tmp_path: Path, make_own: Callable[..., Frame], largest: int) -> None:
    path = written(tmp_path / "own", [make_own()], class_names=NAMES)
    before = named_masks(Dataset.open(path))
    counts = Dataset.open(path).class_counts(sub_objects=True).tolist()
    new_ids = {0: largest, 1: 7, 2: 1}

    def renumber(shard: dict[str, Any]) -> None:
        for entry in shard["annotations"]:
            entry["category_id"] = new_ids[entry["category_id"]]
        for entry in shard["categories"]:
            entry["id"] = new_ids[entry["id"]]

    change_shards(path, renumber)
    (path / "dataset.json").write_text("{}")  # nothing but the shards names the classes
    assert Dataset.open(path).class_names == ("crate", "mug_blue", "gear")
    assert named_masks(Dataset.open(path)) == before
    assert Dataset.open(path).class_counts(sub_objects=True).tolist() == counts[::-1]
    assert not list(problems(path, quiet=True))


def test_ids_beyond_64_bits_and_with_two_names_are_refused(tmp_path: Path, make_own: Callable[..., Frame]) -> None:
    path = written(tmp_path / "own", [make_own()], class_names=NAMES)
    change_shards(path, lambda shard: shard["categories"].append({"id": 1, "name": "cup"}))
    with pytest.raises(InputError, match=r"00000000.json: .* got 'mug_blue' and 'cup' with the id 1"):
        Dataset.open(path)
    assert any("'mug_blue' and 'cup'" in line for line in problems(path, quiet=True))
    change_shards(path, lambda shard: shard["annotations"][0].update(category_id=2**63))
    with pytest.raises(InputError, match="as category_id of number 0 .* 64 bits at most, got 9223372036854775808"):
        Dataset.open(path)


def test_data_sets_of_other_classes_merge_by_name(
    tmp_path: Path, make_own: Callable[..., Frame], make_frame: Callable[..., Frame]
) -> None:
    own = written(tmp_path / "own", [make_own(0)], class_names=NAMES)
    usual = written(tmp_path / "usual", [make_frame(1)])
    merge([own, usual], tmp_path / "both", quiet=True)
    both = Dataset.open(tmp_path / "both")
    assert both.class_names == (*NAMES, *CLASSES_AND_OTHER)
    assert named_masks(both) == named_masks(Dataset.open(own)) + named_masks(Dataset.open(usual))


def test_unknown_categories_and_classes_are_refused(tmp_path: Path, make_own: Callable[..., Frame]) -> None:
    path = written(tmp_path / "own", [make_own()], class_names=NAMES)
    change_shards(path, lambda shard: shard["categories"].pop())
    with pytest.raises(InputError, match=r"categories \[0, 1\].*got \[2\]"):
        Dataset.open(path)
    with pytest.raises(InputError, match="'crate'.*class_names"):
        written(tmp_path / "fewer", [make_own()], class_names=NAMES[:2])
    for names in ([], "gear", ["a", "a"], ["a", ""], [1]):
        with pytest.raises(InputError, match="expected class_names"):
            written(tmp_path / "bad", [make_own()], class_names=names)
        (tmp_path / "bad" / "dataset.json").unlink()


@pytest.mark.slow
def test_a_network_learns_the_data_sets_classes(
    tmp_path: Path, make_own: Callable[..., Frame], make_frame: Callable[..., Frame], caplog: pytest.LogCaptureFixture
) -> None:
    usual = Dataset.open(written(tmp_path / "usual", [make_frame(0)]), "train")
    first = train(usual, tmp_path / "first", QUICK)
    own = Dataset.open(written(tmp_path / "own", [make_own(0)], class_names=NAMES), "train")
    with caplog.at_level(logging.INFO, "saom"):
        second = train(own, tmp_path / "second", QUICK, init=first)
    assert "class layers start anew, for 3 instead of 56 classes" in caplog.text
    network = load_network_and_record(second)[0]
    assert network.config.class_names == tuple(NAMES) and network.class_head.out_features == 3
    caplog.clear()
    train(own, tmp_path / "third", QUICK, init=second)
    assert "anew" not in caplog.text


@pytest.mark.slow
def test_names_alone_are_learned_for_the_data_sets_classes(
    tmp_path: Path, make_own: Callable[..., Frame], make_frame: Callable[..., Frame]
) -> None:
    usual = Dataset.open(written(tmp_path / "usual", [make_frame(0)]), "train")
    first = train(usual, tmp_path / "first", QUICK)
    path = written(tmp_path / "own", [make_own(0), make_own(1), make_own(2, "val")], class_names=NAMES)
    train_data, val_data = Dataset.open(path, "train"), Dataset.open(path, "val")
    second = train(train_data, tmp_path / "second", QUICK, init=first)
    config = ClassesConfig(steps=60, batch=8, warmup_steps=1, ema_decay=0.8, drop_depth=0.0, dropout=0.0)
    third = teach_classes(train_data, val_data, tmp_path / "named", config, second)
    network = load_network_and_record(third)[0]
    assert network.config.class_names == tuple(NAMES) and network.class_head.out_features == 3
    assert right_names(second, train_data) < 0.8  # training the masks teaches no names
    assert right_names(third, train_data) == 1.0


@pytest.mark.slow
def test_a_run_is_not_resumed_for_other_classes(tmp_path: Path, make_own: Callable[..., Frame]) -> None:
    own = Dataset.open(written(tmp_path / "own", [make_own(0)], class_names=NAMES), "train")
    train(own, tmp_path / "run", QUICK)
    own.class_names = ("gear", "mug_red", "crate")
    with pytest.raises(ConfigError, match="mug_blue.*mug_red"):
        train(own, tmp_path / "run", QUICK)


@pytest.mark.slow
def test_other_classes_change_the_class_layers_alone(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    usual = Dataset.open(written(tmp_path / "usual", [make_frame(0)]), "train")
    network = load_network_and_record(train(usual, tmp_path / "run", QUICK))[0]
    changed = with_classes(network, ("a", "b"))
    image, depth = torch.from_numpy(usual[0].image_rgb[:32, :64])[None], torch.ones(1, 32, 64)
    points = torch.from_numpy(np.random.default_rng(0).random((1, 5, 2), np.float32))
    with torch.no_grad():
        answers = [one.decode(one.encode(image, depth), points) for one in (network, changed)]
    torch.testing.assert_close(answers[0].mask_embeddings, answers[1].mask_embeddings, rtol=0, atol=0)
    torch.testing.assert_close(answers[0].quality_logits, answers[1].quality_logits, rtol=0, atol=0)
    assert changed.class_head.out_features == 2 and changed.semantic_head.out_channels == 3
    assert not changed.training
