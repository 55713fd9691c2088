"""The mean of several trainings is a checkpoint like theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from saom_cli.main import main
from saom_training.networks.checkpoint import load_network_and_record, save_network
from saom_training.networks.tiny import SaomTiny, TinyConfig


def checkpoint(folder: Path, seed: int, names: tuple[str, ...] = ("Mug", "Other")) -> Path:
    torch.manual_seed(seed)
    save_network(SaomTiny(TinyConfig(names)), folder, {"steps": seed, "config": {"seed": seed}})
    return folder


def test_weights_are_the_mean_and_the_record_tells_of_all(tmp_path: Path) -> None:
    folders = [checkpoint(tmp_path / str(seed), seed) for seed in (1, 2, 3)]
    assert main(["average", *map(str, folders), "--out", str(tmp_path / "mean")]) == 0
    each = [safetensors.torch.load_file(folder / "weights.safetensors") for folder in folders]
    mean = safetensors.torch.load_file(tmp_path / "mean" / "weights.safetensors")
    assert mean.keys() == each[0].keys()
    for name, value in mean.items():
        wanted = sum(one[name].double() for one in each) / 3
        torch.testing.assert_close(value, wanted.to(value.dtype), msg=name)
    network, record = load_network_and_record(tmp_path / "mean")
    assert network.config.class_names == ("Mug", "Other")
    assert [record["steps"], *(one["steps"] for one in record["mean_with"])] == [1, 2, 3]


def test_one_checkpoint_or_other_networks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = checkpoint(tmp_path / "one", 1), checkpoint(tmp_path / "other", 2, ("Cup", "Other"))
    out = ["--out", str(tmp_path / "mean")]
    assert main(["average", str(one), *out]) == 1
    assert "expected at least two checkpoints, got 1" in capsys.readouterr().err
    assert main(["average", str(one), str(other), *out]) == 1
    assert f"{other}: expected the network and classes of {one}" in capsys.readouterr().err
    assert not (tmp_path / "mean" / "network.json").exists()
