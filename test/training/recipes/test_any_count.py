"""Every trainer, and evaluating, with pictures of none, one and 300 objects, and one that must not be asked about."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sam_scenes import QUICK as SAM
from sam_scenes import one_thread, tiny_model  # noqa: F401

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.sam.checkpoints import write_checkpoint
from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.recipes import fast, sam
from saom_training.recipes.base import SamBaseConfig, train_base
from saom_training.recipes.fast import FAST
from saom_training.recipes.names import ClassesConfig, teach_classes
from saom_training.recipes.tiny import TrainConfig, train
from saom_training.samples.augment import AugmentConfig

SIZE_HW = (180, 240)
COUNTS = (0, 1, 300, -1)
"""Objects of each picture; -1: all of it is hidden objects, which must not be asked about."""


def picture(count: int, split: str) -> Frame:
    ids = np.full(SIZE_HW, -1 if count >= 0 else 0, np.int32)
    for k in range(max(0, count)):
        row, column = divmod((k + 149) % 300, 20)
        ids[12 * row : 12 * row + 11, 12 * column : 12 * column + 11] = k
    hidden = 0.0 if count < 0 else 1.0
    objects = tuple(FrameObject(("Mug", "Bowl", "Book")[k % 3], "square", visible=hidden) for k in range(abs(count)))
    rng = np.random.default_rng(abs(count))
    return Frame(
        rng.integers(0, 255, (*SIZE_HW, 3), np.uint8),
        np.ones(SIZE_HW, np.float32),
        ids,
        np.zeros(SIZE_HW, np.int32),
        objects,
        CameraIntrinsics(200.0, 200.0, 119.5, 89.5, 240, 180),
        np.eye(4),
        f"{split} {count}",
        split,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("any_count")
    writer = DatasetWriter(folder, {"simulator": "test"})
    for number, count in enumerate(COUNTS):
        writer.write_episode(2 * number, [picture(count, "train")])
        writer.write_episode(2 * number + 1, [picture(count, "test")])
    return folder


TINY = TrainConfig(
    steps=4, batch=2, warmup_steps=1, workers=0, checkpoint_every=4, bf16=False,
    augment=AugmentConfig(size_hw=(96, 128), prompts=12, min_visible_px=4, grid=(12, 8)),
)  # fmt: skip
NAMES = ClassesConfig(steps=2, batch=4, warmup_steps=1, workers=0, checkpoint_every=2, drawn_share=1.0)
BASE = SamBaseConfig(
    steps=4, batch=2, warmup_steps=1, bf16=False, workers=0, checkpoint_every=4, views=2, image_size=64, dim=64,
    decoder_heads=4, prompts=12,
)  # fmt: skip
HEAD = {"dim": 32, "mask_dim": 16, "heads": 2, "layers": 2}


def test_saom_tiny_and_its_names(path: Path, tmp_path: Path) -> None:
    data = Dataset.open(path, "train")
    last = train(data, tmp_path / "run", TINY)
    assert (last / "weights.safetensors").is_file()
    assert (teach_classes(data, data, tmp_path / "named", NAMES, last) / "weights.safetensors").is_file()


@pytest.mark.parametrize("assignment", ["nearest", "random"])
def test_the_sam_family(path: Path, tmp_path: Path, assignment: str) -> None:
    config = dataclasses.replace(SAM, assignment=assignment, batch=1)
    assert sam.finetune(tiny_model(), Dataset.open(path, "train"), tmp_path / "run", config).is_file()


def test_the_fast_head(path: Path, tmp_path: Path) -> None:
    shared = {name: getattr(SAM, name) for name in ("steps", "bf16", "workers", "checkpoint_every", "grid", "views")}
    config = dataclasses.replace(FAST, **shared, batch=1, warmup_steps=1, **HEAD)
    assert fast.finetune(tiny_model(), Dataset.open(path, "train"), tmp_path / "run", config).exists()


def test_the_base(path: Path, tmp_path: Path) -> None:
    data = Dataset.open(path, "train", parts=True, sub_objects="apart")
    assert train_base(data, tmp_path / "run", BASE).is_file()


def test_evaluating(path: Path, tmp_path: Path) -> None:
    write_checkpoint(tiny_model(), tmp_path / "tiny.safetensors")
    arguments = ["evaluate", "--data", str(path), "--model", str(tmp_path / "tiny.safetensors"), "--protocol", "both"]
    arguments += ["--grid", "8x8", "--stability-threshold", "0", "--min-area-px", "1", "--threads", "1"]
    assert main([*arguments, "--html", str(tmp_path / "page.html"), "--json", str(tmp_path / "figures.json")]) == 0
    assert (tmp_path / "page.html").stat().st_size > 10000
